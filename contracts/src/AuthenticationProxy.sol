// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IAuthenticationProxy} from "./IAuthenticationProxy.sol";
import {Ledger} from "./Ledger.sol";
import {Secp256k1} from "./Secp256k1.sol";
import {Session} from "./Session.sol";
import {Stakes} from "./Stakes.sol";
import {
    EphemeralProof,
    Offer,
    Opened,
    Opening,
    Point,
    Post,
    Proved,
    Request,
    Seal,
    SealProof,
    Sip,
    State,
    VrfProof
} from "./Types.sol";
import {Vrf} from "./Vrf.sol";

/// The middleman between services, users, session id providers and validators. It has no owner, cannot be paused
/// and cannot be changed: who could change it could authenticate anybody.
///
/// One storage word for each request: the state in its low 8 bits, and above them, while the request lives,
/// the hash of what has happened, which travels in calldata; at its end, the time.
contract AuthenticationProxy is Stakes, EIP712 {
    uint256 internal constant POST_WINDOW = 10 minutes;
    uint256 internal constant PROOF_WINDOW = 15 minutes;
    uint256 internal constant VALIDATOR_WINDOW = 10 minutes;
    uint256 internal constant OPEN_WINDOW = 12 hours;
    /// What a provider gets whose user did not answer: it paid for gas.
    uint256 internal constant UNANSWERED_DIVISOR = 6;
    uint256 internal constant MAX_RANK = 16;
    uint256 internal constant MIN_SIGNER = 20;
    uint256 internal constant MAX_SIGNER = 256;

    bytes32 internal constant REQUEST_TYPE = keccak256(
        "AuthenticationRequest(address service,address sip,uint96 fee,uint96 minStake,uint64 nonce,uint8 sealPrefix,uint256 sealX,bytes32 message,bytes signer)"
    );
    bytes32 internal constant AUTHENTICATION_TYPE = keccak256(
        "Authentication(AuthenticationRequest request,bytes32 sessionHash,address caller)AuthenticationRequest(address service,address sip,uint96 fee,uint96 minStake,uint64 nonce,uint8 sealPrefix,uint256 sealX,bytes32 message,bytes signer)"
    );

    /// The domain under which requests were made before a fork gave the chain another number.
    bytes32 internal immutable _firstDomain;

    mapping(bytes32 => uint256) internal _words;

    constructor(IERC20 token_, uint128 minBond_, uint128 ticketPrice_)
        Ledger(token_)
        Stakes(minBond_, ticketPrice_)
        EIP712("2FApi Chain", "1")
    {
        _firstDomain = _domainSeparatorV4();
    }

    // ---- sessions

    /// @inheritdoc IAuthenticationProxy
    function authenticationRequest(Request calldata r) external beforeSunset returns (bytes32 id) {
        if (msg.sender != r.service) revert NotYours();
        if (r.signer.length < MIN_SIGNER || r.signer.length > MAX_SIGNER) revert BadKey();
        if (!Secp256k1.isPoint(Point(r.sealPrefix, r.sealX))) revert BadKey();
        id = requestId(r);
        if (_words[id] != 0) revert WrongState();
        _debit(msg.sender, r.fee);
        uint64 number = uint64(block.number);
        uint40 at = uint40(block.timestamp);
        _words[id] = _word(State.Requested, keccak256(abi.encode(number, at)));
        emit authenticationRequested(id, msg.sender, keccak256(r.signer), r, number, at);
    }

    /// @inheritdoc IAuthenticationProxy
    function signatureRequest(Request calldata r, Opening calldata o, Offer calldata offer, EphemeralProof calldata e)
        external
        beforeSunset
    {
        bytes32 id = requestId(r);
        _expect(id, State.Requested, keccak256(abi.encode(o.blockNumber, o.at)));
        if (block.timestamp > o.at + POST_WINDOW) revert TooLate();
        bytes32 seed = Blockhash.blockHash(uint256(o.blockNumber) + 1);
        if (seed == 0) revert TooEarly();
        address validator = _draw(r, o, id, seed);
        Point memory key = _validatorKeys[validator];
        if (offer.context != keccak256(abi.encode(seed, validator, key))) revert WrongContext();
        if (!Session.knowsEphemeral(id, msg.sender, offer, e)) revert BadProof();
        Post memory p = Post(msg.sender, validator, key.prefix, key.x, seed, uint40(block.timestamp), offer);
        _words[id] = _word(State.Posted, keccak256(abi.encode(p)));
        emit sessionPosted(id, msg.sender, validator, p);
    }

    /// @inheritdoc IAuthenticationProxy
    function signatureProof(Request calldata r, Post calldata p, bytes calldata signature, bytes32 tag) external {
        bytes32 request = _structHash(r);
        bytes32 id = _hashTypedDataV4(request);
        bytes32 post = keccak256(abi.encode(p));
        _expect(id, State.Posted, post);
        if (block.timestamp > p.at + PROOF_WINDOW) revert TooLate();
        bytes32 digest = _authenticationDigest(request, p.offer.sessionHash, msg.sender);
        if (!SignatureChecker.isValidSignatureNow(r.signer, digest, signature)) revert BadSignature();
        Proved memory q = Proved(uint40(block.timestamp), keccak256(signature), tag);
        _words[id] = _word(State.Proved, keccak256(abi.encode(post, q)));
        emit userAuthentication(id, r.service, keccak256(r.signer), q.at, q.signatureHash, tag);
    }

    /// @inheritdoc IAuthenticationProxy
    function messageValidation(Request calldata r, Post calldata p, Proved calldata q, Opened calldata proof) external {
        bytes32 id = requestId(r);
        _expect(id, State.Proved, keccak256(abi.encode(keccak256(abi.encode(p)), q)));
        if (block.timestamp > q.at + OPEN_WINDOW) revert TooLate();
        if (!Vrf.verify(_vrfKey(p.sip), Session.alpha(id, p.seed), proof)) revert BadProof();
        bytes32 x = Vrf.output(proof.proof.gamma);
        if (keccak256(abi.encode(x)) != p.offer.sessionHash) revert BadProof();
        // A wrong tag is the user's fault: whoever did its work is paid, and nobody is slashed.
        if (q.tag == Session.tag(x, id, r.sealPrefix, r.sealX, q.signatureHash)) {
            _words[id] = uint256(q.at) << 48 | block.timestamp << 8 | uint256(State.Done);
        } else {
            _end(id, State.Refused);
            emit refused(id);
        }
        _pay(id, r, p, q);
    }

    /// @inheritdoc IAuthenticationProxy
    function expire(bytes32 id, Request calldata r, Opening calldata o, Post calldata p, Proved calldata q) external {
        bytes32 request = _structHash(r);
        bool ofThisChain = id == _hashTypedDataV4(request);
        if (!ofThisChain && id != MessageHashUtils.toTypedDataHash(_firstDomain, request)) revert WrongHead();
        State from = stateOf(id);
        uint256 refund = r.fee;
        if (from == State.Requested) {
            _expect(id, from, keccak256(abi.encode(o.blockNumber, o.at)));
            if (block.timestamp <= o.at + POST_WINDOW) revert TooEarly();
            _end(id, State.Expired);
        } else if (from == State.Posted) {
            bytes32 post = keccak256(abi.encode(p));
            _expect(id, from, post);
            if (block.timestamp <= p.at + PROOF_WINDOW) revert TooEarly();
            uint256 kept = r.fee / UNANSWERED_DIVISOR;
            refund -= kept;
            _words[id] = _word(State.Unanswered, post); // it can still be reported
            _credit(p.sip, kept);
        } else if (from == State.Proved) {
            _expect(id, from, keccak256(abi.encode(keccak256(abi.encode(p)), q)));
            if (block.timestamp <= q.at + OPEN_WINDOW) revert TooEarly();
            _end(id, State.Expired);
            // Where the chain has changed its number, nobody could open what was proved before.
            if (ofThisChain) _slashSlow(p.sip, id);
        } else {
            revert WrongState();
        }
        _credit(r.service, refund);
        emit expired(id, from, refund);
    }

    /// @inheritdoc IAuthenticationProxy
    function reportSeal(
        Request calldata r,
        Post calldata p,
        Proved calldata q,
        Seal seal,
        SealProof calldata e,
        Opened calldata proof,
        uint256 root
    ) external {
        bytes32 id = requestId(r);
        State from = stateOf(id);
        bytes32 post = keccak256(abi.encode(p));
        if (from == State.Posted || from == State.Unanswered) {
            _expect(id, from, post);
        } else {
            _expect(id, State.Proved, keccak256(abi.encode(post, q)));
        }
        if (block.timestamp >= p.at + UNBONDING) revert TooLate();
        if (seal == Seal.User) {
            _checkShared(id, p.offer, Point(r.sealPrefix, r.sealX), e);
            if (_userSealHolds(id, p.offer, e.shared.x)) revert NoFault();
        } else {
            _checkShared(id, p.offer, Point(p.validatorPrefix, p.validatorX), e);
            if (_validatorSealHolds(id, p, e.shared.x, proof, root)) revert NoFault();
        }
        _end(id, State.Cheated);
        // After Unanswered the fee is where it belongs already.
        if (from != State.Unanswered) _credit(r.service, r.fee);
        _slashWhole(p.sip, id, msg.sender);
    }

    // ---- reading

    /// @inheritdoc IAuthenticationProxy
    function requestId(Request calldata r) public view returns (bytes32) {
        return _hashTypedDataV4(_structHash(r));
    }

    /// @inheritdoc IAuthenticationProxy
    function authenticationDigest(Request calldata r, bytes32 sessionHash, address caller)
        external
        view
        returns (bytes32)
    {
        return _authenticationDigest(_structHash(r), sessionHash, caller);
    }

    /// @inheritdoc IAuthenticationProxy
    function stateOf(bytes32 id) public view returns (State) {
        return State(uint8(_words[id]));
    }

    /// @inheritdoc IAuthenticationProxy
    function authenticatedAt(bytes32 id) external view returns (uint40 provedAt, uint40 openedAt) {
        if (stateOf(id) == State.Done) (provedAt, openedAt) = (uint40(_words[id] >> 48), uint40(_words[id] >> 8));
    }

    // ---- behind the methods

    /// Whether the caller may post now, and which validator is drawn for it.
    function _draw(Request calldata r, Opening calldata o, bytes32 id, bytes32 seed) private view returns (address) {
        Sip storage sip = _sips[msg.sender];
        uint256 count = sip.tickets.length;
        uint256 bond = sip.bond;
        if (!sip.open || sip.jailedUntil != 0 || bond < minBond || count == 0) revert NotEligible();
        if (bond + uint256(sip.ticketValue) * count < r.minStake) revert NotEligible();
        // Whoever sees the seed must not be able to change what it draws.
        if (sip.changedAt >= o.blockNumber) revert NotEligible();
        if (r.sip == address(0)) {
            uint256 drawn = uint256(keccak256(abi.encode(seed, id, msg.sender))) >> 128;
            uint256 rank = drawn * openBond / bond >> 128;
            if (block.number < uint256(o.blockNumber) + 2 + (rank < MAX_RANK ? rank : MAX_RANK)) revert TooEarly();
        } else if (r.sip != msg.sender) {
            revert NotYours();
        }
        return sip.tickets[uint256(keccak256(abi.encode(seed, id))) % count];
    }

    function _pay(bytes32 id, Request calldata r, Post calldata p, Proved calldata q) private {
        uint256 sipShare = uint256(r.fee) * 2 / 3;
        uint256 rest = r.fee - sipShare;
        bool late = block.timestamp > q.at + VALIDATOR_WINDOW;
        _credit(p.sip, sipShare);
        _credit(late ? r.service : p.validator, rest);
        emit bountyRelease(id, p.sip, p.validator, sipShare, late ? 0 : rest, late ? rest : 0);
    }

    /// That `e.shared` is what the holder of `key` and the provider share, by a proof for this reporter.
    function _checkShared(bytes32 id, Offer calldata offer, Point memory key, SealProof calldata e) private view {
        Point memory ephemeral = Point(offer.ephemeralPrefix, offer.ephemeralX);
        bytes memory domain = abi.encodePacked("2FApi-v1.0-Chain-SealProof", id, msg.sender);
        if (!Secp256k1.equalLogs(domain, key, ephemeral, e.shared, e.c, e.s, e.witness)) revert BadProof();
    }

    function _userSealHolds(bytes32 id, Offer calldata offer, uint256 sharedX) private pure returns (bool) {
        Point memory ephemeral = Point(offer.ephemeralPrefix, offer.ephemeralX);
        bytes32 x = offer.userSeal ^ Session.pad(1, 0, id, ephemeral, sharedX);
        return keccak256(abi.encode(x)) == offer.sessionHash;
    }

    function _validatorSealHolds(bytes32 id, Post calldata p, uint256 sharedX, Opened calldata brought, uint256 root)
        private
        view
        returns (bool)
    {
        (VrfProof memory proof, bool padded) = Session.unseal(id, p.offer, sharedX);
        if (!padded || keccak256(abi.encode(Vrf.output(proof.gamma))) != p.offer.sessionHash) return false;
        Opened memory opened = Opened(proof, brought.roots, brought.witness);
        return Vrf.decide(_vrfKey(p.sip), Session.alpha(id, p.seed), opened, root);
    }

    function _vrfKey(address sip) private view returns (Point memory) {
        return Point(_sips[sip].vrfPrefix, _sips[sip].vrfX);
    }

    function _end(bytes32 id, State state) private {
        _words[id] = block.timestamp << 8 | uint256(state);
    }

    function _word(State state, bytes32 head) private pure returns (uint256) {
        return uint256(head) << 8 | uint256(state);
    }

    function _expect(bytes32 id, State state, bytes32 head) private view {
        uint256 word = _words[id];
        if (uint8(word) != uint8(state)) revert WrongState();
        if (word != _word(state, head)) revert WrongHead();
    }

    function _authenticationDigest(bytes32 request, bytes32 sessionHash, address caller)
        private
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(keccak256(abi.encode(AUTHENTICATION_TYPE, request, sessionHash, caller)));
    }

    function _structHash(Request calldata r) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                REQUEST_TYPE,
                r.service,
                r.sip,
                r.fee,
                r.minStake,
                r.nonce,
                r.sealPrefix,
                r.sealX,
                r.message,
                keccak256(r.signer)
            )
        );
    }
}

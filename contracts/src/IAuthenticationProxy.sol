// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    EphemeralProof,
    Leaving,
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
    State
} from "./Types.sol";

/// The four methods of a session, what ends one otherwise, and what stands behind it: a ledger and stakes.
interface IAuthenticationProxy {
    // ---- sessions

    event authenticationRequested(
        bytes32 indexed id,
        address indexed service,
        bytes32 indexed signerHash,
        Request request,
        uint64 blockNumber,
        uint40 at
    );
    event sessionPosted(bytes32 indexed id, address indexed sip, address indexed validator, Post post);
    event userAuthentication(
        bytes32 indexed id,
        address indexed service,
        bytes32 indexed signerHash,
        uint40 at,
        bytes32 signatureHash,
        bytes32 tag
    );
    event bountyRelease(
        bytes32 indexed id,
        address indexed sip,
        address indexed validator,
        uint256 sipShare,
        uint256 validatorShare,
        uint256 refund
    );
    /// The tag was wrong: all were paid, and nobody is authenticated.
    event refused(bytes32 indexed id);
    event expired(bytes32 indexed id, State from, uint256 refund);
    event slashed(address indexed sip, bytes32 indexed id, uint256 bps, uint256 burned, uint256 reward);

    /// The request or one of its parts is not in the state that the call needs.
    error WrongState();
    /// What was passed in is not what the contract remembers.
    error WrongHead();
    /// The offer was made for another seed, validator or key.
    error WrongContext();
    error TooEarly();
    error TooLate();
    error NotYours();
    error NotEligible();
    error BadSignature();
    error BadProof();
    error BadKey();
    error Insufficient();
    /// The token delivered another amount than was asked of it.
    error TokenTookFee();
    /// The seal opens to what was promised.
    error NoFault();

    /// A service asks that a user be authenticated. The fee leaves its balance.
    function authenticationRequest(Request calldata r) external returns (bytes32 id);

    /// A session id provider whose turn it is posts a session id, sealed to the user and to a validator.
    function signatureRequest(Request calldata r, Opening calldata o, Offer calldata offer, EphemeralProof calldata e)
        external;

    /// The address that the user's signature names hands that signature in, with the tag.
    function signatureProof(Request calldata r, Post calldata p, bytes calldata signature, bytes32 tag) external;

    /// Opens the session id with the proof that it was random. Pays; authenticates if the tag is right.
    function messageValidation(Request calldata r, Post calldata p, Proved calldata q, Opened calldata proof) external;

    /// Ends a session that nobody ended in time. Whoever likes may call it. The id is that of this chain, or that which
    /// the request had before the chain changed its number.
    function expire(bytes32 id, Request calldata r, Opening calldata o, Post calldata p, Proved calldata q) external;

    /// Shows that a seal does not open to what was promised, and takes the provider's stake. Whom it was
    /// sealed to can make the proof, for the address that submits it alone.
    function reportSeal(
        Request calldata r,
        Post calldata p,
        Proved calldata q,
        Seal seal,
        SealProof calldata e,
        Opened calldata proof,
        uint256 root
    ) external;

    // ---- the ledger

    event deposited(address indexed who, uint256 amount);
    event withdrawn(address indexed who, address indexed to, uint256 amount);

    /// Moves tokens into the caller's balance.
    function deposit(uint256 amount) external;
    /// The same with an allowance by signature. If the permit was used by somebody else, the allowance decides.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
    /// Moves tokens out of the caller's balance.
    function withdraw(address to, uint256 amount) external;
    /// What an address has here. What address zero has is burned.
    function ledger(address who) external view returns (uint256);
    /// Whether the token still holds what this contract owes.
    function solvent() external view returns (bool);

    // ---- stakes

    event registered(address indexed sip, uint8 prefix, uint256 x, uint128 bond);
    event toppedUp(address indexed sip, uint128 amount);
    event exited(address indexed sip, uint40 exitAt);
    event bondClaimed(address indexed sip, uint256 amount);
    event unjailed(address indexed sip);
    event validatorKeySet(address indexed validator, uint8 prefix, uint256 x);
    event staked(address indexed sip, address indexed validator, uint32 tickets);
    event unstaked(address indexed sip, address indexed validator, uint256 index, uint40 claimableAt);
    event ticketsClaimed(address indexed sip, address indexed validator, uint32 tickets, uint256 amount);

    /// The caller becomes a session id provider with this VRF key, once and for all.
    function register(uint8 prefix, uint256 x, uint128 bond) external;
    /// Adds to the caller's bond.
    function topUp(uint128 amount) external;
    /// The caller posts no more. Its bond can be claimed, and until then slashed, after the unbonding time.
    function exit() external;
    function claimBond() external;
    /// Back to work after the jail's time.
    function unjail() external;
    /// The key that proofs are sealed to, once and for all: another key is another address.
    function setValidatorKey(uint8 prefix, uint256 x) external;
    /// Buys tickets of a provider's pool, in the first five minutes of an hour.
    function stake(address sip, uint32 tickets) external;
    /// Takes a ticket out; in the same minutes while the provider is open.
    function unstake(address sip, uint256 index) external;
    function claimTickets(address sip) external;

    // ---- reading

    /// The id of a request: its EIP-712 digest.
    function requestId(Request calldata r) external view returns (bytes32);
    /// What the user signs.
    function authenticationDigest(Request calldata r, bytes32 sessionHash, address caller)
        external
        view
        returns (bytes32);
    function stateOf(bytes32 id) external view returns (State);
    /// When the user proved and when the session was opened; zeros unless Done. Bound the age of provedAt:
    /// the opening can come up to twelve hours later.
    function authenticatedAt(bytes32 id) external view returns (uint40 provedAt, uint40 openedAt);
    function sipOf(address sip) external view returns (Sip memory);
    function validatorKeyOf(address validator) external view returns (Point memory);
    function leavingOf(address validator, address sip) external view returns (Leaving memory);
    function openSips() external view returns (uint256);
    function openBond() external view returns (uint256);
    function minBond() external view returns (uint128);
    function ticketPrice() external view returns (uint128);
    /// After this time nothing new begins; what has begun ends, and exits always work.
    function sunset() external view returns (uint256);
}

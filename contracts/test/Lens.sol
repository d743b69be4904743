// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuthenticationProxy as I} from "../src/IAuthenticationProxy.sol";
import {Opening, Point, Post, Proved, Request, Seal} from "../src/Types.sol";
import {Parties, Played} from "./Parties.sol";
import {Affine, Prover} from "./Prover.sol";

/// The parties as a contract on a real chain: it answers what each would send, for measurements from receipts.
contract Lens is Parties {
    /// What has happened so far, and what is to happen.
    struct Plan {
        address service;
        address user;
        uint256 userSecret;
        bytes signer;
        bool sigma;
        uint64 nonce;
        uint64 blockNumber;
        uint40 at;
        bytes32 seed;
        address sip;
        address validator;
        bool spoilt; // the seal to the user and what is sealed to the validator
        uint40 postedAt;
        uint40 provedAt;
    }

    uint256 private constant HX = 0x73b30f9416174ec90395b834f009eca28f4f3dc24eac46824abc908f280249d2;

    constructor(I proxy_) {
        proxy = proxy_;
    }

    function registerCall(uint128 bond) external pure returns (bytes memory) {
        Point memory k = Prover.publicKey(VRF_KEY);
        return abi.encodeCall(I.register, (k.prefix, k.x, bond));
    }

    function validatorKeyCall() external pure returns (bytes memory) {
        Point memory k = Prover.publicKey(VALIDATOR);
        return abi.encodeCall(I.setValidatorKey, (k.prefix, k.x));
    }

    /// The key of a Sigma credential with this secret, behind the address of its verifier.
    function sigmaSigner(address verifier, uint256 secret) external pure returns (bytes memory) {
        Point memory k = Prover.compress(_commit(secret, secret + 1));
        return abi.encodePacked(verifier, k.prefix, k.x);
    }

    function requestCall(Plan calldata plan) external pure returns (bytes memory) {
        return abi.encodeCall(I.authenticationRequest, (_request(plan)));
    }

    function postCall(Plan calldata plan) external view returns (bytes memory) {
        Played memory s = _play(plan);
        return abi.encodeCall(I.signatureRequest, (s.r, s.o, s.offer, s.e));
    }

    function proveCall(Plan calldata plan) external view returns (bytes memory) {
        Played memory s = _play(plan);
        return abi.encodeCall(I.signatureProof, (s.r, s.p, s.signature, s.q.tag));
    }

    function validateCall(Plan calldata plan) external view returns (bytes memory) {
        Played memory s = _play(plan);
        return abi.encodeCall(I.messageValidation, (s.r, s.p, s.q, s.opened));
    }

    function reportCall(Plan calldata plan, bool validator_, address by) external view returns (bytes memory) {
        Played memory s = _play(plan);
        uint256 key = validator_ ? VALIDATOR : SEAL_KEY;
        Seal to = validator_ ? Seal.Validator : Seal.User;
        return abi.encodeCall(I.reportSeal, (s.r, s.p, s.q, to, sealProof(s, key, by), s.opened, 0));
    }

    function _request(Plan calldata plan) private pure returns (Request memory) {
        Point memory k = Prover.publicKey(SEAL_KEY);
        return Request(
            plan.service, address(0), 3e18, 0, plan.nonce, k.prefix, k.x, keccak256("pay 5 to bob"), plan.signer
        );
    }

    function _play(Plan calldata plan) private view returns (Played memory s) {
        s.r = _request(plan);
        s.id = proxy.requestId(s.r);
        s.o = Opening(plan.blockNumber, plan.at);
        s.seed = plan.seed;
        open(s, VRF_KEY);
        if (plan.spoilt) _spoil(s);
        seal(s, plan.sip, plan.validator, 0);
        if (plan.spoilt) s.offer.userSeal ^= bytes32(uint256(1));
        Point memory k = proxy.validatorKeyOf(plan.validator);
        s.p = Post(plan.sip, plan.validator, k.prefix, k.x, s.seed, plan.postedAt, s.offer);
        bytes32 digest = proxy.authenticationDigest(s.r, s.offer.sessionHash, plan.user);
        s.signature = plan.sigma ? _sigma(plan.userSecret, digest) : _ecdsa(plan.userSecret, digest);
        s.q = Proved(plan.provedAt, keccak256(s.signature), tagOf(s));
    }

    /// A proof whose equation fails, which is what takes the contract longest to decide about.
    function _spoil(Played memory s) private pure {
        s.opened.proof.s = addmod(s.opened.proof.s, 1, Prover.N);
        bytes memory alpha = abi.encodePacked("2FApi-v1.0-Chain-Session", s.id, s.seed);
        (Affine memory h,) = Prover.encodeToCurve(Prover.publicKey(VRF_KEY), alpha);
        Affine memory y = Prover.mul(Prover.g(), VRF_KEY);
        s.opened.witness =
            Prover.witness(y, h, Prover.lift(s.opened.proof.gamma), s.opened.proof.c, s.opened.proof.s);
    }

    /// An ordinary signature of the wallet with this key.
    function _ecdsa(uint256 secret, bytes32 digest) private view returns (bytes memory) {
        uint256 k = uint256(keccak256(abi.encode(secret, digest))) % Prover.N;
        Affine memory r = Prover.mul(Prover.g(), k);
        uint256 e = addmod(uint256(digest), mulmod(r.x, secret, Prover.N), Prover.N);
        uint256 s = mulmod(_inverse(k), e, Prover.N);
        bool high = s > Prover.N / 2;
        return abi.encodePacked(r.x, high ? Prover.N - s : s, uint8(27 + ((r.y & 1) ^ (high ? 1 : 0))));
    }

    function _inverse(uint256 a) private view returns (uint256 inverse) {
        (bool done, bytes memory said) =
            address(5).staticcall(abi.encode(32, 32, 32, a, Prover.N - 2, Prover.N));
        require(done, "modexp");
        return abi.decode(said, (uint256));
    }

    function _commit(uint256 s, uint256 r) private pure returns (Affine memory) {
        return Prover.add(Prover.mul(Prover.g(), s), Prover.mul(Prover.lift(Point(2, HX)), r));
    }

    function _sigma(uint256 secret, bytes32 digest) private pure returns (bytes memory) {
        Affine memory c = _commit(secret, secret + 1);
        uint256 ks = uint256(keccak256(abi.encode("s", secret, digest))) % Prover.N;
        uint256 kr = uint256(keccak256(abi.encode("r", secret, digest))) % Prover.N;
        Affine memory a = _commit(ks, kr);
        uint256 e = uint256(
            sha256(
                abi.encodePacked(
                    "2FApi-v1.0-Sigma-secp256k1",
                    uint8(2),
                    HX,
                    uint8(2 + (c.y & 1)),
                    c.x,
                    uint8(2 + (a.y & 1)),
                    a.x,
                    digest
                )
            )
        ) % Prover.N;
        Affine memory b = Prover.mul(c, e);
        return abi.encode(
            a.x,
            a.y,
            addmod(ks, mulmod(e, secret, Prover.N), Prover.N),
            addmod(kr, mulmod(e, secret + 1, Prover.N), Prover.N),
            b.x,
            b.y,
            Prover.inv(addmod(b.x, Prover.P - a.x, Prover.P))
        );
    }
}

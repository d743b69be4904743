// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuthenticationProxy as I} from "../src/IAuthenticationProxy.sol";
import {
    EphemeralProof,
    Offer,
    Opened,
    Opening,
    Point,
    Post,
    Proved,
    Request,
    SealProof,
    VrfProof
} from "../src/Types.sol";
import {Affine, Prover} from "./Prover.sol";

/// A session as its parties know it.
struct Played {
    Request r;
    bytes32 id;
    Opening o;
    bytes32 seed;
    bytes32 x;
    Opened opened;
    Offer offer;
    EphemeralProof e;
    Post p;
    bytes signature;
    Proved q;
}

/// What providers, users and validators make, without anything that tests alone have.
abstract contract Parties {
    uint256 internal constant VALIDATOR = 0x7a1;
    uint256 internal constant VRF_KEY = 0x1f1f1f1f1f1f1f1f1f;
    uint256 internal constant SEAL_KEY = 0x0bebebebebebe;

    I internal proxy;

    function open(Played memory s, uint256 key) internal pure {
        bytes memory alpha = abi.encodePacked("2FApi-v1.0-Chain-Session", s.id, s.seed);
        s.opened = Prover.vrf(key, alpha, uint256(keccak256(abi.encode("k", s.id, s.seed))) % Prover.N);
        s.x = Prover.vrfOutput(s.opened.proof.gamma);
    }

    function ephemeralSecret(bytes32 id) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("e", id))) % Prover.N;
    }

    function pad(uint8 to, uint8 i, bytes32 id, Point memory e, uint256 shared) internal pure returns (bytes32) {
        return sha256(abi.encodePacked("2FApi-v1.0-Chain-Seal", to, i, id, e.prefix, e.x, shared));
    }

    /// Seals s.x to the user, and s.opened.proof with `filler` behind it to the validator.
    function seal(Played memory s, address sip_, address validator_, bytes15 filler) internal view {
        Point memory k = proxy.validatorKeyOf(validator_);
        s.offer.context = keccak256(abi.encode(s.seed, validator_, k));
        s.offer.sessionHash = keccak256(abi.encode(s.x));
        uint256 e = ephemeralSecret(s.id);
        Point memory ephemeral = Prover.publicKey(e);
        (s.offer.ephemeralPrefix, s.offer.ephemeralX) = (ephemeral.prefix, ephemeral.x);
        uint256 shared = Prover.mul(Prover.lift(Point(s.r.sealPrefix, s.r.sealX)), e).x;
        s.offer.userSeal = s.x ^ pad(1, 0, s.id, ephemeral, shared);
        shared = Prover.mul(Prover.lift(k), e).x;
        VrfProof memory f = s.opened.proof;
        (bytes32 a, bytes32 b, bytes32 c) = abi.decode(
            abi.encodePacked(f.gamma.prefix, f.gamma.x, f.c, f.s, filler), (bytes32, bytes32, bytes32)
        );
        s.offer.validatorSeal = [
            a ^ pad(2, 0, s.id, ephemeral, shared),
            b ^ pad(2, 1, s.id, ephemeral, shared),
            c ^ pad(2, 2, s.id, ephemeral, shared)
        ];
        s.e = ephemeralProof(s.id, sip_, ephemeral, e);
    }

    function ephemeralProof(bytes32 id, address sip_, Point memory ephemeral, uint256 e)
        internal
        pure
        returns (EphemeralProof memory)
    {
        uint256 k = uint256(keccak256(abi.encode("ephemeral", id))) % Prover.N;
        address a = Prover.addressOf(Prover.mul(Prover.g(), k));
        uint256 c = uint256(
            sha256(abi.encodePacked("2FApi-v1.0-Chain-Ephemeral", id, sip_, ephemeral.prefix, ephemeral.x, a))
        ) % Prover.N;
        return EphemeralProof(a, addmod(k, mulmod(c, e, Prover.N), Prover.N));
    }

    function tagOf(Played memory s) internal pure returns (bytes32) {
        return hmac(
            s.x,
            abi.encodePacked(
                "2FApi-v1.0-Chain-Tag", s.id, s.r.sealPrefix, s.r.sealX, keccak256(s.signature)
            )
        );
    }

    function hmac(bytes32 key, bytes memory message) internal pure returns (bytes32) {
        bytes memory inner = new bytes(64);
        bytes memory outer = new bytes(64);
        for (uint256 i = 0; i < 64; ++i) {
            bytes1 b = i < 32 ? key[i] : bytes1(0);
            (inner[i], outer[i]) = (b ^ 0x36, b ^ 0x5c);
        }
        return sha256(abi.encodePacked(outer, sha256(abi.encodePacked(inner, message))));
    }

    /// What whoever holds `key` can show about a seal, for the address `by`.
    function sealProof(Played memory s, uint256 key, address by) internal pure returns (SealProof memory e) {
        Affine memory ephemeral = Prover.lift(Point(s.offer.ephemeralPrefix, s.offer.ephemeralX));
        bytes memory domain = abi.encodePacked("2FApi-v1.0-Chain-SealProof", s.id, by);
        VrfProof memory f;
        (f, e.witness) = Prover.equalLogs(domain, key, ephemeral, 12345);
        (e.shared, e.c, e.s) = (f.gamma, f.c, f.s);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Secp256k1} from "./Secp256k1.sol";
import {EphemeralProof, Offer, Point, VrfProof} from "./Types.sol";

/// What is hashed in a session, to the byte: the VRF's input, pads, the tag, the ephemeral proof.
library Session {
    /// What the session id is the VRF's output for.
    function alpha(bytes32 id, bytes32 seed) internal pure returns (bytes memory) {
        return abi.encodePacked("2FApi-v1.0-Chain-Session", id, seed);
    }

    /// A pad of 32 bytes. `to` is 1 for the user and 2 for the validator.
    function pad(uint8 to, uint8 i, bytes32 id, Point memory ephemeral, uint256 sharedX)
        internal
        pure
        returns (bytes32)
    {
        return sha256(
            abi.encodePacked("2FApi-v1.0-Chain-Seal", to, i, id, ephemeral.prefix, ephemeral.x, sharedX)
        );
    }

    /// HMAC-SHA-256 with the session id as its key: it shows that the user could unseal.
    function tag(bytes32 x, bytes32 id, uint8 sealPrefix, uint256 sealX, bytes32 signatureHash)
        internal
        pure
        returns (bytes32)
    {
        bytes32 inner = 0x3636363636363636363636363636363636363636363636363636363636363636;
        bytes32 outer = 0x5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c;
        bytes32 hash = sha256(
            abi.encodePacked(x ^ inner, inner, "2FApi-v1.0-Chain-Tag", id, sealPrefix, sealX, signatureHash)
        );
        return sha256(abi.encodePacked(x ^ outer, outer, hash));
    }

    /// Whether whoever posts made the ephemeral key for this session. The announcement is fixed before the
    /// challenge is, so that an address is enough. It also shows that the key is a point.
    function knowsEphemeral(bytes32 id, address sip, Offer calldata offer, EphemeralProof calldata proof)
        internal
        pure
        returns (bool)
    {
        Point memory e = Point(offer.ephemeralPrefix, offer.ephemeralX);
        uint256 c = uint256(
            sha256(abi.encodePacked("2FApi-v1.0-Chain-Ephemeral", id, sip, e.prefix, e.x, proof.announcement))
        ) % Secp256k1.N;
        return proof.announcement != address(0) && proof.s != 0 && proof.s < Secp256k1.N
            && Secp256k1.linear(proof.s, e, Secp256k1.N - c) == proof.announcement;
    }

    /// The proof that was sealed to the validator, and whether the bytes behind it are zero.
    function unseal(bytes32 id, Offer calldata offer, uint256 sharedX)
        internal
        pure
        returns (VrfProof memory proof, bool padded)
    {
        Point memory e = Point(offer.ephemeralPrefix, offer.ephemeralX);
        uint256 w0 = uint256(offer.validatorSeal[0] ^ pad(2, 0, id, e, sharedX));
        uint256 w1 = uint256(offer.validatorSeal[1] ^ pad(2, 1, id, e, sharedX));
        uint256 w2 = uint256(offer.validatorSeal[2] ^ pad(2, 2, id, e, sharedX));
        // Gamma has 33 bytes, c 16, s 32; 15 remain.
        proof = VrfProof(Point(uint8(w0 >> 248), w0 << 8 | w1 >> 248), uint128(w1 >> 120), w1 << 136 | w2 >> 120);
        padded = uint120(w2) == 0;
    }
}

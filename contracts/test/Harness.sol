// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Secp256k1} from "../src/Secp256k1.sol";
import {Session} from "../src/Session.sol";
import {EphemeralProof, Offer, Opened, Point, VrfProof} from "../src/Types.sol";
import {Vrf} from "../src/Vrf.sol";
import {IHarness} from "./IHarness.sol";

/// The libraries, callable by tests.
contract Harness is IHarness {
    function isPoint(Point calldata p) external pure returns (bool) {
        return Secp256k1.isPoint(p);
    }

    function decide(Point calldata key, bytes calldata alpha, Opened calldata o, uint256 root)
        external
        pure
        returns (bool)
    {
        return Vrf.decide(key, alpha, o, root);
    }

    function verify(Point calldata key, bytes calldata alpha, Opened calldata o) external pure returns (bool) {
        return Vrf.verify(key, alpha, o);
    }

    function output(Point calldata gamma) external pure returns (bytes32) {
        return Vrf.output(gamma);
    }

    function tag(bytes32 x, bytes32 id, Point calldata sealKey, bytes32 signatureHash) external pure returns (bytes32) {
        return Session.tag(x, id, sealKey.prefix, sealKey.x, signatureHash);
    }

    function userPad(bytes32 id, Point calldata ephemeral, uint256 sharedX) external pure returns (bytes32) {
        return Session.pad(1, 0, id, ephemeral, sharedX);
    }

    function knowsEphemeral(bytes32 id, address sip, Offer calldata offer, EphemeralProof calldata proof)
        external
        pure
        returns (bool)
    {
        return Session.knowsEphemeral(id, sip, offer, proof);
    }

    function unseal(bytes32 id, Offer calldata offer, uint256 sharedX) external pure returns (VrfProof memory, bool) {
        return Session.unseal(id, offer, sharedX);
    }
}

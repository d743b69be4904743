// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EphemeralProof, Offer, Opened, Point, VrfProof} from "../src/Types.sol";

/// The libraries, callable by tests.
interface IHarness {
    function isPoint(Point calldata p) external view returns (bool);
    function decide(Point calldata key, bytes calldata alpha, Opened calldata o, uint256 root)
        external
        view
        returns (bool);
    function verify(Point calldata key, bytes calldata alpha, Opened calldata o) external view returns (bool);
    function output(Point calldata gamma) external view returns (bytes32);
    function tag(bytes32 x, bytes32 id, Point calldata sealKey, bytes32 signatureHash) external view returns (bytes32);
    function userPad(bytes32 id, Point calldata ephemeral, uint256 sharedX) external view returns (bytes32);
    function knowsEphemeral(bytes32 id, address sip, Offer calldata offer, EphemeralProof calldata proof)
        external
        view
        returns (bool);
    function unseal(bytes32 id, Offer calldata offer, uint256 sharedX)
        external
        view
        returns (VrfProof memory proof, bool padded);
}

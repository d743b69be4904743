// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The cheatcodes of forge that these tests use.
interface Vm {
    function addr(uint256 secret) external pure returns (address);
    function chainId(uint256) external;
    function deployCode(string calldata artifact, bytes calldata arguments) external returns (address);
    function envOr(string calldata name, string calldata otherwise) external view returns (string memory);
    function envOr(string calldata name, uint256 otherwise) external view returns (uint256);
    function etch(address, bytes calldata) external;
    function getBlockNumber() external view returns (uint256);
    function getBlockTimestamp() external view returns (uint256);
    function mockCall(address, bytes calldata data, bytes calldata answer) external;
    function clearMockedCalls() external;
    function keyExistsJson(string calldata json, string calldata key) external view returns (bool);
    function parseBytes(string calldata) external pure returns (bytes memory);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseUint(string calldata) external pure returns (uint256);
    function prank(address) external;
    function publicKeyP256(uint256 secret) external view returns (uint256, uint256);
    function readFile(string calldata) external view returns (string memory);
    function roll(uint256) external;
    function setBlockhash(uint256, bytes32) external;
    function sign(uint256 secret, bytes32 digest) external pure returns (uint8, bytes32, bytes32);
    function signAndAttachDelegation(address implementation, uint256 secret) external;
    function signP256(uint256 secret, bytes32 digest) external pure returns (bytes32, bytes32);
    function toString(uint256) external pure returns (string memory);
    function warp(uint256) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

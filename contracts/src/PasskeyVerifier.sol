// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC7913SignatureVerifier} from "@openzeppelin/contracts/interfaces/IERC7913.sol";
import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";

/// A passkey of one relying party, as a signature of ERC-7913. The key is x, y and the SHA-256 of the relying
/// party's id; that hash has to be in what the authenticator signed. The origin is for the browser to check.
contract PasskeyVerifier is IERC7913SignatureVerifier {
    /// Whether the passkey `key` signed `hash` for its relying party, with its user verified.
    /// @inheritdoc IERC7913SignatureVerifier
    function verify(bytes calldata key, bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (key.length != 96) return 0xffffffff;
        (bytes32 x, bytes32 y, bytes32 party) = abi.decode(key, (bytes32, bytes32, bytes32));
        (bool decoded, WebAuthn.WebAuthnAuth calldata auth) = WebAuthn.tryDecodeAuth(signature);
        // WebAuthn.verify refuses what is shorter than the hash, its flags and its counter.
        if (!decoded || !WebAuthn.verify(abi.encodePacked(hash), auth, x, y)) return 0xffffffff;
        return bytes32(auth.authenticatorData[:32]) == party ? this.verify.selector : bytes4(0xffffffff);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// A wallet of ERC-1271 that one key owns.
contract Wallet {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.recover(hash, signature) == _owner ? this.isValidSignature.selector : bytes4(0);
    }
}

/// A wallet or verifier that answers whatever it likes.
contract Liar {
    uint256 private immutable _how;
    uint256 private _written;

    constructor(uint256 how) {
        _how = how;
    }

    fallback() external {
        uint256 how = _how;
        if (how == 0) revert("no");
        if (how == 1) _written = 1; // a static call
        bytes4 magic = msg.sig;
        assembly {
            mstore(0, magic)
            switch how
            case 2 { return(0, 4) } // too short to be a word
            case 3 { return(0, 0) }
            case 4 {
                mstore(0, or(magic, 1)) // bits behind the four bytes
                return(0, 32)
            }
            case 5 { return(0, 100000) } // a long answer, beginning with another word
            default { return(0, 32) }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20, ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// The token that bounties, bonds and tickets are paid in. Its supply is fixed at deployment.
contract SettlementToken is ERC20Permit {
    constructor(address to, uint256 supply) ERC20("2FApi settlement", "TFA") ERC20Permit("2FApi settlement") {
        _mint(to, supply);
    }
}

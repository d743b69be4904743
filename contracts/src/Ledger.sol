// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IAuthenticationProxy} from "./IAuthenticationProxy.sol";

/// One balance for each address, and the only calls to the token.
abstract contract Ledger is IAuthenticationProxy, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;

    /// @inheritdoc IAuthenticationProxy
    mapping(address => uint256) public ledger;

    /// All that came in and has not gone out: balances, bonds, tickets, and fees of live requests.
    uint256 public held;

    constructor(IERC20 token_) {
        token = token_;
    }

    /// @inheritdoc IAuthenticationProxy
    function deposit(uint256 amount) external nonReentrant {
        _deposit(amount);
    }

    /// @inheritdoc IAuthenticationProxy
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external nonReentrant {
        try IERC20Permit(address(token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(amount);
    }

    function _deposit(uint256 amount) private {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        if (token.balanceOf(address(this)) - before != amount) revert TokenTookFee();
        held += amount;
        ledger[msg.sender] += amount;
        emit deposited(msg.sender, amount);
    }

    /// @inheritdoc IAuthenticationProxy
    function withdraw(address to, uint256 amount) external nonReentrant {
        // What this contract sent itself would be nobody's.
        if (to == address(this)) revert NotYours();
        _debit(msg.sender, amount);
        held -= amount;
        emit withdrawn(msg.sender, to, amount);
        token.safeTransfer(to, amount);
    }

    /// @inheritdoc IAuthenticationProxy
    function solvent() external view returns (bool) {
        return token.balanceOf(address(this)) >= held;
    }

    function _debit(address who, uint256 amount) internal {
        uint256 has = ledger[who];
        if (has < amount) revert Insufficient();
        unchecked {
            ledger[who] = has - amount;
        }
    }

    function _credit(address who, uint256 amount) internal {
        ledger[who] += amount;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// A token that takes a fee of every transfer.
contract FeeToken is ERC20("fee", "FEE") {
    constructor() {
        _mint(msg.sender, 1e30);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && to != address(0)) super._update(to, address(0xfee), amount / 100);
    }
}

/// A token whose balances shrink when its issuer likes.
contract RebasingToken is ERC20("rebase", "RBS") {
    constructor() {
        _mint(msg.sender, 1e30);
    }

    function shrink(address who, uint256 by) external {
        _burn(who, by);
    }
}

/// A token that answers nothing, as some old ones do, and refuses by reverting.
contract SilentToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor() {
        balanceOf[msg.sender] = 1e30;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// A token that answers false and moves nothing.
contract LyingToken is ERC20("lie", "LIE") {
    constructor() {
        _mint(msg.sender, 1e30);
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// A token that calls its holders, as ERC-777 does, and swallows what one of them sends.
contract HookToken is ERC20("hook", "HOOK") {
    address public swallowed;

    constructor() {
        _mint(msg.sender, 1e30);
    }

    function swallow(address whose) external {
        swallowed = whose;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (from == swallowed && from != address(0)) super._update(from, address(0xdead), amount);
        else super._update(from, to, amount);
        // Whoever has no such hook is let be.
        (bool told,) = from.call(hex"4d05ed00");
        (told,) = to.call(hex"4d05ed00");
    }
}

/// Calls back into whatever it was told to when tokens move.
contract Reenterer {
    address private target;
    bytes private data;
    uint256 private depth;
    bool public entered;
    bytes public said;

    function aim(address target_, bytes calldata data_) external {
        (target, data, depth, entered) = (target_, data_, 0, false);
    }

    function call(address to, bytes calldata what) external returns (bool done, bytes memory answered) {
        (done, answered) = to.call(what);
    }

    fallback() external {
        if (target == address(0) || depth != 0) return;
        depth = 1;
        bool done;
        (done, said) = target.call(data);
        if (done) entered = true;
        depth = 0;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IAuthenticationProxy as I} from "../src/IAuthenticationProxy.sol";
import {Fixture} from "./Fixture.sol";
import {FeeToken, HookToken, LyingToken, RebasingToken, Reenterer, SilentToken} from "./Tokens.sol";
import {vm} from "./Vm.sol";

/// Balances, and tokens that do not behave.
contract LedgerTest is Fixture {
    function _over(address hostile) private {
        token = IERC20(hostile);
        proxy = deploy(token);
        (bool done,) = hostile.call(abi.encodeCall(IERC20.approve, (address(proxy), type(uint256).max)));
        require(done, "approve");
    }

    function test_what_comes_in_goes_out() public {
        require(proxy.solvent(), "insolvent");
        go(service, abi.encodeCall(I.withdraw, (user, 2000e18)));
        require(token.balanceOf(user) == 2000e18 && proxy.ledger(service) == 3000e18, "balances");
        refused(service, abi.encodeCall(I.withdraw, (user, 3000e18 + 1)), I.Insufficient.selector);
        refused(service, abi.encodeCall(I.withdraw, (address(proxy), 1)), I.NotYours.selector);
        go(service, abi.encodeCall(I.withdraw, (service, 3000e18)));
        require(proxy.solvent(), "insolvent");
    }

    function _permit(uint256 secret, uint256 amount) private view returns (uint8, bytes32, bytes32) {
        address who = vm.addr(secret);
        IERC20Permit permit = IERC20Permit(address(token));
        bytes32 hash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                who,
                address(proxy),
                amount,
                permit.nonces(who),
                type(uint256).max
            )
        );
        return vm.sign(secret, keccak256(abi.encodePacked(hex"1901", permit.DOMAIN_SEPARATOR(), hash)));
    }

    function test_a_deposit_by_permit_needs_one_transaction() public {
        token.transfer(user, 10e18);
        (uint8 v, bytes32 r, bytes32 s) = _permit(USER, 10e18);
        go(user, abi.encodeCall(I.depositWithPermit, (10e18, type(uint256).max, v, r, s)));
        require(proxy.ledger(user) == 10e18, "ledger");
    }

    function test_a_used_permit_still_deposits() public {
        token.transfer(user, 10e18);
        (uint8 v, bytes32 r, bytes32 s) = _permit(USER, 10e18);
        // Somebody saw it in the mempool and used it up.
        IERC20Permit(address(token)).permit(user, address(proxy), 10e18, type(uint256).max, v, r, s);
        go(user, abi.encodeCall(I.depositWithPermit, (10e18, type(uint256).max, v, r, s)));
        require(proxy.ledger(user) == 10e18, "ledger");
    }

    function test_a_token_that_takes_a_fee_is_refused() public {
        _over(address(new FeeToken()));
        refused(address(this), abi.encodeCall(I.deposit, (100)), I.TokenTookFee.selector);
    }

    function test_a_token_that_answers_nothing_is_taken_and_one_that_lies_is_not() public {
        _over(address(new SilentToken()));
        go(address(this), abi.encodeCall(I.deposit, (100)));
        go(address(this), abi.encodeCall(I.withdraw, (user, 100)));
        require(token.balanceOf(user) == 100, "withdrawn");
        _over(address(new LyingToken()));
        (bool done,) = address(proxy).call(abi.encodeCall(I.deposit, (100)));
        require(!done && proxy.ledger(address(this)) == 0, "a lie was believed");
    }

    function test_a_token_that_shrinks_shows_in_solvent() public {
        RebasingToken rebasing = new RebasingToken();
        _over(address(rebasing));
        go(address(this), abi.encodeCall(I.deposit, (100)));
        require(proxy.solvent(), "insolvent");
        rebasing.shrink(address(proxy), 1);
        require(!proxy.solvent(), "solvent");
    }

    /// A hook inside a deposit that delivers nothing makes another deposit: both would count the same tokens.
    function test_a_deposit_inside_a_deposit_counts_nothing_twice() public {
        HookToken hooks = new HookToken();
        _over(address(hooks));
        vm.etch(address(0xbad), address(new Reenterer()).code);
        Reenterer outer = Reenterer(address(0xbad));
        Reenterer inner = new Reenterer();
        token.transfer(address(outer), 100);
        token.transfer(address(inner), 100);
        outer.call(address(token), abi.encodeCall(IERC20.approve, (address(proxy), 100)));
        inner.call(address(token), abi.encodeCall(IERC20.approve, (address(proxy), 100)));
        hooks.swallow(address(outer));
        outer.aim(
            address(inner),
            abi.encodeCall(Reenterer.call, (address(proxy), abi.encodeCall(I.deposit, (100))))
        );
        outer.call(address(proxy), abi.encodeCall(I.deposit, (100)));
        uint256 owed = proxy.ledger(address(outer)) + proxy.ledger(address(inner));
        require(owed <= token.balanceOf(address(proxy)), "the same tokens were counted twice");
        // The same with the permit's deposit outside.
        outer.aim(
            address(inner),
            abi.encodeCall(Reenterer.call, (address(proxy), abi.encodeCall(I.deposit, (100))))
        );
        token.transfer(address(outer), 100);
        outer.call(address(token), abi.encodeCall(IERC20.approve, (address(proxy), 100)));
        outer.call(address(proxy), abi.encodeCall(I.depositWithPermit, (100, 0, 27, 0, 0)));
        owed = proxy.ledger(address(outer)) + proxy.ledger(address(inner));
        require(owed <= token.balanceOf(address(proxy)), "the same tokens were counted twice");
    }

    function test_a_withdrawal_is_not_entered_twice() public {
        _over(address(new HookToken()));
        Reenterer thief = new Reenterer();
        token.transfer(address(thief), 100);
        thief.call(address(token), abi.encodeCall(IERC20.approve, (address(proxy), 100)));
        thief.call(address(proxy), abi.encodeCall(I.deposit, (100)));
        go(address(this), abi.encodeCall(I.deposit, (1000)));
        thief.aim(address(proxy), abi.encodeCall(I.withdraw, (address(thief), 50)));
        thief.call(address(proxy), abi.encodeCall(I.withdraw, (address(thief), 50)));
        require(!thief.entered() && thief.said().length == 4, "entered");
        require(proxy.ledger(address(thief)) == 50 && token.balanceOf(address(thief)) == 50, "paid twice");
        require(proxy.solvent(), "insolvent");
    }
}

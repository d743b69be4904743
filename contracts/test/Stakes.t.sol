// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuthenticationProxy as I} from "../src/IAuthenticationProxy.sol";
import {Leaving, Point, Sip} from "../src/Types.sol";
import {Fixture} from "./Fixture.sol";
import {Played} from "./Parties.sol";
import {Prover} from "./Prover.sol";
import {vm} from "./Vm.sol";

/// Bonds and tickets, and each reason for which a change is refused.
contract StakesTest is Fixture {
    address private other = vm.addr(0x07e4);

    function setUp() public override {
        super.setUp();
        fund(other, 3000e18);
    }

    function _no_point() private pure returns (Point memory k) {
        k = Prover.publicKey(5);
        do ++k.x;
        while (Prover.isX(k.x));
    }

    function test_a_deployment_needs_a_bond_and_a_price() public {
        for (uint128 i = 0; i < 2; ++i) {
            try vm.deployCode("AuthenticationProxy.sol:AuthenticationProxy", abi.encode(token, i, uint128(1) - i)) {
                revert("deployed");
            } catch {}
        }
        vm.deployCode("AuthenticationProxy.sol:AuthenticationProxy", abi.encode(token, uint128(1), uint128(1)));
    }

    function test_a_provider_registers_once_with_a_key_and_enough() public {
        Point memory k = Prover.publicKey(5);
        Point memory bad = _no_point();
        refused(other, abi.encodeCall(I.register, (bad.prefix, bad.x, 1000e18)), I.BadKey.selector);
        refused(other, abi.encodeCall(I.register, (4, k.x, 1000e18)), I.BadKey.selector);
        refused(other, abi.encodeCall(I.register, (k.prefix, k.x, 1000e18 - 1)), I.Insufficient.selector);
        refused(other, abi.encodeCall(I.register, (k.prefix, k.x, 3000e18 + 1)), I.Insufficient.selector);
        go(other, abi.encodeCall(I.register, (k.prefix, k.x, 2000e18)));
        require(proxy.openSips() == 2 && proxy.openBond() == 3000e18 && proxy.ledger(other) == 1000e18, "counted");
        refused(other, abi.encodeCall(I.register, (k.prefix, k.x, 1000e18)), I.WrongState.selector);
    }

    function test_after_the_sunset_no_stake_begins() public {
        vm.warp(proxy.sunset());
        Point memory k = Prover.publicKey(5);
        refused(other, abi.encodeCall(I.register, (k.prefix, k.x, 1000e18)), I.TooLate.selector);
        refused(sip, abi.encodeCall(I.topUp, (1)), I.TooLate.selector);
        refused(validator, abi.encodeCall(I.stake, (sip, 1)), I.TooLate.selector);
    }

    function test_a_bond_is_topped_up() public {
        refused(other, abi.encodeCall(I.topUp, (1)), I.WrongState.selector);
        go(sip, abi.encodeCall(I.topUp, (500e18)));
        require(proxy.sipOf(sip).bond == 1500e18 && proxy.openBond() == 1500e18, "bond");
        require(proxy.ledger(sip) == 3500e18, "ledger");
    }

    function test_a_bond_comes_back_seven_days_after_the_exit_and_once() public {
        refused(sip, abi.encodeCall(I.claimBond, ()), I.WrongState.selector);
        go(sip, abi.encodeCall(I.exit, ()));
        require(proxy.openSips() == 0 && proxy.openBond() == 0, "counted");
        refused(sip, abi.encodeCall(I.exit, ()), I.WrongState.selector);
        refused(sip, abi.encodeCall(I.topUp, (1)), I.WrongState.selector);
        vm.warp(vm.getBlockTimestamp() + 7 days - 1);
        refused(sip, abi.encodeCall(I.claimBond, ()), I.TooEarly.selector);
        vm.warp(vm.getBlockTimestamp() + 1);
        go(sip, abi.encodeCall(I.claimBond, ()));
        require(proxy.ledger(sip) == 5000e18, "bond");
        go(sip, abi.encodeCall(I.claimBond, ()));
        require(proxy.ledger(sip) == 5000e18, "paid twice");
    }

    function test_a_validator_has_one_key_for_ever() public {
        Point memory bad = _no_point();
        refused(other, abi.encodeCall(I.setValidatorKey, (bad.prefix, bad.x)), I.BadKey.selector);
        Point memory k = Prover.publicKey(6);
        go(other, abi.encodeCall(I.setValidatorKey, (k.prefix, k.x)));
        k = Prover.publicKey(7);
        refused(other, abi.encodeCall(I.setValidatorKey, (k.prefix, k.x)), I.WrongState.selector);
        require(proxy.validatorKeyOf(other).x == Prover.publicKey(6).x, "another key");
    }

    function test_tickets_are_bought_by_who_has_a_key_of_who_is_open() public {
        refused(other, abi.encodeCall(I.stake, (sip, 1)), I.BadKey.selector);
        refused(validator, abi.encodeCall(I.stake, (other, 1)), I.NotEligible.selector);
        refused(validator, abi.encodeCall(I.stake, (sip, 0)), I.NotEligible.selector);
        go(sip, abi.encodeCall(I.exit, ()));
        refused(validator, abi.encodeCall(I.stake, (sip, 1)), I.NotEligible.selector);
    }

    function test_a_pool_has_at_most_five_times_the_bond() public {
        refused(validator, abi.encodeCall(I.stake, (sip, 48)), I.NotEligible.selector);
        fund(validator, 1000e18);
        go(validator, abi.encodeCall(I.stake, (sip, 47)));
        refused(validator, abi.encodeCall(I.stake, (sip, 1)), I.NotEligible.selector);
        require(proxy.ledger(validator) == 1000e18, "price");
    }

    function test_tickets_are_paid_for() public {
        fund(other, 1);
        Point memory k = Prover.publicKey(6);
        go(other, abi.encodeCall(I.setValidatorKey, (k.prefix, k.x)));
        refused(other, abi.encodeCall(I.stake, (sip, 31)), I.Insufficient.selector);
        go(other, abi.encodeCall(I.stake, (sip, 30)));
        require(proxy.ledger(other) == 1, "price");
    }

    function test_pools_change_in_the_first_minutes_of_an_hour_only() public {
        vm.warp(HOUR + 300);
        refused(validator, abi.encodeCall(I.stake, (sip, 1)), I.TooLate.selector);
        refused(validator, abi.encodeCall(I.unstake, (sip, 0)), I.TooLate.selector);
        vm.warp(HOUR + 3599);
        refused(validator, abi.encodeCall(I.stake, (sip, 1)), I.TooLate.selector);
        vm.warp(HOUR + 299);
        go(validator, abi.encodeCall(I.stake, (sip, 1)));
        go(validator, abi.encodeCall(I.unstake, (sip, 0)));
        vm.warp(HOUR + 300);
        go(sip, abi.encodeCall(I.exit, ()));
        go(validator, abi.encodeCall(I.unstake, (sip, 0))); // nothing is drawn from who has left
    }

    function test_a_ticket_comes_back_seven_days_later_to_who_bought_it() public {
        refused(validator, abi.encodeCall(I.claimTickets, (sip)), I.WrongState.selector);
        refused(other, abi.encodeCall(I.unstake, (sip, 0)), I.NotYours.selector);
        go(validator, abi.encodeCall(I.unstake, (sip, 1)));
        require(proxy.sipOf(sip).tickets.length == 2 && proxy.sipOf(sip).leaving == 1, "pool");
        Leaving memory l = proxy.leavingOf(validator, sip);
        require(l.tickets == 1 && l.at == vm.getBlockTimestamp() + 7 days, "leaving");
        vm.warp(l.at - 1);
        refused(validator, abi.encodeCall(I.claimTickets, (sip)), I.TooEarly.selector);
        vm.warp(l.at);
        go(validator, abi.encodeCall(I.claimTickets, (sip)));
        require(proxy.ledger(validator) == 4800e18 && proxy.sipOf(sip).leaving == 0, "paid");
        refused(validator, abi.encodeCall(I.claimTickets, (sip)), I.WrongState.selector);
    }

    function test_the_last_ticket_takes_the_place_of_the_one_that_left() public {
        Point memory k = Prover.publicKey(6);
        go(other, abi.encodeCall(I.setValidatorKey, (k.prefix, k.x)));
        go(other, abi.encodeCall(I.stake, (sip, 1)));
        go(validator, abi.encodeCall(I.unstake, (sip, 0)));
        Sip memory z = proxy.sipOf(sip);
        require(z.tickets.length == 3 && z.tickets[0] == other && z.tickets[2] == validator, "order");
    }

    function test_jail_ends_after_a_day_when_the_provider_says_so() public {
        refused(sip, abi.encodeCall(I.unjail, ()), I.WrongState.selector);
        Played memory s = proved(request(1));
        vm.warp(s.q.at + 12 hours + 1);
        go(user, expireCall(s));
        vm.warp(vm.getBlockTimestamp() + 1 days - 1);
        refused(sip, abi.encodeCall(I.unjail, ()), I.TooEarly.selector);
        vm.warp(vm.getBlockTimestamp() + 1);
        go(sip, abi.encodeCall(I.unjail, ()));
        require(proxy.sipOf(sip).jailedUntil == 0, "in jail");
    }
}

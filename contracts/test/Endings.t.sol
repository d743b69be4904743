// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuthenticationProxy as I} from "../src/IAuthenticationProxy.sol";
import {Seal, SealProof, Sip, State, VrfProof} from "../src/Types.sol";
import {Fixture} from "./Fixture.sol";
import {Played} from "./Parties.sol";
import {Affine, Prover} from "./Prover.sol";
import {vm} from "./Vm.sol";

/// What ends a session otherwise: time, and reports of seals.
contract EndingsTest is Fixture {
    // ---- expire

    function test_a_request_that_nobody_took_is_paid_back() public {
        Played memory s = requested(request(1));
        vm.warp(s.o.at + 600);
        refused(user, expireCall(s), I.TooEarly.selector);
        vm.warp(s.o.at + 601);
        s.o.at += 1;
        refused(user, expireCall(s), I.WrongHead.selector);
        s.o.at -= 1;
        go(user, expireCall(s));
        is_(s.id, State.Expired);
        require(proxy.ledger(service) == 5000e18, "fee");
        refused(user, expireCall(s), I.WrongState.selector);
    }

    function test_a_post_that_nobody_answered_pays_the_provider_a_sixth() public {
        Played memory s = posted(request(1));
        vm.warp(s.p.at + 900);
        refused(user, expireCall(s), I.TooEarly.selector);
        vm.warp(s.p.at + 901);
        s.p.at += 1;
        refused(user, expireCall(s), I.WrongHead.selector);
        s.p.at -= 1;
        go(user, expireCall(s));
        is_(s.id, State.Unanswered);
        require(proxy.ledger(service) == 5000e18 - 5e17 && proxy.ledger(sip) == 4000e18 + 5e17, "shares");
        refused(user, expireCall(s), I.WrongState.selector);
    }

    function test_a_session_that_nobody_opened_is_paid_back_and_slashed_by_a_tenth() public {
        Played memory s = proved(request(1));
        vm.warp(s.q.at + 12 hours);
        refused(user, expireCall(s), I.TooEarly.selector);
        vm.warp(s.q.at + 12 hours + 1);
        s.q.tag ^= bytes32(uint256(1));
        refused(user, expireCall(s), I.WrongHead.selector);
        s.q.tag ^= bytes32(uint256(1));
        go(user, expireCall(s));
        is_(s.id, State.Expired);
        Sip memory z = proxy.sipOf(sip);
        require(z.bond == 900e18 && z.ticketValue == 90e18 && z.open && !z.dead, "a tenth");
        require(z.jailedUntil == vm.getBlockTimestamp() + 1 days, "jail");
        require(proxy.openBond() == 900e18 && proxy.openSips() == 1, "the open bond");
        require(proxy.ledger(service) == 5000e18 && proxy.ledger(address(0)) == 130e18, "burned");
        require(proxy.ledger(user) == 0, "nobody gains by it");
    }

    function test_an_outage_costs_a_tenth_a_day_and_no_more() public {
        Played memory s = proved(request(1));
        Played memory t = proved(request(2));
        Played memory u = proved(request(3));
        vm.warp(u.q.at + 12 hours + 1);
        go(user, expireCall(s));
        go(user, expireCall(t));
        require(proxy.sipOf(sip).bond == 900e18, "slashed twice");
        later(1 days);
        go(user, expireCall(u));
        require(proxy.sipOf(sip).bond == 810e18, "the next day");
    }

    function test_a_provider_that_has_left_is_slashed_too_until_it_is_paid_out() public {
        Played memory s = proved(request(1));
        go(sip, abi.encodeCall(I.exit, ()));
        go(validator, abi.encodeCall(I.unstake, (sip, 0)));
        vm.warp(s.q.at + 12 hours + 1);
        go(user, expireCall(s));
        require(proxy.sipOf(sip).bond == 900e18 && proxy.openBond() == 0, "bond");
        later(7 days);
        go(validator, abi.encodeCall(I.claimTickets, (sip)));
        require(proxy.ledger(validator) == 4700e18 + 90e18, "a ticket on its way out");
    }

    function test_a_fork_locks_no_fee_and_slashes_nobody_for_what_cannot_be_opened() public {
        Played memory a = requested(request(1));
        Played memory b = posted(request(2));
        Played memory c = proved(request(3));
        vm.chainId(7777);
        refused(validator, validateCall(c), I.WrongState.selector);
        later(12 hours + 1);
        bytes32 id = c.id;
        c.id = bytes32(uint256(1));
        refused(user, expireCall(c), I.WrongHead.selector);
        c.id = id;
        go(user, expireCall(a));
        go(user, expireCall(b));
        go(user, expireCall(c));
        require(proxy.ledger(service) == 5000e18 - 5e17, "fees");
        require(proxy.sipOf(sip).bond == 1000e18, "slashed");
        // What begins on the fork is as it was.
        Played memory d = proved(request(4));
        later(12 hours + 1);
        go(user, expireCall(d));
        require(proxy.sipOf(sip).bond == 900e18, "not slashed");
    }

    // ---- reportSeal

    function _report(Played memory s, Seal to, address by, uint256 root) private pure returns (bytes memory) {
        SealProof memory e = sealProof(s, to == Seal.User ? SEAL_KEY : VALIDATOR, by);
        return abi.encodeCall(I.reportSeal, (s.r, s.p, s.q, to, e, s.opened, root));
    }

    function _spoilt(uint64 nonce) private returns (Played memory s) {
        s = offered(request(nonce));
        s.offer.userSeal ^= bytes32(uint256(1));
        post(s);
    }

    function test_an_honest_seal_cannot_be_reported() public {
        Played memory s = posted(request(1));
        refused(user, _report(s, Seal.User, user, 0), I.NoFault.selector);
        refused(validator, _report(s, Seal.Validator, validator, 0), I.NoFault.selector);
        answer(s);
        go(user, proveCall(s));
        refused(user, _report(s, Seal.User, user, 0), I.NoFault.selector);
        refused(validator, _report(s, Seal.Validator, validator, 0), I.NoFault.selector);
        require(proxy.sipOf(sip).bond == 1000e18, "slashed");
    }

    function test_a_bad_seal_to_the_user_takes_the_whole_stake() public {
        Played memory s = _spoilt(1);
        go(user, _report(s, Seal.User, user, 0));
        is_(s.id, State.Cheated);
        Sip memory z = proxy.sipOf(sip);
        require(z.dead && !z.open && z.bond == 0 && z.ticketValue == 0, "alive");
        require(proxy.openSips() == 0 && proxy.openBond() == 0, "still counted");
        require(proxy.ledger(user) == 100e18 && proxy.ledger(address(0)) == 900e18 + 300e18, "reward and burned");
        require(proxy.ledger(service) == 5000e18, "fee");
        refused(sip, abi.encodeCall(I.topUp, (1)), I.WrongState.selector);
        refused(sip, abi.encodeCall(I.exit, ()), I.WrongState.selector);
        refused(sip, abi.encodeCall(I.claimBond, ()), I.WrongState.selector);
        refused(user, _report(s, Seal.User, user, 0), I.WrongState.selector);
    }

    function test_a_report_is_of_use_to_nobody_else() public {
        Played memory s = _spoilt(1);
        // Somebody copies the report from the mempool; then the reporter's own goes through.
        refused(service, _report(s, Seal.User, user, 0), I.BadProof.selector);
        go(user, _report(s, Seal.User, user, 0));
    }

    function test_a_report_of_another_post_or_answer_is_refused() public {
        Played memory s = _spoilt(1);
        s.p.at += 1;
        refused(user, _report(s, Seal.User, user, 0), I.WrongHead.selector);
        s.p.at -= 1;
        answer(s);
        go(user, proveCall(s));
        s.q.at += 1;
        refused(user, _report(s, Seal.User, user, 0), I.WrongHead.selector);
        s.q.at -= 1;
        go(user, _report(s, Seal.User, user, 0));
    }

    function test_a_session_that_is_over_cannot_be_reported() public {
        Played memory s = proved(request(1));
        go(validator, validateCall(s));
        refused(user, _report(s, Seal.User, user, 0), I.WrongState.selector);
    }

    function test_a_report_after_nobody_answered_slashes_and_pays_no_second_refund() public {
        Played memory s = _spoilt(1);
        vm.warp(s.p.at + 901);
        go(user, expireCall(s));
        uint256 had = proxy.ledger(service);
        vm.warp(s.p.at + 7 days);
        refused(user, _report(s, Seal.User, user, 0), I.TooLate.selector);
        vm.warp(s.p.at + 7 days - 1);
        go(user, _report(s, Seal.User, user, 0));
        is_(s.id, State.Cheated);
        require(proxy.ledger(service) == had, "refunded twice");
        require(proxy.sipOf(sip).dead, "not slashed");
    }

    function test_leaving_does_not_escape_a_report() public {
        Played memory s = _spoilt(1);
        go(sip, abi.encodeCall(I.exit, ()));
        go(validator, abi.encodeCall(I.unstake, (sip, 0)));
        vm.warp(s.p.at + 901);
        go(user, expireCall(s));
        vm.warp(s.p.at + 7 days - 1);
        refused(sip, abi.encodeCall(I.claimBond, ()), I.TooEarly.selector);
        go(user, _report(s, Seal.User, user, 0));
        vm.warp(s.p.at + 7 days);
        go(sip, abi.encodeCall(I.claimBond, ()));
        go(validator, abi.encodeCall(I.claimTickets, (sip)));
        require(proxy.ledger(sip) == 4000e18 + 5e17, "bond escaped");
        require(proxy.ledger(validator) == 4700e18, "ticket escaped");
        require(proxy.ledger(address(0)) == 900e18 + 300e18, "burned");
    }

    function test_a_session_id_that_is_not_random_is_slashed() public {
        Played memory s = offered(request(1));
        s.x = keccak256("chosen");
        seal(s, sip, validator, 0);
        post(s);
        go(validator, _report(s, Seal.Validator, validator, 0));
        require(proxy.sipOf(sip).dead && proxy.ledger(validator) == 4800e18, "reward");
    }

    function test_a_proof_for_another_session_is_slashed() public {
        Played memory s = offered(request(1));
        bytes memory alpha = abi.encodePacked("2FApi-v1.0-Chain-Session", bytes32(uint256(7)), s.seed);
        s.opened = Prover.vrf(VRF_KEY, alpha, 99);
        s.x = Prover.vrfOutput(s.opened.proof.gamma);
        seal(s, sip, validator, 0);
        post(s);
        _evidence(s);
        go(validator, _report(s, Seal.Validator, validator, 0));
    }

    /// Right witnesses for the proof that was sealed, whatever it is.
    function _evidence(Played memory s) private pure {
        Affine memory h;
        bytes memory alpha = abi.encodePacked("2FApi-v1.0-Chain-Session", s.id, s.seed);
        (h, s.opened.roots) = Prover.encodeToCurve(Prover.publicKey(VRF_KEY), alpha);
        VrfProof memory f = s.opened.proof;
        Affine memory y = Prover.mul(Prover.g(), VRF_KEY);
        s.opened.witness = Prover.witness(y, h, Prover.lift(f.gamma), f.c, f.s);
    }

    /// Every way in which the bytes for the validator can be no valid proof, and a witness for each.
    /// forge-config: default.fuzz.runs = 3
    function test_fuzz_garbage_for_the_validator_is_slashed(uint256 random) public {
        for (uint256 kind = 0; kind < 11; ++kind) {
            setUp();
            Played memory s = offered(request(1));
            VrfProof memory f = s.opened.proof;
            uint256 root;
            bytes15 filler;
            if (kind == 0) f.s = 0;
            if (kind == 1) f.c = 0;
            if (kind == 2) f.s = mulmod(f.c, VRF_KEY, Prover.N); // U at infinity
            if (kind == 3) f.s = Prover.N - mulmod(f.c, VRF_KEY, Prover.N); // A = -B
            if (kind == 4) f.gamma.prefix = 4 + uint8(random % 252);
            if (kind == 5) {
                do f.gamma.x = uint256(keccak256(abi.encode(f.gamma.x, random)));
                while (Prover.isX(f.gamma.x) || f.gamma.x >= Prover.N);
                root = Prover.sqrt(Prover.P - Prover.cubic(f.gamma.x));
            }
            if (kind == 6) f.s = uint256(keccak256(abi.encode(random))) % Prover.N;
            if (kind == 7) filler = bytes15(uint120(random % type(uint120).max + 1));
            if (kind == 8) f.s = Prover.N + random % (type(uint256).max - Prover.N);
            if (kind == 9) (f.gamma.x, root) = (0, Prover.sqrt(Prover.P - 7));
            if (kind == 10) f.gamma.x = Prover.N + random % (type(uint256).max - Prover.N);
            if (kind == 6) _evidence(s);
            if (kind == 3) {
                Affine memory y = Prover.mul(Prover.g(), addmod(f.s, f.s, Prover.N));
                (s.opened.witness.ux, s.opened.witness.uy) = (y.x, y.y);
                Affine memory h;
                (h,) = Prover.encodeToCurve(
                    Prover.publicKey(VRF_KEY), abi.encodePacked("2FApi-v1.0-Chain-Session", s.id, s.seed)
                );
                y = Prover.mul(h, f.s);
                (s.opened.witness.ax, s.opened.witness.ay) = (y.x, y.y);
            }
            s.x = Prover.vrfOutput(f.gamma); // the hash is that of what was sealed: only the proof is wrong
            seal(s, sip, validator, filler);
            post(s);
            go(validator, _report(s, Seal.Validator, validator, root));
            require(proxy.sipOf(sip).dead, "alive");
        }
    }

    function test_fuzz_no_witness_makes_an_honest_seal_bad(uint256 what, uint256 by) public {
        Played memory s = posted(request(1));
        uint256[7] memory w = [
            s.opened.witness.ux,
            s.opened.witness.uy,
            s.opened.witness.ax,
            s.opened.witness.ay,
            s.opened.witness.bx,
            s.opened.witness.by,
            s.opened.witness.inverse
        ];
        if (what % 8 < 7) w[what % 8] ^= by % type(uint256).max + 1;
        else s.opened.roots[by % s.opened.roots.length] ^= by % type(uint256).max + 1;
        (s.opened.witness.ux, s.opened.witness.uy, s.opened.witness.ax, s.opened.witness.ay) = (w[0], w[1], w[2], w[3]);
        (s.opened.witness.bx, s.opened.witness.by, s.opened.witness.inverse) = (w[4], w[5], w[6]);
        vm.prank(validator);
        (bool slashed,) = address(proxy).call(_report(s, Seal.Validator, validator, by));
        require(!slashed, "an honest provider was slashed");
    }

    function test_fuzz_no_false_shared_point_makes_an_honest_seal_bad(uint256 false_, uint256 nonce) public {
        Played memory s = posted(request(1));
        // A proof for another key, and the right proof with another point.
        SealProof memory e = sealProof(s, false_ % Prover.N == SEAL_KEY ? 3 : false_ % (Prover.N - 1) + 1, user);
        nonce;
        vm.prank(user);
        (bool slashed,) =
            address(proxy).call(abi.encodeCall(I.reportSeal, (s.r, s.p, s.q, Seal.User, e, s.opened, 0)));
        require(!slashed, "slashed by the proof of another key");
        e = sealProof(s, SEAL_KEY, user);
        e.shared.x = false_;
        vm.prank(user);
        (slashed,) = address(proxy).call(abi.encodeCall(I.reportSeal, (s.r, s.p, s.q, Seal.User, e, s.opened, 0)));
        require(!slashed || false_ == sealProof(s, SEAL_KEY, user).shared.x, "slashed by a false point");
    }
}

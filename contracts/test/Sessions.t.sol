// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuthenticationProxy as I} from "../src/IAuthenticationProxy.sol";
import {Secp256k1} from "../src/Secp256k1.sol";
import {Opening, Point, Request, Sip, State} from "../src/Types.sol";
import {Fixture} from "./Fixture.sol";
import {Played} from "./Parties.sol";
import {Affine, Prover} from "./Prover.sol";
import {vm} from "./Vm.sol";

/// The four methods: what they do, and each reason for which they refuse.
contract SessionsTest is Fixture {
    function test_a_session_is_done_and_pays_two_to_one() public {
        for (uint64 n = 1; n <= 3; ++n) {
            Played memory s = proved(request(n));
            (uint40 provedAt, uint40 openedAt) = proxy.authenticatedAt(s.id);
            require(provedAt == 0 && openedAt == 0, "authenticated before it was opened");
            later(60);
            go(validator, validateCall(s));
            is_(s.id, State.Done);
            (provedAt, openedAt) = proxy.authenticatedAt(s.id);
            require(provedAt == s.q.at && openedAt == vm.getBlockTimestamp() && openedAt > provedAt, "times");
        }
        require(proxy.ledger(sip) == 4000e18 + 6e18, "share of the provider");
        require(proxy.ledger(validator) == 4700e18 + 3e18, "share of the validator");
        require(proxy.ledger(service) == 5000e18 - 9e18, "fees");
    }

    function test_a_fee_that_does_not_divide_by_three_is_paid_to_the_last_unit() public {
        Request memory r = request(1);
        r.fee = 5;
        Played memory s = proved(r);
        go(validator, validateCall(s));
        require(proxy.ledger(sip) == 4000e18 + 3 && proxy.ledger(validator) == 4700e18 + 2, "shares");
    }

    function test_whoever_opens_pays_the_drawn_validator() public {
        Played memory s = proved(request(1));
        go(address(0xbeef), validateCall(s));
        require(proxy.ledger(address(0xbeef)) == 0 && proxy.ledger(validator) == 4701e18, "a copy was paid");
    }

    function test_a_validator_that_is_late_is_not_paid() public {
        Played memory s = proved(request(1));
        vm.warp(s.q.at + 10 minutes + 1);
        go(sip, validateCall(s));
        is_(s.id, State.Done);
        require(proxy.ledger(validator) == 4700e18 && proxy.ledger(service) == 5000e18 - 2e18, "the rest goes back");
        Played memory t = proved(request(2));
        vm.warp(t.q.at + 10 minutes);
        go(sip, validateCall(t));
        require(proxy.ledger(validator) == 4701e18, "in time to the second");
    }

    // ---- authenticationRequest

    function test_a_request_of_another_service_is_refused() public {
        refused(user, abi.encodeCall(I.authenticationRequest, (request(1))), I.NotYours.selector);
    }

    function test_a_request_needs_a_seal_key_that_is_a_point() public {
        Request memory r = request(1);
        r.sealPrefix = 4;
        refused(service, abi.encodeCall(I.authenticationRequest, (r)), I.BadKey.selector);
        r.sealPrefix = 2;
        do ++r.sealX;
        while (Prover.isX(r.sealX));
        refused(service, abi.encodeCall(I.authenticationRequest, (r)), I.BadKey.selector);
    }

    function test_a_signer_has_20_to_256_bytes() public {
        Request memory r = request(1);
        r.signer = new bytes(19);
        refused(service, abi.encodeCall(I.authenticationRequest, (r)), I.BadKey.selector);
        r.signer = new bytes(257);
        refused(service, abi.encodeCall(I.authenticationRequest, (r)), I.BadKey.selector);
        r.signer = new bytes(256);
        go(service, abi.encodeCall(I.authenticationRequest, (r)));
        r.signer = new bytes(20);
        go(service, abi.encodeCall(I.authenticationRequest, (r)));
    }

    function test_a_request_is_made_once() public {
        Played memory s = requested(request(1));
        refused(service, abi.encodeCall(I.authenticationRequest, (s.r)), I.WrongState.selector);
        later(601);
        go(service, expireCall(s));
        refused(service, abi.encodeCall(I.authenticationRequest, (s.r)), I.WrongState.selector);
    }

    function test_a_request_needs_its_fee() public {
        Request memory r = request(1);
        r.fee = 5000e18 + 1;
        refused(service, abi.encodeCall(I.authenticationRequest, (r)), I.Insufficient.selector);
    }

    function test_after_the_sunset_nothing_begins_and_what_began_ends() public {
        vm.warp(proxy.sunset() - 3600);
        Played memory s = proved(request(1));
        Played memory t = offered(request(2));
        vm.warp(proxy.sunset());
        refused(service, abi.encodeCall(I.authenticationRequest, (request(3))), I.TooLate.selector);
        vm.warp(uint256(t.o.at) + 600);
        vm.warp(proxy.sunset());
        mine(t);
        refused(sip, postCall(t), I.TooLate.selector);
        go(validator, validateCall(s));
        is_(s.id, State.Done);
        go(service, expireCall(t));
        go(sip, abi.encodeCall(I.exit, ()));
        go(validator, abi.encodeCall(I.unstake, (sip, 0)));
        later(7 days);
        go(sip, abi.encodeCall(I.claimBond, ()));
        go(validator, abi.encodeCall(I.claimTickets, (sip)));
        go(sip, abi.encodeCall(I.withdraw, (sip, 5002e18)));
    }

    function test_a_post_at_the_sunset_is_refused_for_that_alone() public {
        vm.warp(proxy.sunset() - 30);
        Played memory s = offered(request(1));
        vm.warp(proxy.sunset());
        refused(sip, postCall(s), I.TooLate.selector);
        vm.warp(proxy.sunset() - 1);
        go(sip, postCall(s));
    }

    // ---- signatureRequest

    function test_a_post_needs_a_request() public {
        Played memory s = offered(request(1));
        s.r.nonce = 2;
        refused(sip, postCall(s), I.WrongState.selector);
    }

    function test_a_post_with_another_opening_is_refused() public {
        Played memory s = offered(request(1));
        s.o.at += 1;
        refused(sip, postCall(s), I.WrongHead.selector);
        s.o.at -= 1;
        s.o.blockNumber -= 1;
        refused(sip, postCall(s), I.WrongHead.selector);
    }

    function test_a_post_comes_within_ten_minutes() public {
        Played memory s = offered(request(1));
        vm.warp(s.o.at + 601);
        refused(sip, postCall(s), I.TooLate.selector);
        vm.warp(s.o.at + 600);
        go(sip, postCall(s));
    }

    function test_a_post_waits_for_the_block_that_gives_the_seed() public {
        Request memory r = request(1);
        r.sip = sip; // for whom no turn waits either
        Played memory s;
        s.r = r;
        s.o = Opening(uint64(vm.getBlockNumber()), uint40(vm.getBlockTimestamp()));
        s.id = abi.decode(go(service, abi.encodeCall(I.authenticationRequest, (r))), (bytes32));
        open(s, VRF_KEY);
        seal(s, sip, validator, 0);
        vm.roll(s.o.blockNumber + 1);
        refused(sip, postCall(s), I.TooEarly.selector);
    }

    function test_a_provider_posts_only_while_it_is_open_free_and_backed() public {
        Played memory s = offered(request(1));
        refused(validator, postCall(s), I.NotEligible.selector); // no provider
        Request memory r = request(2);
        r.minStake = 1300e18 + 1;
        s = offered(r);
        refused(sip, postCall(s), I.NotEligible.selector); // less than the service wants
        r.minStake = 1300e18;
        r.nonce = 3;
        s = offered(r);
        go(sip, postCall(s));
        s = offered(request(4));
        go(sip, abi.encodeCall(I.exit, ()));
        refused(sip, postCall(s), I.NotEligible.selector);
    }

    function test_a_provider_in_jail_or_below_the_least_bond_does_not_post() public {
        Played memory s = proved(request(1));
        vm.warp(s.q.at + 12 hours + 1);
        go(service, expireCall(s)); // slashed by a tenth, in jail
        go(sip, abi.encodeCall(I.topUp, (200e18)));
        later(12);
        s = offered(request(2));
        refused(sip, postCall(s), I.NotEligible.selector);
        later(1 days);
        go(sip, abi.encodeCall(I.unjail, ()));
        s = offered(request(3));
        go(sip, postCall(s));
    }

    function test_a_provider_below_the_least_bond_does_not_post() public {
        Played memory s = proved(request(1));
        vm.warp(s.q.at + 12 hours + 1);
        go(service, expireCall(s));
        later(1 days);
        go(sip, abi.encodeCall(I.unjail, ()));
        s = offered(request(2));
        refused(sip, postCall(s), I.NotEligible.selector);
    }

    function test_a_provider_without_tickets_does_not_post() public {
        for (uint256 i = 0; i < 3; ++i) {
            go(validator, abi.encodeCall(I.unstake, (sip, 0)));
        }
        later(12);
        Played memory s = offered(request(1));
        refused(sip, postCall(s), I.NotEligible.selector);
    }

    function test_who_changed_its_stake_after_the_request_does_not_post() public {
        bytes[3] memory changes = [
            abi.encodeCall(I.topUp, (1)), abi.encodeCall(I.stake, (sip, 1)), abi.encodeCall(I.unstake, (sip, 0))
        ];
        for (uint64 i = 0; i < 3; ++i) {
            vm.warp(HOUR + 3600 * (i + 1));
            Played memory s = requested(request(i));
            go(i == 0 ? sip : validator, changes[i]);
            open(s, VRF_KEY);
            seal(s, sip, validator, 0);
            later(12);
            mine(s);
            refused(sip, postCall(s), I.NotEligible.selector);
            later(12);
            s = offered(request(10 + i));
            go(sip, postCall(s)); // a change before the request's block
        }
    }

    function test_who_registered_in_the_block_of_the_request_does_not_post() public {
        address late = vm.addr(0x1a7e);
        fund(late, 2000e18);
        Played memory s = requested(request(1));
        vm.roll(s.o.blockNumber);
        Point memory k = Prover.publicKey(0x1a7e);
        go(late, abi.encodeCall(I.register, (k.prefix, k.x, 1000e18)));
        vm.warp(HOUR + 3600);
        go(validator, abi.encodeCall(I.stake, (late, 1)));
        vm.warp(s.o.at + 30);
        vm.roll(s.o.blockNumber + 30);
        mine(s);
        open(s, 0x1a7e);
        seal(s, late, validator, 0);
        refused(late, postCall(s), I.NotEligible.selector);
    }

    function test_a_named_provider_alone_posts() public {
        Request memory r = request(1);
        r.sip = address(0x9999);
        Played memory s = offered(r);
        refused(sip, postCall(s), I.NotYours.selector);
        r.sip = sip;
        s = offered(r);
        go(sip, postCall(s));
    }

    function test_an_offer_from_before_a_reorg_or_a_stake_is_refused() public {
        Played memory s = offered(request(1));
        vm.setBlockhash(s.o.blockNumber + 1, keccak256("another"));
        refused(sip, postCall(s), I.WrongContext.selector);
        mine(s);
        Point memory k = Prover.publicKey(77);
        s.offer.context = keccak256(abi.encode(s.seed, validator, k));
        refused(sip, postCall(s), I.WrongContext.selector);
        s.offer.context = keccak256(abi.encode(s.seed, sip, proxy.validatorKeyOf(validator)));
        refused(sip, postCall(s), I.WrongContext.selector);
    }

    function test_an_ephemeral_key_of_somebody_else_is_refused() public {
        Played memory s = offered(request(1));
        // The proof of another session or another provider.
        Played memory t = s;
        t.e = ephemeralProof(bytes32(uint256(1)), sip, Point(s.offer.ephemeralPrefix, s.offer.ephemeralX), ephemeralSecret(s.id));
        refused(sip, postCall(t), I.BadProof.selector);
        t.e = ephemeralProof(s.id, user, Point(s.offer.ephemeralPrefix, s.offer.ephemeralX), ephemeralSecret(s.id));
        refused(sip, postCall(t), I.BadProof.selector);
        // A key that is no point, whose combination with any response has the address 0.
        s = offered(request(2));
        do ++s.offer.ephemeralX;
        while (Prover.isX(s.offer.ephemeralX));
        s.e.announcement = address(0);
        refused(sip, postCall(s), I.BadProof.selector);
        s = offered(request(4));
        s.e.s ^= 1;
        refused(sip, postCall(s), I.BadProof.selector);
    }

    /// Such responses come up once in 2^128 proofs; the precompile is told to answer as if they had.
    function test_an_ephemeral_response_is_neither_zero_nor_written_in_two_ways() public {
        uint256[2] memory responses = [0, Prover.N + 5];
        for (uint64 i = 0; i < 2; ++i) {
            Played memory s = offered(request(i));
            (uint8 prefix, uint256 x) = (s.offer.ephemeralPrefix, s.offer.ephemeralX);
            uint256 c = uint256(
                sha256(abi.encodePacked("2FApi-v1.0-Chain-Ephemeral", s.id, sip, prefix, x, s.e.announcement))
            ) % Prover.N;
            mockLinear(responses[i] % Prover.N, Point(prefix, x), Prover.N - c, s.e.announcement);
            s.e.s = responses[i];
            refused(sip, postCall(s), I.BadProof.selector);
            s.e.s = 5;
            if (i == 1) go(sip, postCall(s)); // the same scalar, written as it has to be
            vm.clearMockedCalls();
        }
    }

    // ---- whose turn it is

    function test_turns_go_by_bond_and_by_nothing_that_a_provider_can_try_out() public {
        address other = vm.addr(0x51c);
        fund(other, 20000e18);
        Point memory k = Prover.publicKey(0x51c);
        go(other, abi.encodeCall(I.register, (k.prefix, k.x, 9000e18)));
        go(validator, abi.encodeCall(I.stake, (other, 1)));
        later(12);
        uint256 waits;
        uint256 otherWaits;
        for (uint64 i = 0; i < 40; ++i) {
            Played memory s = requested(request(i));
            uint256 rank = _rank(s, sip, 1000e18);
            uint256 otherRank = _rank(s, other, 9000e18);
            open(s, VRF_KEY);
            seal(s, sip, validator, 0);
            if (rank != 0) {
                vm.roll(s.o.blockNumber + 2 + rank - 1);
                mine(s);
                refused(sip, postCall(s), I.TooEarly.selector);
            }
            vm.roll(s.o.blockNumber + 2 + rank);
            mine(s);
            go(sip, postCall(s));
            (waits, otherWaits) = (waits + rank, otherWaits + otherRank);
            later(12);
        }
        require(otherWaits * 5 < waits, "nine times the bond, and no earlier");
    }

    function _rank(Played memory s, address who, uint256 bond) private view returns (uint256 rank) {
        rank = (uint256(keccak256(abi.encode(s.seed, s.id, who))) >> 128) * proxy.openBond() / bond >> 128;
        if (rank > 16) rank = 16;
    }

    function test_no_turn_is_later_than_sixteen_blocks() public {
        address whale = vm.addr(0x3a1e);
        fund(whale, 2_000_000e18);
        Point memory k = Prover.publicKey(0x3a1e);
        go(whale, abi.encodeCall(I.register, (k.prefix, k.x, 1_000_000e18)));
        later(12);
        Played memory s = offered(request(1));
        vm.roll(s.o.blockNumber + 2 + 16);
        mine(s);
        go(sip, postCall(s));
    }

    // ---- signatureProof

    function test_a_signature_submitted_by_another_is_refused() public {
        Played memory s = posted(request(1));
        answer(s);
        refused(validator, proveCall(s), I.BadSignature.selector);
    }

    function test_a_signature_of_another_key_is_refused() public {
        Played memory s = posted(request(1));
        s.signature = signedBy(SIP, proxy.authenticationDigest(s.r, s.offer.sessionHash, user));
        refused(user, proveCall(s), I.BadSignature.selector);
    }

    function test_a_signature_from_before_the_post_is_refused() public {
        Played memory s = requested(request(1));
        // Whoever had the device for a day signed what it could: any session id but the one to come.
        bytes memory stolen = signedBy(USER, proxy.authenticationDigest(s.r, keccak256("guessed"), user));
        open(s, VRF_KEY);
        seal(s, sip, validator, 0);
        post(s);
        s.signature = stolen;
        refused(user, proveCall(s), I.BadSignature.selector);
    }

    function test_a_signature_of_another_session_contract_or_chain_is_refused() public {
        Played memory s = posted(request(1));
        answer(s);
        Played memory t = posted(request(2));
        t.signature = s.signature;
        refused(user, proveCall(t), I.BadSignature.selector);
        I other = deploy(token);
        t.signature = signedBy(USER, other.authenticationDigest(t.r, t.offer.sessionHash, user));
        refused(user, proveCall(t), I.BadSignature.selector);
        vm.chainId(7777);
        t.signature = signedBy(USER, proxy.authenticationDigest(t.r, t.offer.sessionHash, user));
        vm.chainId(31337);
        refused(user, proveCall(t), I.BadSignature.selector);
        answer(t);
        go(user, proveCall(t));
    }

    function test_a_session_is_answered_once() public {
        Played memory s = proved(request(1));
        refused(user, proveCall(s), I.WrongState.selector);
    }

    function test_an_answer_to_another_post_is_refused() public {
        Played memory s = posted(request(1));
        answer(s);
        s.p.at -= 1;
        refused(user, proveCall(s), I.WrongHead.selector);
    }

    function test_an_answer_comes_within_fifteen_minutes() public {
        Played memory s = posted(request(1));
        answer(s);
        vm.warp(s.p.at + 901);
        refused(user, proveCall(s), I.TooLate.selector);
        vm.warp(s.p.at + 900);
        go(user, proveCall(s));
    }

    // ---- messageValidation

    function test_a_session_is_opened_once() public {
        Played memory s = proved(request(1));
        go(validator, validateCall(s));
        refused(validator, validateCall(s), I.WrongState.selector);
    }

    function test_an_opening_of_another_answer_is_refused() public {
        Played memory s = proved(request(1));
        s.q.tag ^= bytes32(uint256(1));
        refused(validator, validateCall(s), I.WrongHead.selector);
    }

    function test_an_opening_comes_within_twelve_hours() public {
        Played memory s = proved(request(1));
        vm.warp(s.q.at + 12 hours + 1);
        refused(validator, validateCall(s), I.TooLate.selector);
        vm.warp(s.q.at + 12 hours);
        go(validator, validateCall(s));
    }

    function test_a_session_id_that_is_not_random_never_ends_done() public {
        Played memory s = offered(request(1));
        s.x = keccak256("chosen"); // well sealed, but the proof is for another
        seal(s, sip, validator, 0);
        post(s);
        answer(s);
        go(user, proveCall(s));
        refused(sip, validateCall(s), I.BadProof.selector);
        is_(s.id, State.Proved);
    }

    function test_fuzz_any_change_of_a_proof_is_refused(uint256 what, uint256 by) public {
        Played memory s = proved(request(1));
        by = by % 0xffff + 1;
        what %= 4;
        if (what == 0) s.opened.proof.c ^= uint128(by);
        if (what == 1) s.opened.proof.s ^= by;
        if (what == 2) s.opened.proof.gamma.x ^= by;
        if (what == 3) s.opened.proof.gamma.prefix ^= 1;
        (bool accepted,) = address(proxy).call(validateCall(s));
        require(!accepted, "accepted");
    }

    function test_a_proof_that_does_not_hold_is_told_from_a_wrong_witness() public {
        Played memory s = proved(request(1));
        s.opened.proof.c ^= 1;
        refused(validator, validateCall(s), Secp256k1.BadWitness.selector);
        s.opened.witness = Prover.witness(
            Prover.mul(Prover.g(), VRF_KEY),
            _h(s),
            Prover.lift(s.opened.proof.gamma),
            s.opened.proof.c,
            s.opened.proof.s
        );
        refused(validator, validateCall(s), I.BadProof.selector);
    }

    function _h(Played memory s) private pure returns (Affine memory h) {
        (h,) = Prover.encodeToCurve(
            Prover.publicKey(VRF_KEY), abi.encodePacked("2FApi-v1.0-Chain-Session", s.id, s.seed)
        );
    }

    function test_a_wrong_tag_pays_and_never_slashes() public {
        Played memory s = posted(request(1));
        answer(s);
        s.q.tag ^= bytes32(uint256(1));
        go(user, proveCall(s));
        go(validator, validateCall(s));
        is_(s.id, State.Refused);
        (uint40 provedAt, uint40 openedAt) = proxy.authenticatedAt(s.id);
        require(provedAt == 0 && openedAt == 0, "a wrong tag authenticated");
        require(proxy.ledger(sip) == 4002e18 && proxy.ledger(validator) == 4701e18, "unpaid");
        Sip memory z = proxy.sipOf(sip);
        require(z.bond == 1000e18 && z.ticketValue == 100e18 && z.jailedUntil == 0 && !z.dead, "slashed");
    }
}

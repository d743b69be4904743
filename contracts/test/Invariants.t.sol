// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuthenticationProxy as I} from "../src/IAuthenticationProxy.sol";
import {Point, Post, Request, Seal, Sip, State} from "../src/Types.sol";
import {Fixture} from "./Fixture.sol";
import {Played} from "./Parties.sol";
import {Prover} from "./Prover.sol";
import {vm} from "./Vm.sol";

/// Everybody at once: services ask, providers post well or badly, users answer or do not, time passes. It counts
/// what came of it, because a campaign in which nothing happens finds nothing.
contract Crowd is Fixture {
    enum Fault {
        None,
        UserSeal,
        ValidatorSeal,
        Chosen
    }

    mapping(uint256 => Played) private _sessions;
    mapping(uint256 => Fault) private _faults;
    mapping(uint256 => State) private _seen;
    uint256 public sessions;
    uint256[] private _live;

    address[] private _providers;
    mapping(address => uint256) private _keys;
    mapping(address => uint256) private _values; // of a ticket, when last seen
    address[3] private _validators;
    mapping(address => uint256) private _validatorKeys;

    uint256 public escrow;
    uint256 public deposits;
    uint256 public withdrawals;
    uint256 public calls;

    uint256 public done;
    uint256 public wrongTags;
    uint256 public unanswered;
    uint256 public lapsed;
    uint256 public unposted;
    uint256 public cheated;
    uint256 public claimed;

    // The clock of a campaign does not outlive a call, so that the crowd has its own.
    uint256 private _number;
    uint256 private _time;

    modifier inTime() {
        vm.roll(_number);
        vm.warp(_time);
        _;
        (_number, _time) = (vm.getBlockNumber(), vm.getBlockTimestamp());
    }

    constructor() {
        setUp();
        deposits = 15000e18;
        _providers.push(sip);
        _keys[sip] = VRF_KEY;
        _values[sip] = 100e18;
        for (uint256 i = 0; i < 3; ++i) {
            address v = vm.addr(VALIDATOR + i);
            (_validators[i], _validatorKeys[v]) = (v, VALIDATOR + i);
            if (i != 0) {
                Point memory k = Prover.publicKey(VALIDATOR + i);
                go(v, abi.encodeCall(I.setValidatorKey, (k.prefix, k.x)));
            }
            _give(v, 100000e18);
        }
        _give(service, 100000e18);
        _provider(1);
        for (uint256 i = 0; i < 3; ++i) {
            _stake(i, i);
        }
        later(12);
        (_number, _time) = (vm.getBlockNumber(), vm.getBlockTimestamp());
    }

    function _give(address who, uint256 amount) private {
        fund(who, amount);
        deposits += amount;
    }

    function _provider(uint256 n) private {
        uint256 key = 0x51b0000 + n;
        address who = vm.addr(key);
        _give(who, 4000e18);
        Point memory k = Prover.publicKey(key);
        go(who, abi.encodeCall(I.register, (k.prefix, k.x, 1500e18)));
        _providers.push(who);
        (_keys[who], _values[who]) = (key, 100e18);
    }

    function _try(address who, bytes memory data) private returns (bool fine) {
        vm.prank(who);
        (fine,) = address(proxy).call(data);
    }

    /// A live session in one of two states, or none.
    function _pick(uint256 random, State a, State b) private view returns (uint256) {
        for (uint256 i = 0; i < _live.length; ++i) {
            uint256 n = _live[(random % _live.length + i) % _live.length];
            if (_seen[n] == a || _seen[n] == b) return n;
        }
        return 0;
    }

    /// The same, if it can still go on.
    function _pickFresh(uint256 random, State state) private view returns (uint256) {
        uint256 now_ = vm.getBlockTimestamp();
        for (uint256 i = 0; i < _live.length; ++i) {
            uint256 n = _live[(random % _live.length + i) % _live.length];
            if (_seen[n] != state) continue;
            Played storage s = _sessions[n];
            if (state == State.Posted && now_ > s.p.at + 15 minutes) continue;
            if (state == State.Requested && now_ > s.o.at + 10 minutes) continue;
            if (state == State.Requested && vm.getBlockNumber() > s.o.blockNumber + 200) continue;
            return n;
        }
        return 0;
    }

    /// A session whose provider can be convicted, or none.
    function _pickFaulty(uint256 random) private view returns (uint256) {
        for (uint256 i = 0; i < _live.length; ++i) {
            uint256 n = _live[(random % _live.length + i) % _live.length];
            if (_faults[n] != Fault.None) return n;
        }
        return 0;
    }

    function _is(uint256 n, State state) private {
        _seen[n] = state;
        is_(_sessions[n].id, state);
        if (state == State.Requested || state == State.Posted || state == State.Proved) return;
        if (state == State.Unanswered) return; // it can still be reported
        for (uint256 i = 0; i < _live.length; ++i) {
            if (_live[i] == n) {
                _live[i] = _live[_live.length - 1];
                _live.pop();
                return;
            }
        }
    }

    function _ended(uint256 n, State state) private {
        if (_seen[n] != State.Unanswered) escrow -= _sessions[n].r.fee;
        _is(n, state);
    }

    modifier step() {
        ++calls;
        _;
    }

    // ---- what happens

    function ask(uint96 fee, uint256 random) public step inTime {
        _ask(fee, random);
    }

    function _ask(uint96 fee, uint256 random) private {
        Request memory r = request(uint64(++sessions));
        r.fee = fee % 10e18;
        if (random % 5 == 0) r.sip = _providers[random % _providers.length];
        Played memory s = requested(r);
        escrow += r.fee;
        _sessions[sessions] = s;
        _live.push(sessions);
        _is(sessions, State.Requested);
    }

    function offer(uint256 random) public step inTime {
        uint256 n = _pickFresh(random, State.Requested);
        if (n == 0) {
            _ask(uint96(random), random / 3);
            n = sessions;
        }
        Played memory s = _sessions[n];
        // Everybody's turn has come.
        if (vm.getBlockNumber() < s.o.blockNumber + 20) vm.roll(s.o.blockNumber + 20);
        mine(s);
        address who = s.r.sip;
        for (uint256 i = 0; i < _providers.length && who == address(0); ++i) {
            address p = _providers[(random % _providers.length + i) % _providers.length];
            Sip memory y = proxy.sipOf(p);
            if (y.open && y.jailedUntil == 0 && y.tickets.length != 0 && y.bond >= 1000e18) who = p;
        }
        Sip memory z = proxy.sipOf(who);
        if (z.tickets.length == 0) return;
        address v = z.tickets[uint256(keccak256(abi.encode(s.seed, s.id))) % z.tickets.length];
        open(s, _keys[who]);
        uint256 kind = random / 7 % 16;
        Fault fault = kind == 0 ? Fault.Chosen : kind == 1 ? Fault.ValidatorSeal : kind == 2 ? Fault.UserSeal : Fault.None;
        if (fault == Fault.Chosen) s.x = keccak256(abi.encode(random));
        seal(s, who, v, 0);
        if (fault == Fault.UserSeal) s.offer.userSeal ^= bytes32(uint256(1));
        if (fault == Fault.ValidatorSeal) s.offer.validatorSeal[2] ^= bytes32(uint256(1)); // behind the proof
        if (!_try(who, postCall(s))) return;
        Point memory k = proxy.validatorKeyOf(v);
        s.p = Post(who, v, k.prefix, k.x, s.seed, uint40(vm.getBlockTimestamp()), s.offer);
        _sessions[n] = s;
        _faults[n] = fault;
        _is(n, State.Posted);
    }

    function prove(uint256 random) public step inTime {
        uint256 n = _pickFresh(random, State.Posted);
        if (n == 0) return;
        Played memory s = _sessions[n];
        answer(s);
        if (random % 6 == 0) s.q.tag ^= bytes32(uint256(1));
        if (!_try(user, proveCall(s))) return;
        _sessions[n] = s;
        _is(n, State.Proved);
    }

    function validate(uint256 random) public step inTime {
        uint256 n = _pick(random, State.Proved, State.Proved);
        if (n == 0) return;
        Played memory s = _sessions[n];
        bool fine = _try(s.p.validator, validateCall(s));
        bool late = vm.getBlockTimestamp() > s.q.at + 12 hours;
        require(fine == (!late && _faults[n] != Fault.Chosen), "opened what was chosen, or did not open what was not");
        if (!fine) return;
        bool right = s.q.tag == tagOf(s);
        _ended(n, right ? State.Done : State.Refused);
        if (right) ++done;
        else ++wrongTags;
    }

    function report(uint256 random) public step inTime {
        uint256 n = random % 4 == 0 ? 0 : _pickFaulty(random);
        if (n == 0) n = _pick(random, State.Posted, random % 2 == 0 ? State.Proved : State.Unanswered);
        if (n == 0) return;
        Played memory s = _sessions[n];
        Seal to = random % 3 == 0 ? Seal.User : Seal.Validator;
        if (_faults[n] == Fault.UserSeal) to = Seal.User;
        if (_faults[n] == Fault.ValidatorSeal) to = Seal.Validator;
        if (_faults[n] == Fault.Chosen) to = Seal.Validator;
        uint256 key = to == Seal.User ? SEAL_KEY : _validatorKeys[s.p.validator];
        bytes memory data =
            abi.encodeCall(I.reportSeal, (s.r, s.p, s.q, to, sealProof(s, key, user), s.opened, 0));
        bool fine = _try(user, data);
        bool late = vm.getBlockTimestamp() >= s.p.at + 7 days;
        require(fine == (_faults[n] != Fault.None && !late), "an honest seal was reported, or a bad one was not");
        if (!fine) return;
        _ended(n, State.Cheated);
        ++cheated;
        Sip memory z = proxy.sipOf(s.p.sip);
        require(z.dead && !z.open && z.bond == 0 && z.ticketValue == 0, "a cheat kept something");
    }

    function lapse(uint256 random) public step inTime {
        State[3] memory froms = [State.Requested, State.Posted, State.Proved];
        uint256 n = _pick(random, froms[random % 3], froms[random % 3]);
        if (n == 0) return;
        Played memory s = _sessions[n];
        State from = _seen[n];
        uint256 at = from == State.Requested ? s.o.at : from == State.Posted ? s.p.at : s.q.at;
        uint256 window = from == State.Requested ? 10 minutes : from == State.Posted ? 15 minutes : 12 hours;
        if (random % 4 == 0 && vm.getBlockTimestamp() <= at + window) vm.warp(at + window + 1);
        bool due = vm.getBlockTimestamp() > at + window;
        require(_try(user, expireCall(s)) == due, "ended too early, or not when it was due");
        if (!due) return;
        escrow -= s.r.fee;
        _is(n, from == State.Posted ? State.Unanswered : State.Expired);
        if (from == State.Requested) ++unposted;
        if (from == State.Posted) ++unanswered;
        if (from == State.Proved) ++lapsed;
    }

    function pass(uint256 random) public step inTime {
        later(random % 50 == 0 ? 8 days : random % 12 == 0 ? 1 days : random % 120);
    }

    function work(uint256 random) public step inTime {
        address p = _providers[random % _providers.length];
        uint256 what = random / 3 % 8;
        if (what == 0) _try(p, abi.encodeCall(I.topUp, (uint128(random % 300e18))));
        if (what < 4) _try(p, abi.encodeCall(I.unjail, ()));
        if (what == 4 && random % 5 == 0) _try(p, abi.encodeCall(I.exit, ()));
        if (what > 5 && _try(p, abi.encodeCall(I.claimBond, ()))) {
            // What it posted can no longer be reported.
            for (uint256 i = 0; i < _live.length; ++i) {
                Played storage s = _sessions[_live[i]];
                bool posted_ = _seen[_live[i]] != State.Requested;
                require(!posted_ || s.p.sip != p || vm.getBlockTimestamp() >= s.p.at + 7 days, "an exit escaped");
            }
            ++claimed;
        }
        uint256 open_ = 0;
        for (uint256 i = 0; i < _providers.length; ++i) {
            Sip memory z = proxy.sipOf(_providers[i]);
            if (z.open && z.jailedUntil == 0 && z.bond >= 1000e18) ++open_;
        }
        if (open_ < 2) {
            _provider(1 + _providers.length);
            _stake(random, _providers.length - 1);
        }
    }

    function _stake(uint256 random, uint256 provider) private {
        uint256 now_ = vm.getBlockTimestamp();
        if (now_ % 3600 >= 300) later(3600 - now_ % 3600);
        _try(
            _validators[random % 3],
            abi.encodeCall(I.stake, (_providers[provider % _providers.length], uint32(random % 3 + 1)))
        );
    }

    function tickets(uint256 random) public step inTime {
        if (random % 3 == 0) {
            _stake(random / 3, random / 9);
            return;
        }
        address p = _providers[random / 3 % _providers.length];
        Sip memory z = proxy.sipOf(p);
        if (random % 3 == 1 && z.tickets.length > 1) {
            uint256 i = random % z.tickets.length;
            _try(z.tickets[i], abi.encodeCall(I.unstake, (p, i)));
        } else {
            _try(_validators[random % 3], abi.encodeCall(I.claimTickets, (p)));
        }
    }

    function move(uint256 random) public step inTime {
        address who = random % 2 == 0 ? service : _providers[random % _providers.length];
        uint256 amount = random % (proxy.ledger(who) / 10 + 1);
        go(who, abi.encodeCall(I.withdraw, (who, amount)));
        withdrawals += amount;
    }

    // ---- what always holds

    function check() external inTime {
        uint256 owed = escrow + proxy.ledger(address(0)) + proxy.ledger(service) + proxy.ledger(user);
        uint256 open_;
        uint256 bond;
        for (uint256 i = 0; i < _providers.length; ++i) {
            address p = _providers[i];
            Sip memory z = proxy.sipOf(p);
            owed += proxy.ledger(p) + z.bond + uint256(z.ticketValue) * (z.tickets.length + z.leaving);
            if (z.open) (open_, bond) = (open_ + 1, bond + z.bond);
            require(z.ticketValue <= _values[p], "a ticket rose");
            _values[p] = z.ticketValue;
        }
        for (uint256 i = 0; i < 3; ++i) {
            owed += proxy.ledger(_validators[i]);
        }
        require(token.balanceOf(address(proxy)) == owed, "the balance is not what is owed");
        require(owed == deposits - withdrawals && proxy.solvent(), "tokens appeared or went");
        require(proxy.openSips() == open_ && proxy.openBond() == bond, "open providers are miscounted");
        for (uint256 i = 0; i < _live.length; ++i) {
            is_(_sessions[_live[i]].id, _seen[_live[i]]); // none goes on by itself, or back
        }
    }

    function settle() external inTime {
        require(done > 0, "no session was done");
        // Whatever lives can be ended by anybody, and everybody gets out what is theirs.
        later(12 hours + 25 minutes);
        for (uint256 i = 0; i < _live.length; ++i) {
            if (_seen[_live[i]] == State.Unanswered) continue;
            go(address(0xa11), expireCall(_sessions[_live[i]]));
        }
        for (uint256 i = 0; i < _providers.length + 5; ++i) {
            address who = i < _providers.length
                ? _providers[i]
                : i < _providers.length + 3 ? _validators[i - _providers.length] : i == _providers.length + 3 ? user : service;
            go(who, abi.encodeCall(I.withdraw, (who, proxy.ledger(who))));
        }
        require(proxy.solvent(), "not solvent in the end");
    }
}

/// That the crowd can do at all what it is there for.
contract CrowdTest {
    function test_the_crowd_brings_sessions_to_their_ends() public {
        Crowd crowd = new Crowd();
        uint256 random = 1;
        for (uint256 i = 0; i < 160; ++i) {
            random = uint256(keccak256(abi.encode(random)));
            crowd.ask(1000, random);
            crowd.offer(random);
            if (i % 3 != 0) crowd.prove(random);
            if (i % 5 != 0) crowd.validate(random);
            crowd.report(random);
            if (i % 4 == 0) crowd.pass(random);
            if (i % 3 == 0) crowd.lapse(random);
            crowd.work(random);
            crowd.check();
        }
        require(crowd.done() > 5, "nothing was done");
        require(crowd.wrongTags() > 0, "no session was refused");
        require(crowd.cheated() > 0, "no cheat was found");
        require(crowd.unposted() > 0, "no session expired before a post");
        require(crowd.unanswered() > 0, "no session went unanswered");
        require(crowd.lapsed() > 0, "no session expired unopened");
        crowd.settle();
    }
}

/// A campaign of random calls.
contract InvariantsTest {
    event counted(string what, uint256 times);

    Crowd private _crowd;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        _crowd = new Crowd();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_crowd);
    }

    /// What moves a session on comes more often than what ends one by time.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[16] memory weighted = [
            Crowd.ask.selector,
            Crowd.ask.selector,
            Crowd.offer.selector,
            Crowd.offer.selector,
            Crowd.offer.selector,
            Crowd.prove.selector,
            Crowd.prove.selector,
            Crowd.prove.selector,
            Crowd.validate.selector,
            Crowd.validate.selector,
            Crowd.report.selector,
            Crowd.lapse.selector,
            Crowd.pass.selector,
            Crowd.work.selector,
            Crowd.tickets.selector,
            Crowd.move.selector
        ];
        targets = new FuzzSelector[](1);
        bytes4[] memory all = new bytes4[](16);
        for (uint256 i = 0; i < 16; ++i) {
            all[i] = weighted[i];
        }
        targets[0] = FuzzSelector(address(_crowd), all);
    }

    function invariant_what_is_held_is_what_is_owed() external {
        _crowd.check();
    }

    function afterInvariant() external {
        emit counted("calls", _crowd.calls());
        emit counted("sessions", _crowd.sessions());
        emit counted("done", _crowd.done());
        emit counted("refused for a wrong tag", _crowd.wrongTags());
        emit counted("cheated, with a full slash", _crowd.cheated());
        emit counted("expired before a post", _crowd.unposted());
        emit counted("unanswered", _crowd.unanswered());
        emit counted("expired unopened", _crowd.lapsed());
        emit counted("bonds claimed", _crowd.claimed());
        _crowd.settle();
    }
}

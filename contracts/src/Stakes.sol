// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuthenticationProxy} from "./IAuthenticationProxy.sol";
import {Ledger} from "./Ledger.sol";
import {Secp256k1} from "./Secp256k1.sol";
import {Leaving, Point, Sip} from "./Types.sol";

/// Bonds of session id providers, tickets of validators, and what a slash takes of both.
abstract contract Stakes is Ledger {
    /// Longer than the longest session and a weekend. Reports end with it.
    uint256 internal constant UNBONDING = 7 days;
    uint256 internal constant JAIL = 1 days;
    uint256 internal constant WHOLE_BPS = 10000;
    uint256 internal constant SLOW_BPS = 1000;
    uint256 internal constant REWARD_BPS = 1000;
    /// Who burns its validators on purpose burns at least a fifth of that of its own.
    uint256 internal constant POOL_TO_BOND = 5;
    /// Pools change in the first minutes of an hour alone: outside, nobody disturbs or steers a draw.
    uint256 internal constant STAKE_PERIOD = 1 hours;
    uint256 internal constant STAKE_WINDOW = 5 minutes;
    uint256 internal constant LIFETIME = 730 days;

    /// @inheritdoc IAuthenticationProxy
    uint128 public immutable minBond;
    /// @inheritdoc IAuthenticationProxy
    uint128 public immutable ticketPrice;
    /// @inheritdoc IAuthenticationProxy
    uint256 public immutable sunset;

    /// @inheritdoc IAuthenticationProxy
    uint256 public openSips;
    /// @inheritdoc IAuthenticationProxy
    uint256 public openBond;

    mapping(address => Sip) internal _sips;
    mapping(address => Point) internal _validatorKeys;
    mapping(address => mapping(address => Leaving)) internal _leavings; // validator, then sip

    constructor(uint128 minBond_, uint128 ticketPrice_) {
        if (minBond_ == 0 || ticketPrice_ == 0) revert Insufficient();
        (minBond, ticketPrice, sunset) = (minBond_, ticketPrice_, block.timestamp + LIFETIME);
    }

    modifier beforeSunset() {
        if (block.timestamp >= sunset) revert TooLate();
        _;
    }

    /// @inheritdoc IAuthenticationProxy
    function register(uint8 prefix, uint256 x, uint128 bond) external beforeSunset {
        Sip storage sip = _sips[msg.sender];
        if (sip.vrfX != 0) revert WrongState();
        if (!Secp256k1.isPoint(Point(prefix, x))) revert BadKey();
        if (bond < minBond) revert Insufficient();
        _debit(msg.sender, bond);
        (sip.vrfX, sip.vrfPrefix, sip.bond, sip.ticketValue) = (x, prefix, bond, ticketPrice);
        (sip.open, sip.changedAt) = (true, uint64(block.number));
        ++openSips;
        openBond += bond;
        emit registered(msg.sender, prefix, x, bond);
    }

    /// @inheritdoc IAuthenticationProxy
    function topUp(uint128 amount) external beforeSunset {
        Sip storage sip = _sips[msg.sender];
        if (!sip.open) revert WrongState();
        _debit(msg.sender, amount);
        sip.bond += amount;
        sip.changedAt = uint64(block.number);
        openBond += amount;
        emit toppedUp(msg.sender, amount);
    }

    /// @inheritdoc IAuthenticationProxy
    function exit() external {
        Sip storage sip = _sips[msg.sender];
        if (!sip.open) revert WrongState();
        _close(sip);
        sip.exitAt = uint40(block.timestamp + UNBONDING);
        emit exited(msg.sender, sip.exitAt);
    }

    /// @inheritdoc IAuthenticationProxy
    function claimBond() external {
        Sip storage sip = _sips[msg.sender];
        if (sip.exitAt == 0) revert WrongState();
        if (block.timestamp < sip.exitAt) revert TooEarly();
        uint256 amount = sip.bond;
        sip.bond = 0;
        _credit(msg.sender, amount);
        emit bondClaimed(msg.sender, amount);
    }

    /// @inheritdoc IAuthenticationProxy
    function unjail() external {
        Sip storage sip = _sips[msg.sender];
        if (sip.jailedUntil == 0) revert WrongState();
        if (block.timestamp < sip.jailedUntil) revert TooEarly();
        sip.jailedUntil = 0;
        emit unjailed(msg.sender);
    }

    /// @inheritdoc IAuthenticationProxy
    function setValidatorKey(uint8 prefix, uint256 x) external {
        if (_validatorKeys[msg.sender].x != 0) revert WrongState();
        if (!Secp256k1.isPoint(Point(prefix, x))) revert BadKey();
        _validatorKeys[msg.sender] = Point(prefix, x);
        emit validatorKeySet(msg.sender, prefix, x);
    }

    /// @inheritdoc IAuthenticationProxy
    function stake(address sip_, uint32 tickets) external beforeSunset {
        Sip storage sip = _sips[sip_];
        if (!_inWindow()) revert TooLate();
        // Without a ticket the call would cost nothing and disturb the provider's draws all the same.
        if (!sip.open || tickets == 0) revert NotEligible();
        if (_validatorKeys[msg.sender].x == 0) revert BadKey();
        uint256 value = sip.ticketValue;
        if ((sip.tickets.length + tickets) * value > POOL_TO_BOND * sip.bond) revert NotEligible();
        _debit(msg.sender, tickets * value);
        for (uint256 i = 0; i < tickets; ++i) {
            sip.tickets.push(msg.sender);
        }
        sip.changedAt = uint64(block.number);
        emit staked(sip_, msg.sender, tickets);
    }

    /// @inheritdoc IAuthenticationProxy
    function unstake(address sip_, uint256 index) external {
        Sip storage sip = _sips[sip_];
        if (sip.open && !_inWindow()) revert TooLate();
        if (sip.tickets[index] != msg.sender) revert NotYours();
        sip.tickets[index] = sip.tickets[sip.tickets.length - 1];
        sip.tickets.pop();
        ++sip.leaving;
        sip.changedAt = uint64(block.number);
        Leaving storage leaving = _leavings[msg.sender][sip_];
        ++leaving.tickets;
        leaving.at = uint40(block.timestamp + UNBONDING);
        emit unstaked(sip_, msg.sender, index, leaving.at);
    }

    /// @inheritdoc IAuthenticationProxy
    function claimTickets(address sip_) external {
        Leaving storage leaving = _leavings[msg.sender][sip_];
        uint32 tickets = leaving.tickets;
        if (tickets == 0) revert WrongState();
        if (block.timestamp < leaving.at) revert TooEarly();
        Sip storage sip = _sips[sip_];
        uint256 amount = tickets * uint256(sip.ticketValue);
        leaving.tickets = 0;
        sip.leaving -= tickets;
        _credit(msg.sender, amount);
        emit ticketsClaimed(sip_, msg.sender, tickets, amount);
    }

    /// @inheritdoc IAuthenticationProxy
    function sipOf(address sip) external view returns (Sip memory) {
        return _sips[sip];
    }

    /// @inheritdoc IAuthenticationProxy
    function validatorKeyOf(address validator) external view returns (Point memory) {
        return _validatorKeys[validator];
    }

    /// @inheritdoc IAuthenticationProxy
    function leavingOf(address validator, address sip) external view returns (Leaving memory) {
        return _leavings[validator][sip];
    }

    /// The whole stake is gone, for ever.
    function _slashWhole(address sip_, bytes32 id, address reporter) internal {
        Sip storage sip = _sips[sip_];
        if (sip.open) _close(sip);
        sip.dead = true;
        _cut(sip_, id, WHOLE_BPS, reporter);
    }

    /// A tenth, and a day in jail. It could have been an outage: at most once a day.
    function _slashSlow(address sip_, bytes32 id) internal {
        Sip storage sip = _sips[sip_];
        if (block.timestamp < sip.jailedUntil) return;
        sip.jailedUntil = uint40(block.timestamp + JAIL);
        uint256 cut = _cut(sip_, id, SLOW_BPS, address(0));
        if (sip.open) openBond -= cut;
    }

    function _close(Sip storage sip) private {
        sip.open = false;
        --openSips;
        openBond -= sip.bond;
    }

    /// Cuts the bond and every ticket by the same share. Of the bond, a reporter gets a tenth of the cut.
    function _cut(address sip_, bytes32 id, uint256 bps, address reporter) private returns (uint256 bondCut) {
        Sip storage sip = _sips[sip_];
        bondCut = uint256(sip.bond) * bps / WHOLE_BPS;
        uint256 ticketCut = uint256(sip.ticketValue) * bps / WHOLE_BPS;
        sip.bond -= uint128(bondCut);
        sip.ticketValue -= uint128(ticketCut);
        uint256 reward = reporter == address(0) ? 0 : bondCut * REWARD_BPS / WHOLE_BPS;
        uint256 burned = bondCut - reward + ticketCut * (sip.tickets.length + sip.leaving);
        if (reward != 0) _credit(reporter, reward);
        _credit(address(0), burned);
        emit slashed(sip_, id, bps, burned, reward);
    }

    function _inWindow() private view returns (bool) {
        return block.timestamp % STAKE_PERIOD < STAKE_WINDOW;
    }
}

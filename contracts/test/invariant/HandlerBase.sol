// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Auction} from "../../src/auction/AuctionTypes.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SettlementRequest} from "../../src/interfaces/Requests.sol";
import {Account} from "../../src/interfaces/IClearingHouse.sol";
import {ProofContext} from "../../src/libraries/ProofContext.sol";
import {OracleWords} from "../../src/libraries/OracleWords.sol";
import {ModelLeg} from "../base/TruthModel.sol";
import {ProtocolTest} from "../base/ProtocolTest.sol";

/// @title An owner of accounts that answers no question about signatures
contract HostileOwner is IERC1271 {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

/// @title What tokens call while they move: every entry point that anyone may call
contract Reentrant {
    bytes4[] private _selectors;
    address[] private _targets;
    /// @notice Calls that were refused because they came from within another.
    uint256 public refusals;

    error EnteredAgain(address target, bytes4 selector, bytes result);

    function add(address target, bytes4 selector) external {
        _targets.push(target);
        _selectors.push(selector);
    }

    function attack() external {
        for (uint256 index = 0; index < _targets.length; index++) {
            // Zeros decode as empty requests.
            (bool success, bytes memory result) =
                _targets[index].call(abi.encodePacked(_selectors[index], new bytes(4_096)));
            if (success || bytes4(result) != ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector) {
                revert EnteredAgain(_targets[index], _selectors[index], result);
            }
            refusals++;
        }
    }
}

/// @title What all actions share: actors, what they expect of every account, and the market
/// @dev A call's outcome is predicted before it is made: `_call` takes the error that is expected, or none.
abstract contract HandlerBase is ProtocolTest {
    /// @notice What the handler expects an account to be, from what it did alone.
    struct Expected {
        uint256 commitment;
        uint64 scale;
        uint64 nonce;
        int256 cash;
        bool inAuction;
    }

    /// @notice How far an account has fallen; with collateral at a haircut it may have no equity and be worth something.
    enum Trouble {
        BelowRequirement,
        WithoutEquity,
        WithoutWorth
    }

    error Unexpected(string action, bytes4 expected, bytes actual);
    error WronglyAccepted(string action, bytes4 expected);

    event log_named_uint(string key, uint256 value);

    uint256 internal constant LEAST_OWING_SCALE = 2 ** 30;
    uint256 internal constant TRADERS = 4;
    uint256 internal constant KEEPERS = 3;
    uint256 internal constant MAX_ACCOUNTS = 40;

    /// @notice Keys of four traders, two keepers and a backstop.
    uint256[] public actorKeys;
    /// @notice Key of an account's owner; 0 for the fund's and contracts' accounts.
    mapping(uint256 accountId => uint256) public keyOf;
    mapping(uint256 accountId => Expected) internal _expected;
    /// @notice Instruments that were ever traded.
    uint256[] public instruments;
    mapping(uint256 instrument => bool) private _isListed;
    /// @notice What settlements have taken out of positions, at scale: quantity times scale.
    mapping(uint256 instrument => int256) public settledUnits;

    string[] public actionNames;
    mapping(string name => uint256) public attempts;
    mapping(string name => uint256) public successes;
    mapping(string name => uint256) public refusals;

    uint256 public chargedSum;
    uint256 public rewardedSum;
    uint256 public socialisedSum;
    uint256 public lastRoundSeen;
    uint256 public lastRoundTime;
    uint256 internal saltCount;

    Reentrant public reentrant;
    uint256 public hostileAccount;
    uint256 internal donatedToHouse;

    function setUp() public virtual override {
        super.setUp();
        for (uint256 index = 0; index < TRADERS + KEEPERS; index++) {
            uint256 key = 0xAC70 + index;
            actorKeys.push(key);
            address owner = vm.addr(key);
            usd.mint(owner, 1e15);
            coin.mint(owner, 1e15);
            vm.startPrank(owner);
            usd.approve(address(house), type(uint256).max);
            usd.approve(address(stage), type(uint256).max);
            coin.approve(address(vault), type(uint256).max);
            uint256 accountId = house.createAccount(BTC);
            vm.stopPrank();
            keyOf[accountId] = key;
            _deposit(accountId, 30_000e6 + index * 7_000e6);
        }
        registry.setBackstop(_keeper(2), true);
        for (uint256 index = 0; index < 2; index++) {
            stage.setLiquidator(_keeper(index), true);
            vm.prank(_keeper(index));
            stage.addStake(2_000e6);
        }
        HostileOwner hostile = new HostileOwner();
        vm.prank(address(hostile));
        hostileAccount = house.createAccount(BTC);
        _deployReentrant();
    }

    function _deployReentrant() private {
        reentrant = new Reentrant();
        address at = address(house);
        reentrant.add(at, house.createAccount.selector);
        reentrant.add(at, house.createFundedAccounts.selector);
        reentrant.add(at, house.deposit.selector);
        reentrant.add(at, house.depositCollateral.selector);
        reentrant.add(at, house.withdraw.selector);
        reentrant.add(at, house.withdrawCollateral.selector);
        reentrant.add(at, house.cancelConsents.selector);
        reentrant.add(at, house.trade.selector);
        reentrant.add(at, house.settle.selector);
    }

    // Counting

    function _count(string memory name, bool success) internal {
        if (attempts[name] == 0) actionNames.push(name);
        attempts[name]++;
        if (success) successes[name]++;
        else refusals[name]++;
    }

    function actionCount() external view returns (uint256) {
        return actionNames.length;
    }

    /// @dev Makes a call whose outcome is known: `expected` is the error's selector, or 0 for success.
    function _call(string memory name, address sender, address target, bytes memory data, bytes4 expected)
        internal
        returns (bytes memory result)
    {
        bool success;
        vm.prank(sender);
        (success, result) = target.call(data);
        if (success && expected != 0) revert WronglyAccepted(name, expected);
        if (!success && (expected == 0 || bytes4(result) != expected)) revert Unexpected(name, expected, result);
        _count(name, success);
    }

    // Actors and accounts

    function _actor(uint256 seed) internal view returns (address) {
        return vm.addr(actorKeys[seed % actorKeys.length]);
    }

    function _keeper(uint256 index) internal view returns (address) {
        return vm.addr(actorKeys[TRADERS + index % KEEPERS]);
    }

    function _ownerOf(uint256 accountId) internal view returns (address) {
        return vm.addr(keyOf[accountId]);
    }

    /// @dev An account of an actor: the fund's is 1, the hostile owner's is skipped.
    function _any(uint256 seed) internal view returns (uint256 accountId) {
        uint256 count = house.accountCount();
        accountId = 2 + seed % (count - 1);
        while (keyOf[accountId] == 0) accountId = accountId == count ? 2 : accountId + 1;
    }

    function _deposit(uint256 accountId, uint256 amount) internal {
        address payer = vm.addr(actorKeys[0]);
        usd.mint(payer, amount);
        vm.prank(payer);
        house.deposit(accountId, amount);
        _expected[accountId].cash += int256(amount);
    }

    function expectedOf(uint256 accountId) external view returns (Expected memory) {
        return _expected[accountId];
    }

    function _newAccounts(address owner, uint256 key, uint256[] memory amounts) internal returns (uint256 firstId) {
        vm.prank(owner);
        firstId = house.createFundedAccounts(BTC, amounts);
        for (uint256 index = 0; index < amounts.length; index++) {
            keyOf[firstId + index] = key;
            _expected[firstId + index].cash = int256(amounts[index]);
        }
    }

    /// @dev An account of the keeper that may take a slice: one that holds such a slice already if there is one.
    function _vesselFor(uint256 keeperIndex, uint256 accountId) internal returns (uint256 vesselId) {
        address keeper = _keeper(keeperIndex);
        uint256 commitment = _account(accountId).commitment;
        uint256 count = house.accountCount();
        for (uint256 id = 2; id <= count; id++) {
            Account memory account = _account(id);
            if (account.owner != keeper || account.inAuction || id == accountId) continue;
            if (account.scale != 0 && account.commitment == commitment) return id;
            if (account.scale == 0) vesselId = id;
        }
        return vesselId != 0 ? vesselId : _emptyVessel(keeperIndex);
    }

    /// @dev A new account of the keeper.
    function _emptyVessel(uint256 keeperIndex) internal returns (uint256) {
        uint256[] memory amounts = new uint256[](1);
        amounts[0] = 1_000e6;
        return _newAccounts(_keeper(keeperIndex), actorKeys[TRADERS + keeperIndex % KEEPERS], amounts);
    }

    /// @dev Books a slice in what is expected.
    function _expectSlice(uint256 accountId, uint256 vesselId, uint256 scaleTaken, int256 toAccount, int256 toVessel)
        internal
    {
        Expected storage account = _expected[accountId];
        Expected storage vessel = _expected[vesselId];
        account.nonce++;
        vessel.nonce++;
        vessel.commitment = account.commitment;
        vessel.scale += uint64(scaleTaken);
        account.scale -= uint64(scaleTaken);
        if (account.scale == 0) account.commitment = 0;
        account.cash += toAccount;
        vessel.cash += toVessel;
    }

    /// @dev After its haircut, which all accounts have as their own: they are of the underlying that prices it.
    function _coinValue(uint256 amount) internal view returns (uint256) {
        return amount * _spot() * (10_000 - vault.getCollateral(COLLATERAL).haircutBps) / (10_000 * 1e6);
    }

    /// @dev What solvency proofs say of an account with moving collateral, all of it as a leg.
    function _isSolvent(uint256 commitment, uint256 scale, int256 cash, uint256 moving, uint256 level)
        internal
        view
        returns (bool)
    {
        uint256 quantity = moving * 1e6 * 2 ** 40 / (_spot() * scale);
        if (quantity >= 2 ** 47) quantity = 2 ** 47 - 1;
        return model.isSolvent(commitment, scale, _spot(), cash, quantity, level);
    }

    function _list(uint256 instrument) internal {
        if (_isListed[instrument]) return;
        _isListed[instrument] = true;
        instruments.push(instrument);
    }

    function instrumentCount() external view returns (uint256) {
        return instruments.length;
    }

    /// @notice What all accounts hold of an instrument together, as quantity times scale.
    function heldUnits(uint256 instrument) external view returns (int256 sum) {
        uint256 count = house.accountCount();
        for (uint256 id = 2; id <= count; id++) {
            Expected storage account = _expected[id];
            if (account.scale == 0) continue;
            ModelLeg[] memory legs = model.legsOf(account.commitment);
            for (uint256 index = 0; index < legs.length; index++) {
                if (legs[index].instrument == instrument) sum += legs[index].quantity * int256(uint256(account.scale));
            }
        }
    }

    // Market

    function _roundTime() internal view returns (uint256) {
        (uint256 word,) = oracle.latestUnderlyingWord(BTC);
        return OracleWords.timestamp(word);
    }

    /// @dev A round of another spot, a second later at least.
    function _postNext(uint256 spot) internal returns (bool accepted) {
        vm.warp(block.timestamp + 1);
        accepted = _post(spot);
        if (accepted) _seeRound();
    }

    function _seeRound() internal {
        uint256 round = _round();
        uint256 time = _roundTime();
        if (lastRoundSeen != 0) {
            assertTrue(round > lastRoundSeen && time > lastRoundTime, "I-14: rounds move on");
        }
        lastRoundSeen = round;
        lastRoundTime = time;
    }

    function _ensureFresh() internal {
        (, bool fresh) = oracle.latestUnderlyingWord(BTC);
        if (!fresh) assertTrue(_postNext(_spot()), "round of the same spot");
    }

    /// @dev Whether an account with positions has fallen so far, at the newest round.
    function _isIn(uint256 accountId, Trouble trouble) internal view returns (bool) {
        if (trouble == Trouble.WithoutWorth) return _worth(accountId) <= 0;
        if (trouble == Trouble.WithoutEquity) return _equity(accountId) < 0;
        return _equity(accountId) < int256(_requirement(accountId));
    }

    /// @dev Moves spot against an account until it has fallen so far.
    function _shock(uint256 accountId, Trouble trouble) internal {
        _ensureFresh();
        Account memory account = _account(accountId);
        for (uint256 step = 0; step < 14; step++) {
            if (_isIn(accountId, trouble)) return;
            uint256 spot = _spot();
            uint256 down = spot * 91 / 100;
            uint256 up = spot * 109 / 100;
            int256 collateral = int256(_collateral(accountId, false));
            bool falls = model.markOf(account.commitment, account.scale, down) + collateral * 91 / 100
                < model.markOf(account.commitment, account.scale, up) + collateral * 109 / 100;
            uint256 next = falls ? down : up;
            if (next < 5_000e6 || next > 1_500_000e6) return;
            assertTrue(_postNext(next), "a move within the breaker");
        }
    }

    // Expiry

    /// @dev Whether a leg has expired at a time.
    function _hasDue(uint256 accountId, uint256 time) internal view returns (bool) {
        Account memory account = _account(accountId);
        if (account.scale == 0) return false;
        ModelLeg[] memory legs = model.legsOf(account.commitment);
        for (uint256 index = 0; index < legs.length; index++) {
            uint256 hour = model.hourOf(legs[index].instrument);
            if (hour != 0 && hour * 3600 <= time) return true;
        }
        return false;
    }

    /// @dev Settles up to four expired hours of an account; each has a price when a round came after it.
    function _settle(uint256 accountId, bytes4 expected, int256 lie) internal {
        Account memory account = _account(accountId);
        SettlementRequest memory request;
        request.accountId = accountId;
        request.capacity = 32;
        request.expiryHours = _dueHours(account.commitment);
        (request.cash, request.newCommitment) = _outcome(account, request.expiryHours);
        request.cash += lie;
        bytes memory data = abi.encodeCall(
            house.settle, (request, _proofFor(ProofContext.settlement(address(house), accountId, account.nonce)))
        );
        _call("settle", _actor(accountId), address(house), data, expected);
        if (expected == 0) _expectSettled(account, request);
    }

    /// @dev Without a due leg an hour without any, of which nothing vanishes.
    function _dueHours(uint256 commitment) private view returns (uint32[] memory expiries) {
        ModelLeg[] memory legs = model.legsOf(commitment);
        expiries = new uint32[](4);
        uint256 count = 0;
        for (uint256 index = 0; index < legs.length && count < 4; index++) {
            uint32 hour = uint32(model.hourOf(legs[index].instrument));
            if (hour == 0 || uint256(hour) * 3600 > block.timestamp) continue;
            if (count == 0 || expiries[count - 1] != hour) expiries[count++] = hour;
        }
        if (count == 0) expiries[count++] = uint32(_roundTime() / 3600);
        assembly ("memory-safe") {
            mstore(expiries, count)
        }
    }

    function _expectSettled(Account memory account, SettlementRequest memory request) private {
        ModelLeg[] memory legs = model.legsOf(account.commitment);
        for (uint256 index = 0; index < legs.length; index++) {
            uint256 hour = model.hourOf(legs[index].instrument);
            for (uint256 place = 0; place < request.expiryHours.length; place++) {
                if (hour != request.expiryHours[place]) continue;
                settledUnits[legs[index].instrument] += legs[index].quantity * int256(uint256(account.scale));
            }
        }
        Expected storage known = _expected[request.accountId];
        known.cash += request.cash;
        known.commitment = request.newCommitment;
        known.nonce++;
    }

    function _outcome(Account memory account, uint32[] memory expiries)
        private
        returns (int256 cash, uint256 newCommitment)
    {
        uint256[4] memory words;
        for (uint256 index = 0; index < expiries.length; index++) {
            try oracle.settlementWord(BTC, expiries[index]) returns (uint256 word) {
                words[index] = word;
            } catch {
                // The request is refused for it, which the caller expects.
                _count("settlement word missing", false);
            }
        }
        ModelLeg[] memory rest;
        (cash, rest,) = model.settled(account.commitment, account.scale, words);
        newCommitment = model.commit(rest, model.saltOf(account.commitment));
    }

    /// @dev Brings the account to where it can be judged: a fresh round, nothing expired.
    function _makeJudgeable(uint256 accountId) internal {
        _ensureFresh();
        for (uint256 times = 0; times < 4 && _hasDue(accountId, _roundTime()); times++) {
            _settle(accountId, 0, 0);
        }
    }

    function _isSuperseded(uint256 accountId) internal view returns (bool) {
        Auction memory auction = auctions.auctionOf(accountId);
        return auction.number != 0 && _account(accountId).nonce != auction.startNonce + auction.moves;
    }

    function _freshSalt() internal returns (uint256) {
        return ++saltCount;
    }
}

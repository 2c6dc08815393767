// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
import {ClearingHouse} from "../../src/ClearingHouse.sol";
import {Collateral, CollateralVault, Haircuts} from "../../src/CollateralVault.sol";
import {InsuranceFund} from "../../src/InsuranceFund.sol";
import {Consents} from "../../src/house/Consents.sol";
import {HouseLedger, Totals} from "../../src/house/HouseLedger.sol";
import {Account} from "../../src/interfaces/IClearingHouse.sol";
import {IProofGate} from "../../src/interfaces/IProofGate.sol";
import {IRiskOracle} from "../../src/interfaces/IRiskOracle.sol";
import {Groth16Proof} from "../../src/interfaces/Groth16.sol";
import {
    CollateralWithdrawal,
    TradeProofs,
    TradeRequest,
    TradeSide,
    WithdrawalRequest
} from "../../src/interfaces/Requests.sol";
import {ProofContext} from "../../src/libraries/ProofContext.sol";
import {ModelLeg} from "../base/TruthModel.sol";
import {LiquidationActions} from "./LiquidationActions.sol";

/// @title Everything that can be done to the protocol, by honest people and by liars
contract Handler is LiquidationActions {
    // Cash and collateral

    function deposit(uint256 seed, uint256 amount) external {
        _deposit(_any(seed), bound(amount, 1, 20_000e6));
        _count("deposit", true);
    }

    function depositCollateral(uint256 seed, uint256 amount) external {
        uint256 accountId = _any(seed);
        bool stranger = amount % 8 == 0;
        if (amount % 5 != 0) _ensureFresh();
        (, bool fresh) = oracle.latestUnderlyingWord(BTC);
        bytes4 fault = fresh ? bytes4(0) : CollateralVault.PriceNotFresh.selector;
        _call(
            "depositCollateral",
            stranger ? address(this) : _ownerOf(accountId),
            address(house),
            abi.encodeCall(house.depositCollateral, (accountId, COLLATERAL, bound(amount, 1, 4e5))),
            stranger ? ClearingHouse.NotAccountOwner.selector : fault
        );
    }

    function withdrawCollateral(uint256 seed, uint256 amount) external {
        uint256 accountId = _any(seed);
        uint256 balance = vault.balanceOf(accountId, COLLATERAL);
        if (balance == 0) {
            // None: taken in first.
            _ensureFresh();
            vm.prank(_ownerOf(accountId));
            house.depositCollateral(accountId, COLLATERAL, 5e4);
            balance = 5e4;
        }
        amount = bound(amount, 1, balance);
        _makeJudgeable(accountId);
        Account memory account = _account(accountId);
        CollateralWithdrawal memory request;
        request.accountId = accountId;
        request.collateralId = COLLATERAL;
        request.amount = amount;
        request.round = _round();
        request.capacity = 8;
        request.provenCash = account.cash;
        uint256 moving = _coinValue(balance - amount);
        bytes4 expected = 0;
        if (account.inAuction) expected = ClearingHouse.AccountInAuction.selector;
        else if (account.scale == 0 && account.cash < 0) expected = HouseLedger.DebtWithoutPositions.selector;
        else if (account.cash < 0 && account.scale < LEAST_OWING_SCALE) expected = ClearingHouse.ScaleTooSmall.selector;
        else if (
            account.scale != 0 && !_isInitiallySafe(account.commitment, account.scale, request.provenCash, moving)
        ) {
            expected = IProofGate.InvalidProof.selector;
        }
        _call(
            "withdrawCollateral",
            _ownerOf(accountId),
            address(house),
            abi.encodeCall(
                house.withdrawCollateral,
                (request, _withdrawalProof(accountId))
            ),
            expected
        );
    }

    /// @param mode 0 to 4: in tokens; 5 and 6: to another account; 7: by a stranger
    function withdraw(uint256 seed, uint256 amount, uint256 mode) external {
        uint256 accountId = _any(seed);
        mode %= 8;
        if (mode < 3 && house.totals().openDeficit > 0) {
            accountId = _bare(accountId);
            uint256 gatedUntil = house.totals().gatedUntil;
            if (gatedUntil != 0) vm.warp(gatedUntil);
        }
        bool toAccount = mode == 5 || mode == 6;
        if (mode == 5) accountId = _bare(accountId);
        _makeJudgeable(accountId);
        WithdrawalRequest memory request = _withdrawalRequest(accountId, amount, toAccount);
        Totals memory sums = house.totals();
        uint256 paid = _share(request.amount, sums);
        bytes4 expected = mode == 7
            ? ClearingHouse.NotAccountOwner.selector
            : _withdrawalFault(_account(accountId), request, sums, paid);
        uint256 before = usd.balanceOf(_ownerOf(accountId));
        _call(
            toAccount ? "withdraw to account" : "withdraw",
            mode == 7 ? address(this) : _ownerOf(accountId),
            address(house),
            abi.encodeCall(house.withdraw, (request, _withdrawalProof(accountId))),
            expected
        );
        if (expected != 0) return;
        _expected[accountId].cash -= int256(request.amount);
        if (toAccount) {
            _expected[request.toAccountId].cash += int256(request.amount);
            return;
        }
        // I-11: what was paid is the share, and the rest has lowered the deficit.
        assertEq(usd.balanceOf(_ownerOf(accountId)) - before, paid, "I-11: paid the share");
        assertTrue(paid <= request.amount, "I-11: paid at most the amount");
        if (paid != request.amount) _count("withdraw with a loss", true);
        assertEq(
            house.totals().openDeficit, sums.openDeficit - int256(request.amount - paid), "I-11: the rest repays"
        );
    }

    /// @dev An account that nothing but a lack of tokens keeps from withdrawing; the given one if there is none.
    function _bare(uint256 accountId) private view returns (uint256) {
        uint256 count = house.accountCount();
        for (uint256 id = 2; id <= count; id++) {
            Account memory account = _account(id);
            if (keyOf[id] != 0 && account.scale == 0 && account.cash > 1e6 && !account.inAuction) return id;
        }
        return accountId;
    }

    function _withdrawalProof(uint256 accountId) private view returns (Groth16Proof memory) {
        return _solvencyProof(address(house), ProofContext.WITHDRAWAL, accountId, _account(accountId).nonce);
    }

    function _withdrawalRequest(uint256 accountId, uint256 amount, bool toAccount)
        private
        view
        returns (WithdrawalRequest memory request)
    {
        Account memory account = _account(accountId);
        request.accountId = accountId;
        request.amount = bound(amount, 1, account.cash > 1 ? uint256(int256(account.cash)) : 1e6);
        if (account.scale != 0 && amount % 4 != 0) request.amount = request.amount / 10 + 1;
        if (toAccount) request.toAccountId = accountId == 2 ? 3 : 2;
        request.provenCash = _steady(accountId) - int256(request.amount);
        request.round = _round();
        request.capacity = 16;
    }

    function _withdrawalFault(
        Account memory account,
        WithdrawalRequest memory request,
        Totals memory sums,
        uint256 paid
    ) private view returns (bytes4) {
        if (account.inAuction) return ClearingHouse.AccountInAuction.selector;
        if (account.scale == 0) {
            if (account.cash < int256(request.amount)) return HouseLedger.DebtWithoutPositions.selector;
        } else if (account.cash < int256(request.amount) && account.scale < LEAST_OWING_SCALE) {
            return ClearingHouse.ScaleTooSmall.selector;
        } else if (
            !_isInitiallySafe(
                account.commitment, account.scale, request.provenCash, _collateral(request.accountId, true)
            )
        ) {
            return IProofGate.InvalidProof.selector;
        }
        if (request.toAccountId != 0) return 0;
        if (sums.gatedUntil != 0) return HouseLedger.WithdrawalsGated.selector;
        if (paid == 0 || paid > sums.tokensHeld) return HouseLedger.InsufficientLiquidity.selector;
        return 0;
    }

    /// @dev A share of the tokens in proportion to them and the deficit.
    function _share(uint256 amount, Totals memory sums) private pure returns (uint256) {
        int256 deficit = sums.openDeficit + int256(sums.uncoveredDeficit);
        if (deficit <= 0) return amount;
        return amount * sums.tokensHeld / (sums.tokensHeld + uint256(deficit));
    }

    function _isInitiallySafe(uint256 commitment, uint256 scale, int256 cash, uint256 moving)
        private
        view
        returns (bool)
    {
        return _isSolvent(commitment, scale, cash, moving, _terms().initialLevel);
    }

    // Trades

    /// @param kind of instrument: 0 or 1 linear, 2 call, 3 put
    /// @param mode who sends it, whether openings are published, whether it closes
    function trade(uint256 seedA, uint256 seedB, uint256 size, uint256 kind, uint256 mode) public {
        uint256 a = _any(seedA);
        uint256 b = _any(seedB);
        if (a == b) b = a == 2 ? 3 : 2;
        _makeAble(a, mode);
        _makeAble(b, mode);
        TradeRequest memory request;
        request.a.accountId = a;
        request.b.accountId = b;
        request.round = _round();
        if (_account(a).scale != 0 && _account(b).scale != 0 && _account(a).scale != _account(b).scale) {
            _arrangeSwap(request);
        } else if (_account(a).scale != 0 && _account(b).scale == 0 && mode % 4 == 1) {
            _arrangeHandOver(request);
        } else {
            _arrangeTrade(request, size, kind, mode);
        }
        _execute(request, mode);
    }

    /// @dev Prepares positions, so that other actions have something to act on.
    function tradeLinear(uint256 seedA, uint256 seedB, uint256 size) external {
        trade(seedA % TRADERS, seedB % TRADERS, size, 0, size % 3);
    }

    /// @dev Mostly, an account that trades has something to trade with.
    function _makeAble(uint256 accountId, uint256 mode) private {
        _makeJudgeable(accountId);
        int256 free = _free(accountId);
        if (mode % 8 != 7 && free < 5_000e6) _deposit(accountId, uint256(20_000e6 - free));
    }

    function _arrangeSwap(TradeRequest memory request) private {
        Account memory a = _account(request.a.accountId);
        Account memory b = _account(request.b.accountId);
        _take(request.a, model.legsOf(b.commitment), b.scale);
        _take(request.b, model.legsOf(a.commitment), a.scale);
        request.cashToA = (_mark(request.a.accountId) - _mark(request.b.accountId));
    }

    function _arrangeHandOver(TradeRequest memory request) private {
        Account memory a = _account(request.a.accountId);
        _take(request.b, model.legsOf(a.commitment), a.scale);
        ModelLeg[] memory none;
        _take(request.a, none, 0);
        request.cashToA = _mark(request.a.accountId);
    }

    function _arrangeTrade(TradeRequest memory request, uint256 size, uint256 kind, uint256 mode) private {
        Account memory a = _account(request.a.accountId);
        Account memory b = _account(request.b.accountId);
        uint64 scale = a.scale != 0 ? a.scale : (b.scale != 0 ? b.scale : ONE);
        ModelLeg[] memory legsA = a.scale == 0 ? new ModelLeg[](0) : model.legsOf(a.commitment);
        ModelLeg[] memory legsB = b.scale == 0 ? new ModelLeg[](0) : model.legsOf(b.commitment);
        (uint256 instrument, int256 quantity) = _pickChange(request, legsA, legsB, size, kind, mode, scale);
        legsA = model.added(legsA, instrument, quantity);
        legsB = model.added(legsB, instrument, -quantity);
        _list(instrument);
        _take(request.a, legsA, legsA.length == 0 ? 0 : scale);
        _take(request.b, legsB, legsB.length == 0 ? 0 : scale);
        // A pays about what it is worth.
        int256 price = quantity * int256(model.worth(instrument, _spot())) * int256(uint256(scale))
            / int256(uint256(ONE) * 1e6);
        request.cashToA = -price + int256(size % 1_000e6) - 500e6;
    }

    /// @dev A change of one instrument that both can about afford; or the end of one that A holds.
    function _pickChange(
        TradeRequest memory request,
        ModelLeg[] memory legsA,
        ModelLeg[] memory legsB,
        uint256 size,
        uint256 kind,
        uint256 mode,
        uint64 scale
    ) private view returns (uint256 instrument, int256 quantity) {
        if (legsA.length != 0 && (mode % 4 == 2 || legsA.length > 4 || legsB.length > 4)) {
            ModelLeg memory leg = legsA[size % legsA.length];
            return (leg.instrument, -leg.quantity);
        }
        int256 poorer = SignedMath.min(_free(request.a.accountId), _free(request.b.accountId));
        uint256 budget = poorer > 0 ? uint256(poorer) : 1;
        // 18.75 % of spot is required: at most 5 times what is free, now and then more than can be had.
        uint256 most = budget * 5 * 1e6 / _spot() * ONE / scale;
        quantity = int256(bound(size, 1, most + 1));
        if (size % 2 == 0) quantity = -quantity;
        if (kind % 4 < 2) return (model.LINEAR(), quantity);
        uint256 hour = block.timestamp / 3600 + 1 + size % 3;
        uint256 strike = _spot() / 1e8 * 1e6 + (size % 7) * 1e6;
        instrument = strike + ((kind % 4 - 1) << 36) + (hour << 38);
    }

    /// @dev Equity that the initial requirement leaves.
    function _free(uint256 accountId) private view returns (int256) {
        return _equity(accountId) - int256(_requirement(accountId) * 5 / 4);
    }

    function _take(TradeSide memory side, ModelLeg[] memory legs, uint64 scale) private {
        side.newScale = scale;
        side.newCommitment = model.commit(legs, _freshSalt());
        ModelLeg[] memory none;
        side.emptyCommitment = model.commit(none, 0);
        side.capacity = 16;
        side.consent.maxFee = type(uint256).max;
        side.consent.deadline = block.timestamp;
        if (scale == 0) return;
        side.opening.legs = model.packed(side.newCommitment);
        side.opening.salt = model.saltOf(side.newCommitment);
    }

    function _execute(TradeRequest memory request, uint256 mode) private {
        uint256 a = request.a.accountId;
        uint256 b = request.b.accountId;
        uint256 fee = 1e6 + Math.ceilDiv(SignedMath.abs(request.cashToA) * 5, 10_000);
        if (mode % 5 == 0 && request.a.newScale != 0) {
            delete request.a.opening;
            _withhold(request.a);
        }
        request.a.provenCash = _steady(a) + request.cashToA - int256(fee);
        request.b.provenCash = _steady(b) - request.cashToA - int256(fee);
        // Sent by A's owner, or by anyone with both signatures.
        _signConsent(request.b, a, -request.cashToA, keyOf[b]);
        if (mode % 2 == 0) _signConsent(request.a, b, request.cashToA, keyOf[a]);
        bytes4 expected = _tradeFault(request, fee);
        bytes memory data = abi.encodeCall(house.trade, (request, _tradeProofs(a, b, request.cashToA)));
        _call(
            request.a.newScale == 0 || request.b.newScale == 0 ? "trade that closes" : "trade",
            mode % 2 == 0 ? address(this) : _ownerOf(a),
            address(house),
            data,
            expected
        );
        if (expected != 0) return;
        _expectSide(request.a, request.cashToA - int256(fee));
        _expectSide(request.b, -request.cashToA - int256(fee));
        chargedSum += 2 * fee;
        if (request.a.opening.custodian != address(0)) _count("trade withheld", true);
    }

    function _tradeProofs(uint256 a, uint256 b, int256 cashToA) private view returns (TradeProofs memory proofs) {
        uint64 nonceA = _account(a).nonce;
        uint64 nonceB = _account(b).nonce;
        proofs.transfer = _proofFor(ProofContext.transfer(address(house), a, nonceA, b, nonceB, cashToA));
        proofs.solvencyA = _solvencyProof(address(house), ProofContext.TRADE, a, nonceA);
        proofs.solvencyB = _solvencyProof(address(house), ProofContext.TRADE, b, nonceB);
    }

    function _expectSide(TradeSide memory side, int256 change) private {
        Expected storage account = _expected[side.accountId];
        account.nonce++;
        account.scale = side.newScale;
        account.commitment = side.newScale == 0 ? 0 : side.newCommitment;
        account.cash += change;
    }

    function _tradeFault(TradeRequest memory request, uint256 fee) private view returns (bytes4 fault) {
        if (_account(request.a.accountId).inAuction || _account(request.b.accountId).inAuction) {
            return ClearingHouse.AccountInAuction.selector;
        }
        fault = _sideFault(request.a, request.cashToA - int256(fee));
        if (fault == 0) fault = _sideFault(request.b, -request.cashToA - int256(fee));
    }

    function _sideFault(TradeSide memory side, int256 change) private view returns (bytes4) {
        if (side.newScale == 0) {
            bool owes = _account(side.accountId).cash + change < 0;
            return owes ? HouseLedger.DebtWithoutPositions.selector : bytes4(0);
        }
        if (_account(side.accountId).cash + change < 0 && side.newScale < LEAST_OWING_SCALE) {
            return ClearingHouse.ScaleTooSmall.selector;
        }
        uint256 moving = _collateral(side.accountId, true);
        return _isInitiallySafe(side.newCommitment, side.newScale, side.provenCash, moving)
            ? bytes4(0)
            : IProofGate.InvalidProof.selector;
    }

    // Market and time

    function movePrice(uint256 seed) external {
        vm.warp(block.timestamp + seed % 60);
        uint256 spot = _spot();
        uint256 next = spot * (9_100 + seed % 1_801) / 10_000;
        if (next < 20_000e6) next = spot * 105 / 100;
        if (next > 400_000e6) next = spot * 95 / 100;
        assertTrue(_postNext(next), "a move within the breaker");
        _count("movePrice", true);
    }

    /// @dev A move beyond the breaker stops judging; the next round confirms it or not.
    function breaker(uint256 seed) external {
        _ensureFresh();
        uint256 spot = _spot();
        uint64 round = _round();
        bool falls = spot > 60_000e6;
        uint256 far = falls ? spot * (60 + seed % 25) / 100 : spot * (120 + seed % 40) / 100;
        assertTrue(!_postNext(far), "beyond the breaker");
        Account memory account = _account(_any(seed));
        WithdrawalRequest memory request;
        request.accountId = _any(seed);
        request.amount = 1;
        request.round = round;
        request.capacity = 8;
        request.provenCash = -1e15;
        if (account.scale != 0 && !account.inAuction) {
            _call(
                "withdraw while unconfirmed",
                account.owner,
                address(house),
                abi.encodeCall(house.withdraw, (request, _proofFor(0))),
                IRiskOracle.RoundUnconfirmed.selector
            );
        }
        if (seed % 3 == 0) return _count("breaker left pending", true);
        bool confirms = seed % 3 == 1;
        assertTrue(_postNext(confirms ? far : spot), "resolved");
        _count(confirms ? "breaker confirmed" : "breaker dismissed", true);
    }

    function wait(uint256 seed) external {
        vm.warp(block.timestamp + seed % 5_400);
        _count("wait", true);
        uint256 accountId = _any(seed);
        Account memory account = _account(accountId);
        (uint256 word, bool fresh) = oracle.latestUnderlyingWord(BTC);
        if (fresh || word == 0 || account.scale == 0 || account.inAuction) return;
        (uint256 pending,,) = oracle.pendingRound(BTC);
        WithdrawalRequest memory request;
        request.accountId = accountId;
        request.amount = 1;
        request.round = _round();
        request.capacity = 8;
        request.provenCash = -1e15;
        _call(
            "withdraw while stale",
            account.owner,
            address(house),
            abi.encodeCall(house.withdraw, (request, _proofFor(0))),
            pending == 0 ? IRiskOracle.StaleRound.selector : IRiskOracle.RoundUnconfirmed.selector
        );
    }

    function newVersion() external {
        uint64 version = parameters.versionOf(BTC);
        _nextVersion();
        assertEq(uint256(parameters.versionOf(BTC)), version + 1, "I-15: versions only grow");
        _count("newVersion", true);
    }

    /// @dev Haircuts rise at once, until they are high; then they fall back, two days after they were said to.
    function changeHaircuts(uint256 seed) external {
        Collateral memory kind = vault.getCollateral(COLLATERAL);
        (Haircuts memory scheduled, uint40 activeAt) = vault.scheduledHaircuts(COLLATERAL);
        if (activeAt != 0) {
            if (seed % 3 == 0 && block.timestamp < activeAt) {
                return _applyHaircuts(seed, CollateralVault.HaircutsNotDue.selector);
            }
            if (block.timestamp < activeAt) vm.warp(activeAt);
            _applyHaircuts(seed, 0);
            assertEq(uint256(vault.getCollateral(COLLATERAL).haircutBps), scheduled.own, "applied");
            return;
        }
        if (kind.haircutBps >= 5_000) {
            vault.scheduleHaircuts(COLLATERAL, Haircuts(2_000, 4_000));
            return _count("haircuts scheduled", true);
        }
        uint16 own = uint16(kind.haircutBps + 500 + seed % 1_500);
        vault.raiseHaircuts(COLLATERAL, Haircuts(own, own > kind.crossHaircutBps ? own : kind.crossHaircutBps));
        _count("haircuts raised", true);
    }

    function _applyHaircuts(uint256 seed, bytes4 expected) private {
        bytes memory data = abi.encodeCall(vault.applyHaircuts, (COLLATERAL));
        _call("applyHaircuts", _actor(seed), address(vault), data, expected);
    }

    // Settlements

    function settle(uint256 seed) external {
        uint256 accountId = _any(seed);
        uint256 count = house.accountCount();
        for (uint256 step = 0; step < count; step++) {
            if (_hasDue(accountId, block.timestamp)) break;
            accountId = _any(accountId - 1);
        }
        if (!_hasDue(accountId, block.timestamp)) {
            uint256 holder = _withPositions(seed);
            if (holder == 0) return _count("settle without positions", false);
            // Nothing has expired: to where the next hour has.
            if (_hasOptions(holder)) {
                vm.warp((block.timestamp / 3600 + 1) * 3600);
                _postNext(_spot());
                if (_hasDue(holder, block.timestamp)) return _settle(holder, 0, 0);
            }
            _ensureFresh();
            return _settle(holder, _hasPrice(uint32(_roundTime() / 3600)) ? IProofGate.InvalidProof.selector : IRiskOracle.NotSettled.selector, 0);
        }
        if (!_hasPriceForDue(accountId)) {
            if (seed % 3 == 0) return _settle(accountId, IRiskOracle.NotSettled.selector, 0);
            if (!_postNext(_spot())) _postNext(_spot());
        }
        if (seed % 5 == 0) return _settle(accountId, IProofGate.InvalidProof.selector, 1);
        _settle(accountId, 0, 0);
    }

    function _hasOptions(uint256 accountId) private view returns (bool) {
        return _hasDue(accountId, type(uint256).max);
    }

    function _hasPrice(uint32 hour) private view returns (bool) {
        return _roundTime() >= uint256(hour) * 3600 && _firstRoundTime() < uint256(hour) * 3600;
    }

    /// @dev Hours up to the first round's have no price.
    function _firstRoundTime() private pure returns (uint256) {
        return 1_739_959_200;
    }

    function _hasPriceForDue(uint256 accountId) private view returns (bool) {
        ModelLeg[] memory legs = model.legsOf(_account(accountId).commitment);
        for (uint256 index = 0; index < legs.length; index++) {
            uint256 end = model.hourOf(legs[index].instrument) * 3600;
            if (end != 0 && end <= block.timestamp && end > _roundTime()) return false;
        }
        return true;
    }

    // The fund, and gifts

    function fundActions(uint256 seed, uint256 amount) external {
        uint256 mode = seed % 4;
        amount = bound(amount, 1, 5_000e6);
        if (mode == 0) {
            _deposit(FUND, amount);
            _count("fund contribution", true);
        } else if (mode == 1) {
            fund.allocate();
            _count("fund allocation", true);
        } else if (mode == 2) {
            if (seed % 3 != 0) _deposit(FUND, 4 * amount);
            Totals memory sums = house.totals();
            uint256 surplus = fund.surplus();
            bytes4 expected = 0;
            if (amount > surplus) expected = InsuranceFund.NotSurplus.selector;
            else if (sums.openDeficit > 0 || sums.pendingDeficit != 0) expected = ClearingHouse.FundEngaged.selector;
            else if (amount > sums.tokensHeld) expected = HouseLedger.InsufficientLiquidity.selector;
            _call(
                "fund withdrawal",
                address(this),
                address(fund),
                abi.encodeCall(fund.withdrawSurplus, (amount, _actor(seed))),
                expected
            );
        } else {
            usd.mint(address(house), amount);
            usd.mint(address(fund), amount);
            coin.mint(address(vault), amount);
            donatedToHouse += amount;
            _count("gifts", true);
        }
    }

    // Attacks

    /// @dev Both tokens call back into every entry point of the house while they move.
    function reenter(uint256 seed) external {
        uint256 accountId = _any(seed);
        address owner = _ownerOf(accountId);
        bytes memory attack = abi.encodeCall(reentrant.attack, ());
        _ensureFresh();
        uint256 before = reentrant.refusals();
        usd.setCallback(address(reentrant), attack);
        coin.setCallback(address(reentrant), attack);
        vm.startPrank(owner);
        house.deposit(accountId, 1e6);
        house.depositCollateral(accountId, COLLATERAL, 1e3);
        vm.stopPrank();
        _expected[accountId].cash += 1e6;
        Account memory account = _account(accountId);
        Totals memory sums = house.totals();
        if (account.scale == 0 && !account.inAuction && sums.gatedUntil == 0 && account.cash > 1e6 && sums.tokensHeld > 1e6)
        {
            WithdrawalRequest memory request;
            request.accountId = accountId;
            request.amount = 1e6;
            Groth16Proof memory none;
            vm.prank(owner);
            house.withdraw(request, none);
            _expected[accountId].cash -= 1e6;
            CollateralWithdrawal memory collateral;
            collateral.accountId = accountId;
            collateral.collateralId = COLLATERAL;
            collateral.amount = 1e3;
            vm.prank(owner);
            house.withdrawCollateral(collateral, none);
        }
        usd.setCallback(address(0), "");
        coin.setCallback(address(0), "");
        assertTrue(reentrant.refusals() >= before + 18, "every entry point refused");
        _count("reenter", true);
    }

    /// @dev False statements, and true ones for another purpose.
    function lie(uint256 seed) external {
        uint256 holder = _withPositions(seed);
        if (holder == 0) return _count("lie without positions", false);
        _makeJudgeable(holder);
        Account memory account = _account(holder);
        if (account.inAuction) return _count("lie about an auctioned account", false);
        WithdrawalRequest memory request;
        request.accountId = holder;
        request.amount = 1;
        request.round = _round();
        request.capacity = 8;
        request.provenCash = _steady(holder) - 1;
        bytes4 expected;
        Groth16Proof memory proof;
        if (seed % 3 == 0) {
            // More cash than there is.
            request.provenCash += 1;
            expected = ClearingHouse.ProvenCashTooHigh.selector;
        } else {
            // For the nonce before, or for a trade.
            expected = IProofGate.InvalidProof.selector;
            proof = seed % 3 == 1
                ? _solvencyProof(address(house), ProofContext.WITHDRAWAL, holder, account.nonce - 1)
                : _solvencyProof(address(house), ProofContext.TRADE, holder, account.nonce);
        }
        _call("lie: solvency", account.owner, address(house), abi.encodeCall(house.withdraw, (request, proof)), expected);
        _lieAboutTransfer(holder, seed);
    }

    /// @dev A doubles its positions, and nobody is short of them.
    function _lieAboutTransfer(uint256 a, uint256 seed) private {
        uint256 b = a == 2 ? 3 : 2;
        if (_account(b).inAuction) return _count("lie about an auctioned account", false);
        TradeRequest memory request;
        request.a.accountId = a;
        request.b.accountId = b;
        request.round = _round();
        Account memory account = _account(a);
        ModelLeg[] memory legs = model.legsOf(account.commitment);
        if (legs.length == 0) return _count("lie about nothing", false);
        if (seed % 2 == 0) legs[0].quantity *= 2;
        // The same legs at a larger scale are a lie as well.
        _take(request.a, legs, seed % 2 == 0 ? account.scale : account.scale + 1);
        _take(request.b, model.legsOf(_account(b).commitment), _account(b).scale);
        if (_account(b).scale == 0) delete request.b.opening;
        _signConsent(request.a, b, 0, keyOf[a]);
        _signConsent(request.b, a, 0, keyOf[b]);
        bytes memory data = abi.encodeCall(house.trade, (request, _tradeProofs(a, b, 0)));
        _call("lie: transfer", address(this), address(house), data, IProofGate.InvalidProof.selector);
    }

    /// @dev The owner of the other side answers with an invalid instruction; nobody else is held up by it.
    function hostile(uint256 seed) external {
        uint256 a = _any(seed);
        if (_account(a).inAuction) return _count("hostile: account auctioned", false);
        TradeRequest memory request;
        request.a.accountId = a;
        request.b.accountId = hostileAccount;
        ModelLeg[] memory none;
        _take(request.a, none, 0);
        _take(request.b, none, 0);
        TradeProofs memory proofs;
        _call(
            "hostile owner",
            _ownerOf(a),
            address(house),
            abi.encodeCall(house.trade, (request, proofs)),
            Consents.InvalidConsent.selector
        );
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Auction, AuctionReports, BidQuote} from "../../src/auction/AuctionTypes.sol";
import {ClearingHouse} from "../../src/ClearingHouse.sol";
import {Liquidation, LiquidationEngine, LiquidationOrder} from "../../src/LiquidationEngine.sol";
import {SealedBidStage} from "../../src/SealedBidStage.sol";
import {Totals} from "../../src/house/HouseLedger.sol";
import {AuctionClaim, BidOrder, CancelRequest, TakeOverOrder} from "../../src/interfaces/AuctionRequests.sol";
import {Groth16Proof} from "../../src/interfaces/Groth16.sol";
import {IAuctionHouse} from "../../src/interfaces/IAuctionHouse.sol";
import {Account} from "../../src/interfaces/IClearingHouse.sol";
import {CollateralValues} from "../../src/interfaces/ICollateralVault.sol";
import {IProofGate} from "../../src/interfaces/IProofGate.sol";
import {LiquidationMath, ProvenFigures, Takeover} from "../../src/libraries/LiquidationMath.sol";
import {ProofContext} from "../../src/libraries/ProofContext.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
import {HandlerBase} from "./HandlerBase.sol";

/// @title Liquidations, auctions and sealed bids, each with its outcome predicted
abstract contract LiquidationActions is HandlerBase {
    /// @dev What a keeper has committed to.
    struct Secret {
        uint256 vesselId;
        uint256 factorBps;
        uint256 maxScale;
        bytes32 salt;
    }

    /// @dev An account by its auction's figures, at its present scale.
    struct Judged {
        int256 equity;
        int256 worth;
        uint256 requirement;
        uint256 target;
    }

    /// @dev An account before an atomic liquidation, at the newest round; the requirement is that of the order.
    struct Before {
        int256 equity;
        int256 worth;
        uint256 required;
    }

    mapping(uint64 auctionNumber => mapping(address bidder => Secret)) private _secrets;

    // Picking accounts

    function _withPositions(uint256 seed) internal view returns (uint256) {
        uint256 count = house.accountCount();
        for (uint256 step = 0; step < count; step++) {
            uint256 id = 1 + (seed % count + step) % count;
            if (keyOf[id] != 0 && _account(id).scale != 0) return id;
        }
        return 0;
    }

    function _auctioned(uint256 seed) internal view returns (uint256) {
        uint256 count = house.accountCount();
        for (uint256 step = 0; step < count; step++) {
            uint256 id = 1 + (seed % count + step) % count;
            if (auctions.auctionOf(id).number != 0) return id;
        }
        return 0;
    }

    /// @dev An account with positions and no auction, under water or pushed there by the market; 0 when there is none.
    function _inTrouble(uint256 seed, Trouble trouble) internal returns (uint256 accountId) {
        uint256 count = house.accountCount();
        for (uint256 step = 0; step < count; step++) {
            uint256 id = 1 + (seed % count + step) % count;
            if (keyOf[id] == 0 || _account(id).scale == 0 || _account(id).inAuction) continue;
            _makeJudgeable(id);
            _shock(id, trouble);
            if (_isIn(id, trouble)) return id;
        }
        return 0;
    }

    // Atomic liquidations

    function liquidate(uint256 seed, uint256 mode) external {
        Trouble trouble = mode % 4 == 1 ? Trouble.WithoutEquity : Trouble.BelowRequirement;
        uint256 accountId = mode % 4 == 0 ? _withPositions(seed) : _inTrouble(seed, trouble);
        if (accountId == 0) return _count("liquidate: nobody", false);
        _makeJudgeable(accountId);
        LiquidationOrder memory order = _order(accountId, seed, mode % 5 == 0);
        bytes4 expected = _liquidationFault(order, seed);
        address keeper = _keeper(seed);
        if (expected == 0) {
            Liquidation memory preview = engine.previewLiquidation(order, keeper);
            if (_isTooSmallFor(order.vesselId, preview.sale.scaleTaken)) {
                if (mode % 3 == 0) {
                    return _sendLiquidation(order, keeper, ClearingHouse.SliceTooSmallForVessel.selector);
                }
                order.vesselId = _emptyVessel(seed % KEEPERS);
                preview = engine.previewLiquidation(order, keeper);
            }
            bool poor =
                mode % 7 == 0 && _collateral(accountId, true) == 0 && _collateral(order.vesselId, true) == 0;
            int256 floor = _floorOf(order, preview.sale.scaleTaken);
            if (_fundVessel(order.vesselId, preview.sale.cashTaken - int256(preview.payment), floor, poor)) {
                expected = ClearingHouse.VesselUnderfunded.selector;
            }
        }
        _sendLiquidation(order, keeper, expected);
    }

    function _sendLiquidation(LiquidationOrder memory order, address keeper, bytes4 expected) private {
        Before memory before = _before(order);
        Groth16Proof memory proof = _keeperProof(address(engine), order.accountId, keeper);
        bytes memory data = abi.encodeCall(engine.liquidate, (order, proof));
        bytes memory result = _call("liquidate", keeper, address(engine), data, expected);
        if (expected == 0) _checkLiquidation(order, abi.decode(result, (Liquidation)), before);
    }

    function _before(LiquidationOrder memory order) private view returns (Before memory) {
        return Before(_equity(order.accountId), _worth(order.accountId), _required(order));
    }

    /// @dev Of the account as it is, for the keeper.
    function _keeperProof(address consumer, uint256 accountId, address keeper)
        private
        view
        returns (Groth16Proof memory)
    {
        return _insolvencyProof(consumer, accountId, _account(accountId).nonce, keeper);
    }

    function liquidateBatch(uint256 seed, uint256 mode) external {
        uint256 first = _inTrouble(seed, Trouble.BelowRequirement);
        if (first == 0) return _count("batch: nobody", false);
        uint256[] memory ids = _batchOf(first, seed);
        if (ids.length == 0) return _count("batch: none of the engine's", false);
        LiquidationOrder[] memory orders = _batchOrders(ids, seed);
        bytes4 expected = 0;
        if (mode % 6 == 0) {
            orders[ids.length - 1].mark -= 1;
            expected = IProofGate.InvalidProofInBatch.selector;
        }
        _sendBatch(orders, _keeper(seed), expected);
    }

    function _batchOrders(uint256[] memory ids, uint256 seed) private returns (LiquidationOrder[] memory orders) {
        orders = new LiquidationOrder[](ids.length);
        uint256[] memory amounts = new uint256[](ids.length);
        for (uint256 index = 0; index < ids.length; index++) {
            amounts[index] = 1;
        }
        uint256 vesselId = _newAccounts(_keeper(seed), actorKeys[TRADERS + seed % KEEPERS], amounts);
        for (uint256 index = 0; index < ids.length; index++) {
            LiquidationOrder memory order = _order(ids[index], seed, false);
            order.vesselId = vesselId + index;
            Liquidation memory preview = engine.previewLiquidation(order, _keeper(seed));
            _fundVessel(
                order.vesselId,
                preview.sale.cashTaken - int256(preview.payment),
                _floorOf(order, preview.sale.scaleTaken),
                false
            );
            orders[index] = order;
        }
    }

    function _sendBatch(LiquidationOrder[] memory orders, address keeper, bytes4 expected) private {
        Groth16Proof[] memory proofs = new Groth16Proof[](orders.length);
        Before[] memory before = new Before[](orders.length);
        for (uint256 index = 0; index < orders.length; index++) {
            proofs[index] = _keeperProof(address(engine), orders[index].accountId, keeper);
            before[index] = _before(orders[index]);
        }
        bytes memory data = abi.encodeCall(engine.liquidateBatch, (orders, proofs));
        bytes memory result = _call("liquidateBatch", keeper, address(engine), data, expected);
        if (expected != 0) return;
        Liquidation[] memory liquidations = abi.decode(result, (Liquidation[]));
        for (uint256 index = 0; index < orders.length; index++) {
            _checkLiquidation(orders[index], liquidations[index], before[index]);
        }
    }

    /// @dev Up to three accounts that the keeper may liquidate now.
    function _batchOf(uint256 first, uint256 seed) private view returns (uint256[] memory ids) {
        ids = new uint256[](3);
        uint256 next = 0;
        uint256 count = house.accountCount();
        for (uint256 step = 0; step < count && next < 3; step++) {
            uint256 id = 1 + (first - 1 + step) % count;
            if (keyOf[id] == 0 || _account(id).scale == 0 || _hasDue(id, block.timestamp)) continue;
            LiquidationOrder memory order;
            order.accountId = id;
            (order.baseRequirement, order.collateralSlope) = _figures(id, _account(id).scale, false);
            if (_liquidationFault(order, seed) == 0) ids[next++] = id;
        }
        assembly ("memory-safe") {
            mstore(ids, next)
        }
    }

    function _order(uint256 accountId, uint256 seed, bool mild) private returns (LiquidationOrder memory order) {
        Account memory account = _account(accountId);
        order.accountId = accountId;
        order.nonce = account.nonce;
        order.vesselId = _vesselFor(seed % KEEPERS, accountId);
        order.round = _round();
        order.mark = _mark(accountId);
        (order.baseRequirement, order.collateralSlope) = _figures(accountId, account.scale, mild);
        order.capacity = 32;
        order.maxPayment = type(uint256).max;
        order.deadline = block.timestamp;
    }

    /// @dev Of the worst scenario for the account as it is, or of the mild one, at a scale of its legs.
    function _figures(uint256 accountId, uint64 scale, bool mild) private view returns (int256 base, int256 slope) {
        Account memory account = _account(accountId);
        if (mild) return model.scenario(account.commitment, scale, _spot(), 2);
        // The worst of the account as it is: at its own scale.
        (, slope) = model.worst(account.commitment, account.scale, _spot(), _collateral(accountId, false));
        for (uint256 index = 0; index < 3; index++) {
            int256 other;
            (base, other) = model.scenario(account.commitment, scale, _spot(), index);
            if (other == slope) return (base, slope);
        }
    }

    /// @dev What the order's figures require of the account as it is. I-9: never more than what is true.
    function _required(LiquidationOrder memory order) private view returns (uint256 required) {
        required = LiquidationMath.requirementWith(
            order.baseRequirement, order.collateralSlope, _collateral(order.accountId, false)
        );
        assertTrue(required <= _requirement(order.accountId), "I-9: at most the true requirement");
    }

    /// @dev What the house will ask of the order's vessel.
    function _floorOf(LiquidationOrder memory order, uint256 scaleTaken) private view returns (int256) {
        ProvenFigures memory proven = ProvenFigures(
            order.mark, order.baseRequirement, order.collateralSlope, _account(order.accountId).scale
        );
        uint256 held = _account(order.vesselId).scale + scaleTaken;
        (uint256 counted, uint256 uncounted) = _movingAfter(order.accountId, order.vesselId, scaleTaken);
        return LiquidationMath.vesselFloor(proven, _terms().bufferBps, held, counted) + int256(uncounted);
    }

    /// @dev The same by the figures of the account's auction.
    function _auctionFloor(uint256 accountId, uint256 vesselId, uint256 scaleTaken) private view returns (int256) {
        uint256 held = _account(vesselId).scale + scaleTaken;
        (uint256 counted, uint256 uncounted) = _movingAfter(accountId, vesselId, scaleTaken);
        return auctions.vesselFloorOf(accountId, held, counted) + int256(uncounted);
    }

    /// @dev Value of what the vessel will have of collateral with a slice, at fresh prices: up to what so much of the account comes with, and beyond.
    function _movingAfter(uint256 accountId, uint256 vesselId, uint256 scaleTaken)
        private
        view
        returns (uint256 counted, uint256 uncounted)
    {
        (, bool fresh) = oracle.latestUnderlyingWord(BTC);
        if (!fresh) return (0, 0);
        uint256 balance = vault.balanceOf(accountId, COLLATERAL);
        uint256 scale = _account(accountId).scale;
        uint256 moving = _coinValue(vault.balanceOf(vesselId, COLLATERAL) + balance * scaleTaken / scale);
        uint256 most = _coinValue(balance) * (_account(vesselId).scale + scaleTaken) / scale;
        counted = moving < most ? moving : most;
        uncounted = moving - counted;
    }

    function _liquidationFault(LiquidationOrder memory order, uint256 seed) private view returns (bytes4) {
        uint256 accountId = order.accountId;
        if (_account(accountId).inAuction) return LiquidationEngine.AccountInAuction.selector;
        uint256 required = _required(order);
        int256 equity = _equity(accountId);
        if (equity >= int256(required)) return LiquidationMath.AccountHealthy.selector;
        if (_worth(accountId) <= 0) return LiquidationEngine.BadDebt.selector;
        bool isBackstop = seed % KEEPERS == 2;
        uint256 size = required + (equity < 0 ? uint256(-equity) : 0);
        if (!isBackstop && size > _terms().atomicLimit) return LiquidationEngine.AboveAtomicLimit.selector;
        return 0;
    }

    /// @dev Gives the vessel what it needs, or a unit too little.
    /// @return tooLittle whether the vessel cannot pay
    function _fundVessel(uint256 vesselId, int256 change, int256 floor, bool poor) internal returns (bool tooLittle) {
        int256 missing = floor - _account(vesselId).cash - change;
        if (missing <= 0) return false;
        if (poor) {
            if (missing > 1) _deposit(vesselId, uint256(missing) - 1);
            return true;
        }
        _deposit(vesselId, uint256(missing));
    }

    function _checkLiquidation(LiquidationOrder memory order, Liquidation memory l, Before memory before) private {
        // I-9: by the true mark at the newest round.
        assertTrue(before.equity < int256(before.required), "I-9: below the requirement");
        assertTrue(before.worth > 0, "I-9: worth something");
        if (before.equity <= 0) _count("liquidate without equity", true);
        assertTrue(l.sale.scaleTaken <= l.sale.maxScale, "not more than is needed");
        uint256 penalty = l.sale.worthTaken - l.sale.proceeds;
        assertTrue(l.reward <= penalty && l.reward + l.fundFee == penalty, "penalty is split");
        chargedSum += penalty;
        rewardedSum += l.reward;
        if (_collateral(order.vesselId, false) != 0) _count("slice with moving collateral", true);
        int256 toVessel = l.sale.cashTaken - int256(l.payment);
        _expectSlice(
            order.accountId, order.vesselId, l.sale.scaleTaken, int256(l.sale.proceeds) - l.sale.cashTaken, toVessel
        );
        // I-8: at most 12 % of the worth taken is lost, and what rounding makes of it.
        int256 bound_ = int256(l.sale.worthTaken * 1_200 / 10_000) + _rounding(order.accountId);
        assertTrue(_worth(order.accountId) >= before.worth - bound_, "I-8: loss of the trader");
    }

    /// @dev Units that mark, collateral and slices may round away.
    function _rounding(uint256 accountId) private view returns (int256) {
        uint256 scale = _account(accountId).scale;
        return 10 + (scale == 0 ? int256(0) : int256(_requirement(accountId) * 10 / scale));
    }

    // Auctions

    function startAuction(uint256 seed, uint256 mode) external {
        uint256 accountId = mode % 5 == 0 ? _withPositions(seed) : _inTrouble(seed, Trouble(mode % 3));
        if (accountId == 0) return _count("start: nobody", false);
        _start(accountId, seed, mode % 6 == 0);
    }

    function _start(uint256 accountId, uint256 seed, bool mild) internal returns (bool) {
        _makeJudgeable(accountId);
        Account memory account = _account(accountId);
        address keeper = _keeper(seed);
        uint256 rewardId = 2 + TRADERS + seed % KEEPERS;
        AuctionClaim memory claim = _claim(accountId, account.scale, mild);
        claim.nonce = account.nonce;
        bytes4 expected = 0;
        if (auctions.auctionOf(accountId).number != 0 && !_isSuperseded(accountId)) {
            expected = AuctionReports.AuctionRunning.selector;
        } else if (_equity(accountId) >= int256(_requiredBy(claim, account.scale, account.scale))) {
            expected = AuctionReports.NotLiquidatable.selector;
        }
        _sendStart(claim, rewardId, keeper, expected);
        return expected == 0;
    }

    function _sendStart(AuctionClaim memory claim, uint256 rewardId, address keeper, bytes4 expected) private {
        int256 before = _account(claim.accountId).cash;
        int256 rewardBefore = _account(rewardId).cash;
        Groth16Proof memory proof = _keeperProof(address(auctions), claim.accountId, keeper);
        bytes memory data = abi.encodeCall(auctions.start, (claim, rewardId, proof));
        _call("start", keeper, address(auctions), data, expected);
        if (expected != 0) return;
        _expected[claim.accountId].inAuction = true;
        _bookFee(claim.accountId, rewardId, before, rewardBefore);
        _checkMark(claim.accountId);
    }

    /// @dev I-16: what is reported of a running auction's account is what it is worth less than nothing.
    function _checkMark(uint256 accountId) private {
        Judged memory judged = _recorded(accountId);
        bool marked = auctions.auctionOf(accountId).insolventSince != 0;
        assertTrue(marked == (judged.worth <= 0), "I-16: the clock runs without worth alone");
        assertEq(
            house.pendingDeficitOf(accountId), judged.worth < 0 ? uint256(-judged.worth) : 0, "I-16: reported deficit"
        );
        if (!marked && judged.equity <= 0) _count("auction without equity, not insolvent", true);
    }

    function _bookFee(uint256 accountId, uint256 rewardId, int256 before, int256 rewardBefore) private {
        int256 paid = before - _account(accountId).cash;
        int256 reward = _account(rewardId).cash - rewardBefore;
        if (rewardId == accountId) {
            // Fee and reward cannot be told apart; the account pays what it does not get back.
            assertTrue(paid >= 0, "the fee is at least the reward");
            _expected[accountId].cash -= paid;
            return;
        }
        assertTrue(paid >= 0 && reward >= 0 && reward <= paid, "I-7: reward within the fee");
        chargedSum += uint256(paid);
        rewardedSum += uint256(reward);
        _expected[accountId].cash -= paid;
        _expected[rewardId].cash += reward;
    }

    function _claim(uint256 accountId, uint64 scale, bool mild) private view returns (AuctionClaim memory claim) {
        uint256 commitment = _account(accountId).commitment;
        claim.accountId = accountId;
        claim.round = _round();
        claim.mark = model.markOf(commitment, scale, _spot());
        (claim.baseRequirement, claim.collateralSlope) = _figures(accountId, scale, mild);
        claim.capacity = 8;
    }

    /// @dev What a claim at one scale requires of the account as it is.
    function _requiredBy(AuctionClaim memory claim, uint64 baseScale, uint64 scale) private view returns (uint256) {
        return _requiredAt(claim.accountId, LiquidationMath.atScale(_provenBy(claim, baseScale), scale));
    }

    function _provenBy(AuctionClaim memory claim, uint64 baseScale) private pure returns (ProvenFigures memory) {
        return ProvenFigures(claim.mark, claim.baseRequirement, claim.collateralSlope, baseScale);
    }

    function _requiredAt(uint256 accountId, ProvenFigures memory figures) private view returns (uint256) {
        return LiquidationMath.requirementWith(
            figures.baseRequirement, figures.collateralSlope, _collateral(accountId, false)
        );
    }

    function _provenOf(Auction memory auction) private pure returns (ProvenFigures memory) {
        return ProvenFigures(auction.mark, auction.baseRequirement, auction.collateralSlope, auction.baseScale);
    }

    /// @dev By the recorded figures; all zero without an auction.
    function _recorded(uint256 accountId) internal view returns (Judged memory judged) {
        Auction memory auction = auctions.auctionOf(accountId);
        if (auction.number == 0) return judged;
        return _judged(accountId, _provenOf(auction), auction.terms.bufferBps);
    }

    function _judged(uint256 accountId, ProvenFigures memory proven, uint256 bufferBps)
        private
        view
        returns (Judged memory judged)
    {
        Account memory account = _account(accountId);
        ProvenFigures memory figures = LiquidationMath.atScale(proven, account.scale);
        CollateralValues memory values = house.collateralValueOf(accountId, false);
        judged.equity = account.cash + int256(values.value) + figures.mark;
        judged.worth = account.cash + int256(values.saleValue) + figures.mark;
        judged.requirement = _requiredAt(accountId, figures);
        judged.target = LiquidationMath.targetOf(judged.requirement, bufferBps);
    }

    /// @dev What a subsidy counts of the requirement, with the buffer: nothing for what collateral adds to it.
    function _subsidisedTarget(uint256 accountId) private view returns (uint256) {
        Auction memory auction = auctions.auctionOf(accountId);
        ProvenFigures memory figures = LiquidationMath.atScale(_provenOf(auction), _account(accountId).scale);
        uint256 bare = LiquidationMath.requirementWith(figures.baseRequirement, figures.collateralSlope, 0);
        uint256 requirement = _recorded(accountId).requirement;
        return LiquidationMath.targetOf(bare < requirement ? bare : requirement, auction.terms.bufferBps);
    }

    function _isYoung(uint256 accountId) private view returns (bool) {
        Auction memory auction = auctions.auctionOf(accountId);
        return block.timestamp <= uint256(auction.provenAt) + auction.terms.maxProofAge;
    }

    function _isNewest(uint256 accountId) private view returns (bool) {
        return auctions.auctionOf(accountId).round == _round();
    }

    /// @dev Whether collateral, with what it does to the requirement, outweighs the requirement, while a newer round than that of the figures is there.
    function _lacksNewest(uint256 accountId) private view returns (bool) {
        if (_isNewest(accountId)) return false;
        CollateralValues memory values = house.collateralValueOf(accountId, false);
        uint256 slope = SignedMath.abs(auctions.auctionOf(accountId).collateralSlope);
        return values.saleValue + values.moving * slope / 2 ** 54 > _recorded(accountId).requirement;
    }

    /// @dev A slice is at least a 20th of what its vessel holds.
    function _isTooSmallFor(uint256 vesselId, uint256 scaleTaken) private view returns (bool) {
        return scaleTaken * 20 < _account(vesselId).scale;
    }

    /// @dev A refresh, or a restart, whose outcome follows from the figures.
    function _refresh(uint256 accountId, uint256 seed, bool restarts, bool mild) internal returns (bool) {
        Auction memory auction = auctions.auctionOf(accountId);
        AuctionClaim memory claim = _claim(accountId, auction.baseScale, mild);
        claim.nonce = auction.startNonce;
        bytes4 expected = _refreshFault(accountId, auction, claim, restarts);
        _sendRefresh(claim, auction.startNonce, _keeper(seed), restarts, expected);
        return expected == 0;
    }

    function _sendRefresh(
        AuctionClaim memory claim,
        uint64 nonce,
        address keeper,
        bool restarts,
        bytes4 expected
    ) private {
        Groth16Proof memory proof = _insolvencyProof(address(auctions), claim.accountId, nonce, keeper);
        bytes memory data = restarts
            ? abi.encodeCall(auctions.restart, (claim, proof))
            : abi.encodeCall(auctions.refresh, (claim, proof));
        _call(restarts ? "restart" : "refresh", keeper, address(auctions), data, expected);
        if (expected == 0) _checkMark(claim.accountId);
    }

    function _refreshFault(uint256 accountId, Auction memory auction, AuctionClaim memory claim, bool restarts)
        private
        view
        returns (bytes4)
    {
        if (_isSuperseded(accountId)) return AuctionReports.AuctionSuperseded.selector;
        if (restarts && block.timestamp <= uint256(auction.publicStart) + auction.terms.tailSeconds) {
            return AuctionReports.AuctionNotExpired.selector;
        }
        if (claim.round <= auction.round) {
            uint64 scale = _account(accountId).scale;
            ProvenFigures memory recordedFigures = LiquidationMath.atScale(_provenOf(auction), scale);
            ProvenFigures memory claimed = LiquidationMath.atScale(_provenBy(claim, auction.baseScale), scale);
            int256 severity = int256(_requiredAt(accountId, claimed)) - claimed.mark;
            int256 recorded = int256(_requiredAt(accountId, recordedFigures)) - recordedFigures.mark;
            if (severity < recorded || (severity == recorded && !restarts)) return AuctionReports.NotWorse.selector;
        }
        Judged memory judged = _judged(accountId, _provenBy(claim, auction.baseScale), auction.terms.bufferBps);
        return judged.equity >= int256(judged.requirement) ? AuctionReports.NotLiquidatable.selector : bytes4(0);
    }

    function refresh(uint256 seed, uint256 mode) external {
        uint256 accountId = _auctioned(seed);
        if (accountId == 0) return _count("refresh: no auction", false);
        _ensureFresh();
        if (_isSuperseded(accountId)) return _renew(accountId, seed);
        if (_hasDue(accountId, _roundTime())) return _settle(accountId, 0, 0);
        if (mode % 3 != 0) _postNext(_spot() * (9_800 + mode % 300) / 10_000);
        if (_hasDue(accountId, _roundTime())) return _settle(accountId, 0, 0);
        _refresh(accountId, seed, false, mode % 4 == 1);
    }

    function restart(uint256 seed, uint256 mode) external {
        uint256 accountId = _auctioned(seed);
        if (accountId == 0) return _count("restart: no auction", false);
        Auction memory auction = auctions.auctionOf(accountId);
        if (mode % 3 != 0) {
            uint256 end = uint256(auction.publicStart) + auction.terms.tailSeconds;
            if (block.timestamp <= end) vm.warp(end + 1);
        }
        _ensureFresh();
        if (_isSuperseded(accountId)) return _renew(accountId, seed);
        if (_hasDue(accountId, _roundTime())) return _settle(accountId, 0, 0);
        _refresh(accountId, seed, true, false);
    }

    /// @dev After a settlement has superseded an auction: it starts anew, or ends.
    function _renew(uint256 accountId, uint256 seed) internal {
        _makeJudgeable(accountId);
        if (_equity(accountId) < int256(_requirement(accountId))) _start(accountId, seed, false);
        else _cancel(accountId, seed);
    }

    function cancel(uint256 seed, uint256 mode) external {
        uint256 accountId = _auctioned(seed);
        if (accountId == 0) return _count("cancel: no auction", false);
        _makeJudgeable(accountId);
        int256 missing = int256(_requirement(accountId)) - _equity(accountId);
        if (mode % 2 == 0 && missing > 0) _deposit(accountId, uint256(missing));
        _cancel(accountId, seed);
    }

    function _cancel(uint256 accountId, uint256 seed) private {
        Account memory account = _account(accountId);
        CancelRequest memory request;
        request.accountId = accountId;
        request.nonce = account.nonce;
        request.round = _round();
        request.version = parameters.versionOf(BTC);
        request.provenCash = _steady(accountId);
        request.capacity = 8;
        bytes4 expected = _hasRecovered(account, request) ? bytes4(0) : IProofGate.InvalidProof.selector;
        Groth16Proof memory proof =
            _solvencyProof(address(auctions), ProofContext.RECOVERY, accountId, account.nonce);
        _call("cancel", _actor(seed), address(auctions), abi.encodeCall(auctions.cancel, (request, proof)), expected);
        if (expected == 0) _expected[accountId].inAuction = false;
    }

    function _hasRecovered(Account memory account, CancelRequest memory request) private view returns (bool) {
        uint256 moving = _collateral(request.accountId, true);
        return _isSolvent(account.commitment, account.scale, request.provenCash, moving, 4_096);
    }

    function close(uint256 seed, uint256 mode) external {
        uint256 accountId = _auctioned(seed);
        if (accountId == 0) accountId = _any(seed);
        bool runs = auctions.auctionOf(accountId).number != 0 && !_isSuperseded(accountId);
        if (mode % 2 == 0 && runs) {
            if (!_postNext(_spot())) _postNext(_spot());
            if (_hasDue(accountId, _roundTime())) return _settle(accountId, 0, 0);
            _refresh(accountId, seed, false, false);
        }
        if (mode % 4 != 1) vm.warp(block.timestamp + 80);
        Judged memory judged = _recorded(accountId);
        Auction memory auction = auctions.auctionOf(accountId);
        int256 lack = int256(judged.target) - judged.equity;
        if (mode % 2 == 0 && auction.number != 0 && lack > 0) _deposit(accountId, uint256(lack));
        bytes4 expected = _closeFault(accountId, auction);
        _call("close", _actor(seed), address(auctions), abi.encodeCall(auctions.close, (accountId)), expected);
        if (expected == 0) _expected[accountId].inAuction = false;
    }

    function _closeFault(uint256 accountId, Auction memory auction) private view returns (bytes4) {
        if (auction.number == 0) return AuctionReports.NoAuction.selector;
        if (_isSuperseded(accountId)) {
            return auction.insolventSince != 0 ? AuctionReports.AwaitingProof.selector : bytes4(0);
        }
        if (!_isYoung(accountId)) return AuctionReports.ProofTooOld.selector;
        if (block.timestamp < uint256(auction.recordedAt) + auction.terms.maxProofAge / 4) {
            return AuctionReports.FiguresTooNew.selector;
        }
        if (_lacksNewest(accountId)) return AuctionReports.ProofTooOld.selector;
        Judged memory judged = _recorded(accountId);
        uint256 haircut = uint256(judged.worth - judged.equity);
        int256 slack = int256(100 + (judged.target + haircut) / _account(accountId).scale);
        bool covered = judged.worth > 0 && judged.equity + slack >= int256(judged.target);
        return covered ? bytes4(0) : AuctionReports.NotCovered.selector;
    }

    function poke(uint256 seed) external {
        uint256 accountId = _auctioned(seed);
        if (accountId == 0) accountId = _any(seed);
        bool runs = auctions.auctionOf(accountId).number != 0 && !_isSuperseded(accountId);
        if (seed % 4 != 0 && runs) {
            _ensureFresh();
            bool stands = _isYoung(accountId) && _isNewest(accountId);
            if (!stands && !_hasDue(accountId, _roundTime())) _refresh(accountId, seed, false, false);
        }
        bytes4 expected = 0;
        if (auctions.auctionOf(accountId).number == 0) expected = AuctionReports.NoAuction.selector;
        else if (_isSuperseded(accountId)) expected = AuctionReports.AuctionSuperseded.selector;
        else if (!_isYoung(accountId) || !_isNewest(accountId)) expected = AuctionReports.ProofTooOld.selector;
        _call("poke", _actor(seed), address(auctions), abi.encodeCall(auctions.poke, (accountId)), expected);
        if (expected == 0) _checkMark(accountId);
    }

    /// @dev Brings an auction to where anyone may bid; false when it had to be ended or started anew for that.
    /// @param newest whether the figures have to be of the newest round
    function _open(uint256 accountId, uint256 seed, bool newest) private returns (bool) {
        Auction memory auction = auctions.auctionOf(accountId);
        if (block.timestamp < auction.publicStart) vm.warp(auction.publicStart);
        if (_isSuperseded(accountId)) {
            _renew(accountId, seed);
            return false;
        }
        bool expired = block.timestamp > uint256(auction.publicStart) + auction.terms.tailSeconds;
        if (!expired && _isYoung(accountId) && (!newest || _isNewest(accountId))) return true;
        if (!_postNext(_spot())) _postNext(_spot());
        if (_hasDue(accountId, _roundTime())) {
            _settle(accountId, 0, 0);
            return false;
        }
        if (_refresh(accountId, seed, expired, false)) return true;
        if (_equity(accountId) >= int256(_requirement(accountId))) _cancel(accountId, seed);
        return false;
    }

    /// @dev An auction to act on: one that runs, or one that is started.
    function _someAuction(uint256 seed, Trouble trouble) private returns (uint256 accountId) {
        accountId = _auctioned(seed);
        if (accountId != 0 && (seed / 7) % 3 != 0) return accountId;
        uint256 troubled = _inTrouble(seed, trouble);
        if (troubled != 0 && _start(troubled, seed, false)) return troubled;
    }

    function bid(uint256 seed, uint256 mode) external {
        uint256 accountId = _someAuction(seed, mode % 3 == 1 ? Trouble.WithoutEquity : Trouble.BelowRequirement);
        if (accountId == 0) return _count("bid: no open auction", false);
        if (!_open(accountId, seed, mode % 4 != 0 && _lacksNewest(accountId))) {
            return _count("bid: no open auction", false);
        }
        bool asBackstop = seed % KEEPERS == 2 && mode % 2 == 0;
        Judged memory judged = _recorded(accountId);
        BidOrder memory order = _bidOrder(accountId, seed, mode, asBackstop);
        bytes4 expected = 0;
        BidQuote memory quote;
        if (_lacksNewest(accountId)) {
            expected = AuctionReports.ProofTooOld.selector;
        } else if (judged.worth <= 0) {
            expected = LiquidationMath.NoWorth.selector;
        } else if (judged.equity >= int256(judged.target)) {
            expected = LiquidationMath.AccountHealthy.selector;
        } else {
            try auctions.quoteBid(accountId, order.maxScale, asBackstop) returns (BidQuote memory quoted) {
                quote = quoted;
            } catch (bytes memory reason) {
                expected = LiquidationMath.SliceTooSmall.selector;
                assertTrue(bytes4(reason) == expected, "a quote fails for a slice of nothing alone");
            }
        }
        if (expected == 0) expected = _prepareBid(order, quote, seed, mode);
        _executeBid(order, quote, seed, expected);
    }

    function _bidOrder(uint256 accountId, uint256 seed, uint256 mode, bool asBackstop)
        private
        returns (BidOrder memory order)
    {
        Auction memory auction = auctions.auctionOf(accountId);
        order.accountId = accountId;
        order.vesselId = _vesselFor(seed % KEEPERS, accountId);
        order.auctionNumber = auction.number;
        order.round = auction.round;
        order.maxScale =
            mode % 3 == 0 ? type(uint64).max : uint256(_account(accountId).scale) * (1 + mode % 97) / 200 + 1;
        order.maxPayment = type(uint256).max;
        order.deadline = block.timestamp;
        order.asBackstop = asBackstop;
    }

    function _prepareBid(BidOrder memory order, BidQuote memory quote, uint256 seed, uint256 mode)
        private
        returns (bytes4)
    {
        uint256 scaleTaken = quote.sale.scaleTaken;
        if (scaleTaken < quote.leastScale && scaleTaken != quote.sale.maxScale) {
            return AuctionReports.BidTooSmall.selector;
        }
        if (_isTooSmallFor(order.vesselId, scaleTaken)) {
            if (mode % 5 == 0) return ClearingHouse.SliceTooSmallForVessel.selector;
            order.vesselId = _emptyVessel(seed % KEEPERS);
        }
        int256 floor = _auctionFloor(order.accountId, order.vesselId, scaleTaken);
        bool poor =
            mode % 11 == 0 && _collateral(order.accountId, true) == 0 && _collateral(order.vesselId, true) == 0;
        bool tooLittle =
            _fundVessel(order.vesselId, quote.sale.cashTaken - int256(quote.sale.proceeds), floor, poor);
        return tooLittle ? ClearingHouse.VesselUnderfunded.selector : bytes4(0);
    }

    function _executeBid(BidOrder memory order, BidQuote memory quote, uint256 seed, bytes4 expected) private {
        uint256 accountId = order.accountId;
        Judged memory before = _recorded(accountId);
        Auction memory auction = auctions.auctionOf(accountId);
        bool repeated = _account(order.vesselId).scale != 0;
        _call("bid", _keeper(seed), address(auctions), abi.encodeCall(auctions.bid, (order)), expected);
        if (expected != 0) return;
        if (repeated) _count("bid into a vessel that holds a slice", true);
        if (before.equity <= 0) _count("bid without equity", true);
        int256 toAccount = int256(quote.sale.proceeds) - quote.sale.cashTaken;
        _expectSlice(accountId, order.vesselId, quote.sale.scaleTaken, toAccount, -toAccount);
        if (auctions.auctionOf(accountId).number == 0) {
            _expected[accountId].inAuction = false;
            _count("bid that ends the auction", true);
        }
        _checkBid(accountId, auction, quote, before.worth);
    }

    /// @dev I-8, by the recorded figures.
    function _checkBid(uint256 accountId, Auction memory auction, BidQuote memory quote, int256 before) private view {
        int256 afterwards = _judged(accountId, _provenOf(auction), auction.terms.bufferBps).worth;
        assertTrue(afterwards > 0, "I-8: still worth something");
        uint256 lost = quote.sale.worthTaken * (10_000 - auction.terms.cuspFactorBps) / 10_000;
        assertTrue(afterwards >= before - int256(lost) - _rounding(accountId), "I-8: bid within the bound");
    }

    function takeOver(uint256 seed, uint256 mode) external {
        uint256 accountId = _someAuction(seed, Trouble.WithoutWorth);
        if (accountId == 0) return _count("takeOver: no auction", false);
        vm.warp(block.timestamp + mode % 280);
        if (!_open(accountId, seed, mode % 5 != 0)) return _count("takeOver: no open auction", false);
        Auction memory auction = auctions.auctionOf(accountId);
        TakeOverOrder memory order;
        order.accountId = accountId;
        order.vesselId = _vesselFor(seed % KEEPERS, accountId);
        order.auctionNumber = auction.number;
        order.round = auction.round;
        order.maxScale = mode % 2 == 0 ? type(uint64).max : uint256(_account(accountId).scale) / 2 + 1;
        order.deadline = block.timestamp;
        order.asBackstop = seed % KEEPERS == 2;
        int256 worth = _recorded(accountId).worth;
        if (!_isNewest(accountId)) return _refuseTakeOver(order, seed, AuctionReports.ProofTooOld.selector);
        if (worth > 0) return _refuseTakeOver(order, seed, LiquidationMath.HasWorth.selector);
        (Takeover memory quoted,) = auctions.quoteTakeOver(accountId, order.maxScale, order.asBackstop);
        if (_isTooSmallFor(order.vesselId, quoted.scaleTaken)) {
            if (mode % 3 == 0) {
                return _refuseTakeOver(order, seed, ClearingHouse.SliceTooSmallForVessel.selector);
            }
            order.vesselId = _emptyVessel(seed % KEEPERS);
        }
        _executeTakeOver(order, seed, _subsidisedTarget(accountId) + uint256(-worth));
    }

    function _refuseTakeOver(TakeOverOrder memory order, uint256 seed, bytes4 expected) private {
        _call("takeOver", _keeper(seed), address(auctions), abi.encodeCall(auctions.takeOver, (order)), expected);
    }

    /// @param lacking what the whole account's worth lacks to its target
    function _executeTakeOver(TakeOverOrder memory order, uint256 seed, uint256 lacking) private {
        uint256 accountId = order.accountId;
        uint256 scale = _account(accountId).scale;
        assertTrue(_worth(accountId) <= 0, "I-12: nothing is paid for what is worth something");
        (Takeover memory quoted,) = auctions.quoteTakeOver(accountId, order.maxScale, order.asBackstop);
        int256 floor = _auctionFloor(accountId, order.vesselId, quoted.scaleTaken);
        _fundVessel(order.vesselId, quoted.cashTaken + int256(quoted.subsidy), floor, false);
        Totals memory sums = house.totals();
        _call("takeOver", _keeper(seed), address(auctions), abi.encodeCall(auctions.takeOver, (order)), 0);
        _expectSlice(
            accountId,
            order.vesselId,
            quoted.scaleTaken,
            -quoted.cashTaken,
            quoted.cashTaken + int256(quoted.subsidy)
        );
        if (auctions.auctionOf(accountId).number == 0) _expected[accountId].inAuction = false;
        // I-12: not more than the slice lacks is socialised. A prepayment may be released meanwhile, which raises the deficit to 0.
        assertTrue(quoted.subsidy <= lacking * quoted.scaleTaken / scale, "I-12: subsidy");
        Totals memory afterwards = house.totals();
        int256 socialised = afterwards.openDeficit - sums.openDeficit;
        if (sums.openDeficit >= 0) {
            assertTrue(socialised >= 0 && socialised <= int256(quoted.subsidy), "I-12: socialised loss");
        }
        if (socialised > 0) {
            socialisedSum += uint256(socialised);
            _count("takeOver with a socialised loss", true);
        }
    }

    // Sealed bids

    function sealedCommit(uint256 seed, uint256 mode) external {
        uint256 accountId = _inTrouble(seed, Trouble.BelowRequirement);
        if (accountId == 0 || !_start(accountId, seed, false)) return _count("commit: no auction", false);
        IAuctionHouse.Stages memory stages = auctions.stagesOf(accountId);
        for (uint256 index = 0; index < 2; index++) {
            if (index == 1 && mode % 3 == 0) break;
            _commit(accountId, stages, index, mode);
        }
        if (mode % 5 == 0) return;
        _sealedRest(accountId, stages, mode);
    }

    function _commit(uint256 accountId, IAuctionHouse.Stages memory stages, uint256 index, uint256 mode) private {
        address bidder = _keeper(index);
        Secret memory secret = Secret({
            vesselId: _vesselFor(index, accountId),
            factorBps: 9_800 + mode % 1_500,
            maxScale: uint256(_account(accountId).scale) * (1 + mode % 50) / 100 + 1,
            salt: bytes32(mode)
        });
        _secrets[stages.auctionNumber][bidder] = secret;
        _call(
            "commit",
            bidder,
            address(stage),
            abi.encodeCall(stage.commit, (accountId, _hashOf(stages.auctionNumber, bidder, secret))),
            _commitFault(bidder, stages)
        );
    }

    function _hashOf(uint64 number, address bidder, Secret memory secret) private view returns (bytes32) {
        return stage.hashOf(number, bidder, secret.vesselId, secret.factorBps, secret.maxScale, secret.salt);
    }

    function _commitFault(address bidder, IAuctionHouse.Stages memory stages) private view returns (bytes4) {
        (uint96 staked, uint96 locked,, bool active) = stage.liquidatorOf(bidder);
        if (!active) return SealedBidStage.NotActive.selector;
        if (stages.commitEnd == stages.start) return SealedBidStage.NotCommitTime.selector;
        return staked - locked < BOND ? SealedBidStage.StakeTooSmall.selector : bytes4(0);
    }

    function _sealedRest(uint256 accountId, IAuctionHouse.Stages memory stages, uint256 mode) private {
        if (stage.bookOf(stages.auctionNumber).bidders.length == 0) return _count("reveal: no bids", false);
        vm.warp(stages.commitEnd + 1);
        for (uint256 index = 0; index < 2; index++) {
            _reveal(accountId, stages.auctionNumber, _keeper(index), mode + index);
        }
        vm.warp(stages.revealEnd + 1);
        _fill(accountId, stages);
        vm.warp(stages.publicStart);
        for (uint256 index = 0; index < 2; index++) {
            _finishBond(stages.auctionNumber, _keeper(index));
        }
    }

    function _reveal(uint256 accountId, uint64 number, address bidder, uint256 mode) private {
        if (stage.bidOf(number, bidder).state != SealedBidStage.BidState.Committed || mode % 7 == 0) return;
        Secret memory secret = _secrets[number][bidder];
        if (mode % 4 != 0) {
            // What he may have to pay for the whole account.
            uint256 scale = _account(accountId).scale;
            int256 floor = _auctionFloor(accountId, secret.vesselId, scale);
            floor = SignedMath.max(int256(SignedMath.abs(floor)), auctions.vesselFloorOf(accountId, 2 * scale, 0));
            int256 worth = _worth(accountId);
            _fundVessel(secret.vesselId, 0, floor + (worth > 0 ? 3 * worth : int256(0)), false);
        }
        bytes memory data = abi.encodeCall(
            stage.reveal, (number, secret.vesselId, secret.factorBps, secret.maxScale, secret.salt)
        );
        _call("reveal", bidder, address(stage), data, 0);
    }

    function _fill(uint256 accountId, IAuctionHouse.Stages memory stages) private {
        int256 worth = _recorded(accountId).worth;
        bytes4 expected = 0;
        // A round that was fresh at the start may be old at the end of the sealed stage.
        if (!_isYoung(accountId) || _lacksNewest(accountId)) expected = AuctionReports.ProofTooOld.selector;
        else if (worth <= 0) expected = LiquidationMath.NoWorth.selector;
        uint256 commitment = _account(accountId).commitment;
        _call("fill", _actor(accountId), address(stage), abi.encodeCall(stage.fill, (accountId)), expected);
        if (expected != 0) return;
        // What the account lost, the vessels have: the next check compares the account with what is expected.
        for (uint256 index = 0; index < 2; index++) {
            _expectFilled(accountId, _secrets[stages.auctionNumber][_keeper(index)].vesselId, commitment);
        }
        if (auctions.auctionOf(accountId).number == 0) _expected[accountId].inAuction = false;
    }

    function _expectFilled(uint256 accountId, uint256 vesselId, uint256 commitment) private {
        Account memory vessel = _account(vesselId);
        Expected memory known = _expected[vesselId];
        if (vessel.nonce == known.nonce) return;
        assertEq(vessel.commitment, commitment, "a slice has the account's commitment");
        assertEq(uint256(vessel.nonce), known.nonce + 1, "one slice for each bid");
        int256 toVessel = vessel.cash - known.cash;
        _expectSlice(accountId, vesselId, vessel.scale - known.scale, -toVessel, toVessel);
        _count("sealed bid executed", true);
    }

    function _finishBond(uint64 number, address bidder) private {
        SealedBidStage.BidState state = stage.bidOf(number, bidder).state;
        if (state == SealedBidStage.BidState.Revealed) {
            _call("release", bidder, address(stage), abi.encodeCall(stage.release, (number, bidder)), 0);
        } else if (state == SealedBidStage.BidState.Committed || state == SealedBidStage.BidState.Failed) {
            (uint96 staked,,,) = stage.liquidatorOf(bidder);
            _call("slash", _actor(number), address(stage), abi.encodeCall(stage.slash, (number, bidder)), 0);
            (uint96 afterwards,,,) = stage.liquidatorOf(bidder);
            assertEq(uint256(staked - afterwards), BOND, "the bond alone is lost");
        } else {
            _call(
                "slash of a free bond",
                bidder,
                address(stage),
                abi.encodeCall(stage.slash, (number, bidder)),
                SealedBidStage.WrongBidState.selector
            );
        }
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {AuctionClaim, CancelRequest} from "../interfaces/AuctionRequests.sol";
import {Groth16Proof} from "../interfaces/Groth16.sol";
import {ISealedBidStage} from "../interfaces/IAuctionHouse.sol";
import {Account, IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {CollateralValues} from "../interfaces/ICollateralVault.sol";
import {InsolvencyClaim, SolvencyClaim} from "../interfaces/IProofGate.sol";
import {IRiskOracle} from "../interfaces/IRiskOracle.sol";
import {LiquidationTerms} from "../interfaces/IRiskParameters.sol";
import {LiquidationMath, LiquidationState, ProvenFigures} from "../libraries/LiquidationMath.sol";
import {OracleWords} from "../libraries/OracleWords.sol";
import {ProofContext} from "../libraries/ProofContext.sol";
import {Units} from "../libraries/Units.sol";
import {AuctionState} from "./AuctionState.sol";
import {Auction, AuctionContracts, AuctionReports, BidTerms} from "./AuctionTypes.sol";

/// @title What needs a proof in an auction: start, refresh, recovery
/// @notice Code of the auction house, kept apart because one contract would be too large. It runs in the auction house's context, so that
/// proofs bind the auction house's address and events are its own.
library AuctionProceedings {
    /// @notice `AuctionHouse.start`. Marking the insolvency is left to the caller.
    /// @param auctions records of all accounts
    /// @param feeChargedAt when accounts were last charged a fee
    /// @param number of the new auction
    /// @return worth of the account before the fee, signed
    function open(
        mapping(uint256 accountId => Auction) storage auctions,
        mapping(uint256 accountId => uint256) storage feeChargedAt,
        AuctionContracts memory contracts,
        uint64 number,
        AuctionClaim calldata claim,
        uint256 rewardAccountId,
        Groth16Proof calldata proof
    ) external returns (int256 worth) {
        Account memory account = contracts.house.getAccount(claim.accountId);
        if (account.owner == address(0)) revert AuctionReports.UnknownAccount(claim.accountId);
        _requireNonce(claim.accountId, claim.nonce, account.nonce);
        if (account.scale == 0) revert AuctionReports.NoPositions(claim.accountId);
        Auction memory next;
        next.number = number;
        next.startNonce = account.nonce;
        next.baseScale = account.scale;
        next.version = contracts.parameters.versionOf(account.underlyingId);
        next.start = uint40(block.timestamp);
        next.publicStart = next.start;
        // The clock of subsidies starts anew; that it ran is kept until the deficit of the auction before has been cleared.
        if (_replace(auctions[claim.accountId], claim.accountId, account)) next.insolventSince = next.start;
        _requireInsolvency(contracts, claim, account, next, proof);
        _record(next, contracts.oracle, claim, account.underlyingId);
        LiquidationState memory state = AuctionState.present(contracts.house, claim.accountId, next, account);
        AuctionState.requireLiquidatable(state);
        worth = LiquidationMath.worthOf(state);

        LiquidationTerms memory terms = contracts.parameters.termsAt(account.underlyingId, next.version);
        // What is worth nothing has no price that sealed bids could name.
        _setTerms(next, terms, worth > 0 && _hasLiquidators(contracts.sealedBidStage));
        auctions[claim.accountId] = next;
        if (!account.inAuction) contracts.house.setInAuction(claim.accountId, true);
        (uint256 fee, uint256 reward) = _feeOf(
            state, terms, feeChargedAt[claim.accountId], contracts.oracle.volatilityIndex(account.underlyingId)
        );
        if (fee != 0) {
            feeChargedAt[claim.accountId] = block.timestamp;
            contracts.house.chargeFee(claim.accountId, fee, rewardAccountId, reward);
        }
        _emitStarted(claim.accountId, next, state, fee, rewardAccountId, reward);
    }

    /// @notice `AuctionHouse.refresh` and `AuctionHouse.restart`. Marking the insolvency is left to the caller.
    /// @param auctions records of all accounts
    /// @return worth of the account by the new figures, signed
    function refresh(
        mapping(uint256 accountId => Auction) storage auctions,
        AuctionContracts memory contracts,
        AuctionClaim calldata claim,
        Groth16Proof calldata proof,
        bool isRestart
    ) external returns (int256 worth) {
        Auction memory next = auctions[claim.accountId];
        Account memory account = contracts.house.getAccount(claim.accountId);
        if (next.number == 0) revert AuctionReports.NoAuction(claim.accountId);
        if (AuctionState.isSuperseded(next, account)) revert AuctionReports.AuctionSuperseded(claim.accountId);
        _requireNonce(claim.accountId, claim.nonce, next.startNonce);
        if (isRestart) {
            uint256 expiresAt = uint256(next.publicStart) + next.terms.tailSeconds;
            if (block.timestamp <= expiresAt) revert AuctionReports.AuctionNotExpired(expiresAt);
            next.publicStart = uint40(block.timestamp);
        }
        _requireNewerOrWorse(contracts.house, account, claim, next, isRestart);
        _requireInsolvency(contracts, claim, account, next, proof);
        if (next.insolventSince != 0) {
            next.insolventSince = _hasWorth(contracts.house, account, claim, next)
                ? uint40(block.timestamp)
                : AuctionState.resumedClock(next, block.timestamp);
        }
        _record(next, contracts.oracle, claim, account.underlyingId);
        auctions[claim.accountId] = next;
        LiquidationState memory state = AuctionState.present(contracts.house, claim.accountId, next, account);
        AuctionState.requireLiquidatable(state);
        worth = LiquidationMath.worthOf(state);
        emit AuctionReports.AuctionRefreshed(
            claim.accountId,
            next.number,
            msg.sender,
            claim.round,
            next.provenAt,
            claim.mark,
            claim.baseRequirement,
            claim.collateralSlope,
            next.publicStart
        );
    }

    /// @notice Reverts unless the account is proven to cover its maintenance requirement with the cash that it has.
    /// @param auctionVersion version of the auction
    function requireRecovery(
        AuctionContracts memory contracts,
        uint64 auctionVersion,
        CancelRequest calldata request,
        Groth16Proof calldata proof
    ) external view {
        Account memory account = contracts.house.getAccount(request.accountId);
        _requireNonce(request.accountId, request.nonce, account.nonce);
        uint64 version = request.version;
        if (version != auctionVersion && version != contracts.parameters.versionOf(account.underlyingId)) {
            revert AuctionReports.WrongVersion(version);
        }
        // Collateral with a stale price counts for nothing here.
        CollateralValues memory values = contracts.house.collateralValueOf(request.accountId, true);
        // Below 2^96.
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 available = account.cash + int256(values.value - values.moving);
        if (request.provenCash > available) revert AuctionReports.ProvenCashTooHigh(request.provenCash, available);
        SolvencyClaim memory claim;
        claim.movingCollateral = values.moving;
        claim.commitment = account.commitment;
        claim.scale = account.scale;
        claim.underlyingId = account.underlyingId;
        claim.version = version;
        claim.round = request.round;
        claim.cash = request.provenCash;
        claim.level = uint16(Units.MAINTENANCE_LEVEL);
        claim.context = ProofContext.solvency(
            address(this), ProofContext.RECOVERY, request.accountId, account.nonce, request.round
        );
        claim.capacity = request.capacity;
        contracts.gate.requireSolvency(claim, proof);
    }

    /// @dev Ends an auction that a settlement has superseded, but for the account's mark.
    /// @return wasInsolvent whether the account was worth nothing in it
    function _replace(Auction memory previous, uint256 accountId, Account memory account)
        private
        returns (bool wasInsolvent)
    {
        if (previous.number == 0) return false;
        if (!AuctionState.isSuperseded(previous, account)) {
            revert AuctionReports.AuctionRunning(accountId, previous.number);
        }
        emit AuctionReports.AuctionEnded(accountId, previous.number, AuctionReports.EndReason.Superseded);
        return previous.insolventSince != 0;
    }

    function _setTerms(Auction memory auction, LiquidationTerms memory terms, bool sealedBids) private pure {
        if (sealedBids && terms.commitSeconds != 0) {
            auction.commitSeconds = SafeCast.toUint16(terms.commitSeconds);
            auction.revealSeconds = SafeCast.toUint16(terms.revealSeconds);
            auction.publicStart += auction.commitSeconds + auction.revealSeconds + AuctionState.FILL_SECONDS;
        }
        auction.terms = BidTerms({
            bufferBps: terms.bufferBps,
            startFactorBps: terms.startFactorBps,
            fastFactorBps: terms.fastFactorBps,
            cuspFactorBps: terms.cuspFactorBps,
            fastSeconds: terms.fastSeconds,
            tailSeconds: terms.tailSeconds,
            insolventSeconds: terms.insolventSeconds,
            maxProofAge: terms.maxProofAge,
            backstopBps: terms.backstopBps,
            minBidBps: terms.minBidBps
        });
    }

    function _hasLiquidators(ISealedBidStage stage) private view returns (bool) {
        return address(stage) != address(0) && stage.hasLiquidators();
    }

    /// @dev Within the cool-off after a fee there is none.
    function _feeOf(LiquidationState memory state, LiquidationTerms memory terms, uint256 chargedAt, uint256 volatility)
        private
        view
        returns (uint256 fee, uint256 reward)
    {
        if (chargedAt != 0 && block.timestamp < chargedAt + terms.coolOffSeconds) return (0, 0);
        return LiquidationMath.startFee(state, terms, volatility);
    }

    function _emitStarted(
        uint256 accountId,
        Auction memory auction,
        LiquidationState memory state,
        uint256 fee,
        uint256 rewardAccountId,
        uint256 reward
    ) private {
        emit AuctionReports.AuctionStarted(
            accountId, auction.number, msg.sender, auction, state, fee, rewardAccountId, reward
        );
    }

    /// @dev Who comes too late learns it before the costly proof is checked.
    function _requireNonce(uint256 accountId, uint64 expected, uint64 nonce) private pure {
        if (expected != nonce) revert AuctionReports.AccountChanged(accountId, nonce);
    }

    /// @dev Which scenario is the worst depends on the collateral: what counts is the account as it stands.
    function _requireNewerOrWorse(
        IClearingHouse house,
        Account memory account,
        AuctionClaim calldata claim,
        Auction memory auction,
        bool isRestart
    ) private view {
        if (claim.round > auction.round) return;
        uint256 moving = house.collateralValueOf(claim.accountId, false).moving;
        int256 severity = _severity(
            ProvenFigures(claim.mark, claim.baseRequirement, claim.collateralSlope, auction.baseScale),
            account.scale,
            moving
        );
        int256 recorded = _severity(AuctionState.proven(auction), account.scale, moving);
        bool bad = severity > recorded || (isRestart && severity == recorded);
        if (claim.round != auction.round || !bad) revert AuctionReports.NotWorse(claim.round, auction.round);
    }

    /// @dev What deposits brought since the recorded figures stops the clock, even if new figures take it away again. At a newer round collateral
    /// has another price than the recorded mark: where it outweighs the requirement the two together say nothing, and whoever deposits may poke.
    function _hasWorth(
        IClearingHouse house,
        Account memory account,
        AuctionClaim calldata claim,
        Auction memory auction
    ) private view returns (bool) {
        LiquidationState memory state = AuctionState.present(house, claim.accountId, auction, account);
        if (claim.round != auction.round && AuctionState.collateralOutweighs(auction, state)) return false;
        return LiquidationMath.worthOf(state) > 0;
    }

    /// @dev What the account lacks but for its cash and collateral.
    function _severity(ProvenFigures memory proven, uint64 scale, uint256 moving) private pure returns (int256) {
        ProvenFigures memory figures = LiquidationMath.atScale(proven, scale);
        uint256 requirement =
            LiquidationMath.requirementWith(figures.baseRequirement, figures.collateralSlope, moving);
        // Below 2^100.
        // forge-lint: disable-next-line(unsafe-typecast)
        return int256(requirement) - figures.mark;
    }

    function _requireInsolvency(
        AuctionContracts memory contracts,
        AuctionClaim calldata claim,
        Account memory account,
        Auction memory auction,
        Groth16Proof calldata proof
    ) private view {
        InsolvencyClaim memory full;
        full.commitment = account.commitment;
        full.scale = auction.baseScale;
        full.underlyingId = account.underlyingId;
        full.version = auction.version;
        full.round = claim.round;
        full.mark = claim.mark;
        full.baseRequirement = claim.baseRequirement;
        full.collateralSlope = claim.collateralSlope;
        full.context = ProofContext.insolvency(
            address(this), claim.accountId, auction.startNonce, claim.round, msg.sender
        );
        full.capacity = claim.capacity;
        contracts.gate.requireInsolvency(full, proof);
    }

    /// @dev The gate has accepted the claim: its round is the newest, its amounts are within [-2^96, 2^96) and its slope within [-2^57, 2^57).
    function _record(Auction memory auction, IRiskOracle oracle, AuctionClaim calldata claim, uint32 underlyingId)
        private
        view
    {
        auction.round = claim.round;
        // forge-lint: disable-next-line(unsafe-typecast)
        auction.mark = int104(claim.mark);
        // forge-lint: disable-next-line(unsafe-typecast)
        auction.baseRequirement = int104(claim.baseRequirement);
        // forge-lint: disable-next-line(unsafe-typecast)
        auction.collateralSlope = int64(claim.collateralSlope);
        (uint256 word,) = oracle.latestUnderlyingWord(underlyingId);
        // A field of 40 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        auction.provenAt = uint40(OracleWords.timestamp(word));
        auction.recordedAt = uint40(block.timestamp);
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Auction} from "../../src/auction/AuctionTypes.sol";
import {AuctionHouse} from "../../src/AuctionHouse.sol";
import {AuctionClaim, BidOrder, CancelRequest, TakeOverOrder} from "../../src/interfaces/AuctionRequests.sol";
import {Groth16Proof} from "../../src/interfaces/Groth16.sol";
import {ISealedBidStage} from "../../src/interfaces/IAuctionHouse.sol";
import {Account} from "../../src/interfaces/IClearingHouse.sol";
import {InsolvencyClaim, SolvencyClaim} from "../../src/interfaces/IProofGate.sol";
import {LiquidationTerms} from "../../src/interfaces/IRiskParameters.sol";
import {ProofContext} from "../../src/libraries/ProofContext.sol";
import {LiquidationEngine} from "../../src/LiquidationEngine.sol";
import {LiquidatorRegistry} from "../../src/LiquidatorRegistry.sol";
import {SealedBidStage} from "../../src/SealedBidStage.sol";
import {TestUsd} from "../../src/testing/TestUsd.sol";
import {AuctionGate} from "../mocks/AuctionGate.sol";
import {AuctionLedger} from "../mocks/AuctionLedger.sol";
import {AuctionMarket} from "../mocks/AuctionMarket.sol";
import {Test} from "./Test.sol";

/// @title Engine, auction house and sealed-bid stage around a ledger, a gate and a market of the tests
/// @notice The trader's account has 5,000 cash against a mark of -4,000: an equity of 1,000 below a requirement of 1,200.
abstract contract AuctionTest is Test {
    uint32 internal constant BTC = 1;
    uint64 internal constant UNIT = 2 ** 40;
    uint256 internal constant LEGS = 777;
    int256 internal constant MARK = -4_000e6;
    uint256 internal constant REQUIREMENT = 1_200e6;

    TestUsd internal usd;
    AuctionMarket internal market;
    AuctionGate internal gate;
    AuctionLedger internal house;
    LiquidatorRegistry internal registry;
    LiquidationEngine internal engine;
    AuctionHouse internal auctions;
    SealedBidStage internal stage;
    /// @dev Slope of the claims below, in 2^-54.
    int256 internal slope;
    address internal trader = makeAddr("trader");
    address internal keeper = makeAddr("keeper");
    address internal rival = makeAddr("rival");
    address internal backstop = makeAddr("backstop");
    uint256 internal accountId;
    uint256 internal vesselId;
    uint256 internal rivalVesselId;
    uint256 internal backstopVesselId;

    function _deploy() internal {
        vm.warp(1_739_959_200);
        usd = new TestUsd();
        market = new AuctionMarket();
        market.setTerms(BTC, _terms());
        market.post(BTC);
        gate = new AuctionGate(market);
        house = new AuctionLedger(usd);
        registry = new LiquidatorRegistry(address(this));
        engine = new LiquidationEngine(market, market, house, gate, registry);
        auctions = new AuctionHouse(address(this), market, market, house, gate, registry);
        stage = new SealedBidStage(address(this), usd, house, auctions, 10_000e6, 1_000e6);
        auctions.setSealedBidStage(stage);
        house.setEngine(address(engine));
        house.setEngine(address(auctions));
        registry.setBackstop(backstop, true);
        accountId = _open(trader, 5_000e6);
        vesselId = house.create(keeper, BTC, 1_000_000e6);
        rivalVesselId = house.create(rival, BTC, 1_000_000e6);
        backstopVesselId = house.create(backstop, BTC, 1_000_000e6);
    }

    function _terms() internal pure returns (LiquidationTerms memory terms) {
        terms.initialLevel = 5_120;
        terms.bufferBps = 1_000;
        terms.penaltyBps = [uint16(300), 500, 700, 1_000];
        terms.volatilityThreshold = 65_536;
        terms.volatilityPenaltyBps = 100;
        terms.rewardShareBps = 2_000;
        terms.atomicLimit = 50_000e6;
        terms.backstopBps = 200;
        terms.feeBps = 100;
        terms.tip = 100_000;
        terms.chipBps = 1_000;
        terms.startFactorBps = 9_900;
        terms.fastFactorBps = 9_500;
        terms.cuspFactorBps = 8_000;
        terms.fastSeconds = 300;
        terms.tailSeconds = 1_800;
        terms.insolventSeconds = 600;
        terms.commitSeconds = 60;
        terms.revealSeconds = 60;
        terms.coolOffSeconds = 3_600;
        terms.maxProofAge = 240;
        terms.minBidBps = 1_000;
    }

    function _open(address owner, int128 cash) internal returns (uint256 id) {
        id = house.create(owner, BTC, cash);
        house.setPositions(id, LEGS, UNIT);
    }

    function _round() internal view returns (uint64) {
        return market.latestRound(BTC);
    }

    function _account() internal view returns (Account memory) {
        return house.getAccount(accountId);
    }

    function _cash(uint256 id) internal view returns (int256) {
        return house.getAccount(id).cash;
    }

    function _later(uint256 duration) internal {
        vm.warp(block.timestamp + duration);
    }

    function _claim(uint256 id, int256 mark, uint256 requirement) internal view returns (AuctionClaim memory) {
        return AuctionClaim(id, _provenNonce(id), _round(), mark, int256(requirement), slope, 8);
    }

    /// @dev The nonce that insolvency proofs for the auction house bind: of the account, or of its running auction's start.
    function _provenNonce(uint256 id) internal view returns (uint64) {
        Auction memory auction = auctions.auctionOf(id);
        uint64 nonce = house.getAccount(id).nonce;
        return auction.number != 0 && nonce == auction.startNonce + auction.moves ? auction.startNonce : nonce;
    }

    /// @dev A proof for an account at a nonce and scale.
    function _insolvencyProof(
        address consumer,
        uint256 id,
        uint256 nonce,
        uint64 scale,
        uint64 version,
        int256 mark,
        uint256 requirement,
        address prover
    ) internal view returns (Groth16Proof memory) {
        Account memory account = house.getAccount(id);
        InsolvencyClaim memory claim;
        claim.commitment = account.commitment;
        claim.scale = scale;
        claim.underlyingId = account.underlyingId;
        claim.version = version;
        claim.round = market.latestRound(account.underlyingId);
        claim.mark = mark;
        claim.baseRequirement = int256(requirement);
        claim.collateralSlope = slope;
        claim.context = ProofContext.insolvency(consumer, id, nonce, claim.round, prover);
        claim.capacity = 8;
        return gate.prove(claim);
    }

    function _startProof(uint256 id, int256 mark, uint256 requirement, address prover)
        internal
        view
        returns (Groth16Proof memory)
    {
        Account memory account = house.getAccount(id);
        uint64 version = market.versionOf(account.underlyingId);
        return _insolvencyProof(
            address(auctions), id, account.nonce, account.scale, version, mark, requirement, prover
        );
    }

    function _start(int256 mark, uint256 requirement) internal returns (uint64 number) {
        AuctionClaim memory claim = _claim(accountId, mark, requirement);
        Groth16Proof memory proof = _startProof(accountId, mark, requirement, keeper);
        vm.prank(keeper);
        return auctions.start(claim, vesselId, proof);
    }

    function _start() internal returns (uint64) {
        return _start(MARK, REQUIREMENT);
    }

    function _refreshProof(int256 mark, uint256 requirement, address prover)
        internal
        view
        returns (Groth16Proof memory)
    {
        Auction memory auction = auctions.auctionOf(accountId);
        return _insolvencyProof(
            address(auctions),
            accountId,
            auction.startNonce,
            auction.baseScale,
            auction.version,
            mark,
            requirement,
            prover
        );
    }

    function _refresh(int256 mark, uint256 requirement, address prover) internal {
        AuctionClaim memory claim = _claim(accountId, mark, requirement);
        Groth16Proof memory proof = _refreshProof(mark, requirement, prover);
        vm.prank(prover);
        auctions.refresh(claim, proof);
    }

    /// @dev A new round, in which nothing has changed.
    function _freshen() internal {
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, keeper);
    }

    function _order(uint256 vessel) internal view returns (BidOrder memory) {
        return BidOrder({
            accountId: accountId,
            vesselId: vessel,
            auctionNumber: auctions.auctionOf(accountId).number,
            round: auctions.auctionOf(accountId).round,
            maxScale: type(uint256).max,
            minScale: 1,
            maxPayment: type(uint256).max,
            deadline: block.timestamp,
            asBackstop: false
        });
    }

    function _takeOverOrder(uint256 vessel) internal view returns (TakeOverOrder memory) {
        return TakeOverOrder({
            accountId: accountId,
            vesselId: vessel,
            auctionNumber: auctions.auctionOf(accountId).number,
            round: auctions.auctionOf(accountId).round,
            maxScale: type(uint256).max,
            minScale: 1,
            minSubsidy: 0,
            deadline: block.timestamp,
            asBackstop: false
        });
    }

    function _cancelRequest(int256 provenCash) internal view returns (CancelRequest memory) {
        return CancelRequest(
            accountId, _account().nonce, _round(), auctions.auctionOf(accountId).version, provenCash, 8
        );
    }

    function _recoveryProof(CancelRequest memory request) internal view returns (Groth16Proof memory) {
        Account memory account = _account();
        SolvencyClaim memory claim;
        claim.commitment = account.commitment;
        claim.scale = account.scale;
        claim.underlyingId = BTC;
        claim.version = request.version;
        claim.round = request.round;
        claim.cash = request.provenCash;
        claim.movingCollateral = house.collateralValueOf(accountId, true).moving;
        claim.level = 4_096;
        claim.context = ProofContext.solvency(
            address(auctions), ProofContext.RECOVERY, accountId, account.nonce, request.round
        );
        claim.capacity = request.capacity;
        return gate.prove(claim);
    }

    /// @dev Registers liquidators with twice the minimum stake.
    function _registerLiquidator(address liquidator) internal {
        stage.setLiquidator(liquidator, true);
        usd.mint(liquidator, 20_000e6);
        vm.startPrank(liquidator);
        usd.approve(address(stage), type(uint256).max);
        stage.addStake(20_000e6);
        vm.stopPrank();
    }

    /// @dev The equity of the trader's account by these figures at the base scale, without collateral.
    function _equity(int256 mark) internal view returns (int256) {
        Account memory account = _account();
        return account.cash + mark * int256(uint256(account.scale)) / int256(uint256(UNIT));
    }

    /// @dev Brings the trader's account to this equity, with 2,000 of collateral that does not move and a sale value so much above that.
    function _withHaircut(int128 equity, uint256 haircut) internal {
        house.setCollateral(accountId, 2_000e6);
        house.setHaircut(accountId, haircut);
        house.addCash(accountId, equity - int128(MARK + _cash(accountId)) - 2_000e6);
    }

    /// @dev The equity of an account with collateral by these figures at the base scale.
    function _wholeEquity(uint256 id, int256 mark) internal view returns (int256) {
        Account memory account = house.getAccount(id);
        int256 share = mark * int256(uint256(account.scale)) / int256(uint256(UNIT));
        return account.cash + int256(house.collateralValueOf(id, false).value) + share;
    }

    function _none() internal pure returns (ISealedBidStage) {
        return ISealedBidStage(address(0));
    }
}

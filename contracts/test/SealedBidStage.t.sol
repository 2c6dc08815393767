// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {AuctionReports, BidQuote} from "../src/auction/AuctionTypes.sol";
import {BidOrder} from "../src/interfaces/AuctionRequests.sol";
import {IAuctionHouse} from "../src/interfaces/IAuctionHouse.sol";
import {IHouseDeposits} from "../src/interfaces/IHouseDeposits.sol";
import {LiquidationMath} from "../src/libraries/LiquidationMath.sol";
import {LiquidationTerms} from "../src/interfaces/IRiskParameters.sol";
import {SealedBidStage} from "../src/SealedBidStage.sol";
import {AuctionTest} from "./base/AuctionTest.sol";
import {FeeToken} from "./mocks/OddTokens.sol";

contract SealedBidStageTest is AuctionTest {
    bytes32 private constant SALT = "salt";
    address private third = makeAddr("third");
    uint256 private thirdVesselId;

    function setUp() public {
        _deploy();
        thirdVesselId = house.create(third, BTC, 1_000_000e6);
        _registerLiquidator(keeper);
        _registerLiquidator(rival);
        _registerLiquidator(third);
    }

    function _commit(address bidder, uint256 vessel, uint256 factorBps, uint256 maxScale) private {
        uint64 number = auctions.auctionOf(accountId).number;
        bytes32 hash = stage.hashOf(number, bidder, vessel, factorBps, maxScale, SALT);
        vm.prank(bidder);
        stage.commit(accountId, hash);
    }

    function _reveal(address bidder, uint256 vessel, uint256 factorBps, uint256 maxScale) private {
        uint64 number = auctions.auctionOf(accountId).number;
        vm.prank(bidder);
        stage.reveal(number, vessel, factorBps, maxScale, SALT);
    }

    function _toReveals() private {
        vm.warp(auctions.stagesOf(accountId).commitEnd + 1);
    }

    function _toFill() private {
        vm.warp(auctions.stagesOf(accountId).revealEnd + 1);
    }

    function _locked(address liquidator) private view returns (uint256 locked) {
        (, locked,,) = stage.liquidatorOf(liquidator);
    }

    function _stake(address liquidator) private view returns (uint256 stake) {
        (stake,,,) = stage.liquidatorOf(liquidator);
    }

    function _state(address bidder) private view returns (SealedBidStage.BidState) {
        return stage.bidOf(1, bidder).state;
    }

    function _is(address bidder, SealedBidStage.BidState state) private view {
        assertEq(uint256(_state(bidder)), uint256(state), "state of the bid");
    }

    function _publicIsClosed() private {
        BidOrder memory order = _order(vesselId);
        vm.expectRevert(
            abi.encodeWithSelector(
                AuctionReports.PublicBiddingNotOpen.selector, auctions.stagesOf(accountId).publicStart
            )
        );
        vm.prank(keeper);
        auctions.bid(order);
    }

    // The whole way

    /// @dev Three bids: the best one buys first, at its own price; the second cannot pay and loses its bond; the third gets the rest. A fourth
    /// never reveals.
    function test_sealedBids_bestFirstAndNobodyBlocks() public {
        address silent = makeAddr("silent");
        _registerLiquidator(silent);
        uint64 number = _start();
        IAuctionHouse.Stages memory stages = auctions.stagesOf(accountId);
        assertEq(stages.commitEnd, block.timestamp + 60, "commit");
        assertEq(stages.revealEnd, block.timestamp + 120, "reveal");
        assertEq(stages.publicStart, block.timestamp + 180, "public");
        _publicIsClosed();
        _commit(keeper, vesselId, 9_950, UNIT);
        _commit(rival, rivalVesselId, 10_000, UNIT);
        _commit(third, thirdVesselId, 10_100, UNIT / 20);
        _commit(silent, 1, 12_000, UNIT);
        assertEq(_locked(keeper), 1_000e6, "bond");
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT);
        _reveal(rival, rivalVesselId, 10_000, UNIT);
        _reveal(third, thirdVesselId, 10_100, UNIT / 20);
        house.addCash(rivalVesselId, -1_000_000e6);
        _publicIsClosed();
        _toFill();
        stage.fill(accountId);
        assertEq(house.getAccount(thirdVesselId).scale, UNIT / 20, "the best got all that it wanted");
        assertEq(house.getAccount(rivalVesselId).scale, 0, "no cash, no slice");
        assertTrue(house.getAccount(vesselId).scale != 0, "the next got the rest");
        assertTrue(!_account().inAuction, "over");
        _is(third, SealedBidStage.BidState.Released);
        _is(keeper, SealedBidStage.BidState.Released);
        _is(rival, SealedBidStage.BidState.Failed);
        assertEq(_locked(keeper) + _locked(third), 0, "bonds of the honest are free");

        int256 fund = _cash(1);
        stage.slash(number, rival);
        stage.slash(number, silent);
        assertEq(_cash(1), fund + 2_000e6, "bonds of the others are the fund's");
        assertEq(_stake(rival), 19_000e6, "stake");
        assertEq(usd.balanceOf(address(stage)), 78_000e6, "tokens are stakes");
        vm.expectRevert(
            abi.encodeWithSelector(
                SealedBidStage.WrongBidState.selector, number, rival, SealedBidStage.BidState.Slashed
            )
        );
        stage.slash(number, rival);
    }

    function test_fill_pricesEachBidAtItsFactor() public {
        _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT);
        _toFill();
        int256 cash = _cash(vesselId);
        stage.fill(accountId);
        // A worth of 997.575758, target 1,320: f = 322.42 / (322.42 + 0.995 * 997.58).
        uint256 taken = house.getAccount(vesselId).scale;
        uint256 worth = 997_575_758;
        assertEq(taken, uint256(UNIT) * (1_320e6 - worth) * 10_000 / ((1_320e6 - worth) * 10_000 + worth * 9_950), "scale");
        uint256 worthTaken = (worth * taken + UNIT - 1) / UNIT;
        uint256 proceeds = (worthTaken * 9_950 + 9_999) / 10_000;
        int256 cashTaken = (5_000e6 - 2_424_242) * int256(taken) / int256(uint256(UNIT));
        assertEq(_cash(vesselId), cash + cashTaken - int256(proceeds), "payment");
    }

    function test_fill_equalFactorsGoByTheOrderOfCommitments() public {
        _start();
        _commit(rival, rivalVesselId, 9_950, UNIT);
        _commit(keeper, vesselId, 9_950, UNIT);
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT);
        _reveal(rival, rivalVesselId, 9_950, UNIT);
        _toFill();
        stage.fill(accountId);
        assertTrue(house.getAccount(rivalVesselId).scale != 0, "the earlier one");
        assertEq(house.getAccount(vesselId).scale, 0, "nothing is left");
        _is(keeper, SealedBidStage.BidState.Released);
    }

    function testFuzz_fill_ranks(uint256 seed) public {
        LiquidationTerms memory terms = _terms();
        terms.minBidBps = 0;
        market.setTerms(BTC, terms);
        _start();
        address[16] memory bidders;
        uint256[16] memory vessels;
        uint256[16] memory factors;
        for (uint256 index = 0; index < 16; index++) {
            bidders[index] = address(uint160(0x1000 + index));
            _registerLiquidator(bidders[index]);
            vessels[index] = house.create(bidders[index], BTC, 100_000e6);
            factors[index] = 9_900 + uint256(keccak256(abi.encode(seed, index))) % 4;
            _commit(bidders[index], vessels[index], factors[index], UNIT / 40);
        }
        _toReveals();
        for (uint256 index = 0; index < 16; index++) {
            _reveal(bidders[index], vessels[index], factors[index], UNIT / 40);
        }
        _toFill();
        stage.fill(accountId);
        // Whoever bid more, or the same earlier, has at least as much.
        for (uint256 a = 0; a < 16; a++) {
            for (uint256 b = 0; b < 16; b++) {
                bool ahead = factors[a] > factors[b] || (factors[a] == factors[b] && a < b);
                if (!ahead) continue;
                assertTrue(
                    house.getAccount(vessels[a]).scale >= house.getAccount(vessels[b]).scale, "the better bid first"
                );
            }
            assertEq(_locked(bidders[a]), 0, "bonds");
        }
    }

    function test_fill_nobodyDidItAndTheAuctionOpens() public {
        uint64 number = _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT);
        _toFill();
        vm.expectRevert(
            abi.encodeWithSelector(SealedBidStage.TooEarly.selector, auctions.stagesOf(accountId).publicStart)
        );
        stage.release(number, keeper);
        vm.warp(auctions.stagesOf(accountId).publicStart);
        vm.expectRevert(
            abi.encodeWithSelector(
                SealedBidStage.NotFillTime.selector, block.timestamp - 60, block.timestamp
            )
        );
        stage.fill(accountId);
        _freshen();
        BidOrder memory order = _order(rivalVesselId);
        vm.prank(rival);
        auctions.bid(order);
        stage.release(number, keeper);
        assertEq(_locked(keeper), 0, "free");
        vm.expectRevert(
            abi.encodeWithSelector(
                SealedBidStage.WrongBidState.selector, number, keeper, SealedBidStage.BidState.Released
            )
        );
        stage.release(number, keeper);
    }

    function test_fill_backstopsNeedNotWait() public {
        _start();
        BidOrder memory order = _order(backstopVesselId);
        order.asBackstop = true;
        vm.prank(backstop);
        BidQuote memory bought = auctions.bid(order);
        assertEq(bought.factorBps, 9_800, "discount");
    }

    function test_fill_refusals() public {
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.NothingToFill.selector, accountId));
        stage.fill(accountId);
        _start();
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.NothingToFill.selector, accountId));
        stage.fill(accountId);
        _commit(keeper, vesselId, 9_950, UNIT / 20);
        IAuctionHouse.Stages memory stages = auctions.stagesOf(accountId);
        bytes memory notNow =
            abi.encodeWithSelector(SealedBidStage.NotFillTime.selector, stages.revealEnd, stages.publicStart);
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT / 20);
        vm.warp(stages.revealEnd);
        vm.expectRevert(notNow);
        stage.fill(accountId);
        _toFill();
        stage.fill(accountId);
        vm.expectRevert(notNow);
        stage.fill(accountId);
    }

    /// @dev What is no bidder's fault fails the call as a whole; no bond is touched.
    function test_fill_waitsForWhatIsNotTheBiddersFault() public {
        LiquidationTerms memory terms = _terms();
        terms.maxProofAge = 100;
        market.setTerms(BTC, terms);
        _start();
        uint256 provenAt = block.timestamp;
        _commit(keeper, vesselId, 9_950, UNIT);
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT);
        _toFill();
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, provenAt));
        stage.fill(accountId);
        _freshen();
        house.addCash(accountId, int128(-_equity(MARK)));
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.NoWorth.selector, int256(0)));
        stage.fill(accountId);
        house.addCash(accountId, 1_000e6);
        house.settle(accountId, LEGS + 1, 0);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.AuctionSuperseded.selector, accountId));
        stage.fill(accountId);
        _is(keeper, SealedBidStage.BidState.Revealed);
    }

    function test_fill_ofACoveredAccountTakesNothing() public {
        _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT);
        house.addCash(accountId, 1_000e6);
        _toFill();
        stage.fill(accountId);
        assertEq(house.getAccount(vesselId).scale, 0, "nothing");
        _is(keeper, SealedBidStage.BidState.Released);
    }

    function test_fill_aRestThatRoundsToNothingIsNobodysFault() public {
        // At a scale of 2, a bid above what is sold is worth needs more than a half of the target to be lacking.
        house.setPositions(accountId, LEGS, 2);
        _start();
        _commit(keeper, vesselId, 12_000, UNIT);
        _toReveals();
        _reveal(keeper, vesselId, 12_000, UNIT);
        house.addCash(accountId, int128(4_650e6 - _cash(accountId)));
        _toFill();
        stage.fill(accountId);
        assertTrue(_account().inAuction, "not covered");
        assertEq(house.getAccount(vesselId).scale, 0, "nothing for sale");
        _is(keeper, SealedBidStage.BidState.Released);
    }

    function test_fill_littleGasFailsTheCallNotTheBid() public {
        _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT);
        _toFill();
        (bool success, bytes memory reason) =
            address(stage).call{gas: 1_500_000}(abi.encodeCall(stage.fill, (accountId)));
        assertTrue(!success, "refused");
        // The first four bytes are the selector.
        assertTrue(bytes4(reason) == SealedBidStage.NotEnoughGas.selector, "for lack of gas");
        _is(keeper, SealedBidStage.BidState.Revealed);
        stage.fill(accountId);
        _is(keeper, SealedBidStage.BidState.Released);
    }

    /// @dev From the least gas with which a call succeeds, a slice that needs much is still executed: the caller's gas decides nothing.
    function testFuzz_fill_gasDecidesNothing(uint256 gasGiven) public {
        gasGiven = bound(gasGiven, 1_000_000, 4_000_000);
        house.setBurn(1_000_000);
        _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT);
        _toFill();
        (bool success,) = address(stage).call{gas: gasGiven}(abi.encodeCall(stage.fill, (accountId)));
        _is(keeper, success ? SealedBidStage.BidState.Released : SealedBidStage.BidState.Revealed);
    }

    /// @dev A slice that burns all its gas costs its own bidder alone.
    function test_fill_aGasBombStopsNobody() public {
        _start();
        _commit(keeper, vesselId, 9_950, UNIT / 20);
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT / 20);
        _toFill();
        house.setBurn(2_000_000);
        stage.fill(accountId);
        _is(keeper, SealedBidStage.BidState.Failed);
    }

    function test_fillSealed_isTheStages() public {
        _start();
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.NotSealedBidStage.selector, keeper));
        vm.prank(keeper);
        auctions.fillSealed(accountId, keeper, vesselId, 9_950, UNIT);
        vm.startPrank(address(stage));
        IAuctionHouse.Stages memory stages = auctions.stagesOf(accountId);
        vm.expectRevert(
            abi.encodeWithSelector(AuctionReports.NotFillTime.selector, stages.revealEnd, stages.publicStart)
        );
        auctions.fillSealed(accountId, keeper, vesselId, 9_950, UNIT);
        _toFill();
        vm.stopPrank();
        vm.startPrank(address(stage));
        vm.expectRevert(
            abi.encodeWithSelector(AuctionReports.FactorBelowStart.selector, uint256(9_899), uint256(9_900))
        );
        auctions.fillSealed(accountId, keeper, vesselId, 9_899, UNIT);
        vm.stopPrank();
    }

    function test_sealedStage_onlyForAccountsThatAreWorthSomething() public {
        house.addCash(accountId, -1_100e6);
        _start();
        assertEq(auctions.stagesOf(accountId).publicStart, block.timestamp, "public at once");
    }

    function test_sealedStage_ofAWorthOfOne() public {
        _withHaircut(-100e6, 100e6);
        uint256 snapshot = vm.snapshotState();
        _start();
        assertEq(auctions.stagesOf(accountId).publicStart, block.timestamp, "nothing that bids could price");
        assertTrue(vm.revertToState(snapshot), "undone");
        house.setHaircut(accountId, 100e6 + 1);
        _start();
        assertEq(auctions.stagesOf(accountId).publicStart, block.timestamp + 180, "sealed bids first");
    }

    /// @dev Equity -102.476744 after the fee, worth 297.523256; at 99.5 %.
    function test_fill_sellsWhatIsWorthSomethingWithoutEquity() public {
        _withHaircut(-100e6, 400e6);
        _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        _toReveals();
        _reveal(keeper, vesselId, 9_950, UNIT);
        _toFill();
        // Collateral outweighs the requirement: the newest round, which this still is.
        stage.fill(accountId);
        uint256 worth = 297_523_256;
        uint256 deficit = 1_320e6 + 102_476_744;
        uint256 taken = uint256(UNIT) * deficit * 10_000 / (deficit * 10_000 + worth * 9_950);
        assertEq(house.getAccount(vesselId).scale, taken, "scale");
        assertEq(house.collateralOf(vesselId), 2_000e6 * taken / UNIT, "collateral");
        _is(keeper, SealedBidStage.BidState.Released);
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "no clock");
    }

    // Commitments and reveals

    function test_commit_refusals() public {
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.NotCommitTime.selector, accountId));
        vm.prank(keeper);
        stage.commit(accountId, "hash");
        _start();
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.NotActive.selector, trader));
        vm.prank(trader);
        stage.commit(accountId, "hash");
        _commit(keeper, vesselId, 9_950, UNIT);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.AlreadyCommitted.selector, uint64(1), keeper));
        vm.prank(keeper);
        stage.commit(accountId, "hash");
        _toReveals();
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.NotCommitTime.selector, accountId));
        vm.prank(rival);
        stage.commit(accountId, "hash");
    }

    function test_commit_atMostSixteen() public {
        _start();
        for (uint256 index = 0; index < 17; index++) {
            address bidder = address(uint160(0x1000 + index));
            _registerLiquidator(bidder);
            if (index == 16) {
                vm.expectRevert(abi.encodeWithSelector(SealedBidStage.TooManyCommitments.selector, uint64(1)));
            }
            vm.prank(bidder);
            stage.commit(accountId, "hash");
        }
    }

    function test_commit_needsABondThatIsFree() public {
        stage.setStakeTerms(10_000e6, 8_000e6);
        uint256[3] memory ids = [accountId, _open(trader, 5_000e6), _open(trader, 5_000e6)];
        for (uint256 index = 0; index < 3; index++) {
            accountId = ids[index];
            _start();
            if (index == 2) {
                vm.expectRevert(
                    abi.encodeWithSelector(SealedBidStage.StakeTooSmall.selector, 4_000e6, 8_000e6)
                );
            }
            vm.prank(keeper);
            stage.commit(accountId, "hash");
        }
        assertEq(_locked(keeper), 16_000e6, "two bonds");
    }

    function test_reveal_refusals() public {
        uint64 number = _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        _commit(rival, rivalVesselId, 9_899, UNIT);
        _commit(third, 0, 9_950, UNIT);
        IAuctionHouse.Stages memory stages = auctions.stagesOf(accountId);
        bytes memory notNow =
            abi.encodeWithSelector(SealedBidStage.NotRevealTime.selector, stages.commitEnd, stages.revealEnd);
        vm.warp(stages.commitEnd);
        vm.expectRevert(notNow);
        vm.prank(keeper);
        stage.reveal(number, vesselId, 9_950, UNIT, SALT);
        _toReveals();
        vm.expectRevert(SealedBidStage.RevealMismatch.selector);
        vm.prank(keeper);
        stage.reveal(number, vesselId, 9_951, UNIT, SALT);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.FactorOutOfRange.selector, 9_899));
        vm.prank(rival);
        stage.reveal(number, rivalVesselId, 9_899, UNIT, SALT);
        vm.expectRevert(SealedBidStage.EmptyBid.selector);
        vm.prank(third);
        stage.reveal(number, 0, 9_950, UNIT, SALT);
        _reveal(keeper, vesselId, 9_950, UNIT);
        vm.expectRevert(
            abi.encodeWithSelector(
                SealedBidStage.WrongBidState.selector, number, keeper, SealedBidStage.BidState.Revealed
            )
        );
        vm.prank(keeper);
        stage.reveal(number, vesselId, 9_950, UNIT, SALT);
        vm.warp(stages.revealEnd + 1);
        vm.expectRevert(notNow);
        vm.prank(third);
        stage.reveal(number, 0, 9_950, UNIT, SALT);
    }

    function test_reveal_factorsAndScalesHaveBounds() public {
        uint64 number = _start();
        _commit(keeper, vesselId, 12_001, UNIT);
        _commit(rival, rivalVesselId, 12_000, uint256(type(uint64).max) + 1);
        _commit(third, thirdVesselId, 12_000, 0);
        _toReveals();
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.FactorOutOfRange.selector, 12_001));
        vm.prank(keeper);
        stage.reveal(number, vesselId, 12_001, UNIT, SALT);
        vm.expectRevert(SealedBidStage.EmptyBid.selector);
        vm.prank(rival);
        stage.reveal(number, rivalVesselId, 12_000, uint256(type(uint64).max) + 1, SALT);
        vm.expectRevert(SealedBidStage.EmptyBid.selector);
        vm.prank(third);
        stage.reveal(number, thirdVesselId, 12_000, 0, SALT);
    }

    /// @dev The auction is over, the obligation is not; nor is the bond lost for it.
    function test_reveal_alsoWhenTheAuctionEnded() public {
        uint64 number = _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        _commit(rival, rivalVesselId, 9_950, UNIT);
        house.settle(accountId, LEGS + 1, 0);
        auctions.close(accountId);
        vm.warp(block.timestamp + 61);
        vm.prank(keeper);
        stage.reveal(number, vesselId, 9_950, UNIT, SALT);
        vm.warp(block.timestamp + 60);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.NothingToFill.selector, accountId));
        stage.fill(accountId);
        vm.warp(block.timestamp + 60);
        stage.release(number, keeper);
        stage.slash(number, rival);
        assertEq(_stake(keeper), 20_000e6, "kept");
        assertEq(_stake(rival), 19_000e6, "lost");
    }

    function test_slash_refusals() public {
        uint64 number = _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        uint256 revealEnd = auctions.stagesOf(accountId).revealEnd;
        vm.warp(revealEnd);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.TooEarly.selector, revealEnd));
        stage.slash(number, keeper);
        _reveal(keeper, vesselId, 9_950, UNIT);
        vm.warp(revealEnd + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                SealedBidStage.WrongBidState.selector, number, keeper, SealedBidStage.BidState.Revealed
            )
        );
        stage.slash(number, keeper);
        vm.expectRevert(
            abi.encodeWithSelector(
                SealedBidStage.WrongBidState.selector, number, rival, SealedBidStage.BidState.None
            )
        );
        stage.slash(number, rival);
    }

    // Liquidators and stakes

    function test_stakes_decideWhoIsActive() public {
        assertEq(stage.activeCount(), 3, "three");
        assertTrue(stage.hasLiquidators(), "some");
        assertEq(stage.liquidators().length, 3, "registered");
        stage.setStakeTerms(20_000e6 + 1, 1e6);
        assertTrue(!stage.hasLiquidators(), "stakes are too small now");
        _start();
        assertEq(auctions.stagesOf(accountId).publicStart, block.timestamp, "no sealed stage");
        stage.setStakeTerms(20_000e6, 1e6);
        assertEq(stage.activeCount(), 3, "again");
        stage.setLiquidator(keeper, false);
        stage.setLiquidator(keeper, false);
        assertEq(stage.activeCount(), 2, "removed");
        vm.prank(rival);
        stage.requestWithdrawal();
        assertEq(stage.activeCount(), 1, "about to withdraw");
        usd.mint(rival, 1);
        vm.prank(rival);
        stage.addStake(1);
        assertEq(stage.activeCount(), 2, "thought better of it");
    }

    function test_slash_mayEndTheActivity() public {
        stage.setStakeTerms(20_000e6, 1e6);
        uint64 number = _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        _toFill();
        stage.slash(number, keeper);
        assertEq(stage.activeCount(), 2, "below the minimum");
    }

    function test_withdrawStake_afterADayWithoutCommitments() public {
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.AmountOutOfRange.selector, 0));
        vm.prank(trader);
        stage.requestWithdrawal();
        uint64 number = _start();
        _commit(keeper, vesselId, 9_950, UNIT);
        vm.startPrank(keeper);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.NotWithdrawable.selector, 0));
        stage.withdrawStake(keeper);
        stage.requestWithdrawal();
        uint256 at = block.timestamp + 1 days;
        vm.warp(at - 1);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.NotWithdrawable.selector, at));
        stage.withdrawStake(keeper);
        vm.warp(at);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.StakeLocked.selector, 1_000e6));
        stage.withdrawStake(keeper);
        stage.slash(number, keeper);
        vm.expectRevert(SealedBidStage.ZeroAddress.selector);
        stage.withdrawStake(address(0));
        stage.withdrawStake(keeper);
        vm.stopPrank();
        assertEq(usd.balanceOf(keeper), 19_000e6, "what is left");
        assertEq(_stake(keeper), 0, "nothing here");
    }

    function test_settings_refusals() public {
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.BondOutOfRange.selector, 0, 1));
        stage.setStakeTerms(1, 0);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.BondOutOfRange.selector, 2, 1));
        stage.setStakeTerms(1, 2);
        vm.expectRevert(SealedBidStage.ZeroAddress.selector);
        stage.setLiquidator(address(0), true);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.AmountOutOfRange.selector, 0));
        vm.prank(keeper);
        stage.addStake(0);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.AmountOutOfRange.selector, type(uint256).max));
        vm.prank(keeper);
        stage.addStake(type(uint256).max);
        bytes memory notOwner = abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", rival);
        vm.expectRevert(notOwner);
        vm.prank(rival);
        stage.setLiquidator(rival, true);
        vm.expectRevert(notOwner);
        vm.prank(rival);
        stage.setStakeTerms(2, 1);
        for (uint256 index = 0; index < 3; index++) {
            vm.expectRevert(SealedBidStage.ZeroAddress.selector);
            new SealedBidStage(
                address(this),
                IERC20(index == 0 ? address(0) : address(usd)),
                IHouseDeposits(index == 1 ? address(0) : address(house)),
                IAuctionHouse(index == 2 ? address(0) : address(auctions)),
                2,
                1
            );
        }
    }

    function test_setLiquidator_atMostSixtyFour() public {
        for (uint256 index = 3; index < 64; index++) {
            stage.setLiquidator(address(uint160(0x1000 + index)), true);
        }
        vm.expectRevert(SealedBidStage.TooManyLiquidators.selector);
        stage.setLiquidator(trader, true);
    }

    function test_addStake_refusesAssetsWithFees() public {
        FeeToken token = new FeeToken();
        SealedBidStage other = new SealedBidStage(address(this), token, house, auctions, 2, 1);
        token.setFee(1);
        token.mint(keeper, 10);
        vm.startPrank(keeper);
        token.approve(address(other), 10);
        vm.expectRevert(abi.encodeWithSelector(SealedBidStage.TransferAmountMismatch.selector, 10, 9));
        other.addStake(10);
        vm.stopPrank();
    }
}

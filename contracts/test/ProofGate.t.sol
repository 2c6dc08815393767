// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ProofGate, Verifiers} from "../src/ProofGate.sol";
import {Groth16Proof, IVerifier14} from "../src/interfaces/Groth16.sol";
import {
    IProofGate,
    InsolvencyClaim,
    SettlementClaim,
    SolvencyClaim,
    TransferClaim
} from "../src/interfaces/IProofGate.sol";
import {IRiskOracle} from "../src/interfaces/IRiskOracle.sol";
import {IRiskParameters} from "../src/interfaces/IRiskParameters.sol";
import {ProofContext} from "../src/libraries/ProofContext.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {HouseTest} from "./base/HouseTest.sol";
import {MockBatchVerifier14, MockVerifier14} from "./mocks/MockVerifiers.sol";

/// @title A verifier that burns all gas
contract HungryVerifier {
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

contract ProofGateTest is HouseTest {
    int256 private constant LIMIT = 2 ** 96;
    int256 private constant SLOPE_LIMIT = 2 ** 57;

    function _insolvency() private pure returns (InsolvencyClaim memory) {
        return InsolvencyClaim(11, 12, Fixtures.BTC, 1, 1, -13, 14, -16, 15, 8);
    }

    function _solvency() private pure returns (SolvencyClaim memory) {
        return SolvencyClaim(11, 12, Fixtures.BTC, 1, 1, -13, 0, 5_120, 15, 8);
    }

    function _transfer() private pure returns (TransferClaim memory) {
        return TransferClaim(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16);
    }

    function _settlement() private pure returns (SettlementClaim memory) {
        return SettlementClaim(-1, 2, 3, 4, [uint256(5), 6, 7, 8], 9, 10, 8);
    }

    /// @dev Nine words of the round, the commitment to the parameters, the context.
    function _market() private view returns (uint256[11] memory market) {
        market[0] = Fixtures.underlyingWord(96_000e6, block.timestamp, 30_000, Fixtures.BTC);
        uint256[8] memory words = Fixtures.expiryWords();
        for (uint256 index = 0; index < 8; index++) {
            market[1 + index] = words[index];
        }
        market[9] = 7_001_001;
        market[10] = 15;
    }

    function _insolvencySignals() private view returns (uint256[14] memory signals) {
        signals[0] = (2 ** 96 - 13) + 2 ** 97 * (2 ** 96 + 14) + 2 ** 194 * (2 ** 57 - 16);
        signals[1] = 11;
        signals[2] = 12;
        uint256[11] memory market = _market();
        for (uint256 index = 0; index < 11; index++) {
            signals[3 + index] = market[index];
        }
    }

    function _solvencySignals(uint256 quantity) private view returns (uint256[16] memory signals) {
        signals[0] = 11;
        signals[1] = 12;
        signals[2] = ProofContext.SCALAR_FIELD - 13;
        signals[3] = quantity;
        signals[4] = 5_120;
        uint256[11] memory market = _market();
        for (uint256 index = 0; index < 11; index++) {
            signals[5 + index] = market[index];
        }
    }

    function _invalid(IProofGate.Circuit circuit, uint8 capacity) private {
        vm.expectRevert(abi.encodeWithSelector(IProofGate.InvalidProof.selector, circuit, capacity));
    }

    function test_insolvencySignals() public {
        insolvency8.acceptSignals(abi.encode(_insolvencySignals()));
        InsolvencyClaim memory claim = _insolvency();
        gate.requireInsolvency(claim, _proof());
        _invalid(IProofGate.Circuit.Insolvency, 8);
        gate.requireInsolvency(claim, _badProof());
        claim.mark++;
        _invalid(IProofGate.Circuit.Insolvency, 8);
        gate.requireInsolvency(claim, _proof());
        claim.capacity = 24;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.UnknownCapacity.selector, IProofGate.Circuit.Insolvency, 24));
        gate.requireInsolvency(claim, _proof());
    }

    function test_solvencySignals() public {
        solvency8.acceptSignals(abi.encode(_solvencySignals(0)));
        SolvencyClaim memory claim = _solvency();
        gate.requireSolvency(claim, _proof());
        claim.level++;
        _invalid(IProofGate.Circuit.Solvency, 8);
        gate.requireSolvency(claim, _proof());
        claim.capacity = 16;
        gate.requireSolvency(claim, _proof());
        claim.capacity = 32;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.UnknownCapacity.selector, IProofGate.Circuit.Solvency, 32));
        gate.requireSolvency(claim, _proof());
    }

    function test_transferSignals() public {
        transfer16.acceptSignals(abi.encode([uint256(1), 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]));
        TransferClaim memory claim = _transfer();
        gate.requireTransfer(claim, _proof());
        claim.pointB++;
        _invalid(IProofGate.Circuit.Transfer, 16);
        gate.requireTransfer(claim, _proof());
        claim.capacity = 8;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.UnknownCapacity.selector, IProofGate.Circuit.Transfer, 8));
        gate.requireTransfer(claim, _proof());
    }

    function test_settlementSignals() public {
        uint256[10] memory signals = [ProofContext.SCALAR_FIELD - 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        settlement8.acceptSignals(abi.encode(signals));
        SettlementClaim memory claim = _settlement();
        gate.requireSettlement(claim, _proof());
        claim.settlementWords[3]++;
        _invalid(IProofGate.Circuit.Settlement, 8);
        gate.requireSettlement(claim, _proof());
        claim.capacity = 32;
        gate.requireSettlement(claim, _proof());
        claim.capacity = 16;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.UnknownCapacity.selector, IProofGate.Circuit.Settlement, 16));
        gate.requireSettlement(claim, _proof());
    }

    /// @dev Three numbers in one word: each can be read back, so no two triples share a word.
    function testFuzz_figuresArePackedWithoutLoss(int256 mark, int256 baseRequirement, int256 collateralSlope)
        public
        view
    {
        InsolvencyClaim memory claim = _insolvency();
        claim.mark = bound(mark, -LIMIT, LIMIT - 1);
        claim.baseRequirement = bound(baseRequirement, -LIMIT, LIMIT - 1);
        claim.collateralSlope = bound(collateralSlope, -SLOPE_LIMIT, SLOPE_LIMIT - 1);
        uint256 figures = gate.insolvencySignals(claim)[0];
        assertTrue(figures < 2 ** 252, "below the order of the field");
        assertEq(int256(figures % 2 ** 97) - LIMIT, claim.mark, "mark");
        assertEq(int256(figures / 2 ** 97 % 2 ** 97) - LIMIT, claim.baseRequirement, "requirement");
        assertEq(int256(figures / 2 ** 194) - SLOPE_LIMIT, claim.collateralSlope, "slope");
    }

    function test_figuresAtTheEnds() public view {
        InsolvencyClaim memory claim = _insolvency();
        (claim.mark, claim.baseRequirement, claim.collateralSlope) = (-LIMIT, -LIMIT, -SLOPE_LIMIT);
        assertEq(gate.insolvencySignals(claim)[0], 0, "least");
        (claim.mark, claim.baseRequirement, claim.collateralSlope) = (LIMIT - 1, LIMIT - 1, SLOPE_LIMIT - 1);
        assertEq(gate.insolvencySignals(claim)[0], 2 ** 252 - 1, "most");
        (claim.mark, claim.baseRequirement, claim.collateralSlope) = (0, 0, 0);
        assertEq(gate.insolvencySignals(claim)[0], 2 ** 96 + 2 ** 193 + 2 ** 251, "zeros");
    }

    /// @dev 76,800 at a spot of 96,000 are 0.8 contracts at a scale of 1.
    function test_movingCollateralIsALegToTheUnit() public {
        SolvencyClaim memory claim = _solvency();
        claim.scale = ONE;
        claim.movingCollateral = 76_800e6;
        assertEq(gate.solvencySignals(claim)[3], 800_000, "0.8 contracts");
        claim.movingCollateral--;
        assertEq(gate.solvencySignals(claim)[3], 799_999, "rounded down");
        claim.movingCollateral++;
        claim.scale = ONE / 4;
        assertEq(gate.solvencySignals(claim)[3], 3_200_000, "for each unit of scale");
        claim.scale = 1;
        claim.movingCollateral = 12;
        assertEq(gate.solvencySignals(claim)[3], 137_438_953, "at the least scale");
        claim.movingCollateral = 76_800e6;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.MovingCollateralOutOfRange.selector, 76_800e6));
        gate.solvencySignals(claim);
        claim.movingCollateral = 0;
        assertEq(gate.solvencySignals(claim)[3], 0, "none");
        claim.movingCollateral = 76_800e6;
        claim.scale = ONE;
        oracle.post(Fixtures.BTC, 48_000e6);
        claim.round = 2;
        assertEq(gate.solvencySignals(claim)[3], 1_600_000, "at the spot of the round");
        solvency8.acceptSignals(abi.encode(gate.solvencySignals(claim)));
        gate.requireSolvency(claim, _proof());
        // Neither more nor less of it than the caller vouches for.
        claim.movingCollateral += 48_000;
        _invalid(IProofGate.Circuit.Solvency, 8);
        gate.requireSolvency(claim, _proof());
        claim.movingCollateral -= 48_001;
        _invalid(IProofGate.Circuit.Solvency, 8);
        gate.requireSolvency(claim, _proof());
    }

    function testFuzz_collateralQuantityIsRoundedDown(uint256 moving, uint64 scale, uint256 spot) public {
        spot = bound(spot, 1, 2 ** 44 - 1);
        SolvencyClaim memory claim = _solvency();
        claim.movingCollateral = bound(moving, 0, 2 ** (moving % 97) - 1);
        claim.scale = scale == 0 ? 1 : scale;
        oracle.post(Fixtures.BTC, spot);
        claim.round = 2;
        uint256 exact = claim.movingCollateral * 1e6 * 2 ** 40;
        uint256 unit = claim.scale * spot;
        if (exact >= unit * 2 ** 47) {
            vm.expectRevert(
                abi.encodeWithSelector(IProofGate.MovingCollateralOutOfRange.selector, claim.movingCollateral)
            );
            gate.solvencySignals(claim);
            return;
        }
        uint256 quantity = gate.solvencySignals(claim)[3];
        assertTrue(quantity * unit <= exact, "not more than there is");
        assertTrue((quantity + 1) * unit > exact, "rounded by less than a unit");
        assertTrue(quantity < 2 ** 47, "a leg's quantity");
    }

    function test_refusesNumbersOutOfRange() public {
        InsolvencyClaim memory insolvency = _insolvency();
        insolvency.mark = LIMIT - 1;
        insolvency.baseRequirement = LIMIT - 1;
        insolvency.collateralSlope = SLOPE_LIMIT - 1;
        gate.requireInsolvency(insolvency, _proof());
        insolvency.collateralSlope++;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.SlopeOutOfRange.selector, SLOPE_LIMIT));
        gate.requireInsolvency(insolvency, _proof());
        insolvency.collateralSlope = -SLOPE_LIMIT - 1;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.SlopeOutOfRange.selector, -SLOPE_LIMIT - 1));
        gate.requireInsolvency(insolvency, _proof());
        insolvency.baseRequirement++;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.RequirementOutOfRange.selector, LIMIT));
        gate.requireInsolvency(insolvency, _proof());
        insolvency.baseRequirement = -LIMIT - 1;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.RequirementOutOfRange.selector, -LIMIT - 1));
        gate.requireInsolvency(insolvency, _proof());
        insolvency.mark = LIMIT;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.MarkOutOfRange.selector, LIMIT));
        gate.requireInsolvency(insolvency, _proof());
        insolvency.mark = -LIMIT - 1;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.MarkOutOfRange.selector, -LIMIT - 1));
        gate.requireInsolvency(insolvency, _proof());
        insolvency.mark++;
        insolvency.baseRequirement++;
        insolvency.collateralSlope++;
        gate.requireInsolvency(insolvency, _proof());

        SolvencyClaim memory solvency = _solvency();
        solvency.level = 4_096;
        assertEq(gate.solvencySignals(solvency)[4], 4_096, "the maintenance level itself");
        // At a spot of 96,000.
        (solvency.scale, solvency.movingCollateral) = (ONE, (2 ** 47 - 1) * 96_000 + 95_999);
        assertEq(gate.solvencySignals(solvency)[3], 2 ** 47 - 1, "the largest quantity itself");
        solvency.movingCollateral++;
        vm.expectRevert(
            abi.encodeWithSelector(IProofGate.MovingCollateralOutOfRange.selector, uint256(2 ** 47) * 96_000)
        );
        gate.solvencySignals(solvency);
        (solvency.scale, solvency.movingCollateral) = (type(uint64).max, 2 ** 86);
        gate.requireSolvency(solvency, _proof());
        solvency.movingCollateral = 2 ** 96;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.MovingCollateralOutOfRange.selector, 2 ** 96));
        gate.requireSolvency(solvency, _proof());
        solvency.movingCollateral = 0;
        solvency.scale = 0;
        vm.expectRevert(IProofGate.ScaleZero.selector);
        gate.requireSolvency(solvency, _proof());
        solvency.level = 4_095;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.LevelOutOfRange.selector, 4_095));
        gate.requireSolvency(solvency, _proof());
        solvency.cash = LIMIT;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.CashClaimOutOfRange.selector, LIMIT));
        gate.requireSolvency(solvency, _proof());
        solvency.cash = -LIMIT;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.CashClaimOutOfRange.selector, -LIMIT));
        gate.requireSolvency(solvency, _proof());

        SettlementClaim memory settlement = _settlement();
        settlement.cash = LIMIT;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.CashClaimOutOfRange.selector, LIMIT));
        gate.requireSettlement(settlement, _proof());
        settlement.cash = -LIMIT;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.CashClaimOutOfRange.selector, -LIMIT));
        gate.requireSettlement(settlement, _proof());
    }

    function test_refusesOldAndStaleRoundsAndUnknownVersions() public {
        InsolvencyClaim memory claim = _insolvency();
        claim.version = 2;
        vm.expectRevert(abi.encodeWithSelector(IRiskParameters.UnknownVersion.selector, Fixtures.BTC, 2));
        gate.requireInsolvency(claim, _proof());
        oracle.post(Fixtures.BTC, 95_000e6);
        claim.version = 1;
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.NotLatestRound.selector, 1, 2));
        gate.requireInsolvency(claim, _proof());
        claim.round = 2;
        oracle.setStale(Fixtures.BTC, true);
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.StaleRound.selector, 2));
        gate.requireInsolvency(claim, _proof());
    }

    function _batch(uint256 count)
        private
        pure
        returns (InsolvencyClaim[] memory claims, Groth16Proof[] memory proofs)
    {
        claims = new InsolvencyClaim[](count);
        proofs = new Groth16Proof[](count);
        for (uint256 index = 0; index < count; index++) {
            claims[index] = _insolvency();
            claims[index].commitment += index;
        }
    }

    function test_batchSignals() public {
        (InsolvencyClaim[] memory claims, Groth16Proof[] memory proofs) = _batch(3);
        uint256[14] memory signals = _insolvencySignals();
        for (uint256 index = 0; index < 3; index++) {
            batch8.acceptSignals(abi.encode(signals));
            signals[1]++;
        }
        insolvency8.acceptAll(false);
        gate.requireInsolvencyBatch(claims, proofs);
    }

    function test_eachCapacityHasItsOwnVerifiers() public {
        uint8[3] memory capacities = [8, 16, 32];
        MockVerifier14[3] memory singles = [insolvency8, insolvency16, insolvency32];
        MockBatchVerifier14[3] memory batches = [batch8, batch16, batch32];
        (InsolvencyClaim[] memory claims, Groth16Proof[] memory proofs) = _batch(2);
        for (uint256 own = 0; own < 3; own++) {
            for (uint256 index = 0; index < 3; index++) {
                singles[index].acceptAll(index != own);
                batches[index].acceptAll(index == own);
            }
            claims[0].capacity = capacities[own];
            claims[1].capacity = capacities[own];
            _invalid(IProofGate.Circuit.Insolvency, capacities[own]);
            gate.requireInsolvency(claims[0], proofs[0]);
            gate.requireInsolvencyBatch(claims, proofs);
            for (uint256 index = 0; index < 3; index++) {
                singles[index].acceptAll(index == own);
                batches[index].acceptAll(index != own);
            }
            gate.requireInsolvency(claims[0], proofs[0]);
            singles[own].acceptAll(false);
            batches[own].acceptAll(false);
            vm.expectRevert(abi.encodeWithSelector(IProofGate.InvalidProofInBatch.selector, 0));
            gate.requireInsolvencyBatch(claims, proofs);
        }
    }

    function testFuzz_batchNamesTheFirstBadProof(uint256 bad) public {
        bad = bound(bad, 0, 3);
        (InsolvencyClaim[] memory claims, Groth16Proof[] memory proofs) = _batch(4);
        for (uint256 index = bad; index < 4; index++) {
            proofs[index] = _badProof();
        }
        vm.expectRevert(abi.encodeWithSelector(IProofGate.InvalidProofInBatch.selector, bad));
        gate.requireInsolvencyBatch(claims, proofs);
    }

    /// @dev When the batch verifier fails alone, single verification decides.
    function test_batchFallsBackToSingles() public {
        (InsolvencyClaim[] memory claims, Groth16Proof[] memory proofs) = _batch(2);
        batch8.acceptAll(false);
        gate.requireInsolvencyBatch(claims, proofs);
    }

    function test_refusesBatches() public {
        (InsolvencyClaim[] memory claims, Groth16Proof[] memory proofs) = _batch(0);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.BatchLengthMismatch.selector, 0, 0));
        gate.requireInsolvencyBatch(claims, proofs);
        (claims,) = _batch(3);
        (, proofs) = _batch(2);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.BatchLengthMismatch.selector, 3, 2));
        gate.requireInsolvencyBatch(claims, proofs);
        (, proofs) = _batch(3);
        claims[1].underlyingId = ETH;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.MixedBatch.selector, 1));
        gate.requireInsolvencyBatch(claims, proofs);
        (claims,) = _batch(3);
        claims[2].version = 2;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.MixedBatch.selector, 2));
        gate.requireInsolvencyBatch(claims, proofs);
        (claims,) = _batch(3);
        claims[2].round = 2;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.MixedBatch.selector, 2));
        gate.requireInsolvencyBatch(claims, proofs);
        (claims,) = _batch(3);
        claims[1].capacity = 32;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.MixedBatch.selector, 1));
        gate.requireInsolvencyBatch(claims, proofs);
        (claims,) = _batch(3);
        claims[2].mark = LIMIT;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.MarkOutOfRange.selector, LIMIT));
        gate.requireInsolvencyBatch(claims, proofs);
    }

    /// @dev A verifier without gas refuses; it can never make a claim pass.
    function test_starvedVerifierRefuses() public {
        Verifiers memory verifiers = _verifiers();
        verifiers.insolvency8 = IVerifier14(address(new HungryVerifier()));
        ProofGate hungry = new ProofGate(oracle, parameters, verifiers);
        InsolvencyClaim memory claim = _insolvency();
        // All gas but a 64th is gone, and with it every word of why.
        vm.expectRevert(new bytes(0));
        hungry.requireInsolvency{gas: 1_000_000}(claim, _proof());
    }

    function test_refusesAddressesWithoutCode() public {
        address none = makeAddr("no contract");
        bytes memory refusal = abi.encodeWithSelector(ProofGate.NoContract.selector, none);
        vm.expectRevert(refusal);
        new ProofGate(IRiskOracle(none), parameters, _verifiers());
        vm.expectRevert(refusal);
        new ProofGate(oracle, IRiskParameters(none), _verifiers());
        vm.expectRevert(abi.encodeWithSelector(ProofGate.NoContract.selector, address(0)));
        new ProofGate(IRiskOracle(address(0)), parameters, _verifiers());
        // A word for each verifier, however many there are.
        uint256 count = abi.encode(_verifiers()).length / 32;
        assertEq(count, 11, "verifiers");
        for (uint256 index = 0; index < count; index++) {
            Verifiers memory verifiers = _verifiers();
            assembly ("memory-safe") {
                mstore(add(verifiers, mul(index, 32)), none)
            }
            vm.expectRevert(refusal);
            new ProofGate(oracle, parameters, verifiers);
        }
    }
}

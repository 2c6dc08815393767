// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {CollateralValues} from "../src/interfaces/ICollateralVault.sol";
import {LiquidationTerms} from "../src/interfaces/IRiskParameters.sol";
import {
    LiquidationMath,
    LiquidationState,
    PriceCurve,
    ProvenFigures,
    Sale,
    Takeover
} from "../src/libraries/LiquidationMath.sol";
import {Test} from "./base/Test.sol";
import {MathHarness} from "./mocks/MathHarness.sol";

/// @dev "Exact" below means the rational number, compared after multiplying with all divisors.
contract LiquidationMathTest is Test {
    uint256 private constant ONE = 2 ** 40;
    uint256 private constant BASIS = 10_000;
    uint256 private constant ALL = type(uint256).max;
    uint256 private constant SLOPE_ONE = 2 ** 54;
    /// @dev Of cash, marks and values of collateral.
    int256 private constant LIMIT = 2 ** 96 - 1;

    MathHarness private math;

    function setUp() public {
        math = new MathHarness();
    }

    // Sales

    /// @dev Equity 1,000 against a requirement of 1,200: target 1,320, deficit 320, 950 for all of it.
    function test_saleByHand() public pure {
        Sale memory s = LiquidationMath.sale(_state(-4_000e6, 5_000e6, 1_200e6, ONE), 1_000, 9_500, ALL);
        assertEq(s.worth, 1_000e6, "worth");
        assertEq(s.target, 1_320e6, "target");
        assertEq(s.maxScale, 277_042_299_912, "floor(2^40 * 320 / 1270)");
        assertEq(s.scaleTaken, 277_042_299_912, "all that may be sold");
        assertEq(s.cashTaken, -1_007_874_016, "floor(-4000e6 * f)");
        assertEq(s.worthTaken, 251_968_504, "ceil(1000e6 * f)");
        assertEq(s.proceeds, 239_370_079, "ceil(95 %)");
        assertEq(s.reservedAfter, 239_370_079, "the proceeds");
    }

    function test_saleOfWhatIsWanted() public pure {
        Sale memory s = LiquidationMath.sale(_state(-4_000e6, 5_000e6, 1_200e6, ONE), 1_000, 9_500, ONE / 8);
        assertEq(s.maxScale, 277_042_299_912, "may be sold");
        assertEq(s.scaleTaken, ONE / 8, "is sold");
        assertEq(s.cashTaken, -500e6, "an eighth of cash");
        assertEq(s.worthTaken, 125e6, "an eighth of the worth");
        assertEq(s.proceeds, 118.75e6, "95 %");
    }

    /// @dev Of a worth of 1,000, 400 were paid by bids: 600 are for sale, and of cash -500.
    function test_saleKeepsWhatIsReserved() public pure {
        LiquidationState memory state = _state(-100e6, 1_100e6, 2_000e6, ONE);
        state.reserved = 400e6;
        Sale memory s = LiquidationMath.sale(state, 0, 5_000, ONE / 10);
        assertEq(s.maxScale, ONE * 1_000 / 1_700, "(T - E) / (T - E + r + d (W - r))");
        uint256 tenth = ONE / 10;
        assertEq(s.worthTaken, (600e6 * tenth + ONE - 1) / ONE, "a tenth of 600");
        assertEq(s.cashTaken, LiquidationMath.floorDiv(-500e6 * int256(tenth), ONE), "a tenth of -500");
        assertEq(s.proceeds, 30e6, "half of 60");
        assertEq(s.reservedAfter, 430e6, "what was paid stays");
    }

    function test_reservedCashIsSoldWhenNothingElseIsLeft() public pure {
        LiquidationState memory state = _state(500e6, -100e6, 2_000e6, ONE);
        state.reserved = 400e6;
        Sale memory s = LiquidationMath.sale(state, 0, 10_000, ONE / 4);
        assertEq(s.worthTaken, 100e6, "a quarter of all that it is worth");
        assertEq(s.cashTaken, 125e6, "and of all cash");
        assertEq(s.reservedAfter, 100e6, "the proceeds alone");
        state.cash += 1;
        s = LiquidationMath.sale(state, 0, 10_000, ONE / 4);
        assertEq(s.worthTaken, 1, "one unit is for sale, rounded up");
        assertEq(s.reservedAfter, 400e6 + 1, "nothing that is reserved");
    }

    /// @dev Deficit 1, equity 1, d = 98 %: 10000/19800 of the account, though the price of the whole is less than a unit.
    function test_saleRoundsNothingBeforeTheFraction() public pure {
        Sale memory s = LiquidationMath.sale(_state(1, 0, 2, ONE), 0, 9_800, ALL);
        assertEq(s.maxScale, ONE * 10_000 / 19_800, "maxScale");
    }

    /// @dev With a price factor of 0 only the sale of everything brings an account to its target.
    function test_saleForNothing() public pure {
        Sale memory s = LiquidationMath.sale(_state(40, 0, 100, ONE), 0, 0, ALL);
        assertEq(s.scaleTaken, ONE, "all");
        assertEq(s.proceeds, 0, "proceeds");
    }

    function test_saleAboveItsValue() public pure {
        Sale memory s = LiquidationMath.sale(_state(500e6, 500e6, 1_500e6, ONE), 0, 20_000, ALL);
        assertEq(s.maxScale, ONE / 5, "500 / 2500");
        assertEq(s.proceeds, 2 * s.worthTaken, "twice");
    }

    function test_saleRefusesHealthy() public {
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, int256(1_100), 1_100));
        math.sale(_state(100, 1_000, 1_000, ONE), 1_000, 9_500, ALL);
        LiquidationMath.sale(_state(99, 1_000, 1_000, ONE), 1_000, 9_500, ALL);
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, int256(1), 0));
        math.sale(_state(1, 0, 0, ONE), 1_000, 9_500, ALL);
    }

    /// @dev Without haircuts worth and equity are the same. With them it is the worth that counts.
    function test_saleRefusesAccountsThatAreWorthNothing() public {
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.NoWorth.selector, int256(0)));
        math.sale(_state(-5, 5, 10, ONE), 0, 9_500, ALL);
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.NoWorth.selector, int256(-7)));
        math.sale(_state(-12, 5, 10, ONE), 0, 9_500, ALL);
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.NoWorth.selector, int256(0)));
        math.sale(_withHaircut(_state(-12, 5, 10, ONE), 7), 0, 9_500, ALL);
    }

    // Sales of accounts with haircuts

    function test_setCollateral() public pure {
        LiquidationState memory state = _state(10, -3, 5, ONE);
        LiquidationMath.setCollateral(state, CollateralValues({value: 80, moving: 30, saleValue: 96}));
        assertEq(state.collateral, 80, "after haircuts");
        assertEq(state.movingCollateral, 30, "what moves");
        assertEq(state.saleCollateral, 96, "for sale");
        assertEq(LiquidationMath.equityOf(state), 87, "10 + 80 - 3");
        assertEq(LiquidationMath.worthOf(state), 103, "10 + 96 - 3");
    }

    /// @dev The first account above, with 500 more at which its collateral is priced: 320 / (320 + 0.95 * 1,500).
    function test_saleIsPricedByWorth() public pure {
        LiquidationState memory state = _withHaircut(_state(-4_000e6, 5_000e6, 1_200e6, ONE), 500e6);
        Sale memory s = LiquidationMath.sale(state, 1_000, 9_500, ALL);
        assertEq(s.worth, 1_500e6, "worth");
        assertEq(s.target, 1_320e6, "target");
        assertEq(s.maxScale, ONE * 320 / 1_745, "less is needed of what is worth more");
        assertEq(s.worthTaken, 275_071_634, "ceil(1500e6 * f)");
        assertEq(s.proceeds, 261_318_053, "ceil(95 %)");
        assertEq(s.cashTaken, -733_524_356, "floor(-4000e6 * f)");
    }

    /// @dev A hedged account: 440,000 of collateral at a haircut of a half counts for 220,000 and is sold at 330,000. It owes 30,000, its positions are worth
    /// -200,000, and require nothing. Equity -10,000, worth 100,000; at 90 % a tenth of it is sold.
    function test_saleOfAHedgedAccountBelowZero() public pure {
        LiquidationState memory state = _hedged();
        Sale memory s = LiquidationMath.sale(state, 1_000, 9_000, ALL);
        assertEq(s.worth, 100_000e6, "worth");
        assertEq(s.target, 0, "target");
        assertEq(s.maxScale, ONE / 10, "10,000 / (10,000 + 90,000)");
        assertEq(s.cashTaken, -3_000e6, "a tenth of -30,000");
        assertEq(s.worthTaken, 10_000e6, "a tenth of 100,000");
        assertEq(s.proceeds, 9_000e6, "90 %");
        assertEq(s.reservedAfter, 9_000e6, "the proceeds");
        LiquidationState memory left = _copy(state);
        _take(state, left, s);
        int256 equity = LiquidationMath.equityOf(left);
        assertTrue(equity >= -1 && equity <= 4, "at its target");
        assertTrue(LiquidationMath.worthOf(left) >= 99_000e6, "the trader has lost a tenth of a tenth");
    }

    /// @dev However far equity is below 0: a worth of 1 is sold, of 0 is taken over.
    function test_worthDecidesBetweenSaleAndTakeover() public {
        LiquidationState memory state = _hedged();
        state.cash -= 100_000e6;
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.NoWorth.selector, int256(0)));
        math.sale(state, 1_000, 9_000, ALL);
        Takeover memory t = LiquidationMath.takeover(state, 1_000, 600, 600, ALL);
        assertEq(t.worth, 0, "worth");
        assertEq(t.subsidy, 0, "neither worth nor target lack anything");
        state.cash += 1;
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.HasWorth.selector, int256(1)));
        math.takeover(state, 1_000, 600, 600, ALL);
        Sale memory s = LiquidationMath.sale(state, 1_000, 9_000, ALL);
        assertEq(s.worth, 1, "worth");
        // 110,000 lack to equity, and next to nothing is paid.
        assertTrue(s.maxScale == ONE - 9 || s.maxScale == ONE - 10, "all but 2^40 * 0.9 / 110,000e6");
        assertEq(s.worthTaken, 1, "rounded up");
        assertEq(s.proceeds, 1, "rounded up");
    }

    /// @dev Bids have paid 400 of a worth of 600. That equity is below what they paid changes nothing.
    function test_reservedCashIsJudgedByWorth() public pure {
        LiquidationState memory state = _withHaircut(_state(500e6, -400e6, 2_000e6, ONE), 500e6);
        state.reserved = 400e6;
        Sale memory s = LiquidationMath.sale(state, 0, 5_000, ONE / 10);
        assertEq(s.maxScale, ONE * 1_900 / 2_400, "1,900 / (1,900 + 400 + 0.5 * 200)");
        assertEq(s.worthTaken, 20e6, "a tenth of 200");
        assertEq(s.cashTaken, 10e6 - 1, "a tenth of 100, less than a unit of scale");
        assertEq(s.reservedAfter, 410e6, "what was paid stays");
        state.saleCollateral -= 200e6;
        s = LiquidationMath.sale(state, 0, 5_000, ONE / 10);
        assertEq(s.worthTaken, 40e6, "a tenth of 400: all is for sale again");
        assertEq(s.reservedAfter, 20e6, "the proceeds alone");
    }

    function test_saleRefusesNothing() public {
        vm.expectRevert(LiquidationMath.SliceTooSmall.selector);
        math.sale(_state(999, 0, 1_000, 3), 0, 10_000, ALL);
        vm.expectRevert(LiquidationMath.SliceTooSmall.selector);
        math.sale(_state(500, 0, 1_000, ONE), 0, 10_000, 0);
    }

    /// @dev The largest amounts of every field: nothing overflows.
    function test_saleOfTheLargest() public pure {
        LiquidationState memory state = LiquidationState({
            cash: LIMIT,
            collateral: uint256(LIMIT),
            movingCollateral: 0,
            saleCollateral: uint256(LIMIT),
            mark: -LIMIT,
            requirement: uint256(LIMIT),
            scale: 2 ** 64 - 1,
            reserved: uint256(LIMIT)
        });
        Sale memory s = LiquidationMath.sale(state, 10_000, 20_000, ALL);
        assertEq(s.worth, LIMIT, "worth");
        assertEq(s.target, 2 * uint256(LIMIT), "target");
        assertEq(s.maxScale, (2 ** 64 - 1) / uint256(3), "limit / (limit + 2 limit)");
        state.cash = -LIMIT + 1;
        state.mark = LIMIT;
        s = LiquidationMath.sale(state, 10_000, 20_000, ALL);
        assertEq(s.worth, LIMIT + 1, "worth");
        assertTrue(s.cashTaken <= -2 * LIMIT / 3, "cash without what is reserved");
    }

    /// @dev The largest requirement, of 8 units for each of collateral, and all of the worth left out of equity.
    function test_saleOfTheLargestLack() public pure {
        LiquidationState memory state = LiquidationState({
            cash: -LIMIT,
            collateral: 0,
            movingCollateral: 0,
            saleCollateral: uint256(LIMIT),
            mark: 1,
            requirement: 9 * uint256(LIMIT),
            scale: 2 ** 64 - 1,
            reserved: uint256(LIMIT)
        });
        Sale memory s = LiquidationMath.sale(state, 10_000, 20_000, ALL);
        assertEq(s.worth, 1, "worth");
        assertEq(s.target, 18 * uint256(LIMIT), "target");
        assertEq(s.maxScale, 2 ** 64 - 2, "all but a unit");
        state.cash = LIMIT;
        state.mark = LIMIT;
        s = LiquidationMath.sale(state, 10_000, 20_000, ALL);
        assertEq(s.worth, 3 * LIMIT, "worth");
        assertEq(s.maxScale, (2 ** 64 - 1) * uint256(16) / 21, "16 / (16 + 1 + 2 * 2) of the limit");
        LiquidationTerms memory terms = _terms();
        terms.bufferBps = 10_000;
        (uint256 fee,) = LiquidationMath.startFee(state, terms, 0);
        uint256 putUp = uint256(3 * LIMIT) * 16 / 19;
        assertTrue(fee >= putUp / 50 && fee <= putUp / 50 + 1, "2 % of what is put up");
        state.cash = -LIMIT;
        state.mark = -LIMIT;
        Takeover memory t = LiquidationMath.takeover(state, 10_000, 2 ** 40, 2 ** 40, ALL);
        assertEq(t.subsidy, 19 * uint256(LIMIT), "target, and one limit that the worth lacks");
    }

    /// forge-config: default.fuzz.runs = 4096
    function testFuzz_saleIsAgainstTheTaker(Failing memory f, uint256 rates, uint256 wanted) public view {
        LiquidationState memory state = _failing(f);
        uint256 bufferBps = rates % (BASIS + 1);
        uint256 factorBps = (rates >> 128) % (BASIS + 1);
        // Half of the time, all that may be sold.
        wanted = wanted % 2 == 0 ? ALL : bound(wanted, 1, state.scale);
        Sale memory s;
        try math.sale(state, bufferBps, factorBps, wanted) returns (Sale memory result) {
            s = result;
        } catch (bytes memory reason) {
            assertTrue(bytes4(reason) == LiquidationMath.SliceTooSmall.selector, "only a slice too small");
            return;
        }
        assertEq(s.worth, state.cash + int256(state.saleCollateral) + state.mark, "worth");
        uint256 unsold = uint256(s.worth) > state.reserved ? state.reserved : 0;
        uint256 saleable = uint256(s.worth) - unsold;
        int256 equity = state.cash + int256(state.collateral) + state.mark;
        uint256 deficit = uint256(int256(s.target) - equity);
        // D of the documentation, in 1e-10 USD.
        uint256 need = (deficit + unsold) * BASIS + saleable * factorBps;

        assertTrue(s.scaleTaken >= 1 && s.scaleTaken <= s.maxScale && s.maxScale <= state.scale, "scales");
        // Never more than needed, and one unit of scale more would be too much.
        assertTrue(s.maxScale * need <= state.scale * deficit * BASIS, "no more than needed");
        assertTrue((s.maxScale + 1) * need > state.scale * deficit * BASIS, "no less by a unit of scale");

        // Exact shares are at least what leaves, and at most what is paid for.
        int256 remainder =
            (state.cash - int256(unsold)) * int256(s.scaleTaken) - s.cashTaken * int256(state.scale);
        assertTrue(remainder >= 0 && remainder < int256(state.scale), "cash rounded down");
        assertTrue(s.worthTaken * state.scale >= saleable * s.scaleTaken, "worth rounded up");
        assertTrue(s.worthTaken * state.scale < saleable * s.scaleTaken + state.scale, "by less than a unit");
        assertTrue(s.proceeds * BASIS >= s.worthTaken * factorBps, "price rounded up");
        assertTrue(s.proceeds * BASIS < s.worthTaken * factorBps + BASIS, "by less than a unit");
        assertTrue(s.proceeds <= s.worthTaken, "the penalty is not negative");
        assertEq(s.reservedAfter, unsold + s.proceeds, "reserved");
        _checkTrader(state, s, saleable * (BASIS - factorBps), need);
    }

    /// @param discount of all that is for sale, in 1e-10 USD
    /// @param need D of the documentation, in 1e-10 USD
    function _checkTrader(LiquidationState memory state, Sale memory s, uint256 discount, uint256 need) private pure {
        // What leaves with cash and positions, less what is paid, times the scale.
        int256 bare = s.cashTaken * int256(state.scale) + state.mark * int256(s.scaleTaken)
            - int256(s.proceeds * state.scale);

        // Of the worth: what the trader loses, which is what the taker gains.
        int256 loss = bare + int256(state.saleCollateral * s.scaleTaken);
        assertTrue(loss * int256(BASIS) <= int256(discount * s.scaleTaken), "the trader loses at most 1 - d");
        assertTrue(s.worth * int256(state.scale) >= loss, "and has nothing to lose beyond");

        // Equity less target of what remains, times the scale.
        int256 target = int256(s.target);
        int256 left = (LiquidationMath.equityOf(state) - target) * int256(state.scale)
            + target * int256(s.scaleTaken) - bare - int256(state.collateral * s.scaleTaken);
        if (s.scaleTaken == s.maxScale) {
            assertTrue(left * int256(BASIS) > -int256(need), "at the target, but for one unit of scale");
        }
        assertTrue(left < 3 * int256(state.scale), "above the target by less than three units");
    }

    /// @dev One account sold in up to eight slices at one price, as an auction does with one proof.
    /// forge-config: default.fuzz.runs = 2048
    function testFuzz_manySalesAreNoCheaperThanOne(Failing memory f, uint256 rates, uint256[8] memory wanted)
        public
        view
    {
        f.reserved = 0;
        LiquidationState memory whole = _failing(f);
        SaleRun memory run = SaleRun({
            bufferBps: rates % (BASIS + 1),
            factorBps: (rates >> 128) % (BASIS + 1),
            soldScale: 0,
            proceeds: 0,
            cashTaken: 0,
            slices: 0
        });
        Sale memory once;
        try math.sale(whole, run.bufferBps, run.factorBps, ALL) returns (Sale memory result) {
            once = result;
        } catch {
            return;
        }
        LiquidationState memory state = _copy(whole);
        for (uint256 index = 0; index < 8 && state.scale > 0; index++) {
            uint256 most = index == 7 ? ALL : bound(wanted[index], 1, 1 + once.maxScale / 4);
            try math.sale(state, run.bufferBps, run.factorBps, most) returns (Sale memory s) {
                _take(whole, state, s);
                run.slices++;
                run.soldScale += s.scaleTaken;
                run.proceeds += s.proceeds;
                run.cashTaken += s.cashTaken;
            } catch (bytes memory reason) {
                assertTrue(
                    bytes4(reason) == LiquidationMath.SliceTooSmall.selector
                        || bytes4(reason) == LiquidationMath.AccountHealthy.selector,
                    "nothing is left for sale"
                );
                break;
            }
        }
        assertEq(run.soldScale + state.scale, whole.scale, "scale is conserved");
        assertEq(run.cashTaken - int256(run.proceeds) + state.cash, whole.cash, "cash is conserved");
        assertEq(state.reserved, run.proceeds, "the proceeds are reserved");
        // Together the takers pay at least the exact price of what they took, and get at most the exact cash.
        assertTrue(
            run.proceeds * whole.scale * BASIS >= uint256(once.worth) * run.factorBps * run.soldScale,
            "the exact price"
        );
        assertTrue(run.cashTaken * int256(whole.scale) <= whole.cash * int256(run.soldScale), "the exact cash");
        // More scale than in one sale, or less, by at most what 4 n + 10 units of money are worth.
        uint256 deficit = uint256(int256(once.target) - LiquidationMath.equityOf(whole));
        uint256 need = deficit * BASIS + uint256(once.worth) * run.factorBps;
        uint256 slack = (4 * run.slices + 10) * BASIS;
        if (need * state.scale < slack * whole.scale) return;
        assertTrue((run.soldScale - _min(run.soldScale, once.maxScale + 1)) * need <= slack * whole.scale, "scale");
        assertTrue(
            (once.maxScale - _min(once.maxScale, run.soldScale + 1)) * need <= slack * whole.scale, "no less either"
        );
    }

    // Figures at another scale

    function test_atScale() public pure {
        ProvenFigures memory scaled = LiquidationMath.atScale(ProvenFigures(100, 100, -7, 3), 2);
        assertEq(scaled.mark, 67, "rounded up");
        assertEq(scaled.baseRequirement, 66, "rounded down");
        assertEq(scaled.collateralSlope, -7, "the same at all scales");
        assertEq(scaled.scale, 2, "scale");
        scaled = LiquidationMath.atScale(ProvenFigures(-100, -100, 7, 3), 2);
        assertEq(scaled.mark, -66, "rounded up");
        assertEq(scaled.baseRequirement, -67, "rounded down");
    }

    function testFuzz_atScaleFavoursTheAccount(int256 mark, int256 base, uint256 provenScale, uint256 scale)
        public
        pure
    {
        mark = bound(mark, -(2 ** 96), 2 ** 96 - 1);
        base = bound(base, -(2 ** 96), 2 ** 96 - 1);
        provenScale = bound(provenScale, 1, 2 ** 64 - 1);
        scale = bound(scale, 1, 2 ** 64 - 1);
        ProvenFigures memory scaled = LiquidationMath.atScale(ProvenFigures(mark, base, 5, provenScale), scale);
        int256 excess = scaled.mark * int256(provenScale) - mark * int256(scale);
        assertTrue(excess >= 0 && excess < int256(provenScale), "mark");
        int256 lack = base * int256(scale) - scaled.baseRequirement * int256(provenScale);
        assertTrue(lack >= 0 && lack < int256(provenScale), "requirement");
        scaled = LiquidationMath.atScale(ProvenFigures(mark, base, 5, scale), scale);
        assertEq(scaled.mark, mark, "same scale");
        assertEq(scaled.baseRequirement, base, "same scale");
    }

    // Requirements with moving collateral

    function test_requirementWith() public pure {
        int256 half = int256(SLOPE_ONE / 2);
        assertEq(LiquidationMath.requirementWith(1_000, half, 0), 1_000, "none");
        assertEq(LiquidationMath.requirementWith(1_000, half, 101), 1_050, "added, rounded down");
        assertEq(LiquidationMath.requirementWith(1_000, -half, 101), 949, "offset, rounded down");
        assertEq(LiquidationMath.requirementWith(1_000, -half, 2_000), 0, "all of it");
        assertEq(LiquidationMath.requirementWith(1_000, -half, 2_001), 0, "not below 0");
        assertEq(LiquidationMath.requirementWith(-1_000, 0, 0), 0, "not below 0");
        assertEq(LiquidationMath.requirementWith(-1_000, half, 2_100), 50, "what collateral adds");
        uint256 most = 2 ** 96 - 1;
        assertEq(
            LiquidationMath.requirementWith(int256(most), 2 ** 57 - 1, most),
            most + (most * (2 ** 57 - 1)) / 2 ** 54,
            "the largest"
        );
    }

    function test_subsidisedRequirement() public pure {
        int256 one = int256(SLOPE_ONE);
        assertEq(_subsidised(1_000, one / 2, 110), 1_000, "not for risk that it adds");
        assertEq(_subsidised(1_000, -one / 2, 110), 945, "risk that it takes");
        assertEq(_subsidised(-10, 2 * one, 110), 0, "not for risk of its own");
        assertEq(_subsidised(-10, 0, 110), 0, "nothing required");
        assertEq(_subsidised(0, one, 110), 0, "legs that require nothing");
        assertEq(_subsidised(1_000, -one, 1_000), 0, "all of it offset");
    }

    /// @dev The requirement that a subsidy counts, of an account with moving collateral.
    function _subsidised(int256 base, int256 slope, uint256 moving) private pure returns (uint256) {
        return LiquidationMath.subsidisedRequirement(LiquidationMath.requirementWith(base, slope, moving), base);
    }

    /// @dev More collateral never raises the target that a subsidy counts.
    function testFuzz_collateralRaisesNoSubsidy(int256 base, int256 slope, uint256 moving) public pure {
        base = bound(base, -(2 ** 96), 2 ** 96 - 1);
        slope = bound(slope, -(2 ** 57), 2 ** 57 - 1);
        moving = bound(moving, 0, 2 ** 96 - 1);
        assertTrue(_subsidised(base, slope, moving) <= _subsidised(base, slope, 0), "at most what it is without");
        assertTrue(
            _subsidised(base, slope, moving) <= LiquidationMath.requirementWith(base, slope, moving),
            "and at most what is required"
        );
    }

    /// @dev One scenario of the margin model, with collateral as a leg: the loss counts when it is one, and the horizon charge is of the size of the
    /// delta. A proof that counts the loss or not, and claims either sign of the delta, requires no more, whatever the collateral.
    /// forge-config: default.fuzz.runs = 4096
    function testFuzz_anyProofIsALowerBound(Scenario memory s, uint256 choice) public pure {
        s.loss = bound(s.loss, -(2 ** 60), 2 ** 60);
        s.delta = bound(s.delta, -(2 ** 60), 2 ** 60);
        s.moving = bound(s.moving, 0, 2 ** (s.moving % 62));
        s.fall = bound(s.fall, -(2 ** 26), 2 ** 26);
        s.weight = bound(s.weight, 2 ** 12, 2 ** 30);
        s.rate = bound(s.rate, 0, 2 ** 34);
        int256 wholeLoss = s.loss * 2 ** 26 + s.fall * int256(s.moving);
        int256 wholeDelta = s.delta + int256(s.moving);
        int256 exact = (wholeLoss > 0 ? wholeLoss : int256(0)) * s.weight
            + (wholeDelta > 0 ? wholeDelta : -wholeDelta) * s.rate * 2 ** 18;
        bool counted = choice % 2 == 0;
        bool above = choice % 4 < 2;
        uint256 required = _claimed(s, counted, above);
        assertTrue(int256(required * SLOPE_ONE) <= exact, "at most what is true");
        // The natural choice is exact, but for two roundings.
        if (counted == (wholeLoss > 0) && above == (wholeDelta > 0)) {
            assertTrue(int256((required + 2) * SLOPE_ONE) > exact, "what is true");
        }
    }

    function _claimed(Scenario memory s, bool counted, bool above) private pure returns (uint256) {
        int256 ofLegs = (above ? s.delta : -s.delta) * s.rate * 2 ** 18;
        int256 slope = (above ? s.rate : -s.rate) * 2 ** 18;
        if (counted) {
            ofLegs += s.loss * 2 ** 26 * s.weight;
            slope += s.fall * s.weight;
        }
        return LiquidationMath.requirementWith(LiquidationMath.floorDiv(ofLegs, SLOPE_ONE), slope, s.moving);
    }

    /// @dev A part of the scale with its part of collateral requires its part, but for roundings of a unit and what the slope makes of a unit.
    function testFuzz_requirementsAreHomogeneous(
        int256 base,
        int256 slope,
        uint256 moving,
        uint256 scale,
        uint256 part
    ) public pure {
        base = bound(base, -(2 ** 90), 2 ** 90);
        slope = bound(slope, -(2 ** 57), 2 ** 57 - 1);
        moving = bound(moving, 0, 2 ** 90);
        scale = bound(scale, 1, 2 ** 64 - 1);
        part = bound(part, 1, scale);
        uint256 whole = LiquidationMath.requirementWith(base, slope, moving);
        ProvenFigures memory figures = LiquidationMath.atScale(ProvenFigures(0, base, slope, scale), part);
        uint256 share = LiquidationMath.requirementWith(figures.baseRequirement, slope, moving * part / scale);
        int256 off = int256(share * scale) - int256(whole * part);
        // One unit of the base, of the product and of the whole each, and a unit of collateral times at most 8.
        assertTrue(off < 11 * int256(scale) && off > -11 * int256(scale), "the same ratio");
    }

    /// @dev Covered accounts and others: the largest sale leaves the account at its target with the collateral that it keeps.
    /// forge-config: default.fuzz.runs = 2048
    function testFuzz_saleWithMovingCollateralReachesTheTarget(
        int256 base,
        int256 slope,
        uint256 moving,
        uint256 haircut,
        int256 equity,
        uint256 factorBps
    ) public view {
        base = bound(base, -(2 ** 60), 2 ** 60);
        slope = bound(slope, -(2 ** 54), 2 ** 54);
        moving = bound(moving, 0, 2 ** 60);
        factorBps = bound(factorBps, 5_000, BASIS);
        LiquidationState memory state;
        state.collateral = moving;
        state.movingCollateral = moving;
        state.requirement = LiquidationMath.requirementWith(base, slope, moving);
        equity = bound(equity, -1 - int256(moving / 2), int256(state.requirement) - 1);
        state.saleCollateral = moving + bound(haircut, equity > 0 ? 0 : uint256(1 - equity), 2 ** 60);
        state.mark = equity - int256(moving);
        state.scale = ONE * 2 ** 20;
        ProvenFigures memory proven = ProvenFigures(state.mark, base, slope, state.scale);
        try math.sale(state, 1_000, factorBps, ALL) returns (Sale memory s) {
            state.cash += int256(s.proceeds) - s.cashTaken;
            uint256 rest = state.scale - s.scaleTaken;
            uint256 kept = moving - moving * s.scaleTaken / state.scale;
            ProvenFigures memory figures = LiquidationMath.atScale(proven, rest);
            int256 left = state.cash + int256(kept) + figures.mark;
            uint256 target =
                LiquidationMath.targetOf(LiquidationMath.requirementWith(figures.baseRequirement, slope, kept), 1_000);
            int256 off = left - int256(target);
            // A unit of scale is worth less than four units of money here.
            assertTrue(off > -8 && off < 8, "at the target");
        } catch (bytes memory reason) {
            assertTrue(bytes4(reason) == LiquidationMath.SliceTooSmall.selector, "only a slice too small");
        }
    }

    /// @dev A vessel at its floor has the target's share by the requirement of what it holds, and no debt.
    /// forge-config: default.fuzz.runs = 2048
    function testFuzz_vesselFloorCoversTheRequirementOfWhatIsHeld(
        int256 mark,
        int256 base,
        int256 slope,
        uint256 scale,
        uint256 held,
        uint256 moving
    ) public pure {
        ProvenFigures memory proven = ProvenFigures({
            mark: bound(mark, -(2 ** 96), 2 ** 96 - 1),
            baseRequirement: bound(base, -(2 ** 96), 2 ** 96 - 1),
            collateralSlope: bound(slope, -(2 ** 57), 2 ** 57 - 1),
            scale: bound(scale, 1, 2 ** 64 - 1)
        });
        held = bound(held, 1, proven.scale);
        moving = bound(moving, 0, 2 ** 96 - 1);
        int256 equity = LiquidationMath.vesselFloor(proven, 1_000, held, moving)
            + LiquidationMath.atScale(proven, held).mark;
        uint256 required = LiquidationMath.requirementWith(
            LiquidationMath.atScale(proven, held).baseRequirement, proven.collateralSlope, moving
        );
        assertTrue(equity >= 0, "no debt");
        assertTrue(equity >= int256(required) && equity * int256(BASIS) >= int256(required * 11_000), "the target");
        int256 more = equity - int256(LiquidationMath.targetOf(required, 1_000));
        assertTrue(required == 0 || more <= 6, "no more than roundings above");
    }

    function testFuzz_target(uint256 requirement, uint256 bufferBps) public pure {
        requirement = bound(requirement, 0, 2 ** 96 - 1);
        bufferBps = bound(bufferBps, 0, BASIS);
        uint256 target = LiquidationMath.targetOf(requirement, bufferBps);
        uint256 exact = requirement * (BASIS + bufferBps);
        assertTrue(target * BASIS >= exact && target * BASIS < exact + BASIS, "rounded up");
    }

    function testFuzz_floorDiv(int256 dividend, uint256 divisor) public pure {
        dividend = bound(dividend, -(2 ** 200), 2 ** 200);
        divisor = bound(divisor, 1, 2 ** 64);
        int256 rest = dividend - LiquidationMath.floorDiv(dividend, divisor) * int256(divisor);
        assertTrue(rest >= 0 && rest < int256(divisor), "floor");
    }

    // Vessels

    function test_vesselFloor() public pure {
        assertEq(_floor(-400, 1_000, 3, 1), 500, "1500 / 3");
        assertEq(_floor(-401, 1_000, 3, 1), 501, "rounded up");
        assertEq(_floor(-400, 999, 3, 1), 500, "target rounded up");
        assertEq(_floor(1_000, 90, 7, 1), -128, "positions may stand against a debt, rounded up");
        assertEq(_floor(-400, 1_000, 3, 0), 0, "nothing held");
    }

    /// @dev A target of 1,100 against a mark of -400: 750 for a half. Of 400 of moving collateral that offsets three quarters, 330 with the buffer.
    function test_vesselFloorWithMovingCollateral() public pure {
        ProvenFigures memory proven = ProvenFigures(-400e6, 1_000e6, -3 * int256(SLOPE_ONE) / 4, ONE);
        assertEq(LiquidationMath.vesselFloor(proven, 1_000, ONE / 2, 0), 750e6, "none");
        assertEq(LiquidationMath.vesselFloor(proven, 1_000, ONE / 2, 400e6), 420e6, "750 - 400 * 0.75 * 1.1");
        assertEq(LiquidationMath.vesselFloor(proven, 1_000, ONE / 2, 1_000e6), 200e6, "equity is not below 0");
        proven.collateralSlope = int256(SLOPE_ONE) / 4;
        assertEq(LiquidationMath.vesselFloor(proven, 1_000, ONE / 2, 400e6), 860e6, "risk that collateral adds");
        assertEq(LiquidationMath.vesselFloor(proven, 1_000, ONE / 2, 1), 750e6 + 1, "rounded up");
        proven.baseRequirement = -500e6;
        assertEq(LiquidationMath.vesselFloor(proven, 1_000, ONE / 2, 400e6), 200e6, "less than no debt");
        assertEq(LiquidationMath.vesselFloor(proven, 1_000, ONE / 2, 2_000e6), 475e6, "200 - 275 + 550");
    }

    /// @dev Why the figures of the proof must be given: brought to a scale of 1, they say nothing of a scale of 2^40.
    function test_vesselFloorOfRoundedFiguresIsTooLow() public pure {
        ProvenFigures memory proven = _proven(1_000e6, 2_000e6, ONE);
        assertEq(LiquidationMath.vesselFloor(proven, 0, ONE, 0), 1_000e6, "of the proof");
        proven = LiquidationMath.atScale(proven, 1);
        assertEq(LiquidationMath.vesselFloor(proven, 0, ONE, 0), -int256(ONE), "of the rounded figures");
    }

    /// @dev An empty vessel at its floor has the target's share of equity, and less than a unit more.
    function testFuzz_vesselAtItsFloorIsAtItsTarget(int256 mark, uint256 target, uint256 scale, uint256 held)
        public
        pure
    {
        mark = bound(mark, -(2 ** 96) + 1, 2 ** 96 - 1);
        target = bound(target, 0, 2 ** 97);
        scale = bound(scale, 1, 2 ** 64 - 1);
        held = bound(held, 0, 2 ** 64 - 1);
        int256 floor = LiquidationMath.vesselFloor(_proven(mark, target, scale), 0, held, 0);
        int256 excess = floor * int256(scale) + mark * int256(held) - int256(target * held);
        assertTrue(excess >= 0 && excess < int256(scale), "equity at the target");
    }

    /// @dev Whoever buys at no discount into an empty vessel brings what the slice lacks to its target, not less.
    function testFuzz_slicesAreBroughtToTheirTarget(Failing memory f, uint256 factorBps) public view {
        LiquidationState memory state = _failing(f);
        factorBps = bound(factorBps, 0, BASIS);
        try math.sale(state, 1_000, factorBps, ALL) returns (Sale memory s) {
            int256 floor = LiquidationMath.vesselFloor(
                _proven(state.mark, state.requirement, state.scale), 1_000, s.scaleTaken, 0
            );
            // What the taker must have brought before the payment.
            int256 brought = floor - s.cashTaken - int256(state.collateral * s.scaleTaken / state.scale);
            assertTrue(
                brought * int256(state.scale)
                    >= (int256(s.target) - LiquidationMath.equityOf(state)) * int256(s.scaleTaken),
                "the slice's share of what is lacking"
            );
        } catch (bytes memory reason) {
            assertTrue(bytes4(reason) == LiquidationMath.SliceTooSmall.selector, "only a slice too small");
        }
    }

    // Takeovers

    /// @dev Equity -300, target 1,100: the subsidy rises to 1,400.
    function test_takeoverByHand() public pure {
        LiquidationState memory state = _state(200e6, -500e6, 1_000e6, ONE);
        Takeover memory t = LiquidationMath.takeover(state, 1_000, 0, 600, ALL);
        assertEq(t.worth, -300e6, "worth");
        assertEq(t.target, 1_100e6, "target");
        assertEq(t.scaleTaken, ONE, "all");
        assertEq(t.cashTaken, 200e6, "all cash");
        assertEq(t.subsidy, 0, "at once");
        assertEq(LiquidationMath.takeover(state, 1_000, 150, 600, ALL).subsidy, 350e6, "after a quarter");
        assertEq(LiquidationMath.takeover(state, 1_000, 600, 600, ALL).subsidy, 1_400e6, "at the end");
        assertEq(LiquidationMath.takeover(state, 1_000, 6_000, 600, ALL).subsidy, 1_400e6, "and after it");
        t = LiquidationMath.takeover(state, 1_000, 600, 600, ONE / 4);
        assertEq(t.scaleTaken, ONE / 4, "a quarter");
        assertEq(t.cashTaken, 50e6, "of cash");
        assertEq(t.subsidy, 350e6, "of the subsidy");
    }

    /// @dev Equity -300, worth -120, target 1,100. What haircuts leave out is nobody's loss: the subsidy rises to 1,220, not to 1,400.
    function test_takeoverIsPricedByWorth() public pure {
        LiquidationState memory state = _withHaircut(_state(200e6, -500e6, 1_000e6, ONE), 180e6);
        Takeover memory t = LiquidationMath.takeover(state, 1_000, 600, 600, ALL);
        assertEq(t.worth, -120e6, "worth");
        assertEq(t.target, 1_100e6, "target");
        assertEq(t.subsidy, 1_220e6, "all that it is worth less than its target");
        assertEq(t.cashTaken, 200e6, "all cash");
        assertEq(LiquidationMath.takeover(state, 1_000, 150, 600, ONE / 2).subsidy, 152.5e6, "a quarter, of a half");
    }

    /// @dev Reserved cash goes with the rest.
    function test_takeoverTakesReservedCash() public pure {
        LiquidationState memory state = _state(200e6, -200e6, 1_000e6, ONE);
        state.reserved = 150e6;
        assertEq(LiquidationMath.takeover(state, 0, 600, 600, ONE / 2).cashTaken, 100e6, "half of all cash");
    }

    function test_takeoverRefusals() public {
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.HasWorth.selector, int256(1)));
        math.takeover(_state(1, 0, 10, ONE), 0, 10, 10, ALL);
        vm.expectRevert(LiquidationMath.SliceTooSmall.selector);
        math.takeover(_state(0, 0, 10, ONE), 0, 10, 10, 0);
    }

    /// forge-config: default.fuzz.runs = 2048
    function testFuzz_takeoverNeverPaysMoreThanIsLacking(
        Bankrupt memory b,
        uint256 wanted,
        uint256 elapsed,
        uint256 length
    ) public pure {
        LiquidationState memory state = _bankrupt(b);
        length = bound(length, 1, 2 ** 32 - 1);
        elapsed = bound(elapsed, 0, 2 * length);
        wanted = bound(wanted, 1, state.scale);
        Takeover memory t = LiquidationMath.takeover(state, 1_000, elapsed, length, wanted);
        assertEq(t.scaleTaken, wanted, "scale");
        assertEq(t.worth, state.cash + int256(state.saleCollateral) + state.mark, "worth");
        uint256 lacking = t.target + uint256(-t.worth);
        assertTrue(t.subsidy * state.scale <= lacking * t.scaleTaken, "no more than is lacking");
        assertTrue(t.cashTaken * int256(state.scale) <= state.cash * int256(t.scaleTaken), "cash rounded down");
        assertTrue(
            LiquidationMath.takeover(state, 1_000, elapsed + 1, length, wanted).subsidy >= t.subsidy,
            "rises with time"
        );
        // At the end the taker brings what he is given in collateral at its sale value, and roundings.
        t = LiquidationMath.takeover(state, 1_000, length, length, wanted);
        ProvenFigures memory proven = _proven(state.mark, state.requirement, state.scale);
        int256 brought =
            LiquidationMath.vesselFloor(proven, 1_000, wanted, 0) - t.cashTaken - int256(t.subsidy);
        int256 excess = brought * int256(state.scale) - int256(state.saleCollateral * wanted);
        assertTrue(excess >= 0 && excess < 3 * int256(state.scale), "less than three units more");
    }

    /// forge-config: default.fuzz.runs = 2048
    function testFuzz_manyTakeoversCostNoMoreThanOne(Bankrupt memory b, uint256[8] memory wanted, uint256 elapsed)
        public
        pure
    {
        LiquidationState memory whole = _bankrupt(b);
        elapsed = bound(elapsed, 0, 600);
        uint256 lacking = LiquidationMath.targetOf(whole.requirement, 1_000) + _debtOf(whole);
        LiquidationState memory state = _copy(whole);
        uint256 subsidies = 0;
        uint256 slices = 0;
        for (uint256 index = 0; index < 8 && state.scale > 0; index++) {
            // Rounding up marks and collateral may have left the last slices worth a unit.
            if (LiquidationMath.worthOf(state) > 0) break;
            uint256 most = index == 7 ? ALL : bound(wanted[index], 1, state.scale);
            Takeover memory t = LiquidationMath.takeover(state, 1_000, elapsed, 600, most);
            subsidies += t.subsidy;
            slices++;
            state.cash -= t.cashTaken;
            _takeCollateral(state, t.scaleTaken);
            state.scale -= t.scaleTaken;
            if (state.scale == 0) break;
            _rescale(whole, state);
        }
        // The target is rounded up once for each slice.
        assertTrue(subsidies <= lacking * elapsed / 600 + slices, "the whole subsidy");
    }

    // The price over time

    function test_factorAt() public pure {
        PriceCurve memory curve = _curve();
        assertEq(LiquidationMath.factorAt(curve, 0), 9_800, "start");
        assertEq(LiquidationMath.factorAt(curve, 1), 9_782, "18 basis points in a second");
        assertEq(LiquidationMath.factorAt(curve, 30), 9_260, "after 30 s");
        assertEq(LiquidationMath.factorAt(curve, 99), 8_018, "before the end of the fast stage");
        assertEq(LiquidationMath.factorAt(curve, 100), 8_000, "end of the fast stage");
        assertEq(LiquidationMath.factorAt(curve, 101), 7_992, "ceil(8000 - 5000 / 600)");
        assertEq(LiquidationMath.factorAt(curve, 400), 5_500, "half of the slow stage");
        assertEq(LiquidationMath.factorAt(curve, 700), 3_000, "end");
        assertEq(LiquidationMath.factorAt(curve, 2 ** 40), 3_000, "and after it");
    }

    function test_factorAtWithOneStage() public pure {
        PriceCurve memory curve = _curve();
        curve.fastSeconds = 0;
        assertEq(LiquidationMath.factorAt(curve, 0), 8_000, "slow from the start");
        assertEq(LiquidationMath.factorAt(curve, 350), 5_500, "half");
        curve = _curve();
        curve.tailSeconds = curve.fastSeconds;
        assertEq(LiquidationMath.factorAt(curve, 99), 8_018, "fast");
        assertEq(LiquidationMath.factorAt(curve, 100), 3_000, "then the cusp");
        curve.fastSeconds = 0;
        curve.tailSeconds = 0;
        assertEq(LiquidationMath.factorAt(curve, 0), 3_000, "the cusp alone");
    }

    /// forge-config: default.fuzz.runs = 2048
    function testFuzz_factorNeverRises(uint16[3] memory factors, uint32 fast, uint32 slow, uint256 elapsed)
        public
        pure
    {
        PriceCurve memory curve = _curve();
        curve.startFactorBps = bound(uint256(factors[0]), 0, 20_000);
        curve.fastFactorBps = bound(uint256(factors[1]), 0, curve.startFactorBps);
        curve.cuspFactorBps = bound(uint256(factors[2]), 0, curve.fastFactorBps);
        curve.fastSeconds = fast / 2;
        curve.tailSeconds = curve.fastSeconds + slow / 2;
        elapsed = bound(elapsed, 0, 2 * curve.tailSeconds + 1);
        uint256 factor = LiquidationMath.factorAt(curve, elapsed);
        assertTrue(factor <= curve.startFactorBps && factor >= curve.cuspFactorBps, "range");
        assertTrue(LiquidationMath.factorAt(curve, elapsed + 1) <= factor, "never rises");
        if (elapsed < curve.fastSeconds) {
            uint256 exact = curve.startFactorBps * (curve.fastSeconds - elapsed)
                + curve.fastFactorBps * elapsed;
            assertTrue(
                factor * curve.fastSeconds >= exact && factor * curve.fastSeconds < exact + curve.fastSeconds,
                "the line, rounded up"
            );
        }
    }

    // Penalties and fees

    function test_penaltyTiers() public pure {
        LiquidationTerms memory terms = _terms();
        assertEq(LiquidationMath.penaltyBps(terms, 1_000, 1_000, 0), 200, "covered");
        assertEq(LiquidationMath.penaltyBps(terms, 750, 1_000, 0), 200, "75 %");
        assertEq(LiquidationMath.penaltyBps(terms, 749, 1_000, 0), 300, "below 75 %");
        assertEq(LiquidationMath.penaltyBps(terms, 500, 1_000, 0), 300, "50 %");
        assertEq(LiquidationMath.penaltyBps(terms, 499, 1_000, 0), 500, "below 50 %");
        assertEq(LiquidationMath.penaltyBps(terms, 250, 1_000, 0), 500, "25 %");
        assertEq(LiquidationMath.penaltyBps(terms, 249, 1_000, 0), 800, "below 25 %");
        assertEq(LiquidationMath.penaltyBps(terms, 1, 1_000, 0), 800, "next to nothing");
        assertEq(LiquidationMath.penaltyBps(terms, 0, 1_000, 0), 800, "nothing");
        assertEq(LiquidationMath.penaltyBps(terms, -1, 1_000, 0), 800, "below 0");
        assertEq(LiquidationMath.penaltyBps(terms, -(2 ** 98), 1_000, 0), 800, "far below 0");
        assertEq(LiquidationMath.penaltyBps(terms, -1, 1_000, 65_536), 900, "below 0, turbulent");
        assertEq(LiquidationMath.penaltyBps(terms, -1, 0, 0), 800, "below a requirement of nothing");
        assertEq(LiquidationMath.penaltyBps(terms, 0, 0, 0), 200, "nothing for nothing required");
        assertEq(LiquidationMath.penaltyBps(terms, 1, 0, 0), 200, "nothing required");
        assertEq(LiquidationMath.penaltyBps(terms, 750, 1_000, 65_535), 200, "calm");
        assertEq(LiquidationMath.penaltyBps(terms, 750, 1_000, 65_536), 300, "turbulent");
    }

    function testFuzz_penaltyFallsWithEquity(int256 equity, uint256 requirement, uint256 more, uint256 volatility)
        public
        pure
    {
        requirement = bound(requirement, 0, 2 ** (requirement % 97));
        // Half of the time within reach of the tiers.
        int256 most = requirement % 2 == 0 ? int256(2 ** 97) : int256(2 * requirement);
        equity = bound(equity, -most, most);
        more = bound(more, 0, 2 ** 97);
        volatility = bound(volatility, 0, 2 ** 20);
        LiquidationTerms memory terms = _terms();
        uint256 penalty = LiquidationMath.penaltyBps(terms, equity, requirement, volatility);
        assertTrue(
            LiquidationMath.penaltyBps(terms, equity + int256(more), requirement, volatility) <= penalty, "more equity"
        );
        assertTrue(
            LiquidationMath.penaltyBps(terms, equity, requirement, volatility + more) >= penalty, "more volatility"
        );
    }

    /// @dev Equity 1,000, target 1,320: 1000 * 320 / 1320 would be put up, of which 2 %.
    function test_startFee() public pure {
        LiquidationTerms memory terms = _terms();
        LiquidationState memory state = _state(-4_000e6, 5_000e6, 1_200e6, ONE);
        (uint256 fee, uint256 reward) = LiquidationMath.startFee(state, terms, 0);
        assertEq(fee, 4_848_484, "floor(242.424242 * 2 %)");
        assertEq(reward, 1_000_000 + 484_848, "tip and a tenth");
        (fee, reward) = LiquidationMath.startFee(state, terms, 65_536);
        assertEq(fee, 7_272_727, "3 % in turbulent markets");
        terms.tip = 2 ** 64 - 1;
        (fee, reward) = LiquidationMath.startFee(state, terms, 0);
        assertEq(reward, fee, "no more than the fee");
    }

    /// @dev At d = 1 and a worth of 1,500, 1500 * 320 / 1820 would be put up; of the hedged account 100,000 * 10,000 / 110,000.
    function test_startFeeWithHaircuts() public pure {
        LiquidationTerms memory terms = _terms();
        LiquidationState memory state = _withHaircut(_state(-4_000e6, 5_000e6, 1_200e6, ONE), 500e6);
        (uint256 fee, uint256 reward) = LiquidationMath.startFee(state, terms, 0);
        assertEq(fee, 5_274_725, "floor(263.736263 * 2 %)");
        assertEq(reward, 1_000_000 + 527_472, "tip and a tenth");
        (fee, reward) = LiquidationMath.startFee(_hedged(), terms, 0);
        assertEq(fee, 181_818_181, "floor(9090.909090 * 2 %)");
        assertEq(reward, 1_000_000 + 18_181_818, "tip and a tenth");
    }

    function test_noStartFeeWithoutWorthOrAboveTheTarget() public pure {
        LiquidationTerms memory terms = _terms();
        (uint256 fee, uint256 reward) = LiquidationMath.startFee(_state(-1, 1, 1_000, ONE), terms, 0);
        assertEq(fee + reward, 0, "worth 0");
        (fee, reward) = LiquidationMath.startFee(_state(-1e9, 1, 1_000, ONE), terms, 0);
        assertEq(fee + reward, 0, "worth below 0");
        LiquidationState memory state = _hedged();
        state.cash -= 100_000e6;
        (fee, reward) = LiquidationMath.startFee(state, terms, 0);
        assertEq(fee + reward, 0, "worth 0 with a haircut");
        state = _withHaircut(_state(1_100e6, 0, 1_000e6, ONE), 500e6);
        (fee, reward) = LiquidationMath.startFee(state, terms, 0);
        assertEq(fee + reward, 0, "at the target, worth more");
        (fee, reward) = LiquidationMath.startFee(_state(1_100e6, 0, 1_000e6, ONE), terms, 0);
        assertEq(fee + reward, 0, "at the target");
        // Without its sign a lack below 0 would be an immense one.
        (fee, reward) = LiquidationMath.startFee(_state(1_100e6 + 1, 0, 1_000e6, ONE), terms, 0);
        assertEq(fee + reward, 0, "a unit above the target");
        state.cash += 1_000e6;
        (fee, reward) = LiquidationMath.startFee(state, terms, 0);
        assertEq(fee + reward, 0, "far above the target, worth more");
    }

    function testFuzz_startFeeIsAPartOfWhatIsPutUp(Failing memory f, uint256 volatility) public pure {
        LiquidationState memory state = _failing(f);
        LiquidationTerms memory terms = _terms();
        volatility = bound(volatility, 0, 2 ** 17);
        uint256 rate = volatility < 65_536 ? 200 : 300;
        (uint256 fee, uint256 reward) = LiquidationMath.startFee(state, terms, volatility);
        uint256 worth = uint256(LiquidationMath.worthOf(state));
        int256 target = int256(LiquidationMath.targetOf(state.requirement, terms.bufferBps));
        uint256 deficit = uint256(target - LiquidationMath.equityOf(state));
        assertTrue(reward <= fee, "the reward is part of the fee");
        assertTrue(fee * BASIS * (deficit + worth) <= worth * deficit * rate, "2 % or 3 % of W (T - E) / (T - E + W)");
        assertTrue((fee + 2) * BASIS * (deficit + worth) > worth * deficit * rate, "less two roundings");
        assertTrue(fee < worth, "the worth stays above 0");
    }

    // Helpers

    /// @dev Of the legs alone, but for what moves: loss and delta in money, `1 - g` in 2^-26, damping times maintenance factor in 2^-28, rate in 2^-36.
    struct Scenario {
        int256 loss;
        int256 delta;
        int256 fall;
        int256 weight;
        int256 rate;
        uint256 moving;
    }

    /// @dev Of an account that is worth something and below its requirement, as numbers come; `_failing` makes it one.
    struct Failing {
        int256 cash;
        uint256 collateral;
        int256 equity;
        uint256 haircut;
        uint256 requirement;
        uint256 scale;
        uint256 reserved;
    }

    /// @dev The same of an account that is worth nothing.
    struct Bankrupt {
        int256 cash;
        uint256 collateral;
        uint256 haircut;
        uint256 debt;
        uint256 requirement;
        uint256 scale;
    }

    struct SaleRun {
        uint256 bufferBps;
        uint256 factorBps;
        uint256 soldScale;
        uint256 proceeds;
        int256 cashTaken;
        uint256 slices;
    }

    /// @dev With a buffer of a tenth and no moving collateral.
    function _floor(int256 mark, uint256 requirement, uint256 scale, uint256 held) private pure returns (int256) {
        return LiquidationMath.vesselFloor(_proven(mark, requirement, scale), 1_000, held, 0);
    }

    function _debtOf(LiquidationState memory state) private pure returns (uint256) {
        return uint256(-LiquidationMath.worthOf(state));
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    function _state(int256 cash, int256 mark, uint256 requirement, uint256 scale)
        private
        pure
        returns (LiquidationState memory)
    {
        return LiquidationState(cash, 0, 0, 0, mark, requirement, scale, 0);
    }

    /// @dev Equity -10,000, worth 100,000, nothing required.
    function _hedged() private pure returns (LiquidationState memory) {
        return LiquidationState(-30_000e6, 220_000e6, 220_000e6, 330_000e6, -200_000e6, 0, ONE, 0);
    }

    /// @dev The same account with more at which its collateral is priced.
    function _withHaircut(LiquidationState memory state, uint256 haircut)
        private
        pure
        returns (LiquidationState memory)
    {
        state.saleCollateral = state.collateral + haircut;
        return state;
    }

    function _copy(LiquidationState memory s) private pure returns (LiquidationState memory) {
        return LiquidationState(
            s.cash, s.collateral, s.movingCollateral, s.saleCollateral, s.mark, s.requirement, s.scale, s.reserved
        );
    }

    /// @dev What a sale leaves of an account, judged by the proof of the whole.
    function _take(LiquidationState memory whole, LiquidationState memory state, Sale memory s) private pure {
        state.cash += int256(s.proceeds) - s.cashTaken;
        _takeCollateral(state, s.scaleTaken);
        state.scale -= s.scaleTaken;
        state.reserved = s.reservedAfter;
        if (state.scale == 0) return;
        _rescale(whole, state);
    }

    function _takeCollateral(LiquidationState memory state, uint256 scaleTaken) private pure {
        state.collateral -= state.collateral * scaleTaken / state.scale;
        state.saleCollateral -= state.saleCollateral * scaleTaken / state.scale;
    }

    /// @dev The figures of the whole at the scale that is left, without moving collateral.
    function _rescale(LiquidationState memory whole, LiquidationState memory state) private pure {
        ProvenFigures memory figures =
            LiquidationMath.atScale(_proven(whole.mark, whole.requirement, whole.scale), state.scale);
        state.mark = figures.mark;
        state.requirement = LiquidationMath.requirementWith(figures.baseRequirement, 0, 0);
    }

    function _proven(int256 mark, uint256 requirement, uint256 scale) private pure returns (ProvenFigures memory) {
        return ProvenFigures(mark, int256(requirement), 0, scale);
    }

    /// @dev Equity below the requirement, worth above 0, of any magnitude: equity may be above 0 or below by less than what haircuts leave out. Cash,
    /// collateral and mark as they come.
    function _failing(Failing memory f) private pure returns (LiquidationState memory) {
        uint256 requirement = bound(f.requirement, 0, 2 ** (1 + f.requirement % 94));
        int256 equity = bound(f.equity, -int256(2 ** (f.haircut % 95)), int256(requirement) - 1);
        int256 cash = bound(f.cash, -int256(2 ** 94), int256(2 ** 94));
        uint256 collateral = bound(f.collateral, 0, 2 ** (f.collateral % 94));
        uint256 least = equity > 0 ? 0 : uint256(1 - equity);
        uint256 haircut = bound(f.haircut, least, _min(least + 2 ** (f.haircut % 97), uint256(LIMIT) - collateral));
        uint256 reserved = bound(f.reserved, 0, _min(2 * uint256(equity + int256(haircut)), uint256(LIMIT)));
        uint256 scale = bound(f.scale, 1, 2 ** (1 + f.scale % 64) - 1);
        int256 mark = equity - cash - int256(collateral);
        return LiquidationState(cash, collateral, 0, collateral + haircut, mark, requirement, scale, reserved);
    }

    /// @dev Worth at most 0.
    function _bankrupt(Bankrupt memory b) private pure returns (LiquidationState memory) {
        uint256 requirement = bound(b.requirement, 0, 2 ** (1 + b.requirement % 94));
        uint256 debt = bound(b.debt, 0, 2 ** (b.debt % 94));
        int256 cash = bound(b.cash, -int256(2 ** 94), int256(2 ** 94));
        uint256 collateral = bound(b.collateral, 0, 2 ** (b.collateral % 94));
        uint256 saleCollateral = collateral + bound(b.haircut, 0, 2 ** (b.haircut % 94));
        uint256 scale = bound(b.scale, 1, 2 ** (1 + b.scale % 64) - 1);
        int256 mark = -int256(debt) - cash - int256(saleCollateral);
        return LiquidationState(cash, collateral, 0, saleCollateral, mark, requirement, scale, 0);
    }

    function _curve() private pure returns (PriceCurve memory) {
        return PriceCurve({
            startFactorBps: 9_800, fastFactorBps: 8_000, cuspFactorBps: 3_000, fastSeconds: 100, tailSeconds: 700
        });
    }

    function _terms() private pure returns (LiquidationTerms memory terms) {
        terms.bufferBps = 1_000;
        terms.penaltyBps = [uint16(200), 300, 500, 800];
        terms.volatilityThreshold = 65_536;
        terms.volatilityPenaltyBps = 100;
        terms.rewardShareBps = 2_000;
        terms.feeBps = 200;
        terms.tip = 1_000_000;
        terms.chipBps = 1_000;
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {
    LiquidationAmounts,
    LiquidationMath,
    LiquidationSettings,
    LiquidationState
} from "../src/libraries/LiquidationMath.sol";
import {Test} from "./base/Test.sol";

contract LiquidationMathTest is Test {
    /// @dev External, so that a revert can be expected.
    function amounts(LiquidationState memory state, LiquidationSettings memory settings)
        external
        pure
        returns (LiquidationAmounts memory)
    {
        return LiquidationMath.amounts(state, settings);
    }

    /// @dev Equity 1,000 against a requirement of 1,200, by hand: target 1,320, deficit 320, kept 950.
    function test_example() public pure {
        LiquidationAmounts memory a = LiquidationMath.amounts(
            LiquidationState(-4_000e6, 5_000e6, 1_200e6, 2 ** 40), LiquidationSettings(1_000, 500, 2_000)
        );
        assertEq(a.equity, 1_000e6, "equity");
        assertEq(a.target, 1_320e6, "target");
        assertEq(a.deficit, 320e6, "deficit");
        assertEq(a.kept, 950e6, "kept");
        assertEq(a.scaleTaken, 277_042_299_912, "scaleTaken = floor(2^40 * 320 / 1270)");
        assertEq(a.cashTaken, -1_007_874_016, "cashTaken = floor(-4000e6 * f)");
        assertEq(a.equityTaken, 251_968_503, "equityTaken");
        assertEq(a.traderProceeds, 239_370_078, "traderProceeds, rounded up");
        assertEq(a.penalty, 12_598_425, "penalty");
        assertEq(a.reward, 2_519_685, "reward");
        assertEq(a.fundFee, 10_078_740, "fundFee");
        assertEq(a.sliceDeposit, 332_598_426 - 251_968_503, "sliceDeposit");
        assertEq(a.keeperPays, 239_370_078 + 10_078_740 + 80_629_923, "keeperPays");
    }

    function test_refusesHealthy() public {
        LiquidationSettings memory settings = LiquidationSettings(1_000, 500, 2_000);
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, int256(10), 10));
        this.amounts(LiquidationState(5, 5, 10, 2 ** 40), settings);
        // One unit less is enough.
        LiquidationMath.amounts(LiquidationState(5, 4, 10, 2 ** 40), settings);
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, int256(0), 0));
        this.amounts(LiquidationState(5, -5, 0, 2 ** 40), settings);
    }

    function test_refusesBadDebt() public {
        LiquidationSettings memory settings = LiquidationSettings(1_000, 500, 2_000);
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.BadDebt.selector, int256(0)));
        this.amounts(LiquidationState(5, -5, 1, 2 ** 40), settings);
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.BadDebt.selector, int256(-7)));
        this.amounts(LiquidationState(5, -12, 1, 2 ** 40), settings);
        LiquidationAmounts memory a = LiquidationMath.amounts(LiquidationState(5, -4, 2, 2 ** 40), settings);
        assertEq(a.scaleTaken, 2 ** 40, "an equity of 1 keeps nothing: all is taken");
    }

    function test_refusesTooSmallSlice() public {
        vm.expectRevert(LiquidationMath.SliceTooSmall.selector);
        this.amounts(LiquidationState(0, 999, 1_000, 3), LiquidationSettings(0, 0, 0));
    }

    /// @dev The extremes of every field; nothing overflows.
    function test_extremes() public pure {
        int256 limit = 2 ** 96 - 1;
        LiquidationAmounts memory a = LiquidationMath.amounts(
            LiquidationState(-limit, limit, uint256(limit), 2 ** 64 - 1).withEquity(1),
            LiquidationSettings(10_000, 2_000, 10_000)
        );
        assertEq(a.scaleTaken, 2 ** 64 - 1, "all is taken");
        a = LiquidationMath.amounts(
            LiquidationState(limit / 2, limit / 2, uint256(limit), 2 ** 64 - 1), LiquidationSettings(10_000, 0, 0)
        );
        assertTrue(a.keeperPays < 2 ** 98, "payment");
    }

    function testFuzz_slicesSumToTheWholeAndRoundAgainstTheKeeper(
        int256 cash,
        uint256 equity,
        uint256 requirement,
        uint256 scale,
        uint16 buffer,
        uint16 penalty,
        uint16 rewardShare
    ) public view {
        LiquidationState memory state = _state(cash, equity, requirement, scale);
        LiquidationSettings memory settings = _settings(buffer, penalty, rewardShare);
        LiquidationAmounts memory a;
        try this.amounts(state, settings) returns (LiquidationAmounts memory result) {
            a = result;
        } catch (bytes memory reason) {
            assertTrue(bytes4(reason) == LiquidationMath.SliceTooSmall.selector, "only a slice too small");
            return;
        }
        uint256 whole = uint256(a.equity);
        uint256 x = state.scale;

        assertTrue(a.scaleTaken >= 1 && a.scaleTaken <= x, "scale bounds");

        // Cash and payment are conserved: what the three accounts gain is what the keeper pays.
        int256 traderGain = int256(a.traderProceeds) - a.cashTaken;
        int256 sliceGain = a.cashTaken + int256(a.sliceDeposit);
        assertEq(traderGain + sliceGain + int256(a.fundFee), int256(a.keeperPays), "conservation");
        assertEq(a.penalty, a.reward + a.fundFee, "penalty is split whole");
        assertEq(a.equityTaken, a.traderProceeds + a.penalty, "equity is split whole");

        // The keeper never pays less than the stated price of what it gets, and earns no more than the penalty.
        assertTrue(a.traderProceeds * 10_000 >= a.equityTaken * (10_000 - settings.penaltyBps), "the trader's price");
        assertTrue(a.penalty * 10_000 <= a.equityTaken * settings.penaltyBps, "the penalty's bound");
        assertTrue(a.reward * 10_000 <= a.penalty * settings.rewardShareBps, "the reward's bound");
        assertTrue(a.keeperPays + a.reward == a.equityTaken + a.sliceDeposit, "gain is the reward");

        // The slice stands at its target at least: (equityTaken + deposit) / scaleTaken >= target / scale.
        assertTrue((a.equityTaken + a.sliceDeposit) * x >= a.target * a.scaleTaken, "slice above its target");

        // Cash taken is the slice's share, rounded down.
        int256 remainder = state.cash * int256(a.scaleTaken) - a.cashTaken * int256(x);
        assertTrue(remainder >= 0 && remainder < int256(x), "share of cash");

        // What remains stands above its target, but for one step of the scale and rounding of the units:
        // x * (buffer left) = (x - s)(E - T) + x * proceeds >= -(deficit + kept) - few x.
        int256 left =
            int256(x - a.scaleTaken) * (int256(whole) - int256(a.target)) + int256(x) * int256(a.traderProceeds);
        assertTrue(left >= -int256(a.deficit + a.kept) - 3 * int256(x), "remaining buffer");
        // And no more is taken than that needs.
        assertTrue(a.scaleTaken * (a.deficit + a.kept) <= x * a.deficit, "no more than the deficit needs");
    }

    function testFuzz_refusesHealthyAlways(int256 cash, int256 mark, uint256 requirement) public {
        cash = bound(cash, -(2 ** 96) + 1, 2 ** 96 - 1);
        mark = bound(mark, -(2 ** 96) + 1, 2 ** 96 - 1);
        int256 equity = cash + mark;
        vm.assume(equity >= 0);
        requirement = bound(requirement, 0, uint256(equity) < 2 ** 96 ? uint256(equity) : 2 ** 96 - 1);
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, equity, requirement));
        this.amounts(LiquidationState(cash, mark, requirement, 2 ** 40), LiquidationSettings(0, 0, 0));
    }

    function testFuzz_floorDiv(int256 dividend, uint256 divisor) public pure {
        dividend = bound(dividend, -(2 ** 200), 2 ** 200);
        divisor = bound(divisor, 1, 2 ** 64);
        int256 rest = dividend - LiquidationMath.floorDiv(dividend, divisor) * int256(divisor);
        assertTrue(rest >= 0 && rest < int256(divisor), "floor");
    }

    function _settings(uint16 buffer, uint16 penalty, uint16 rewardShare)
        private
        pure
        returns (LiquidationSettings memory)
    {
        return LiquidationSettings(
            uint16(bound(uint256(buffer), 0, 10_000)),
            uint16(bound(uint256(penalty), 0, 2_000)),
            uint16(bound(uint256(rewardShare), 0, 10_000))
        );
    }

    /// @dev A liquidatable state, of any magnitude.
    function _state(int256 cash, uint256 equity, uint256 requirement, uint256 scale)
        private
        pure
        returns (LiquidationState memory)
    {
        uint256 magnitude = 2 ** (1 + requirement % 95);
        requirement = bound(requirement, 2, magnitude);
        equity = bound(equity, 1, requirement - 1);
        cash = bound(cash, -int256(2 ** 95), int256(2 ** 95) - 1);
        return LiquidationState(cash, int256(equity) - cash, requirement, bound(scale, 1, 2 ** (1 + scale % 64) - 1));
    }
}

using {withEquity} for LiquidationState;

/// @dev The state with the cash that gives this equity.
function withEquity(LiquidationState memory state, int256 equity) pure returns (LiquidationState memory) {
    state.cash = equity - state.mark;
    return state;
}

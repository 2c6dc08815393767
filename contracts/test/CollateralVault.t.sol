// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Collateral, CollateralVault, Haircuts} from "../src/CollateralVault.sol";
import {CollateralValues} from "../src/interfaces/ICollateralVault.sol";
import {IRiskOracle} from "../src/interfaces/IRiskOracle.sol";
import {TestUsd} from "../src/testing/TestUsd.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {HouseTest} from "./base/HouseTest.sol";
import {CallbackToken, FeeToken, SenderFeeToken, SilentToken} from "./mocks/OddTokens.sol";

/// @title A token with too many decimals
contract VeryWideToken is TestUsd {
    function decimals() public pure override returns (uint8) {
        return 25;
    }
}

/// @title A token with as many decimals as a kind may have
contract WidestToken is TestUsd {
    function decimals() public pure override returns (uint8) {
        return 24;
    }
}

/// @title A token without decimals
contract WholeToken is TestUsd {
    function decimals() public pure override returns (uint8) {
        return 0;
    }
}

/// @dev Moves are made by the vault's house directly; `ClearingHouse*.t.sol` go through the house.
contract CollateralVaultTest is HouseTest {
    function _token(IERC20Metadata token) private returns (uint256 id) {
        id = vault.addCollateral(token, Fixtures.BTC, Haircuts(0, 0), 1_000e18);
        vm.prank(alice);
        token.approve(address(vault), type(uint256).max);
    }

    function _take(uint256 id, uint256 amount) private {
        vm.prank(address(house));
        vault.take(a, alice, id, amount);
    }

    function test_initializesOnce() public {
        CollateralVault other = new CollateralVault(oracle, address(this));
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, alice));
        other.initialize(alice);
        vm.expectRevert(CollateralVault.ZeroAddress.selector);
        other.initialize(address(0));
        other.initialize(bob);
        assertEq(other.house(), bob, "house");
        vm.expectRevert(CollateralVault.AlreadyInitialized.selector);
        other.initialize(alice);
        vm.expectRevert(CollateralVault.ZeroAddress.selector);
        new CollateralVault(IRiskOracle(address(0)), address(this));
    }

    function test_onlyTheHouseMoves() public {
        bytes memory refusal = abi.encodeWithSelector(CollateralVault.NotHouse.selector, address(this));
        vm.expectRevert(refusal);
        vault.take(a, alice, 1, 1);
        vm.expectRevert(refusal);
        vault.give(a, alice, 1, 1);
        vm.expectRevert(refusal);
        vault.moveShare(a, b, 1, 1, Fixtures.BTC);
    }

    function test_onlyTheOwnerConfigures() public {
        bytes memory refusal = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, alice);
        vm.startPrank(alice);
        vm.expectRevert(refusal);
        vault.addCollateral(IERC20Metadata(address(usd)), 1, _flat(0), 1);
        vm.expectRevert(refusal);
        vault.setCap(1, 1);
        vm.expectRevert(refusal);
        vault.raiseHaircuts(1, _flat(3_000));
        vm.expectRevert(refusal);
        vault.scheduleHaircuts(1, _flat(1_000));
        vm.stopPrank();
    }

    function test_refusesKinds() public {
        vm.expectRevert(CollateralVault.ZeroAddress.selector);
        vault.addCollateral(IERC20Metadata(address(0)), 1, _flat(0), 1);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.DuplicateToken.selector, address(wrapped)));
        vault.addCollateral(IERC20Metadata(address(wrapped)), 1, _flat(0), 1);
        _refuseNew(_flat(10_001));
        _refuseNew(Haircuts(0, 10_001));
        _refuseNew(Haircuts(10_001, 10_000));
        _refuseNew(Haircuts(1, 0));
        _refuseNew(Haircuts(10_000, 9_999));
        _refuseNew(Haircuts(type(uint16).max, type(uint16).max));
        IERC20Metadata wide = IERC20Metadata(address(new VeryWideToken()));
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.UnsupportedDecimals.selector, 25));
        vault.addCollateral(wide, 1, _flat(0), 1);
        for (uint256 id = 2; id <= 8; id++) {
            assertEq(vault.addCollateral(new TestUsd(), 1, Haircuts(0, 10_000), 1), id, "id");
        }
        IERC20Metadata ninth = new TestUsd();
        vm.expectRevert(CollateralVault.TooManyCollaterals.selector);
        vault.addCollateral(ninth, 1, _flat(0), 1);
    }

    function _refuseNew(Haircuts memory haircuts) private {
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutsOutOfRange.selector, haircuts));
        vault.addCollateral(IERC20Metadata(address(usd)), 1, haircuts, 1);
    }

    /// @dev The same in accounts of any underlying.
    function _flat(uint16 haircut) private pure returns (Haircuts memory) {
        return Haircuts(haircut, haircut);
    }

    function _value(uint256 accountId, bool onlyFresh) private view returns (uint256 value) {
        return vault.valuesOf(accountId, Fixtures.BTC, onlyFresh).value;
    }

    // Haircuts

    /// @dev 10 of ETH are worth 20,000, in accounts of BTC and of ETH.
    function test_valuesByTheAccountsUnderlying() public {
        _take(1, 10e18);
        vault.raiseHaircuts(1, Haircuts(2_000, 5_000));
        _expectValues(Fixtures.BTC, 10_000e6, 0, 19_000e6);
        _expectValues(ETH, 16_000e6, 16_000e6, 19_000e6);
        _expectValues(77, 10_000e6, 0, 19_000e6);
        vault.raiseHaircuts(1, Haircuts(2_000, 10_000));
        _expectValues(Fixtures.BTC, 0, 0, 19_000e6);
        _expectValues(ETH, 16_000e6, 16_000e6, 19_000e6);
        vault.raiseHaircuts(1, Haircuts(9_999, 10_000));
        _expectValues(Fixtures.BTC, 0, 0, 3_999_800);
        _expectValues(ETH, 2e6, 2e6, 3_999_800);
        vault.raiseHaircuts(1, _flat(10_000));
        _expectValues(Fixtures.BTC, 0, 0, 0);
        _expectValues(ETH, 0, 0, 0);
        assertEq(vault.balanceOf(a, 1), 10e18, "still the account's");
    }

    /// @dev A haircut of 12 %: the sale value is 3 % below the full one.
    function test_saleValueTakesAQuarter() public {
        uint256 id = _token(new TestUsd());
        usd = TestUsd(address(vault.getCollateral(id).token));
        usd.mint(alice, 2e6);
        _take(id, 2e6);
        _expectValues(Fixtures.BTC, 192_000e6, 192_000e6, 192_000e6);
        vault.raiseHaircuts(id, Haircuts(1_200, 3_000));
        _expectValues(Fixtures.BTC, 168_960e6, 168_960e6, 186_240e6);
        _expectValues(ETH, 134_400e6, 0, 186_240e6);
        // Each kind by its own.
        _take(1, 10e18);
        _expectValues(Fixtures.BTC, 184_960e6, 168_960e6, 205_240e6);
        _expectValues(ETH, 150_400e6, 16_000e6, 205_240e6);
    }

    function _expectValues(uint32 underlyingId, uint256 value, uint256 moving, uint256 saleValue) private view {
        CollateralValues memory values = vault.valuesOf(a, underlyingId, true);
        assertEq(values.value, value, "value");
        assertEq(values.moving, moving, "moving");
        assertEq(values.saleValue, saleValue, "sale value");
    }

    function _expectHaircuts(uint16 own, uint16 cross) private view {
        Collateral memory collateral = vault.getCollateral(1);
        assertEq(uint256(collateral.haircutBps), own, "own");
        assertEq(uint256(collateral.crossHaircutBps), cross, "cross");
    }

    function _refuseRise(Haircuts memory haircuts, Haircuts memory present) private {
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutsNotHigher.selector, haircuts, present));
        vault.raiseHaircuts(1, haircuts);
    }

    function _refuseFall(Haircuts memory haircuts, Haircuts memory present) private {
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutsNotLower.selector, haircuts, present));
        vault.scheduleHaircuts(1, haircuts);
    }

    function _refuseBoth(Haircuts memory haircuts) private {
        bytes memory refusal = abi.encodeWithSelector(CollateralVault.HaircutsOutOfRange.selector, haircuts);
        vm.expectRevert(refusal);
        vault.raiseHaircuts(1, haircuts);
        vm.expectRevert(refusal);
        vault.scheduleHaircuts(1, haircuts);
    }

    function _refuseApply(uint256 activeAt) private {
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutsNotDue.selector, 1, activeAt));
        vault.applyHaircuts(1);
    }

    function test_haircutRisesAtOnceAndFallsLate() public {
        _take(1, 10e18);
        assertEq(_value(a, true), 16_000e6, "20 % off 20,000");
        vm.expectEmit(true, true, true, true, address(vault));
        emit CollateralVault.HaircutsScheduled(1, _flat(1_000), block.timestamp + 2 days);
        vault.scheduleHaircuts(1, _flat(1_000));
        _refuseApply(block.timestamp + 2 days);
        vm.warp(block.timestamp + 2 days - 1);
        _refuseApply(block.timestamp + 1);
        vm.warp(block.timestamp + 1);
        vm.expectEmit(true, true, true, true, address(vault));
        emit CollateralVault.HaircutsSet(1, _flat(1_000));
        vm.prank(bob);
        vault.applyHaircuts(1);
        assertEq(_value(a, true), 18_000e6, "10 % off");
        assertEq(vault.valuesOf(a, ETH, true).value, 18_000e6, "both");
        _refuseApply(0);

        vault.scheduleHaircuts(1, _flat(0));
        vm.expectEmit(true, true, true, true, address(vault));
        emit CollateralVault.HaircutsSet(1, _flat(10_000));
        vault.raiseHaircuts(1, _flat(10_000));
        assertEq(_value(a, true), 0, "retired");
        vm.warp(block.timestamp + 2 days);
        _refuseApply(0); // the rise dropped the schedule
        _expectHaircuts(10_000, 10_000);
    }

    /// @dev At least one goes where it is said to go, and neither the other way.
    function test_haircutsDoNotGoBothWays() public {
        vault.raiseHaircuts(1, Haircuts(2_000, 5_000));
        Haircuts memory present = Haircuts(2_000, 5_000);
        _refuseRise(present, present);
        _refuseFall(present, present);
        // One up, one down.
        _refuseRise(Haircuts(2_001, 4_999), present);
        _refuseFall(Haircuts(2_001, 4_999), present);
        _refuseRise(Haircuts(1_999, 5_001), present);
        _refuseFall(Haircuts(1_999, 5_001), present);
        // Down is no rise, up no fall.
        _refuseRise(Haircuts(1_999, 5_000), present);
        _refuseRise(Haircuts(2_000, 4_999), present);
        _refuseRise(Haircuts(1_999, 4_999), present);
        _refuseFall(Haircuts(2_001, 5_000), present);
        _refuseFall(Haircuts(2_000, 5_001), present);
        _refuseFall(Haircuts(2_001, 5_001), present);
        _expectHaircuts(2_000, 5_000);
        // One alone, the other the same.
        vault.raiseHaircuts(1, Haircuts(2_001, 5_000));
        _expectHaircuts(2_001, 5_000);
        vault.raiseHaircuts(1, Haircuts(2_001, 5_001));
        _expectHaircuts(2_001, 5_001);
        vault.scheduleHaircuts(1, Haircuts(2_000, 5_001));
        vm.warp(block.timestamp + 2 days);
        vault.applyHaircuts(1);
        _expectHaircuts(2_000, 5_001);
        vault.scheduleHaircuts(1, present);
        vm.warp(block.timestamp + 2 days);
        vault.applyHaircuts(1);
        _expectHaircuts(2_000, 5_000);
    }

    function test_haircutsStayInRange() public {
        // That of other underlyings' accounts below the own one.
        _refuseBoth(Haircuts(3_001, 3_000));
        _refuseBoth(Haircuts(1_000, 999));
        // Above 100 %.
        _refuseBoth(Haircuts(2_000, 10_001));
        _refuseBoth(_flat(10_001));
        _refuseBoth(Haircuts(10_001, 10_000));
        _expectHaircuts(2_000, 2_000);
        vault.raiseHaircuts(1, Haircuts(2_000, 10_000));
        _expectHaircuts(2_000, 10_000);
        vault.scheduleHaircuts(1, Haircuts(0, 0));
        vm.warp(block.timestamp + 2 days);
        vault.applyHaircuts(1);
        _expectHaircuts(0, 0);
    }

    function test_aNewScheduleWaitsAnew() public {
        vault.scheduleHaircuts(1, Haircuts(1_000, 2_000));
        vm.warp(block.timestamp + 1 days);
        vault.scheduleHaircuts(1, Haircuts(500, 1_000));
        vm.warp(block.timestamp + 1 days);
        _refuseApply(block.timestamp + 1 days);
        vm.warp(block.timestamp + 1 days);
        vault.applyHaircuts(1);
        _expectHaircuts(500, 1_000);
    }

    /// @dev Any pair is a rise, a fall, or neither; what is neither is refused both ways.
    function testFuzz_haircutsGoOneWay(uint256[3] memory own, uint256[3] memory cross) public {
        Haircuts memory present = _flat(2_000);
        for (uint256 step = 0; step < 3; step++) {
            uint16 other = uint16(bound(cross[step], 0, 10_000));
            Haircuts memory next = Haircuts(uint16(bound(own[step], 0, other)), other);
            bool rises = next.own >= present.own && next.cross >= present.cross;
            bool falls = next.own <= present.own && next.cross <= present.cross;
            if (rises && falls) continue;
            if (rises) {
                vault.raiseHaircuts(1, next);
                present = next;
                _refuseApply(0);
            } else if (falls) {
                vault.scheduleHaircuts(1, next);
                _expectHaircuts(present.own, present.cross);
                vm.warp(block.timestamp + 2 days);
                vault.applyHaircuts(1);
                present = next;
            } else {
                _refuseRise(next, present);
                _refuseFall(next, present);
            }
            _expectHaircuts(present.own, present.cross);
        }
    }

    function test_refusesUnknownKinds() public {
        bytes memory refusal = abi.encodeWithSelector(CollateralVault.UnknownCollateral.selector, 2);
        vm.expectRevert(refusal);
        vault.setCap(2, 1);
        vm.expectRevert(refusal);
        vault.raiseHaircuts(2, _flat(1));
        vm.expectRevert(refusal);
        vault.scheduleHaircuts(2, _flat(0));
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutsNotDue.selector, 2, 0));
        vault.applyHaircuts(2);
        vm.startPrank(address(house));
        vm.expectRevert(refusal);
        vault.take(a, alice, 2, 1);
        vm.expectRevert(refusal);
        vault.give(a, alice, 2, 1);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.UnknownCollateral.selector, 0));
        vault.take(a, alice, 0, 1);
        vm.stopPrank();
    }

    function test_takesAndGives() public {
        _take(1, 5e18);
        assertEq(vault.balanceOf(a, 1), 5e18, "balance");
        assertEq(vault.heldKinds(a), 2, "bit 1");
        vm.startPrank(address(house));
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.InsufficientCollateral.selector, a, 1, 5e18, 5e18 + 1));
        vault.give(a, alice, 1, 5e18 + 1);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.InsufficientCollateral.selector, b, 1, 0, 1));
        vault.give(b, bob, 1, 1);
        vm.expectRevert(CollateralVault.ZeroAmount.selector);
        vault.give(a, alice, 1, 0);
        vm.expectRevert(CollateralVault.ZeroAmount.selector);
        vault.take(a, alice, 1, 0);
        vault.give(a, bob, 1, 5e18);
        vm.stopPrank();
        assertEq(wrapped.balanceOf(bob), 105e18, "given");
        assertEq(vault.heldKinds(a), 0, "bit cleared");
        _checkIdentity();
    }

    function test_capAndDonations() public {
        vault.setCap(1, 5e18);
        wrapped.mint(address(vault), 100e18); // a gift is nobody's, and takes no room
        _take(1, 5e18);
        vm.prank(address(house));
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.CapExceeded.selector, 1, 5e18, 5e18));
        vault.take(a, alice, 1, 1);
        vault.setCap(1, 0);
        vm.startPrank(address(house));
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.CapExceeded.selector, 1, 5e18, 0));
        vault.take(a, alice, 1, type(uint256).max);
        vault.give(a, alice, 1, 5e18);
        vm.stopPrank();
        assertEq(wrapped.balanceOf(address(vault)), 100e18, "the gift stays");
    }

    function test_refusesOddTokens() public {
        FeeToken feeToken = new FeeToken();
        feeToken.mint(alice, 100);
        uint256 id = _token(feeToken);
        feeToken.setFee(1);
        vm.prank(address(house));
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.TransferAmountMismatch.selector, 10, 9));
        vault.take(a, alice, id, 10);

        SenderFeeToken senderFee = new SenderFeeToken();
        senderFee.mint(alice, 100);
        id = _token(senderFee);
        _take(id, 10);
        senderFee.mint(address(vault), 1);
        vm.prank(address(house));
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.TransferAmountMismatch.selector, 10, 11));
        vault.give(a, alice, id, 10);

        SilentToken silent = new SilentToken();
        id = _token(silent);
        vm.prank(address(house));
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, silent));
        vault.take(a, alice, id, 1);
    }

    function test_refusesReentry() public {
        CallbackToken token = new CallbackToken();
        token.mint(alice, 100);
        uint256 id = _token(token);
        token.setCallback(address(vault), abi.encodeCall(vault.applyHaircuts, (id)));
        vm.prank(address(house));
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        vault.take(a, alice, id, 10);
    }

    function test_stalePrices() public {
        _take(1, 10e18);
        oracle.setStale(ETH, true);
        assertEq(_value(a, true), 0, "stale counts as nothing");
        assertEq(vault.valuesOf(a, Fixtures.BTC, true).saleValue, 0, "nor can it be sold");
        assertEq(_value(a, false), 16_000e6, "last known");
        assertEq(vault.valuesOf(a, Fixtures.BTC, false).saleValue, 19_000e6, "last known");
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.PriceNotFresh.selector, 1));
        _take(1, 1);
        uint256 id = vault.addCollateral(new TestUsd(), 77, _flat(0), 1_000);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.PriceNotFresh.selector, id));
        _take(id, 10);
    }

    /// @dev A kind of six decimals, priced by underlying 9, of which alice gives an amount.
    function _newKind(Haircuts memory haircuts, uint128 amount, uint256 spot) private {
        TestUsd token = new TestUsd();
        uint256 id = vault.addCollateral(token, 9, haircuts, type(uint128).max);
        oracle.post(9, spot);
        token.mint(alice, amount);
        vm.prank(alice);
        token.approve(address(vault), amount);
        _take(id, amount);
    }

    function testFuzz_valuesAreRoundedDownAndCut(uint128 amount, uint256 spot, uint256 own, uint256 cross) public {
        spot = bound(spot, 1, 2 ** (spot % 45) - (spot % 45 == 44 ? 1 : 0));
        cross = bound(cross, 0, 10_000);
        own = bound(own, 0, cross);
        amount = uint128(bound(amount, 1, type(uint128).max >> (amount % 128)));
        _newKind(Haircuts(uint16(own), uint16(cross)), amount, spot);
        uint256 exact = uint256(amount) * spot;
        CollateralValues memory values = vault.valuesOf(a, 9, true);
        _isFloor(values.value, exact * (10_000 - own), 1e10);
        _isFloor(values.saleValue, exact * (1e8 - own * (own > 2_500 ? own : 2_500)), 1e14);
        assertEq(values.moving, values.value, "all of it moves");
        assertTrue(values.saleValue >= values.value && values.saleValue <= exact / 1e6, "between value and full value");
        CollateralValues memory others = vault.valuesOf(a, Fixtures.BTC, true);
        _isFloor(others.value, exact * (10_000 - cross), 1e10);
        assertEq(others.saleValue, values.saleValue, "sold for the same anywhere");
        assertEq(others.moving, 0, "nothing moves");
        assertTrue(others.value <= values.value, "no more than where the proof knows of it");
    }

    function testFuzz_fullValueIsWithoutHaircutsUpToAQuarter(uint128 amount, uint256 spot, uint256 own) public {
        spot = bound(spot, 1, 2 ** 44 - 1);
        amount = uint128(bound(amount, 1, type(uint128).max >> (amount % 128)));
        uint16 haircut = uint16(bound(own, 0, 10_000));
        _newKind(_flat(haircut), amount, spot);
        uint256 full = vault.fullValueOf(a, true);
        uint256 saleValue = vault.valuesOf(a, 9, true).saleValue;
        if (haircut > 2_500) assertEq(full, saleValue, "doubtful");
        else _isFloor(full, uint256(amount) * spot, 1e6);
        assertTrue(full >= saleValue, "at least the sale value");
    }

    function test_fullValue() public {
        _take(1, 10e18);
        assertEq(vault.fullValueOf(a, true), 20_000e6, "of both");
        vault.raiseHaircuts(1, _flat(2_500));
        assertEq(vault.fullValueOf(a, true), 20_000e6, "up to a quarter");
        oracle.setStale(ETH, true);
        assertEq(vault.fullValueOf(a, true), 0, "stale counts as nothing");
        assertEq(vault.fullValueOf(a, false), 20_000e6, "last known");
        assertEq(vault.fullValueOf(b, false), 0, "of nobody else");
        vault.raiseHaircuts(1, _flat(5_000));
        assertEq(vault.fullValueOf(a, false), 15_000e6, "doubtful");
        vault.raiseHaircuts(1, _flat(10_000));
        assertEq(vault.fullValueOf(a, false), 0, "worth nothing to anybody");
    }

    function _isFloor(uint256 value, uint256 exact, uint256 unit) private pure {
        if (value == 2 ** 96 - 1) {
            assertTrue(exact >= value * unit, "cut");
        } else {
            assertTrue(value * unit <= exact && exact < (value + 1) * unit, "floor");
        }
    }

    /// @dev Two kinds beside the first one, at the largest amounts and prices too.
    function testFuzz_valuesOfSeveralKinds(uint128[2] memory amounts, uint256[2] memory spots, uint16[4] memory haircuts)
        public
    {
        _take(1, 10e18);
        for (uint256 index = 0; index < 2; index++) {
            uint16 cross = uint16(bound(uint256(haircuts[index]), 0, 10_000));
            uint16 own = uint16(bound(uint256(haircuts[2 + index]), 0, cross));
            TestUsd token = new TestUsd();
            uint32 underlyingId = uint32(9 + index);
            uint256 id = vault.addCollateral(token, underlyingId, Haircuts(own, cross), type(uint128).max);
            oracle.post(underlyingId, bound(spots[index], 1, 2 ** 44 - 1));
            uint256 amount = bound(amounts[index], 1, type(uint128).max >> (spots[index] % 128));
            token.mint(alice, amount);
            vm.prank(alice);
            token.approve(address(vault), amount);
            _take(id, amount);
        }
        uint32[5] memory underlyings = [uint32(9), 10, ETH, Fixtures.BTC, 77];
        uint256 saleValue = vault.valuesOf(a, 9, true).saleValue;
        uint256 least = vault.valuesOf(a, 77, true).value;
        for (uint256 index = 0; index < 5; index++) {
            CollateralValues memory values = vault.valuesOf(a, underlyings[index], true);
            assertEq(values.saleValue, saleValue, "sold for the same anywhere");
            assertTrue(values.value <= values.saleValue, "at most the sale value");
            assertTrue(values.moving <= values.value, "a part of the value");
            assertTrue(values.value >= least, "at least what counts of another underlying");
            assertTrue(values.saleValue <= 2 ** 96 - 1, "below the limit");
            assertTrue(index < 3 || values.moving == 0, "nothing moves");
        }
    }

    /// @dev Of all kinds the most, of the narrowest and the widest tokens, at the highest price.
    function test_theLargestAmountsDoNotOverflow() public {
        _giveMost(new WholeToken());
        _giveMost(new WidestToken());
        uint256 limit = 2 ** 96 - 1;
        _expectValues(9, limit, limit, limit);
        _expectValues(Fixtures.BTC, limit, 0, limit);
    }

    function _giveMost(TestUsd token) private {
        uint256 id = vault.addCollateral(token, 9, Haircuts(1, 2), type(uint128).max);
        oracle.post(9, 2 ** 44 - 1);
        token.mint(alice, type(uint128).max);
        vm.prank(alice);
        token.approve(address(vault), type(uint128).max);
        _take(id, type(uint128).max);
    }

    function testFuzz_movesShares(uint256 amount, uint256 taken, uint256 scale) public {
        amount = bound(amount, 1, 100e18);
        scale = bound(scale, 1, 2 ** 64 - 1);
        taken = bound(taken, 1, scale);
        _take(1, amount);
        vault.raiseHaircuts(1, Haircuts(2_000, 5_000));
        uint32 underlyingId = amount % 2 == 0 ? Fixtures.BTC : ETH;
        uint256 before = vault.valuesOf(a, underlyingId, true).moving;
        vm.prank(address(house));
        (uint256 givenOf, CollateralValues memory values) = vault.moveShare(a, b, taken, scale, underlyingId);
        assertEq(givenOf, before, "of the giver before");
        CollateralValues memory afterwards = vault.valuesOf(b, underlyingId, true);
        assertEq(values.value, afterwards.value, "of the taker after");
        assertEq(values.moving, afterwards.moving, "the moving part");
        assertEq(values.saleValue, afterwards.saleValue, "for sale");
        uint256 moved = taken == scale ? amount : amount * taken / scale;
        assertEq(vault.balanceOf(b, 1), moved, "moved");
        assertEq(vault.balanceOf(a, 1), amount - moved, "kept");
        assertEq(vault.heldKinds(a), amount == moved ? 0 : 2, "kinds of the giver");
        assertEq(vault.heldKinds(b), moved == 0 ? 0 : 2, "kinds of the taker");
        _checkIdentity();
    }
}

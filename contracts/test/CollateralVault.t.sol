// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {CollateralVault} from "../src/CollateralVault.sol";
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

/// @dev Moves are made by the vault's house directly; `ClearingHouse*.t.sol` go through the house.
contract CollateralVaultTest is HouseTest {
    function _token(IERC20Metadata token) private returns (uint256 id) {
        id = vault.addCollateral(token, Fixtures.BTC, 0, 1_000e18);
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
        vault.addCollateral(IERC20Metadata(address(usd)), 1, 0, 1);
        vm.expectRevert(refusal);
        vault.setCap(1, 1);
        vm.expectRevert(refusal);
        vault.raiseHaircut(1, 3_000);
        vm.expectRevert(refusal);
        vault.scheduleHaircut(1, 1_000);
        vm.stopPrank();
    }

    function test_refusesKinds() public {
        vm.expectRevert(CollateralVault.ZeroAddress.selector);
        vault.addCollateral(IERC20Metadata(address(0)), 1, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.DuplicateToken.selector, address(wrapped)));
        vault.addCollateral(IERC20Metadata(address(wrapped)), 1, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutTooHigh.selector, 10_001));
        vault.addCollateral(IERC20Metadata(address(usd)), 1, 10_001, 1);
        IERC20Metadata wide = IERC20Metadata(address(new VeryWideToken()));
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.UnsupportedDecimals.selector, 25));
        vault.addCollateral(wide, 1, 0, 1);
        for (uint256 id = 2; id <= 8; id++) {
            assertEq(vault.addCollateral(new TestUsd(), 1, 0, 1), id, "id");
        }
        IERC20Metadata ninth = new TestUsd();
        vm.expectRevert(CollateralVault.TooManyCollaterals.selector);
        vault.addCollateral(ninth, 1, 0, 1);
    }

    function _value(uint256 accountId, bool onlyFresh) private view returns (uint256 value) {
        (value,) = vault.valuesOf(accountId, Fixtures.BTC, onlyFresh);
    }

    function test_haircutRisesAtOnceAndFallsLate() public {
        _take(1, 10e18);
        assertEq(_value(a, true), 16_000e6, "20 % off 20,000");
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutNotLower.selector, 2_000, 2_000));
        vault.scheduleHaircut(1, 2_000);
        vault.scheduleHaircut(1, 1_000);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutNotDue.selector, 1, block.timestamp + 2 days));
        vault.applyHaircut(1);
        vm.warp(block.timestamp + 2 days - 1);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutNotDue.selector, 1, block.timestamp + 1));
        vault.applyHaircut(1);
        vm.warp(block.timestamp + 1);
        vm.prank(bob);
        vault.applyHaircut(1);
        assertEq(_value(a, true), 18_000e6, "10 % off");
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutNotDue.selector, 1, 0));
        vault.applyHaircut(1);

        vault.scheduleHaircut(1, 0);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutNotHigher.selector, 1_000, 1_000));
        vault.raiseHaircut(1, 1_000);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutTooHigh.selector, 10_001));
        vault.raiseHaircut(1, 10_001);
        vault.raiseHaircut(1, 10_000);
        assertEq(_value(a, true), 0, "retired");
        vm.warp(block.timestamp + 2 days);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.HaircutNotDue.selector, 1, 0));
        vault.applyHaircut(1); // the rise dropped the schedule
    }

    function test_refusesUnknownKinds() public {
        bytes memory refusal = abi.encodeWithSelector(CollateralVault.UnknownCollateral.selector, 2);
        vm.expectRevert(refusal);
        vault.setCap(2, 1);
        vm.expectRevert(refusal);
        vault.raiseHaircut(2, 1);
        vm.expectRevert(refusal);
        vault.scheduleHaircut(2, 1);
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

        id = _token(new SilentToken());
        vm.prank(address(house));
        vm.expectRevert();
        vault.take(a, alice, id, 1);
    }

    function test_refusesReentry() public {
        CallbackToken token = new CallbackToken();
        token.mint(alice, 100);
        uint256 id = _token(token);
        token.setCallback(address(vault), abi.encodeCall(vault.applyHaircut, (id)));
        vm.prank(address(house));
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        vault.take(a, alice, id, 10);
    }

    function test_stalePrices() public {
        _take(1, 10e18);
        oracle.setStale(ETH, true);
        assertEq(_value(a, true), 0, "stale counts as nothing");
        assertEq(_value(a, false), 16_000e6, "last known");
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.PriceNotFresh.selector, 1));
        _take(1, 1);
        uint256 id = vault.addCollateral(new TestUsd(), 77, 0, 1_000);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.PriceNotFresh.selector, id));
        _take(id, 10);
    }

    function testFuzz_valueIsRoundedDownAndCut(uint128 amount, uint256 spot, uint256 haircut) public {
        spot = bound(spot, 1, 2 ** 44 - 1);
        haircut = bound(haircut, 0, 10_000);
        amount = uint128(bound(amount, 1, type(uint128).max));
        TestUsd token = new TestUsd();
        uint256 id = vault.addCollateral(token, 9, uint16(haircut), type(uint128).max);
        oracle.post(9, spot);
        token.mint(alice, amount);
        vm.prank(alice);
        token.approve(address(vault), amount);
        _take(id, amount);
        uint256 exact = uint256(amount) * spot * (10_000 - haircut);
        uint256 value = _value(a, true);
        if (value == 2 ** 96 - 1) {
            assertTrue(exact >= value * 1e10, "cut");
        } else {
            assertTrue(value * 1e10 <= exact && exact < (value + 1) * 1e10, "floor");
        }
    }

    function testFuzz_movesShares(uint256 amount, uint256 taken, uint256 scale) public {
        amount = bound(amount, 1, 100e18);
        scale = bound(scale, 1, 2 ** 64 - 1);
        taken = bound(taken, 1, scale);
        _take(1, amount);
        (, uint256 before) = vault.valuesOf(a, Fixtures.BTC, true);
        vm.prank(address(house));
        (uint256 givenOf, uint256 value, uint256 moving) = vault.moveShare(a, b, taken, scale, Fixtures.BTC);
        assertEq(givenOf, before, "of the giver before");
        (uint256 valueAfter, uint256 movingAfter) = vault.valuesOf(b, Fixtures.BTC, true);
        assertEq(value, valueAfter, "of the taker after");
        assertEq(moving, movingAfter, "the moving part");
        uint256 moved = taken == scale ? amount : amount * taken / scale;
        assertEq(vault.balanceOf(b, 1), moved, "moved");
        assertEq(vault.balanceOf(a, 1), amount - moved, "kept");
        assertEq(vault.heldKinds(a), amount == moved ? 0 : 2, "kinds of the giver");
        assertEq(vault.heldKinds(b), moved == 0 ? 0 : 2, "kinds of the taker");
        _checkIdentity();
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {CollateralVault, Haircuts} from "../../src/CollateralVault.sol";
import {CollateralValues} from "../../src/interfaces/ICollateralVault.sol";
import {IRiskOracle} from "../../src/interfaces/IRiskOracle.sol";
import {WideToken} from "../mocks/OddTokens.sol";
import {Fixtures} from "../base/Fixtures.sol";
import {OracleTest} from "../base/OracleTest.sol";

/// @title What can be taken from the house with prices that have stopped
contract WindDownAttackTest is OracleTest {
    function _windDown() private {
        assertTrue(_post(96_000e6), "accepted");
        vm.warp(NOW + 7 days + 1);
        oracle.windDown(BTC);
    }

    /// @dev Every hour settles at the last spot at once, so an option is worth its intrinsic value there. Were it still marked with its time value, its
    /// buyer could withdraw that against it, settle for less, and leave the debt to the house, while the seller keeps the price.
    function test_optionsHaveNoTimeValueWhereTheySettleAtOnce() public {
        _windDown();
        // A number of its own: nothing that was proven of the round with expiries counts as proven of the one without.
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.NotLatestRound.selector, 1, 2));
        oracle.freshRoundWords(BTC, 1);
        (uint256 word, uint256[8] memory words) = oracle.freshRoundWords(BTC, 2);
        assertEq(word & (2 ** 44 - 1), 96_000e6, "spot for linear legs");
        assertEq(oracle.settlementWord(BTC, uint32(Fixtures.HOUR + 4_380)) >> 20, 96_000e6, "settles before its time");
        for (uint256 place = 0; place < 8; place++) {
            assertEq(words[place], 0, "no expiry to mark an option by");
        }
        assertEq(oracle.volatilityIndex(BTC), 0, "nor an index");
    }

    /// @dev Sources fall silent when a token dies. Whoever buys it for nothing must not borrow cash against it at the last price, nor
    /// ward off a liquidation with it.
    function test_deadCollateralBuysNothing() public {
        CollateralVault vault = new CollateralVault(oracle, address(this));
        vault.initialize(address(this));
        WideToken token = new WideToken();
        vault.addCollateral(IERC20Metadata(address(token)), BTC, Haircuts(2_000, 2_000), 1_000e18);
        token.mint(address(this), 1e18);
        token.approve(address(vault), 1e18);
        assertTrue(_post(96_000e6), "accepted");
        vault.take(7, address(this), 1, 5e17);
        assertEq(_value(vault, true), 38_400e6, "alive");
        vm.warp(NOW + 121);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.PriceNotFresh.selector, 1));
        vault.take(7, address(this), 1, 5e17);
        vm.warp(NOW + 7 days + 1);
        oracle.windDown(BTC);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.PriceNotFresh.selector, 1));
        vault.take(7, address(this), 1, 5e17);
        assertEq(_value(vault, true), 0, "for credit");
        assertEq(_value(vault, false), 38_400e6, "for liquidations, as with every price that is old");
    }

    /// @dev Of the account's own underlying: all of it moves with the positions.
    function _value(CollateralVault vault, bool onlyFresh) private view returns (uint256 value) {
        CollateralValues memory values = vault.valuesOf(7, BTC, onlyFresh);
        value = values.value;
        assertEq(values.moving, value, "moves with the positions");
        // 96 % where 80 % are kept.
        assertEq(values.saleValue, value * 19 / 16, "sold at the same price");
    }
}

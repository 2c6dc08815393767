// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Legs} from "../src/libraries/Legs.sol";
import {PublicSignals} from "../src/libraries/PublicSignals.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {Test} from "./base/Test.sol";

contract LegsTest is Test {
    function validate(uint256[] calldata legs) external pure {
        Legs.validate(legs);
    }

    function _expectRefused(bytes4 selector, uint256 index, uint256[] memory legs) private {
        vm.expectRevert(abi.encodeWithSelector(selector, index));
        this.validate(legs);
    }

    /// @dev One leg, of one kind of fault.
    function _expectLegRefused(bytes4 selector, uint256 leg) private {
        uint256[] memory legs = new uint256[](1);
        legs[0] = leg;
        _expectRefused(selector, 0, legs);
    }

    function test_acceptsWellFormed() public view {
        this.validate(Fixtures.legs());
        this.validate(new uint256[](0));
        uint256[] memory legs = new uint256[](32);
        for (uint256 index = 0; index < 32; index++) {
            legs[index] = Fixtures.leg(1 + index % 2, 2 ** 20 - 1, 2 ** 36 - 16 + index / 2, -(2 ** 40 - 1));
        }
        this.validate(legs);
    }

    function test_refusesTooMany() public {
        _expectRefused(Legs.TooManyLegs.selector, 33, new uint256[](33));
    }

    function test_refusesOrder() public {
        uint256[] memory legs = Fixtures.legs();
        legs[2] = legs[1];
        _expectRefused(Legs.LegsNotIncreasing.selector, 2, legs);
        legs = Fixtures.legs();
        (legs[1], legs[2]) = (legs[2], legs[1]);
        _expectRefused(Legs.LegsNotIncreasing.selector, 2, legs);
        // The call of a strike comes before its put.
        legs = new uint256[](2);
        legs[0] = Fixtures.leg(2, Fixtures.HOUR, 5, 1);
        legs[1] = Fixtures.leg(1, Fixtures.HOUR, 5, 1);
        _expectRefused(Legs.LegsNotIncreasing.selector, 1, legs);
    }

    function test_refusesQuantities() public {
        _expectLegRefused(Legs.QuantityZero.selector, Fixtures.leg(1, 1, 1, 0));
        _expectLegRefused(Legs.QuantityZero.selector, 0);
        _expectLegRefused(Legs.QuantityOutOfRange.selector, Fixtures.leg(1, 1, 1, 2 ** 40));
        _expectLegRefused(Legs.QuantityOutOfRange.selector, Fixtures.leg(1, 1, 1, -(2 ** 40)));
        _expectLegRefused(Legs.QuantityOutOfRange.selector, PublicSignals.SCALAR_FIELD);
        _expectLegRefused(Legs.QuantityOutOfRange.selector, type(uint256).max);
    }

    function test_refusesUnknownInstruments() public {
        _expectLegRefused(Legs.UnknownInstrument.selector, Fixtures.leg(0, 1, 1, 1));
        _expectLegRefused(Legs.UnknownInstrument.selector, Fixtures.leg(1, 0, 1, 1));
        _expectLegRefused(Legs.UnknownInstrument.selector, Fixtures.leg(2, 1, 0, 1));
        _expectLegRefused(Legs.UnknownInstrument.selector, Fixtures.leg(3, 1, 0, 1));
        _expectLegRefused(Legs.UnknownInstrument.selector, Fixtures.leg(3, 0, 1, 1));
        _expectLegRefused(Legs.UnknownInstrument.selector, Fixtures.leg(1, 2 ** 20, 1, -1));
    }

    function testFuzz_unpacksWhatWasPacked(uint256 kind, uint256 hour, uint256 strike, int256 quantity) public pure {
        kind = bound(kind, 0, 3);
        hour = bound(hour, 0, 2 ** 20 - 1);
        strike = bound(strike, 0, 2 ** 36 - 1);
        quantity = bound(quantity, -(2 ** 41), 2 ** 41);
        (uint256 id, int256 unpacked) = Legs.unpack(Fixtures.leg(kind, hour, strike, quantity));
        assertEq(id, strike + (kind << 36) + (hour << 38), "id");
        assertEq(unpacked, quantity, "quantity");
    }
}

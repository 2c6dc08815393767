// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {PublicSignals} from "./PublicSignals.sol";

/// @title Well-formed legs
/// @notice Section 2 of docs/margin-model.md. A leg is `instrumentId + 2^60 * quantity`, modulo the field's order.
library Legs {
    /// @notice There are more than 32 legs.
    error TooManyLegs(uint256 count);
    /// @notice A leg is no field element, or its quantity is not below 2^40 in absolute value.
    error QuantityOutOfRange(uint256 index);
    /// @notice A leg has quantity 0. The place of an unused leg is left out.
    error QuantityZero(uint256 index);
    /// @notice A leg's low 60 bits are the id of no instrument.
    error UnknownInstrument(uint256 index);
    /// @notice A leg does not come after the one before it.
    error LegsNotIncreasing(uint256 index);

    /// @notice Largest number of legs of an account.
    uint256 internal constant MAX_LEGS = 32;

    /// @notice Reverts unless the legs are well formed. An empty list is.
    function validate(uint256[] calldata legs) internal pure {
        uint256 count = legs.length;
        if (count > MAX_LEGS) revert TooManyLegs(count);
        uint256 previousKey = 0;
        for (uint256 index = 0; index < count; index++) {
            uint256 key = _orderKey(legs[index], index);
            if (key <= previousKey) revert LegsNotIncreasing(index);
            previousKey = key;
        }
    }

    /// @notice Splits a leg.
    /// @param leg below the field's order
    /// @return instrumentId low 60 bits
    /// @return quantity in 1e-6 contracts, signed, not yet checked for range
    function unpack(uint256 leg) internal pure returns (uint256 instrumentId, int256 quantity) {
        int256 signed = leg > PublicSignals.HALF_FIELD ? int256(leg) - int256(PublicSignals.SCALAR_FIELD) : int256(leg);
        // Two's complement: the low bits and the arithmetic shift split a negative number by floor division.
        instrumentId = uint256(signed) & (2 ** 60 - 1);
        quantity = signed >> 60;
    }

    /// @dev Order key of a valid leg, always at least 1: `kind + 4 strike + 2^38 expiryHour`.
    function _orderKey(uint256 leg, uint256 index) private pure returns (uint256) {
        if (leg >= PublicSignals.SCALAR_FIELD) revert QuantityOutOfRange(index);
        (uint256 id, int256 quantity) = unpack(leg);
        if (quantity == 0) revert QuantityZero(index);
        if (quantity <= -(2 ** 40) || quantity >= 2 ** 40) revert QuantityOutOfRange(index);
        uint256 strike = id & (2 ** 36 - 1);
        uint256 kind = (id >> 36) & 3;
        uint256 hour = id >> 38;
        bool known = kind == 3 ? strike == 0 && hour == 0 : kind != 0 && strike != 0 && hour != 0 && hour < 2 ** 20;
        if (!known) revert UnknownInstrument(index);
        return kind + 4 * strike + (hour << 38);
    }
}

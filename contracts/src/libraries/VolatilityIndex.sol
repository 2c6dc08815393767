// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {OracleWords} from "./OracleWords.sol";

/// @title One number for the height of the volatility surface
library VolatilityIndex {
    /// @notice The index looks so far ahead: 30 days, in seconds.
    uint256 internal constant HORIZON = 30 days;

    /// @notice At-the-money volatility at 30 days, in 2^-16, rounded down; 0 without expiries.
    /// @dev Total variance is interpolated in a straight line over time between the expiries around 30 days. Before the first and after
    /// the last expiry the volatility is flat. At the money is pillar 4.
    /// @param expiryWords of a valid round
    function compute(uint256 underlyingWord, uint256[8] memory expiryWords) internal pure returns (uint256) {
        uint256 time = OracleWords.timestamp(underlyingWord);
        uint256 volatility = 0;
        uint256 tenor = 0;
        unchecked {
            for (uint256 index = 0; index < OracleWords.EXPIRY_COUNT && expiryWords[index] != 0; index++) {
                uint256 nextVolatility = _atTheMoney(expiryWords[index]);
                uint256 nextTenor = OracleWords.expiryHour(expiryWords[index]) * 3600 - time;
                if (nextTenor >= HORIZON) {
                    if (index == 0) return nextVolatility >> 2;
                    // Squared volatilities are below 2^44 and tenors at most 2^27.
                    uint256 variance = (volatility * volatility * tenor * (nextTenor - HORIZON)
                                + nextVolatility * nextVolatility * nextTenor * (HORIZON - tenor))
                        / ((nextTenor - tenor) * HORIZON);
                    return Math.sqrt(variance) >> 2;
                }
                volatility = nextVolatility;
                tenor = nextTenor;
            }
        }
        return volatility >> 2;
    }

    /// @dev In 2^-18: the field is in 2^-16 of the spacing, and the spacing is `2^(exponent - 2)`.
    function _atTheMoney(uint256 expiryWord) private pure returns (uint256) {
        return ((expiryWord >> 80) & (2 ** 20 - 1)) << OracleWords.spacingExponent(expiryWord);
    }
}

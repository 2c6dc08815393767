// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title What the rest of the system reads of the oracle
interface IRiskOracle {
    /// @notice Number of the newest round of an underlying; rounds count from 1, and 0 means that there is none.
    function latestRound(uint32 underlyingId) external view returns (uint64 round);

    /// @notice The nine words of the newest round.
    /// @param round must be the newest: the words of earlier rounds are in the events only
    function roundWords(uint32 underlyingId, uint64 round)
        external
        view
        returns (uint256 underlyingWord, uint256[8] memory expiryWords);

    /// @notice Whether the newest round is at most the underlying's `maxAge` old.
    function isFresh(uint32 underlyingId) external view returns (bool fresh);
}

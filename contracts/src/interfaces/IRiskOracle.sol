// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title What the rest of the system reads of the oracle
interface IRiskOracle {
    /// @notice A newer round exists, or the round does not.
    error NotLatestRound(uint64 round, uint64 latest);
    /// @notice The newest round is too old to judge by.
    error StaleRound(uint64 round);
    /// @notice A later round moved too far and waits for confirmation: until then the newest round is doubtful, and judges nothing.
    error RoundUnconfirmed(uint64 round);
    /// @notice The hour has no settlement price yet.
    error NotSettled(uint32 underlyingId, uint32 expiryHour);

    /// @notice Number of the newest accepted round of an underlying; rounds count from 1, and 0 means that there is none.
    function latestRound(uint32 underlyingId) external view returns (uint64 round);

    /// @notice The nine words of the newest round, when it is fresh and no round waits for confirmation, or when the underlying is
    /// wound down: then without expiries, because options settle at once.
    /// @param round must be the newest: the words of earlier rounds are in the events only
    function freshRoundWords(uint32 underlyingId, uint64 round)
        external
        view
        returns (uint256 underlyingWord, uint256[8] memory expiryWords);

    /// @notice Underlying word of the newest round whatever its age, and whether it is fresh; zeros when there is none.
    /// @dev Never fresh once wound down: what has stopped is a price to leave by, not one at which to lend against the underlying's token.
    function latestUnderlyingWord(uint32 underlyingId) external view returns (uint256 underlyingWord, bool fresh);

    /// @notice Volatility index of the newest round: at-the-money volatility at 30 days, in 2^-16; 0 without a round,
    /// without expiries, or once wound down.
    function volatilityIndex(uint32 underlyingId) external view returns (uint256 volatility);

    /// @notice The word that a settlement proof takes: `expiryHour + 2^20 price`, the price in 1e-6 USD.
    function settlementWord(uint32 underlyingId, uint32 expiryHour) external view returns (uint256 word);
}

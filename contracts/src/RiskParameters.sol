// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {PoseidonT6} from "poseidon-solidity/PoseidonT6.sol";
import {IRiskParameters} from "./interfaces/IRiskParameters.sol";
import {ParameterWords, Parameters} from "./libraries/ParameterWords.sol";

/// @title Governed risk parameters
/// @notice Checks, packs and commits to the parameters of each underlying. Proofs are made against the commitment.
/// @dev Changes take effect at once; a timelock in front of the owner is expected where money is.
contract RiskParameters is IRiskParameters, Ownable2Step, ReentrancyGuardTransient {
    /// @notice Parameters are in force.
    /// @param version counts from 1 for each underlying
    /// @param words header and four scenario words, as committed to
    event ParametersSet(
        uint32 indexed underlyingId,
        uint64 indexed version,
        uint256 indexed commitment,
        Parameters parameters,
        uint256[5] words
    );

    /// @inheritdoc IRiskParameters
    mapping(uint32 underlyingId => uint256 commitment) public commitmentOf;
    /// @notice Number of times that the parameters of an underlying were set.
    mapping(uint32 underlyingId => uint64 version) public versionOf;
    mapping(uint32 underlyingId => uint256[5]) private _words;

    constructor(address owner_) Ownable(owner_) {}

    /// @notice Puts parameters in force.
    /// @return commitment Poseidon hash of the header and the four scenario words
    function setParameters(uint32 underlyingId, Parameters calldata parameters)
        external
        onlyOwner
        nonReentrant
        returns (uint256 commitment)
    {
        Parameters memory copied = parameters;
        ParameterWords.validate(copied);
        uint256[5] memory words = ParameterWords.pack(copied);
        commitment = PoseidonT6.hash(words);
        uint64 version = ++versionOf[underlyingId];
        commitmentOf[underlyingId] = commitment;
        _words[underlyingId] = words;
        emit ParametersSet(underlyingId, version, commitment, copied, words);
    }

    /// @notice The header and the four scenario words in force; all 0 when none were set.
    function wordsOf(uint32 underlyingId) external view returns (uint256[5] memory) {
        return _words[underlyingId];
    }
}

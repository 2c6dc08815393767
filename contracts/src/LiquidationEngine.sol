// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Account, IClearingHouse, SliceTransfer} from "./interfaces/IClearingHouse.sol";
import {IInsolvencyVerifier} from "./interfaces/IInsolvencyVerifier.sol";
import {IRiskOracle} from "./interfaces/IRiskOracle.sol";
import {IRiskParameters} from "./interfaces/IRiskParameters.sol";
import {
    LiquidationAmounts,
    LiquidationMath,
    LiquidationSettings,
    LiquidationState
} from "./libraries/LiquidationMath.sol";
import {PublicSignals} from "./libraries/PublicSignals.sol";

/// @notice What a keeper asks for.
/// @param accountId account to liquidate
/// @param round number of the oracle round that the proof is about; must be the newest
/// @param mark proven value of the positions, in 1e-6 USD, signed
/// @param requirement proven maintenance requirement, in 1e-6 USD
/// @param maxPayment the most that the keeper pays, in 1e-6 USD
/// @param minScaleTaken the least that the keeper wants, in 2^-40
/// @param deadline last second at which the order may be executed
struct LiquidationOrder {
    uint256 accountId;
    uint64 round;
    int256 mark;
    uint256 requirement;
    uint256 maxPayment;
    uint256 minScaleTaken;
    uint256 deadline;
}

/// @notice A Groth16 proof.
struct Groth16Proof {
    uint256[2] a;
    uint256[2][2] b;
    uint256[2] c;
}

/// @title Proof-backed liquidations
/// @notice A keeper proves that an account's mark and requirement are such and such at the newest round. When equity is
/// below the requirement, the keeper buys the slice that brings the account back above it.
/// @dev The engine holds no funds. The public signals come from the state of the chain; of the proof's statement, the
/// sender chooses only `mark` and `requirement`. Nothing is keyed on a proof's bytes, which anyone can vary.
contract LiquidationEngine is Ownable2Step, ReentrancyGuardTransient {
    /// @notice An address is zero.
    error ZeroAddress();
    /// @notice The buffer is above 100 %.
    error BufferOutOfRange(uint256 bufferBps);
    /// @notice The penalty is above 20 %.
    error PenaltyOutOfRange(uint256 penaltyBps);
    /// @notice The keeper's part of the penalty is above 100 %.
    error RewardShareOutOfRange(uint256 rewardShareBps);
    /// @notice The order is too late.
    error DeadlinePassed(uint256 deadline);
    /// @notice There is no such account.
    error UnknownAccount(uint256 accountId);
    /// @notice The account has no positions.
    error NoPositions(uint256 accountId);
    /// @notice A newer round exists, or the round does not.
    error NotLatestRound(uint64 round, uint64 latest);
    /// @notice The newest round is too old to judge by.
    error StaleRound(uint64 round);
    /// @notice The underlying has no risk parameters.
    error ParametersNotSet(uint32 underlyingId);
    /// @notice The mark is not within (-2^96, 2^96).
    error MarkOutOfRange(int256 mark);
    /// @notice The requirement is not below 2^96.
    error RequirementOutOfRange(uint256 requirement);
    /// @notice The proof does not hold for this account, state, round, parameters, chain and sender.
    error InvalidProof();
    /// @notice The keeper would pay more than the order's limit.
    error PaymentAboveLimit(uint256 payment, uint256 maxPayment);
    /// @notice The keeper would get less than the order's limit.
    error ScaleBelowLimit(uint256 scaleTaken, uint256 minScaleTaken);

    /// @notice Settings are in force.
    event SettingsSet(uint16 bufferBps, uint16 penaltyBps, uint16 rewardShareBps);
    /// @notice An account has been liquidated.
    /// @param nonce of the account before, as the proof binds it
    /// @param cash of the account before
    /// @param scale of the account before
    /// @param settings in force
    /// @param amounts every figure of section 6
    event Liquidated(
        uint256 indexed accountId,
        uint256 indexed subAccountId,
        address indexed keeper,
        uint64 nonce,
        uint64 round,
        int256 cash,
        int256 mark,
        uint256 requirement,
        uint64 scale,
        uint256 parametersCommitment,
        LiquidationSettings settings,
        LiquidationAmounts amounts
    );

    /// @notice Largest buffer, in basis points.
    uint16 public constant MAX_BUFFER_BPS = 10_000;
    /// @notice Largest penalty, in basis points.
    uint16 public constant MAX_PENALTY_BPS = 2_000;
    /// @notice Largest part of the penalty for the keeper, in basis points.
    uint16 public constant MAX_REWARD_SHARE_BPS = 10_000;
    /// @dev Bound of mark and requirement, in 1e-6 USD.
    int256 private constant AMOUNT_LIMIT = 2 ** 96;

    /// @notice Source of market rounds.
    IRiskOracle public immutable oracle;
    /// @notice Source of the commitments to risk parameters.
    IRiskParameters public immutable parameters;
    /// @notice Holder of accounts and tokens.
    IClearingHouse public immutable clearingHouse;
    /// @notice Judge of proofs.
    IInsolvencyVerifier public immutable verifier;
    LiquidationSettings private _settings;

    constructor(
        address owner_,
        IRiskOracle oracle_,
        IRiskParameters parameters_,
        IClearingHouse clearingHouse_,
        IInsolvencyVerifier verifier_,
        LiquidationSettings memory settings_
    ) Ownable(owner_) {
        if (
            address(oracle_) == address(0) || address(parameters_) == address(0)
                || address(clearingHouse_) == address(0) || address(verifier_) == address(0)
        ) revert ZeroAddress();
        oracle = oracle_;
        parameters = parameters_;
        clearingHouse = clearingHouse_;
        verifier = verifier_;
        _setSettings(settings_);
    }

    /// @notice Sets buffer, penalty and reward.
    function setSettings(LiquidationSettings calldata settings_) external onlyOwner nonReentrant {
        _setSettings(settings_);
    }

    /// @notice The settings in force.
    function settings() external view returns (LiquidationSettings memory) {
        return _settings;
    }

    /// @notice Liquidates an account that is proven to be below its requirement. The sender is the keeper, and must have
    /// approved the clearing house for the payment.
    /// @return subAccountId the keeper's new account, which holds the slice
    /// @return amounts every figure of section 6
    function liquidate(LiquidationOrder calldata order, Groth16Proof calldata proof)
        external
        nonReentrant
        returns (uint256 subAccountId, LiquidationAmounts memory amounts)
    {
        if (block.timestamp > order.deadline) revert DeadlinePassed(order.deadline);
        Account memory account = _liquidatableAccount(order.accountId);
        uint256[15] memory signals = _publicSignals(order, account, msg.sender);
        if (!verifier.verifyProof(proof.a, proof.b, proof.c, signals)) revert InvalidProof();

        // From here on mark and requirement are facts.
        LiquidationSettings memory currentSettings = _settings;
        amounts = LiquidationMath.amounts(
            LiquidationState(account.cash, order.mark, order.requirement, account.scale), currentSettings
        );
        if (amounts.keeperPays > order.maxPayment) revert PaymentAboveLimit(amounts.keeperPays, order.maxPayment);
        if (amounts.scaleTaken < order.minScaleTaken) {
            revert ScaleBelowLimit(amounts.scaleTaken, order.minScaleTaken);
        }

        subAccountId = clearingHouse.transferSlice(
            SliceTransfer({
                accountId: order.accountId,
                keeper: msg.sender,
                scaleTaken: uint64(amounts.scaleTaken), // at most account.scale
                cashTaken: amounts.cashTaken,
                traderProceeds: amounts.traderProceeds,
                fundFee: amounts.fundFee,
                sliceDeposit: amounts.sliceDeposit
            })
        );
        emit Liquidated(
            order.accountId,
            subAccountId,
            msg.sender,
            account.nonce,
            order.round,
            account.cash,
            order.mark,
            order.requirement,
            account.scale,
            signals[13],
            currentSettings,
            amounts
        );
    }

    /// @notice What a liquidation would move if `mark` and `requirement` were proven; nothing is proven here.
    /// @param mark in 1e-6 USD, signed
    /// @param requirement in 1e-6 USD
    function previewLiquidation(uint256 accountId, int256 mark, uint256 requirement)
        external
        view
        returns (LiquidationAmounts memory amounts)
    {
        Account memory account = _liquidatableAccount(accountId);
        _checkRange(mark, requirement);
        return LiquidationMath.amounts(LiquidationState(account.cash, mark, requirement, account.scale), _settings);
    }

    /// @notice The public signals that a proof for this order and keeper must have; section 5 of docs/margin-model.md.
    /// @dev Only `accountId`, `round`, `mark` and `requirement` of the order matter.
    function publicSignals(LiquidationOrder calldata order, address keeper) external view returns (uint256[15] memory) {
        return _publicSignals(order, _liquidatableAccount(order.accountId), keeper);
    }

    function _publicSignals(LiquidationOrder calldata order, Account memory account, address keeper)
        private
        view
        returns (uint256[15] memory signals)
    {
        _checkRange(order.mark, order.requirement);
        uint64 latest = oracle.latestRound(account.underlyingId);
        if (order.round == 0 || order.round != latest) revert NotLatestRound(order.round, latest);
        if (!oracle.isFresh(account.underlyingId)) revert StaleRound(order.round);
        uint256 parametersCommitment = parameters.commitmentOf(account.underlyingId);
        if (parametersCommitment == 0) revert ParametersNotSet(account.underlyingId);
        (uint256 underlyingWord, uint256[8] memory expiryWords) = oracle.roundWords(account.underlyingId, order.round);

        signals[0] = PublicSignals.fromSigned(order.mark);
        signals[1] = order.requirement;
        signals[2] = account.commitment;
        signals[3] = account.scale;
        signals[4] = underlyingWord;
        for (uint256 index = 0; index < 8; index++) {
            signals[5 + index] = expiryWords[index];
        }
        signals[13] = parametersCommitment;
        signals[14] = PublicSignals.context(address(this), order.accountId, account.nonce, order.round, keeper);
    }

    function _liquidatableAccount(uint256 accountId) private view returns (Account memory account) {
        account = clearingHouse.getAccount(accountId);
        if (account.owner == address(0)) revert UnknownAccount(accountId);
        if (account.scale == 0) revert NoPositions(accountId);
    }

    function _checkRange(int256 mark, uint256 requirement) private pure {
        if (mark <= -AMOUNT_LIMIT || mark >= AMOUNT_LIMIT) revert MarkOutOfRange(mark);
        if (requirement >= uint256(AMOUNT_LIMIT)) revert RequirementOutOfRange(requirement);
    }

    function _setSettings(LiquidationSettings memory settings_) private {
        if (settings_.bufferBps > MAX_BUFFER_BPS) revert BufferOutOfRange(settings_.bufferBps);
        if (settings_.penaltyBps > MAX_PENALTY_BPS) revert PenaltyOutOfRange(settings_.penaltyBps);
        if (settings_.rewardShareBps > MAX_REWARD_SHARE_BPS) revert RewardShareOutOfRange(settings_.rewardShareBps);
        _settings = settings_;
        emit SettingsSet(settings_.bufferBps, settings_.penaltyBps, settings_.rewardShareBps);
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {PoseidonT6} from "poseidon-solidity/PoseidonT6.sol";
import {IRiskParameters, LiquidationTerms} from "./interfaces/IRiskParameters.sol";
import {LiquidationTermsBounds} from "./libraries/LiquidationTermsBounds.sol";
import {ParameterWords, Parameters} from "./libraries/ParameterWords.sol";

/// @title Governed risk parameters
/// @notice Margin parameters and liquidation terms of each underlying, in versions behind a timelock. The owner proposes; after the delay
/// anyone executes; owner and guardians cancel. Every version stays readable, for proofs and auctions that go by it.
/// @dev Bounds and the limits of one step are checked when a configuration is proposed. They rest on the version in force alone, which
/// cannot change while a proposal waits, so that they need no second check.
contract RiskParameters is IRiskParameters, Ownable2Step, ReentrancyGuardTransient {
    /// @notice A configuration that waits.
    /// @param configurationHash of underlying, parameters and terms; 0 when none waits
    /// @param executableFrom from when on it may be executed, in seconds
    /// @param expiresAt last second in which it may be executed
    struct Proposal {
        bytes32 configurationHash;
        uint40 executableFrom;
        uint40 expiresAt;
    }

    /// @notice A configuration that is or was in force.
    struct Version {
        uint256 commitment;
        uint256[5] words;
        LiquidationTerms terms;
    }

    /// @notice A configuration was proposed.
    event ConfigurationProposed(
        uint32 indexed underlyingId,
        bytes32 indexed configurationHash,
        uint256 executableFrom,
        uint256 expiresAt,
        Parameters parameters,
        LiquidationTerms terms
    );
    /// @notice A configuration is in force.
    /// @param version counts from 1 for each underlying
    /// @param commitment Poseidon hash of the words
    /// @param words header and four scenario words, as committed to
    event ConfigurationSet(
        uint32 indexed underlyingId,
        uint64 indexed version,
        uint256 indexed commitment,
        Parameters parameters,
        uint256[5] words,
        LiquidationTerms terms
    );
    /// @notice A proposal was withdrawn.
    event ConfigurationCancelled(uint32 indexed underlyingId, bytes32 indexed configurationHash, address indexed by);
    /// @notice An address became a guardian, or is none any more.
    event GuardianSet(address indexed guardian, bool allowed);

    /// @notice The delay is too short for a chain where money is, or too long for any.
    error DelayOutOfRange(uint256 value);
    /// @notice A proposal waits already, and has not expired.
    error ProposalPending(uint32 underlyingId, uint256 expiresAt);
    /// @notice No proposal waits.
    error NoProposal(uint32 underlyingId);
    /// @notice What is to be executed is not what was proposed.
    error ProposalMismatch(bytes32 proposed, bytes32 given);
    /// @notice The delay has not passed.
    error ProposalNotReady(uint256 executableFrom);
    /// @notice The proposal waited for too long.
    error ProposalExpired(uint256 expiresAt);
    /// @notice Only the owner and guardians cancel.
    error NotGuardian(address sender);

    /// @notice Least delay, in seconds, except on chains with the ids 31337 and 1337, which are local.
    uint256 public constant LEAST_DELAY = 2 days;
    /// @notice Largest delay, in seconds: a mistyped one must not freeze the parameters.
    uint256 public constant LARGEST_DELAY = 30 days;
    /// @notice For how long a proposal may be executed after its delay, in seconds. Then the markets it was made for are gone.
    uint256 public constant GRACE_PERIOD = 14 days;

    /// @notice Seconds between the proposal of a change and its first possible execution.
    uint256 public immutable delay;

    /// @inheritdoc IRiskParameters
    mapping(uint32 underlyingId => uint64 version) public versionOf;
    /// @notice Whether an address may cancel proposals.
    mapping(address guardian => bool allowed) public isGuardian;
    /// @notice The configuration of each underlying that waits.
    mapping(uint32 underlyingId => Proposal) public proposalOf;
    mapping(uint32 underlyingId => mapping(uint64 version => Version)) private _versions;

    /// @param owner_ proposes, cancels, and names guardians
    /// @param delay_ seconds, at most 30 days, and at least 2 days unless the chain is local
    constructor(address owner_, uint256 delay_) Ownable(owner_) {
        bool isLocal = block.chainid == 31_337 || block.chainid == 1_337;
        if ((delay_ < LEAST_DELAY && !isLocal) || delay_ > LARGEST_DELAY) revert DelayOutOfRange(delay_);
        delay = delay_;
    }

    /// @notice Names a guardian, or dismisses one.
    function setGuardian(address guardian, bool allowed) external onlyOwner nonReentrant {
        isGuardian[guardian] = allowed;
        emit GuardianSet(guardian, allowed);
    }

    /// @notice Proposes the next version. The first of an underlying may be executed at once, as nobody can hold a position before it.
    /// @return configurationHash what `execute` will compare with
    function propose(uint32 underlyingId, Parameters calldata parameters, LiquidationTerms calldata terms)
        external
        onlyOwner
        nonReentrant
        returns (bytes32 configurationHash)
    {
        Proposal storage proposal = proposalOf[underlyingId];
        if (proposal.configurationHash != 0 && block.timestamp <= proposal.expiresAt) {
            revert ProposalPending(underlyingId, proposal.expiresAt);
        }
        _validate(underlyingId, parameters, terms);

        uint256 executableFrom = block.timestamp + (versionOf[underlyingId] == 0 ? 0 : delay);
        uint256 expiresAt = executableFrom + GRACE_PERIOD;
        configurationHash = hashOf(underlyingId, parameters, terms);
        // Times of this millennium fit.
        // forge-lint: disable-next-line(unsafe-typecast)
        proposalOf[underlyingId] = Proposal(configurationHash, uint40(executableFrom), uint40(expiresAt));
        emit ConfigurationProposed(underlyingId, configurationHash, executableFrom, expiresAt, parameters, terms);
    }

    /// @notice Puts a proposal in force. Anyone may.
    /// @param parameters as proposed
    /// @param terms as proposed
    /// @return version its number
    /// @return commitment Poseidon hash of the header and the four scenario words
    function execute(uint32 underlyingId, Parameters calldata parameters, LiquidationTerms calldata terms)
        external
        nonReentrant
        returns (uint64 version, uint256 commitment)
    {
        Proposal memory proposal = proposalOf[underlyingId];
        if (proposal.configurationHash == 0) revert NoProposal(underlyingId);
        bytes32 given = hashOf(underlyingId, parameters, terms);
        if (given != proposal.configurationHash) revert ProposalMismatch(proposal.configurationHash, given);
        if (block.timestamp < proposal.executableFrom) revert ProposalNotReady(proposal.executableFrom);
        if (block.timestamp > proposal.expiresAt) revert ProposalExpired(proposal.expiresAt);

        delete proposalOf[underlyingId];
        uint256[5] memory words = ParameterWords.pack(parameters);
        commitment = PoseidonT6.hash(words);
        version = ++versionOf[underlyingId];
        _versions[underlyingId][version] = Version(commitment, words, terms);
        emit ConfigurationSet(underlyingId, version, commitment, parameters, words, terms);
    }

    /// @notice Withdraws the proposal that waits, also an expired one.
    function cancel(uint32 underlyingId) external nonReentrant {
        if (msg.sender != owner() && !isGuardian[msg.sender]) revert NotGuardian(msg.sender);
        bytes32 configurationHash = proposalOf[underlyingId].configurationHash;
        if (configurationHash == 0) revert NoProposal(underlyingId);
        delete proposalOf[underlyingId];
        emit ConfigurationCancelled(underlyingId, configurationHash, msg.sender);
    }

    /// @inheritdoc IRiskParameters
    function commitmentAt(uint32 underlyingId, uint64 version) external view returns (uint256 commitment) {
        return _known(underlyingId, version).commitment;
    }

    /// @inheritdoc IRiskParameters
    function initialLevelAt(uint32 underlyingId, uint64 version) external view returns (uint16 level) {
        return _known(underlyingId, version).terms.initialLevel;
    }

    /// @inheritdoc IRiskParameters
    function termsAt(uint32 underlyingId, uint64 version) external view returns (LiquidationTerms memory terms) {
        return _known(underlyingId, version).terms;
    }

    /// @notice The header and the four scenario words of a version.
    function wordsAt(uint32 underlyingId, uint64 version) external view returns (uint256[5] memory words) {
        return _known(underlyingId, version).words;
    }

    /// @notice What a proposal is recognised by.
    function hashOf(uint32 underlyingId, Parameters calldata parameters, LiquidationTerms calldata terms)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(underlyingId, parameters, terms));
    }

    function _validate(uint32 underlyingId, Parameters memory parameters, LiquidationTerms memory terms) private view {
        ParameterWords.validate(parameters);
        ParameterWords.validateDirections(parameters);
        LiquidationTermsBounds.validate(terms);
        uint64 version = versionOf[underlyingId];
        if (version == 0) return;
        Version storage previous = _versions[underlyingId][version];
        ParameterWords.requireSteps(previous.words, ParameterWords.pack(parameters));
        LiquidationTermsBounds.requireSteps(previous.terms, terms);
    }

    function _known(uint32 underlyingId, uint64 version) private view returns (Version storage) {
        if (version == 0 || version > versionOf[underlyingId]) revert UnknownVersion(underlyingId, version);
        return _versions[underlyingId][version];
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
import {Consents} from "./house/Consents.sol";
import {HouseLedger} from "./house/HouseLedger.sol";
import {Groth16Proof} from "./interfaces/Groth16.sol";
import {Account, Coverage, IClearingHouse, SliceMove} from "./interfaces/IClearingHouse.sol";
import {CollateralValues, ICollateralVault} from "./interfaces/ICollateralVault.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {IProofGate, SettlementClaim, SolvencyClaim, TransferClaim} from "./interfaces/IProofGate.sol";
import {
    CollateralWithdrawal,
    SettlementRequest,
    TradeProofs,
    TradeRequest,
    TradeSide,
    WithdrawalRequest
} from "./interfaces/Requests.sol";
import {IRiskOracle} from "./interfaces/IRiskOracle.sol";
import {IRiskParameters} from "./interfaces/IRiskParameters.sol";
import {LiquidationMath} from "./libraries/LiquidationMath.sol";
import {Openings} from "./libraries/Openings.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {Units} from "./libraries/Units.sol";

/// @notice Fee of a trade, charged to each of its two accounts.
/// @param flat in 1e-6 units
/// @param bps of the cash that moves, in basis points, rounded up
struct TradeFee {
    uint64 flat;
    uint16 bps;
}

/// @title The clearing house
/// @notice Accounts with hidden positions: deposits, withdrawals, trades, settlements, and slices that liquidations move.
///
/// Positions change by proof alone: a transfer proof shows that a trade created nothing, a settlement proof that expired legs were paid
/// exactly, and a slice keeps the commitment and splits the scale. Cash leaves an account with positions only when a solvency proof at the
/// newest round shows that the rest covers the initial requirement, so that no owner takes out what his positions may cost others.
///
/// **Nobody can stop an account's owner** but for these reasons: an auction of the account runs; withdrawals in tokens are gated; other
/// accounts owe so much cash that the tokens do not suffice; the round is stale. Strangers can pay an account in and settle its expired
/// legs, nothing else: a payment voids no proof, and each leg is settled once.
/// @dev The owner wires engines, auction house and custodians and sets fees. It is meant to be a timelock, so that each change is seen before
/// it takes effect: an engine is trusted with every account.
contract ClearingHouse is HouseLedger, Consents {
    /// @notice The sender does not own the account.
    error NotAccountOwner(uint256 accountId, address sender);
    /// @notice The sender is not an engine.
    error NotEngine(address sender);
    /// @notice The sender is not the auction house.
    error NotAuctionHouse(address sender);
    /// @notice The custodian is not registered.
    error NotCustodian(address custodian);
    /// @notice Fees are above their bounds.
    error FeeOutOfBounds(uint256 flat, uint256 bps);
    /// @notice Both sides are one account.
    error SameAccount(uint256 accountId);
    /// @notice Two accounts have different underlyings.
    error UnderlyingMismatch(uint32 expected, uint32 actual);
    /// @notice An auction of the account runs.
    error AccountInAuction(uint256 accountId);
    /// @notice The account's auction has this state already.
    error AuctionUnchanged(uint256 accountId, bool inAuction);
    /// @notice The account has no positions.
    error NoPositions(uint256 accountId);
    /// @notice The proof assumes more cash than the account has with its fresh collateral of other underlyings.
    error ProvenCashTooHigh(uint256 accountId, int256 provenCash, int256 available);
    /// @notice Less would be paid than the owner accepts.
    error PaidTooLittle(uint256 paid, uint256 minPaid);
    /// @notice The insurance fund's cash is needed for deficits.
    error FundEngaged();
    /// @notice The trade's cash is not within (-2^96, 2^96).
    error TradeCashOutOfRange(int256 cash);
    /// @notice The opening is empty where one is published, not empty where none is, too long, or ends with an unused leg.
    error MalformedOpening(uint256 accountId);
    /// @notice A settlement has no hours, more than 4, or hours that do not increase.
    error InvalidExpiryHours();
    /// @notice A slice has a scale of 0, or one above the account's.
    error SliceOutOfRange(uint256 scaleTaken, uint256 scale);
    /// @notice The vessel has other positions.
    error VesselOccupied(uint256 vesselId);
    /// @notice The vessel holds the same positions, and so many of them that the slice is dust beside them: use another vessel.
    error SliceTooSmallForVessel(uint256 scaleTaken, uint256 least);
    /// @notice The account would owe cash at a scale that is too small for a part of it to be sold.
    error ScaleTooSmall(uint256 accountId, uint256 scale, uint256 least);
    /// @notice The vessel's scale would not be below 2^64.
    error VesselScaleOutOfRange(uint256 vesselId);
    /// @notice The vessel would hold less than the slice needs.
    error VesselUnderfunded(uint256 vesselId, int256 held, int256 needed);
    /// @notice A reward is above its fee.
    error RewardAboveFee(uint256 reward, uint256 fee);

    /// @notice Tokens came in.
    event Deposited(uint256 indexed accountId, address indexed payer, uint256 amount);
    /// @notice Tokens went out: cash fell by `amount`, `paid` was sent, and the rest lowered the open deficit.
    event Withdrawn(uint256 indexed accountId, address indexed recipient, uint256 amount, uint256 paid);
    /// @notice Cash moved from one account to another at the will of the first one's owner.
    event CashMoved(uint256 indexed from, uint256 indexed to, uint256 amount);
    /// @notice Two accounts traded; each was charged the fee.
    event Traded(uint256 indexed accountA, uint256 indexed accountB, int256 cashToA, uint256 fee, uint64 round);
    /// @notice New positions, whose commitment `legs` and `salt` open.
    event PositionsPublished(
        uint256 indexed accountId, uint64 nonce, uint256 commitment, uint64 scale, uint256[] legs, uint256 salt
    );
    /// @notice New positions, whose opening a custodian holds.
    event PositionsWithheld(
        uint256 indexed accountId, uint64 nonce, uint256 commitment, uint64 scale, address indexed custodian
    );
    /// @notice A trade left an account without positions.
    event PositionsClosed(uint256 indexed accountId, uint64 nonce);
    /// @notice Expired legs were paid; the new commitment follows from the old opening and the hours.
    event Settled(uint256 indexed accountId, uint64 nonce, uint32[] expiryHours, int256 cash, uint256 newCommitment);
    /// @notice A slice moved. Nonces are those after it; the coverage sums to the subsidy.
    event SliceMoved(
        uint256 indexed accountId,
        uint256 indexed vesselId,
        address indexed keeper,
        uint64 nonce,
        uint64 vesselNonce,
        uint64 scaleTaken,
        int256 cashTaken,
        uint256 traderProceeds,
        uint256 fundFee,
        Coverage coverage
    );
    /// @notice An account was charged a fee, of which another account received the reward.
    event FeeCharged(uint256 indexed accountId, uint256 fee, uint256 indexed rewardAccountId, uint256 reward);
    /// @notice An auction of an account started or ended.
    event AuctionStateSet(uint256 indexed accountId, bool inAuction);
    /// @notice Consents given with an earlier number are void.
    event ConsentsCancelled(uint256 indexed accountId, uint256 consentNonce);
    /// @notice A contract may move slices and charge fees, or no longer may.
    event EngineSet(address indexed engine, bool enabled);
    /// @notice The auction house has been set.
    event AuctionHouseSet(address indexed auctionHouse);
    /// @notice A custodian was registered or removed.
    event CustodianSet(address indexed custodian, bool registered);
    /// @notice The fee of trades has been set.
    event TradeFeeSet(uint256 flat, uint256 bps);

    /// @notice Largest flat fee of a trade and side, in 1e-6 units.
    uint256 public constant MAX_FLAT_FEE = 100e6;
    /// @notice Largest fee on the cash that moves, in basis points.
    uint256 public constant MAX_FEE_BPS = 100;
    /// @notice Most legs of a published opening: with a salt, 33 coefficients.
    uint256 public constant MAX_LEGS = 32;
    /// @dev Legs of the transfer circuit.
    uint8 private constant TRANSFER_CAPACITY = 16;
    uint256 private constant BASIS = Units.BASIS;
    /// @notice A slice is at least this part of what its vessel holds already.
    uint256 public constant VESSEL_DIVISOR = 20;
    /// @notice Least scale of an account that owes cash after a trade or a withdrawal, in 2^-40. A sale of slices leaves up to a unit of scale
    /// unsold: a debt behind a scale of 1 could not be sold at all. What positions alone can owe is bounded by their scale.
    uint256 public constant LEAST_OWING_SCALE = 2 ** 30;

    /// @notice Judges proofs.
    IProofGate public immutable gate;
    /// @notice Where settlement prices are read.
    IRiskOracle public immutable oracle;
    /// @notice Where versions and initial levels are read.
    IRiskParameters public immutable parameters;
    /// @notice Holds collateral.
    ICollateralVault public immutable vault;
    /// @notice Marks auctions and reports what their accounts lack.
    address public auctionHouse;
    /// @notice Fee of trades.
    TradeFee public tradeFee;
    /// @notice Contracts that may move slices and charge fees.
    mapping(address engine => bool) public isEngine;
    /// @notice Who may hold openings that are not published.
    mapping(address custodian => bool) public isCustodian;

    modifier onlyEngine() {
        if (!isEngine[msg.sender]) revert NotEngine(msg.sender);
        _;
    }

    modifier onlyAuctionHouse() {
        if (msg.sender != auctionHouse) revert NotAuctionHouse(msg.sender);
        _;
    }

    /// @param asset_ ERC-20 with 6 decimals that neither takes fees nor changes balances by itself
    /// @param owner_ wires contracts and sets fees; a timelock where money is
    /// @param fund_ owns account 1, which is created here
    constructor(
        IERC20Metadata asset_,
        address owner_,
        IProofGate gate_,
        IRiskOracle oracle_,
        IRiskParameters parameters_,
        ICollateralVault vault_,
        IInsuranceFund fund_
    ) HouseLedger(asset_, owner_, fund_) {
        if (
            address(gate_) == address(0) || address(oracle_) == address(0) || address(parameters_) == address(0)
                || address(vault_) == address(0)
        ) revert ZeroAddress();
        gate = gate_;
        oracle = oracle_;
        parameters = parameters_;
        vault = vault_;
    }

    // Wiring

    /// @notice Lets a contract move slices and charge fees, or stops it. An engine is trusted with every account.
    function setEngine(address engine, bool enabled) external onlyOwner nonReentrant {
        if (engine == address(0)) revert ZeroAddress();
        isEngine[engine] = enabled;
        emit EngineSet(engine, enabled);
    }

    /// @notice Sets the auction house. Accounts whose auctions run at the old one stay marked until the new one releases them.
    /// @param auctionHouse_ zero for none
    function setAuctionHouse(address auctionHouse_) external onlyOwner nonReentrant {
        auctionHouse = auctionHouse_;
        emit AuctionHouseSet(auctionHouse_);
    }

    /// @notice Registers a custodian of openings, or removes it. What it holds already is not touched.
    function setCustodian(address custodian, bool registered) external onlyOwner nonReentrant {
        if (custodian == address(0)) revert ZeroAddress();
        isCustodian[custodian] = registered;
        emit CustodianSet(custodian, registered);
    }

    /// @notice Sets the fee of trades. Signed consents bound what they accept.
    function setTradeFee(uint64 flat, uint16 bps) external onlyOwner nonReentrant {
        if (flat > MAX_FLAT_FEE || bps > MAX_FEE_BPS) revert FeeOutOfBounds(flat, bps);
        tradeFee = TradeFee(flat, bps);
        emit TradeFeeSet(flat, bps);
    }

    // Accounts, cash and collateral

    /// @notice Creates an empty account of the sender.
    /// @param underlyingId the underlying of all its legs, for good
    function createAccount(uint32 underlyingId) external nonReentrant returns (uint256 accountId) {
        return _createAccount(msg.sender, underlyingId);
    }

    /// @notice Creates accounts of the sender with cash in them, with one payment: vessels for liquidations.
    /// @return firstAccountId the others have the ids that follow
    function createFundedAccounts(uint32 underlyingId, uint256[] calldata amounts)
        external
        nonReentrant
        returns (uint256 firstAccountId)
    {
        firstAccountId = accountCount + 1;
        uint256 sum = 0;
        for (uint256 index = 0; index < amounts.length; index++) {
            uint256 accountId = _createAccount(msg.sender, underlyingId);
            uint256 amount = amounts[index];
            if (amount == 0) revert ZeroAmount();
            _addCash(accountId, _accounts[accountId], _signed(accountId, amount));
            sum += amount;
            emit Deposited(accountId, msg.sender, amount);
        }
        if (sum == 0) revert ZeroAmount();
        _receiveTokens(msg.sender, sum);
    }

    /// @notice Pays into an account; anyone may, also while it is auctioned.
    function deposit(uint256 accountId, uint256 amount) external nonReentrant {
        Account storage account = _existing(accountId);
        if (amount == 0) revert ZeroAmount();
        _addCash(accountId, account, _signed(accountId, amount));
        emit Deposited(accountId, msg.sender, amount);
        _receiveTokens(msg.sender, amount);
    }

    /// @notice Gives collateral from the owner's wallet, which approves the vault.
    /// @dev The owner alone: gifts of dust would make an account dearer to liquidate, and its owner's vessels dearer to use.
    function depositCollateral(uint256 accountId, uint256 collateralId, uint256 amount) external nonReentrant {
        _requireOwner(accountId, _existing(accountId));
        vault.take(accountId, msg.sender, collateralId, amount);
    }

    /// @notice Takes cash out, or moves it to another account. With positions, what remains must be proven to cover the initial requirement;
    /// without, it must not be negative.
    /// @dev Cash that moves to another account stays in the house and is neither gated nor reduced.
    /// @param proof of solvency with context `ProofContext.solvency(this, WITHDRAWAL, accountId, nonce, round)`; ignored without positions
    function withdraw(WithdrawalRequest calldata request, Groth16Proof calldata proof) external nonReentrant {
        uint256 accountId = request.accountId;
        Account storage account = _withdrawable(accountId);
        if (request.amount == 0) revert ZeroAmount();
        if (accountId == FUND_ACCOUNT_ID && _fundEngaged()) revert FundEngaged();
        int256 amount = _signed(accountId, request.amount);
        _addCash(accountId, account, -amount);
        _requireMargin(
            accountId,
            account,
            _claim(request.provenCash, request.round, request.capacity),
            ProofContext.WITHDRAWAL,
            account.nonce,
            proof
        );
        uint256 recipientId = request.toAccountId;
        if (recipientId != 0) {
            if (recipientId == accountId) revert SameAccount(accountId);
            _addCash(recipientId, _existing(recipientId), amount);
            emit CashMoved(accountId, recipientId, request.amount);
            return;
        }
        uint256 paid = _bookPayment(request.amount);
        if (paid < request.minPaid) revert PaidTooLittle(paid, request.minPaid);
        emit Withdrawn(accountId, msg.sender, request.amount, paid);
        _sendTokens(msg.sender, paid);
    }

    /// @notice Takes collateral out, to the owner. It belongs to the account alone, so it is neither gated nor reduced.
    /// @dev Margin is judged after the tokens have left, when the vault values what remains. Nothing can be called in between: every entry
    /// point of house and vault is guarded, and a failed proof undoes all.
    /// @param proof as in `withdraw`
    function withdrawCollateral(CollateralWithdrawal calldata request, Groth16Proof calldata proof)
        external
        nonReentrant
    {
        uint256 accountId = request.accountId;
        Account storage account = _withdrawable(accountId);
        vault.give(accountId, msg.sender, request.collateralId, request.amount);
        _requireMargin(
            accountId,
            account,
            _claim(request.provenCash, request.round, request.capacity),
            ProofContext.WITHDRAWAL,
            account.nonce,
            proof
        );
    }

    // Trades and settlements

    /// @notice Voids all consents that the account's owner has signed and that were not used.
    function cancelConsents(uint256 accountId) external nonReentrant {
        _requireOwner(accountId, _existing(accountId));
        emit ConsentsCancelled(accountId, ++consentNonceOf[accountId]);
    }

    /// @notice Exchanges positions and cash between two accounts. Anyone may bring the consents of both owners.
    /// @dev Contexts, with nonces from before the trade: transfer `ProofContext.transfer(this, A, nonceA, B, nonceB, cashToA)`, solvency
    /// `ProofContext.solvency(this, TRADE, accountId, nonce, round)`. Both nonces grow by one.
    function trade(TradeRequest calldata request, TradeProofs calldata proofs) external nonReentrant {
        TradeSide calldata a = request.a;
        TradeSide calldata b = request.b;
        Account storage accountA = _existing(a.accountId);
        Account storage accountB = _existing(b.accountId);
        if (a.accountId == b.accountId) revert SameAccount(a.accountId);
        if (accountA.underlyingId != accountB.underlyingId) {
            revert UnderlyingMismatch(accountA.underlyingId, accountB.underlyingId);
        }
        if (accountA.inAuction) revert AccountInAuction(a.accountId);
        if (accountB.inAuction) revert AccountInAuction(b.accountId);
        int256 cashToA = request.cashToA;
        if (cashToA <= -CASH_LIMIT || cashToA >= CASH_LIMIT) revert TradeCashOutOfRange(cashToA);
        uint256 fee = tradeFee.flat + Math.ceilDiv(SignedMath.abs(cashToA) * tradeFee.bps, BASIS);
        _requireConsent(a, accountA, b.accountId, cashToA, fee);
        _requireConsent(b, accountB, a.accountId, -cashToA, fee);

        _requireTransfer(request, accountA, accountB, proofs.transfer);
        _applySide(a, accountA, cashToA, fee);
        _applySide(b, accountB, -cashToA, fee);
        _payFund(2 * fee);
        _requireSideMargin(a, accountA, request.round, proofs.solvencyA);
        _requireSideMargin(b, accountB, request.round, proofs.solvencyB);
        emit Traded(a.accountId, b.accountId, cashToA, fee, request.round);
    }

    /// @notice Pays an account's expired legs at the recorded prices; anyone may, also while the account is auctioned.
    /// @dev Context `ProofContext.settlement(this, accountId, nonce)`. The nonce grows by one. A proof exists only when at least one leg
    /// vanishes, so that nobody can move the nonce at will.
    function settle(SettlementRequest calldata request, Groth16Proof calldata proof) external nonReentrant {
        Account storage account = _existing(request.accountId);
        if (account.scale == 0) revert NoPositions(request.accountId);
        SettlementClaim memory claim;
        claim.cash = request.cash;
        claim.newCommitment = request.newCommitment;
        claim.oldCommitment = account.commitment;
        claim.scale = account.scale;
        claim.underlyingId = account.underlyingId;
        claim.context = ProofContext.settlement(address(this), request.accountId, account.nonce);
        claim.capacity = request.capacity;
        uint256 count = request.expiryHours.length;
        if (count == 0 || count > 4) revert InvalidExpiryHours();
        for (uint256 index = 0; index < count; index++) {
            uint32 hour = request.expiryHours[index];
            if (index != 0 && hour <= request.expiryHours[index - 1]) revert InvalidExpiryHours();
            claim.settlementWords[index] = oracle.settlementWord(claim.underlyingId, hour);
        }
        gate.requireSettlement(claim, proof);

        uint64 nonce = ++account.nonce;
        account.commitment = request.newCommitment;
        _addCash(request.accountId, account, request.cash);
        // The gate has refused cash outside (-2^96, 2^96).
        // forge-lint: disable-next-line(unsafe-typecast)
        _settlementFloat += int128(request.cash);
        emit Settled(request.accountId, nonce, request.expiryHours, request.cash, request.newCommitment);
    }

    // Liquidations

    /// @inheritdoc IClearingHouse
    /// @dev No tokens move and nobody is called but the fund and the vault, so nobody can make a liquidation fail. The vessel's collateral
    /// counts only at fresh prices: a worthless token with an old price must not pay for a slice.
    function moveSlice(SliceMove calldata slice) external onlyEngine nonReentrant returns (Coverage memory coverage) {
        Account storage account = _existing(slice.accountId);
        Account storage vessel = _vessel(slice, account);
        uint64 scale = account.scale;
        _moveSlicePositions(slice, account, vessel);
        coverage = _moveSliceCash(slice, account, vessel);
        _moveSliceCollateral(slice, vessel, scale);
        _emitSliceMoved(slice, account.nonce, vessel.nonce, coverage);
    }

    /// @inheritdoc IClearingHouse
    function chargeFee(uint256 accountId, uint256 fee, uint256 rewardAccountId, uint256 reward)
        external
        onlyEngine
        nonReentrant
    {
        Account storage account = _existing(accountId);
        if (reward > fee) revert RewardAboveFee(reward, fee);
        _addCash(accountId, account, -_signed(accountId, fee));
        // Below the fee, which is below 2^96.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (reward != 0) _addCash(rewardAccountId, _existing(rewardAccountId), int256(reward));
        _payFund(fee - reward);
        _requireNoBareDebt(accountId, account);
        emit FeeCharged(accountId, fee, rewardAccountId, reward);
    }

    /// @inheritdoc IClearingHouse
    function setInAuction(uint256 accountId, bool inAuction) external onlyAuctionHouse nonReentrant {
        Account storage account = _existing(accountId);
        if (account.inAuction == inAuction) revert AuctionUnchanged(accountId, inAuction);
        account.inAuction = inAuction;
        emit AuctionStateSet(accountId, inAuction);
    }

    /// @inheritdoc IClearingHouse
    function setPendingDeficit(uint256 accountId, uint256 deficit) external onlyAuctionHouse nonReentrant {
        _setPendingDeficit(accountId, deficit);
    }

    /// @inheritdoc IClearingHouse
    function collateralValueOf(uint256 accountId, bool onlyFresh)
        external
        view
        returns (CollateralValues memory values)
    {
        return vault.valuesOf(accountId, _accounts[accountId].underlyingId, onlyFresh);
    }

    // Internals

    function _requireOwner(uint256 accountId, Account storage account) private view {
        if (account.owner != msg.sender) revert NotAccountOwner(accountId, msg.sender);
    }

    function _withdrawable(uint256 accountId) private view returns (Account storage account) {
        account = _existing(accountId);
        _requireOwner(accountId, account);
        if (account.inAuction) revert AccountInAuction(accountId);
    }

    /// @dev Cash and other fresh collateral, and apart from them fresh collateral that moves with the account's underlying.
    function _freshAssets(uint256 accountId, Account storage account)
        private
        view
        returns (int256 steady, uint256 moving)
    {
        CollateralValues memory values = vault.valuesOf(accountId, account.underlyingId, true);
        moving = values.moving;
        // The vault cuts values below 2^96, and the part is at most the whole.
        // forge-lint: disable-next-line(unsafe-typecast)
        steady = account.cash + int256(values.value - moving);
    }

    /// @dev Refuses unless the account is safe after what has been done: without positions by owing nothing, with them by a proof at the
    /// initial level. The proven cash is not the account's own but at most that: a stranger's deposit between proof and
    /// transaction must not void the proof. Moving collateral is counted here and enters the proof as it is: a part of it could be safer than
    /// the whole. Only the owner gives any.
    /// @param claim holds the proof's cash, round and capacity; the rest is set here
    /// @param nonce that the proof binds
    function _requireMargin(
        uint256 accountId,
        Account storage account,
        SolvencyClaim memory claim,
        uint256 purpose,
        uint256 nonce,
        Groth16Proof calldata proof
    ) private view {
        if (account.scale == 0) {
            _requireNoBareDebt(accountId, account);
            return;
        }
        if (account.cash < 0 && account.scale < LEAST_OWING_SCALE) {
            revert ScaleTooSmall(accountId, account.scale, LEAST_OWING_SCALE);
        }
        int256 available;
        (available, claim.movingCollateral) = _freshAssets(accountId, account);
        if (claim.cash > available) revert ProvenCashTooHigh(accountId, claim.cash, available);
        uint32 underlyingId = account.underlyingId;
        claim.commitment = account.commitment;
        claim.scale = account.scale;
        claim.underlyingId = underlyingId;
        claim.version = parameters.versionOf(underlyingId);
        claim.level = parameters.initialLevelAt(underlyingId, claim.version);
        claim.context = ProofContext.solvency(address(this), purpose, accountId, nonce, claim.round);
        gate.requireSolvency(claim, proof);
    }

    /// @dev After the trade's effects, which have moved the nonce on.
    function _requireSideMargin(
        TradeSide calldata side,
        Account storage account,
        uint64 round,
        Groth16Proof calldata proof
    ) private view {
        _requireMargin(
            side.accountId,
            account,
            _claim(side.provenCash, round, side.capacity),
            ProofContext.TRADE,
            account.nonce - 1,
            proof
        );
    }

    function _claim(int256 provenCash, uint64 round, uint8 capacity) private pure returns (SolvencyClaim memory claim) {
        claim.cash = provenCash;
        claim.round = round;
        claim.capacity = capacity;
    }

    function _requireTransfer(
        TradeRequest calldata request,
        Account storage accountA,
        Account storage accountB,
        Groth16Proof calldata proof
    ) private view {
        TransferClaim memory claim;
        (claim.oldA, claim.scaleOldA, claim.pointA, claim.evaluationA) = _transferSide(request.a, accountA);
        (claim.oldB, claim.scaleOldB, claim.pointB, claim.evaluationB) = _transferSide(request.b, accountB);
        claim.newA = request.a.newCommitment;
        claim.newB = request.b.newCommitment;
        claim.scaleNewA = request.a.newScale;
        claim.scaleNewB = request.b.newScale;
        claim.underlyingId = accountA.underlyingId;
        claim.context = ProofContext.transfer(
            address(this), request.a.accountId, accountA.nonce, request.b.accountId, accountB.nonce, request.cashToA
        );
        claim.capacity = TRANSFER_CAPACITY;
        gate.requireTransfer(claim, proof);
    }

    /// @return oldCommitment free without positions: its legs count times a scale of 0
    /// @return scale of the account before the trade
    /// @return point where the opening is compared; 0 when none is published
    /// @return evaluation of the opening there
    function _transferSide(TradeSide calldata side, Account storage account)
        private
        view
        returns (uint256 oldCommitment, uint64 scale, uint256 point, uint256 evaluation)
    {
        scale = account.scale;
        oldCommitment = scale == 0 ? side.emptyCommitment : account.commitment;
        uint256 count = side.opening.legs.length;
        if (side.newScale == 0 || side.opening.custodian != address(0)) {
            if (count != 0 || side.opening.salt != 0) revert MalformedOpening(side.accountId);
            return (oldCommitment, scale, 0, 0);
        }
        // Unused places at the end would not change the polynomial. Without them, what is published is the one canonical form.
        if (count > MAX_LEGS || (count != 0 && side.opening.legs[count - 1] == 0)) {
            revert MalformedOpening(side.accountId);
        }
        point = Openings.point(side.newCommitment, side.opening.legs, side.opening.salt);
        evaluation = Openings.evaluation(point, side.opening.legs, side.opening.salt);
    }

    /// @param cashIn what the account receives, signed
    function _applySide(TradeSide calldata side, Account storage account, int256 cashIn, uint256 fee) private {
        uint64 nonce = ++account.nonce;
        account.scale = side.newScale;
        // Fees are at most 1 % of 2^96 and 100e6.
        // forge-lint: disable-next-line(unsafe-typecast)
        _addCash(side.accountId, account, cashIn - int256(fee));
        if (side.newScale == 0) {
            account.commitment = 0;
            emit PositionsClosed(side.accountId, nonce);
            return;
        }
        account.commitment = side.newCommitment;
        address custodian = side.opening.custodian;
        if (custodian == address(0)) {
            emit PositionsPublished(
                side.accountId, nonce, side.newCommitment, side.newScale, side.opening.legs, side.opening.salt
            );
            return;
        }
        if (!isCustodian[custodian]) revert NotCustodian(custodian);
        _requireCustodyReceipt(side, nonce);
        emit PositionsWithheld(side.accountId, nonce, side.newCommitment, side.newScale, custodian);
    }

    /// @dev The account that a slice may go to: the keeper's, of the same underlying, free or with the same positions.
    function _vessel(SliceMove calldata slice, Account storage account) private view returns (Account storage vessel) {
        uint256 vesselId = slice.vesselId;
        vessel = _existing(vesselId);
        if (vesselId == slice.accountId) revert SameAccount(vesselId);
        if (vessel.owner != slice.keeper) revert NotAccountOwner(vesselId, slice.keeper);
        if (vessel.underlyingId != account.underlyingId) {
            revert UnderlyingMismatch(account.underlyingId, vessel.underlyingId);
        }
        if (vessel.inAuction) revert AccountInAuction(vesselId);
        if (vessel.scale != 0 && vessel.commitment != account.commitment) revert VesselOccupied(vesselId);
    }

    function _moveSlicePositions(SliceMove calldata slice, Account storage account, Account storage vessel) private {
        uint64 scale = account.scale;
        uint64 scaleTaken = slice.scaleTaken;
        if (scaleTaken == 0 || scaleTaken > scale) revert SliceOutOfRange(scaleTaken, scale);
        uint64 vesselScale = vessel.scale;
        if (scaleTaken > type(uint64).max - vesselScale) revert VesselScaleOutOfRange(slice.vesselId);
        // Each slice voids the proofs against its vessel as well. With dust from another own account, by a mild scenario, the owner of an account
        // below its requirement could do that block by block.
        uint256 least = Math.ceilDiv(vesselScale, VESSEL_DIVISOR);
        if (scaleTaken < least) revert SliceTooSmallForVessel(scaleTaken, least);
        ++account.nonce;
        ++vessel.nonce;
        if (vesselScale == 0) vessel.commitment = account.commitment;
        vessel.scale = vesselScale + scaleTaken;
        account.scale = scale - scaleTaken;
        if (scale == scaleTaken) account.commitment = 0;
    }

    function _moveSliceCash(SliceMove calldata slice, Account storage account, Account storage vessel)
        private
        returns (Coverage memory coverage)
    {
        int256 cashTaken = slice.cashTaken;
        if (cashTaken <= -CASH_LIMIT || cashTaken >= CASH_LIMIT) revert CashOutOfRange(slice.accountId);
        int256 proceeds = _signed(slice.accountId, slice.traderProceeds);
        int256 fundFee = _signed(FUND_ACCOUNT_ID, slice.fundFee);
        int256 subsidy = _signed(slice.vesselId, slice.subsidy);
        coverage = _drawSubsidy(account.underlyingId, slice.subsidy);
        _addCash(slice.accountId, account, proceeds - cashTaken);
        _addCash(slice.vesselId, vessel, cashTaken - proceeds - fundFee + subsidy);
        _payFund(slice.fundFee);
        _requireNoBareDebt(slice.accountId, account);
    }

    /// @dev Judges the vessel as well, by the figures of the proof, for all that it holds. They say nothing of a risk that the account does not have: moving collateral
    /// beyond the account's own, in proportion, counts for nothing. It is worth more than what it may add to a requirement.
    /// @param scale of the account before
    function _moveSliceCollateral(SliceMove calldata slice, Account storage vessel, uint64 scale) private {
        uint64 heldScale = vessel.scale;
        (uint256 givenOf, CollateralValues memory values) =
            vault.moveShare(slice.accountId, slice.vesselId, slice.scaleTaken, scale, vessel.underlyingId);
        // What so much of the account comes with: below 2^96 * 2^64 before the division.
        uint256 counted = Math.min(values.moving, givenOf * heldScale / scale);
        // The vault cuts values below 2^96, and parts are at most the whole.
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 held = vessel.cash + int256(values.value - values.moving + counted);
        int256 needed = LiquidationMath.vesselFloor(slice.proven, slice.bufferBps, heldScale, counted);
        if (held < needed) revert VesselUnderfunded(slice.vesselId, held, needed);
    }

    function _emitSliceMoved(SliceMove calldata slice, uint64 nonce, uint64 vesselNonce, Coverage memory coverage)
        private
    {
        emit SliceMoved(
            slice.accountId,
            slice.vesselId,
            slice.keeper,
            nonce,
            vesselNonce,
            slice.scaleTaken,
            slice.cashTaken,
            slice.traderProceeds,
            slice.fundFee,
            coverage
        );
    }
}

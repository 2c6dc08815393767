// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {AuctionProceedings} from "./auction/AuctionProceedings.sol";
import {AuctionState} from "./auction/AuctionState.sol";
import {Auction, AuctionContracts, AuctionReports, BidQuote, BidTerms} from "./auction/AuctionTypes.sol";
import {AuctionClaim, BidOrder, CancelRequest, TakeOverOrder} from "./interfaces/AuctionRequests.sol";
import {Groth16Proof} from "./interfaces/Groth16.sol";
import {IAuctionHouse, ISealedBidStage} from "./interfaces/IAuctionHouse.sol";
import {Account, Coverage, IClearingHouse, SliceMove} from "./interfaces/IClearingHouse.sol";
import {ILiquidatorRegistry} from "./interfaces/ILiquidatorRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {IRiskOracle} from "./interfaces/IRiskOracle.sol";
import {IRiskParameters} from "./interfaces/IRiskParameters.sol";
import {IWindDown} from "./interfaces/IWindDown.sol";
import {LiquidationMath, LiquidationState, PriceCurve, Sale, Takeover} from "./libraries/LiquidationMath.sol";

/// @title Auctions of accounts below their maintenance requirement
/// @notice One auction per account. Anyone starts it with an insolvency proof. First registered liquidators may bid under seal; then anyone buys
/// slices at a price that falls with time, until the account covers its requirement and the buffer. Accounts that are worth nothing
/// are taken over for a subsidy that rises with time. `refresh` replaces the proven figures by newer or worse ones, `cancel` ends the
/// auction with a proof of solvency.
///
/// Parameters and terms are those of the start for the whole auction.
///
/// **No bid voids another's work.** Proofs are made at the nonce and scale of the start, so that they stay valid while slices are sold; figures
/// are brought to the present scale by arithmetic. All payments are bookings between accounts of the clearing house.
/// @dev An insolvency proof shows one scenario that its maker picks. At one round a proof is only replaced by a worse one, and figures
/// must have stood for a while before they can end an auction: whoever records a mild scenario, to get away cheaply, is overruled
/// by anyone with the true one.
contract AuctionHouse is IAuctionHouse, AuctionReports, Ownable2Step, ReentrancyGuardTransient {
    /// @notice Time between the end of reveals and public bidding in which sealed bids are executed, in seconds.
    uint40 public constant FILL_SECONDS = AuctionState.FILL_SECONDS;
    /// @notice Figures can end an auction after this part of the largest proof age.
    uint256 public constant STANDING_DIVISOR = 4;
    /// @notice An account has reached its target when it lacks no more than this, and what one unit of scale makes, in 1e-6 USD: the rest
    /// is rounding of collateral and slices, which a slope multiplies by up to 8.
    uint256 public constant ROUNDING_SLACK = 100;

    /// @notice Source of rounds.
    IRiskOracle public immutable oracle;
    /// @notice Source of versions and terms.
    IRiskParameters public immutable parameters;
    /// @notice Holder of accounts.
    IClearingHouse public immutable house;
    /// @notice Judge of proofs.
    IProofGate public immutable gate;
    /// @notice List of backstops.
    ILiquidatorRegistry public immutable registry;
    /// @notice Where registered liquidators bid under seal; zero for none.
    ISealedBidStage public sealedBidStage;
    /// @notice Number of the last auction.
    uint64 public auctionCount;
    /// @notice When an account was last charged a fee; 0 for never.
    mapping(uint256 accountId => uint256) public feeChargedAt;
    mapping(uint256 accountId => Auction) private _auctions;

    constructor(
        address owner_,
        IRiskOracle oracle_,
        IRiskParameters parameters_,
        IClearingHouse house_,
        IProofGate gate_,
        ILiquidatorRegistry registry_
    ) Ownable(owner_) {
        if (
            address(oracle_) == address(0) || address(parameters_) == address(0) || address(house_) == address(0)
                || address(gate_) == address(0) || address(registry_) == address(0)
        ) revert ZeroAddress();
        oracle = oracle_;
        parameters = parameters_;
        house = house_;
        gate = gate_;
        registry = registry_;
    }

    /// @notice Sets the sealed-bid stage, for auctions that start from now on. Owner only.
    /// @param stage zero for none
    function setSealedBidStage(ISealedBidStage stage) external onlyOwner nonReentrant {
        sealedBidStage = stage;
        emit SealedBidStageSet(address(stage));
    }

    // Start, refresh, restart

    /// @notice Starts an auction of an account below its requirement. An auction that a settlement has superseded is replaced.
    /// @dev Proof context: `ProofContext.insolvency(this, accountId, nonce, round, sender)`. Within the cool-off after a fee no second one is
    /// charged, and no reward paid.
    /// @param rewardAccountId receives the reward; any account that exists
    /// @return auctionNumber of the new auction
    function start(AuctionClaim calldata claim, uint256 rewardAccountId, Groth16Proof calldata proof)
        external
        nonReentrant
        returns (uint64 auctionNumber)
    {
        auctionNumber = ++auctionCount;
        int256 worth = AuctionProceedings.open(
            _auctions, feeChargedAt, _contracts(), auctionNumber, claim, rewardAccountId, proof
        );
        _markInsolvency(claim.accountId, worth);
    }

    /// @notice Replaces the proven figures by those of a newer round, or by worse ones of the same round; anyone may.
    /// @dev Proof context: `ProofContext.insolvency(this, accountId, startNonce, round, sender)`; commitment and scale are those of the start.
    /// Worse means that requirement less mark is larger at the account's present scale and collateral: its cash is the same for both.
    function refresh(AuctionClaim calldata claim, Groth16Proof calldata proof) external nonReentrant {
        int256 worth = AuctionProceedings.refresh(_auctions, _contracts(), claim, proof, false);
        _markInsolvency(claim.accountId, worth);
    }

    /// @notice A refresh after the price curve has ended, which starts it anew; figures that are as bad as those recorded suffice.
    /// @dev No fee is charged and no reward paid.
    function restart(AuctionClaim calldata claim, Groth16Proof calldata proof) external nonReentrant {
        int256 worth = AuctionProceedings.refresh(_auctions, _contracts(), claim, proof, true);
        _markInsolvency(claim.accountId, worth);
    }

    /// @notice Starts the clock of subsidies when deposits or collateral have left the account worth nothing by the recorded figures,
    /// stops it when they have given it some, and reports what it lacks; anyone may. The figures must be of the newest round.
    function poke(uint256 accountId) external nonReentrant {
        Auction memory auction = _auctions[accountId];
        Account memory account = house.getAccount(accountId);
        _requireRunning(accountId, auction, account);
        _requireYoung(auction, account.underlyingId);
        _requireNewest(auction, account.underlyingId);
        _markInsolvency(accountId, LiquidationMath.worthOf(AuctionState.present(house, accountId, auction, account)));
    }

    // Bids

    /// @notice Buys a slice of an account that is worth something. The sender is the bidder, and owns the vessel.
    /// @dev A bid leaves nothing of what is for sale, or at least the smallest part that the next bid may take: what it wants is cut for that.
    /// @return quote every figure of the sale
    function bid(BidOrder calldata order) external nonReentrant returns (BidQuote memory quote) {
        if (block.timestamp > order.deadline) revert DeadlinePassed(order.deadline);
        Auction memory auction = _auctions[order.accountId];
        Account memory account = house.getAccount(order.accountId);
        _requireRunning(order.accountId, auction, account);
        _requireExpected(auction, order.auctionNumber, order.round);
        if (order.asBackstop) _requireBackstop();
        quote = _quoteBid(order.accountId, auction, account, order.maxScale, order.asBackstop);
        uint256 scaleTaken = quote.sale.scaleTaken;
        _requireSize(scaleTaken, quote.sale.maxScale, quote.leastScale, order.minScale);
        if (quote.sale.proceeds > order.maxPayment) {
            revert PaymentAboveLimit(quote.sale.proceeds, order.maxPayment);
        }
        _sell(order.accountId, auction, account, msg.sender, order.vesselId, quote);
    }

    /// @inheritdoc IAuctionHouse
    function fillSealed(uint256 accountId, address bidder, uint256 vesselId, uint256 factorBps, uint256 maxScale)
        external
        nonReentrant
        returns (uint256 scaleTaken)
    {
        if (msg.sender != address(sealedBidStage)) revert NotSealedBidStage(msg.sender);
        // An earlier bid may have ended the auction.
        if (_auctions[accountId].number == 0) return 0;
        Auction memory auction = _auctions[accountId];
        Account memory account = house.getAccount(accountId);
        _requireFillable(accountId, auction, account);
        if (factorBps < auction.terms.startFactorBps) {
            revert FactorBelowStart(factorBps, auction.terms.startFactorBps);
        }
        BidQuote memory quote;
        quote.state = AuctionState.present(house, accountId, auction, account);
        if (_isCovered(quote.state, auction.terms.bufferBps)) return 0;
        quote.factorBps = factorBps;
        _price(quote, auction.terms, maxScale);
        _sell(accountId, auction, account, bidder, vesselId, quote);
        return quote.sale.scaleTaken;
    }

    /// @notice Takes over a slice of an account that is worth nothing, for a subsidy from the waterfall. The sender owns the vessel.
    /// @dev When nobody has marked the account as insolvent yet, the subsidy is 0. The figures must be of the newest round.
    /// @return takeover every figure of it
    function takeOver(TakeOverOrder calldata order) external nonReentrant returns (Takeover memory takeover) {
        if (block.timestamp > order.deadline) revert DeadlinePassed(order.deadline);
        Auction memory auction = _auctions[order.accountId];
        Account memory account = house.getAccount(order.accountId);
        _requireRunning(order.accountId, auction, account);
        _requireExpected(auction, order.auctionNumber, order.round);
        if (order.asBackstop) _requireBackstop();
        LiquidationState memory state;
        uint256 leastScale;
        (takeover, leastScale, state) =
            _quoteTakeOver(order.accountId, auction, account, order.maxScale, order.asBackstop);
        _requireSize(takeover.scaleTaken, account.scale, leastScale, order.minScale);
        if (takeover.subsidy < order.minSubsidy) revert SubsidyBelowLimit(takeover.subsidy, order.minSubsidy);
        Coverage memory coverage = _takeOver(order, auction, takeover);
        _emitTakenOver(order, auction, account.nonce, state, takeover, coverage);
        if (takeover.scaleTaken == account.scale) {
            _end(order.accountId, auction.number, EndReason.TakenOver);
        } else {
            // What remains lacks its share of what was lacking.
            uint256 rest = account.scale - takeover.scaleTaken;
            // Below 2^64.
            // forge-lint: disable-next-line(unsafe-typecast)
            _markInsolvency(order.accountId, LiquidationMath.floorDiv(takeover.worth * int256(rest), account.scale));
        }
    }

    // Ends

    /// @notice Ends an auction with a proof that the account covers its maintenance requirement; anyone may bring it.
    /// @dev Context: `ProofContext.solvency(this, RECOVERY, accountId, nonce, round)`, at the account's present nonce, commitment and scale. An
    /// auction that a settlement has superseded is ended in the same way.
    function cancel(CancelRequest calldata request, Groth16Proof calldata proof) external nonReentrant {
        uint256 accountId = request.accountId;
        Auction memory auction = _auctions[accountId];
        if (auction.number == 0) revert NoAuction(accountId);
        AuctionProceedings.requireRecovery(_contracts(), auction.version, request, proof);
        _end(accountId, auction.number, EndReason.Recovered);
    }

    /// @notice Ends an auction without a proof; anyone may. The account reaches its target by figures that are young and have stood for a
    /// while, or a settlement has superseded the auction of an account that was worth something, or an earlier auction house has left
    /// the account marked.
    function close(uint256 accountId) external nonReentrant {
        Auction memory auction = _auctions[accountId];
        Account memory account = house.getAccount(accountId);
        if (auction.number == 0) {
            if (!account.inAuction) revert NoAuction(accountId);
            _setPendingDeficit(accountId, 0);
            _end(accountId, 0, EndReason.Released);
            return;
        }
        if (AuctionState.isSuperseded(auction, account)) {
            // Whoever knows of the deficit would settle, close, and take his money out, in one transaction.
            if (auction.insolventSince != 0) revert AwaitingProof(accountId);
            _end(accountId, auction.number, EndReason.Superseded);
            return;
        }
        _requireYoung(auction, account.underlyingId);
        uint256 standsAt = _standsAt(auction);
        if (block.timestamp < standsAt) revert FiguresTooNew(standsAt);
        LiquidationState memory state = AuctionState.present(house, accountId, auction, account);
        _requireConsistent(auction, state, account.underlyingId);
        if (!_isCovered(state, auction.terms.bufferBps)) {
            revert NotCovered(
                LiquidationMath.equityOf(state),
                LiquidationMath.targetOf(state.requirement, auction.terms.bufferBps)
            );
        }
        _end(accountId, auction.number, EndReason.Covered);
    }

    // Views

    /// @notice An account's running auction; all zero when none runs.
    function auctionOf(uint256 accountId) external view returns (Auction memory) {
        return _auctions[accountId];
    }

    /// @inheritdoc IAuctionHouse
    function stagesOf(uint256 accountId) external view returns (Stages memory stages) {
        Auction storage auction = _auctions[accountId];
        stages.auctionNumber = auction.number;
        stages.start = auction.start;
        stages.commitEnd = auction.start + auction.commitSeconds;
        stages.revealEnd = stages.commitEnd + auction.revealSeconds;
        stages.publicStart = auction.publicStart;
        stages.startFactorBps = auction.terms.startFactorBps;
    }

    /// @inheritdoc IAuctionHouse
    function requireFillable(uint256 accountId) external view {
        Auction memory auction = _auctions[accountId];
        Account memory account = house.getAccount(accountId);
        _requireFillable(accountId, auction, account);
        LiquidationState memory state = AuctionState.present(house, accountId, auction, account);
        _requireConsistent(auction, state, account.underlyingId);
        int256 worth = LiquidationMath.worthOf(state);
        if (worth <= 0) revert LiquidationMath.NoWorth(worth);
    }

    /// @notice What a bid would come to now; reverts as the bid would.
    /// @param maxScale most that is wanted, in 2^-40
    /// @param asBackstop whether at the backstops' discount
    function quoteBid(uint256 accountId, uint256 maxScale, bool asBackstop)
        external
        view
        returns (BidQuote memory quote)
    {
        Auction memory auction = _auctions[accountId];
        Account memory account = house.getAccount(accountId);
        _requireRunning(accountId, auction, account);
        return _quoteBid(accountId, auction, account, maxScale, asBackstop);
    }

    /// @notice What a takeover would come to now; reverts as the takeover would.
    /// @param maxScale most that is wanted, in 2^-40
    /// @param asBackstop whether as a backstop
    /// @return takeover every figure of it
    /// @return leastScale smallest part that may be taken unless it is all
    function quoteTakeOver(uint256 accountId, uint256 maxScale, bool asBackstop)
        external
        view
        returns (Takeover memory takeover, uint256 leastScale)
    {
        Auction memory auction = _auctions[accountId];
        Account memory account = house.getAccount(accountId);
        _requireRunning(accountId, auction, account);
        (takeover, leastScale,) = _quoteTakeOver(accountId, auction, account, maxScale, asBackstop);
    }

    /// @notice What cash and fresh collateral a vessel must at least have after a bid, by the recorded figures, in 1e-6 USD, signed.
    /// @param heldScale of the vessel, with the slice, in 2^-40
    /// @param movingCollateral value of the vessel's fresh collateral that is priced by the account's underlying, with the slice's share, in
    /// 1e-6 USD, below 2^96
    function vesselFloorOf(uint256 accountId, uint256 heldScale, uint256 movingCollateral)
        external
        view
        returns (int256)
    {
        Auction memory auction = _auctions[accountId];
        Account memory account = house.getAccount(accountId);
        _requireRunning(accountId, auction, account);
        return LiquidationMath.vesselFloor(
            AuctionState.proven(auction), auction.terms.bufferBps, heldScale, movingCollateral
        );
    }

    // Internals: records

    function _contracts() private view returns (AuctionContracts memory) {
        return AuctionContracts(oracle, parameters, house, gate, sealedBidStage);
    }

    /// @dev Starts or stops the clock of subsidies, and tells the clearing house what the account lacks.
    function _markInsolvency(uint256 accountId, int256 worth) private {
        Auction storage auction = _auctions[accountId];
        uint40 since = auction.insolventSince;
        if (worth > 0) {
            if (since == 0) return;
            auction.insolventSince = 0;
            emit InsolvencyMarked(accountId, auction.number, 0, 0);
            _setPendingDeficit(accountId, 0);
            return;
        }
        if (since == 0) {
            since = uint40(block.timestamp);
            auction.insolventSince = since;
        }
        // Not positive.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint256 deficit = uint256(-worth);
        emit InsolvencyMarked(accountId, auction.number, since, deficit);
        _setPendingDeficit(accountId, deficit);
    }

    function _end(uint256 accountId, uint64 auctionNumber, EndReason reason) private {
        bool marked = _auctions[accountId].insolventSince != 0;
        delete _auctions[accountId];
        emit AuctionEnded(accountId, auctionNumber, reason);
        if (marked) _setPendingDeficit(accountId, 0);
        house.setInAuction(accountId, false);
    }

    // Internals: bids

    function _quoteBid(
        uint256 accountId,
        Auction memory auction,
        Account memory account,
        uint256 maxScale,
        bool asBackstop
    ) private view returns (BidQuote memory quote) {
        _requireYoung(auction, account.underlyingId);
        quote.factorBps = _factorOf(auction, asBackstop);
        quote.state = AuctionState.present(house, accountId, auction, account);
        _requireConsistent(auction, quote.state, account.underlyingId);
        _price(quote, auction.terms, maxScale);
    }

    /// @dev Leaves no rest that is smaller than what the next bid may take.
    function _price(BidQuote memory quote, BidTerms memory terms, uint256 maxScale) private pure {
        Sale memory sale = LiquidationMath.sale(quote.state, terms.bufferBps, quote.factorBps, maxScale);
        quote.leastScale = Math.ceilDiv(sale.maxScale * terms.minBidBps, LiquidationMath.BASIS);
        uint256 rest = sale.maxScale - sale.scaleTaken;
        if (rest != 0 && rest < quote.leastScale) {
            sale = LiquidationMath.sale(
                quote.state, terms.bufferBps, quote.factorBps, sale.maxScale - quote.leastScale
            );
        }
        quote.sale = sale;
    }

    function _factorOf(Auction memory auction, bool asBackstop) private view returns (uint256) {
        BidTerms memory terms = auction.terms;
        if (asBackstop) return LiquidationMath.BASIS - terms.backstopBps;
        _requirePublic(auction);
        uint256 elapsed = block.timestamp - auction.publicStart;
        if (elapsed > terms.tailSeconds) revert AuctionExpired(uint256(auction.publicStart) + terms.tailSeconds);
        return LiquidationMath.factorAt(
            PriceCurve({
                startFactorBps: terms.startFactorBps,
                fastFactorBps: terms.fastFactorBps,
                cuspFactorBps: terms.cuspFactorBps,
                fastSeconds: terms.fastSeconds,
                tailSeconds: terms.tailSeconds
            }),
            elapsed
        );
    }

    function _sell(
        uint256 accountId,
        Auction memory auction,
        Account memory account,
        address bidder,
        uint256 vesselId,
        BidQuote memory quote
    ) private {
        Sale memory sale = quote.sale;
        // The clearing house keeps cash, of which this is a part, below 2^96.
        // forge-lint: disable-next-line(unsafe-typecast)
        _bookMove(accountId, uint128(sale.reservedAfter));
        SliceMove memory slice = _sliceOf(accountId, auction, bidder, vesselId, sale.scaleTaken, sale.cashTaken);
        slice.traderProceeds = sale.proceeds;
        house.moveSlice(slice);
        _emitBid(slice, auction, account.nonce, quote);
        if (sale.scaleTaken == sale.maxScale && block.timestamp >= _standsAt(auction)) {
            _end(accountId, auction.number, EndReason.Sold);
        } else if (auction.insolventSince != 0) {
            _markInsolvency(accountId, sale.worth);
        }
    }

    function _emitBid(SliceMove memory slice, Auction memory auction, uint64 nonce, BidQuote memory quote) private {
        emit BidExecuted(
            slice.accountId,
            slice.vesselId,
            slice.keeper,
            auction.number,
            auction.round,
            nonce,
            quote.factorBps,
            quote.state,
            quote.sale
        );
    }

    function _quoteTakeOver(
        uint256 accountId,
        Auction memory auction,
        Account memory account,
        uint256 maxScale,
        bool asBackstop
    ) private view returns (Takeover memory takeover, uint256 leastScale, LiquidationState memory state) {
        _requireYoung(auction, account.underlyingId);
        _requireNewest(auction, account.underlyingId);
        if (!asBackstop) _requirePublic(auction);
        BidTerms memory terms = auction.terms;
        state = AuctionState.subsidised(house, accountId, auction, account);
        uint256 elapsed = auction.insolventSince == 0
            ? 0
            : block.timestamp - AuctionState.subsidyRisesFrom(auction, block.timestamp);
        leastScale = Math.ceilDiv(state.scale * terms.minBidBps, LiquidationMath.BASIS);
        uint256 wanted = Math.min(maxScale, state.scale);
        if (wanted != state.scale && state.scale - wanted < leastScale) wanted = state.scale - leastScale;
        takeover = LiquidationMath.takeover(state, terms.bufferBps, elapsed, terms.insolventSeconds, wanted);
    }

    function _takeOver(
        TakeOverOrder calldata order,
        Auction memory auction,
        Takeover memory takeover
    ) private returns (Coverage memory) {
        _bookMove(order.accountId, 0);
        SliceMove memory slice = _sliceOf(
            order.accountId, auction, msg.sender, order.vesselId, takeover.scaleTaken, takeover.cashTaken
        );
        slice.subsidy = takeover.subsidy;
        return house.moveSlice(slice);
    }

    function _emitTakenOver(
        TakeOverOrder calldata order,
        Auction memory auction,
        uint64 nonce,
        LiquidationState memory state,
        Takeover memory takeover,
        Coverage memory coverage
    ) private {
        emit TakenOver(
            order.accountId,
            order.vesselId,
            msg.sender,
            auction.number,
            auction.round,
            nonce,
            state,
            takeover,
            coverage
        );
    }

    function _bookMove(uint256 accountId, uint128 reserved) private {
        Auction storage auction = _auctions[accountId];
        auction.moves += 1;
        auction.reserved = reserved;
    }

    function _sliceOf(
        uint256 accountId,
        Auction memory auction,
        address keeper,
        uint256 vesselId,
        uint256 scaleTaken,
        int256 cashTaken
    ) private pure returns (SliceMove memory slice) {
        slice.accountId = accountId;
        slice.vesselId = vesselId;
        slice.keeper = keeper;
        // At most the account's scale.
        // forge-lint: disable-next-line(unsafe-typecast)
        slice.scaleTaken = uint64(scaleTaken);
        slice.cashTaken = cashTaken;
        slice.proven = AuctionState.proven(auction);
        slice.bufferBps = auction.terms.bufferBps;
    }

    // Internals: checks and state

    // Records are read where they are needed and passed on: each function that returned them would clear memory for them first.

    function _requireExpected(Auction memory auction, uint64 auctionNumber, uint64 round) private pure {
        if (auction.number != auctionNumber || auction.round != round) {
            revert AuctionChanged(auction.number, auction.round);
        }
    }

    function _requireRunning(uint256 accountId, Auction memory auction, Account memory account) private pure {
        if (auction.number == 0) revert NoAuction(accountId);
        if (AuctionState.isSuperseded(auction, account)) revert AuctionSuperseded(accountId);
    }

    function _requireFillable(uint256 accountId, Auction memory auction, Account memory account) private view {
        _requireRunning(accountId, auction, account);
        uint256 revealEnd = uint256(auction.start) + auction.commitSeconds + auction.revealSeconds;
        if (block.timestamp <= revealEnd || block.timestamp >= auction.publicStart) {
            revert NotFillTime(revealEnd, auction.publicStart);
        }
        _requireYoung(auction, account.underlyingId);
    }

    function _setPendingDeficit(uint256 accountId, uint256 deficit) private {
        house.setPendingDeficit(accountId, deficit);
    }

    function _requirePublic(Auction memory auction) private view {
        if (block.timestamp < auction.publicStart) revert PublicBiddingNotOpen(auction.publicStart);
    }

    function _requireBackstop() private view {
        if (!registry.isBackstop(msg.sender)) revert NotBackstop(msg.sender);
    }

    /// @dev The round of an underlying that is wound down stays young: there will be no other. It has a number of its own, so that figures proven
    /// before the wind-down do not.
    function _requireYoung(Auction memory auction, uint32 underlyingId) private view {
        if (block.timestamp <= uint256(auction.provenAt) + auction.terms.maxProofAge) return;
        bool isLast = auction.round == oracle.latestRound(underlyingId)
            && IWindDown(address(oracle)).isWoundDown(underlyingId);
        if (!isLast) revert ProofTooOld(auction.provenAt);
    }

    /// @dev Collateral counts at the newest price, positions at the proven one. Where the two offset each other, a small move between the rounds makes
    /// worth, or a lack of it, that is not there; the fund would pay for it. What the fund pays for is of the newest round.
    function _requireNewest(Auction memory auction, uint32 underlyingId) private view {
        if (auction.round != oracle.latestRound(underlyingId)) revert ProofTooOld(auction.provenAt);
    }

    /// @dev Bids too go by the newest round where collateral, with what it does to the requirement, outweighs the requirement, hence its moves what
    /// is for sale. With less collateral the error is of the size of that of an old mark, and dust of it must not make each bid need a proof of its
    /// own.
    function _requireConsistent(Auction memory auction, LiquidationState memory state, uint32 underlyingId) private view {
        if (AuctionState.collateralOutweighs(auction, state)) _requireNewest(auction, underlyingId);
    }

    function _standsAt(Auction memory auction) private pure returns (uint256) {
        return uint256(auction.recordedAt) + auction.terms.maxProofAge / STANDING_DIVISOR;
    }

    function _requireSize(uint256 scaleTaken, uint256 whole, uint256 leastScale, uint256 minScale) private pure {
        if (scaleTaken < leastScale && scaleTaken != whole) revert BidTooSmall(scaleTaken, leastScale);
        if (scaleTaken < minScale) revert ScaleBelowLimit(scaleTaken, minScale);
    }

    function _isCovered(LiquidationState memory state, uint256 bufferBps) private pure returns (bool) {
        uint256 target = LiquidationMath.targetOf(state.requirement, bufferBps);
        // The largest sale lacks up to what one unit of scale makes of its need, which is at most target and haircuts.
        uint256 slack = ROUNDING_SLACK + (target + state.saleCollateral - state.collateral) / state.scale;
        // Below 2^101.
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 lack = int256(target) - LiquidationMath.equityOf(state);
        // forge-lint: disable-next-line(unsafe-typecast)
        return lack <= int256(slack) && LiquidationMath.worthOf(state) > 0;
    }
}

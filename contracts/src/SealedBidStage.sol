// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {IAuctionHouse, ISealedBidStage} from "./interfaces/IAuctionHouse.sol";
import {IHouseDeposits} from "./interfaces/IHouseDeposits.sol";
import {LiquidationMath} from "./libraries/LiquidationMath.sol";

/// @notice A registered liquidator's stake. Amounts are in 1e-6 units of the settlement asset.
/// @param stake tokens held here
/// @param locked part of the stake that open commitments stand for
/// @param withdrawableAt when a requested withdrawal may be made, in seconds since 1970-01-01 UTC; 0 without a request
/// @param active whether registered, with enough stake, and not about to withdraw
struct Liquidator {
    uint96 stake;
    uint96 locked;
    uint40 withdrawableAt;
    bool active;
}

/// @notice A sealed bid.
/// @param hash what was committed to
/// @param vesselId account of the bidder; 0 until revealed
/// @param bond part of the stake that the bid stands for, in 1e-6 units
/// @param maxScale most that is wanted, in 2^-40
/// @param factorBps price per unit of worth
struct SealedBid {
    bytes32 hash;
    uint256 vesselId;
    uint96 bond;
    uint64 maxScale;
    uint16 factorBps;
    SealedBidStage.BidState state;
}

/// @notice The sealed bids of an auction. Times are in seconds since 1970-01-01 UTC.
/// @param accountId account that is auctioned
/// @param startFactorBps least price factor of a bid
/// @param executed whether the bids have been executed
struct Book {
    uint256 accountId;
    uint40 commitEnd;
    uint40 revealEnd;
    uint40 publicStart;
    uint16 startFactorBps;
    bool executed;
    address[] bidders;
}

/// @title Sealed bids of registered liquidators, before an auction opens to everyone
/// @notice Liquidators commit to bids, reveal them, and the highest price factors buy first, each at its own. Nobody sees a bid before
/// all are made, and nobody is faster than another.
///
/// Each commitment stands for a bond out of the liquidator's stake. It is lost to the insurance fund by who does not reveal, or whose
/// vessel cannot pay; so a commitment is an obligation, also when the auction ends early: reveal, and the bond is free.
/// When nobody executes the bids in time, they lapse and public bidding begins; nothing here can hold an auction up.
contract SealedBidStage is ISealedBidStage, Ownable2Step, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using EnumerableSet for EnumerableSet.AddressSet;

    /// @notice Life of a sealed bid.
    enum BidState {
        None,
        Committed,
        Revealed,
        Released,
        Failed,
        Slashed
    }

    /// @notice An address is zero.
    error ZeroAddress();
    /// @notice The amount is 0, or too large.
    error AmountOutOfRange(uint256 amount);
    /// @notice The bond is 0, or above the minimum stake.
    error BondOutOfRange(uint256 bond, uint256 minimumStake);
    /// @notice There is no room for another liquidator.
    error TooManyLiquidators();
    /// @notice The asset took a fee from a transfer.
    error TransferAmountMismatch(uint256 expected, uint256 actual);
    /// @notice The sender is not registered, has too little stake, or is about to withdraw.
    error NotActive(address liquidator);
    /// @notice The stake that is not locked is below the bond.
    error StakeTooSmall(uint256 free, uint256 bond);
    /// @notice Bonds of commitments are open.
    error StakeLocked(uint256 locked);
    /// @notice No withdrawal was requested, or its time has not come.
    error NotWithdrawable(uint256 withdrawableAt);
    /// @notice No sealed bids are taken for the account now.
    error NotCommitTime(uint256 accountId);
    /// @notice The auction has all the commitments that it may have.
    error TooManyCommitments(uint64 auctionNumber);
    /// @notice The sender has committed to a bid already.
    error AlreadyCommitted(uint64 auctionNumber, address bidder);
    /// @notice Bids of this auction are not revealed now.
    error NotRevealTime(uint256 commitEnd, uint256 revealEnd);
    /// @notice The bid is not in the state that this call needs.
    error WrongBidState(uint64 auctionNumber, address bidder, BidState state);
    /// @notice The revealed bid is not the one committed to.
    error RevealMismatch();
    /// @notice The price factor is outside the range of sealed bids.
    error FactorOutOfRange(uint256 factorBps);
    /// @notice The bid is for nothing, or from no account.
    error EmptyBid();
    /// @notice Bids are executed after their reveals and before public bidding, once.
    error NotFillTime(uint256 revealEnd, uint256 publicStart);
    /// @notice The account's auction has no sealed bids to execute.
    error NothingToFill(uint256 accountId);
    /// @notice Too little gas was given to execute a bid: it might fail for that alone.
    error NotEnoughGas(uint256 available, uint256 needed);
    /// @notice The bid may still be revealed or executed.
    error TooEarly(uint256 until);

    /// @notice A liquidator was registered or removed.
    event LiquidatorSet(address indexed liquidator, bool registered);
    /// @notice Minimum stake and bond were set.
    event StakeTermsSet(uint256 minimumStake, uint256 bond);
    /// @notice A liquidator's stake changed.
    event StakeChanged(address indexed liquidator, uint256 stake);
    /// @notice A liquidator may take out its stake from then on.
    event WithdrawalRequested(address indexed liquidator, uint256 withdrawableAt);
    /// @notice A bid was made under seal.
    event BidCommitted(
        uint256 indexed accountId, uint64 indexed auctionNumber, address indexed bidder, bytes32 hash, uint256 bond
    );
    /// @notice A bid was revealed.
    event BidRevealed(
        uint256 indexed accountId,
        uint64 indexed auctionNumber,
        address indexed bidder,
        uint256 vesselId,
        uint256 factorBps,
        uint256 maxScale
    );
    /// @notice A revealed bid was executed; nothing was left for it when the scale is 0.
    event BidFilled(uint64 indexed auctionNumber, address indexed bidder, uint256 scaleTaken);
    /// @notice A revealed bid could not be executed.
    /// @param reason error of the auction house or the clearing house
    event BidFailed(uint64 indexed auctionNumber, address indexed bidder, bytes reason);
    /// @notice A bond is free again.
    event BondReleased(uint64 indexed auctionNumber, address indexed bidder, uint256 bond);
    /// @notice A bond went to the insurance fund.
    event BondSlashed(uint64 indexed auctionNumber, address indexed bidder, uint256 bond);

    /// @notice Most commitments of an auction.
    uint256 public constant MAX_COMMITMENTS = 16;
    /// @notice Most registered liquidators.
    uint256 public constant MAX_LIQUIDATORS = 64;
    /// @notice Largest price factor of a sealed bid, in basis points.
    uint256 public constant LARGEST_FACTOR_BPS = 12_000;
    /// @notice Time between the request of a withdrawal and the withdrawal, in seconds.
    uint256 public constant WITHDRAWAL_DELAY = 1 days;
    /// @notice Gas that each bid is executed with, neither more nor less: enough for an account with all kinds of collateral.
    uint256 public constant FILL_GAS = 1_500_000;
    /// @notice Account of the insurance fund in the clearing house.
    uint256 public constant FUND_ACCOUNT_ID = 1;

    /// @notice The settlement asset.
    IERC20 public immutable asset;
    /// @notice Where slashed bonds are paid in.
    IHouseDeposits public immutable house;
    /// @notice Where bids are executed.
    IAuctionHouse public immutable auctionHouse;
    /// @notice Least stake of an active liquidator, in 1e-6 units.
    uint96 public minimumStake;
    /// @notice Bond of a commitment, in 1e-6 units.
    uint96 public bond;
    /// @notice Number of active liquidators.
    uint256 public activeCount;
    /// @notice Stakes.
    mapping(address account => Liquidator) public liquidatorOf;
    EnumerableSet.AddressSet private _registered;
    mapping(uint64 auctionNumber => Book) private _books;
    mapping(uint64 auctionNumber => mapping(address bidder => SealedBid)) private _bids;

    /// @param asset_ settlement asset of the clearing house
    constructor(
        address owner_,
        IERC20 asset_,
        IHouseDeposits house_,
        IAuctionHouse auctionHouse_,
        uint96 minimumStake_,
        uint96 bond_
    ) Ownable(owner_) {
        if (address(asset_) == address(0) || address(house_) == address(0) || address(auctionHouse_) == address(0)) {
            revert ZeroAddress();
        }
        asset = asset_;
        house = house_;
        auctionHouse = auctionHouse_;
        _setStakeTerms(minimumStake_, bond_);
    }

    // Liquidators

    /// @notice Registers a liquidator, or removes it; its stake and open bids stay its own. Owner only.
    function setLiquidator(address liquidator, bool registered) external onlyOwner nonReentrant {
        if (liquidator == address(0)) revert ZeroAddress();
        if (registered) {
            _registered.add(liquidator);
            if (_registered.length() > MAX_LIQUIDATORS) revert TooManyLiquidators();
        } else {
            _registered.remove(liquidator);
        }
        emit LiquidatorSet(liquidator, registered);
        _updateActive(liquidator);
    }

    /// @notice Sets the minimum stake and the bond of commitments to come. Owner only.
    /// @param bond_ at least 1, at most the minimum stake
    function setStakeTerms(uint96 minimumStake_, uint96 bond_) external onlyOwner nonReentrant {
        _setStakeTerms(minimumStake_, bond_);
        uint256 count = _registered.length();
        for (uint256 index = 0; index < count; index++) {
            _updateActive(_registered.at(index));
        }
    }

    /// @notice Adds to the sender's stake, and takes back a request to withdraw.
    /// @param amount in 1e-6 units, at least 1
    function addStake(uint256 amount) external nonReentrant {
        Liquidator storage liquidator = liquidatorOf[msg.sender];
        if (amount == 0 || amount > type(uint96).max - liquidator.stake) revert AmountOutOfRange(amount);
        // Within 96 bits with the stake.
        // forge-lint: disable-next-line(unsafe-typecast)
        liquidator.stake += uint96(amount);
        liquidator.withdrawableAt = 0;
        emit StakeChanged(msg.sender, liquidator.stake);
        _updateActive(msg.sender);
        uint256 before = asset.balanceOf(address(this));
        asset.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = asset.balanceOf(address(this)) - before;
        if (received != amount) revert TransferAmountMismatch(amount, received);
    }

    /// @notice Announces that the sender withdraws its stake. From now on it makes no more bids.
    function requestWithdrawal() external nonReentrant {
        Liquidator storage liquidator = liquidatorOf[msg.sender];
        if (liquidator.stake == 0) revert AmountOutOfRange(0);
        // Seconds stay below 2^40 for 34,000 years.
        // forge-lint: disable-next-line(unsafe-typecast)
        liquidator.withdrawableAt = uint40(block.timestamp + WITHDRAWAL_DELAY);
        emit WithdrawalRequested(msg.sender, liquidator.withdrawableAt);
        _updateActive(msg.sender);
    }

    /// @notice Pays the sender's whole stake out, a day after the request and with no open commitments.
    function withdrawStake(address recipient) external nonReentrant {
        if (recipient == address(0)) revert ZeroAddress();
        Liquidator storage liquidator = liquidatorOf[msg.sender];
        uint256 withdrawableAt = liquidator.withdrawableAt;
        if (withdrawableAt == 0 || block.timestamp < withdrawableAt) revert NotWithdrawable(withdrawableAt);
        if (liquidator.locked != 0) revert StakeLocked(liquidator.locked);
        uint256 amount = liquidator.stake;
        liquidator.stake = 0;
        liquidator.withdrawableAt = 0;
        emit StakeChanged(msg.sender, 0);
        _updateActive(msg.sender);
        asset.safeTransfer(recipient, amount);
    }

    // Bids

    /// @notice Makes a bid under seal, one per liquidator and auction.
    /// @param hash `hashOf` the bid
    function commit(uint256 accountId, bytes32 hash) external nonReentrant {
        Liquidator storage liquidator = liquidatorOf[msg.sender];
        if (!liquidator.active) revert NotActive(msg.sender);
        IAuctionHouse.Stages memory stages = auctionHouse.stagesOf(accountId);
        if (stages.commitEnd == stages.start || block.timestamp > stages.commitEnd) revert NotCommitTime(accountId);
        uint64 number = stages.auctionNumber;
        SealedBid storage sealedBid = _bids[number][msg.sender];
        if (sealedBid.state != BidState.None) revert AlreadyCommitted(number, msg.sender);
        Book storage book = _books[number];
        if (book.bidders.length == MAX_COMMITMENTS) revert TooManyCommitments(number);
        if (book.bidders.length == 0) {
            book.accountId = accountId;
            book.commitEnd = stages.commitEnd;
            book.revealEnd = stages.revealEnd;
            book.publicStart = stages.publicStart;
            book.startFactorBps = stages.startFactorBps;
        }
        uint96 amount = bond;
        uint96 free = liquidator.stake - liquidator.locked;
        if (free < amount) revert StakeTooSmall(free, amount);
        liquidator.locked += amount;
        sealedBid.hash = hash;
        sealedBid.bond = amount;
        sealedBid.state = BidState.Committed;
        book.bidders.push(msg.sender);
        emit BidCommitted(accountId, number, msg.sender, hash, amount);
    }

    /// @notice Reveals the sender's bid, also when the auction has ended meanwhile.
    /// @param vesselId account of the sender that takes and pays
    /// @param factorBps price per unit of worth, from the curve's start to 12,000 basis points
    /// @param maxScale most that is wanted, in 2^-40, at least 1
    function reveal(uint64 auctionNumber, uint256 vesselId, uint256 factorBps, uint256 maxScale, bytes32 salt)
        external
        nonReentrant
    {
        Book storage book = _books[auctionNumber];
        if (block.timestamp <= book.commitEnd || block.timestamp > book.revealEnd) {
            revert NotRevealTime(book.commitEnd, book.revealEnd);
        }
        SealedBid storage sealedBid = _bids[auctionNumber][msg.sender];
        if (sealedBid.state != BidState.Committed) revert WrongBidState(auctionNumber, msg.sender, sealedBid.state);
        if (sealedBid.hash != hashOf(auctionNumber, msg.sender, vesselId, factorBps, maxScale, salt)) {
            revert RevealMismatch();
        }
        if (factorBps < book.startFactorBps || factorBps > LARGEST_FACTOR_BPS) revert FactorOutOfRange(factorBps);
        if (vesselId == 0 || maxScale == 0 || maxScale > type(uint64).max) revert EmptyBid();
        sealedBid.vesselId = vesselId;
        // Both were checked.
        // forge-lint: disable-next-line(unsafe-typecast)
        sealedBid.factorBps = uint16(factorBps);
        // forge-lint: disable-next-line(unsafe-typecast)
        sealedBid.maxScale = uint64(maxScale);
        sealedBid.state = BidState.Revealed;
        emit BidRevealed(book.accountId, auctionNumber, msg.sender, vesselId, factorBps, maxScale);
    }

    /// @notice Executes the revealed bids of an account's auction, highest price factor first, the earlier commitment among equals; anyone may.
    /// @dev Each bid gets the same gas whoever calls, so a caller cannot make it fail. One that fails blocks nobody.
    function fill(uint256 accountId) external nonReentrant {
        uint64 number = auctionHouse.stagesOf(accountId).auctionNumber;
        Book storage book = _books[number];
        if (number == 0 || book.bidders.length == 0) revert NothingToFill(accountId);
        if (block.timestamp <= book.revealEnd || block.timestamp >= book.publicStart || book.executed) {
            revert NotFillTime(book.revealEnd, book.publicStart);
        }
        auctionHouse.requireFillable(accountId);
        book.executed = true;
        address[] memory ranked = _ranked(number, book);
        for (uint256 index = 0; index < ranked.length; index++) {
            _fillOne(accountId, number, ranked[index]);
        }
    }

    /// @notice Frees the bond of a revealed bid that nobody has executed, when its time is over; anyone may.
    function release(uint64 auctionNumber, address bidder) external nonReentrant {
        SealedBid storage sealedBid = _bids[auctionNumber][bidder];
        if (sealedBid.state != BidState.Revealed) revert WrongBidState(auctionNumber, bidder, sealedBid.state);
        uint256 publicStart = _books[auctionNumber].publicStart;
        if (block.timestamp < publicStart) revert TooEarly(publicStart);
        _release(auctionNumber, bidder, sealedBid);
    }

    /// @notice Pays the bond of a bid that was not revealed, or that could not be executed, to the insurance fund; anyone may.
    function slash(uint64 auctionNumber, address bidder) external nonReentrant {
        SealedBid storage sealedBid = _bids[auctionNumber][bidder];
        if (sealedBid.state == BidState.Committed) {
            uint256 revealEnd = _books[auctionNumber].revealEnd;
            if (block.timestamp <= revealEnd) revert TooEarly(revealEnd);
        } else if (sealedBid.state != BidState.Failed) {
            revert WrongBidState(auctionNumber, bidder, sealedBid.state);
        }
        uint96 amount = sealedBid.bond;
        sealedBid.state = BidState.Slashed;
        Liquidator storage liquidator = liquidatorOf[bidder];
        liquidator.locked -= amount;
        liquidator.stake -= amount;
        emit BondSlashed(auctionNumber, bidder, amount);
        emit StakeChanged(bidder, liquidator.stake);
        _updateActive(bidder);
        asset.forceApprove(address(house), amount);
        house.deposit(FUND_ACCOUNT_ID, amount);
    }

    // Views

    /// @inheritdoc ISealedBidStage
    function hasLiquidators() external view returns (bool) {
        return activeCount != 0;
    }

    /// @notice Registered liquidators.
    function liquidators() external view returns (address[] memory) {
        return _registered.values();
    }

    /// @notice The sealed bids of an auction.
    function bookOf(uint64 auctionNumber) external view returns (Book memory) {
        return _books[auctionNumber];
    }

    /// @notice A sealed bid; all zero when there is none.
    function bidOf(uint64 auctionNumber, address bidder) external view returns (SealedBid memory) {
        return _bids[auctionNumber][bidder];
    }

    /// @notice What a bidder commits to.
    /// @param salt secret; without a random one, others could find the bid by trying
    function hashOf(
        uint64 auctionNumber,
        address bidder,
        uint256 vesselId,
        uint256 factorBps,
        uint256 maxScale,
        bytes32 salt
    ) public view returns (bytes32) {
        return keccak256(
            abi.encode(block.chainid, address(this), auctionNumber, bidder, vesselId, factorBps, maxScale, salt)
        );
    }

    // Internals

    function _setStakeTerms(uint96 minimumStake_, uint96 bond_) private {
        if (bond_ == 0 || bond_ > minimumStake_) revert BondOutOfRange(bond_, minimumStake_);
        minimumStake = minimumStake_;
        bond = bond_;
        emit StakeTermsSet(minimumStake_, bond_);
    }

    function _updateActive(address account) private {
        Liquidator storage liquidator = liquidatorOf[account];
        bool active =
            liquidator.stake >= minimumStake && liquidator.withdrawableAt == 0 && _registered.contains(account);
        if (active == liquidator.active) return;
        liquidator.active = active;
        if (active) activeCount++;
        else activeCount--;
    }

    /// @dev Revealed bidders by falling price factor; the order of commitments stays among equals.
    function _ranked(uint64 number, Book storage book) private view returns (address[] memory ranked) {
        uint256 committed = book.bidders.length;
        ranked = new address[](committed);
        uint256[] memory factors = new uint256[](committed);
        uint256 count = 0;
        for (uint256 index = 0; index < committed; index++) {
            address bidder = book.bidders[index];
            SealedBid storage sealedBid = _bids[number][bidder];
            if (sealedBid.state != BidState.Revealed) continue;
            uint256 factorBps = sealedBid.factorBps;
            uint256 place = count++;
            while (place > 0 && factors[place - 1] < factorBps) {
                factors[place] = factors[place - 1];
                ranked[place] = ranked[place - 1];
                place--;
            }
            factors[place] = factorBps;
            ranked[place] = bidder;
        }
        assembly ("memory-safe") {
            mstore(ranked, count)
        }
    }

    function _fillOne(uint256 accountId, uint64 number, address bidder) private {
        SealedBid storage sealedBid = _bids[number][bidder];
        uint256 vesselId = sealedBid.vesselId;
        uint256 factorBps = sealedBid.factorBps;
        uint256 maxScale = sealedBid.maxScale;
        // A call gets at most 63 of 64 parts of what is left, after its own cost.
        uint256 needed = FILL_GAS + FILL_GAS / 32;
        if (gasleft() < needed) revert NotEnoughGas(gasleft(), needed);
        try auctionHouse.fillSealed{gas: FILL_GAS}(accountId, bidder, vesselId, factorBps, maxScale) returns (
            uint256 scaleTaken
        ) {
            emit BidFilled(number, bidder, scaleTaken);
            _release(number, bidder, sealedBid);
        } catch (bytes memory reason) {
            // What is left may round to nothing, which is not the bidder's fault.
            // The first four bytes are the error's selector.
            // forge-lint: disable-next-line(unsafe-typecast)
            if (bytes4(reason) == LiquidationMath.SliceTooSmall.selector) {
                emit BidFilled(number, bidder, 0);
                _release(number, bidder, sealedBid);
            } else {
                sealedBid.state = BidState.Failed;
                emit BidFailed(number, bidder, reason);
            }
        }
    }

    function _release(uint64 number, address bidder, SealedBid storage sealedBid) private {
        sealedBid.state = BidState.Released;
        liquidatorOf[bidder].locked -= sealedBid.bond;
        emit BondReleased(number, bidder, sealedBid.bond);
    }
}

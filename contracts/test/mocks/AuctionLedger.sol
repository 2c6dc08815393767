// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Account, Coverage, IClearingHouse, SliceMove} from "../../src/interfaces/IClearingHouse.sol";
import {CollateralValues} from "../../src/interfaces/ICollateralVault.sol";
import {IHouseDeposits} from "../../src/interfaces/IHouseDeposits.sol";
import {LiquidationMath} from "../../src/libraries/LiquidationMath.sol";

/// @title A ledger of accounts that books as the clearing house does, and values collateral as the vault does
/// @notice Account 1 is the insurance fund's. Collateral is two tokens that count for their amounts, of
/// which one moves with the positions, and what haircuts leave out of both, which counts in sales alone. What the fund cannot pay is socialised.
contract AuctionLedger is IClearingHouse, IHouseDeposits {
    /// @dev One slot, as gas is measured around this ledger.
    struct Holding {
        uint80 steady;
        uint80 moving;
        uint80 haircut;
    }

    error NotAccountOwner(uint256 accountId, address sender);
    error VesselOccupied(uint256 vesselId);
    error VesselUnderfunded(uint256 vesselId, int256 held, int256 needed);
    error DebtWithoutPositions(uint256 accountId);
    error RewardAboveFee(uint256 reward, uint256 fee);
    error AuctionUnchanged(uint256 accountId, bool inAuction);
    error NotEngine(address sender);
    error UnknownAccount(uint256 accountId);
    error VesselInAuction(uint256 vesselId);
    error SliceOutOfRange(uint256 scaleTaken, uint256 scale);

    IERC20 public asset;
    uint256 public accountCount;
    uint256 public openDeficit;
    bool public collateralStale;
    /// @notice Gas that a slice burns beside its own, for tests of starvation.
    uint256 public burn;
    mapping(address account => bool) public isEngine;
    mapping(uint256 accountId => Holding) private _holdings;
    mapping(uint256 accountId => uint256) public pendingDeficitOf;
    mapping(uint256 accountId => Account) private _accounts;

    constructor(IERC20 asset_) {
        asset = asset_;
        create(address(this), 0, 0);
    }

    modifier onlyEngine() {
        if (!isEngine[msg.sender]) revert NotEngine(msg.sender);
        _;
    }

    // What tests set.

    function setEngine(address engine) external {
        isEngine[engine] = true;
    }

    function create(address owner, uint32 underlyingId, int128 cash) public returns (uint256 accountId) {
        accountId = ++accountCount;
        _accounts[accountId].owner = owner;
        _accounts[accountId].underlyingId = underlyingId;
        _accounts[accountId].cash = cash;
    }

    function setPositions(uint256 accountId, uint256 commitment, uint64 scale) external {
        _accounts[accountId].commitment = commitment;
        _accounts[accountId].scale = scale;
        _accounts[accountId].nonce++;
    }

    function addCash(uint256 accountId, int128 amount) external {
        _accounts[accountId].cash += amount;
    }

    function setMark(uint256 accountId, bool inAuction) external {
        _accounts[accountId].inAuction = inAuction;
    }

    function setCollateral(uint256 accountId, uint256 amount) external {
        _holdings[accountId].steady = uint80(amount);
    }

    function setMovingCollateral(uint256 accountId, uint256 amount) external {
        _holdings[accountId].moving = uint80(amount);
    }

    /// @notice What slices are priced by beyond what collateral counts for; 0 unless set.
    function setHaircut(uint256 accountId, uint256 amount) external {
        _holdings[accountId].haircut = uint80(amount);
    }

    function setCollateralStale(bool stale) external {
        collateralStale = stale;
    }

    function setBurn(uint256 gasToBurn) external {
        burn = gasToBurn;
    }

    /// @notice As a settlement: other legs, other cash, a higher nonce.
    function settle(uint256 accountId, uint256 commitment, int128 cash) external {
        _accounts[accountId].commitment = commitment;
        _accounts[accountId].cash += cash;
        _accounts[accountId].nonce++;
    }

    // What the contracts call.

    function deposit(uint256 accountId, uint256 amount) external {
        _accounts[accountId].cash += int128(int256(amount));
        asset.transferFrom(msg.sender, address(this), amount);
    }

    function getAccount(uint256 accountId) external view returns (Account memory) {
        return _accounts[accountId];
    }

    function collateralValueOf(uint256 accountId, bool onlyFresh)
        public
        view
        returns (CollateralValues memory values)
    {
        if (onlyFresh && collateralStale) return values;
        Holding memory holding = _holdings[accountId];
        values.value = uint256(holding.steady) + holding.moving;
        values.moving = holding.moving;
        values.saleValue = values.value + holding.haircut;
    }

    function collateralOf(uint256 accountId) external view returns (uint256) {
        Holding memory holding = _holdings[accountId];
        return uint256(holding.steady) + holding.moving;
    }

    function moveSlice(SliceMove calldata slice) external onlyEngine returns (Coverage memory coverage) {
        if (burn != 0) {
            uint256 start = gasleft();
            while (start - gasleft() < burn) {}
        }
        Account storage account = _accounts[slice.accountId];
        Account storage vessel = _accounts[slice.vesselId];
        if (vessel.owner != slice.keeper) revert NotAccountOwner(slice.vesselId, slice.keeper);
        if (vessel.inAuction) revert VesselInAuction(slice.vesselId);
        if (vessel.scale != 0 && vessel.commitment != account.commitment) revert VesselOccupied(slice.vesselId);
        uint64 scale = account.scale;
        uint256 moving = collateralValueOf(slice.accountId, true).moving;
        if (slice.scaleTaken == 0 || slice.scaleTaken > scale) revert SliceOutOfRange(slice.scaleTaken, scale);
        account.nonce++;
        vessel.nonce++;
        vessel.commitment = account.commitment;
        vessel.scale += slice.scaleTaken;
        account.scale = scale - slice.scaleTaken;
        if (account.scale == 0) account.commitment = 0;

        uint256 fundCash = uint256(int256(_accounts[1].cash));
        coverage.fromFund = slice.subsidy < fundCash ? slice.subsidy : fundCash;
        coverage.socialised = slice.subsidy - coverage.fromFund;
        openDeficit += coverage.socialised;
        account.cash += int128(int256(slice.traderProceeds) - slice.cashTaken);
        vessel.cash += int128(
            slice.cashTaken + int256(slice.subsidy) - int256(slice.traderProceeds) - int256(slice.fundFee)
        );
        _accounts[1].cash += int128(int256(slice.fundFee) - int256(coverage.fromFund));
        if (account.cash < 0 && account.scale == 0) revert DebtWithoutPositions(slice.accountId);

        _moveShare(slice, scale);
        _requireFunded(slice, moving * vessel.scale / scale);
    }

    function _moveShare(SliceMove calldata slice, uint256 scale) private {
        Holding memory held = _holdings[slice.accountId];
        if (held.steady == 0 && held.moving == 0 && held.haircut == 0) return;
        uint80 steady = uint80(held.steady * uint256(slice.scaleTaken) / scale);
        uint80 moving = uint80(held.moving * uint256(slice.scaleTaken) / scale);
        uint80 haircut = uint80(held.haircut * uint256(slice.scaleTaken) / scale);
        _holdings[slice.accountId] = Holding(held.steady - steady, held.moving - moving, held.haircut - haircut);
        Holding storage given = _holdings[slice.vesselId];
        given.steady += steady;
        given.moving += moving;
        given.haircut += haircut;
    }

    function _requireFunded(SliceMove calldata slice, uint256 mostMoving) private view {
        Account storage vessel = _accounts[slice.vesselId];
        CollateralValues memory values = collateralValueOf(slice.vesselId, true);
        int256 cover = vessel.cash + int256(values.value - values.moving);
        uint256 moving = values.moving < mostMoving ? values.moving : mostMoving;
        cover += int256(moving);
        int256 needed = LiquidationMath.vesselFloor(slice.proven, slice.bufferBps, vessel.scale, moving);
        if (cover < needed) revert VesselUnderfunded(slice.vesselId, cover, needed);
    }

    function chargeFee(uint256 accountId, uint256 fee, uint256 rewardAccountId, uint256 reward) external onlyEngine {
        if (reward > fee) revert RewardAboveFee(reward, fee);
        _accounts[accountId].cash -= int128(int256(fee));
        if (reward != 0) {
            if (_accounts[rewardAccountId].owner == address(0)) revert UnknownAccount(rewardAccountId);
            _accounts[rewardAccountId].cash += int128(int256(reward));
        }
        _accounts[1].cash += int128(int256(fee - reward));
    }

    function setInAuction(uint256 accountId, bool inAuction) external onlyEngine {
        if (_accounts[accountId].inAuction == inAuction) revert AuctionUnchanged(accountId, inAuction);
        _accounts[accountId].inAuction = inAuction;
    }

    function setPendingDeficit(uint256 accountId, uint256 deficit) external onlyEngine {
        pendingDeficitOf[accountId] = deficit;
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Groth16Proof} from "../../src/interfaces/Groth16.sol";
import {Account} from "../../src/interfaces/IClearingHouse.sol";
import {IFundHouse} from "../../src/interfaces/IFundHouse.sol";
import {WithdrawalRequest} from "../../src/interfaces/Requests.sol";
import {IInsuranceFund} from "../../src/interfaces/IInsuranceFund.sol";

/// @title As much of a clearing house as the insurance fund sees: account 1 and its cash
contract StubHouse is IFundHouse {
    address public immutable asset;
    IInsuranceFund private immutable _fund;
    address private immutable _fundAccountOwner;
    int128 public cash;
    /// @dev What withdrawals pay less than they book.
    uint256 public shortfall;

    error UnexpectedRequest();

    constructor(address asset_, IInsuranceFund fund, address fundAccountOwner) {
        asset = asset_;
        _fund = fund;
        _fundAccountOwner = fundAccountOwner;
    }

    /// @dev The asset must be there, as if deposited.
    function setCash(int128 cash_) external {
        cash = cash_;
    }

    function setShortfall(uint256 shortfall_) external {
        shortfall = shortfall_;
    }

    function getAccount(uint256 accountId) external view returns (Account memory account) {
        if (accountId != 1) return account;
        account.owner = _fundAccountOwner;
        account.cash = cash;
    }

    function withdraw(WithdrawalRequest calldata request, Groth16Proof calldata) external {
        if (
            msg.sender != _fundAccountOwner || request.accountId != 1 || request.toAccountId != 0
                || request.provenCash != 0 || request.round != 0 || request.capacity != 0
        ) revert UnexpectedRequest();
        cash -= int128(uint128(request.amount));
        IERC20(asset).transfer(msg.sender, request.amount - shortfall);
    }

    /// @dev Draws as a waterfall does, and moves the cash.
    function cover(uint32 underlyingId, uint256 amount) external returns (uint256 fromFund, uint256 fromReserve) {
        (fromFund, fromReserve) = _fund.draw(underlyingId, amount, uint128(cash));
        cash -= int128(uint128(fromFund + fromReserve));
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ClearingHouse} from "../../src/ClearingHouse.sol";
import {Groth16Proof} from "../../src/interfaces/Groth16.sol";
import {IInsuranceFund} from "../../src/interfaces/IInsuranceFund.sol";
import {WithdrawalRequest} from "../../src/interfaces/Requests.sol";

/// @title A fund that pays up to a limit, the last part of it from the reserve
contract StubFund is IInsuranceFund {
    uint256 public reserve;
    uint256 public excess;
    mapping(uint32 underlyingId => uint256) public limitOf;

    function setLimit(uint32 underlyingId, uint256 limit_) external {
        limitOf[underlyingId] = limit_;
    }

    function setReserve(uint256 reserve_) external {
        reserve = reserve_;
    }

    /// @dev Says that it gives so much more than was asked for.
    function setExcess(uint256 excess_) external {
        excess = excess_;
    }

    function draw(uint32 underlyingId, uint256 amount, uint256 cash)
        external
        view
        returns (uint256 fromFund, uint256 fromReserve)
    {
        uint256 given = Math.min(amount, coverage(underlyingId, cash)) + excess;
        uint256 general = cash > reserve ? cash - reserve : 0;
        fromFund = Math.min(given, general);
        fromReserve = given - fromFund;
    }

    function coverage(uint32 underlyingId, uint256 cash) public view returns (uint256 available) {
        return Math.min(cash, limitOf[underlyingId]);
    }

    function withdraw(ClearingHouse house, uint256 amount, uint256 toAccountId) external {
        Groth16Proof memory proof;
        house.withdraw(WithdrawalRequest(1, amount, toAccountId, 0, 0, 0, 0), proof);
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ClearingHouse} from "../src/ClearingHouse.sol";
import {CollateralVault} from "../src/CollateralVault.sol";
import {HouseLedger} from "../src/house/HouseLedger.sol";
import {Account} from "../src/interfaces/IClearingHouse.sol";
import {CollateralValues, ICollateralVault} from "../src/interfaces/ICollateralVault.sol";
import {IInsuranceFund} from "../src/interfaces/IInsuranceFund.sol";
import {IProofGate, SolvencyClaim} from "../src/interfaces/IProofGate.sol";
import {CollateralWithdrawal, WithdrawalRequest} from "../src/interfaces/Requests.sol";
import {ProofContext} from "../src/libraries/ProofContext.sol";
import {TestUsd} from "../src/testing/TestUsd.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {HouseTest} from "./base/HouseTest.sol";
import {CallbackToken, FeeToken, SenderFeeToken, SilentToken, WideToken} from "./mocks/OddTokens.sol";

contract ClearingHouseCashTest is HouseTest {
    // Wiring

    function test_constructorRefusals() public {
        TestUsd wide = new WideToken();
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.UnsupportedDecimals.selector, 18));
        new ClearingHouse(wide, address(this), gate, oracle, parameters, vault, fund);
        vm.expectRevert(HouseLedger.ZeroAddress.selector);
        new ClearingHouse(usd, address(this), gate, oracle, parameters, vault, IInsuranceFund(address(0)));
        vm.expectRevert(HouseLedger.ZeroAddress.selector);
        new ClearingHouse(usd, address(this), gate, oracle, parameters, ICollateralVault(address(0)), fund);
        vm.expectRevert(HouseLedger.ZeroAddress.selector);
        new ClearingHouse(usd, address(this), IProofGate(address(0)), oracle, parameters, vault, fund);
    }

    function test_onlyTheOwnerWires() public {
        bytes memory refusal = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, alice);
        vm.startPrank(alice);
        vm.expectRevert(refusal);
        house.setEngine(alice, true);
        vm.expectRevert(refusal);
        house.setAuctionHouse(alice);
        vm.expectRevert(refusal);
        house.setCustodian(alice, true);
        vm.expectRevert(refusal);
        house.setTradeFee(0, 0);
        vm.stopPrank();
        vm.expectRevert(HouseLedger.ZeroAddress.selector);
        house.setEngine(address(0), true);
        vm.expectRevert(HouseLedger.ZeroAddress.selector);
        house.setCustodian(address(0), true);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.FeeOutOfBounds.selector, 100e6 + 1, 0));
        house.setTradeFee(100e6 + 1, 0);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.FeeOutOfBounds.selector, 0, 101));
        house.setTradeFee(0, 101);
        house.setTradeFee(100e6, 100);
        house.setEngine(engine, false);
        assertTrue(!house.isEngine(engine), "an engine can be stopped");
    }

    // Accounts and deposits

    function test_fundOwnsAccountOne() public view {
        assertEq(house.getAccount(1).owner, address(fund), "owner");
        assertEq(house.accountCount(), 3, "fund, alice, bob");
    }

    function test_createsAccounts() public {
        vm.expectEmit(true, true, true, true, address(house));
        emit HouseLedger.AccountCreated(4, alice, ETH);
        vm.prank(alice);
        assertEq(house.createAccount(ETH), 4, "id");
        Account memory account = house.getAccount(4);
        assertEq(uint256(account.underlyingId), ETH, "underlying");
        assertEq(house.getAccount(5).owner, address(0), "no such account");
    }

    function test_createsFundedAccounts() public {
        uint256[] memory amounts = new uint256[](3);
        (amounts[0], amounts[1], amounts[2]) = (1e6, 2e6, 3e6);
        vm.prank(alice);
        uint256 first = house.createFundedAccounts(Fixtures.BTC, amounts);
        for (uint256 index = 0; index < 3; index++) {
            assertEq(_cash(first + index), int256(amounts[index]), "cash");
            assertEq(house.getAccount(first + index).owner, alice, "owner");
        }
        assertEq(house.totals().tokensHeld, 6e6, "tokens");
        _checkIdentity();
        vm.expectRevert(HouseLedger.ZeroAmount.selector);
        house.createFundedAccounts(Fixtures.BTC, new uint256[](0));
        vm.expectRevert(HouseLedger.ZeroAmount.selector);
        house.createFundedAccounts(Fixtures.BTC, new uint256[](2));
    }

    function test_anyoneDeposits() public {
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.Deposited(a, bob, 70e6);
        _deposit(bob, a, 70e6);
        assertEq(_cash(a), 70e6, "cash");
        _checkIdentity();
    }

    function test_refusesDeposits() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        house.deposit(99, 1);
        vm.expectRevert(HouseLedger.ZeroAmount.selector);
        house.deposit(a, 0);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.CashOutOfRange.selector, a));
        house.deposit(a, 2 ** 96);
        house.deposit(a, 1);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.CashOutOfRange.selector, a));
        house.deposit(a, 2 ** 96 - 1);
        vm.stopPrank();
    }

    function test_refusesFeeTokens() public {
        FeeToken token = new FeeToken();
        _deploy(token);
        _deposit(alice, a, 50);
        token.setFee(3);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.TransferAmountMismatch.selector, 50, 47));
        house.deposit(a, 50);

        _deploy(new SenderFeeToken());
        _deposit(alice, a, 50);
        usd.mint(address(house), 1);
        WithdrawalRequest memory request = _withdrawal(a, 50);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.TransferAmountMismatch.selector, 50, 51));
        house.withdraw(request, _proof());

        _deploy(new SilentToken());
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, usd));
        house.deposit(a, 50);
    }

    function test_refusesReentry() public {
        CallbackToken token = new CallbackToken();
        _deploy(token);
        _deposit(alice, a, 50);
        token.setCallback(address(house), abi.encodeCall(house.deposit, (a, 1)));
        vm.prank(alice);
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        house.deposit(a, 50);
        WithdrawalRequest memory request = _withdrawal(a, 25);
        token.setCallback(address(house), abi.encodeCall(house.withdraw, (request, _proof())));
        vm.prank(alice);
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        house.withdraw(request, _proof());
    }

    // Withdrawals without positions

    function test_withdrawsWithoutAProof() public {
        _deposit(alice, a, 100e6);
        oracle.setStale(Fixtures.BTC, true);
        solvency8.acceptAll(false);
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.Withdrawn(a, alice, 100e6, 100e6);
        _withdraw(alice, a, 100e6);
        assertEq(usd.balanceOf(alice), 1_000_000e6, "all back");
        _checkIdentity();
    }

    function test_refusesWithdrawals() public {
        _deposit(alice, a, 100e6);
        WithdrawalRequest memory request = _withdrawal(a, 100e6);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotAccountOwner.selector, a, bob));
        house.withdraw(request, _proof());
        vm.startPrank(alice);
        request.amount = 100e6 + 1;
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.DebtWithoutPositions.selector, a));
        house.withdraw(request, _proof());
        request.amount = 0;
        vm.expectRevert(HouseLedger.ZeroAmount.selector);
        house.withdraw(request, _proof());
        request.amount = type(uint256).max;
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.CashOutOfRange.selector, a));
        house.withdraw(request, _proof());
        request.accountId = 99;
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        house.withdraw(request, _proof());
        request = _withdrawal(a, 10e6);
        request.minPaid = 10e6 + 1;
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.PaidTooLittle.selector, 10e6, 10e6 + 1));
        house.withdraw(request, _proof());
        vm.stopPrank();
        vm.prank(auctionHouse);
        house.setInAuction(a, true);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.AccountInAuction.selector, a));
        house.withdraw(request, _proof());
    }

    function test_movesCashBetweenAccounts() public {
        _deposit(alice, a, 100e6);
        WithdrawalRequest memory request = _withdrawal(a, 60e6);
        request.toAccountId = b;
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.CashMoved(a, b, 60e6);
        vm.prank(alice);
        house.withdraw(request, _proof());
        assertEq(_cash(a), 40e6, "payer");
        assertEq(_cash(b), 60e6, "payee");
        assertEq(house.totals().tokensHeld, 100e6, "no token moved");
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.DebtWithoutPositions.selector, a));
        house.withdraw(request, _proof());
        request.amount = 1;
        request.toAccountId = a;
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.SameAccount.selector, a));
        house.withdraw(request, _proof());
        request.toAccountId = 99;
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        house.withdraw(request, _proof());
        vm.stopPrank();
        _checkIdentity();
    }

    function test_giftsAreNobodys() public {
        _deposit(alice, a, 100e6);
        usd.mint(address(house), 500e6);
        _withdraw(alice, a, 100e6);
        assertEq(house.totals().tokensHeld, 0, "nothing owed");
        assertEq(usd.balanceOf(address(house)), 500e6, "the gift stays");
        _checkIdentity();
    }

    // Withdrawals with positions

    function _expectSolvency(uint256 accountId, int256 cash) private {
        Account memory account = house.getAccount(accountId);
        uint256 context = ProofContext.solvency(address(house), ProofContext.WITHDRAWAL, accountId, account.nonce, 1);
        SolvencyClaim memory claim =
            SolvencyClaim(account.commitment, account.scale, Fixtures.BTC, 1, 1, cash, 0, 5_120, context, 8);
        solvency8.acceptSignals(abi.encode(gate.solvencySignals(claim)));
    }

    function test_withdrawsWithAProof() public {
        _deposit(alice, a, 100e6);
        _trade(0);
        _expectSolvency(a, 40e6);
        WithdrawalRequest memory request = _withdrawal(a, 60e6);
        request.provenCash = 40e6;
        vm.prank(alice);
        house.withdraw(request, _proof());
        assertEq(_cash(a), 40e6, "cash");
        // The same proof again: it says that 40 are enough, and they are no longer there.
        request.amount = 1;
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.ProvenCashTooHigh.selector, a, 40e6, 40e6 - 1));
        house.withdraw(request, _proof());
        request.provenCash = 40e6 - 1; // another number is another claim
        vm.expectRevert(abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Solvency, 8));
        house.withdraw(request, _proof());
        vm.stopPrank();
        // A stranger's deposit does not void the proof.
        _deposit(bob, a, 5e6);
        request.provenCash = 40e6;
        vm.prank(alice);
        house.withdraw(request, _proof());
        _checkIdentity();
    }

    function test_movesBetweenAccountsNeedTheProofToo() public {
        _deposit(alice, a, 100e6);
        _trade(0);
        WithdrawalRequest memory request = _withdrawal(a, 60e6);
        request.toAccountId = b;
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Solvency, 8));
        house.withdraw(request, _badProof());
    }

    function test_withdrawalProofIsOfThisNonceRoundAndVersion() public {
        _deposit(alice, a, 100e6);
        _trade(0);
        _expectSolvency(a, 40e6);
        WithdrawalRequest memory request = _withdrawal(a, 1e6);
        request.provenCash = 40e6;
        solvency8.acceptAll(true);
        _trade(0); // the same positions at the next nonce
        solvency8.acceptAll(false);
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Solvency, 8));
        house.withdraw(request, _proof());
        vm.stopPrank();
        _expectSolvency(a, 40e6);
        parameters.bump(Fixtures.BTC); // another commitment, another level
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Solvency, 8));
        house.withdraw(request, _proof());
        vm.stopPrank();
        oracle.post(Fixtures.BTC, 96_000e6);
        request.round = 2;
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Solvency, 8));
        house.withdraw(request, _proof());
        vm.stopPrank();
    }

    // Collateral

    function test_onlyTheOwnerGivesCollateral() public {
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotAccountOwner.selector, a, bob));
        house.depositCollateral(a, 1, 1);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        house.depositCollateral(99, 1, 1);
        vm.prank(alice);
        house.depositCollateral(a, 1, 10e18);
        CollateralValues memory values = house.collateralValueOf(a, false);
        assertEq(values.value, 16_000e6, "value");
        assertEq(values.moving, 0, "of another underlying");
        assertEq(values.saleValue, 19_000e6, "sold for 5 % less than all of it");
        assertEq(wrapped.balanceOf(alice), 90e18, "taken");
        _checkIdentity();
    }

    function test_withdrawsCollateralWithoutPositions() public {
        vm.startPrank(alice);
        house.depositCollateral(a, 1, 10e18);
        CollateralWithdrawal memory request = _collateralWithdrawal(a, 10e18);
        vm.stopPrank();
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotAccountOwner.selector, a, bob));
        house.withdrawCollateral(request, _proof());
        vm.prank(alice);
        house.withdrawCollateral(request, _badProof());
        assertEq(wrapped.balanceOf(alice), 100e18, "back");
        vm.prank(auctionHouse);
        house.setInAuction(a, true);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.AccountInAuction.selector, a));
        house.withdrawCollateral(request, _proof());
    }

    function test_collateralCountsForProofsWhileItStays() public {
        vm.prank(alice);
        house.depositCollateral(a, 1, 10e18);
        _trade(0);
        CollateralWithdrawal memory request = _collateralWithdrawal(a, 4e18);
        request.provenCash = 9_600e6 + 1;
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.ProvenCashTooHigh.selector, a, 9_600e6 + 1, 9_600e6));
        house.withdrawCollateral(request, _proof());
        request.provenCash = 9_600e6;
        _expectSolvency(a, 9_600e6);
        vm.prank(alice);
        house.withdrawCollateral(request, _proof());
        assertEq(vault.balanceOf(a, 1), 6e18, "left");
        oracle.setStale(ETH, true);
        request.amount = 1;
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.ProvenCashTooHigh.selector, a, 9_600e6, 0));
        house.withdrawCollateral(request, _proof());
    }

    function test_collateralOfOthersCannotBeTaken() public {
        vm.prank(alice);
        house.depositCollateral(a, 1, 10e18);
        CollateralWithdrawal memory request = _collateralWithdrawal(b, 1);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(CollateralVault.InsufficientCollateral.selector, b, 1, 0, 1));
        house.withdrawCollateral(request, _proof());
    }

    function testFuzz_depositsAndWithdrawalsKeepTheIdentity(uint256 seed) public {
        for (uint256 step = 0; step < 12; step++) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 accountId = seed % 2 == 0 ? a : b;
            address owner = seed % 2 == 0 ? alice : bob;
            uint256 amount = bound(seed >> 8, 1, 1_000e6);
            if (seed % 3 == 0 && _cash(accountId) > 0) {
                _withdraw(owner, accountId, bound(amount, 1, uint256(_cash(accountId))));
            } else if (seed % 5 == 0) {
                vm.prank(owner);
                house.depositCollateral(accountId, 1, amount);
            } else {
                _deposit(owner, accountId, amount);
            }
            _checkIdentity();
        }
    }
}

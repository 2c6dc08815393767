// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ClearingHouse} from "../src/ClearingHouse.sol";
import {Account, SliceTransfer} from "../src/interfaces/IClearingHouse.sol";
import {Legs} from "../src/libraries/Legs.sol";
import {PublicSignals} from "../src/libraries/PublicSignals.sol";
import {TestUsd} from "../src/testing/TestUsd.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {Test} from "./base/Test.sol";
import {CallbackToken, FeeToken, SenderFeeToken, SilentToken, WideToken} from "./mocks/OddTokens.sol";

contract ClearingHouseTest is Test {
    ClearingHouse private house;
    TestUsd private usd;
    address private settler = makeAddr("settler");
    address private engine = makeAddr("engine");
    address private treasury = makeAddr("treasury");
    address private alice = makeAddr("alice");
    address private bob = makeAddr("bob");
    uint256 private a;
    uint256 private b;

    function setUp() public {
        usd = new TestUsd();
        _useHouse(usd);
    }

    function _useHouse(TestUsd token) private {
        usd = token;
        house = new ClearingHouse(token, address(this), treasury);
        house.setSettler(settler);
        house.setEngine(engine);
        address[2] memory owners = [alice, bob];
        for (uint256 index = 0; index < 2; index++) {
            token.mint(owners[index], 10_000e6);
            vm.startPrank(owners[index]);
            token.approve(address(house), type(uint256).max);
            uint256 id = house.createAccount(Fixtures.BTC);
            vm.stopPrank();
            if (index == 0) a = id;
            else b = id;
        }
    }

    function _deposit(address owner, uint256 id, uint256 amount) private {
        vm.prank(owner);
        house.deposit(id, amount);
    }

    function _attest(uint256 id, uint64 scale) private {
        vm.prank(settler);
        house.attestPositions(id, 77, scale, Fixtures.legs(), 5);
    }

    function _cash(uint256 id) private view returns (int256) {
        return house.getAccount(id).cash;
    }

    // Creation and roles

    function test_fundAccountIsTheTreasurys() public view {
        assertEq(house.getAccount(house.FUND_ACCOUNT_ID()).owner, treasury, "owner");
        assertEq(house.accountCount(), 3, "count");
        assertEq(house.getAccount(4).owner, address(0), "none");
        assertEq(house.getAccount(a).owner, alice, "alice");
        assertEq(house.getAccount(a).underlyingId, Fixtures.BTC, "underlying");
    }

    function test_refusesBadConstruction() public {
        WideToken wide = new WideToken();
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.UnsupportedDecimals.selector, 18));
        new ClearingHouse(wide, address(this), treasury);
        vm.expectRevert(ClearingHouse.ZeroAddress.selector);
        new ClearingHouse(usd, address(this), address(0));
    }

    function test_ownerAloneSetsRoles() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, alice));
        house.setSettler(alice);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, alice));
        house.setEngine(alice);
        vm.stopPrank();
    }

    // Deposits

    function test_deposits() public {
        vm.expectEmit(true, true, false, true, address(house));
        emit ClearingHouse.Deposited(a, bob, 100e6, 100e6);
        _deposit(bob, a, 100e6);
        assertEq(_cash(a), 100e6, "cash");
        assertEq(house.totalCash(), 100e6, "total");
        assertEq(usd.balanceOf(address(house)), 100e6, "tokens");
        assertEq(uint256(house.getAccount(a).nonce), 0, "a deposit leaves proofs valid");
    }

    function test_refusesDeposits() public {
        vm.startPrank(alice);
        vm.expectRevert(ClearingHouse.ZeroAmount.selector);
        house.deposit(a, 0);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.UnknownAccount.selector, 99));
        house.deposit(99, 1);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.CashOutOfRange.selector, a));
        house.deposit(a, 2 ** 96);
        usd.mint(alice, 2 ** 96);
        house.deposit(a, 2 ** 96 - 1);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.CashOutOfRange.selector, a));
        house.deposit(a, 1);
        vm.stopPrank();
    }

    function test_refusesFeeOnTransfer() public {
        FeeToken token = new FeeToken();
        _useHouse(token);
        _deposit(alice, a, 100e6);
        token.setFee(1);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.TransferAmountMismatch.selector, 100e6, 100e6 - 1));
        house.deposit(a, 100e6);
    }

    function test_refusesSenderFee() public {
        _useHouse(new SenderFeeToken());
        _deposit(alice, a, 100e6);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.TransferAmountMismatch.selector, 50e6, 50e6 + 1));
        house.withdraw(a, 50e6);
    }

    function test_refusesSilentFailure() public {
        _useHouse(new SilentToken());
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(usd)));
        house.deposit(a, 1);
    }

    function test_refusesReentry() public {
        CallbackToken token = new CallbackToken();
        _useHouse(token);
        bytes[5] memory calls = [
            abi.encodeCall(house.deposit, (a, 1)),
            abi.encodeCall(house.withdraw, (a, 1)),
            abi.encodeCall(house.createAccount, (1)),
            abi.encodeCall(house.setEngine, (alice)),
            abi.encodeCall(house.settleCash, (a, b, 1))
        ];
        house.setSettler(address(token));
        house.transferOwnership(address(token));
        vm.prank(address(token));
        house.acceptOwnership();
        for (uint256 index = 0; index < calls.length; index++) {
            token.setCallback(address(house), calls[index]);
            vm.prank(alice);
            vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
            house.deposit(a, 10);
        }
    }

    // Withdrawals

    function test_withdraws() public {
        _deposit(alice, a, 100e6);
        vm.expectEmit(true, true, false, true, address(house));
        emit ClearingHouse.Withdrawn(a, alice, 60e6, 40e6);
        vm.prank(alice);
        house.withdraw(a, 60e6);
        assertEq(usd.balanceOf(alice), 9_960e6, "tokens");
        assertEq(house.totalCash(), 40e6, "total");
    }

    function test_refusesWithdrawals() public {
        _deposit(alice, a, 100e6);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.UnknownAccount.selector, 99));
        house.withdraw(99, 1);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotAccountOwner.selector, a, bob));
        house.withdraw(a, 1);
        vm.startPrank(alice);
        vm.expectRevert(ClearingHouse.ZeroAmount.selector);
        house.withdraw(a, 0);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.InsufficientCash.selector, a, int256(100e6), 100e6 + 1));
        house.withdraw(a, 100e6 + 1);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.CashOutOfRange.selector, a));
        house.withdraw(a, type(uint256).max);
        vm.stopPrank();
        _attest(a, 2 ** 40);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.PositionsOpen.selector, a));
        house.withdraw(a, 1);
    }

    /// @dev A debt is somebody's claim; tokens for it come when it is settled.
    function test_refusesWithdrawalBeyondLiquidity() public {
        _deposit(alice, a, 100e6);
        _attest(a, 2 ** 40);
        vm.prank(settler);
        house.settleCash(a, b, 150e6);
        assertEq(_cash(a), -50e6, "owes");
        assertEq(_cash(b), 150e6, "is owed");
        assertEq(house.totalCash(), 100e6, "sum of cash");
        usd.mint(address(house), 1_000e6); // a gift is nobody's claim
        vm.startPrank(bob);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.InsufficientLiquidity.selector, 100e6, 150e6));
        house.withdraw(b, 150e6);
        house.withdraw(b, 100e6);
        vm.stopPrank();
        _deposit(alice, a, 50e6);
        vm.prank(bob);
        house.withdraw(b, 50e6);
        assertEq(house.totalCash(), 0, "all paid");
    }

    // Settlement of cash

    function test_refusesSettlements() public {
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotSettler.selector, address(this)));
        house.settleCash(a, b, 1);
        _deposit(alice, a, 100e6);
        vm.startPrank(settler);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.UnknownAccount.selector, 99));
        house.settleCash(99, b, 1);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.UnknownAccount.selector, 99));
        house.settleCash(a, 99, 1);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.SameAccount.selector, a));
        house.settleCash(a, a, 1);
        vm.expectRevert(ClearingHouse.ZeroAmount.selector);
        house.settleCash(a, b, 0);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.DebtWithoutPositions.selector, a));
        house.settleCash(a, b, 100e6 + 1);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.CashOutOfRange.selector, a));
        house.settleCash(a, b, type(uint256).max);
        house.settleCash(a, b, 100e6);
        vm.stopPrank();
        assertEq(_cash(b), 100e6, "settled");
    }

    // Attestation

    function test_attests() public {
        vm.expectEmit(true, false, false, true, address(house));
        emit ClearingHouse.PositionsAttested(a, 1, 77, 2 ** 40, Fixtures.legs(), 5);
        _attest(a, 2 ** 40);
        Account memory account = house.getAccount(a);
        assertEq(account.commitment, 77, "commitment");
        assertEq(uint256(account.scale), 2 ** 40, "scale");
        assertEq(uint256(account.nonce), 1, "nonce");
        vm.prank(settler);
        house.attestPositions(a, 0, 0, new uint256[](0), 0);
        account = house.getAccount(a);
        assertEq(account.commitment, 0, "closed");
        assertEq(uint256(account.nonce), 2, "nonce");
    }

    function test_refusesAttestations() public {
        uint256[] memory legs = Fixtures.legs();
        uint256[] memory none = new uint256[](0);
        uint256 field = PublicSignals.SCALAR_FIELD;
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotSettler.selector, address(this)));
        house.attestPositions(a, 77, 1, legs, 5);
        vm.startPrank(settler);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.UnknownAccount.selector, 99));
        house.attestPositions(99, 77, 1, legs, 5);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotFieldElement.selector, field));
        house.attestPositions(a, field, 1, legs, 5);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotFieldElement.selector, field));
        house.attestPositions(a, 77, 1, legs, field);
        vm.expectRevert(ClearingHouse.InconsistentPositions.selector);
        house.attestPositions(a, 0, 1, legs, 5);
        vm.expectRevert(ClearingHouse.InconsistentPositions.selector);
        house.attestPositions(a, 77, 0, legs, 5);
        vm.expectRevert(ClearingHouse.InconsistentPositions.selector);
        house.attestPositions(a, 77, 1, none, 5);
        vm.expectRevert(ClearingHouse.InconsistentPositions.selector);
        house.attestPositions(a, 0, 0, none, 5);
        legs[3] = legs[2];
        vm.expectRevert(abi.encodeWithSelector(Legs.LegsNotIncreasing.selector, 3));
        house.attestPositions(a, 77, 1, legs, 5);
        house.attestPositions(a, 77, 1, Fixtures.legs(), 5);
        house.settleCash(a, b, 1);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.DebtWithoutPositions.selector, a));
        house.attestPositions(a, 0, 0, none, 0);
        vm.stopPrank();
    }

    // Slices

    function _slice(uint64 scaleTaken) private view returns (SliceTransfer memory) {
        return SliceTransfer({
            accountId: a,
            keeper: bob,
            scaleTaken: scaleTaken,
            cashTaken: 25e6,
            traderProceeds: 20e6,
            fundFee: 1e6,
            sliceDeposit: 3e6
        });
    }

    function test_transfersSlice() public {
        _deposit(alice, a, 100e6);
        _attest(a, 4_000);
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.SliceTransferred(a, 4, bob, 2, 1_000, 25e6, 20e6, 1e6, 3e6);
        vm.prank(engine);
        uint256 sub = house.transferSlice(_slice(1_000));
        Account memory left = house.getAccount(a);
        Account memory taken = house.getAccount(sub);
        assertEq(uint256(left.scale), 3_000, "scale left");
        assertEq(uint256(taken.scale), 1_000, "scale taken");
        assertEq(left.cash, 95e6, "cash left");
        assertEq(taken.cash, 28e6, "cash taken");
        assertEq(_cash(1), 1e6, "fund");
        assertEq(taken.owner, bob, "owner");
        assertEq(taken.commitment, left.commitment, "commitment");
        assertEq(uint256(taken.underlyingId), Fixtures.BTC, "underlying");
        assertEq(uint256(left.nonce), 2, "nonce grows");
        assertEq(uint256(taken.nonce), 0, "nonce of the new account");
        assertEq(house.totalCash(), 124e6, "sum of cash");
        assertEq(usd.balanceOf(address(house)), 124e6, "tokens");
        assertEq(usd.balanceOf(bob), 9_976e6, "paid");
    }

    function test_wholeSliceClosesTheAccount() public {
        _deposit(alice, a, 25e6);
        _attest(a, 4_000);
        vm.prank(engine);
        house.transferSlice(_slice(4_000));
        assertEq(house.getAccount(a).commitment, 0, "closed");
        vm.prank(alice);
        house.withdraw(a, 20e6);
    }

    function test_refusesSlices() public {
        _attest(a, 4_000);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotEngine.selector, address(this)));
        house.transferSlice(_slice(1_000));
        vm.startPrank(engine);
        SliceTransfer memory slice = _slice(1_000);
        slice.accountId = 99;
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.UnknownAccount.selector, 99));
        house.transferSlice(slice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.SliceOutOfRange.selector, 0, 4_000));
        house.transferSlice(_slice(0));
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.SliceOutOfRange.selector, 4_001, 4_000));
        house.transferSlice(_slice(4_001));
        slice = _slice(1_000);
        slice.fundFee = 2 ** 96;
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.CashOutOfRange.selector, 1));
        house.transferSlice(slice);
        slice = _slice(1_000);
        slice.cashTaken = 2 ** 97;
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.CashOutOfRange.selector, a));
        house.transferSlice(slice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.DebtWithoutPositions.selector, a));
        house.transferSlice(_slice(4_000)); // takes 25 of a cash of 0, and pays 20
        vm.stopPrank();
    }
}

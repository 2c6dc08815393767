// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {InsuranceFund} from "../src/InsuranceFund.sol";
import {IFundHouse} from "../src/interfaces/IFundHouse.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {Test} from "./base/Test.sol";
import {CallbackToken} from "./mocks/OddTokens.sol";
import {StubHouse} from "./mocks/StubHouse.sol";

contract InsuranceFundTest is Test {
    InsuranceFund private fund;
    StubHouse private house;
    CallbackToken private token;
    address private stranger = makeAddr("stranger");
    address private treasury = makeAddr("treasury");

    uint32 private constant BTC = 1;
    uint32 private constant ETH = 2;
    uint256 private constant CAP = 700_000e6;

    function setUp() public {
        vm.warp(Fixtures.NOW);
        token = new CallbackToken();
        fund = new InsuranceFund(address(this));
        house = new StubHouse(address(token), fund, address(fund));
        token.mint(address(house), 10 ** 15);
        fund.initialize(house);
        fund.setCap(BTC, uint128(CAP));
        fund.setCap(ETH, uint128(CAP));
    }

    function _setCash(uint256 cash) private {
        house.setCash(int128(uint128(cash)));
    }

    function _expectOwnerAlone() private {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger));
    }

    // Setup

    function test_initializesOnce() public {
        InsuranceFund other = new InsuranceFund(address(this));
        vm.expectRevert(InsuranceFund.NotInitialized.selector);
        other.allocate();
        vm.expectRevert(InsuranceFund.NotInitialized.selector);
        other.withdrawSurplus(1, treasury);
        // The rule may be set before.
        other.setReserveRule(1, 1);
        StubHouse foreign = new StubHouse(address(token), other, stranger);
        vm.expectRevert(abi.encodeWithSelector(InsuranceFund.NotFundAccount.selector, stranger));
        other.initialize(foreign);
        StubHouse own = new StubHouse(address(token), other, address(other));
        vm.expectEmit(true, true, true, true, address(other));
        emit InsuranceFund.Initialized(address(own));
        other.initialize(own);
        assertEq(address(other.clearingHouse()), address(own), "house");
        vm.expectRevert(InsuranceFund.AlreadyInitialized.selector);
        other.initialize(own);
    }

    function test_ownerAloneSets() public {
        _expectOwnerAlone();
        fund.initialize(house);
        _expectOwnerAlone();
        fund.setCap(BTC, 1);
        _expectOwnerAlone();
        fund.setReserveRule(1, 1);
        _expectOwnerAlone();
        fund.setMinimum(1);
        _expectOwnerAlone();
        fund.withdrawSurplus(1, treasury);
    }

    // Reserve

    function test_earmarksAShareOfGrowth() public {
        fund.setReserveRule(2_500, 1_000e6);
        _setCash(800e6);
        vm.expectEmit(true, true, true, true, address(fund));
        emit InsuranceFund.Allocated(200e6, 200e6, 800e6);
        vm.prank(stranger);
        assertEq(fund.allocate(), 200e6, "first");
        assertEq(fund.allocate(), 0, "nothing new");
        _setCash(1_200e6);
        assertEq(fund.allocate(), 100e6, "growth alone");
        assertEq(fund.reserve(), 300e6, "reserve");
        // Up to the target.
        _setCash(10_000e6);
        assertEq(fund.allocate(), 700e6, "rest of the target");
        _setCash(20_000e6);
        assertEq(fund.allocate(), 0, "target met");
    }

    function test_oldCashGoesByTheOldRule() public {
        fund.setReserveRule(1_000, type(uint256).max);
        _setCash(1_000e6);
        vm.expectEmit(true, true, true, true, address(fund));
        emit InsuranceFund.ReserveRuleSet(10_000, 50e6);
        fund.setReserveRule(10_000, 50e6);
        assertEq(fund.reserve(), 100e6, "by the old rule");
        assertEq(fund.allocate(), 0, "none by the new one");
        _setCash(2_000e6);
        assertEq(fund.allocate(), 0, "above the target");
        assertEq(fund.reserve(), 100e6, "a lower target releases nothing");
        vm.expectRevert(abi.encodeWithSelector(InsuranceFund.ShareOutOfRange.selector, 10_001));
        fund.setReserveRule(10_001, 0);
    }

    function test_reserveShrinksWithCash() public {
        fund.setReserveRule(10_000, 500e6);
        _setCash(500e6);
        fund.allocate();
        _setCash(300e6);
        assertEq(fund.surplus(), 0, "no surplus");
        fund.allocate();
        assertEq(fund.reserve(), 300e6, "at most the cash");
        // What comes back is growth again.
        _setCash(400e6);
        assertEq(fund.allocate(), 100e6, "growth");
    }

    function test_refusesADebtOfTheFund() public {
        house.setCash(-1);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedIntToUint.selector, -1));
        fund.allocate();
    }

    // Draws

    function test_reserveIsDrawnLast() public {
        fund.setReserveRule(2_500, 1_000e6);
        _setCash(1_000e6);
        // 250e6 are earmarked by the draw itself.
        vm.expectEmit(true, true, true, true, address(fund));
        emit InsuranceFund.Drawn(BTC, 700e6, 700e6, 0, 250e6);
        house.cover(BTC, 700e6);
        vm.expectEmit(true, true, true, true, address(fund));
        emit InsuranceFund.Drawn(BTC, 100e6, 50e6, 50e6, 200e6);
        (uint256 fromFund, uint256 fromReserve) = house.cover(BTC, 100e6);
        assertEq(fromFund, 50e6, "rest of the fund");
        assertEq(fromReserve, 50e6, "reserve");
        (fromFund, fromReserve) = house.cover(BTC, 1_000e6);
        assertEq(fromFund, 0, "nothing left");
        assertEq(fromReserve, 200e6, "all of the reserve");
        assertEq(fund.reserve(), 0, "empty");
        assertEq(house.cash(), int256(0), "no cash");
        (fromFund, fromReserve) = house.cover(BTC, 1);
        assertEq(fromFund + fromReserve, 0, "nothing");
        // After a draw growth counts from what was left.
        _setCash(100e6);
        assertEq(fund.allocate(), 25e6, "growth");
    }

    function test_houseAloneDraws() public {
        vm.expectRevert(abi.encodeWithSelector(InsuranceFund.NotClearingHouse.selector, address(this)));
        fund.draw(BTC, 1, 1);
    }

    function test_capsLimitAndLeak() public {
        _setCash(10_000_000e6);
        assertEq(fund.coverage(BTC, 10_000_000e6), CAP, "full");
        assertEq(fund.coverage(BTC, 5), 5, "cash");
        (uint256 paid,) = house.cover(BTC, 500_000e6);
        assertEq(paid, 500_000e6, "within");
        assertEq(fund.coverage(BTC, 10_000_000e6), 200_000e6, "rest");
        (paid,) = house.cover(BTC, 500_000e6);
        assertEq(paid, 200_000e6, "rest is paid");
        (paid,) = house.cover(BTC, 1);
        assertEq(paid, 0, "no more");
        // Another underlying has its own.
        assertEq(fund.coverage(ETH, 10_000_000e6), CAP, "other");
        vm.warp(block.timestamp + 1 days);
        assertEq(fund.coverage(BTC, 10_000_000e6), 100_000e6, "a day's leak");
        vm.warp(block.timestamp + 6 days);
        assertEq(fund.coverage(BTC, 10_000_000e6), CAP, "all of it");
        vm.warp(block.timestamp + 100 days);
        assertEq(fund.coverage(BTC, 10_000_000e6), CAP, "no more than that");
    }

    function test_withoutCapNothingIsPaid() public {
        _setCash(1_000e6);
        assertEq(fund.coverage(3, 1_000e6), 0, "no coverage");
        (uint256 fromFund, uint256 fromReserve) = house.cover(3, 1_000e6);
        assertEq(fromFund + fromReserve, 0, "nothing");
    }

    function test_changedCapsKeepWhatWasUsed() public {
        _setCash(10_000_000e6);
        house.cover(BTC, 600_000e6);
        vm.expectEmit(true, true, true, true, address(fund));
        emit InsuranceFund.CapSet(BTC, 0);
        fund.setCap(BTC, 0);
        assertEq(fund.coverage(BTC, 10_000_000e6), 0, "none");
        fund.setCap(BTC, uint128(CAP));
        assertEq(fund.coverage(BTC, 10_000_000e6), 100_000e6, "as before");
        fund.setCap(BTC, uint128(2 * CAP));
        assertEq(fund.coverage(BTC, 10_000_000e6), 800_000e6, "a rise is there at once");
        fund.setCap(BTC, uint128(CAP / 2));
        assertEq(fund.coverage(BTC, 10_000_000e6), 0, "more used than the bucket holds");
        vm.warp(block.timestamp + 7 days);
        assertEq(fund.coverage(BTC, 10_000_000e6), 100_000e6, "leaks at the new rate");
    }

    // Surplus

    function test_withdrawsSurplus() public {
        fund.setReserveRule(1_000, type(uint256).max);
        fund.setMinimum(300e6);
        _setCash(1_000e6);
        assertEq(fund.surplus(), 600e6, "surplus");
        _refuseSurplus(0, 600e6);
        _refuseSurplus(600e6 + 1, 600e6);
        vm.expectEmit(true, true, true, true, address(fund));
        emit InsuranceFund.SurplusWithdrawn(treasury, 600e6);
        fund.withdrawSurplus(600e6, treasury);
        assertEq(token.balanceOf(treasury), 600e6, "received");
        assertEq(house.cash(), int256(400e6), "left");
        assertEq(fund.reserve(), 100e6, "reserve");
        assertEq(fund.surplus(), 0, "none");
        assertEq(fund.allocate(), 0, "nothing grew");
        _refuseSurplus(1, 0);
        // Below the minimum there is no surplus, and no underflow.
        _setCash(50e6);
        _refuseSurplus(1, 0);
    }

    function _refuseSurplus(uint256 amount, uint256 surplus) private {
        vm.expectRevert(abi.encodeWithSelector(InsuranceFund.NotSurplus.selector, amount, surplus));
        fund.withdrawSurplus(amount, treasury);
    }

    function test_tokensOfTheFundItselfAreNotSurplus() public {
        token.mint(address(fund), 5e6);
        _setCash(100e6);
        fund.withdrawSurplus(100e6, treasury);
        assertEq(token.balanceOf(treasury), 100e6, "no more than was withdrawn");
    }

    function test_refusesRecipients() public {
        _setCash(100e6);
        address[3] memory recipients = [address(0), address(fund), address(house)];
        for (uint256 index = 0; index < 3; index++) {
            vm.expectRevert(abi.encodeWithSelector(InsuranceFund.InvalidRecipient.selector, recipients[index]));
            fund.withdrawSurplus(1, recipients[index]);
        }
    }

    function test_noSurplusWhileTheHousePaysShort() public {
        _setCash(100e6);
        house.setShortfall(1);
        vm.expectRevert(abi.encodeWithSelector(InsuranceFund.PaidShort.selector, 10e6, 10e6 - 1));
        fund.withdrawSurplus(10e6, treasury);
    }

    function test_lowerMinimaWait() public {
        _setCash(1_000e6);
        vm.expectEmit(true, true, true, true, address(fund));
        emit InsuranceFund.MinimumSet(900e6, block.timestamp);
        fund.setMinimum(900e6);
        assertEq(fund.surplus(), 100e6, "a rise counts at once");
        vm.expectEmit(true, true, true, true, address(fund));
        emit InsuranceFund.MinimumSet(0, block.timestamp + 7 days);
        fund.setMinimum(0);
        assertEq(fund.minimum(), 900e6, "a fall waits");
        vm.warp(block.timestamp + 7 days - 1);
        _refuseSurplus(100e6 + 1, 100e6);
        vm.warp(block.timestamp + 1);
        assertEq(fund.minimum(), 0, "a fall counts");
        fund.setMinimum(800e6);
        fund.setMinimum(100e6);
        fund.setMinimum(800e6);
        vm.warp(block.timestamp + 8 days);
        assertEq(fund.minimum(), 800e6, "a fall taken back");
    }

    function test_refusesReentry() public {
        _setCash(100e6);
        token.setCallback(address(fund), abi.encodeCall(InsuranceFund.allocate, ()));
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        fund.withdrawSurplus(10e6, treasury);
    }

    // Properties

    /// @dev Deposits, draws, withdrawals and allocations in any order: parts sum up, the reserve is within the cash, growth is shared
    /// once, caps hold over a window, and nothing is drawn from the reserve while there is other cash.
    function testFuzz_sequence(uint256 seed, uint16 shareBps, uint64 target) public {
        shareBps = uint16(bound(shareBps, 0, 10_000));
        fund.setReserveRule(shareBps, target);
        fund.setMinimum(1_000e6);
        uint256 start = block.timestamp;
        uint256 received;
        uint256 earmarked;
        uint256 drawnFromReserve;
        uint256 paid;
        for (uint256 step = 0; step < 24; step++) {
            uint256 random = uint256(keccak256(abi.encode(seed, step)));
            uint256 cash = uint128(house.cash());
            uint256 amount = (random >> 8) % 600_000e6;
            uint256 before = fund.reserve();
            if (random % 4 == 0) {
                _setCash(cash + amount);
                received += amount;
            } else if (random % 4 == 1) {
                uint256 coverage = fund.coverage(BTC, cash);
                (uint256 fromFund, uint256 fromReserve) = house.cover(BTC, amount);
                assertEq(fromFund + fromReserve, amount < coverage ? amount : coverage, "all that is covered");
                assertTrue(fromReserve == 0 || uint128(house.cash()) == fund.reserve(), "reserve last");
                earmarked += fund.reserve() + fromReserve - before;
                drawnFromReserve += fromReserve;
                paid += fromFund + fromReserve;
            } else if (random % 4 == 2) {
                uint256 surplus = fund.surplus();
                if (surplus != 0) {
                    fund.withdrawSurplus(1 + amount % surplus, treasury);
                    assertTrue(uint128(house.cash()) >= fund.reserve() + 1_000e6, "minimum");
                    earmarked += fund.reserve() - before;
                }
            } else {
                earmarked += fund.allocate();
                vm.warp(block.timestamp + random % 2 days);
            }
            assertTrue(fund.reserve() <= uint128(house.cash()), "within the cash");
            assertTrue(fund.reserve() <= target, "within the target");
        }
        assertEq(fund.reserve(), earmarked - drawnFromReserve, "reserve");
        assertTrue(earmarked <= received * shareBps / 10_000, "share of what came in");
        assertTrue(paid <= CAP + CAP * (block.timestamp - start) / 7 days, "cap over a window");
    }

    /// @dev Whether and when somebody allocates makes no difference beyond roundings.
    function testFuzz_allocationsBetweenMakeNoDifference(uint64 first, uint64 second, uint64 drawn) public {
        fund.setReserveRule(3_333, type(uint256).max);
        fund.setCap(BTC, type(uint128).max);
        InsuranceFund twin = new InsuranceFund(address(this));
        StubHouse twinHouse = new StubHouse(address(token), twin, address(twin));
        twin.initialize(twinHouse);
        twin.setReserveRule(3_333, type(uint256).max);
        twin.setCap(BTC, type(uint128).max);

        _setCash(first);
        fund.allocate();
        _setCash(uint256(first) + second);
        fund.allocate();
        twinHouse.setCash(house.cash());
        (uint256 fromFund, uint256 fromReserve) = house.cover(BTC, drawn);
        (uint256 twinFromFund, uint256 twinFromReserve) = twinHouse.cover(BTC, drawn);
        assertEq(fromFund + fromReserve, twinFromFund + twinFromReserve, "paid");
        assertTrue(fromFund >= twinFromFund && fromFund - twinFromFund <= 1, "split");
    }
}

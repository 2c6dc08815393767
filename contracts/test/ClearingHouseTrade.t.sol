// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ClearingHouse} from "../src/ClearingHouse.sol";
import {Consents} from "../src/house/Consents.sol";
import {HouseLedger} from "../src/house/HouseLedger.sol";
import {Account} from "../src/interfaces/IClearingHouse.sol";
import {IProofGate, SettlementClaim, SolvencyClaim, TransferClaim} from "../src/interfaces/IProofGate.sol";
import {IRiskOracle} from "../src/interfaces/IRiskOracle.sol";
import {SettlementRequest, TradeProofs, TradeRequest, TradeSide, WithdrawalRequest} from "../src/interfaces/Requests.sol";
import {Openings} from "../src/libraries/Openings.sol";
import {ProofContext} from "../src/libraries/ProofContext.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {HouseTest} from "./base/HouseTest.sol";
import {ContractOwner} from "./mocks/ContractOwner.sol";

contract ClearingHouseTradeTest is HouseTest {
    uint256 private constant CUSTODIAN_KEY = 0xC057;
    /// @dev Scale at which cash may be owed.
    uint64 private constant LEAST = 2 ** 30;

    function setUp() public override {
        super.setUp();
        _deposit(alice, a, 1_000e6);
        _deposit(bob, b, 1_000e6);
    }

    function _submit(TradeRequest memory request) private {
        house.trade(request, _proofs());
    }

    function _refuse(TradeRequest memory request, bytes memory refusal) private {
        vm.expectRevert(refusal);
        house.trade(request, _proofs());
    }

    function _invalid(IProofGate.Circuit circuit, uint8 capacity) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IProofGate.InvalidProof.selector, circuit, capacity);
    }

    /// @dev The transfer claim of a request, built beside the contract.
    function _transferClaim(TradeRequest memory request) private view returns (TransferClaim memory claim) {
        Account memory accountA = house.getAccount(request.a.accountId);
        Account memory accountB = house.getAccount(request.b.accountId);
        claim.pointA = Openings.point(request.a.newCommitment, request.a.opening.legs, request.a.opening.salt);
        claim.evaluationA = Openings.evaluation(claim.pointA, request.a.opening.legs, request.a.opening.salt);
        claim.pointB = Openings.point(request.b.newCommitment, request.b.opening.legs, request.b.opening.salt);
        claim.evaluationB = Openings.evaluation(claim.pointB, request.b.opening.legs, request.b.opening.salt);
        claim.oldA = accountA.scale == 0 ? request.a.emptyCommitment : accountA.commitment;
        claim.oldB = accountB.scale == 0 ? request.b.emptyCommitment : accountB.commitment;
        claim.newA = request.a.newCommitment;
        claim.newB = request.b.newCommitment;
        claim.scaleOldA = accountA.scale;
        claim.scaleOldB = accountB.scale;
        claim.scaleNewA = request.a.newScale;
        claim.scaleNewB = request.b.newScale;
        claim.underlyingId = Fixtures.BTC;
        claim.context = ProofContext.transfer(
            address(house), request.a.accountId, accountA.nonce, request.b.accountId, accountB.nonce, request.cashToA
        );
        claim.capacity = 16;
    }

    function _acceptOnly(TransferClaim memory claim) private {
        transfer16.acceptSignals(abi.encode(gate.transferSignals(claim)));
    }

    /// @dev A debt behind a smaller one could hardly be sold in slices.
    function test_refusesDebtsAtSmallScales() public {
        for (uint256 side = 0; side < 2; side++) {
            // Who pays 2,000 has 1,000.
            TradeRequest memory request = _tradeRequest(side == 0 ? -2_000e6 : int256(2_000e6));
            TradeSide memory payer = side == 0 ? request.a : request.b;
            payer.newScale = LEAST - 1;
            payer.provenCash = -1_000e6;
            _sign(request);
            uint256 id = side == 0 ? a : b;
            _refuse(request, abi.encodeWithSelector(ClearingHouse.ScaleTooSmall.selector, id, LEAST - 1, LEAST));
        }
        TradeRequest memory accepted = _tradeRequest(-2_000e6);
        accepted.a.newScale = LEAST;
        accepted.a.provenCash = -1_000e6;
        _sign(accepted);
        _submit(accepted);
        assertEq(_cash(a), -1_000e6, "owes");
    }

    function test_trades() public {
        TradeRequest memory request = _tradeRequest(250e6);
        request.a.newScale = 3;
        _sign(request);
        _acceptOnly(_transferClaim(request));
        for (uint256 side = 0; side < 2; side++) {
            uint256 id = side == 0 ? a : b;
            SolvencyClaim memory claim;
            claim.commitment = 1_000 + id;
            claim.scale = side == 0 ? 3 : ONE;
            claim.underlyingId = Fixtures.BTC;
            claim.version = 1;
            claim.round = 1;
            claim.cash = side == 0 ? int256(1_250e6) : int256(750e6);
            claim.level = 5_120;
            claim.context = ProofContext.solvency(address(house), ProofContext.TRADE, id, 0, 1);
            solvency8.acceptSignals(abi.encode(gate.solvencySignals(claim)));
        }
        request.a.provenCash = 1_250e6;
        request.b.provenCash = 750e6;
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.PositionsPublished(a, 1, 1_000 + a, 3, Fixtures.legs(), 5);
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.PositionsPublished(b, 1, 1_000 + b, ONE, Fixtures.legs(), 5);
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.Traded(a, b, 250e6, 0, 1);
        _submit(request);
        Account memory account = house.getAccount(a);
        assertEq(account.commitment, 1_000 + a, "commitment");
        assertEq(uint256(account.scale), 3, "scale");
        assertEq(uint256(account.nonce), 1, "nonce");
        assertEq(account.cash, 1_250e6, "A received");
        assertEq(_cash(b), 750e6, "B paid");
        _checkIdentity();
    }

    /// @dev From positions to positions: the old commitments and scales are the stored ones, whatever is said.
    function test_oldPositionsAreTheStoredOnes() public {
        _trade(0);
        TradeRequest memory request = _tradeRequest(0);
        request.a.newCommitment = 77;
        request.a.emptyCommitment = 123_456;
        _sign(request);
        TransferClaim memory claim = _transferClaim(request);
        assertEq(claim.oldA, 1_000 + a, "stored");
        _acceptOnly(claim);
        _submit(request);
    }

    function test_closes() public {
        _trade(0);
        TradeRequest memory request = _tradeRequest(-40e6);
        _closing(request.a);
        _closing(request.b);
        request.round = 99; // no solvency proof is needed, hence no round
        _sign(request);
        solvency8.acceptAll(false);
        TransferClaim memory claim = _transferClaim(request);
        (claim.pointA, claim.evaluationA, claim.pointB, claim.evaluationB) = (0, 0, 0, 0);
        _acceptOnly(claim);
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.PositionsClosed(a, 2);
        _submit(request);
        assertEq(house.getAccount(a).commitment, 0, "no commitment");
        _checkIdentity();
        _withdraw(alice, a, 960e6);
        _withdraw(bob, b, 1_040e6);
        assertEq(house.totals().tokensHeld, 0, "all out");
    }

    function test_closingNeedsCash() public {
        TradeRequest memory request = _tradeRequest(-1_000e6 - 1);
        _closing(request.a);
        _sign(request);
        _refuse(request, abi.encodeWithSelector(HouseLedger.DebtWithoutPositions.selector, a));
        request.cashToA = 1_000e6 + 1;
        request.a = _side(a);
        _closing(request.b);
        _sign(request);
        _refuse(request, abi.encodeWithSelector(HouseLedger.DebtWithoutPositions.selector, b));
    }

    function test_refusesAccounts() public {
        TradeRequest memory request = _tradeRequest(0);
        request.a.accountId = 99;
        _refuse(request, abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        request = _tradeRequest(0);
        request.b.accountId = 99;
        _refuse(request, abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        request.b.accountId = a;
        _refuse(request, abi.encodeWithSelector(ClearingHouse.SameAccount.selector, a));
        vm.prank(bob);
        request.b.accountId = house.createAccount(ETH);
        _refuse(request, abi.encodeWithSelector(ClearingHouse.UnderlyingMismatch.selector, Fixtures.BTC, ETH));
        request = _tradeRequest(0);
        vm.prank(auctionHouse);
        house.setInAuction(b, true);
        _refuse(request, abi.encodeWithSelector(ClearingHouse.AccountInAuction.selector, b));
        vm.prank(auctionHouse);
        house.setInAuction(a, true);
        _refuse(request, abi.encodeWithSelector(ClearingHouse.AccountInAuction.selector, a));
    }

    function test_refusesCashOutOfRange() public {
        TradeRequest memory request = _tradeRequest(2 ** 96);
        _refuse(request, abi.encodeWithSelector(ClearingHouse.TradeCashOutOfRange.selector, int256(2 ** 96)));
        request.cashToA = type(int256).min;
        _refuse(request, abi.encodeWithSelector(ClearingHouse.TradeCashOutOfRange.selector, type(int256).min));
        request.cashToA = 2 ** 96 - 1;
        _sign(request);
        _refuse(request, abi.encodeWithSelector(HouseLedger.CashOutOfRange.selector, a));
    }

    // Proofs

    function test_refusesProofs() public {
        TradeRequest memory request = _tradeRequest(0);
        _sign(request);
        TradeProofs memory proofs = _proofs();
        proofs.transfer = _badProof();
        vm.expectRevert(_invalid(IProofGate.Circuit.Transfer, 16));
        house.trade(request, proofs);
        proofs = _proofs();
        proofs.solvencyA = _badProof();
        vm.expectRevert(_invalid(IProofGate.Circuit.Solvency, 8));
        house.trade(request, proofs);
        proofs = _proofs();
        proofs.solvencyB = _badProof();
        request.b.capacity = 16;
        vm.expectRevert(_invalid(IProofGate.Circuit.Solvency, 16));
        house.trade(request, proofs);
    }

    function test_refusesMoreCashThanThereIs() public {
        vm.prank(bob);
        house.depositCollateral(b, 1, 1e18); // counts 1,600
        house.setTradeFee(1e6, 0);
        TradeRequest memory request = _tradeRequest(100e6);
        request.a.provenCash = 1_099e6 + 1;
        _sign(request);
        _refuse(request, abi.encodeWithSelector(ClearingHouse.ProvenCashTooHigh.selector, a, 1_099e6 + 1, 1_099e6));
        request.a.provenCash = 1_099e6;
        request.b.provenCash = 2_499e6 + 1;
        _refuse(request, abi.encodeWithSelector(ClearingHouse.ProvenCashTooHigh.selector, b, 2_499e6 + 1, 2_499e6));
        request.b.provenCash = 2_499e6;
        _submit(request);
        _checkIdentity();
    }

    function test_refusesOldAndStaleRounds() public {
        TradeRequest memory request = _tradeRequest(0);
        _sign(request);
        oracle.post(Fixtures.BTC, 96_000e6);
        _refuse(request, abi.encodeWithSelector(IRiskOracle.NotLatestRound.selector, 1, 2));
        request.round = 2;
        oracle.setStale(Fixtures.BTC, true);
        _refuse(request, abi.encodeWithSelector(IRiskOracle.StaleRound.selector, 2));
    }

    // Openings

    function testFuzz_publishesWhatWasCommitted(uint256 index, uint256 change) public {
        TradeRequest memory request = _tradeRequest(0);
        _sign(request);
        _acceptOnly(_transferClaim(request));
        // Other legs or another salt have another point and another value: the proof does not fit.
        index = bound(index, 0, 4);
        change = bound(change, 1, 2 ** 64);
        if (index == 4) request.b.opening.salt += change;
        else request.b.opening.legs[index] = (request.b.opening.legs[index] + change) % ProofContext.SCALAR_FIELD;
        _refuse(request, _invalid(IProofGate.Circuit.Transfer, 16));
    }

    function test_refusesMalformedOpenings() public {
        bytes memory refusal = abi.encodeWithSelector(ClearingHouse.MalformedOpening.selector, a);
        TradeRequest memory request = _tradeRequest(0);
        _sign(request);
        request.a.opening.legs[3] = 0;
        _refuse(request, refusal);
        request.a.opening.legs = new uint256[](33);
        request.a.opening.legs[32] = 1;
        _refuse(request, refusal);
        request.a.opening.custodian = bob;
        _sign(request);
        _refuse(request, refusal);
        request.a.opening.legs = new uint256[](0);
        _refuse(request, refusal);
        request = _tradeRequest(0);
        request.a.newScale = 0;
        _sign(request);
        _refuse(request, refusal);
        request = _tradeRequest(0);
        request.a.opening.legs[0] = ProofContext.SCALAR_FIELD;
        _sign(request);
        _refuse(request, abi.encodeWithSelector(Openings.NotFieldElement.selector, ProofContext.SCALAR_FIELD));
        request = _tradeRequest(0);
        request.a.opening.salt = ProofContext.SCALAR_FIELD;
        _sign(request);
        _refuse(request, abi.encodeWithSelector(Openings.NotFieldElement.selector, ProofContext.SCALAR_FIELD));
    }

    function _withhold(TradeRequest memory request, uint256 accountNonce) private view {
        delete request.a.opening;
        request.a.opening.custodian = vm.addr(CUSTODIAN_KEY);
        request.a.opening.custodianSignature = _signature(
            CUSTODIAN_KEY,
            _digest(
                abi.encode(
                    keccak256("CustodyReceipt(uint256 accountId,uint256 accountNonce,uint256 commitment)"),
                    a,
                    accountNonce,
                    request.a.newCommitment
                )
            )
        );
    }

    function test_withholdsWithACustodian() public {
        address custodian = vm.addr(CUSTODIAN_KEY);
        house.setCustodian(custodian, true);
        TradeRequest memory request = _tradeRequest(0);
        _withhold(request, 1);
        _sign(request);
        TransferClaim memory claim = _transferClaim(request);
        (claim.pointA, claim.evaluationA) = (0, 0);
        _acceptOnly(claim);
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.PositionsWithheld(a, 1, 1_000 + a, ONE, custodian);
        _submit(request);
        // The receipt was for that nonce.
        request = _tradeRequest(0);
        _withhold(request, 1);
        _sign(request);
        transfer16.acceptAll(true);
        _refuse(request, abi.encodeWithSelector(Consents.InvalidCustodyReceipt.selector, a, custodian));
        _withhold(request, 2);
        _submit(request);
        house.setCustodian(custodian, false);
        request = _tradeRequest(0);
        _withhold(request, 3);
        _sign(request);
        _refuse(request, abi.encodeWithSelector(ClearingHouse.NotCustodian.selector, custodian));
    }

    // Consents

    function test_senderNeedsNoSignature() public {
        TradeRequest memory request = _tradeRequest(0);
        _sign(request);
        delete request.a.consent.signature;
        _refuse(request, abi.encodeWithSelector(Consents.InvalidConsent.selector, a));
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(Consents.InvalidConsent.selector, a));
        house.trade(request, _proofs());
        vm.prank(alice);
        house.trade(request, _proofs());
    }

    function test_consentCoversEveryTerm() public {
        bytes memory refusal = abi.encodeWithSelector(Consents.InvalidConsent.selector, a);
        TradeRequest memory request = _tradeRequest(10e6);
        _sign(request);
        request.cashToA -= 1;
        _refuse(request, refusal);
        request.cashToA += 1;
        request.a.newCommitment += 1;
        _refuse(request, refusal);
        request.a.newCommitment -= 1;
        request.a.newScale += 1;
        _refuse(request, refusal);
        request.a.newScale -= 1;
        request.a.consent.maxFee -= 1;
        _refuse(request, refusal);
        request.a.consent.maxFee += 1;
        request.a.consent.deadline += 1;
        _refuse(request, refusal);
        request.a.consent.deadline -= 1;
        request.a.consent.signature = request.b.consent.signature;
        _refuse(request, refusal);
        _sign(request);
        // Another counterparty, who consents.
        uint256 other = _trader(bob);
        request.b = _side(other);
        request.b.consent.signature = _signature(BOB_KEY, _consentDigest(request.b, a, -10e6));
        _refuse(request, refusal);
        request.b = _side(b);
        request.b.consent.maxFee = 1;
        _sign(request);
        request.b.consent.maxFee = 2;
        _refuse(request, abi.encodeWithSelector(Consents.InvalidConsent.selector, b));
    }

    function test_consentIsUsedOnce() public {
        TradeRequest memory request = _tradeRequest(10e6);
        _sign(request);
        _submit(request);
        _refuse(request, abi.encodeWithSelector(Consents.InvalidConsent.selector, a));
    }

    function test_consentIsOfThisChainAndHouse() public {
        TradeRequest memory request = _tradeRequest(10e6);
        _sign(request);
        vm.chainId(5);
        _refuse(request, abi.encodeWithSelector(Consents.InvalidConsent.selector, a));
        vm.chainId(31_337);
        ClearingHouse other = house;
        house = new ClearingHouse(usd, address(this), gate, oracle, parameters, vault, fund);
        a = _trader(alice);
        b = _trader(bob);
        vm.expectRevert(abi.encodeWithSelector(Consents.InvalidConsent.selector, a));
        house.trade(request, _proofs());
        house = other;
        _submit(request);
    }

    function test_consentExpires() public {
        TradeRequest memory request = _tradeRequest(0);
        _sign(request);
        vm.warp(block.timestamp + 1);
        _refuse(request, abi.encodeWithSelector(Consents.ConsentExpired.selector, a, request.a.consent.deadline));
    }

    function test_consentsAreCancelled() public {
        TradeRequest memory request = _tradeRequest(0);
        _sign(request);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotAccountOwner.selector, b, alice));
        house.cancelConsents(b);
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.ConsentsCancelled(a, 1);
        vm.prank(alice);
        house.cancelConsents(a);
        _refuse(request, abi.encodeWithSelector(Consents.InvalidConsent.selector, a));
        _sign(request);
        _submit(request);
    }

    function test_contractsConsent() public {
        ContractOwner owner = new ContractOwner();
        uint256 id = owner.create(house, Fixtures.BTC);
        TradeRequest memory request = _tradeRequest(0);
        request.a = _side(id);
        _sign(request);
        _refuse(request, abi.encodeWithSelector(Consents.InvalidConsent.selector, id));
        owner.approve(_consentDigest(request.a, b, 0));
        _submit(request);
        assertEq(uint256(house.getAccount(id).scale), ONE, "traded");
    }

    function test_domainSeparator() public view {
        bytes32 digest = _digest("");
        bytes32 expected = keccak256(abi.encodePacked("\x19\x01", house.domainSeparator(), keccak256(bytes(""))));
        assertTrue(digest == expected, "domain");
    }

    // Fees

    function testFuzz_feesGoToTheFund(int256 cash, uint256 flat, uint256 bps) public {
        cash = bound(cash, -900e6, 900e6);
        flat = bound(flat, 0, 50e6);
        bps = bound(bps, 0, 100);
        house.setTradeFee(uint64(flat), uint16(bps));
        uint256 size = cash < 0 ? uint256(-cash) : uint256(cash);
        uint256 fee = flat + (size * bps + 9_999) / 10_000;
        TradeRequest memory request = _tradeRequest(cash);
        if (fee != 0) {
            request.b.consent.maxFee = fee - 1;
            _sign(request);
            _refuse(request, abi.encodeWithSelector(Consents.FeeTooHigh.selector, b, fee, fee - 1));
        }
        request.b.consent.maxFee = fee;
        _sign(request);
        _submit(request);
        assertEq(_cash(a), 1_000e6 + cash - int256(fee), "A");
        assertEq(_cash(b), 1_000e6 - cash - int256(fee), "B");
        assertEq(_cash(1), int256(2 * fee), "fund");
        _checkIdentity();
    }

    // Settlements

    function _settlement(uint256 id, int256 cash) private pure returns (SettlementRequest memory request) {
        request.accountId = id;
        request.expiryHours = new uint32[](2);
        request.expiryHours[0] = uint32(Fixtures.HOUR);
        request.expiryHours[1] = uint32(Fixtures.HOUR + 24);
        request.cash = cash;
        request.newCommitment = 5_000 + id;
        request.capacity = 8;
    }

    function _setPrices() private {
        oracle.setPrice(Fixtures.BTC, uint32(Fixtures.HOUR), 95_000e6);
        oracle.setPrice(Fixtures.BTC, uint32(Fixtures.HOUR + 24), 97_000e6);
    }

    function test_settlesWinnersFirst() public {
        _trade(0);
        _setPrices();
        SettlementRequest memory request = _settlement(a, 700e6);
        SettlementClaim memory claim;
        claim.cash = 700e6;
        claim.newCommitment = 5_000 + a;
        claim.oldCommitment = 1_000 + a;
        claim.scale = ONE;
        claim.settlementWords[0] = Fixtures.HOUR + (95_000e6 << 20);
        claim.settlementWords[1] = Fixtures.HOUR + 24 + (97_000e6 << 20);
        claim.underlyingId = Fixtures.BTC;
        claim.context = ProofContext.settlement(address(house), a, 1);
        claim.capacity = 8;
        settlement8.acceptSignals(abi.encode(gate.settlementSignals(claim)));
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.Settled(a, 2, request.expiryHours, 700e6, 5_000 + a);
        house.settle(request, _proof());
        assertEq(house.totals().settlementFloat, 700e6, "paid before it came in");
        assertEq(_cash(a), 1_700e6, "winner");
        assertEq(uint256(house.getAccount(a).scale), ONE, "scale stays");
        _checkIdentity();
        // The legs are gone with the nonce: no second time.
        vm.expectRevert(_invalid(IProofGate.Circuit.Settlement, 8));
        house.settle(request, _proof());
        // The winner cannot take more tokens than there are.
        settlement8.acceptAll(true);
        _withdraw(alice, a, 1_700e6);
        _withdraw(bob, b, 300e6);
        vm.prank(auctionHouse);
        house.setInAuction(b, true);
        house.settle(_settlement(b, -700e6 - 3), _proof()); // also in an auction
        assertEq(house.totals().settlementFloat, -3, "rounding stays");
        _checkIdentity();
    }

    function test_withdrawalsWaitForLosers() public {
        _trade(0);
        _setPrices();
        house.settle(_settlement(a, 1_500e6), _proof());
        TradeRequest memory request = _tradeRequest(0);
        _closing(request.a);
        _sign(request);
        _submit(request);
        WithdrawalRequest memory withdrawal = _withdrawal(a, 2_500e6);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.InsufficientLiquidity.selector, 2_000e6, 2_500e6));
        house.withdraw(withdrawal, _proof());
        house.settle(_settlement(b, -1_500e6), _proof());
        _deposit(bob, b, 500e6);
        _withdraw(alice, a, 2_500e6);
        _checkIdentity();
    }

    function test_refusesSettlements() public {
        SettlementRequest memory request = _settlement(99, 1);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        house.settle(request, _proof());
        request = _settlement(a, 1);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NoPositions.selector, a));
        house.settle(request, _proof());
        _trade(0);
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.NotSettled.selector, Fixtures.BTC, uint32(Fixtures.HOUR)));
        house.settle(request, _proof());
        _setPrices();
        request.expiryHours[1] = request.expiryHours[0];
        vm.expectRevert(ClearingHouse.InvalidExpiryHours.selector);
        house.settle(request, _proof());
        request.expiryHours = new uint32[](5);
        vm.expectRevert(ClearingHouse.InvalidExpiryHours.selector);
        house.settle(request, _proof());
        request.expiryHours = new uint32[](0);
        vm.expectRevert(ClearingHouse.InvalidExpiryHours.selector);
        house.settle(request, _proof());
        request = _settlement(a, 2 ** 96);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.CashClaimOutOfRange.selector, int256(2 ** 96)));
        house.settle(request, _proof());
    }
}

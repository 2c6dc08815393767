// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ClearingHouse} from "../../src/ClearingHouse.sol";
import {HouseLedger} from "../../src/house/HouseLedger.sol";
import {IProofGate, SettlementClaim} from "../../src/interfaces/IProofGate.sol";
import {IRiskOracle} from "../../src/interfaces/IRiskOracle.sol";
import {IRiskParameters} from "../../src/interfaces/IRiskParameters.sol";
import {SettlementRequest, TradeRequest, WithdrawalRequest} from "../../src/interfaces/Requests.sol";
import {ProofContext} from "../../src/libraries/ProofContext.sol";
import {Transfer16Verifier} from "../../src/verifiers/Transfer16Verifier.sol";
import {Fixtures} from "../base/Fixtures.sol";
import {HouseTest} from "../base/HouseTest.sol";

/// @title Attacks that do not work
contract RefusedAttackTest is HouseTest {
    uint32 private constant HOUR = uint32(Fixtures.HOUR);

    function _settlement(uint256 accountId, int256 cash) private pure returns (SettlementRequest memory request) {
        request.accountId = accountId;
        request.expiryHours = new uint32[](1);
        request.expiryHours[0] = HOUR;
        request.cash = cash;
        request.newCommitment = 77;
        request.capacity = 8;
    }

    function _refuseSettlement(SettlementRequest memory request) private {
        vm.expectRevert(abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Settlement, 8));
        house.settle(request, _proof());
    }

    /// @dev A and B commit to the same legs with the same salt, as slices do. What pays one does not pay the other, nor the same one twice.
    function test_aSettlementIsOneAccountsAndOnce() public {
        _deposit(alice, a, 100e6);
        TradeRequest memory request = _tradeRequest(0);
        request.b.newCommitment = request.a.newCommitment;
        _sign(request);
        house.trade(request, _proofs());
        oracle.setPrice(Fixtures.BTC, HOUR, 95_000e6);
        SettlementClaim memory claim;
        claim.cash = 40e6;
        claim.newCommitment = 77;
        claim.oldCommitment = request.a.newCommitment;
        claim.scale = ONE;
        claim.settlementWords[0] = HOUR + (uint256(95_000e6) << 20);
        claim.underlyingId = Fixtures.BTC;
        claim.context = ProofContext.settlement(address(house), a, 1);
        claim.capacity = 8;
        settlement8.acceptSignals(abi.encode(gate.settlementSignals(claim)));
        _refuseSettlement(_settlement(b, 40e6));
        _refuseSettlement(_settlement(a, 40e6 + 1));
        house.settle(_settlement(a, 40e6), _proof());
        _refuseSettlement(_settlement(a, 40e6));
        _checkIdentity();
    }

    /// @dev Without a configuration there is no version to prove under, so no positions and no debt.
    function test_unknownUnderlyingsHoldNothing() public {
        vm.prank(alice);
        a = house.createAccount(77);
        vm.prank(bob);
        b = house.createAccount(77);
        TradeRequest memory request = _tradeRequest(1);
        _sign(request);
        vm.expectRevert(abi.encodeWithSelector(IRiskParameters.UnknownVersion.selector, uint32(77), uint64(0)));
        house.trade(request, _proofs());
        _closing(request.a);
        _closing(request.b);
        _sign(request);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.DebtWithoutPositions.selector, b));
        house.trade(request, _proofs());
    }

    /// @dev All legs have been paid, and no round is fresh. The way out needs no proof of solvency: a trade with an own second account.
    function test_aSilentOracleKeepsNobodyWithoutLegs() public {
        _deposit(alice, a, 100e6);
        uint256 second = _trader(alice);
        _trade(0);
        oracle.setStale(Fixtures.BTC, true);
        WithdrawalRequest memory withdrawal = _withdrawal(a, 1);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.StaleRound.selector, 1));
        house.withdraw(withdrawal, _proof());
        TradeRequest memory request = _tradeRequest(0);
        request.b = _side(second);
        _closing(request.a);
        _closing(request.b);
        vm.prank(alice);
        house.trade(request, _proofs());
        _withdraw(alice, a, 100e6);
    }

    /// @dev Strangers' payments void nothing: not the proof, not the consent.
    function testFuzz_dustLocksNobody(uint96 dust, uint96 more) public {
        dust = uint96(bound(dust, 1, 1e12));
        more = uint96(bound(more, 1, 1e12));
        usd.mint(bob, 2e12);
        _deposit(alice, a, 100e6);
        TradeRequest memory request = _tradeRequest(0);
        _sign(request);
        request.a.provenCash = 100e6;
        _deposit(bob, a, dust);
        house.trade(request, _proofs());
        WithdrawalRequest memory withdrawal = _withdrawal(a, 60e6);
        withdrawal.provenCash = 40e6;
        _deposit(bob, a, more);
        vm.prank(alice);
        house.withdraw(withdrawal, _proof());
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotAccountOwner.selector, a, bob));
        house.depositCollateral(a, 1, 1);
        _checkIdentity();
    }

    /// @dev Every purpose, id, nonce and round has its own context, whatever numbers an attacker may choose for them.
    function testFuzz_contextsDiffer(uint256[4] memory n, uint8 first, uint8 second) public view {
        uint256[7] memory contexts = [
            ProofContext.insolvency(address(house), n[0], n[1], n[2], address(uint160(n[3]))),
            ProofContext.solvency(address(house), ProofContext.WITHDRAWAL, n[0], n[1], n[2]),
            ProofContext.solvency(address(house), ProofContext.TRADE, n[0], n[1], n[2]),
            ProofContext.solvency(address(house), ProofContext.RECOVERY, n[0], n[1], n[2]),
            ProofContext.transfer(address(house), n[0], n[1], n[2], n[3], 0),
            ProofContext.settlement(address(house), n[0], n[1]),
            ProofContext.solvency(address(vault), ProofContext.WITHDRAWAL, n[0], n[1], n[2])
        ];
        first %= 7;
        second %= 7;
        assertTrue(first == second || contexts[first] != contexts[second], "one context, two meanings");
    }

    /// @dev Whatever gas it is given, a verifier never takes a false proof for a true one.
    function testFuzz_starvedVerifiersRefuse(uint256 allowance) public {
        Transfer16Verifier verifier = new Transfer16Verifier();
        allowance = bound(allowance, 0, 600_000);
        uint256[2] memory point = [uint256(1), 2];
        uint256[2][2] memory b_;
        uint256[14] memory signals;
        bytes memory data = abi.encodeCall(verifier.verifyProof, (point, b_, point, signals));
        (bool success, bytes memory answer) = address(verifier).staticcall{gas: allowance}(data);
        assertTrue(!success || (answer.length == 32 && !abi.decode(answer, (bool))), "refused");
    }
}

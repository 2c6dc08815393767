// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ClearingHouse} from "../../src/ClearingHouse.sol";
import {CollateralVault, Haircuts} from "../../src/CollateralVault.sol";
import {ProofGate, Verifiers} from "../../src/ProofGate.sol";
import {Totals} from "../../src/house/HouseLedger.sol";
import {Groth16Proof, IBatchVerifier14, IVerifier10, IVerifier14, IVerifier16} from "../../src/interfaces/Groth16.sol";
import {Account, SliceMove} from "../../src/interfaces/IClearingHouse.sol";
import {
    CollateralWithdrawal,
    TradeProofs,
    TradeRequest,
    TradeSide,
    WithdrawalRequest
} from "../../src/interfaces/Requests.sol";
import {TestUsd} from "../../src/testing/TestUsd.sol";
import {WideToken} from "../mocks/OddTokens.sol";
import {MockOracle, MockParameters} from "../mocks/MockMarket.sol";
import {MockBatchVerifier14, MockVerifier10, MockVerifier14, MockVerifier16} from "../mocks/MockVerifiers.sol";
import {StubFund} from "../mocks/StubFund.sol";
import {Fixtures} from "./Fixtures.sol";
import {Test} from "./Test.sol";

/// @title House, vault and gate around mock verifiers, with two traders
abstract contract HouseTest is Test {
    uint256 internal constant ALICE_KEY = 0xA11CE;
    uint256 internal constant BOB_KEY = 0xB0B;
    uint64 internal constant ONE = 2 ** 40;
    uint32 internal constant ETH = 2;

    TestUsd internal usd;
    TestUsd internal wrapped;
    MockOracle internal oracle;
    MockParameters internal parameters;
    StubFund internal fund;
    CollateralVault internal vault;
    ProofGate internal gate;
    ClearingHouse internal house;
    MockVerifier14 internal insolvency8;
    MockVerifier14 internal insolvency16;
    MockVerifier14 internal insolvency32;
    MockVerifier16 internal solvency8;
    MockVerifier16 internal solvency16;
    MockVerifier14 internal transfer16;
    MockVerifier10 internal settlement8;
    MockVerifier10 internal settlement32;
    MockBatchVerifier14 internal batch8;
    MockBatchVerifier14 internal batch16;
    MockBatchVerifier14 internal batch32;
    address internal alice;
    address internal bob;
    address internal engine = makeAddr("engine");
    address internal auctionHouse = makeAddr("auction house");
    uint256 internal a;
    uint256 internal b;

    function setUp() public virtual {
        _deploy(new TestUsd());
    }

    function _deploy(TestUsd token) internal {
        vm.warp(Fixtures.NOW + 10);
        alice = vm.addr(ALICE_KEY);
        bob = vm.addr(BOB_KEY);
        usd = token;
        wrapped = new WideToken();
        oracle = new MockOracle();
        parameters = new MockParameters();
        _market(Fixtures.BTC, 96_000e6);
        _market(ETH, 2_000e6);
        fund = new StubFund();
        vault = new CollateralVault(oracle, address(this));
        _deployGate();
        house = new ClearingHouse(token, address(this), gate, oracle, parameters, vault, fund);
        vault.initialize(address(house));
        vault.addCollateral(IERC20Metadata(address(wrapped)), ETH, Haircuts(2_000, 2_000), 1_000e18);
        house.setEngine(engine, true);
        house.setAuctionHouse(auctionHouse);
        a = _trader(alice);
        b = _trader(bob);
    }

    function _deployGate() private {
        insolvency8 = new MockVerifier14();
        insolvency16 = new MockVerifier14();
        insolvency32 = new MockVerifier14();
        solvency8 = new MockVerifier16();
        solvency16 = new MockVerifier16();
        transfer16 = new MockVerifier14();
        settlement8 = new MockVerifier10();
        settlement32 = new MockVerifier10();
        batch8 = new MockBatchVerifier14();
        batch16 = new MockBatchVerifier14();
        batch32 = new MockBatchVerifier14();
        gate = new ProofGate(oracle, parameters, _verifiers());
    }

    function _verifiers() internal view returns (Verifiers memory) {
        return Verifiers(
            IVerifier14(address(insolvency8)),
            IVerifier14(address(insolvency16)),
            IVerifier14(address(insolvency32)),
            IVerifier16(address(solvency8)),
            IVerifier16(address(solvency16)),
            IVerifier14(address(transfer16)),
            IVerifier10(address(settlement8)),
            IVerifier10(address(settlement32)),
            IBatchVerifier14(address(batch8)),
            IBatchVerifier14(address(batch16)),
            IBatchVerifier14(address(batch32))
        );
    }

    function _market(uint32 underlyingId, uint256 spot) private {
        oracle.post(underlyingId, spot);
        parameters.bump(underlyingId);
    }

    function _trader(address owner) internal returns (uint256 accountId) {
        usd.mint(owner, 1_000_000e6);
        wrapped.mint(owner, 100e18);
        vm.startPrank(owner);
        usd.approve(address(house), type(uint256).max);
        wrapped.approve(address(vault), type(uint256).max);
        accountId = house.createAccount(Fixtures.BTC);
        vm.stopPrank();
    }

    function _deposit(address payer, uint256 accountId, uint256 amount) internal {
        vm.prank(payer);
        house.deposit(accountId, amount);
    }

    function _cash(uint256 accountId) internal view returns (int256) {
        return house.getAccount(accountId).cash;
    }

    function _proof() internal pure returns (Groth16Proof memory proof) {}

    function _badProof() internal pure returns (Groth16Proof memory proof) {
        proof.a[0] = 666;
    }

    function _withdrawal(uint256 accountId, uint256 amount) internal view returns (WithdrawalRequest memory request) {
        request.accountId = accountId;
        request.amount = amount;
        request.provenCash = -1e12;
        request.round = oracle.latestRound(Fixtures.BTC);
        request.capacity = 8;
    }

    function _withdraw(address owner, uint256 accountId, uint256 amount) internal {
        WithdrawalRequest memory request = _withdrawal(accountId, amount);
        vm.prank(owner);
        house.withdraw(request, _proof());
    }

    function _collateralWithdrawal(uint256 accountId, uint256 amount)
        internal
        view
        returns (CollateralWithdrawal memory)
    {
        return CollateralWithdrawal(accountId, 1, amount, -1e12, oracle.latestRound(Fixtures.BTC), 8);
    }

    /// @dev Both sides get new positions at scale 1, published; nothing is signed.
    function _tradeRequest(int256 cashToA) internal view returns (TradeRequest memory request) {
        request.a = _side(a);
        request.b = _side(b);
        request.cashToA = cashToA;
        request.round = oracle.latestRound(Fixtures.BTC);
    }

    function _side(uint256 accountId) internal view returns (TradeSide memory side) {
        side.accountId = accountId;
        side.newCommitment = 1_000 + accountId;
        side.newScale = ONE;
        side.emptyCommitment = 99;
        side.provenCash = -1e12;
        side.capacity = 8;
        side.opening.legs = Fixtures.legs();
        side.opening.salt = 5;
        side.consent.maxFee = type(uint256).max;
        side.consent.deadline = block.timestamp;
    }

    function _closing(TradeSide memory side) internal pure {
        side.newScale = 0;
        delete side.opening;
    }

    /// @dev The digest is built from the type's text, independently of the contract.
    function _digest(bytes memory structData) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("zkmargin ClearingHouse"),
                keccak256("1"),
                block.chainid,
                address(house)
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, keccak256(structData)));
    }

    function _consentDigest(TradeSide memory side, uint256 counterpartyId, int256 cashIn)
        internal
        view
        returns (bytes32)
    {
        bytes memory head = abi.encode(
            keccak256(
                "TradeConsent(uint256 accountId,uint256 counterpartyId,uint256 accountNonce,uint256 consentNonce,uint256 newCommitment,uint256 newScale,address custodian,int256 cashIn,uint256 maxFee,uint256 deadline)"
            ),
            side.accountId,
            counterpartyId,
            uint256(house.getAccount(side.accountId).nonce),
            house.consentNonceOf(side.accountId)
        );
        bytes memory tail = abi.encode(
            side.newCommitment,
            uint256(side.newScale),
            side.opening.custodian,
            cashIn,
            side.consent.maxFee,
            side.consent.deadline
        );
        return _digest(bytes.concat(head, tail));
    }

    function _signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _sign(TradeRequest memory request) internal view {
        request.a.consent.signature =
            _signature(ALICE_KEY, _consentDigest(request.a, request.b.accountId, request.cashToA));
        request.b.consent.signature =
            _signature(BOB_KEY, _consentDigest(request.b, request.a.accountId, -request.cashToA));
    }

    function _proofs() internal pure returns (TradeProofs memory proofs) {}

    function _trade(int256 cashToA) internal {
        TradeRequest memory request = _tradeRequest(cashToA);
        _sign(request);
        house.trade(request, _proofs());
    }

    function _slice(uint256 accountId, uint256 vesselId, address keeper, uint64 scaleTaken)
        internal
        pure
        returns (SliceMove memory slice)
    {
        slice.accountId = accountId;
        slice.vesselId = vesselId;
        slice.keeper = keeper;
        slice.scaleTaken = scaleTaken;
        _demand(slice, scaleTaken, -1e12);
    }

    /// @dev Has the house ask an amount of a vessel that holds a scale afterwards.
    function _demand(SliceMove memory slice, uint256 heldScale, int256 floor) internal pure {
        slice.proven.mark = -floor;
        slice.proven.scale = heldScale;
    }

    /// @dev The identity of the house: sum of cash, tokens, debts.
    function _checkIdentity() internal view {
        int256 sum = 0;
        uint256 count = house.accountCount();
        for (uint256 id = 1; id <= count; id++) {
            Account memory account = house.getAccount(id);
            sum += account.cash;
            assertTrue(account.cash >= 0 || account.scale != 0, "no debt without positions");
            assertTrue((account.scale == 0) == (account.commitment == 0), "scale and commitment");
        }
        Totals memory sums = house.totals();
        assertEq(sum, int256(sums.tokensHeld) + sums.settlementFloat + sums.openDeficit, "sum of cash");
        assertTrue(usd.balanceOf(address(house)) >= sums.tokensHeld, "tokens held");
        uint256 collateral = 0;
        for (uint256 id = 1; id <= count; id++) {
            collateral += vault.balanceOf(id, 1);
        }
        assertEq(uint256(vault.getCollateral(1).total), collateral, "collateral total");
        assertTrue(wrapped.balanceOf(address(vault)) >= collateral, "collateral held");
    }
}

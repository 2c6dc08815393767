// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {AuctionHouse} from "../../src/AuctionHouse.sol";
import {ClearingHouse} from "../../src/ClearingHouse.sol";
import {CollateralVault, Haircuts} from "../../src/CollateralVault.sol";
import {InsuranceFund} from "../../src/InsuranceFund.sol";
import {LiquidationEngine} from "../../src/LiquidationEngine.sol";
import {LiquidatorRegistry} from "../../src/LiquidatorRegistry.sol";
import {ProofGate, Verifiers} from "../../src/ProofGate.sol";
import {RiskOracle} from "../../src/RiskOracle.sol";
import {RiskParameters} from "../../src/RiskParameters.sol";
import {SealedBidStage} from "../../src/SealedBidStage.sol";
import {Groth16Proof, IBatchVerifier14, IVerifier10, IVerifier14, IVerifier16} from "../../src/interfaces/Groth16.sol";
import {Account} from "../../src/interfaces/IClearingHouse.sol";
import {CollateralValues} from "../../src/interfaces/ICollateralVault.sol";
import {IFundHouse} from "../../src/interfaces/IFundHouse.sol";
import {IHouseDeposits} from "../../src/interfaces/IHouseDeposits.sol";
import {LiquidationTerms} from "../../src/interfaces/IRiskParameters.sol";
import {TradeSide} from "../../src/interfaces/Requests.sol";
import {ProofContext} from "../../src/libraries/ProofContext.sol";
import {OracleWords} from "../../src/libraries/OracleWords.sol";
import {OracleConfiguration, Report} from "../../src/oracle/OracleSources.sol";
import {CallbackToken} from "../mocks/OddTokens.sol";
import {Fixtures} from "./Fixtures.sol";
import {TermsFixture} from "./TermsFixture.sol";
import {Test} from "./Test.sol";
import {TruthInsolvency, TruthModel, TruthSolvency, TruthVerifier} from "./TruthModel.sol";

/// @title The whole protocol, wired as it is deployed, around verifiers that accept true statements and nothing else
abstract contract ProtocolTest is Test {
    uint32 internal constant BTC = Fixtures.BTC;
    uint64 internal constant ONE = 2 ** 40;
    uint256 internal constant FUND = 1;
    uint256 internal constant CUSTODIAN_KEY = 0xC057;
    uint256 internal constant SOURCES = 3;
    uint96 internal constant BOND = 100e6;
    uint256 internal constant COLLATERAL = 1;

    CallbackToken internal usd;
    CallbackToken internal coin;
    TruthModel internal model;
    RiskOracle internal oracle;
    RiskParameters internal parameters;
    ProofGate internal gate;
    CollateralVault internal vault;
    InsuranceFund internal fund;
    ClearingHouse internal house;
    LiquidatorRegistry internal registry;
    LiquidationEngine internal engine;
    AuctionHouse internal auctions;
    SealedBidStage internal stage;
    /// @dev Keys of sources, by address.
    uint256[] internal sourceKeys;

    function setUp() public virtual {
        vm.warp(Fixtures.NOW);
        usd = new CallbackToken();
        coin = new CallbackToken();
        model = new TruthModel();
        _deployMarket();
        _deployGate();
        _deployHouse();
        _deployLiquidations();
        model.setParametersCommitment(parameters.commitmentAt(BTC, 1));
        assertTrue(_post(96_000e6), "first round");
    }

    function _deployMarket() private {
        oracle = new RiskOracle(address(this));
        oracle.configureUnderlying(BTC, _oracleConfiguration());
        uint256[3] memory keys = [uint256(1), 2, 3];
        for (uint256 next = 1; next < SOURCES; next++) {
            for (uint256 place = next; place > 0 && vm.addr(keys[place - 1]) > vm.addr(keys[place]); place--) {
                (keys[place - 1], keys[place]) = (keys[place], keys[place - 1]);
            }
        }
        for (uint256 index = 0; index < SOURCES; index++) {
            sourceKeys.push(keys[index]);
            oracle.setSource(BTC, vm.addr(keys[index]), true);
        }
        parameters = new RiskParameters(address(this), 0);
        _nextVersion();
    }

    /// @dev The same configuration once more, as a new version.
    function _nextVersion() internal {
        parameters.propose(BTC, Fixtures.parameters(), _terms());
        parameters.execute(BTC, Fixtures.parameters(), _terms());
    }

    function _terms() internal pure virtual returns (LiquidationTerms memory) {
        return TermsFixture.terms();
    }

    function _oracleConfiguration() internal pure returns (OracleConfiguration memory) {
        return OracleConfiguration({
            minSources: 3,
            maxReportAge: 60,
            maxRoundAge: 600,
            outlierMultipleTenths: 30,
            outlierFloorBps: 10,
            outlierCapBps: 1_000,
            spotMoveBps: 1_000,
            volatilityMoveBps: 3_000,
            windDownDelay: 7 days,
            minInterval: 0
        });
    }

    function _deployGate() private {
        address judge = address(new TruthVerifier(model));
        address solvency = address(new TruthSolvency(model));
        address insolvency = address(new TruthInsolvency(model));
        gate = new ProofGate(
            oracle,
            parameters,
            Verifiers({
                insolvency8: IVerifier14(insolvency),
                insolvency16: IVerifier14(insolvency),
                insolvency32: IVerifier14(insolvency),
                solvency8: IVerifier16(solvency),
                solvency16: IVerifier16(solvency),
                transfer16: IVerifier14(judge),
                settlement8: IVerifier10(judge),
                settlement32: IVerifier10(judge),
                insolvencyBatch8: IBatchVerifier14(insolvency),
                insolvencyBatch16: IBatchVerifier14(insolvency),
                insolvencyBatch32: IBatchVerifier14(insolvency)
            })
        );
    }

    function _deployHouse() private {
        vault = new CollateralVault(oracle, address(this));
        fund = new InsuranceFund(address(this));
        house = new ClearingHouse(usd, address(this), gate, oracle, parameters, vault, fund);
        vault.initialize(address(house));
        fund.initialize(IFundHouse(address(house)));
        // Of six decimals.
        vault.addCollateral(IERC20Metadata(address(coin)), BTC, Haircuts(2_000, 2_000), type(uint128).max);
        house.setCustodian(vm.addr(CUSTODIAN_KEY), true);
        house.setTradeFee(1e6, 5);
        fund.setCap(BTC, 50_000e6);
        fund.setReserveRule(2_000, 20_000e6);
    }

    function _deployLiquidations() private {
        registry = new LiquidatorRegistry(address(this));
        engine = new LiquidationEngine(oracle, parameters, house, gate, registry);
        auctions = new AuctionHouse(address(this), oracle, parameters, house, gate, registry);
        stage = new SealedBidStage(address(this), usd, IHouseDeposits(address(house)), auctions, 1_000e6, BOND);
        house.setEngine(address(engine), true);
        house.setEngine(address(auctions), true);
        house.setAuctionHouse(address(auctions));
        auctions.setSealedBidStage(stage);
    }

    // Market

    function _post(uint256 spot) internal returns (bool accepted) {
        return oracle.postRound(BTC, _reports(spot));
    }

    function _reports(uint256 spot) internal view returns (Report[] memory reports) {
        uint256 word = Fixtures.underlyingWord(spot, block.timestamp, 30_000, BTC);
        uint256[8] memory words;
        uint256 hour = block.timestamp / 3600;
        words[0] = Fixtures.expiryWord(hour + 2);
        words[1] = Fixtures.expiryWord(hour + 168);
        words[2] = Fixtures.expiryWord(hour + 1_440);
        bytes32 digest = oracle.reportDigest(word, words);
        reports = new Report[](SOURCES);
        for (uint256 index = 0; index < SOURCES; index++) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(sourceKeys[index], digest);
            reports[index] = Report(word, words, abi.encodePacked(r, s, v));
        }
    }

    function _spot() internal view returns (uint256 spot) {
        (uint256 word,) = oracle.latestUnderlyingWord(BTC);
        return OracleWords.spot(word);
    }

    function _round() internal view returns (uint64) {
        return oracle.latestRound(BTC);
    }

    // Proofs

    /// @dev A proof of whatever is true, for one context.
    function _proofFor(uint256 context) internal pure returns (Groth16Proof memory proof) {
        proof.a[0] = context;
    }

    function _insolvencyProof(address consumer, uint256 accountId, uint64 nonce, address keeper)
        internal
        view
        returns (Groth16Proof memory)
    {
        return _proofFor(ProofContext.insolvency(consumer, accountId, nonce, _round(), keeper));
    }

    function _solvencyProof(address consumer, uint256 purpose, uint256 accountId, uint64 nonce)
        internal
        view
        returns (Groth16Proof memory)
    {
        return _proofFor(ProofContext.solvency(consumer, purpose, accountId, nonce, _round()));
    }

    // Accounts

    function _account(uint256 accountId) internal view returns (Account memory) {
        return house.getAccount(accountId);
    }

    function _mark(uint256 accountId) internal view returns (int256) {
        Account memory account = _account(accountId);
        return model.markOf(account.commitment, account.scale, _spot());
    }

    /// @dev Maintenance, the account's collateral included.
    function _requirement(uint256 accountId) internal view returns (uint256) {
        Account memory account = _account(accountId);
        uint256 moving = house.collateralValueOf(accountId, false).moving;
        return model.requirementOf(account.commitment, account.scale, _spot(), moving);
    }

    function _collateral(uint256 accountId, bool onlyFresh) internal view returns (uint256 value) {
        return house.collateralValueOf(accountId, onlyFresh).value;
    }

    /// @dev Most cash that a solvency claim may have.
    function _steady(uint256 accountId) internal view returns (int256) {
        CollateralValues memory values = house.collateralValueOf(accountId, true);
        return _account(accountId).cash + int256(values.value - values.moving);
    }

    /// @dev Cash, collateral and positions at the newest round.
    function _equity(uint256 accountId) internal view returns (int256) {
        return _account(accountId).cash + int256(_collateral(accountId, false)) + _mark(accountId);
    }

    /// @dev The same with collateral at its sale value.
    function _worth(uint256 accountId) internal view returns (int256) {
        uint256 saleValue = house.collateralValueOf(accountId, false).saleValue;
        return _account(accountId).cash + int256(saleValue) + _mark(accountId);
    }

    // Signatures

    function _digest(bytes memory structData) internal view returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", house.domainSeparator(), keccak256(structData)));
    }

    function _signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _signConsent(TradeSide memory side, uint256 counterpartyId, int256 cashIn, uint256 key) internal view {
        bytes memory head = abi.encode(
            house.TRADE_CONSENT_TYPEHASH(),
            side.accountId,
            counterpartyId,
            uint256(_account(side.accountId).nonce),
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
        side.consent.signature = _signature(key, _digest(bytes.concat(head, tail)));
    }

    /// @dev Has the opening held by the custodian.
    function _withhold(TradeSide memory side) internal view {
        side.opening.custodian = vm.addr(CUSTODIAN_KEY);
        side.opening.custodianSignature = _signature(
            CUSTODIAN_KEY,
            _digest(
                abi.encode(
                    house.CUSTODY_RECEIPT_TYPEHASH(),
                    side.accountId,
                    uint256(_account(side.accountId).nonce) + 1,
                    side.newCommitment
                )
            )
        );
    }
}

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Account} from "../interfaces/IClearingHouse.sol";
import {TradeSide} from "../interfaces/Requests.sol";

/// @title Signed consents to trades, and receipts of custodians
/// @notice EIP-712 typed data; owners and custodians may be contracts (ERC-1271). A consent is for one state of the account (its nonce), one
/// counterparty and one result, so it can be used once; `cancelConsents` voids all that were given before.
abstract contract Consents is EIP712 {
    /// @notice The deadline of a consent has passed.
    error ConsentExpired(uint256 accountId, uint256 deadline);
    /// @notice The fee is above what the owner accepts.
    error FeeTooHigh(uint256 accountId, uint256 fee, uint256 maxFee);
    /// @notice The owner has neither sent the transaction nor signed exactly this side of the trade.
    error InvalidConsent(uint256 accountId);
    /// @notice The custodian has not signed that it holds this opening.
    error InvalidCustodyReceipt(uint256 accountId, address custodian);

    /// @notice What an owner signs.
    /// @param accountNonce before the trade
    /// @param consentNonce `consentNonceOf` the account
    /// @param custodian who will hold the opening; zero to have it published. Bound, because whoever sends the transaction could otherwise
    /// publish what the owner wants to keep hidden, or give it into other hands
    /// @param cashIn what the account receives before fees, in 1e-6 units, signed
    /// @param maxFee most that the account may be charged
    /// @param deadline last second at which the consent holds
    struct TradeConsent {
        uint256 accountId;
        uint256 counterpartyId;
        uint256 accountNonce;
        uint256 consentNonce;
        uint256 newCommitment;
        uint256 newScale;
        address custodian;
        int256 cashIn;
        uint256 maxFee;
        uint256 deadline;
    }

    /// @notice EIP-712 type of an owner's consent.
    bytes32 public constant TRADE_CONSENT_TYPEHASH = keccak256(
        "TradeConsent(uint256 accountId,uint256 counterpartyId,uint256 accountNonce,uint256 consentNonce,uint256 newCommitment,uint256 newScale,address custodian,int256 cashIn,uint256 maxFee,uint256 deadline)"
    );
    /// @notice EIP-712 type of a custodian's receipt; `accountNonce` is the account's nonce after the trade.
    bytes32 public constant CUSTODY_RECEIPT_TYPEHASH =
        keccak256("CustodyReceipt(uint256 accountId,uint256 accountNonce,uint256 commitment)");

    /// @notice Consents carry the number that stands here.
    mapping(uint256 accountId => uint256) public consentNonceOf;

    constructor() EIP712("zkmargin ClearingHouse", "1") {}

    /// @notice Separates signatures for this contract on this chain from all others.
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @param cashIn what the account receives, signed
    function _requireConsent(
        TradeSide calldata side,
        Account storage account,
        uint256 counterpartyId,
        int256 cashIn,
        uint256 fee
    ) internal view {
        uint256 accountId = side.accountId;
        if (block.timestamp > side.consent.deadline) revert ConsentExpired(accountId, side.consent.deadline);
        if (fee > side.consent.maxFee) revert FeeTooHigh(accountId, fee, side.consent.maxFee);
        address owner = account.owner;
        if (msg.sender == owner) return;
        TradeConsent memory consent;
        consent.accountId = accountId;
        consent.counterpartyId = counterpartyId;
        consent.accountNonce = account.nonce;
        consent.consentNonce = consentNonceOf[accountId];
        consent.newCommitment = side.newCommitment;
        consent.newScale = side.newScale;
        consent.custodian = side.opening.custodian;
        consent.cashIn = cashIn;
        consent.maxFee = side.consent.maxFee;
        consent.deadline = side.consent.deadline;
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(TRADE_CONSENT_TYPEHASH, consent)));
        if (!SignatureChecker.isValidSignatureNowCalldata(owner, digest, side.consent.signature)) {
            revert InvalidConsent(accountId);
        }
    }

    /// @param accountNonce after the trade
    function _requireCustodyReceipt(TradeSide calldata side, uint256 accountNonce) internal view {
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(CUSTODY_RECEIPT_TYPEHASH, side.accountId, accountNonce, side.newCommitment))
        );
        address custodian = side.opening.custodian;
        if (!SignatureChecker.isValidSignatureNowCalldata(custodian, digest, side.opening.custodianSignature)) {
            revert InvalidCustodyReceipt(side.accountId, custodian);
        }
    }
}

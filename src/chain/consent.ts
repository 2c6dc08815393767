/** What owners and custodians sign for trades: EIP-712 typed data of `ClearingHouse`. */
import { type Address, type Hex, hashTypedData, type LocalAccount } from 'viem';

/** The house whose signatures these are. */
export interface HouseDomain {
  readonly chainId: number;
  /** Address of the clearing house. */
  readonly house: Address;
}

/** An owner's consent to its side of a trade. Money is in 1e-6 units. */
export interface TradeConsent {
  readonly accountId: bigint;
  readonly counterpartyId: bigint;
  /** Of the account, before the trade. */
  readonly accountNonce: bigint;
  /** `consentNonceOf` the account. */
  readonly consentNonce: bigint;
  readonly newCommitment: bigint;
  /** In 2^-40; 0 closes the account's positions. */
  readonly newScale: bigint;
  /** Who will hold the opening; the zero address to have it published. */
  readonly custodian: Address;
  /** What the account receives before fees, signed. */
  readonly cashIn: bigint;
  /** Most that the account may be charged. */
  readonly maxFee: bigint;
  /** Last second at which the consent holds, since 1970-01-01 UTC. */
  readonly deadline: bigint;
}

/** A custodian's word that it holds the opening of a commitment. */
export interface CustodyReceipt {
  readonly accountId: bigint;
  /** Of the account, after the trade. */
  readonly accountNonce: bigint;
  readonly commitment: bigint;
}

/** Types as in `Consents.sol`. */
const CONSENT_TYPES = {
  TradeConsent: [
    { name: 'accountId', type: 'uint256' },
    { name: 'counterpartyId', type: 'uint256' },
    { name: 'accountNonce', type: 'uint256' },
    { name: 'consentNonce', type: 'uint256' },
    { name: 'newCommitment', type: 'uint256' },
    { name: 'newScale', type: 'uint256' },
    { name: 'custodian', type: 'address' },
    { name: 'cashIn', type: 'int256' },
    { name: 'maxFee', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const;

const RECEIPT_TYPES = {
  CustodyReceipt: [
    { name: 'accountId', type: 'uint256' },
    { name: 'accountNonce', type: 'uint256' },
    { name: 'commitment', type: 'uint256' },
  ],
} as const;

function domain({ chainId, house }: HouseDomain) {
  return { name: 'zkmargin ClearingHouse', version: '1', chainId, verifyingContract: house } as const;
}

/** Typed data of a consent, for wallets. */
function tradeConsentData(house: HouseDomain, consent: TradeConsent) {
  return {
    domain: domain(house),
    types: CONSENT_TYPES,
    primaryType: 'TradeConsent',
    message: consent,
  } as const;
}

/** Typed data of a custodian's receipt. */
function custodyReceiptData(house: HouseDomain, receipt: CustodyReceipt) {
  return {
    domain: domain(house),
    types: RECEIPT_TYPES,
    primaryType: 'CustodyReceipt',
    message: receipt,
  } as const;
}

/** The digest that the house checks; a contract that owns an account approves it (ERC-1271). */
export function tradeConsentDigest(house: HouseDomain, consent: TradeConsent): Hex {
  return hashTypedData(tradeConsentData(house, consent));
}

/** The digest of a custodian's receipt. */
export function custodyReceiptDigest(house: HouseDomain, receipt: CustodyReceipt): Hex {
  return hashTypedData(custodyReceiptData(house, receipt));
}

/** Signs a consent as the account's owner. */
export function signTradeConsent(
  owner: LocalAccount,
  house: HouseDomain,
  consent: TradeConsent,
): Promise<Hex> {
  return owner.signTypedData(tradeConsentData(house, consent));
}

/** Signs a receipt as a custodian. */
export function signCustodyReceipt(
  custodian: LocalAccount,
  house: HouseDomain,
  receipt: CustodyReceipt,
): Promise<Hex> {
  return custodian.signTypedData(custodyReceiptData(house, receipt));
}

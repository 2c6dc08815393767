import fc from 'fast-check';
import { concat, encodeAbiParameters, type Hex, keccak256, pad, recoverAddress, toBytes, toHex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { describe, expect, it } from 'vitest';
import {
  type CustodyReceipt,
  custodyReceiptDigest,
  signCustodyReceipt,
  signTradeConsent,
  type TradeConsent,
  tradeConsentDigest,
} from './consent.ts';

const owner = privateKeyToAccount(`0x${'11'.repeat(32)}`);
const house = { chainId: 31_337, house: '0x5FbDB2315678afecb367f032d93F642f64180aa3' } as const;
const word = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });

const consents: fc.Arbitrary<TradeConsent> = fc.record({
  accountId: word,
  counterpartyId: word,
  accountNonce: word,
  consentNonce: word,
  newCommitment: word,
  newScale: word,
  custodian: fc.bigInt({ min: 0n, max: 2n ** 160n - 1n }).map((n) => pad(toHex(n), { size: 20 })),
  cashIn: fc.bigInt({ min: -(2n ** 255n), max: 2n ** 255n - 1n }),
  maxFee: word,
  deadline: word,
});
const receipts: fc.Arbitrary<CustodyReceipt> = fc.record({
  accountId: word,
  accountNonce: word,
  commitment: word,
});

/** The digest as the contract computes it, from the type's text and words alone. */
function digestOf(type: string, words: readonly bigint[]): Hex {
  const text = (value: string): Hex => keccak256(toBytes(value));
  const unsigned = (value: bigint): Hex => `0x${BigInt.asUintN(256, value).toString(16).padStart(64, '0')}`;
  const separator = keccak256(
    encodeAbiParameters(
      [
        { type: 'bytes32' },
        { type: 'bytes32' },
        { type: 'bytes32' },
        { type: 'uint256' },
        { type: 'address' },
      ],
      [
        text('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'),
        text('zkmargin ClearingHouse'),
        text('1'),
        BigInt(house.chainId),
        house.house,
      ],
    ),
  );
  return keccak256(concat(['0x1901', separator, keccak256(concat([text(type), ...words.map(unsigned)]))]));
}

describe('consents', () => {
  it('have the digest of the contract', () => {
    const type =
      'TradeConsent(uint256 accountId,uint256 counterpartyId,uint256 accountNonce,uint256 consentNonce,uint256 newCommitment,uint256 newScale,address custodian,int256 cashIn,uint256 maxFee,uint256 deadline)';
    fc.assert(
      fc.property(consents, (c) => {
        const words = [c.accountId, c.counterpartyId, c.accountNonce, c.consentNonce, c.newCommitment];
        words.push(c.newScale, BigInt(c.custodian), c.cashIn, c.maxFee, c.deadline);
        expect(tradeConsentDigest(house, c)).toBe(digestOf(type, words));
      }),
    );
  });

  it('are signed by their owner', async () => {
    await fc.assert(
      fc.asyncProperty(consents, async (consent) => {
        const signature = await signTradeConsent(owner, house, consent);
        expect(await recoverAddress({ hash: tradeConsentDigest(house, consent), signature })).toBe(
          owner.address,
        );
      }),
      { numRuns: 10 },
    );
  });
});

describe('receipts', () => {
  it('have the digest of the contract, signed by the custodian', async () => {
    const type = 'CustodyReceipt(uint256 accountId,uint256 accountNonce,uint256 commitment)';
    await fc.assert(
      fc.asyncProperty(receipts, async (r) => {
        const digest = custodyReceiptDigest(house, r);
        expect(digest).toBe(digestOf(type, [r.accountId, r.accountNonce, r.commitment]));
        const signature = await signCustodyReceipt(owner, house, r);
        expect(await recoverAddress({ hash: digest, signature })).toBe(owner.address);
      }),
      { numRuns: 10 },
    );
  });
});

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { concat, type Hex, toHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { describe, expect, it } from 'vitest';
import { openBid, sealBid, sealedBidHash } from './secret.ts';

const key = generatePrivateKey();
const account = privateKeyToAccount(key);
const place = {
  chainId: 31_337,
  stage: '0x00000000000000000000000000000000000000aa',
  auctionNumber: 7n,
} as const;
const bid = { vesselId: 12n, factorBps: 9_800n, maxScale: 3n << 38n, notional: 5_000_000_000n };
const nonceOf = (): Hex => toHex(randomBytes(32));
/** Selector, account, hash, and what follows. */
const call = (copy: Hex): Hex => concat(['0x12345678', toHex(randomBytes(64)), copy]);

async function sealed(content = bid, nonce = nonceOf(), at: typeof place = place, by = account) {
  const { salt, copy } = await sealBid(by, at, content, nonce);
  const hash = sealedBidHash(at.chainId, { ...at, ...content, salt, bidder: by.address });
  return { salt, copy, hash };
}

describe('the secret of a sealed bid', () => {
  it('is given back by the key and the calldata alone', async () => {
    const maximum = (bits: bigint) => fc.bigInt(0n, (1n << bits) - 1n);
    const content = fc.record({
      vesselId: maximum(64n),
      factorBps: maximum(16n),
      maxScale: maximum(64n),
      notional: maximum(112n),
    });
    await fc.assert(
      fc.asyncProperty(content, async (any) => {
        const { copy, hash, salt } = await sealed(any);
        // Another process: nothing but the key.
        const again = privateKeyToAccount(key);
        expect(await openBid(again, place, call(copy), hash)).toEqual({ ...any, salt });
      }),
      { numRuns: 20 },
    );
  });

  it('is another one for each nonce, auction, contract, chain and key, and so is what hides the bid', async () => {
    const nonce = nonceOf();
    const other = privateKeyToAccount(generatePrivateKey());
    const all = await Promise.all([
      sealed(bid, nonce),
      sealed(bid),
      sealed(bid, nonce, { ...place, auctionNumber: 8n } as never),
      sealed(bid, nonce, { ...place, stage: '0x00000000000000000000000000000000000000bb' } as never),
      sealed(bid, nonce, { ...place, chainId: 1 } as never),
      sealed(bid, nonce, place, other),
    ]);
    expect(new Set(all.map(({ salt }) => salt)).size).toBe(all.length);
    expect(new Set(all.map(({ copy }) => copy.slice(-64))).size).toBe(all.length);
  });

  it('is not given for what is no copy of the bid', async () => {
    const { copy, hash } = await sealed();
    const other = privateKeyToAccount(generatePrivateKey());
    expect(await openBid(other, place, call(copy), hash)).toBeUndefined();
    expect(await openBid(account, { ...place, auctionNumber: 8n }, call(copy), hash)).toBeUndefined();
    expect(await openBid(account, place, call('0x'), hash)).toBeUndefined();
    expect(await openBid(account, place, call(copy), toHex(randomBytes(32)))).toBeUndefined();
  });

  it('does not show in what is sent', async () => {
    const { salt, copy } = await sealed();
    expect(copy).not.toContain(salt.slice(2));
    expect(copy).not.toContain(bid.maxScale.toString(16));
  });
});

import { describe, expect, it } from 'vitest';
import { canonicalLegs, packLeg, parseInstrument, underlyingIdOf } from '../../market/instrument.ts';
import { commitPositions } from '../../proof/commitment.ts';
import { publishedOpening, settledOpening, withheldOpening } from './openings.ts';

const underlyingId = underlyingIdOf('BTC');
const salt = 81985529216486895n;
const legs = canonicalLegs(
  ['BTC-28FEB25-96000-C', 'BTC-28FEB25-90000-P', 'BTC-28MAR25-96000-C', 'BTC-SPOT'].map((name, index) => ({
    instrument: parseInstrument(name).instrument,
    quantity: BigInt(index + 1) * (index % 2 === 0 ? -1_000_000n : 1_000_000n),
  })),
);
const packed = legs.map((leg) => packLeg(leg));
const { expiryHour } = parseInstrument('BTC-28FEB25-96000-C').instrument;
const place = { block: 5n, logIndex: 1, accountId: 2n, underlyingId, nonce: 1n };
const commitment = await commitPositions({ legs, underlyingId, salt });
const remaining = legs.filter(({ instrument }) => instrument.expiryHour !== expiryHour);
const settled = await commitPositions({ legs: remaining, underlyingId, salt });

describe('a published opening', () => {
  it('is known when it is of the commitment', async () => {
    expect(await publishedOpening({ ...place, commitment }, packed, salt)).toMatchObject({
      status: 'known',
      legs: packed,
      salt,
    });
  });

  it.each([
    ['another salt', packed, salt + 1n],
    ['a leg less', packed.slice(1), salt],
    ['another order', [...packed].reverse(), salt],
    ['another quantity', [packed[0]! + 1n, ...packed.slice(1)], salt],
    ['no leg at all', [2n ** 253n, ...packed], salt],
    ['a salt beyond the field', packed, 2n ** 255n],
  ])('is unknown with %s, and keeps nothing of it', async (_what, its, itsSalt) => {
    const opening = await publishedOpening({ ...place, commitment }, its, itsSalt);
    expect(opening).toMatchObject({ status: 'mismatch', reason: expect.any(String) });
    expect([opening.legs, opening.salt]).toEqual([undefined, undefined]);
  });

  it('is unknown of another underlying', async () => {
    const other = { ...place, commitment, underlyingId: underlyingIdOf('ETH') };
    expect(await publishedOpening(other, packed, salt)).toMatchObject({ status: 'mismatch' });
  });
});

describe('a settlement', () => {
  it('leaves the legs of other hours with the same salt, when the commitment says so', async () => {
    const before = await publishedOpening({ ...place, commitment }, packed, salt);
    const after = { ...place, nonce: 2n, commitment: settled };
    expect(await settledOpening(after, before, [expiryHour])).toMatchObject({
      source: 'settlement',
      status: 'known',
      legs: remaining.map((leg) => packLeg(leg)),
      salt,
    });
    expect(await settledOpening(after, before, [expiryHour + 1])).toMatchObject({ status: 'mismatch' });
    expect(await settledOpening(after, undefined, [expiryHour])).toMatchObject({ status: 'underivable' });
    const withheld = withheldOpening({ ...place, commitment }, '0x01');
    expect(await settledOpening(after, withheld, [expiryHour])).toMatchObject({ status: 'underivable' });
  });
});

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { type Leg, LINEAR } from '../../market/instrument.ts';
import { shockRound } from '../../market/shock.ts';
import { SCALE_ONE } from '../exact/bounds.ts';
import { exactMargin } from '../exact/margin.ts';
import { ExactValuer } from '../exact/shared.ts';
import { exampleBook } from '../example-book.ts';
import { DEFAULT_PARAMETERS } from '../parameters.ts';
import { decideBook, exactStatus } from './decide.ts';
import { compileBook, type FloatAccount, screenErrorBound } from './screen.ts';

const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;
const opening = exampleRound(surfaces, 'BTC', { discount: 0.99 });
const shocked = shockRound(opening, { priceMove: -0.12, volMultiplierAt30d: 1.35, secondsLater: 3_600 });
/** Every second account has collateral of the underlying, up to five coins; every third is worth more than its equity. */
const book = exampleBook({ opening, shocked, parameters: DEFAULT_PARAMETERS, seed: 11, count: 48 }).map(
  (account, index) => ({
    ...account,
    movingCollateral: index % 2 === 0 ? 0n : (BigInt(index) * opening.underlying.spot) / 10n,
    saleAddition: index % 3 === 0 ? (BigInt(index) * opening.underlying.spot) / 50n : 0n,
  }),
);

it('valuing instruments once gives the exact margin to the bit', () => {
  const valuer = new ExactValuer(shocked, DEFAULT_PARAMETERS);
  book.forEach((account, index) => {
    const scaled = { ...account, scale: SCALE_ONE / BigInt(1 + (index % 5)) };
    expect(valuer.margin(scaled)).toEqual(exactMargin(scaled, shocked, DEFAULT_PARAMETERS));
  });
});

it('leaves to the integers what is at a threshold, and nothing else', () => {
  const margins = book.map((account) => exactMargin(account, shocked, DEFAULT_PARAMETERS));
  // Per account: at the requirement, 1e-6 USD below, 1 USD above and below; at a worth of zero, 1e-6 and 1 USD above, 1 below.
  const offsets = [0n, -1n, 1_000_000n, -1_000_000n, 0n, 1n, 1_000_000n, -1_000_000n];
  const accounts = book.flatMap((account, index) =>
    offsets.map((offset, place): FloatAccount => {
      const { mark, requirement } = margins[index]!;
      return { ...account, cash: offset - mark + (place < 4 ? requirement : -account.saleAddition) };
    }),
  );
  const { decisions, exactAccounts, columns } = decideBook(
    compileBook(accounts),
    shocked,
    DEFAULT_PARAMETERS,
  );
  accounts.forEach((account, index) => {
    const place = index % offsets.length;
    const margin = margins[Math.floor(index / offsets.length)]!;
    const { status, decidedBy, ...rest } = decisions[index]!;
    const expected = [
      'healthy',
      'liquidatable',
      'healthy',
      'liquidatable',
      'badDebt',
      'liquidatable',
      'liquidatable',
      'badDebt',
    ];
    // A requirement of 1 USD or less would mix the two thresholds.
    expect(margin.requirement).toBeGreaterThan(2_000_000n);
    expect(status).toBe(expected[place]);
    expect(status).toBe(exactStatus(account, margin));
    const near = [0, 1, 4, 5].includes(place);
    expect(decidedBy).toBe(near ? 'exact' : 'float');
    expect(exactAccounts.includes(index)).toBe(near);
    expect(rest).toEqual(near ? { margin } : {});
    expect(columns.errorBound[index]).toBeLessThan(1e-5);
  });
});

it('cannot decide what the exact model refuses, and says why', () => {
  const { expiryHour } = opening.expiries[2]!;
  const option = (strike: bigint): Leg => ({
    instrument: { kind: 'call', expiryHour, strike },
    quantity: 1n,
  });
  const tooMany = Array.from({ length: 33 }, (_, k) => option(900_000_000n + BigInt(k)));
  const accounts: FloatAccount[] = [
    { legs: [option(900_000_000n)], scale: SCALE_ONE, cash: 10n ** 12n },
    { legs: tooMany, scale: SCALE_ONE, cash: -exactMark(tooMany) },
    {
      legs: [{ instrument: { kind: 'put', expiryHour: 900_000, strike: 1n }, quantity: 1n }],
      scale: SCALE_ONE,
      cash: 0n,
    },
    { legs: [], scale: SCALE_ONE, cash: 0n },
    { legs: [{ instrument: LINEAR, quantity: -1_000_000n }], scale: SCALE_ONE, cash: 0n },
  ];
  const { decisions } = decideBook(compileBook(accounts), opening, DEFAULT_PARAMETERS);
  expect(decisions.map(({ status, decidedBy }) => [status, decidedBy])).toEqual([
    ['healthy', 'float'],
    ['undecided', 'exact'],
    ['undecided', 'exact'],
    ['healthy', 'exact'],
    ['badDebt', 'float'],
  ]);
  expect(decisions[1]!.problem).toMatchObject({ code: 'TOO_MANY_LEGS', field: 'accounts[1].legs' });
  expect(decisions[2]!.problem).toMatchObject({
    code: 'MISSING_EXPIRY',
    field: 'accounts[2].legs[0].instrument.expiryHour',
  });
  const late = {
    ...opening,
    underlying: { ...opening.underlying, timestamp: BigInt(opening.expiries[0]!.expiryHour) * 3600n },
  };
  expect(() => decideBook(compileBook(accounts), late, DEFAULT_PARAMETERS)).toThrow(/expired/);
  expect(() => compileBook([{ ...accounts[0]!, scale: 0n }])).toThrow(/accounts\[0\]\.scale/);
});

it('states its bound as the document does', () => {
  expect(screenErrorBound(30, 2 ** 51, 0, 0, 0)).toBeCloseTo(250, 4);
  expect(screenErrorBound(0, 0, -(2 ** 51), 1e12, 7) - 1).toBeCloseTo(13, 4);
  expect(screenErrorBound(0, 0, 0, 0, 7)).toBe(3e-6);
  // Collateral is a leg more.
  expect(screenErrorBound(29, 0, 0, 0, 0, 2 ** 51)).toBeCloseTo(250, 4);
  expect(screenErrorBound(0, 0, 0, 0, 0, 1e-6)).toBeCloseTo(4e-6, 12);
});

/** Value of few cents' worth of options, near enough to put the account at the threshold of bad debt. */
function exactMark(legs: readonly Leg[]): bigint {
  const half = Math.floor(legs.length / 2);
  return [legs.slice(0, half), legs.slice(half)].reduce(
    (sum, part) => sum + exactMargin({ legs: part, scale: SCALE_ONE }, opening, DEFAULT_PARAMETERS).mark,
    0n,
  );
}

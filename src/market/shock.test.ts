import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exampleRound, type SviSurfaces } from './example-market.ts';
import { shockRound } from './shock.ts';
import { atTheMoneyVolatility } from './surface.ts';
import { packRound, unpackRound } from './words.ts';

const surfaces: SviSurfaces = JSON.parse(
  readFileSync(new URL('../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
);
const round = exampleRound(surfaces, 'BTC');

describe('shockRound', () => {
  it('gives rounds that pack', () => {
    for (const symbol of ['BTC', 'ETH']) {
      const before = exampleRound(surfaces, symbol);
      for (const priceMove of [-0.6, -0.12, 0, 0.3]) {
        for (const volMultiplierAt30d of [0.5, 1, 1.35, 3]) {
          const after = shockRound(before, { priceMove, volMultiplierAt30d, secondsLater: 86_400 });
          expect(unpackRound(packRound(after))).toEqual(after);
        }
      }
    }
  });

  it('leaves a round that does not move as it is', () => {
    expect(shockRound(round, { priceMove: 0, volMultiplierAt30d: 1 })).toEqual(round);
  });

  it('moves the spot and every forward alike, and the clock', () => {
    const after = shockRound(round, { priceMove: -0.12, volMultiplierAt30d: 1.35, secondsLater: 3_600 });
    const moved = (price: bigint) => BigInt(Math.round(Number(price) * 0.88));
    expect(after.underlying.spot).toBe(moved(round.underlying.spot));
    expect(after.underlying.timestamp).toBe(round.underlying.timestamp + 3_600n);
    expect(after.expiries.map(({ forward }) => forward)).toEqual(
      round.expiries.map(({ forward }) => moved(forward)),
    );
    expect(
      Number(after.underlying.realisedVolatility) / Number(round.underlying.realisedVolatility),
    ).toBeCloseTo(1.35, 4);
  });

  it('raises volatilities more at short tenors, by the given factor at 30 days', () => {
    const after = shockRound(round, { priceMove: 0, volMultiplierAt30d: 1.4 });
    const factors = after.expiries.map(
      (expiry, index) => atTheMoneyVolatility(expiry) / atTheMoneyVolatility(round.expiries[index]!),
    );
    for (let index = 1; index < factors.length; index++) {
      expect(factors[index]!).toBeLessThan(factors[index - 1]! + 1e-3);
    }
    const days = (expiryHour: number) => (expiryHour * 3_600 - Number(round.underlying.timestamp)) / 86_400;
    for (const [index, { expiryHour }] of round.expiries.entries()) {
      expect(factors[index]!).toBeCloseTo(1 + 0.4 * (30 / Math.max(days(expiryHour), 1)) ** 0.3, 2);
    }
  });

  it('leaves out expiries that have passed', () => {
    const [first] = round.expiries;
    const seconds = first!.expiryHour * 3_600 - Number(round.underlying.timestamp);
    const after = shockRound(round, { priceMove: 0, volMultiplierAt30d: 1, secondsLater: seconds });
    expect(after.expiries.map(({ expiryHour }) => expiryHour)).toEqual(
      round.expiries.slice(1).map(({ expiryHour }) => expiryHour),
    );
  });

  it('refuses senseless shocks', () => {
    const good = { priceMove: -0.1, volMultiplierAt30d: 1.2 };
    for (const [bad, code] of [
      [{ priceMove: -1 }, 'OUT_OF_RANGE'],
      [{ priceMove: Number.NaN }, 'NOT_FINITE'],
      [{ volMultiplierAt30d: 0 }, 'OUT_OF_RANGE'],
      [{ secondsLater: -1 }, 'OUT_OF_RANGE'],
      [{ tenorPower: 2 }, 'OUT_OF_RANGE'],
      [{ realisedMultiplier: -1 }, 'OUT_OF_RANGE'],
    ] as const) {
      expect(() => shockRound(round, { ...good, ...bad })).toThrowError(
        expect.objectContaining({ code, field: `shock.${Object.keys(bad)[0]}` }),
      );
    }
  });
});

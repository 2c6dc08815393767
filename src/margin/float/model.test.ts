import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { type Instrument, LINEAR, MAX_STRIKE } from '../../market/instrument.ts';
import { shockRound } from '../../market/shock.ts';
import { boundPillars } from '../../market/surface.ts';
import { type ExpiryState, MAX_PRICE, type MarketRound, type SpacingExponent } from '../../market/words.ts';
import {
  floorDivide,
  lnFixed,
  normalCdfCoarse,
  normalCdfFine,
  normalDensity,
} from '../../math/fixed/primitives.ts';
import { gammaCost } from '../exact/charges.ts';
import { MAX_TENOR_SECONDS } from '../exact/expiry.ts';
import { ExactValuer } from '../exact/shared.ts';
import { DEFAULT_PARAMETERS, type RiskParameters } from '../parameters.ts';
import { floatParameters, floorQuotient, lnDouble, SENSITIVITY_COLUMNS, valueInstruments } from './model.ts';
import { DENSITY_CELLS, densityTable, TAIL_CELLS, tailTable } from './tails.ts';

const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;

/** A double as a multiple of 2^-120; whatever is below that is dropped. */
function toFixed120(x: number): bigint {
  const scaled = x * 2 ** 60;
  return BigInt(Math.trunc(scaled)) * 2n ** 60n + BigInt(Math.trunc((scaled % 1) * 2 ** 60));
}

/** Absolute difference of a double and a fraction, in units of `unit 2^-53`. */
function roundings(x: number, numerator: bigint, denominator: bigint, unit: number): number {
  const difference = toFixed120(x) - (numerator << 120n) / denominator;
  return Math.abs(Number(difference)) / 2 ** 120 / (unit * 2 ** -53);
}

/** Difference of a double from a fraction, in units of 2^-53 of the fraction, which is not negative. */
function relativeRoundings(x: number, numerator: bigint, denominator: bigint): number {
  if (numerator === 0n || x === 0) return numerator === 0n && x === 0 ? 0 : Number.POSITIVE_INFINITY;
  // The double as a fraction of two integers.
  let exponent = Math.floor(Math.log2(x)) - 54;
  let mantissa = x / 2 ** exponent;
  while (!Number.isInteger(mantissa)) mantissa = x / 2 ** --exponent;
  const [up, down] = exponent >= 0 ? [BigInt(exponent), 0n] : [0n, BigInt(-exponent)];
  const difference = ((BigInt(mantissa) * denominator) << up) - (numerator << down);
  return Math.abs(Number((difference << 100n) / (numerator << down))) / 2 ** 47;
}

/**
 * The most roundings by which a mark, a damped change or a delta of a round differs from the exact model's, and by which
 * gamma or vega do.
 */
function largestRoundings(
  instruments: Instrument[],
  round: MarketRound,
  parameters: RiskParameters,
): { worst: number; products: number } {
  const valuer = new ExactValuer(round, parameters);
  const floats = valueInstruments(instruments, round, floatParameters(parameters));
  expect(floats.problems.size).toBe(0);
  let worst = 0;
  let products = 0;
  instruments.forEach((instrument, row) => {
    const unit = valuer.unit(instrument);
    const offset = row * floats.stride;
    const [delta, gamma, vega, exposure] = floats.sensitivities.subarray(
      row * SENSITIVITY_COLUMNS,
    ) as unknown as [number, number, number, number];
    expect(floats.expiries[row]).toBe((unit.expiryIndex ?? -1) + 1);
    // A contract is 1e6 units of 1e-12 USD.
    const perContract = 1_000_000n << 119n;
    const lossPerContract = perContract << 42n;
    worst = Math.max(
      worst,
      roundings(floats.values[offset]!, unit.markValue, perContract, exposure),
      roundings(delta, unit.forwardValue, perContract, exposure),
      ...parameters.scenarios.map(({ damping }, scenario) =>
        roundings(
          floats.values[offset + 1 + scenario]!,
          -unit.lossValues[scenario]! * BigInt(damping),
          lossPerContract,
          exposure,
        ),
      ),
    );
    // These are products, with roundings of themselves.
    if (unit.expiryIndex === undefined) expect([gamma, vega]).toEqual([0, 0]);
    else {
      const cost = gammaCost(round.underlying, parameters);
      products = Math.max(
        products,
        relativeRoundings(gamma, unit.gammaValue * cost, 1_000_000n << 157n),
        relativeRoundings(vega, unit.vegaValue, 1_000_000n << 124n),
      );
    }
    for (let column = 1 + parameters.scenarios.length; column < floats.stride; column++) {
      expect(floats.values[offset + column]).toBe(0);
    }
  });
  return { worst, products };
}

/** Any strike, any pillars and spacing, tenors of a second to the longest. */
const anyExpiry = fc.record({
  tenor: fc.oneof(
    fc.integer({ min: 1, max: 10_000 }),
    fc.integer({ min: 1, max: Number(MAX_TENOR_SECONDS) }),
  ),
  forward: fc.oneof(fc.bigInt({ min: 1n, max: MAX_PRICE }), fc.constantFrom(1n, MAX_PRICE, 95_663_506_050n)),
  discount: fc.bigInt({ min: 1n << 20n, max: (1n << 22n) - 1n }),
  spacingExponent: fc.constantFrom<SpacingExponent>(0, 1, 2, 3),
  pillars: fc.array(fc.integer({ min: 2 ** 15, max: 2 ** 19 - 1 }), { minLength: 8, maxLength: 8 }),
  distances: fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 }),
  farStrike: fc.bigInt({ min: 1n, max: MAX_STRIKE }),
});

describe('instrument values', () => {
  it('lnDouble is lnFixed', () => {
    const check = (x: bigint) => {
      expect(BigInt(lnDouble(Number(x)))).toBe(lnFixed(x, 44));
      if (x <= MAX_STRIKE) expect(BigInt(lnDouble(Number(x)))).toBe(lnFixed(x, 36));
    };
    for (let bit = 0n; bit < 44n; bit++) {
      for (const x of [(1n << bit) - 1n, 1n << bit, (1n << bit) + 1n, (1n << (bit + 1n)) - 1n])
        if (x > 0n) check(x);
    }
    fc.assert(fc.property(fc.bigInt({ min: 1n, max: MAX_PRICE }), check), { numRuns: 5_000 });
  });

  it('floorQuotient is floorDivide, also where the nearest double is a whole number and the quotient is none', () => {
    const check = (dividend: bigint, divisor: bigint): void => {
      expect(BigInt(floorQuotient(Number(dividend), Number(divisor)))).toBe(floorDivide(dividend, divisor));
    };
    const largest = (1n << 53n) - 1n;
    for (const divisor of [1n, 2n, 3n, 358_506n, (1n << 30n) - 1n]) {
      const whole = (largest / divisor) * divisor;
      for (const dividend of [whole, whole - 1n, largest, 0n, 1n, divisor - 1n, divisor]) {
        check(dividend, divisor);
        check(-dividend, divisor);
      }
    }
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: (1n << 30n) - 1n }),
        fc.bigInt({ min: -(1n << 22n), max: 1n << 22n }),
        fc.constantFrom(-1n, 0n, 1n),
        // On both sides of a multiple.
        (divisor, quotient, beside) => check(divisor * quotient + beside, divisor),
      ),
      { numRuns: 5_000 },
    );
  });

  it('the table of tails holds both normal functions', () => {
    const tails = tailTable();
    const check = (magnitude: number) => {
      const cell = magnitude >> 8;
      const tail = tails[2 * cell]! + tails[2 * cell + 1]! * (2 * (magnitude & 255) - 255);
      expect(Math.abs(tail - Number(normalCdfFine(BigInt(-1 - magnitude))) / 2 ** 98)).toBeLessThan(2 ** -53);
      expect(tails[2 * cell]).toBe(Number(normalCdfCoarse(BigInt(-1 - cell))) / 2 ** 98);
    };
    for (const magnitude of [0, 255, 256, 256 * TAIL_CELLS - 1]) check(magnitude);
    fc.assert(fc.property(fc.integer({ min: 0, max: 256 * TAIL_CELLS - 1 }), check), { numRuns: 20_000 });
    expect(normalCdfFine(BigInt(-1 - 256 * TAIL_CELLS))).toBe(0n);
    expect(normalCdfCoarse(BigInt(-1 - TAIL_CELLS))).toBe(0n);
  });

  it('the table of densities holds the normal density, line by line', () => {
    const densities = densityTable();
    expect(densities).toHaveLength(2 * DENSITY_CELLS);
    const check = (magnitude: number): void => {
      const cell = magnitude >> 10;
      const value = densities[2 * cell]! + densities[2 * cell + 1]! * (2 * (magnitude & 1023) - 1023);
      for (const argument of [magnitude, -1 - magnitude]) {
        const exact = Number(normalDensity(BigInt(argument))) / 2 ** 79;
        expect(Math.abs(value - exact)).toBeLessThan(2 ** -53);
      }
    };
    const end = 1024 * DENSITY_CELLS;
    for (const magnitude of [0, 1_023, 1_024, end - 1]) check(magnitude);
    fc.assert(fc.property(fc.integer({ min: 0, max: end - 1 }), check), { numRuns: 20_000 });
    expect(normalDensity(BigInt(end))).toBe(0n);
  });

  it('are the exact model’s within 28 roundings of the exposure, for anything that words can hold', () => {
    let worst = 0;
    let products = 0;
    fc.assert(
      fc.property(
        anyExpiry,
        fc.bigInt({ min: 1n, max: MAX_PRICE }),
        fc.constantFrom(DEFAULT_PARAMETERS, {
          ...DEFAULT_PARAMETERS,
          priceStep: 2 ** 14,
          horizonSeconds: 604_800,
          gammaRate: 2 ** 14,
          vegaRate: 2 ** 16,
          volShockUp: 2 ** 13,
          volShockDown: 2 ** 13,
          tenorPowerShort: 128,
          scenarios: [
            DEFAULT_PARAMETERS.scenarios[0]!,
            { priceMove: -60, volShock: 1, damping: 65_535 },
            { priceMove: 60, volShock: -1, damping: 1 },
            // Every remainder of four steps, both ways.
            ...[-7, -6, -5, 5, 6, 7].map((priceMove) => ({ priceMove, volShock: 1, damping: 65_536 })),
          ],
        } as RiskParameters),
        (expiry, spot, parameters) => {
          const expiryHour = 500_000;
          const timestamp = BigInt(expiryHour * 3600 - expiry.tenor);
          const state: ExpiryState = {
            expiryHour,
            forward: expiry.forward,
            discount: expiry.discount,
            spacingExponent: expiry.spacingExponent,
            vols: boundPillars(expiry.pillars),
          };
          const round: MarketRound = {
            underlying: { spot, timestamp, realisedVolatility: 40_000n, underlyingId: 1n },
            expiries: [state],
          };
          const width =
            (5 * 2 ** expiry.spacingExponent * Math.sqrt(Math.max(expiry.tenor, 3600))) /
            Math.sqrt(31_536_000);
          const strikes = [
            expiry.farStrike,
            ...expiry.distances.map((distance) =>
              BigInt(
                Math.round(
                  Math.min(
                    Math.max((Number(expiry.forward) / 100) * Math.exp(distance * width), 1),
                    2 ** 36 - 1,
                  ),
                ),
              ),
            ),
          ];
          const instruments: Instrument[] = [LINEAR];
          for (const strike of strikes) {
            for (const kind of ['call', 'put'] as const) instruments.push({ kind, expiryHour, strike });
          }
          const found = largestRoundings(instruments, round, parameters);
          worst = Math.max(worst, found.worst);
          products = Math.max(products, found.products);
          expect(worst).toBeLessThanOrEqual(28);
          expect(products).toBeLessThanOrEqual(7);
        },
      ),
      { numRuns: 1_000 },
    );
    console.log(
      `instrument values: at most ${worst.toFixed(2)} roundings of the exposure from the exact model, gamma and vega ` +
        `${products.toFixed(2)} of themselves`,
    );
  });

  it('writes into given arrays, and says why a row cannot be valued', () => {
    const opening = exampleRound(surfaces, 'BTC');
    const shocked = shockRound(opening, { priceMove: -0.3, volMultiplierAt30d: 2, secondsLater: 3_600 });
    const last = opening.expiries.at(-1)!;
    const late = Number((opening.underlying.timestamp + MAX_TENOR_SECONDS) / 3600n) + 2;
    const round = { ...opening, expiries: [...opening.expiries.slice(0, 7), { ...last, expiryHour: late }] };
    const option = { kind: 'put', strike: 900_000_000n } as const;
    const instruments: Instrument[] = [
      LINEAR,
      { ...option, expiryHour: opening.expiries[0]!.expiryHour },
      { ...option, expiryHour: late },
      { ...option, expiryHour: late + 1 },
      { ...option, expiryHour: 400_000 },
    ];
    const parameters = floatParameters(DEFAULT_PARAMETERS);
    const first = valueInstruments(instruments, round, parameters);
    expect([...first.problems].map(([row, { code }]) => [row, code])).toEqual([
      [2, 'OUT_OF_RANGE'],
      [3, 'MISSING_EXPIRY'],
      [4, 'EXPIRED_OPTION'],
    ]);
    expect(first.values[2 * first.stride]).toBeNaN();
    const kept = first.values.slice();
    const again = valueInstruments(instruments, shocked, parameters, first);
    expect(again.values).toBe(first.values);
    expect(again.values[0]).not.toBe(kept[0]);
    expect(valueInstruments(instruments, round, parameters, again).values).toEqual(kept);
    expect(valueInstruments(instruments.slice(1), round, parameters, again).values).not.toBe(again.values);
  });
});

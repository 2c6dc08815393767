/**
 * The table "Largest intermediates" of docs/circuits.md, computed again from the bounds of words, parameters and quantities. A bound that is raised, or
 * a field that grows, shows here before a sum can wrap.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MAX_SCALE } from '../../src/margin/exact/bounds.ts';
import { MAX_COLLATERAL_QUANTITY } from '../../src/margin/exact/collateral.ts';
import { LOG2_SHOCK_TENOR, MAX_TENOR_SECONDS } from '../../src/margin/exact/expiry.ts';
import { MAX_LEGS } from '../../src/margin/exact/margin.ts';
import { DAMPING_ONE, horizonFactorOf, MAX_HORIZON_SECONDS } from '../../src/margin/parameters.ts';
import { MAX_QUANTITY } from '../../src/market/instrument.ts';
import { MAX_DISCOUNT, MAX_PRICE, MAX_REALISED_VOLATILITY } from '../../src/market/words.ts';
import { lnFixed, log2Fixed } from '../../src/math/fixed/primitives.ts';
import { SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';

/** Largest number of so many bits. */
const ones = (bits: number): bigint => (1n << BigInt(bits)) - 1n;
const bitsOf = (magnitude: bigint): number => magnitude.toString(2).length;

// Bounds of parameters, docs/margin-model.md 4.
const PRICE_STEP = ones(18);
const SHOCK = 1n << 13n;
const POWER = 1n << 7n;
const FACTOR = 1n << 14n;
const PER_TENOR = 1n << 12n;
const VEGA_RATE = 1n << 16n;
const LEVEL = ones(16);
/** A probability of 1, and a density above 0.4. */
const [PROBABILITY, DENSITY] = [1n << 98n, 1n << 78n];
/** The square root of 30, in 2^-20 and in 2^-22, rounded up. */
const TENOR_FACTOR = 5_743_247n;
const FINER_TENOR_FACTOR = 22_973_150n;
/** Of an hour and the narrowest pillars, in 2^-27. */
const LEAST_SPACING = 358_507n;
/** Least volatility between pillars of 2, 1, 1 and 2, in 2^-20. */
const LEAST_VOLATILITY = 458_751n;

/**
 * Magnitudes by row.
 *
 * @param quantity of each leg: what the circuit forces, or what a vector may hold
 * @param priceFactor likewise, of a scenario, in 2^-26
 */
function magnitudes(quantity: bigint, priceFactor: bigint): Readonly<Record<string, bigint>> {
  const legs = BigInt(MAX_LEGS);
  // Further than the least tenor floor, of a day, is below the 30 days.
  const logarithms = log2Fixed(MAX_TENOR_SECONDS, 28) - LOG2_SHOCK_TENOR;
  const stepDividend = PRICE_STEP * 381_061_692_393n;
  const step = stepDividend / LEAST_SPACING;
  // From the least strike to the largest forward; that of a price is 14 bits less.
  const logarithm = lnFixed(MAX_PRICE, 44);
  const moneynessDividend = (2n * (516n << 20n) + 1n) << 19n;
  const moneyness = moneynessDividend / LEAST_VOLATILITY;
  const stepSlope = (step << 11n) / LEAST_VOLATILITY;
  const inverseMultiplier = 1n << 14n;
  const horizonRate = MAX_REALISED_VOLATILITY * BigInt(horizonFactorOf(MAX_HORIZON_SECONDS));
  const amount = quantity * MAX_PRICE * MAX_DISCOUNT;
  const leg = amount * PROBABILITY;
  // Forward and strike of an option are of opposite signs, and a leg is an option or linear.
  const sum = legs * leg;
  const loss = 2n * sum * priceFactor;
  // What is ranged counts with its range.
  const lossUnits = 1n << 94n;
  const scan = (lossUnits * BigInt(DAMPING_ONE) * FACTOR) << 8n;
  const short = (ones(49) * MAX_PRICE * ones(16)) << 20n;
  const units = ones(23);
  const basisRate = ((1n << 12n) << 20n) + PER_TENOR * units;
  const interestRate = PER_TENOR * units;
  const ranged = 1n << 212n;
  const horizon = ranged * horizonRate;
  const charges = horizon + ranged * basisRate + 2n * ranged * interestRate;
  const gammaLeg = amount * DENSITY * ones(33);
  const gammaCharge = (1n << 106n) * ones(62);
  const vegaRate = TENOR_FACTOR * SHOCK * VEGA_RATE;
  const vegaLeg = amount * DENSITY * ones(31);
  const vegaCharge = vegaLeg * (vegaRate >> 28n);
  const required = scan + short + (1n << 132n) + gammaCharge + (1n << 140n);
  const solvencyLoss = ones(74) * BigInt(DAMPING_ONE);
  const solvencyRequired =
    LEVEL * (scan + short + 17n * ones(94) * ones(38) + gammaCharge + 8n * ((ones(103) * ones(24)) << 14n));
  return {
    '`in * 2^shift` in `Logarithm`, integer `in < 2^104`': ones(104) << 63n,
    position: logarithm / LEAST_SPACING,
    'exponent of the tenor factor': logarithms * POWER,
    'shock times tenor factor': SHOCK * FINER_TENOR_FACTOR,
    'dividend of a step': stepDividend,
    step,
    'dividend of the finer moneyness': moneynessDividend,
    'step over volatility': stepSlope,
    intercept: ((2n * (moneyness >> 8n) + 1n) * inverseMultiplier) >> 14n,
    '`Exp2Precise` product': ones(60) * ones(66) * ones(7),
    'variance over the horizon': horizonRate * horizonRate,
    'cost of gamma by logarithm': ones(62) * ones(20) + ones(20),
    'amount of one leg, 1e-12 USD in 2^-119': leg,
    'sum of 32 legs': sum,
    'loss in 2^-145': loss,
    scan,
    short,
    'horizon in 2^-155': horizon,
    'linear charges': charges,
    'gamma of one leg, in 2^-121': gammaLeg,
    'gamma of 32 legs': legs * gammaLeg,
    'gamma charge': gammaCharge,
    'vega rate before truncation': vegaRate,
    'vega of one leg, in 2^-124': vegaLeg,
    'insolvency: vega charge of one leg, in 2^-146': vegaCharge,
    'insolvency: of 32 legs': legs * vegaCharge,
    'solvency: vega of an expiry': legs * vegaLeg,
    'insolvency: required': required,
    'insolvency: scaled requirement': required * MAX_SCALE,
    'scaled mark': (1n << 94n) * MAX_SCALE,
    'solvency: linear value': ((legs * quantity + MAX_COLLATERAL_QUANTITY) * MAX_PRICE) << 119n,
    'solvency: damped loss': solvencyLoss,
    'solvency: required': solvencyRequired,
    'solvency: scaled requirement': solvencyRequired * MAX_SCALE,
  };
}

const text = readFileSync(new URL('../../docs/circuits.md', import.meta.url), 'utf8');
const section = text.slice(text.indexOf('## Largest intermediates'), text.indexOf('## Counts'));
const documented = new Map(
  [...section.matchAll(/^\| (.+?) \| (\d+)[^|]*\| (.*)\|$/gm)].map((row) => [
    row[1]!,
    { bits: Number(row[2]), ranged: /ranged at (\d+) and sign/.exec(row[3]!)?.[1] },
  ]),
);

describe('largest intermediates', () => {
  // What the circuit itself forces.
  const forced = Object.entries(magnitudes(ones(43), ones(31)));

  it.each(forced)('%s: as documented, far from the order of the field', (name, magnitude) => {
    const bits = documented.get(name)?.bits;
    expect(bits, 'documented').toBeDefined();
    expect(bitsOf(magnitude)).toBeLessThanOrEqual(bits!);
    // An estimate that is bits above is that of other bounds.
    expect(bits! - bitsOf(magnitude)).toBeLessThanOrEqual(2);
    expect(magnitude).toBeLessThan(SCALAR_MODULUS / 2n);
  });

  it('what a vector may hold is within every range that a sum is given', () => {
    const held = magnitudes(MAX_QUANTITY, 1n << 27n);
    const given = [...documented].filter(
      ([name, { ranged }]) => ranged !== undefined && name in held && !name.startsWith('dividend'),
    );
    expect(given.length).toBeGreaterThan(5);
    for (const [name, { ranged }] of given) {
      expect(bitsOf(held[name]!), name).toBeLessThanOrEqual(Number(ranged));
    }
  });

  it('rows that are not computed here are of the ones that are', () => {
    const computed = new Set(forced.map(([name]) => name));
    expect([...documented.keys()].filter((name) => !computed.has(name))).toEqual([
      'product of the tenor factor',
      'd1 of a scenario, 2^-12',
      '`Normal` polynomials',
      'collateral slope',
      'basis and interest, all expiries together',
      'vega charge',
      'solvency: sizes, times their rates',
    ]);
  });
});

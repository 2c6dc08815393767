import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bumpedFees, DEFAULT_FEES, type Fees, firstFees } from './fees.ts';

const GWEI = 10n ** 9n;
const GAS = 100_000n;
const PLENTY = 10n ** 20n;
/** A base fee of 10 gwei and a tip of 1. */
const CALM = { baseFee: 10n * GWEI, priorityFee: GWEI };

const offer = (maxFeePerGas: bigint, maxPriorityFeePerGas: bigint): Fees => ({
  maxFeePerGas,
  maxPriorityFeePerGas,
});

describe('the first offer', () => {
  const first = (maxCost: bigint, market = CALM, changes = {}) =>
    firstFees(market, { ...DEFAULT_FEES, ...changes }, GAS, maxCost);

  it('outlives a base fee that doubles, and gives the tip that the market asks', () => {
    expect(first(PLENTY)).toEqual(offer(21n * GWEI, GWEI));
    expect(first(PLENTY, CALM, { headroomPercent: 150n })).toEqual(offer(16n * GWEI, GWEI));
  });

  it('is what gas may cost where that is less, and no offer below what the next block may ask', () => {
    expect(first(21n * GWEI * GAS)).toEqual(offer(21n * GWEI, GWEI));
    expect(first(21n * GWEI * GAS - 1n)).toEqual(offer(21n * GWEI - 1n, GWEI));
    // 10 gwei and an eighth.
    const least = 11_250_000_000n;
    expect(first(least * GAS)).toEqual(offer(least, GWEI));
    expect(first(least * GAS - 1n)).toBeUndefined();
    expect(first(0n)).toBeUndefined();
    // An eighth of 7 wei is rounded up.
    expect(first(8n * GAS, { baseFee: 7n, priorityFee: 2n })).toEqual(offer(8n, 2n));
    expect(first(8n * GAS - 1n, { baseFee: 7n, priorityFee: 2n })).toBeUndefined();
  });

  it('is never above the policy', () => {
    expect(first(PLENTY, { ...CALM, baseFee: 300n * GWEI })).toEqual(offer(500n * GWEI, GWEI));
    expect(first(PLENTY, { ...CALM, baseFee: 445n * GWEI })).toBeUndefined();
  });

  it('gives no tip above the whole fee', () => {
    expect(first(12n * GWEI * GAS, { ...CALM, priorityFee: 20n * GWEI })).toEqual(
      offer(12n * GWEI, 12n * GWEI),
    );
  });
});

describe('an offer that replaces another', () => {
  const before = offer(21n * GWEI, GWEI);
  const bumped = (maxCost: bigint, market = CALM, previous = before) =>
    bumpedFees(previous, market, DEFAULT_FEES, GAS, maxCost);
  /** An eighth above 21 gwei, and a wei. */
  const raised = 23_625_000_001n;

  it('is an eighth higher, and a wei, in both fees', () => {
    expect(bumped(PLENTY)).toEqual(offer(raised, 1_125_000_001n));
    // 3.375 and 1.125 are rounded up before the wei.
    expect(bumped(PLENTY, { baseFee: 0n, priorityFee: 0n }, offer(3n, 1n))).toEqual(offer(5n, 3n));
  });

  it('is none where gas may not cost as much', () => {
    expect(bumped(raised * GAS)).toEqual(offer(raised, 1_125_000_001n));
    expect(bumped(raised * GAS - 1n)).toBeUndefined();
    // 450 gwei and an eighth are more than the policy allows.
    expect(bumped(PLENTY, CALM, offer(450n * GWEI, GWEI))).toBeUndefined();
  });

  it('is what the market asks where that is more, as far as gas may cost it', () => {
    const risen = { baseFee: 20n * GWEI, priorityFee: 2n * GWEI };
    expect(bumped(PLENTY, risen)).toEqual(offer(42n * GWEI, 2n * GWEI));
    expect(bumped(30n * GWEI * GAS, risen)).toEqual(offer(30n * GWEI, 2n * GWEI));
  });

  it('is none that no block takes', () => {
    expect(bumped(30n * GWEI * GAS, { ...CALM, baseFee: 30n * GWEI })).toEqual(
      offer(30n * GWEI, 1_125_000_001n),
    );
    expect(bumped(30n * GWEI * GAS, { ...CALM, baseFee: 30n * GWEI + 1n })).toBeUndefined();
  });

  it('gives no tip above the whole fee', () => {
    expect(bumped(30n * GWEI * GAS, { baseFee: GWEI, priorityFee: 40n * GWEI })).toEqual(
      offer(30n * GWEI, 30n * GWEI),
    );
  });
});

describe('fees', () => {
  const fee = fc.bigInt(0n, 10n ** 12n);
  const gas = fc.bigInt(21_000n, 3_000_000n);
  const maxCost = fc.bigInt(0n, 10n ** 18n);

  it('are offered whenever they can be paid, and never exceed what gas may cost, and the policy', () => {
    let offers = 0;
    let replacements = 0;
    fc.assert(
      fc.property(fee, fee, gas, maxCost, (baseFee, priorityFee, limit, cost) => {
        const market = { baseFee, priorityFee };
        let found = firstFees(market, DEFAULT_FEES, limit, cost);
        const next = (baseFee * 9n + 7n) / 8n;
        expect(found !== undefined).toBe(next * limit <= cost && next <= DEFAULT_FEES.maxFeePerGas);
        if (found !== undefined) offers += 1;
        for (let bump = 0; found !== undefined && bump < 40; bump += 1) {
          expect(found.maxFeePerGas * limit).toBeLessThanOrEqual(cost);
          expect(found.maxFeePerGas).toBeLessThanOrEqual(DEFAULT_FEES.maxFeePerGas);
          expect(found.maxPriorityFeePerGas).toBeLessThanOrEqual(found.maxFeePerGas);
          found = bumpedFees(found, market, DEFAULT_FEES, limit, cost);
          if (found !== undefined) replacements += 1;
        }
      }),
      { numRuns: 400 },
    );
    expect(offers).toBeGreaterThan(40);
    expect(replacements).toBeGreaterThan(20);
  });

  it('of a replacement are both higher by an eighth', () => {
    let replacements = 0;
    fc.assert(
      fc.property(fee, fee, fee, fee, (a, b, baseFee, priorityFee) => {
        const [maxPriorityFeePerGas, maxFeePerGas] = a < b ? [a, b] : [b, a];
        const before = { maxFeePerGas, maxPriorityFeePerGas };
        const after = bumpedFees(before, { baseFee, priorityFee }, DEFAULT_FEES, 21_000n, PLENTY);
        const most = DEFAULT_FEES.maxFeePerGas;
        const raised = (maxFeePerGas * 9n + 7n) / 8n + 1n;
        expect(after !== undefined).toBe(raised <= most && baseFee <= most);
        if (after === undefined) return;
        replacements += 1;
        expect(after.maxFeePerGas * 8n).toBeGreaterThanOrEqual(maxFeePerGas * 9n);
        expect(after.maxPriorityFeePerGas * 8n).toBeGreaterThanOrEqual(maxPriorityFeePerGas * 9n);
        expect(after.maxFeePerGas).toBeGreaterThanOrEqual(baseFee);
      }),
      { numRuns: 400 },
    );
    expect(replacements).toBeGreaterThan(20);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import { MAX_SCALE } from '../margin/exact/bounds.ts';
import {
  type AtomicLiquidation,
  type AtomicTerms,
  atomicLiquidation,
  EMPTY_VESSEL,
  equityOf,
  type LiquidationState,
  type ProvenAccount,
  sale,
  subsidisedRequirement,
  takeover,
  targetOf,
  vesselFloor,
} from './amounts.ts';

const ONE = 2n ** 40n;
const BASIS = 10_000n;

const TERMS: AtomicTerms = {
  bufferBps: 1_000n,
  penaltyBps: [500n, 600n, 800n, 1_000n],
  volatilityThreshold: 65_536n,
  volatilityPenaltyBps: 100n,
  rewardShareBps: 2_000n,
  atomicLimit: 10_000_000_000n,
  backstopBps: 300n,
};

/** Accounts with 0 < equity < requirement, of all sizes; half of them worth more than their equity. */
const failing: fc.Arbitrary<LiquidationState> = fc
  .record({
    bits: fc.integer({ min: 1, max: 90 }),
    cash: fc.bigInt(-(2n ** 90n), 2n ** 90n),
    collateral: fc.oneof(fc.constant(0n), fc.bigInt(0n, 2n ** 90n)),
    fraction: fc.bigInt(1n, 2n ** 32n - 1n),
    addition: fc.oneof(fc.constant(0n), fc.bigInt(0n, 2n ** 90n)),
    scaleBits: fc.integer({ min: 0, max: 63 }),
    low: fc.bigInt(0n, 2n ** 63n),
  })
  .map(({ bits, cash, collateral, fraction, addition, scaleBits, low }) => {
    const requirement = 2n ** BigInt(bits) + (low % 2n ** BigInt(bits)) + 1n;
    const product = (requirement * fraction) >> 32n;
    const equity = product === 0n ? 1n : product;
    const scale = 2n ** BigInt(scaleBits) + (low % 2n ** BigInt(scaleBits));
    return {
      cash,
      collateral,
      saleCollateral: collateral + (addition % (requirement + 1n)),
      mark: equity - cash - collateral,
      requirement,
      scale,
      reserved: 0n,
    };
  });

const terms: fc.Arbitrary<AtomicTerms> = fc
  .record({
    bufferBps: fc.bigInt(0n, BASIS),
    penalties: fc.array(fc.bigInt(0n, 4_000n), { minLength: 4, maxLength: 4 }),
    volatilityPenaltyBps: fc.bigInt(0n, 1_000n),
    rewardShareBps: fc.bigInt(0n, BASIS),
    backstopBps: fc.bigInt(0n, 4_000n),
  })
  .map(({ penalties, ...rest }) => ({
    ...rest,
    penaltyBps: penalties.sort((a, b) => Number(a - b)),
    volatilityThreshold: 65_536n,
    atomicLimit: 2n ** 96n,
  }));

/** A state as an account whose proof shows its requirement without regard to collateral. */
function account(state: LiquidationState): ProvenAccount {
  const { cash, collateral, saleCollateral, mark, requirement, scale } = state;
  return {
    cash,
    collateral,
    saleCollateral,
    movingCollateral: 0n,
    mark,
    baseRequirement: requirement,
    collateralSlope: 0n,
    scale,
  };
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isZkMarginError(error)) return error.code;
    throw error;
  }
  return 'none';
}

/** The liquidation, or undefined when the slice rounds to nothing. */
function amountsOf(...parameters: Parameters<typeof atomicLiquidation>): AtomicLiquidation | undefined {
  try {
    return atomicLiquidation(...parameters);
  } catch (error) {
    if (isZkMarginError(error, 'NOTHING_TO_LIQUIDATE')) return undefined;
    throw error;
  }
}

const EXAMPLE: LiquidationState = {
  cash: 5_000_000_000n,
  collateral: 0n,
  saleCollateral: 0n,
  mark: -2_000_000_000n,
  requirement: 4_000_000_000n,
  scale: ONE,
  reserved: 0n,
};

describe('atomicLiquidation', () => {
  it('computes a worked example', () => {
    // Equity 3,000 of 4,000 is 75 %: the first tier. Target 4,400, deficit 1,400, 2,850 for all of it.
    const amounts = atomicLiquidation(account(EXAMPLE), TERMS, 0n);
    expect(amounts).toEqual({
      worth: 3_000_000_000n,
      target: 4_400_000_000n,
      maxScale: (ONE * 1_400n) / 4_250n,
      scaleTaken: (ONE * 1_400n) / 4_250n,
      cashTaken: 1_647_058_823n,
      worthTaken: 988_235_295n,
      proceeds: 938_823_531n,
      reservedAfter: 938_823_531n,
      penaltyBps: 500n,
      penalty: 49_411_764n,
      reward: 9_882_352n,
      fundFee: 39_529_412n,
      payment: 978_352_943n,
      collateralTaken: 0n,
      movingTaken: 0n,
      // (4,400 + 2,000) 1,400 / 4,250, rounded up
      vesselFloor: 2_108_235_295n,
      leastCash: 2_108_235_295n + 978_352_943n - 1_647_058_823n,
    });
  });

  it('takes the tier of the coverage, more in turbulent markets, and a flat discount from backstops', () => {
    const rate = (equity: bigint, volatility = 0n, backstop = false) =>
      atomicLiquidation({ ...account(EXAMPLE), cash: equity - EXAMPLE.mark }, TERMS, volatility, { backstop })
        .penaltyBps;
    expect([3_999n, 3_000n, 2_999n, 2_000n, 1_999n, 1_000n, 999n].map((e) => rate(e * 1_000_000n))).toEqual([
      500n,
      500n,
      600n,
      600n,
      800n,
      800n,
      1_000n,
    ]);
    expect(rate(3_000_000_000n, 65_535n)).toBe(500n);
    expect(rate(3_000_000_000n, 65_536n)).toBe(600n);
    expect(rate(1_000_000_000n, 2n ** 20n, true)).toBe(300n);
  });

  it('refuses the healthy, the bankrupt, the tiny, the large, and what is out of range', () => {
    const run = (state: Partial<ProvenAccount>, options = {}, changed: Partial<AtomicTerms> = {}) =>
      codeOf(() =>
        atomicLiquidation(
          { ...account(EXAMPLE), cash: 0n, mark: 0n, baseRequirement: 100n, ...state },
          { ...TERMS, ...changed },
          0n,
          options,
        ),
      );
    // Above its requirement an account is left alone, also below its target.
    expect(run({ cash: 100n })).toBe('NOT_LIQUIDATABLE');
    expect(run({ cash: 99n })).toBe('none');
    expect(run({ cash: 49n, collateral: 50n, saleCollateral: 50n })).toBe('none');
    expect(run({ cash: 0n })).toBe('BAD_DEBT');
    // Without equity, but worth something.
    expect(run({ cash: 0n, saleCollateral: 1n })).toBe('none');
    expect(run({ cash: -50n, collateral: 40n, saleCollateral: 51n })).toBe('none');
    expect(run({ cash: -50n, collateral: 40n, saleCollateral: 50n })).toBe('BAD_DEBT');
    expect(run({ cash: 50n, collateral: 2n, saleCollateral: 1n })).toBe('OUT_OF_RANGE');
    expect(run({ cash: -5n })).toBe('BAD_DEBT');
    expect(run({ cash: 0n, baseRequirement: 0n })).toBe('NOT_LIQUIDATABLE');
    expect(run({ cash: 0n, baseRequirement: -1n })).toBe('NOT_LIQUIDATABLE');
    expect(run({ cash: 99n, scale: 1n })).toBe('NOTHING_TO_LIQUIDATE');
    expect(run({ cash: 50n }, {}, { atomicLimit: 99n })).toBe('TOO_LARGE');
    expect(run({ cash: 0n }, {}, { atomicLimit: 99n })).toBe('BAD_DEBT');
    // What equity lacks to 0 counts too: haircuts can be large where the requirement is small.
    const lacking = { cash: -50n, saleCollateral: 900n };
    expect(run(lacking, {}, { atomicLimit: 150n })).toBe('none');
    expect(run(lacking, {}, { atomicLimit: 149n })).toBe('TOO_LARGE');
    expect(run({ ...lacking, baseRequirement: 0n }, {}, { atomicLimit: 49n })).toBe('TOO_LARGE');
    expect(run({ cash: 50n }, { backstop: true }, { atomicLimit: 99n })).toBe('none');
    expect(run({ cash: 50n }, {}, { penaltyBps: [] })).toBe('OUT_OF_RANGE');
    expect(run({ scale: 0n })).toBe('OUT_OF_RANGE');
    expect(run({ baseRequirement: -(2n ** 96n) - 1n })).toBe('OUT_OF_RANGE');
    expect(run({ collateralSlope: 2n ** 57n })).toBe('OUT_OF_RANGE');
    expect(run({ collateralSlope: -(2n ** 57n) - 1n })).toBe('OUT_OF_RANGE');
    expect(run({ collateral: 1n, saleCollateral: 1n, movingCollateral: 2n })).toBe('OUT_OF_RANGE');
    expect(run({ cash: 2n ** 96n })).toBe('OUT_OF_RANGE');
    expect(run({ cash: 1 as unknown as bigint })).toBe('MALFORMED');
    expect(run({ cash: 50n }, { vessel: { ...EMPTY_VESSEL, scale: MAX_SCALE } })).toBe('OUT_OF_RANGE');
    expect(run({ cash: 50n }, { vessel: { ...EMPTY_VESSEL, collateral: -1n } })).toBe('OUT_OF_RANGE');
  });

  it('splits what is taken whole, and asks the vessel for what the slice lacks', () => {
    fc.assert(
      fc.property(failing, terms, fc.boolean(), (state, rates, backstop) => {
        const amounts = amountsOf(account(state), rates, 0n, { backstop });
        if (amounts === undefined) return;
        const { proceeds, reward, fundFee, penalty, worthTaken, payment } = amounts;
        expect(proceeds + reward + fundFee).toBe(worthTaken);
        expect(payment).toBe(worthTaken - reward);
        expect(penalty >= 0n && reward >= 0n && fundFee >= 0n).toBe(true);
        expect(reward * BASIS <= penalty * rates.rewardShareBps).toBe(true);
        // With the least cash, the vessel ends at its floor, or has no need of cash at all.
        const after = amounts.leastCash + amounts.cashTaken + amounts.collateralTaken - payment;
        if (amounts.leastCash > 0n) expect(after).toBe(amounts.vesselFloor);
        else expect(after >= amounts.vesselFloor).toBe(true);
        // The floor puts the slice at its target.
        expect(
          (amounts.vesselFloor * state.scale + state.mark * amounts.scaleTaken >=
            amounts.target * amounts.scaleTaken) as boolean,
        ).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('brings the remaining account to its target, but for one unit of scale', () => {
    fc.assert(
      fc.property(failing, terms, (state, rates) => {
        const amounts = amountsOf(account(state), rates, 0n);
        if (amounts === undefined) return;
        const { scale } = state;
        const { worth, target, scaleTaken, proceeds } = amounts;
        const equity = equityOf(state);
        const left = scale - scaleTaken;
        // Equity and target of the remaining account, times the scale so that nothing rounds.
        const lost = amounts.cashTaken * scale + (state.collateral + state.mark) * scaleTaken;
        const excess = equity * scale - lost + proceeds * scale - target * left;
        const unit = target - equity + (worth * (BASIS - amounts.penaltyBps)) / BASIS + 1n;
        expect(excess > -unit && excess < 3n * scale).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('leaves an account that cannot be liquidated again', () => {
    fc.assert(
      fc.property(fc.bigInt(1_000_000n, 2n ** 60n), fc.bigInt(1n, 999n), (requirement, promille) => {
        const first = {
          ...account(EXAMPLE),
          cash: (requirement * promille) / 1000n,
          mark: 0n,
          baseRequirement: requirement,
        };
        const unlimited = { ...TERMS, atomicLimit: requirement };
        const { cashTaken, proceeds, scaleTaken } = atomicLiquidation(first, unlimited, 0n);
        const scale = ONE - scaleTaken;
        const second = {
          ...first,
          cash: first.cash - cashTaken + proceeds,
          baseRequirement: (requirement * scale) / ONE,
          scale,
        };
        expect(codeOf(() => atomicLiquidation(second, unlimited, 0n))).toBe('NOT_LIQUIDATABLE');
      }),
    );
  });

  it('asks a vessel with positions of the same legs for all that it will hold', () => {
    const vessel = { scale: ONE / 2n, collateral: 100_000_000n, movingCollateral: 0n };
    const empty = atomicLiquidation(account(EXAMPLE), TERMS, 0n, { vessel: EMPTY_VESSEL });
    const filled = atomicLiquidation(account(EXAMPLE), TERMS, 0n, { vessel });
    const held = vesselFloor(account(EXAMPLE), TERMS.bufferBps, ONE / 2n, 0n);
    expect(held).toBe(3_200_000_000n);
    const more = filled.leastCash - empty.leastCash;
    expect(more - (held - vessel.collateral) <= 1n && more - (held - vessel.collateral) >= -1n).toBe(true);
  });

  it('lets positions of value stand against debts, but not before the vessel has them', () => {
    // Long options worth 10,000 against a debt of 9,500.
    const long = {
      ...account(EXAMPLE),
      cash: -9_500_000_000n,
      mark: 10_000_000_000n,
      baseRequirement: 1_000_000_000n,
    };
    const amounts = atomicLiquidation(long, TERMS, 0n);
    expect(amounts.vesselFloor < 0n).toBe(true);
    expect(amounts.leastCash > 0n).toBe(true);
    const other = { ...EMPTY_VESSEL, scale: ONE };
    expect(atomicLiquidation(long, TERMS, 0n, { vessel: other }).leastCash < 0n).toBe(true);
  });
});

describe('moving collateral', () => {
  const SLOPE_ONE = 2n ** 54n;
  /** A short call of 1: 40,000 without collateral. */
  const call: ProvenAccount = {
    cash: 2_000_000_000n,
    collateral: 30_000_000_000n,
    saleCollateral: 30_000_000_000n,
    movingCollateral: 30_000_000_000n,
    mark: -5_000_000_000n,
    baseRequirement: 40_000_000_000n,
    collateralSlope: -SLOPE_ONE / 2n,
    scale: ONE,
  };
  const terms = { ...TERMS, atomicLimit: 2n ** 96n };

  it('offsets what it would lose, and what it would gain counts no more than that', () => {
    // 40,000 - 15,000 of a requirement against an equity of 27,000.
    expect(codeOf(() => atomicLiquidation(call, terms, 0n))).toBe('NOT_LIQUIDATABLE');
    expect(codeOf(() => atomicLiquidation({ ...call, movingCollateral: 0n }, terms, 0n))).toBe('none');
    expect(codeOf(() => atomicLiquidation({ ...call, collateralSlope: 0n }, terms, 0n))).toBe('none');
    // Never below 0: with an equity of 0 it is healthy, below that, and worth nothing, bad debt.
    const steep = { ...call, collateralSlope: -8n * SLOPE_ONE, cash: -25_000_000_000n };
    expect(codeOf(() => atomicLiquidation(steep, terms, 0n))).toBe('NOT_LIQUIDATABLE');
    expect(codeOf(() => atomicLiquidation({ ...steep, cash: -25_000_000_001n }, terms, 0n))).toBe('BAD_DEBT');
  });

  it('adds risk where it falls with the legs', () => {
    const puts = { ...call, collateralSlope: SLOPE_ONE / 4n, baseRequirement: 20_000_000_000n };
    // 20,000 + 7,500 against 27,000.
    expect(atomicLiquidation(puts, terms, 0n)).toMatchObject({
      worth: 27_000_000_000n,
      target: 30_250_000_000n,
    });
  });

  it('is asked of the vessel by what the account has of it', () => {
    const poor = { ...call, cash: 0n, collateralSlope: -SLOPE_ONE / 4n };
    const empty = atomicLiquidation(poor, terms, 0n);
    // Target of legs and mark, less a quarter of the collateral that came, with the buffer.
    const legs = (44_000_000_000n + 5_000_000_000n) * empty.scaleTaken;
    const exact = legs / ONE - (empty.movingTaken * 11n) / 40n;
    expect(empty.movingTaken).toBe(empty.collateralTaken);
    expect(empty.vesselFloor - exact <= 2n && empty.vesselFloor - exact >= 0n).toBe(true);
    const rich = { scale: 0n, collateral: 1_000_000_000n, movingCollateral: 1_000_000_000n };
    // More of it than so much of the account comes with neither offsets nor counts.
    const filled = atomicLiquidation(poor, terms, 0n, { vessel: rich });
    expect(filled.vesselFloor).toBe(empty.vesselFloor);
    expect(filled.leastCash - empty.leastCash <= 1n && filled.leastCash >= empty.leastCash).toBe(true);
    // Collateral of other underlyings fills the vessel, and asks for nothing.
    const other = atomicLiquidation(poor, terms, 0n, { vessel: { ...rich, movingCollateral: 0n } });
    expect(other.vesselFloor).toBe(empty.vesselFloor);
    expect(other.leastCash).toBe(empty.leastCash - 1_000_000_000n);
  });

  it('adds nothing to a subsidy', () => {
    expect(subsidisedRequirement(1_055n, 1_000n)).toBe(1_000n);
    expect(subsidisedRequirement(945n, 1_000n)).toBe(945n);
    expect(subsidisedRequirement(45n, -10n)).toBe(0n);
  });
});

describe('sale', () => {
  it('sells less for a higher price', () => {
    fc.assert(
      fc.property(failing, fc.bigInt(0n, 20_000n), fc.bigInt(0n, 20_000n), (state, one, other) => {
        const [low, high] = one < other ? [one, other] : [other, one];
        const most = (factor: bigint) => {
          try {
            return sale(state, 1_000n, factor).maxScale;
          } catch {
            return 0n;
          }
        };
        expect(most(high) <= most(low)).toBe(true);
      }),
    );
  });

  it('is the same, sold at once or in turn, but for roundings', () => {
    fc.assert(
      fc.property(
        fc.bigInt(10n ** 6n, 10n ** 15n),
        fc.bigInt(1n, 999n),
        fc.bigInt(5_000n, BASIS),
        fc.bigInt(1n, 99n),
        (requirement, promille, factor, percent) => {
          const state: LiquidationState = {
            cash: (requirement * promille) / 1_000n,
            collateral: 0n,
            saleCollateral: 0n,
            mark: 0n,
            requirement,
            scale: ONE,
            reserved: 0n,
          };
          const once = sale(state, 1_000n, factor);
          const first = sale(state, 1_000n, factor, (once.maxScale * percent) / 100n + 1n);
          const scale = ONE - first.scaleTaken;
          const rest: LiquidationState = {
            ...state,
            cash: state.cash - first.cashTaken + first.proceeds,
            requirement: (requirement * scale) / ONE,
            scale,
            reserved: first.reservedAfter,
          };
          let sold = first.scaleTaken;
          let paid = first.proceeds;
          if (equityOf(rest) < targetOf(rest.requirement, 1_000n)) {
            try {
              const second = sale(rest, 1_000n, factor);
              sold += second.scaleTaken;
              paid += second.proceeds;
            } catch (error) {
              expect(error).toMatchObject({ code: 'NOTHING_TO_LIQUIDATE' });
            }
          }
          // A few units of money or of scale, each in terms of the other.
          const slack = (20n * ONE) / requirement + 20n;
          expect(sold >= once.scaleTaken - slack && sold <= once.scaleTaken + slack).toBe(true);
          const worth = (20n * requirement) / ONE + 20n;
          expect(paid >= once.proceeds - worth && paid <= once.proceeds + worth).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('takeover', () => {
  it('raises the subsidy from nothing to all that is lacking', () => {
    const broke: LiquidationState = { ...EXAMPLE, cash: 1_700_000_000n };
    const at = (elapsed: bigint, maxScale?: bigint) =>
      takeover(broke, 1_000n, elapsed, 600n, maxScale).subsidy;
    expect(at(0n)).toBe(0n);
    expect(at(300n)).toBe(2_350_000_000n);
    expect(at(600n)).toBe(4_700_000_000n);
    expect(at(601n)).toBe(4_700_000_000n);
    expect(at(600n, ONE / 4n)).toBe(1_175_000_000n);
  });

  it('refuses accounts that are worth something, and bad times', () => {
    const run = (state: LiquidationState, elapsed: bigint, length: bigint, most = MAX_SCALE) =>
      codeOf(() => takeover(state, 1_000n, elapsed, length, most));
    const broke = { ...EXAMPLE, cash: 2_000_000_000n };
    expect(run(broke, 1n, 1n)).toBe('none');
    expect(run(EXAMPLE, 1n, 1n)).toBe('HAS_WORTH');
    // Equity is 0, but collateral is worth more than it counts for.
    expect(run({ ...broke, saleCollateral: 1n }, 1n, 1n)).toBe('HAS_WORTH');
    expect(run(broke, 1n, 0n)).toBe('OUT_OF_RANGE');
    expect(run(broke, -1n, 1n)).toBe('OUT_OF_RANGE');
    expect(run(broke, 1n, 1n, 0n)).toBe('NOTHING_TO_LIQUIDATE');
  });
});

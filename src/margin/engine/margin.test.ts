/** What must hold for every preset, whatever the market and the portfolio: calm or crash, SVI, pillars or flat smiles. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../../errors.ts';
import { PRESET_NAMES, presetModel } from '../presets/index.ts';
import { breakdownOf, roundedRequirement } from './breakdown.ts';
import { computeMargin, type Margin, type Tier, tierOf } from './margin.ts';
import type { MarginModel } from './model.ts';
import { canonicalPositions, type Portfolio, type Position } from './state.ts';
import {
  accountFor,
  arrayPosition,
  componentOf,
  expiryOf,
  future,
  grossOf,
  marketOf,
  option,
  perpetual,
  portfolioOf,
  spotPosition,
  underlyingOf,
  withAddOns,
} from './testing.ts';

/** ZKMARGIN_RUNS asks for more. */
const RUNS = Number(process.env.ZKMARGIN_RUNS ?? 120);
/** Part of the amounts involved that roundings may reach: a sum of some hundred terms, each good to 1e-15. */
const ROUNDING = 1e-12;
const presets = PRESET_NAMES.map((name) => [name, presetModel(name)] as const);
const LEVELS = ['maintenance', 'initial'] as const;
const TIERS: readonly Tier[] = ['badDebt', 'liquidation', 'softLiquidation', 'warning', 'healthy'];

const scaled = (portfolio: Portfolio, x: number): Portfolio => ({
  ...portfolio,
  cash: portfolio.cash * x,
  positions: portfolio.positions.map(
    (position): Position => ({
      ...position,
      quantity: position.quantity * x,
      ...('unrealised' in position ? { unrealised: position.unrealised * x } : {}),
    }),
  ),
  collateral: portfolio.collateral.map((item) => ({ ...item, value: item.value * x })),
  reservations: portfolio.reservations.map((item) => ({
    ...item,
    maintenance: item.maintenance * x,
    initial: item.initial * x,
  })),
});

/** Equal to the bit, but for denormal prices of options that are worth nothing. */
const same = (a: number, b: number) => {
  if (Math.abs(a) > 1e-250 || Math.abs(b) > 1e-250) expect(a).toBe(b);
};

/** All numbers of a margin that a report shows. */
const figures = (margin: Margin) => ({
  equity: margin.equity,
  maintenance: margin.maintenanceRequirement,
  initial: margin.initialRequirement,
  tier: margin.tier,
  components: margin.components.map(({ id, base, maintenance, initial, positions }) => ({
    id,
    base,
    maintenance,
    initial,
    positions: [...positions],
  })),
  profits: margin.scan.profits.map((row) => [...row]),
});

describe.each(presets)('%s', (name, preset) => {
  // The delta shock of Deribit's model grows faster than the position by design: it charges for concentration.
  const homogeneous: MarginModel = withAddOns(
    preset,
    ...preset.addOns.filter(({ kind }) => kind !== 'deltaConcentration'),
  );

  it('every component is homogeneous of degree one, to the bit for powers of two', () => {
    fc.assert(
      fc.property(
        accountFor(homogeneous),
        fc.integer({ min: 1, max: 20 }),
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        ({ market, portfolio }, power, factor) => {
          const before = computeMargin(portfolio, market, homogeneous);
          const exact = computeMargin(scaled(portfolio, 2 ** power), market, homogeneous);
          same(exact.maintenanceRequirement, before.maintenanceRequirement * 2 ** power);
          same(exact.initialRequirement, before.initialRequirement * 2 ** power);
          same(exact.equity.total, before.equity.total * 2 ** power);
          expect(exact.tier).toBe(before.tier);
          const after = computeMargin(scaled(portfolio, factor), market, homogeneous);
          const tolerance = ROUNDING * factor * grossOf(before);
          before.components.forEach(({ id, maintenance, initial }, index) => {
            same(exact.components[index]!.initial, initial * 2 ** power);
            expect(after.components[index]!.id).toBe(id);
            const other = after.components[index]!;
            expect(Math.abs(other.maintenance - maintenance * factor)).toBeLessThanOrEqual(tolerance);
            expect(Math.abs(other.initial - initial * factor)).toBeLessThanOrEqual(tolerance);
          });
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('more cash changes no requirement, adds as much margin, and never worsens the tier', () => {
    fc.assert(
      fc.property(
        accountFor(preset),
        fc.double({ min: 0, max: 1e7, noNaN: true }),
        ({ market, portfolio }, more) => {
          const before = computeMargin(portfolio, market, preset);
          const after = computeMargin({ ...portfolio, cash: portfolio.cash + more }, market, preset);
          expect(after.maintenanceRequirement).toBe(before.maintenanceRequirement);
          expect(after.initialRequirement).toBe(before.initialRequirement);
          expect(after.maintenanceMargin).toBeGreaterThanOrEqual(before.maintenanceMargin);
          expect(after.initialMargin).toBeGreaterThanOrEqual(before.initialMargin);
          expect(TIERS.indexOf(after.tier)).toBeGreaterThanOrEqual(TIERS.indexOf(before.tier));
          const gained = after.initialMargin - before.initialMargin;
          expect(Math.abs(gained - more)).toBeLessThanOrEqual(ROUNDING * (more + grossOf(before)));
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('no component is negative, and the initial requirement is at least the maintenance one', () => {
    fc.assert(
      fc.property(accountFor(preset), ({ market, portfolio }) => {
        const margin = computeMargin(portfolio, market, preset);
        for (const { base, maintenance, initial } of margin.components) {
          expect(base).toBeGreaterThanOrEqual(0);
          expect(maintenance).toBeGreaterThanOrEqual(0);
          expect(initial).toBeGreaterThanOrEqual(0);
        }
        expect(margin.maintenanceRequirement).toBeLessThanOrEqual(
          margin.initialRequirement + ROUNDING * grossOf(margin),
        );
        expect(margin.maintenanceMargin).toBe(margin.equity.total - margin.maintenanceRequirement);
        expect(margin.initialMargin).toBe(margin.equity.total - margin.initialRequirement);
      }),
      { numRuns: RUNS },
    );
  });

  it('components, expiries and positions add up to the requirement exactly, at both levels', () => {
    const total = (amounts: readonly bigint[]) => amounts.reduce((sum, amount) => sum + amount, 0n);
    fc.assert(
      fc.property(accountFor(preset), ({ market, portfolio }) => {
        const margin = computeMargin(portfolio, market, preset);
        for (const level of LEVELS) {
          const parts = breakdownOf(margin, level);
          expect(parts.requirement).toBe(roundedRequirement(margin, level));
          expect(total(parts.components.map(({ amount }) => amount))).toBe(parts.requirement);
          expect(total(parts.expiries.map(({ amount }) => amount)) + parts.other).toBe(parts.requirement);
          expect(total(parts.positions.map(({ contribution }) => contribution)) + parts.other).toBe(
            parts.requirement,
          );
          // The integer is the real requirement rounded up, so it never falls short of it by a unit.
          const units = parts.unitsPerNumeraire;
          const real = level === 'maintenance' ? margin.maintenanceRequirement : margin.initialRequirement;
          const size = ROUNDING * grossOf(margin) * units;
          expect(Number(parts.requirement)).toBeGreaterThanOrEqual(real * units - size);
          expect(Number(parts.requirement)).toBeLessThanOrEqual(real * units + 1 + size);
          // Every part is what the engine attributes, to a unit and the roundings of the sums.
          const byComponent = new Map<string, number>();
          for (const { id, amount } of parts.components) {
            const key = id.startsWith('scan.') ? 'scan' : id;
            byComponent.set(key, (byComponent.get(key) ?? 0) + Number(amount));
          }
          for (const id of new Set(margin.components.map((component) => component.id))) {
            const amounts = margin.components.filter((component) => component.id === id);
            const amount = amounts.reduce((sum, component) => sum + component[level], 0) * units;
            expect(Math.abs(byComponent.get(id)! - amount)).toBeLessThanOrEqual(8 + 10 * size);
          }
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('the order of legs changes nothing, and a position in parts is the whole: to the bit', () => {
    const parted = (portfolio: Portfolio, parts: readonly number[]): Position[] =>
      portfolio.positions.flatMap((position, index): Position[] => {
        const part = Math.trunc((position.quantity * 8 * parts[index % parts.length]!) / 64) / 8;
        if ('unrealised' in position) {
          const unrealised = position.unrealised / 2;
          return [
            { ...position, quantity: part, unrealised },
            { ...position, quantity: position.quantity - part, unrealised },
          ];
        }
        return [
          { ...position, quantity: part },
          { ...position, quantity: position.quantity - part },
        ];
      });
    const shuffled = accountFor(preset).chain(({ market, portfolio }) =>
      fc.array(fc.integer({ min: 0, max: 64 }), { minLength: 1, maxLength: 8 }).chain((parts) => {
        const all = parted(portfolio, parts);
        return fc.record({
          market: fc.constant(market),
          portfolio: fc.constant(portfolio),
          reordered: fc.shuffledSubarray([...portfolio.positions], { minLength: portfolio.positions.length }),
          parts: fc.shuffledSubarray(all, { minLength: all.length }),
        });
      }),
    );
    fc.assert(
      fc.property(shuffled, ({ market, portfolio, reordered, parts }) => {
        const whole = figures(computeMargin(portfolio, market, preset));
        expect(figures(computeMargin({ ...portfolio, positions: reordered }, market, preset))).toEqual(whole);
        expect(figures(computeMargin({ ...portfolio, positions: parts }, market, preset))).toEqual(whole);
      }),
      { numRuns: RUNS },
    );
  });

  it('a long call and a short put are a discounted forward, now and in every scenario', () => {
    const coin = preset.numeraire === 'coin';
    fc.assert(
      fc.property(
        accountFor(preset, { kinds: ['option'], maximumPositions: 1, collateral: false }),
        ({ market, portfolio }) => {
          const [leg] = portfolio.positions as [Position & { kind: 'option' }];
          const { strike, quantity } = leg;
          const where = { underlying: leg.underlying, expiry: leg.expiry };
          const pair = portfolioOf([
            option('C', strike, quantity, where),
            option('P', strike, -quantity, where),
          ]);
          const margin = computeMargin(pair, market, preset);
          const { spot, expiries } = market.underlyings[leg.underlying]!;
          const { forward, secondsToExpiry, rate } = expiries[leg.expiry]!;
          const { rateFloor, minimumTenorSeconds, lookAheadSeconds, settlementWindowSeconds } =
            preset.pricing;
          const used = rateFloor === null ? rate : Math.max(rate, rateFloor);
          const worth = (at: number, seconds: number, price: number) => {
            const left = seconds > 0 ? Math.max(seconds, minimumTenorSeconds) : 0;
            return (quantity * Math.exp((-used * left) / 31_536_000) * (at - strike)) / (coin ? price : 1);
          };
          const now = worth(forward, secondsToExpiry, spot);
          const tolerance = ROUNDING * grossOf(margin);
          expect(Math.abs(margin.equity.options - now)).toBeLessThanOrEqual(tolerance);
          const open = Math.min(1, secondsToExpiry / Math.max(1, settlementWindowSeconds));
          preset.scenarios.forEach((_, scenario) => {
            const factor = margin.plan.probes[scenario]!.priceFactors[leg.underlying]!;
            const moved = forward * (1 - open) + forward * open * factor;
            const later = worth(moved, secondsToExpiry - lookAheadSeconds, spot * factor);
            const profit = margin.valued.reduce((sum, item) => sum + item.profits[scenario]!, 0);
            expect(Math.abs(profit - (later - now))).toBeLessThanOrEqual(tolerance);
          });
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('a long option never raises scan risk by more than its price', () => {
    // PMRM2's skew scenarios count gains as losses, and its basis move is scaled by up to some times the loss: neither
    // is a loss that the option can make.
    const model: MarginModel = {
      ...preset,
      scenarios: preset.scenarios.filter(({ role }) => role !== 'skew'),
      addOns: preset.addOns.filter(({ kind }) => kind !== 'basis'),
    };
    const drawn = accountFor(model).chain(({ market, portfolio }) =>
      accountFor(model, { kinds: ['option'], side: 1, maximumPositions: 1 }).map((other) => ({
        market,
        portfolio,
        quantity: other.portfolio.positions[0]!.quantity,
        isCall: (other.portfolio.positions[0] as Position & { kind: 'option' }).isCall,
        shape: other.portfolio.positions[0] as Position & { kind: 'option' },
      })),
    );
    fc.assert(
      fc.property(
        drawn,
        fc.double({ min: 0.5, max: 2, noNaN: true }),
        ({ market, portfolio, quantity, isCall, shape }, ratio) => {
          const underlying = shape.underlying % market.underlyings.length;
          const expiry = shape.expiry % market.underlyings[underlying]!.expiries.length;
          const strike = market.underlyings[underlying]!.expiries[expiry]!.forward * ratio;
          const bought = option(isCall ? 'C' : 'P', strike, quantity, { underlying, expiry });
          const before = computeMargin(portfolio, market, model);
          const after = computeMargin(
            { ...portfolio, positions: [...portfolio.positions, bought] },
            market,
            model,
          );
          const price = computeMargin(portfolioOf([bought]), market, model).equity.total;
          expect(price).toBeGreaterThanOrEqual(0);
          expect(after.scan.loss).toBeLessThanOrEqual(before.scan.loss + price + ROUNDING * grossOf(after));
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('long options alone can lose their value in a scenario, and no more', () => {
    const model: MarginModel = {
      ...preset,
      scenarios: preset.scenarios.filter(({ role }) => role !== 'skew'),
      addOns: preset.addOns.filter(({ kind }) => kind !== 'basis'),
    };
    fc.assert(
      fc.property(
        accountFor(model, { kinds: ['option'], side: 1, collateral: false, reservations: false }),
        ({ market, portfolio }) => {
          const margin = computeMargin(portfolio, market, model);
          const rounding = ROUNDING * grossOf(margin);
          expect(margin.scan.loss).toBeLessThanOrEqual(margin.equity.options + rounding);
          if (name === 'ramm-core') {
            let bound = 1.051 * margin.equity.options;
            for (const id of ['horizon', 'expiryBasis', 'expiryInterest', 'vegaShock'] as const) {
              bound += componentOf(margin, id).maintenance;
            }
            expect(margin.maintenanceRequirement).toBeLessThanOrEqual(bound + rounding);
            expect(componentOf(margin, 'gamma').base).toBeLessThanOrEqual(rounding);
          }
          if (name === 'span') expect(componentOf(margin, 'floor').maintenance).toBe(0);
          if (name === 'ramm' || name === 'ramm-core')
            expect(componentOf(margin, 'shortOption').base).toBe(0);
        },
      ),
      { numRuns: RUNS },
    );
  });
});

describe('attribution of a requirement', () => {
  const ramm = presetModel('ramm');

  it('a lone position accounts for all of it, standalone and marginal', () => {
    const margin = computeMargin(portfolioOf([option('P', 90, -3)]), marketOf(), ramm);
    for (const level of LEVELS) {
      const { positions, other, requirement } = breakdownOf(margin, level);
      expect(positions).toEqual([
        { id: '0/0/90/P', contribution: requirement, standalone: requirement, marginal: requirement },
      ]);
      expect(other).toBe(0n);
      expect(requirement).toBeGreaterThan(0n);
    }
  });

  it('contributions are derivatives: with Euler they are the requirement (away from kinks)', () => {
    const market = marketOf(
      underlyingOf({ expiries: [expiryOf(), expiryOf({ secondsToExpiry: 7_776_000 })] }),
    );
    const positions = [
      option('P', 90, -3),
      option('C', 115, -2),
      option('P', 80, 1.5, { expiry: 1 }),
      perpetual(0.25),
    ];
    const margin = computeMargin(portfolioOf(positions), market, ramm);
    const contributions = breakdownOf(margin, 'maintenance').positions;
    let total = 0;
    margin.valued.forEach(({ position }, index) => {
      const bump = 1e-6 * position.quantity;
      const at = (more: number) =>
        computeMargin(
          portfolioOf(
            positions.map((one) =>
              one.id === position.id ? { ...one, quantity: one.quantity + more } : one,
            ),
          ),
          market,
          ramm,
        ).maintenanceRequirement;
      const slope = (at(bump) - at(-bump)) / 2e-6;
      total += slope;
      expect(Math.abs(slope * 1e6 - Number(contributions[index]!.contribution))).toBeLessThan(10);
    });
    expect(total).toBeCloseTo(margin.maintenanceRequirement, 6);
  });

  it('delta, gamma, vega and residual of a scan sum to it, and a small delta-one move is all delta', () => {
    const linear = computeMargin(portfolioOf([spotPosition(2)]), marketOf(), presetModel('ramm-core'));
    const parts = new Map(
      breakdownOf(linear, 'maintenance').components.map(({ id, amount }) => [id, amount]),
    );
    expect(parts.get('scan.gamma')).toBe(0n);
    expect(parts.get('scan.vega')).toBe(0n);
    expect(Number(parts.get('scan.residual'))).toBeLessThanOrEqual(1);
    const vega = computeMargin(portfolioOf([option('C', 100, -1), option('P', 100, -1)]), marketOf(), {
      ...presetModel('ramm-core'),
      scenarios: [{ id: 'up', role: 'grid', priceFactor: 1, volatility: 'up', damping: 1 }],
    });
    const greek = vega.valued.reduce((sum, item) => sum + item.greeks.vega * item.volatilityMoves[0]!, 0);
    const shown = breakdownOf(vega, 'maintenance').components.find(({ id }) => id === 'scan.vega')!;
    expect(Number(shown.amount) / 1e6).toBeCloseTo((-greek * 4301) / 4096, 5);
  });
});

describe('tiers', () => {
  const model = { ...presetModel('ramm'), tiers: { soft: 1.1, warning: 1.25 } };

  it.each([
    [100, 100, 100, 'softLiquidation'],
    [99.999_999, 100, 100, 'liquidation'],
    [110, 100, 100, 'warning'],
    [109.999_999, 100, 100, 'softLiquidation'],
    [125, 100, 100, 'healthy'],
    [124.999_999, 100, 100, 'warning'],
    [125, 100, 130, 'warning'],
    [130, 100, 130, 'healthy'],
    [1e-9, 100, 130, 'liquidation'],
    [0, 100, 130, 'badDebt'],
    [-5, 100, 130, 'badDebt'],
    [0, 0, 0, 'healthy'],
    [-1e-9, 0, 0, 'badDebt'],
  ])('equity %d with %d and %d required is %s', (equity, maintenance, initial, tier) => {
    const exact = { ...model, tiers: { soft: 1.1, warning: 1.25 } };
    // 100 × 1.1 is above 110 in doubles; thresholds are compared as doubles.
    const nudged = equity === 110 ? 100 * 1.1 : equity;
    expect(tierOf(nudged, maintenance, initial, exact)).toBe(tier);
  });
});

describe('what must not go unnoticed', () => {
  const core = presetModel('ramm-core');

  it.each([
    ['an infinite vol', { secondsToExpiry: 30 * 86_400, volatility: Number.POSITIVE_INFINITY }],
    ['a vol that is no number', { volatility: Number.NaN }],
    ['a rate that overflows', { rate: -1e9 }],
  ])('%s is an error, not a scenario without a loss', (_, expiry) => {
    const market = marketOf(underlyingOf({ expiries: [expiryOf(expiry)] }));
    expect(() => computeMargin(portfolioOf([option('C', 100, -1)]), market, core)).toThrow(
      expect.objectContaining({ code: 'ARITHMETIC_OVERFLOW' }),
    );
  });

  it('amounts beyond doubles are an error with a code', () => {
    const thrown = (() => {
      try {
        computeMargin(
          portfolioOf([spotPosition(1e307), perpetual(-1e307)]),
          marketOf(underlyingOf({ spot: 1e12 })),
          core,
        );
      } catch (error) {
        return error;
      }
    })();
    expect(isZkMarginError(thrown, 'ARITHMETIC_OVERFLOW')).toBe(true);
  });

  it('perpetuals of one settlement are netted though those of another have the same name', () => {
    const add = { kind: 'perpetual', maintenance: 0.03, initial: 0.04 } as const;
    const model = withAddOns(core, add);
    const legs = [perpetual(5), perpetual(1, { inverse: true }), perpetual(-5)];
    for (const order of [
      [0, 1, 2],
      [1, 0, 2],
      [0, 2, 1],
    ]) {
      const margin = computeMargin(portfolioOf(order.map((at) => legs[at]!)), marketOf(), model);
      expect(margin.valued.map(({ position }) => position.quantity)).toEqual([1]);
      expect(componentOf(margin, 'perpetual').base).toBe(100);
    }
  });

  it('risk arrays of one name but other numbers are not netted', () => {
    const merged = canonicalPositions([
      arrayPosition('X', [-1, 2], 1),
      arrayPosition('X', [-1, 3], -1),
      arrayPosition('X', [-1, 2], 2),
      arrayPosition('X', [-1, 2], 1, 5),
    ]);
    expect(merged.length).toBeGreaterThanOrEqual(3);
  });

  it('add-ons whose parts cancel are 0, not less by a rounding error', () => {
    const size = fc.double({ min: 0.01, max: 10, noNaN: true });
    const ramm = presetModel('ramm');
    fc.assert(
      fc.property(size, size, size, (a, b, spot) => {
        const market = marketOf(underlyingOf({ spot, expiries: [expiryOf({ forward: spot })] }));
        const portfolio = portfolioOf([spotPosition(a), perpetual(b), future(-(a + b))]);
        for (const { base } of computeMargin(portfolio, market, ramm).components) {
          expect(base).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 10 * RUNS },
    );
  });

  it('a floor on risk stands beside what is reserved for orders, not under it', () => {
    const span = presetModel('span');
    const positions = [option('C', 400, -1)];
    const market = marketOf(
      underlyingOf({ expiries: [expiryOf({ secondsToExpiry: 864_000, volatility: 0.2 })] }),
    );
    const alone = computeMargin(portfolioOf(positions), market, span);
    // Nothing is left to scan: the short-option minimum, 1 % of 100, is all.
    expect(alone.maintenanceRequirement).toBeCloseTo(1, 12);
    const reserved = computeMargin(
      portfolioOf(positions, { reservations: [{ name: 'orders', maintenance: 1, initial: 1 }] }),
      market,
      span,
    );
    expect(reserved.maintenanceRequirement).toBeCloseTo(2, 12);
    expect(reserved.initialRequirement).toBeCloseTo(2.1, 12);
  });
});

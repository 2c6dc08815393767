import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { exampleCrash } from '../../../scripts/lib/example-crash.ts';
import { atomicLiquidation, equityOf, sale, targetOf, worthOf } from '../../liquidation/amounts.ts';
import { DEFAULT_LIQUIDATION_TERMS, integerTerms } from '../../liquidation/terms.ts';
import { SCALE_ONE } from '../../margin/exact/bounds.ts';
import { exactMargin } from '../../margin/exact/margin.ts';
import { exampleBook } from '../../margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import { rammModel } from '../../margin/presets/ramm.ts';
import { LINEAR } from '../../market/instrument.ts';
import { volatilityIndex } from '../../market/oracle-median.ts';
import { floatExpiry, surfaceVolatility } from '../../market/surface.ts';
import type { MarketRound } from '../../market/words.ts';
import { black76, black76Price } from '../../math/float/black76.ts';
import { mulberry32 } from '../../math/float/random.ts';
import type { MonitoredAccount } from './accounts.ts';
import { liquidationBatches } from './batches.ts';
import { bookGreeks } from './greeks.ts';
import { RiskMonitor } from './monitor.ts';
import { movedRound } from './moved-round.ts';
import { changesSince, compareUrgency, isAtRisk, type RiskSnapshot } from './snapshot.ts';
import { monitored } from './testing.ts';
import { type RiskTier, TIERS_BY_URGENCY, tierOfFigures, tierThresholds } from './tiers.ts';
import { accountRiskView, changeViews, marginView, planView, riskSnapshotView } from './views.ts';

const SEED = Number(process.env.SEED ?? 20_250_219);
const PARAMETERS = DEFAULT_PARAMETERS;
const TERMS = DEFAULT_LIQUIDATION_TERMS;
const RULES = { parameters: PARAMETERS, terms: TERMS };
const THRESHOLDS = tierThresholds(TERMS);
const { opening, crashed } = exampleCrash();
const UNDERLYING = opening.underlying.underlyingId;

function bookOf(seed: number, count = 96): MonitoredAccount[] {
  return exampleBook({ opening, shocked: crashed, parameters: PARAMETERS, seed, count, failing: 0.5 }).map(
    monitored,
  );
}

function monitorOf(
  accounts: readonly MonitoredAccount[],
  rules: ConstructorParameters<typeof RiskMonitor>[1] = RULES,
) {
  const monitor = new RiskMonitor(UNDERLYING, rules);
  for (const account of accounts) monitor.setAccount(account);
  return monitor;
}

function exactTier(account: MonitoredAccount, round: MarketRound): RiskTier {
  const { mark, requirement } = exactMargin(account, round, PARAMETERS);
  const { cash, collateral, saleCollateral = collateral } = account;
  return tierOfFigures(cash + collateral + mark, cash + saleCollateral + mark, requirement, THRESHOLDS);
}

describe('tiers', () => {
  it('begin where the terms say: at 1.10 and 1.25 by default, as in the RAMM model', () => {
    const { tiers } = rammModel();
    const requirement = 1_000_000n;
    const at = (multiple: number) => {
      const equity = BigInt(Math.round(multiple * 1e6));
      return tierOfFigures(equity, equity, requirement, THRESHOLDS);
    };
    expect(at(tiers.warning)).toBe('healthy');
    expect(at(tiers.warning - 1e-6)).toBe('warning');
    expect(at(tiers.soft)).toBe('warning');
    expect(at(tiers.soft - 1e-6)).toBe('soft');
    expect(at(1)).toBe('soft');
    expect(at(1 - 1e-6)).toBe('liquidatable');
    expect(at(1e-6)).toBe('liquidatable');
    expect(at(0)).toBe('badDebt');
    expect(tierOfFigures(0n, 0n, 0n, THRESHOLDS)).toBe('healthy');
    expect(tierOfFigures(-1n, -1n, 0n, THRESHOLDS)).toBe('badDebt');
    // Haircuts alone make no bad debt.
    expect(tierOfFigures(-1n, 0n, 0n, THRESHOLDS)).toBe('badDebt');
    expect(tierOfFigures(-1n, 1n, 0n, THRESHOLDS)).toBe('liquidatable');
  });

  it('never let warning begin below soft', () => {
    const { soft, warning } = tierThresholds({ bufferBps: 5_000, initialLevel: 4_500 });
    expect(warning).toBe(soft);
  });
});

describe(`the monitor on the example book (seed ${SEED})`, () => {
  const accounts = bookOf(SEED);
  const monitor = monitorOf(accounts);
  let before: RiskSnapshot;
  let after: RiskSnapshot;

  beforeAll(() => {
    before = monitor.atRound(1n, opening);
    after = monitor.atRound(2n, crashed);
  });

  it('finds the tiers of the exact model in both rounds', () => {
    for (const [snapshot, round] of [
      [before, opening],
      [after, crashed],
    ] as const) {
      expect(snapshot.byId.size).toBe(accounts.length);
      for (const account of accounts) {
        const row = snapshot.byId.get(account.id)!;
        const { mark, requirement, worstScenario } = exactMargin(account, round, PARAMETERS);
        expect([account.id, row.tier]).toEqual([account.id, exactTier(account, round)]);
        const tolerance = row.exact ? 0 : Math.ceil(1e6 * row.errorBoundUsd) + 1;
        expect(Math.abs(Number(row.mark - mark))).toBeLessThanOrEqual(tolerance);
        expect(Math.abs(Number(row.requirement - requirement))).toBeLessThanOrEqual(tolerance);
        if (row.exact) expect(row.worstScenario).toBe(worstScenario);
      }
    }
    expect(before.totals.byTier.liquidatable + before.totals.byTier.badDebt).toBe(0);
    expect(after.totals.byTier.liquidatable).toBeGreaterThan(10);
  });

  it('ranks by urgency, strictly', () => {
    for (const { ranking } of [before, after]) {
      for (let place = 1; place < ranking.length; place++) {
        expect(compareUrgency(ranking[place - 1]!, ranking[place]!)).toBeLessThan(0);
      }
      const order = ranking.map(({ tier }) => TIERS_BY_URGENCY.indexOf(tier));
      expect(order).toEqual([...order].sort((a, b) => a - b));
    }
  });

  it('adds up', () => {
    const { totals, ranking } = after;
    const sum = (of: (row: (typeof ranking)[number]) => bigint) =>
      ranking.reduce((total, row) => total + of(row), 0n);
    expect(totals.accounts).toBe(accounts.length);
    expect(Object.values(totals.byTier).reduce((a, b) => a + b)).toBe(accounts.length);
    expect(totals.equity).toBe(sum(({ equity }) => equity));
    expect(totals.requirement).toBe(sum(({ requirement }) => requirement));
    expect(totals.deficit).toBe(sum(({ equity }) => (equity < 0n ? -equity : 0n)));
    expect(totals.shortfall).toBe(
      sum(({ equity, requirement }) => (equity < requirement ? requirement - equity : 0n)),
    );
    expect(totals.shortfall).toBeGreaterThan(0n);
  });

  it('plans what the liquidation arithmetic gives, and the least fraction reaches the target', () => {
    const terms = integerTerms(TERMS);
    let atomic = 0;
    for (const row of after.ranking) {
      const account = monitor.account(row.id)!;
      const below = row.tier === 'liquidatable' || row.tier === 'badDebt';
      expect(row.plan !== undefined).toBe(below);
      if (row.plan === undefined) continue;
      expect(row.exact).toBe(true);
      const margin = exactMargin(account, crashed, PARAMETERS);
      const { mark, requirement } = margin;
      const { collateral, movingCollateral = 0n, saleCollateral = collateral } = account;
      const state = { ...account, ...margin, saleCollateral, reserved: 0n };
      const proven = { ...state, movingCollateral };
      expect(row.plan).toMatchObject({ mark, requirement, equity: equityOf(state), worth: worthOf(state) });
      expect(row.plan.target).toBe(targetOf(requirement, terms.bufferBps));
      if (row.plan.atomic.open) {
        atomic++;
        expect(row.plan.atomic.amounts).toEqual(atomicLiquidation(proven, terms, volatilityIndex(crashed)));
      }
      if (row.tier === 'liquidatable') {
        const least = sale(state, terms.bufferBps, 10_000n);
        expect(row.plan.minimalScale).toBe(least.maxScale);
        expect(row.plan.minimalFraction).toBeGreaterThan(0);
        expect(row.plan.minimalFraction).toBeLessThanOrEqual(1);
        expect(row.plan.auction.open).toBe(true);
        if (row.plan.auction.open) {
          const { atStart, atCusp } = row.plan.auction.amounts;
          expect(atStart.scaleTaken).toBeGreaterThanOrEqual(least.maxScale);
          // A worse price sells more.
          expect(atCusp.scaleTaken).toBeGreaterThan(atStart.scaleTaken);
        }
        expect(row.plan.takeover).toEqual({ open: false, reason: 'HAS_WORTH' });
        // What remains after the least sale has the target, and one unit less has not.
        const rest = state.scale - least.maxScale;
        const lacks = (scale: bigint) => {
          const sold = state.scale - scale;
          // Sold at its full worth: the worth stays, the target and what haircuts take shrink.
          const left = state.scale - sold;
          return row.plan!.worth * state.scale - (saleCollateral - collateral + row.plan!.target) * left;
        };
        expect(lacks(rest - 1n)).toBeGreaterThanOrEqual(0n);
        expect(lacks(rest + 1n)).toBeLessThan(0n);
      }
    }
    expect(atomic).toBeGreaterThan(3);
  });

  it('tells who is near, as the exact model does after such a move', () => {
    const volatility = Math.max(Number(opening.underlying.realisedVolatility), Number(before.volatility));
    const rules = { ...RULES, nearness: { deviations: [1, 4, 8], intervalSeconds: 3_600 } };
    const snapshot = monitorOf(accounts, rules).atRound(1n, opening);
    let near = 0;
    for (const row of snapshot.ranking) {
      const account = monitor.account(row.id)!;
      const found = [1, 4, 8].flatMap((deviations) =>
        (['below', 'above'] as const)
          .filter((direction) => {
            const move = deviations * (volatility / 65_536) * Math.sqrt(3_600 / 31_536_000);
            const factor = Math.exp(direction === 'above' ? move : -move);
            const spot = BigInt(Math.round(Number(opening.underlying.spot) * factor));
            return ['liquidatable', 'badDebt'].includes(exactTier(account, movedRound(opening, spot)));
          })
          .map((direction) => ({ deviations, direction })),
      );
      expect([row.id, row.nearness]).toEqual([row.id, found[0]]);
      if (found.length > 0) near++;
    }
    expect(near).toBeGreaterThan(3);
    expect(near).toBeLessThan(accounts.length);
  });

  it('says what changed, for a stream', () => {
    const changes = changesSince(before, after);
    const changed = new Map(changes.map((change) => [change.id, change]));
    for (const account of accounts) {
      const moved = exactTier(account, opening) !== exactTier(account, crashed);
      if (moved) expect(changed.get(account.id)?.reasons).toContain('tier');
      else expect(changed.get(account.id)?.reasons ?? []).not.toContain('tier');
    }
    expect(changesSince(after, after)).toEqual([]);
    const first = changesSince(undefined, after);
    expect(first.map(({ id }) => id)).toEqual(
      after.ranking.filter(({ tier }) => tier !== 'healthy').map(({ id }) => id),
    );
    const views = JSON.parse(JSON.stringify(changeViews(before, after)));
    expect(views).toEqual(changeViews(before, after));
    expect(views[0].account.tier).toBe(after.ranking[0]!.tier);
  });

  it('shows everything as plain data', () => {
    const view = riskSnapshotView(after, { tiers: ['liquidatable'], limit: 3, offset: 1 });
    expect(JSON.parse(JSON.stringify(view))).toEqual(view);
    expect(view.count).toBe(after.totals.byTier.liquidatable);
    expect(view.accounts).toHaveLength(3);
    expect(view.accounts[0]!.tier).toBe('liquidatable');
    expect(view.symbol).toBe('BTC');
    const row = after.ranking.find(({ plan }) => plan?.atomic.open)!;
    const shown = planView(row.plan!);
    expect(shown.atomic.open && shown.atomic.amounts.reward).toMatch(/^\d+$/);
    const margin = monitor.margin(row.id);
    const parts = marginView(margin, PARAMETERS);
    expect(parts.requirement).toBe(margin.requirement.toString());
    expect(parts.scenarios).toHaveLength(PARAMETERS.scenarios.length);
    expect(parts.scenarios[parts.worstScenario.index]!.requirement).toBe(parts.requirement);
    expect(JSON.parse(JSON.stringify(parts))).toEqual(parts);
    const free = { ...row, ratio: Infinity };
    expect(accountRiskView(free, after).ratio).toBeNull();
  });

  it('stresses the book: no shock changes nothing, and worse ones cost more', () => {
    const shocks = [0, -0.12, -0.3].map((priceMove) => ({ priceMove, volMultiplierAt30d: 1 - priceMove }));
    const stressed = monitorOf(accounts);
    stressed.atRound(1n, opening);
    const [none, crash, worse] = stressed.stress(shocks);
    expect(none).toMatchObject({ liquidatable: 0, badDebt: 0, unvalued: 0, deficitUsd: 0, shortfallUsd: 0 });
    expect(crash!.liquidatable + crash!.badDebt).toBeGreaterThan(3);
    expect(worse!.shortfallUsd).toBeGreaterThan(crash!.shortfallUsd);
    stressed.atRound(2n, crashed);
    const [same] = stressed.stress(shocks);
    expect(same!.liquidatable).toBe(after.totals.byTier.liquidatable);
    expect(same!.badDebt).toBe(after.totals.byTier.badDebt);
    expect(same!.shortfallUsd).toBeCloseTo(Number(after.totals.shortfall) / 1e6, 2);
  });

  it('finds liquidation prices and batches of what it ranks', () => {
    const row = before.ranking[0]!;
    const fresh = monitorOf(accounts);
    fresh.atRound(1n, opening);
    const { below, above } = fresh.liquidationPrices(row.id);
    for (const side of [below, above]) {
      if (side.kind !== 'found') continue;
      const tier = exactTier(monitor.account(row.id)!, movedRound(opening, side.threshold.spot));
      expect(['liquidatable', 'badDebt']).toContain(tier);
    }
    const batches = liquidationBatches(after.ranking, (id) => monitor.account(id), [2, 8, 32], 4);
    const open = after.ranking.filter(({ plan }) => plan?.atomic.open);
    expect(batches.flatMap(({ accounts: rows }) => rows).length).toBe(open.length);
    for (const { capacity, accounts: rows, reward } of batches) {
      expect(rows.length).toBeLessThanOrEqual(4);
      let sum = 0n;
      for (const { id, plan } of rows) {
        const legs = monitor.account(id)!.legs.length;
        expect([2, 8, 32].find((places) => places >= legs)).toBe(capacity);
        if (plan?.atomic.open) sum += plan.atomic.amounts.reward;
      }
      expect(reward).toBe(sum);
      expect([...rows].sort(compareUrgency)).toEqual(rows);
    }
    const small = liquidationBatches(after.ranking, (id) => monitor.account(id), [1]);
    for (const { accounts: rows } of small) {
      for (const { id } of rows) expect(monitor.account(id)!.legs).toHaveLength(1);
    }
    expect(small.flatMap(({ accounts: rows }) => rows).length).toBeLessThan(open.length);
  });
});

describe('near the thresholds', () => {
  it(`every unit of cash counts (seed ${SEED})`, () => {
    const legs = bookOf(SEED + 1, 16).map((account) => account.legs);
    const seen = new Map<RiskTier, number>();
    let exact = 0;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
        const random = mulberry32(seed);
        const round = random() < 0.5 ? opening : crashed;
        const monitor = new RiskMonitor(UNDERLYING, {
          ...RULES,
          nearness: { deviations: [], intervalSeconds: 1 },
        });
        const set: MonitoredAccount[] = [];
        for (let index = 0; index < 12; index++) {
          const scale = BigInt(Math.ceil(2 ** (30 + 12 * random())));
          const chosen = legs[Math.floor(random() * legs.length)]!;
          const { mark, requirement } = exactMargin({ legs: chosen, scale }, round, PARAMETERS);
          const threshold = [0n, requirement, (requirement * 11n) / 10n, (requirement * 5n) / 4n][
            Math.floor(random() * 4)
          ]!;
          const collateral = BigInt(Math.floor(1e9 * random()));
          set.push({
            id: BigInt(index),
            legs: chosen,
            scale,
            cash: threshold - mark - collateral + BigInt(Math.floor(7 * random()) - 3),
            collateral,
            nonce: 0n,
            inAuction: false,
          });
        }
        for (const account of set) monitor.setAccount(account);
        const { byId } = monitor.atRound(1n, round);
        for (const account of set) {
          const row = byId.get(account.id)!;
          expect([account.id, row.tier]).toEqual([account.id, exactTier(account, round)]);
          seen.set(row.tier, (seen.get(row.tier) ?? 0) + 1);
          if (row.exact) exact++;
        }
      }),
      { seed: SEED, numRuns: 25 },
    );
    for (const tier of TIERS_BY_URGENCY) if (tier !== 'undecided') expect(seen.get(tier)).toBeGreaterThan(5);
    expect(exact).toBeGreaterThan(100);
  });
});

describe('changes of accounts within a round', () => {
  it(`give what a new monitor gives (seed ${SEED})`, () => {
    const book = bookOf(SEED + 2, 48);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
        const random = mulberry32(seed);
        const rules = { ...RULES, planLimit: 5 };
        const monitor = monitorOf(book.slice(0, 32), rules);
        const present = new Map(book.slice(0, 32).map((account) => [account.id, account]));
        let round = random() < 0.5 ? opening : crashed;
        monitor.atRound(1n, round);
        for (let step = 0; step < 6; step++) {
          for (let change = 0; change < 3; change++) {
            const account = book[Math.floor(random() * book.length)]!;
            if (random() < 0.3) {
              expect(monitor.deleteAccount(account.id)).toBe(present.delete(account.id));
              continue;
            }
            const altered: MonitoredAccount = {
              ...account,
              cash: account.cash + BigInt(Math.round((random() - 0.5) * 2e10)),
              nonce: account.nonce + 1n,
              inAuction: random() < 0.3,
            };
            monitor.setAccount(altered);
            present.set(altered.id, altered);
          }
          if (random() < 0.3) {
            round = round === opening ? crashed : opening;
            monitor.atRound(BigInt(step + 2), round);
          }
          const snapshot = monitor.refresh();
          expect(monitor.refresh()).toBe(snapshot);
          const fresh = monitorOf([...present.values()], rules).atRound(snapshot.roundNumber, round);
          // A row that has lost its plan keeps its exact figures; doubles are within their bound of them.
          expect(snapshot.ranking.map(({ id, tier, plan }) => [id, tier, plan])).toEqual(
            fresh.ranking.map(({ id, tier, plan }) => [id, tier, plan]),
          );
          expect(snapshot.totals.byTier).toEqual(fresh.totals.byTier);
          expect(snapshot.totals.inAuction).toBe(fresh.totals.inAuction);
          expect(snapshot.greeks.total.deltaUsd).toBeCloseTo(fresh.greeks.total.deltaUsd, 3);
        }
      }),
      { seed: SEED, numRuns: 12 },
    );
  });

  it('by other rules concern every account', () => {
    const accounts = bookOf(SEED, 32);
    const monitor = monitorOf(accounts);
    const lenient = monitor.atRound(1n, crashed);
    const parameters = { ...PARAMETERS, maintenanceFactor: 2 * PARAMETERS.maintenanceFactor };
    monitor.setRules({ parameters, terms: TERMS });
    const strict = monitor.refresh();
    for (const account of accounts) {
      const { requirement } = exactMargin(account, crashed, parameters);
      const difference = Number(strict.byId.get(account.id)!.requirement - requirement);
      expect(Math.abs(difference)).toBeLessThanOrEqual(100);
    }
    expect(strict.totals.requirement).toBeGreaterThan(lenient.totals.requirement);
    expect(() => monitor.setRules({ parameters: { ...parameters, scenarios: [] }, terms: TERMS })).toThrow(
      expect.objectContaining({ code: 'FIRST_SCENARIO' }),
    );
  });
});

describe('single accounts', () => {
  const near = opening.expiries[1]!;
  const strike = (near.forward / 100n / 10_000_000n) * 10_000_000n;
  const short: MonitoredAccount = {
    id: 7n,
    legs: [{ instrument: { kind: 'call', expiryHour: near.expiryHour, strike }, quantity: -1_000_000n }],
    scale: SCALE_ONE,
    cash: 1_000_000_000n,
    collateral: 0n,
    nonce: 3n,
    inAuction: false,
  };

  it('that are worth nothing are to be taken over, those in auction are not for sale at once', () => {
    const monitor = monitorOf([
      { ...short, cash: -1_000_000n },
      { ...short, id: 8n, cash: 12_000_000_000n, inAuction: true, reserved: 1_000_000n },
    ]);
    const { ranking, totals } = monitor.atRound(1n, opening);
    const [debt, sold] = ranking;
    expect(debt!.tier).toBe('badDebt');
    expect(totals.deficit).toBe(-debt!.equity);
    expect(debt!.plan).toMatchObject({
      minimalScale: 0n,
      atomic: { open: false, reason: 'BAD_DEBT' },
      auction: { open: false, reason: 'BAD_DEBT' },
    });
    expect(debt!.plan!.takeover.open && debt!.plan!.takeover.amounts.subsidy).toBe(
      debt!.plan!.target - debt!.equity,
    );
    expect(sold!.tier).toBe('liquidatable');
    expect(sold!.plan).toMatchObject({
      atomic: { open: false, reason: 'CONFLICT' },
      auction: { open: true, amounts: { fee: 0n, reward: 0n } },
    });
    // What haircuts take alone is for sale, and nobody's deficit.
    const money = { cash: -1_000_000n, collateral: 1_000_000n, saleCollateral: 10_000_000_000n };
    const haircut = monitorOf([{ ...short, ...money }]).atRound(1n, opening);
    const [owed] = haircut.ranking;
    expect(owed).toMatchObject({ tier: 'liquidatable', worth: owed!.equity + 9_999_000_000n });
    expect(owed!.equity).toBeLessThan(0n);
    expect(owed!.worth).toBeGreaterThan(0n);
    expect(haircut.totals.deficit).toBe(0n);
    expect(owed!.plan).toMatchObject({
      worth: owed!.worth,
      backstop: { open: true, amounts: { worth: owed!.worth } },
      auction: { open: true },
      takeover: { open: false, reason: 'HAS_WORTH' },
    });
    // A plan at its full price and with what bids have paid.
    expect(monitor.plan(8n)).toEqual(sold!.plan);
    const rich = monitorOf([{ ...short, cash: 10n ** 12n }]);
    rich.atRound(1n, opening);
    expect(rich.plan(7n)).toBeUndefined();
  });

  it('too large for a fixed price are for backstops and auctions', () => {
    const terms = { ...TERMS, atomicLimit: 1_000_000n };
    const monitor = monitorOf([{ ...short, cash: 12_000_000_000n }], { parameters: PARAMETERS, terms });
    const [row] = monitor.atRound(1n, opening).ranking;
    expect(row!.plan).toMatchObject({
      atomic: { open: false, reason: 'TOO_LARGE' },
      backstop: { open: true },
      auction: { open: true },
    });
  });

  it('that cannot be margined are named by id and hold nothing up', () => {
    const lost: MonitoredAccount = {
      ...short,
      id: 9n,
      legs: [{ instrument: { kind: 'put', expiryHour: near.expiryHour + 1, strike }, quantity: 5n }],
    };
    const monitor = monitorOf([lost, { ...short, cash: 10n ** 12n }]);
    const { ranking, totals, greeks } = monitor.atRound(1n, opening);
    expect(ranking[0]).toMatchObject({ id: 9n, tier: 'undecided', ratio: Number.NaN });
    expect(ranking[0]!.problem).toMatchObject({ code: 'MISSING_EXPIRY' });
    expect(ranking[0]!.problem!.field).toMatch(/^accounts\[9\]\.legs\[0\]/);
    expect(totals.byTier).toMatchObject({ undecided: 1, healthy: 1 });
    expect(greeks.unpricedContracts).toBeCloseTo(5e-6, 12);
    expect(() => monitor.margin(9n)).toThrow(expect.objectContaining({ code: 'MISSING_EXPIRY' }));
    expect(() => monitor.margin(10n)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    expect(riskSnapshotView({ ...monitor.snapshot! }).accounts[0]!.problem).toMatchObject({
      code: 'MISSING_EXPIRY',
    });
  });

  it('with malformed figures are refused, and the book stays', () => {
    const monitor = monitorOf([short]);
    for (const [wrong, field] of [
      [{ ...short, scale: 0n }, 'accounts[7].scale'],
      [{ ...short, legs: [{ ...short.legs[0]!, quantity: 0n }] }, 'accounts[7].legs[0].quantity'],
      [{ ...short, collateral: -1n }, 'accounts[7].collateral'],
      [{ ...short, movingCollateral: 1n }, 'accounts[7].movingCollateral'],
    ] as const) {
      expect(() => monitor.setAccount(wrong)).toThrow(expect.objectContaining({ field }));
    }
    expect(monitor.account(7n)).toBe(short);
    expect(() => monitor.refresh()).toThrow(expect.objectContaining({ code: 'NOT_ENOUGH_DATA' }));
    expect(() => monitor.atRound(1n, exampleCrash({ symbol: 'ETH' }).opening)).toThrow(
      expect.objectContaining({ code: 'UNDERLYING_MISMATCH' }),
    );
  });
});

describe('Greeks', () => {
  const accounts = bookOf(SEED + 3, 40);

  it('of both sides of every trade cancel, and what is sold remains', () => {
    const mirrored = accounts.map((account) => ({
      ...account,
      legs: account.legs.map(({ instrument, quantity }) => ({ instrument, quantity: -quantity })),
    }));
    const { total } = bookGreeks([...accounts, ...mirrored], opening);
    const { total: own } = bookGreeks(accounts, opening);
    expect(Math.abs(total.deltaUsd)).toBeLessThan(1e-6 * Math.abs(own.deltaUsd) + 1e-6);
    expect(Math.abs(total.vegaUsd)).toBeLessThan(1e-6);
    expect(total.boughtContracts).toBeCloseTo(total.soldContracts, 9);
    expect(total.soldGammaUsd).toBeLessThan(0);
  });

  it('are those of prices moved a little', () => {
    const greeks = bookGreeks(accounts, opening);
    const value = (bump: { price?: number; vol?: number }) => {
      let sum = 0;
      for (const { legs, scale } of accounts) {
        for (const { instrument, quantity } of legs) {
          const size = (Number(quantity) * Number(scale)) / 2 ** 40 / 1e6;
          if (instrument.kind === 'linear') {
            sum += (size * Number(opening.underlying.spot) * (1 + (bump.price ?? 0))) / 1e6;
            continue;
          }
          const state = opening.expiries.find(({ expiryHour }) => expiryHour === instrument.expiryHour)!;
          const expiry = floatExpiry(state, opening.underlying.timestamp);
          const strike = Number(instrument.strike) / 1e4;
          const vol = surfaceVolatility(expiry, Math.log(strike / expiry.forward)) + (bump.vol ?? 0);
          const forward = expiry.forward * (1 + (bump.price ?? 0));
          sum += size * black76Price(instrument.kind, forward, strike, expiry.years, vol, expiry.discount);
        }
      }
      return sum;
    };
    const step = 1e-4;
    const up = value({ price: step });
    const down = value({ price: -step });
    const scale = Math.abs(greeks.total.soldGammaUsd);
    expect(Math.abs((up - down) / (2 * step) - greeks.total.deltaUsd)).toBeLessThan(1e-4 * scale);
    expect(Math.abs((up - 2 * value({}) + down) / step ** 2 - greeks.total.gammaUsd)).toBeLessThan(
      1e-3 * scale,
    );
    const vega = (value({ vol: step }) - value({ vol: -step })) / (2 * step) / 100;
    expect(Math.abs(vega - greeks.total.vegaUsd)).toBeLessThan(1e-4 * Math.abs(greeks.total.soldVegaUsd));
  });

  it('add up over expiries and the underlying, and those at risk are a part', () => {
    const monitor = monitorOf(accounts);
    const { greeks, greeksAtRisk, ranking } = monitor.atRound(1n, crashed);
    for (const name of ['deltaUsd', 'gammaUsd', 'soldVegaUsd', 'thetaUsd', 'boughtContracts'] as const) {
      const sum = greeks.expiries.reduce((total, expiry) => total + expiry[name], greeks.linear[name]);
      expect(sum).toBeCloseTo(greeks.total[name], 3);
    }
    const hours = greeks.expiries.map(({ expiryHour }) => expiryHour);
    expect(hours).toEqual([...hours].sort((a, b) => a - b));
    expect(greeksAtRisk).toEqual(
      bookGreeks(
        ranking.filter(({ tier }) => isAtRisk(tier)).map(({ id }) => monitor.account(id)!),
        crashed,
      ),
    );
    expect(greeksAtRisk.total.soldContracts).toBeLessThan(greeks.total.soldContracts);
    const one = { ...accounts[0]!, legs: [{ instrument: LINEAR, quantity: 2_000_000n }], scale: SCALE_ONE };
    expect(bookGreeks([one], opening).linear.deltaUsd).toBeCloseTo(
      (2 * Number(opening.underlying.spot)) / 1e6,
      6,
    );
  });

  it('of one option are those of Black-76', () => {
    const state = opening.expiries[2]!;
    const expiry = floatExpiry(state, opening.underlying.timestamp);
    const strike = state.forward / 100n;
    const account = {
      ...accounts[0]!,
      legs: [
        { instrument: { kind: 'put' as const, expiryHour: state.expiryHour, strike }, quantity: -3_000_000n },
      ],
      scale: SCALE_ONE / 2n,
    };
    const { total } = bookGreeks([account], opening);
    const volatility = surfaceVolatility(expiry, Math.log(Number(strike) / 1e4 / expiry.forward));
    const one = black76(
      'put',
      expiry.forward,
      Number(strike) / 1e4,
      expiry.years,
      volatility,
      expiry.discount,
    );
    expect(total.deltaUsd).toBeCloseTo(-1.5 * one.delta * expiry.forward, 4);
    expect(total.gammaUsd).toBeCloseTo(-1.5 * one.gamma * expiry.forward ** 2, 3);
    expect(total.vegaUsd).toBeCloseTo(-1.5 * one.vega * 0.01, 6);
    expect(total.thetaUsd).toBeCloseTo((-1.5 * one.theta) / 365, 6);
    expect(total.soldVegaUsd).toBeCloseTo(total.vegaUsd, 9);
  });
});

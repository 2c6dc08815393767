/**
 * The float model against the exact one: the derived bound holds, and no account lands on the wrong side of it.
 *
 * ZKMARGIN_SEED and ZKMARGIN_PORTFOLIOS choose other portfolios and more of them; `npm run test:slow` takes 100,000.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { SCALE_ONE } from '../src/margin/exact/bounds.ts';
import { type ExactMargin, exactMargin, MAX_LEGS } from '../src/margin/exact/margin.ts';
import { ExactValuer } from '../src/margin/exact/shared.ts';
import { exampleBook } from '../src/margin/example-book.ts';
import { decideBook, exactStatus } from '../src/margin/float/decide.ts';
import { compileBook, type FloatAccount, screen, screenBook } from '../src/margin/float/screen.ts';
import {
  DEFAULT_PARAMETERS,
  type RiskParameters,
  type Scenario,
  type VolShock,
  validateParameters,
} from '../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../src/market/example-market.ts';
import {
  canonicalLegs,
  type Instrument,
  type Leg,
  LINEAR,
  MAX_QUANTITY,
  MAX_STRIKE,
  orderKey,
} from '../src/market/instrument.ts';
import { shockRound } from '../src/market/shock.ts';
import { boundPillars } from '../src/market/surface.ts';
import {
  type ExpiryState,
  MAX_DISCOUNT,
  MAX_PRICE,
  type MarketRound,
  type SpacingExponent,
  validateRound,
} from '../src/market/words.ts';
import { mulberry32 } from '../src/math/float/random.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 20250219);
const PORTFOLIOS = Number(process.env.ZKMARGIN_PORTFOLIOS ?? 20_000);
const PORTFOLIOS_PER_MARKET = 1_000;
const INSTRUMENTS_PER_MARKET = 64;

type Random = () => number;
const between = (random: Random, low: number, high: number) => low + (high - low) * random();
const logBetween = (random: Random, low: number, high: number) => low * (high / low) ** random();
const whole = (random: Random, low: number, high: number) => low + Math.floor((high - low + 1) * random());
const clampBig = (value: number, high: bigint): bigint => {
  const rounded = BigInt(Math.round(Math.min(value, 2 ** 60)));
  return rounded < 1n ? 1n : rounded > high ? high : rounded;
};
/** Roughly normal: the sum of six uniform numbers. */
const bell = (random: Random) => {
  let sum = -3;
  for (let k = 0; k < 6; k++) sum += random();
  return sum * Math.SQRT2;
};

/** Tenors from a second to four years, volatilities from calm to crash, any smile that words can hold. */
function randomMarket(random: Random): MarketRound {
  const spot = logBetween(random, 0.5, 200_000);
  const timestamp = 1_740_000_000 + whole(random, 0, 3_599);
  const hours = new Set<number>();
  const first = Math.floor(timestamp / 3600) + 1;
  if (random() < 0.3) hours.add(first);
  const expiryCount = whole(random, 1, 8);
  while (hours.size < expiryCount) hours.add(first + Math.floor(logBetween(random, 1, 4 * 8760)) - 1);
  const level = logBetween(random, 0.15, 3.5);
  const carry = between(random, -0.2, 0.4);
  const expiries = [...hours]
    .sort((a, b) => a - b)
    .map((expiryHour): ExpiryState => {
      const years = (expiryHour * 3600 - timestamp) / 31_536_000;
      const spacingExponent = Math.min(
        3,
        Math.max(0, Math.round(Math.log2(level)) + whole(random, 1, 3)),
      ) as SpacingExponent;
      const pillars: number[] = [level * logBetween(random, 0.7, 1.4)];
      const wildness = random();
      while (pillars.length < 8) pillars.push(pillars.at(-1)! * 2 ** (wildness * between(random, -1, 1)));
      return {
        expiryHour,
        forward: clampBig(1e6 * spot * Math.exp(carry * years) * between(random, 0.98, 1.02), MAX_PRICE),
        discount: clampBig(2 ** 21 * Math.exp(-between(random, -0.05, 0.2) * years), MAX_DISCOUNT),
        spacingExponent,
        vols: boundPillars(pillars.map((pillar) => (pillar * 65_536) / 2 ** (spacingExponent - 2))),
      };
    });
  const round: MarketRound = {
    underlying: {
      spot: clampBig(1e6 * spot, MAX_PRICE),
      timestamp: BigInt(timestamp),
      realisedVolatility: BigInt(Math.round(65_536 * level * logBetween(random, 0.3, 2))),
      underlyingId: 0x425443n,
    },
    expiries,
  };
  validateRound(round);
  return round;
}

/** The default parameters half of the time, anything valid otherwise. */
function randomParameters(random: Random): RiskParameters {
  if (random() < 0.5) return DEFAULT_PARAMETERS;
  const furthest = whole(random, 1, 60);
  const scenarios: Scenario[] = [{ priceMove: 0, volShock: 0, damping: 65_536 }];
  const count = whole(random, 1, 36);
  while (scenarios.length < count) {
    scenarios.push({
      priceMove: whole(random, -furthest, furthest),
      volShock: whole(random, -1, 1) as VolShock,
      damping: random() < 0.7 ? 65_536 : whole(random, 1, 65_536),
    });
  }
  const parameters: RiskParameters = {
    priceStep: Math.floor(logBetween(random, 1, Math.min(2 ** 18 - 1, 2 ** 20 / furthest))),
    volShockUp: whole(random, 0, 2 ** 13),
    volShockDown: whole(random, 0, 2 ** 13),
    tenorPowerShort: whole(random, 0, 2 ** 7),
    tenorPowerLong: whole(random, 0, 2 ** 7),
    tenorFloor: whole(random, 86_400, 2_592_000),
    maintenanceFactor: whole(random, 2 ** 12, 2 ** 14),
    shortOptionRate: whole(random, 0, 2 ** 14),
    horizonSeconds: whole(random, 0, 604_800),
    basisMinimum: whole(random, 0, 2 ** 12),
    basisPerTenor: whole(random, 0, 2 ** 12),
    interestPerTenor: whole(random, 0, 2 ** 12),
    gammaRate: whole(random, 0, 2 ** 14),
    vegaRate: whole(random, 0, 2 ** 16),
    scenarios,
  };
  validateParameters(parameters);
  return parameters;
}

/** Near the money, in the wings, and so far out that only the clamps are left; calls and puts of one strike often. */
function randomInstruments(random: Random, round: MarketRound): Instrument[] {
  const instruments = new Map<bigint, Instrument>([[orderKey(LINEAR), LINEAR]]);
  while (instruments.size < INSTRUMENTS_PER_MARKET) {
    const expiry = round.expiries[whole(random, 0, round.expiries.length - 1)]!;
    const forward = Number(expiry.forward) / 1e6;
    const years = Math.max(expiry.expiryHour * 3600 - Number(round.underlying.timestamp), 3600) / 31_536_000;
    const deviation =
      (Number(expiry.vols[4]!) / 65_536) * 2 ** (expiry.spacingExponent - 2) * Math.sqrt(years);
    const where = random();
    const moneyness =
      where < 0.6
        ? deviation * bell(random)
        : where < 0.95
          ? between(random, -2.5, 2.5)
          : between(random, -25, 12);
    const strike = clampBig(1e4 * forward * Math.exp(moneyness), MAX_STRIKE);
    for (const kind of random() < 0.4
      ? (['call', 'put'] as const)
      : random() < 0.5
        ? (['call'] as const)
        : (['put'] as const)) {
      const instrument: Instrument = { kind, expiryHour: expiry.expiryHour, strike };
      instruments.set(orderKey(instrument), instrument);
    }
  }
  return [...instruments.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, instrument]) => instrument);
}

/** Single legs, a few legs, and as many as circuits take; sizes over ten orders, or nearly cancelling. */
function randomPortfolio(random: Random, instruments: readonly Instrument[]): Omit<FloatAccount, 'cash'> {
  const shape = random();
  const count =
    shape < 0.15 ? 1 : shape < 0.25 ? MAX_LEGS : shape < 0.8 ? whole(random, 2, 8) : whole(random, 9, 32);
  const rows = new Set<number>();
  if (random() < 0.2) {
    // A run of neighbours holds the calls and puts of its strikes.
    const from = whole(random, 0, instruments.length - count);
    for (let row = from; row < from + count; row++) rows.add(row);
  }
  while (rows.size < count) rows.add(whole(random, 0, instruments.length - 1));
  const typical = logBetween(random, 1e2, 1e10);
  const equal = random() < 0.3;
  const legs = [...rows]
    .sort((a, b) => a - b)
    .map((row): Leg => {
      const size = clampBig(equal ? typical : typical * logBetween(random, 0.01, 100), MAX_QUANTITY);
      return { instrument: instruments[row]!, quantity: random() < 0.5 ? size : -size };
    });
  const where = random();
  const scale =
    where < 0.5 ? SCALE_ONE : BigInt(Math.ceil(logBetween(random, where < 0.95 ? 2 ** 30 : 1, 2 ** 40)));
  return { legs, scale: where > 0.98 ? scale << 10n : scale };
}

/** None half of the time; otherwise of any size, most often of the order of what the legs stand for. */
function randomCollateral(
  random: Random,
  { legs, scale }: Omit<FloatAccount, 'cash'>,
  round: MarketRound,
): bigint {
  if (random() < 0.5) return 0n;
  if (random() < 0.2) return clampBig(logBetween(random, 1, 2 ** 60), 2n ** 60n) << 30n;
  if (random() < 0.2) return clampBig(logBetween(random, 1, 1e6), 10n ** 6n);
  const contracts = legs.reduce((sum, { quantity }) => sum + Math.abs(Number(quantity)), 0) / 1e6;
  const notional = contracts * (Number(scale) / 2 ** 40) * Number(round.underlying.spot);
  return clampBig(notional * logBetween(random, 1e-4, 1e4), 2n ** 60n);
}

it(`decides ${PORTFOLIOS} random portfolios near their thresholds as the integers do (seed ${SEED})`, () => {
  const random = mulberry32(SEED);
  let portfolios = 0;
  const counts = { healthy: 0, liquidatable: 0, badDebt: 0, exact: 0 };
  /** Accounts whose collateral raises the requirement, and those where it lowers it. */
  const collateral = { adds: 0, offsets: 0 };
  let worst = { ratio: 0, at: '' };
  let worstOfDoubles = 0;
  for (let market = 0; portfolios < PORTFOLIOS; market++) {
    const round = randomMarket(random);
    const parameters = randomParameters(random);
    const instruments = randomInstruments(random, round);
    const valuer = new ExactValuer(round, parameters);
    const drafts = Array.from({ length: Math.min(PORTFOLIOS_PER_MARKET, PORTFOLIOS - portfolios) }, () => {
      const held = randomPortfolio(random, instruments);
      return { ...held, cash: 0n, movingCollateral: randomCollateral(random, held, round) };
    });
    const moneyless = screenBook(compileBook(drafts), round, parameters);
    const accounts: FloatAccount[] = [];
    const margins: ExactMargin[] = [];
    drafts.forEach((draft, index) => {
      const margin = valuer.margin(draft);
      if (draft.movingCollateral > 0n) {
        const { requirement } = valuer.margin({ ...draft, movingCollateral: 0n });
        if (margin.requirement > requirement) collateral.adds++;
        if (margin.requirement < requirement) collateral.offsets++;
      }
      if ((portfolios + index) % 500 === 0) expect(exactMargin(draft, round, parameters)).toEqual(margin);
      const bound = moneyless.errorBound[index]!;
      const error = Math.max(
        Math.abs(moneyless.mark[index]! - Number(margin.mark) / 1e6),
        Math.abs(moneyless.requirement[index]! - Number(margin.requirement) / 1e6),
      );
      if (!(error <= bound)) expect.fail(`market ${market}, draft ${index}: error ${error} beyond ${bound}`);
      // Where the roundings of doubles are most of the bound, and not those to 1e-6 USD.
      if (bound > 1e-3) worstOfDoubles = Math.max(worstOfDoubles, error / bound);
      const nearby = () => BigInt(Math.round(1e6 * bound * between(random, -3, 3)));
      const atThreshold = margin.requirement - margin.mark;
      const saleAddition = random() < 0.5 ? 0n : draft.movingCollateral / 8n;
      // At the threshold, next to it on either side, and within three bounds of it and of no equity at all.
      for (const cash of [
        atThreshold,
        atThreshold + (random() < 0.5 ? 1n : -1n),
        atThreshold + nearby(),
        nearby() - margin.mark,
        // Of no worth, for those that are worth more than their equity.
        nearby() - margin.mark - saleAddition,
      ]) {
        accounts.push({ ...draft, cash, saleAddition });
        margins.push(margin);
      }
    });
    const columns = screenBook(compileBook(accounts), round, parameters);
    expect(columns.problems.size).toBe(0);
    accounts.forEach((account, index) => {
      const { cash } = account;
      const { mark, requirement } = margins[index]!;
      const equity = columns.equity[index]!;
      const bound = columns.errorBound[index]!;
      const error = Math.max(
        Math.abs(equity - columns.requirement[index]! - Number(cash + mark - requirement) / 1e6),
        Math.abs(equity - Number(cash + mark) / 1e6),
      );
      const ratio = error / bound;
      if (!(ratio <= 1)) expect.fail(`market ${market}, account ${index}: error ${error} beyond ${bound}`);
      if (ratio > worst.ratio) worst = { ratio, at: `market ${market}, account ${index}` };
      if (columns.needsExact[index] === 1) {
        counts.exact++;
        return;
      }
      const status =
        columns.liquidatable[index] === 0
          ? 'healthy'
          : columns.worth[index]! <= 0
            ? 'badDebt'
            : 'liquidatable';
      counts[status]++;
      if (status !== exactStatus(account, margins[index]!)) {
        expect.fail(
          `market ${market}, account ${index}: ${status}, but exactly ${exactStatus(account, margins[index]!)}`,
        );
      }
    });
    if (market % 20 === 0) {
      const part = accounts.slice(0, 400);
      const { decisions, exactAccounts } = decideBook(compileBook(part), round, parameters);
      expect(decisions.map(({ status }) => status)).toEqual(
        part.map((account, index) => exactStatus(account, margins[index]!)),
      );
      expect(exactAccounts).toEqual(
        part.flatMap((_, index) => (columns.needsExact[index] === 1 ? [index] : [])),
      );
    }
    portfolios += drafts.length;
  }
  console.log(
    `${portfolios} portfolios, 4 levels of cash each, seed ${SEED}: largest error ${worst.ratio.toFixed(3)} of the ` +
      `bound (${worst.at}), ${worstOfDoubles.toFixed(3)} where the bound is above 0.001 USD; decided by floats: ` +
      `${counts.healthy} healthy, ${counts.liquidatable} liquidatable, ${counts.badDebt} bad debt, none wrongly; ` +
      `left to integers: ${counts.exact}; moving collateral adds risk in ${collateral.adds}, offsets it in ` +
      `${collateral.offsets}`,
  );
  // The portfolios are near enough that each outcome occurs.
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(PORTFOLIOS / 100);
  for (const count of Object.values(collateral)) expect(count).toBeGreaterThan(PORTFOLIOS / 20);
});

it('charges what no scenario shows, within the bound of the integers', () => {
  const surfaces = JSON.parse(
    readFileSync(new URL('../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
  ) as SviSurfaces;
  const round = exampleRound(surfaces, 'BTC', { discount: 0.98 });
  const [near, far] = [round.expiries[1]!, round.expiries[6]!];
  const money = (expiry: ExpiryState) => (expiry.forward / 100_000_000n) * 1_000_000n;
  const option = (kind: 'call' | 'put', expiry: ExpiryState, strike: bigint, quantity: number): Leg => ({
    instrument: { kind, expiryHour: expiry.expiryHour, strike },
    quantity: BigInt(Math.round(1e6 * quantity)),
  });
  const linear = (quantity: number): Leg => ({
    instrument: LINEAR,
    quantity: BigInt(Math.round(1e6 * quantity)),
  });
  const forward = (expiry: ExpiryState, strike: bigint, quantity: number): Leg[] => [
    option('call', expiry, strike, quantity),
    option('put', expiry, strike, -quantity),
  ];
  const [low, high] = [money(far), money(far) + 100_000_000n];
  const carry = Number(far.discount * far.forward) / 2 ** 21 / Number(round.underlying.spot);
  const portfolios: Record<string, Leg[]> = {
    'synthetic forward against linear legs': [linear(-10 * carry), ...forward(far, low, 10)],
    'calendar of forwards': [...forward(near, money(near), 10), ...forward(far, low, -10)],
    box: [...forward(far, low, 10), ...forward(far, high, -10)],
    'short gamma': [
      option('call', near, money(near), -10),
      option('put', near, money(near), -10),
      linear(0.3),
    ],
    'long vega': [option('call', far, low, 10), option('put', far, low, 10)],
  };
  const rows = screen(
    Object.values(portfolios).map((legs) => ({
      legs: canonicalLegs(legs),
      scale: SCALE_ONE,
      cash: 0n,
    })),
    round,
    DEFAULT_PARAMETERS,
  );
  const shown = Object.fromEntries(
    Object.keys(portfolios).map((name, index) => {
      const row = rows[index]!;
      const legs = canonicalLegs(portfolios[name]!);
      const exact = exactMargin({ legs, scale: SCALE_ONE }, round, DEFAULT_PARAMETERS);
      const { components } = row;
      for (const [own, integer] of [
        [row.requirement, exact.requirement],
        [components.horizonBuffer, exact.horizonBuffer],
        [components.basis, exact.basisCharge],
        [components.interest, exact.interestCharge],
        [components.gamma, exact.gammaCharge],
        [components.vega, exact.vegaCharge],
      ] as const) {
        expect(Math.abs(own - Number(integer) / 1e6)).toBeLessThan(row.errorBound);
      }
      return [name, { ...components, requirement: row.requirement }];
    }),
  );
  const notional = 10 * (Number(round.underlying.spot) / 1e6);
  // Scans show (next to) nothing of the first three.
  for (const name of ['synthetic forward against linear legs', 'box']) {
    expect(shown[name]!.scan).toBeLessThan(1e-5 * notional);
  }
  expect(shown['synthetic forward against linear legs']!.basis).toBeGreaterThan(0.02 * notional);
  expect(shown['calendar of forwards']!.basis).toBeGreaterThan(0.025 * notional);
  expect(shown.box!.basis).toBeLessThan(1e-6 * notional);
  expect(shown.box!.interest).toBeGreaterThan(1_000);
  expect(shown['short gamma']!.gamma).toBeGreaterThan(100);
  expect(shown['long vega']!.gamma).toBe(0);
  expect(shown['long vega']!.vega).toBeGreaterThan(1_000);
});

it('screening decides nearly every account of an example book, as the integers do', () => {
  const surfaces = JSON.parse(
    readFileSync(new URL('../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
  ) as SviSurfaces;
  let worst = 0;
  let accounts = 0;
  let unsure = 0;
  for (const symbol of ['BTC', 'ETH']) {
    for (let seed = 1; seed <= 4; seed++) {
      const opening = exampleRound(surfaces, symbol);
      const shocked = shockRound(opening, {
        priceMove: -0.12,
        volMultiplierAt30d: 1.35,
        secondsLater: 3_600,
      });
      const book = exampleBook({ opening, shocked, parameters: DEFAULT_PARAMETERS, seed, count: 64 });
      for (const round of [opening, shocked]) {
        const rows = screen(book, round, DEFAULT_PARAMETERS);
        book.forEach((account, index) => {
          const row = rows[index]!;
          const exact = exactMargin(account, round, DEFAULT_PARAMETERS);
          worst = Math.max(
            worst,
            Math.abs(row.mark - Number(exact.mark) / 1e6),
            Math.abs(row.requirement - Number(exact.requirement) / 1e6),
          );
          if (row.needsExact) unsure++;
          else expect(row.liquidatable).toBe(exactStatus(account, exact) !== 'healthy');
          accounts++;
        });
      }
    }
  }
  console.log(
    `${accounts} accounts: mark and requirement differ by at most ${worst.toExponential(2)} USD, ${unsure} unsure`,
  );
  // Both are rounded to 1e-6 USD by the exact model.
  expect(worst).toBeLessThan(2e-6);
  expect(unsure).toBeLessThan(accounts / 100);
});

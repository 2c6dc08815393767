/**
 * A realistic book of option accounts, from a seed: for demonstrations, tests and benchmarks.
 *
 * Legs are strategies that traders hold, on strikes as exchanges list them. Cash is chosen last, so that every account
 * is healthy in the opening round, some fail in the shocked one with equity left, and none is deeply under water.
 */
import { requireInteger, ZkMarginError } from '../errors.ts';
import {
  canonicalLegs,
  type Instrument,
  type InstrumentKind,
  type Leg,
  LINEAR,
  MAX_STRIKE,
  QUANTITY_UNIT,
  STRIKE_UNIT,
} from '../market/instrument.ts';
import { atTheMoneyVolatility } from '../market/surface.ts';
import { type ExpiryState, type MarketRound, tenorSeconds, YEAR_SECONDS } from '../market/words.ts';
import { mulberry32 } from '../math/float/random.ts';
import { SCALE_ONE } from './exact/bounds.ts';
import { accountMargin, compileBook, type FloatAccount, screenBook } from './float/screen.ts';
import type { RiskParameters } from './parameters.ts';

/** Strategies of the example book, in the order in which accounts take turns. */
const STRATEGIES = [
  'covered call',
  'short strangle',
  'iron condor',
  'put vertical',
  'calendar',
  'naked short put',
  'naked short call',
  'long straddle',
  'put ratio spread',
  'short straddle',
  'call vertical',
  'jade lizard',
  'double calendar',
  'collar',
  'risk reversal',
  'diagonal book',
] as const;

/** Name of a strategy. */
export type Strategy = (typeof STRATEGIES)[number];

/** One account of the example book. */
export interface ExampleAccount extends FloatAccount {
  /** As in `short strangle 18`. */
  readonly name: string;
  readonly strategy: Strategy;
  readonly legs: readonly Leg[];
  readonly scale: bigint;
  readonly cash: bigint;
  readonly underlyingId: bigint;
  /** Blinds the commitment; an element of the scalar field. */
  readonly salt: bigint;
}

/** What {@link exampleBook} needs. */
export interface ExampleBookOptions {
  /** The round in which all accounts are healthy. */
  readonly opening: MarketRound;
  /** The round in which some fail. */
  readonly shocked: MarketRound;
  readonly parameters: RiskParameters;
  /** Any whole number; the same seed gives the same book. */
  readonly seed: number;
  /** Number of accounts; 64 unless given. */
  readonly count?: number;
  /** Share of accounts that shall fail in the shocked round, as far as their positions allow; 0.3 unless given. */
  readonly failing?: number;
  /** Least ratio of equity to requirement in the opening round; 1.05 unless given. */
  readonly minimumRatio?: number;
}

/**
 * Distance of listed strikes in USD: about a tenth of the standard deviation of the expiry, rounded to 1, 2, 2.5 or 5
 * times a power of ten, as exchanges list them.
 */
export function strikeStep(forward: number, volatility: number, years: number): number {
  const wanted = 0.12 * forward * volatility * Math.sqrt(years);
  const power = 10 ** Math.floor(Math.log10(wanted));
  for (const factor of [1, 2, 2.5, 5]) if (factor * power >= wanted) return factor * power;
  return 10 * power;
}

/**
 * The example book.
 *
 * Cash of each account is `ratio requirement - mark` at the opening round, with the ratio of equity to requirement in
 * [1.05, 5] unless told otherwise. For an account that is to fail, the ratio is drawn from those that leave its equity in the shocked round
 * between 0 and the requirement; for others, from those that keep it above. Where an account's positions allow no such
 * ratio it takes the nearest allowed one, and only if that is bad debt is it drawn anew.
 *
 * @throws ZkMarginError `OUT_OF_RANGE` for a senseless count, `MISSING_EXPIRY` when the rounds share fewer than two
 * expiries
 */
export function exampleBook(options: ExampleBookOptions): ExampleAccount[] {
  const { opening, shocked, parameters } = options;
  const count = requireInteger(options.count ?? 64, 1, 1_000_000, 'count');
  const failing = options.failing ?? 0.3;
  const later = new Set(shocked.expiries.map((expiry) => expiry.expiryHour));
  const shared = opening.expiries.filter((expiry) => later.has(expiry.expiryHour));
  if (shared.length < 2) {
    throw new ZkMarginError('MISSING_EXPIRY', 'Give rounds that share at least two expiries.', {
      field: 'shocked',
    });
  }
  const random = mulberry32(options.seed);
  const accounts: ExampleAccount[] = [];
  while (accounts.length < count) {
    // Draw a batch of positions, value all of it in both rounds at once, then choose cash.
    const drafts = Array.from({ length: count - accounts.length }, (_, index): ExampleAccount => {
      const place = accounts.length + index;
      const strategy = STRATEGIES[place % STRATEGIES.length]!;
      return {
        name: `${strategy} ${place + 1}`,
        strategy,
        legs: canonicalLegs(strategyLegs(strategy, shared, opening, random)),
        scale: SCALE_ONE,
        cash: 0n,
        underlyingId: opening.underlying.underlyingId,
        salt: drawSalt(random),
      };
    });
    const book = compileBook(drafts);
    const before = screenBook(book, opening, parameters);
    const after = screenBook(book, shocked, parameters);
    for (let index = 0; index < drafts.length; index++) {
      const draft = drafts[index]!;
      if (draft.legs.length === 0) continue;
      const cash = chooseCash(
        accountMargin(before, index),
        accountMargin(after, index),
        random() < failing,
        random,
        options.minimumRatio,
      );
      if (cash === undefined) continue;
      const place = accounts.length;
      accounts.push({
        ...draft,
        name: `${draft.strategy} ${place + 1}`,
        cash: BigInt(Math.round(cash * 1e6)),
      });
    }
  }
  return accounts;
}

/** Figures that {@link chooseCash} looks at. */
interface MarkAndRequirement {
  readonly mark: number;
  readonly requirement: number;
}

/**
 * Cash in USD that makes an account healthy in one round, and failing or healthy in another; undefined when it could not
 * but be bad debt in the other.
 */
function chooseCash(
  before: MarkAndRequirement,
  after: MarkAndRequirement,
  fails: boolean,
  random: () => number,
  minimumRatio = 1.05,
): number | undefined {
  const lowest = minimumRatio * before.requirement - before.mark;
  const highest = 5 * before.requirement - before.mark;
  const solvent = 0.15 * after.requirement - after.mark;
  const nearlySafe = 0.95 * after.requirement - after.mark;
  const safe = 1.1 * after.requirement - after.mark;
  let from: number;
  let to: number;
  if (fails && Math.max(lowest, solvent) < Math.min(highest, nearlySafe)) {
    from = Math.max(lowest, solvent);
    to = Math.min(highest, nearlySafe);
  } else if (Math.max(lowest, safe) < highest) {
    from = Math.max(lowest, safe);
    to = highest;
  } else if (solvent < highest) {
    from = to = highest;
  } else {
    return undefined;
  }
  // Most accounts sit in the lower part of their range.
  const share = random();
  return from + (to - from) * (fails ? share : share * share);
}

type Random = () => number;

function strategyLegs(
  strategy: Strategy,
  expiries: readonly ExpiryState[],
  round: MarketRound,
  random: Random,
): Leg[] {
  const near = Math.floor(random() * (expiries.length - 1));
  const far = near + 1 + Math.floor(random() * (expiries.length - near - 1));
  const [front, back] = [expiries[near]!, expiries[far]!];
  // Positions worth between a few thousand and a few hundred thousand dollars of the underlying.
  const notional = 20_000 * 10 ** (1.5 * random());
  const size = Math.max(1, Math.round((notional / (Number(round.underlying.spot) / 1e6)) * 10));
  const quantity = (units: number): bigint => BigInt(units * size) * (QUANTITY_UNIT / 10n);
  const leg = (kind: InstrumentKind, expiry: ExpiryState, deviations: number, units: number): Leg => ({
    instrument: listed(kind, expiry, deviations, round),
    quantity: quantity(units),
  });
  const spot = (units: number): Leg => ({ instrument: LINEAR, quantity: quantity(units) });
  const between = (low: number, high: number): number => low + (high - low) * random();
  switch (strategy) {
    case 'covered call':
      return [spot(1), leg('call', front, between(0.3, 1.3), -1)];
    case 'short strangle':
      return [leg('put', front, between(-1.6, -0.7), -1), leg('call', front, between(0.7, 1.6), -1)];
    case 'iron condor': {
      const low = between(-1.2, -0.6);
      const high = between(0.6, 1.2);
      return [
        leg('put', front, low - 0.7, 1),
        leg('put', front, low, -1),
        leg('call', front, high, -1),
        leg('call', front, high + 0.7, 1),
      ];
    }
    case 'put vertical': {
      const high = between(-0.6, 0.2);
      return [leg('put', front, high, -1), leg('put', front, high - between(0.5, 1), 1)];
    }
    case 'calendar': {
      const strike = listed('call', front, between(-0.3, 0.6), round).strike;
      return [
        { instrument: { kind: 'call', expiryHour: front.expiryHour, strike }, quantity: quantity(-1) },
        { instrument: { kind: 'call', expiryHour: back.expiryHour, strike }, quantity: quantity(1) },
      ];
    }
    case 'naked short put':
      return [leg('put', front, between(-1.8, -0.4), -1)];
    case 'naked short call':
      return [leg('call', front, between(0.4, 1.8), -1)];
    case 'long straddle': {
      const strike = listed('call', front, between(-0.2, 0.2), round).strike;
      return (['call', 'put'] as const).map((kind) => ({
        instrument: { kind, expiryHour: front.expiryHour, strike },
        quantity: quantity(1),
      }));
    }
    case 'put ratio spread': {
      const high = between(-0.5, 0);
      return [leg('put', front, high, 1), leg('put', front, high - between(0.5, 1), -2)];
    }
    case 'short straddle': {
      const strike = listed('call', front, between(-0.3, 0.3), round).strike;
      return (['call', 'put'] as const).map((kind) => ({
        instrument: { kind, expiryHour: front.expiryHour, strike },
        quantity: quantity(-1),
      }));
    }
    case 'call vertical': {
      const low = between(-0.2, 0.6);
      return [leg('call', front, low, -1), leg('call', front, low + between(0.5, 1), 1)];
    }
    case 'jade lizard': {
      const high = between(0.4, 1);
      return [
        leg('put', front, between(-1.2, -0.5), -1),
        leg('call', front, high, -1),
        leg('call', front, high + 0.6, 1),
      ];
    }
    case 'double calendar': {
      const low = between(-1, -0.5);
      const high = between(0.5, 1);
      return [
        leg('put', front, low, -1),
        leg('call', front, high, -1),
        leg('put', back, low * 0.8, 1),
        leg('call', back, high * 0.8, 1),
      ];
    }
    case 'collar':
      return [spot(1), leg('put', front, between(-1.1, -0.4), 1), leg('call', front, between(0.4, 1.1), -1)];
    case 'risk reversal':
      return [leg('put', front, between(-1.2, -0.5), -1), leg('call', front, between(0.5, 1.2), 1)];
    case 'diagonal book': {
      const legs: Leg[] = [spot(random() < 0.5 ? 1 : -1)];
      for (const expiry of [front, back]) {
        legs.push(
          leg('put', expiry, between(-1.8, -1), -1),
          leg('put', expiry, between(-0.9, -0.2), 1),
          leg('call', expiry, between(0.3, 1.6), -1),
        );
      }
      legs.push(leg('call', back, between(1.7, 2.2), 1));
      return legs;
    }
  }
}

/** The listed option nearest to a number of standard deviations from the forward. */
function listed(
  kind: InstrumentKind,
  expiry: ExpiryState,
  deviations: number,
  round: MarketRound,
): Instrument {
  const forward = Number(expiry.forward) / 1e6;
  const years = tenorSeconds(expiry.expiryHour, round.underlying.timestamp) / YEAR_SECONDS;
  const volatility = atTheMoneyVolatility(expiry);
  const step = strikeStep(forward, volatility, years);
  const target = forward * Math.exp(deviations * volatility * Math.sqrt(years));
  const strike = BigInt(Math.round(Math.max(1, Math.round(target / step)) * step * Number(STRIKE_UNIT)));
  return { kind, expiryHour: expiry.expiryHour, strike: strike > MAX_STRIKE ? MAX_STRIKE : strike };
}

function drawSalt(random: Random): bigint {
  let salt = 0n;
  for (let word = 0; word < 7; word++) salt = (salt << 32n) | BigInt(Math.floor(random() * 4_294_967_296));
  return salt;
}

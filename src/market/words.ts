/**
 * Market rounds and the oracle words that carry them.
 *
 * Implements section 3 of `docs/margin-model.md`, with the bounds of section 1.
 */
import { requireBigint, requireInteger, ZkMarginError } from '../errors.ts';
import { MAX_EXPIRY_HOUR } from './instrument.ts';

/** Number of volatility pillars of an expiry. */
export const PILLAR_COUNT = 8;
/** Number of expiry words of a round. */
export const EXPIRY_COUNT = 8;
/** Largest price, in 1e-6 USD. */
export const MAX_PRICE = 2n ** 44n - 1n;
/** Largest timestamp, in seconds since 1970-01-01 UTC. */
const MAX_TIMESTAMP = 2n ** 40n - 1n;
/** Largest realised volatility, in 2^-16. */
export const MAX_REALISED_VOLATILITY = 2n ** 20n - 1n;
/** Largest id of an underlying. */
export const MAX_UNDERLYING_ID = 2n ** 32n - 1n;
/** Largest discount factor, in 2^-21. */
export const MAX_DISCOUNT = 2n ** 22n - 1n;
/** A discount factor of 1. */
export const DISCOUNT_ONE = 2n ** 21n;
/** Smallest pillar volatility, in 2^-16 h. */
export const MIN_PILLAR = 2n ** 15n;
/** Largest pillar volatility, in 2^-16 h. */
export const MAX_PILLAR = 2n ** 19n - 1n;
/** A price of 1 USD. */
export const PRICE_UNIT = 1_000_000n;
/** Seconds of a year. */
export const YEAR_SECONDS = 31_536_000;
/** Seconds of a day. */
export const DAY_SECONDS = 86_400;
/** Shortest time to expiry that is priced, in seconds. */
export const MIN_TENOR_SECONDS = 3_600;

/** `h = 2^(spacingExponent - 2)`. */
export type SpacingExponent = 0 | 1 | 2 | 3;

/** What a round says of the underlying. */
export interface UnderlyingState {
  /** In 1e-6 USD. */
  readonly spot: bigint;
  /** Seconds since 1970-01-01 UTC. */
  readonly timestamp: bigint;
  /** Annualised, in 2^-16. */
  readonly realisedVolatility: bigint;
  readonly underlyingId: bigint;
}

/** What a round says of one expiry. */
export interface ExpiryState {
  /** Whole hours since 1970-01-01 UTC. */
  readonly expiryHour: number;
  /** In 1e-6 USD. */
  readonly forward: bigint;
  /** Discount factor, in 2^-21. */
  readonly discount: bigint;
  /** The pillar spacing h is `2^(spacingExponent - 2)`. */
  readonly spacingExponent: SpacingExponent;
  /** Eight volatilities in `2^-16 h`, from pillar -4 to pillar 3. */
  readonly vols: readonly bigint[];
}

/** One consistent observation of a market: an underlying and up to eight expiries, in increasing order. */
export interface MarketRound {
  readonly underlying: UnderlyingState;
  readonly expiries: readonly ExpiryState[];
}

/** The words of a round: one for the underlying, and eight for expiries of which unused ones are 0. */
export interface RoundWords {
  readonly underlyingWord: bigint;
  readonly expiryWords: readonly bigint[];
}

/** The spacing h of pillars, from its exponent. */
export function pillarSpacing(spacingExponent: SpacingExponent): number {
  return 2 ** (spacingExponent - 2);
}

/** @throws ZkMarginError `MALFORMED` or `OUT_OF_RANGE`, naming the field */
function validateUnderlying(state: UnderlyingState, field = 'underlying'): void {
  requireObject(state, field);
  requireBigint(state.spot, 1n, MAX_PRICE, `${field}.spot`);
  requireBigint(state.timestamp, 1n, MAX_TIMESTAMP, `${field}.timestamp`);
  requireBigint(state.realisedVolatility, 0n, MAX_REALISED_VOLATILITY, `${field}.realisedVolatility`);
  requireBigint(state.underlyingId, 0n, MAX_UNDERLYING_ID, `${field}.underlyingId`);
}

/**
 * @throws ZkMarginError `MALFORMED`, `OUT_OF_RANGE`, `MISSING_VOLATILITY` (not eight pillars, or an empty one), or
 * `PILLAR_RATIO` (neighbours more than a factor of 2 apart), naming the field
 */
function validateExpiry(state: ExpiryState, field = 'expiry'): void {
  requireObject(state, field);
  requireInteger(state.expiryHour, 1, MAX_EXPIRY_HOUR, `${field}.expiryHour`);
  requireBigint(state.forward, 1n, MAX_PRICE, `${field}.forward`);
  requireBigint(state.discount, 1n, MAX_DISCOUNT, `${field}.discount`);
  requireInteger(state.spacingExponent, 0, 3, `${field}.spacingExponent`);
  if (!Array.isArray(state.vols) || state.vols.length !== PILLAR_COUNT) {
    throw new ZkMarginError('MISSING_VOLATILITY', `Give ${PILLAR_COUNT} pillar volatilities.`, {
      field: `${field}.vols`,
    });
  }
  for (let pillar = 0; pillar < PILLAR_COUNT; pillar++) {
    const path = `${field}.vols[${pillar}]`;
    const volatility: unknown = state.vols[pillar];
    if (volatility === undefined || volatility === null || volatility === 0n) {
      throw new ZkMarginError('MISSING_VOLATILITY', `Give a volatility for pillar ${pillar}.`, {
        field: path,
      });
    }
    const value = requireBigint(volatility, MIN_PILLAR, MAX_PILLAR, path);
    const previous = pillar === 0 ? value : state.vols[pillar - 1]!;
    if (value > 2n * previous || previous > 2n * value) {
      throw new ZkMarginError('PILLAR_RATIO', 'Keep adjacent pillars within a factor of 2 of each other.', {
        field: path,
        details: { value: value.toString(), previous: previous.toString() },
      });
    }
  }
}

/**
 * Checks every bound of a round, the number of its expiries and their order.
 *
 * @throws ZkMarginError as {@link validateUnderlying} and {@link validateExpiry}; `TOO_MANY_EXPIRIES`,
 * `EXPIRIES_NOT_SORTED`
 */
export function validateRound(round: MarketRound, field = 'round'): void {
  requireObject(round, field);
  validateUnderlying(round.underlying, `${field}.underlying`);
  if (!Array.isArray(round.expiries)) {
    throw new ZkMarginError('MALFORMED', 'Give the expiries of a round as a list.', {
      field: `${field}.expiries`,
    });
  }
  if (round.expiries.length > EXPIRY_COUNT) {
    throw new ZkMarginError('TOO_MANY_EXPIRIES', `Give at most ${EXPIRY_COUNT} expiries.`, {
      field: `${field}.expiries`,
      details: { count: round.expiries.length, capacity: EXPIRY_COUNT },
    });
  }
  for (let index = 0; index < round.expiries.length; index++) {
    const expiry = round.expiries[index]!;
    const path = `${field}.expiries[${index}]`;
    validateExpiry(expiry, path);
    if (index > 0 && expiry.expiryHour <= round.expiries[index - 1]!.expiryHour) {
      throw new ZkMarginError('EXPIRIES_NOT_SORTED', 'Give expiries in strictly increasing order.', {
        field: `${path}.expiryHour`,
      });
    }
  }
}

/** @throws ZkMarginError as {@link validateUnderlying} */
export function packUnderlying(state: UnderlyingState, field = 'underlying'): bigint {
  validateUnderlying(state, field);
  return (
    state.spot | (state.timestamp << 44n) | (state.realisedVolatility << 84n) | (state.underlyingId << 104n)
  );
}

/** @throws ZkMarginError as {@link validateUnderlying}; `MALFORMED` for bits beyond the last field */
export function unpackUnderlying(word: bigint, field = 'underlyingWord'): UnderlyingState {
  requireBigint(word, 0n, 2n ** 136n - 1n, field);
  const state: UnderlyingState = {
    spot: bits(word, 0n, 44n),
    timestamp: bits(word, 44n, 40n),
    realisedVolatility: bits(word, 84n, 20n),
    underlyingId: bits(word, 104n, 32n),
  };
  validateUnderlying(state, field);
  return state;
}

/** @throws ZkMarginError as {@link validateExpiry} */
export function packExpiry(state: ExpiryState, field = 'expiry'): bigint {
  validateExpiry(state, field);
  let word = 0n;
  for (let pillar = 0; pillar < PILLAR_COUNT; pillar++) word |= state.vols[pillar]! << BigInt(20 * pillar);
  return (
    word |
    (BigInt(state.spacingExponent) << 160n) |
    (BigInt(state.expiryHour) << 162n) |
    (state.discount << 182n) |
    (state.forward << 204n)
  );
}

/** The expiry of a used word. @throws ZkMarginError as {@link validateExpiry} */
export function unpackExpiry(word: bigint, field = 'expiryWord'): ExpiryState {
  requireBigint(word, 1n, 2n ** 248n - 1n, field);
  const vols: bigint[] = [];
  for (let pillar = 0n; pillar < BigInt(PILLAR_COUNT); pillar++) vols.push(bits(word, 20n * pillar, 20n));
  const state: ExpiryState = {
    expiryHour: Number(bits(word, 162n, 20n)),
    forward: bits(word, 204n, 44n),
    discount: bits(word, 182n, 22n),
    spacingExponent: Number(bits(word, 160n, 2n)) as SpacingExponent,
    vols,
  };
  validateExpiry(state, field);
  return state;
}

/** The words of a round; unused expiry words are 0. @throws ZkMarginError as {@link validateRound} */
export function packRound(round: MarketRound, field = 'round'): RoundWords {
  validateRound(round, field);
  const expiryWords = round.expiries.map((expiry, index) =>
    packExpiry(expiry, `${field}.expiries[${index}]`),
  );
  while (expiryWords.length < EXPIRY_COUNT) expiryWords.push(0n);
  return { underlyingWord: packUnderlying(round.underlying, `${field}.underlying`), expiryWords };
}

/**
 * The round of nine words. Unused words (0) must come last.
 *
 * @throws ZkMarginError `MALFORMED`, and as {@link validateRound}
 */
export function unpackRound(words: RoundWords, field = 'words'): MarketRound {
  requireObject(words, field);
  if (!Array.isArray(words.expiryWords) || words.expiryWords.length !== EXPIRY_COUNT) {
    throw new ZkMarginError('MALFORMED', `Give ${EXPIRY_COUNT} expiry words, 0 for unused ones.`, {
      field: `${field}.expiryWords`,
    });
  }
  const expiries: ExpiryState[] = [];
  for (let index = 0; index < EXPIRY_COUNT; index++) {
    const word: unknown = words.expiryWords[index];
    const path = `${field}.expiryWords[${index}]`;
    if (word === 0n) continue;
    if (expiries.length !== index) {
      throw new ZkMarginError('MALFORMED', 'Put unused expiry words after used ones.', { field: path });
    }
    expiries.push(unpackExpiry(word as bigint, path));
  }
  const round: MarketRound = {
    underlying: unpackUnderlying(words.underlyingWord, `${field}.underlyingWord`),
    expiries,
  };
  validateRound(round, field);
  return round;
}

/**
 * Seconds from a round to an expiry that are priced: never less than an hour, so that an option in its last hour keeps
 * a time value. Negative differences (an expired option) are the caller's to refuse.
 */
export function tenorSeconds(expiryHour: number, timestamp: bigint): number {
  return Math.max(expiryHour * 3_600 - Number(timestamp), MIN_TENOR_SECONDS);
}

function bits(word: bigint, shift: bigint, count: bigint): bigint {
  return BigInt.asUintN(Number(count), word >> shift);
}

function requireObject(value: unknown, field: string): void {
  if (typeof value !== 'object' || value === null) {
    throw new ZkMarginError('MALFORMED', `Give ${field} as an object.`, { field });
  }
}

/**
 * Settlement of expired options in integers: what a settlement proof shows. `docs/transfer-settlement.md`.
 */
import { requireBigint, requireInteger, ZkMarginError } from '../../errors.ts';
import { type Leg, MAX_EXPIRY_HOUR, validateLegs } from '../../market/instrument.ts';
import { floorDivide } from '../../math/fixed/primitives.ts';
import { MAX_SCALE } from './bounds.ts';
import { type ExactAccount, MAX_LEGS } from './margin.ts';

/** Settlement prices that one proof takes. */
export const SETTLEMENT_WORDS = 4;
/** Largest settlement price, in 1e-6 USD. */
const MAX_SETTLEMENT_PRICE = 2n ** 44n - 1n;

/** At what price the options of an hour settle. */
export interface SettlementPrice {
  /** Whole hours since 1970-01-01 UTC. */
  readonly expiryHour: number;
  /** In 1e-6 USD, in `[0, 2^44)`. */
  readonly price: bigint;
}

/** What a settlement gives and leaves. */
export interface ExactSettlement {
  /** Paid to the account, or owed by it when negative; 1e-6 USD, rounded down. */
  readonly cash: bigint;
  /** The same before scale and rounding: 1e-12 USD at a scale of 1. */
  readonly payoff: bigint;
  readonly settled: readonly Leg[];
  /** Legs of the new vector, in order. The scale stays. */
  readonly remaining: readonly Leg[];
}

/**
 * Checks settlement prices: one to four, hours strictly increasing.
 *
 * @throws ZkMarginError `MALFORMED`, `NOT_FINITE`, `OUT_OF_RANGE`, `TOO_MANY_EXPIRIES`, `EXPIRIES_NOT_SORTED`
 */
export function validateSettlementPrices(prices: readonly SettlementPrice[]): void {
  if (!Array.isArray(prices) || prices.length === 0) {
    throw new ZkMarginError('MALFORMED', 'Give the settlement price of at least one hour.', {
      field: 'prices',
    });
  }
  if (prices.length > SETTLEMENT_WORDS) {
    throw new ZkMarginError('TOO_MANY_EXPIRIES', `Settle at most ${SETTLEMENT_WORDS} hours at a time.`, {
      field: 'prices',
      details: { count: prices.length, maximum: SETTLEMENT_WORDS },
    });
  }
  let previous = 0;
  prices.forEach(({ expiryHour, price }, index) => {
    requireInteger(expiryHour, 1, MAX_EXPIRY_HOUR, `prices[${index}].expiryHour`);
    requireBigint(price, 0n, MAX_SETTLEMENT_PRICE, `prices[${index}].price`);
    if (expiryHour <= previous) {
      throw new ZkMarginError('EXPIRIES_NOT_SORTED', 'Order settlement prices by hour, each hour once.', {
        field: `prices[${index}].expiryHour`,
      });
    }
    previous = expiryHour;
  });
}

/**
 * The four words of a settlement: `expiryHour + 2^20 price`, unused ones 0.
 *
 * @throws ZkMarginError as {@link validateSettlementPrices}
 */
export function packSettlementWords(prices: readonly SettlementPrice[]): bigint[] {
  validateSettlementPrices(prices);
  return Array.from({ length: SETTLEMENT_WORDS }, (_, index) => {
    const word = prices[index];
    return word === undefined ? 0n : BigInt(word.expiryHour) + (word.price << 20n);
  });
}

/**
 * What one leg pays at a price: `quantity * max(0, price - strike)` of a call, `quantity * max(0, strike - price)` of a put.
 *
 * @param price 1e-6 USD
 * @returns 1e-12 USD at a scale of 1, signed; 0 for a linear leg, which does not expire
 */
export function exactPayoff({ instrument, quantity }: Leg, price: bigint): bigint {
  const above = price - 100n * instrument.strike;
  const intrinsic = instrument.kind === 'call' ? above : instrument.kind === 'put' ? -above : 0n;
  return intrinsic > 0n ? quantity * intrinsic : 0n;
}

/**
 * Settles all legs that expire at the given hours.
 *
 * @throws ZkMarginError as `validateLegs` and {@link validateSettlementPrices}; `OUT_OF_RANGE` for the scale; `NO_LEGS`
 * when no leg expires at these hours
 */
export function exactSettlement(account: ExactAccount, prices: readonly SettlementPrice[]): ExactSettlement {
  validateLegs(account.legs, MAX_LEGS);
  requireBigint(account.scale, 0n, MAX_SCALE, 'scale');
  validateSettlementPrices(prices);
  const priceOf = new Map(prices.map(({ expiryHour, price }) => [expiryHour, price]));
  const settled: Leg[] = [];
  const remaining: Leg[] = [];
  let payoff = 0n;
  for (const leg of account.legs) {
    const price = priceOf.get(leg.instrument.expiryHour);
    if (price === undefined) {
      remaining.push(leg);
    } else {
      settled.push(leg);
      payoff += exactPayoff(leg, price);
    }
  }
  if (settled.length === 0) {
    throw new ZkMarginError('NO_LEGS', 'Settle hours at which a leg of the account expires.', {
      field: 'prices',
    });
  }
  return {
    cash: floorDivide(account.scale * payoff, 1_000_000n << 40n),
    payoff,
    settled,
    remaining,
  };
}

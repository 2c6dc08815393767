/**
 * What the engine is given: the state of the market and a portfolio, in double precision and with every reference
 * resolved. `src/input/margin.ts` builds both from documents and checks every bound; the engine trusts them.
 */
import type { Smile } from './smile.ts';

/** A surface of an earlier time, for the predictive add-on. */
export interface EarlierSmile {
  /** Age in seconds, positive. */
  readonly age: number;
  readonly forward: number;
  /** Years to expiry at that time. */
  readonly years: number;
  readonly smile: Smile;
}

/** One expiry of an underlying. */
export interface ExpiryState {
  /** As in `28FEB25`. */
  readonly name: string;
  /** Seconds from the market's time, positive. */
  readonly secondsToExpiry: number;
  /** In USD. */
  readonly forward: number;
  /** Continuously compounded, per year of 365 days. */
  readonly rate: number;
  readonly smile: Smile;
  readonly earlier?: readonly EarlierSmile[];
  /** Least confidence of the feeds for forward, rate and volatility, in [0, 1]. */
  readonly confidence: number;
}

/** One underlying. */
export interface UnderlyingState {
  readonly symbol: string;
  /** In USD. */
  readonly spot: number;
  readonly spotConfidence: number;
  /** Annualised realised volatility. */
  readonly realisedVolatility: number;
  /** Price of the perpetual; spot when absent. */
  readonly perpetual?: { readonly price: number; readonly confidence: number };
  readonly expiries: readonly ExpiryState[];
}

/** The market at one time. */
export interface MarketState {
  /** Seconds since 1970-01-01 UTC. */
  readonly asOf: number;
  /** What one unit of the settlement asset is worth in USD. */
  readonly stablePrice: number;
  readonly underlyings: readonly UnderlyingState[];
}

/** A position. Quantities are signed and in units of the underlying. */
export type Position = { readonly id: string; readonly quantity: number } & (
  | {
      readonly kind: 'option';
      readonly underlying: number;
      /** Index into the underlying's expiries. */
      readonly expiry: number;
      readonly isCall: boolean;
      readonly strike: number;
    }
  | {
      readonly kind: 'future';
      readonly underlying: number;
      readonly expiry: number;
      readonly inverse: boolean;
      /** Unrealised profit in the numeraire. */
      readonly unrealised: number;
    }
  | {
      readonly kind: 'perpetual';
      readonly underlying: number;
      readonly inverse: boolean;
      /** Unrealised profit and funding in the numeraire. */
      readonly unrealised: number;
    }
  | { readonly kind: 'spot'; readonly underlying: number }
  | {
      /** An instrument with a published risk array, as clearing houses send them. */
      readonly kind: 'array';
      readonly underlying: number;
      /** Value of one unit. */
      readonly value: number;
      /** Profit of one unit long in each scenario of the model, damped as published. */
      readonly profits: readonly number[];
    }
);

/** An asset held as collateral. */
export interface Collateral {
  readonly asset: string;
  /** In the numeraire. */
  readonly value: number;
  /** Whole haircuts, as fractions; the initial one is at least the maintenance one. */
  readonly maintenanceHaircut: number;
  readonly initialHaircut: number;
  /** What moves with an underlying and so offsets risk. */
  readonly offsets?: { readonly underlying: number; readonly fraction: number };
  readonly confidence: number;
}

/** An amount that is set aside whatever the risk, such as margin for open orders. */
export interface Reservation {
  readonly name: string;
  readonly maintenance: number;
  readonly initial: number;
}

/** A portfolio. */
export interface Portfolio {
  readonly id: string;
  /** In the numeraire; negative when owed. */
  readonly cash: number;
  readonly positions: readonly Position[];
  readonly collateral: readonly Collateral[];
  readonly reservations: readonly Reservation[];
}

/**
 * Order of positions: by underlying, expiry, strike, kind and settlement, then by name and size. It makes sums
 * independent of the order of input, and puts positions of one instrument side by side.
 */
function comparePositions(a: Position, b: Position): number {
  return (
    a.underlying - b.underlying ||
    expiryOf(a) - expiryOf(b) ||
    strikeOf(a) - strikeOf(b) ||
    kindRank(a) - kindRank(b) ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0) ||
    a.quantity - b.quantity ||
    unrealisedOf(a) - unrealisedOf(b)
  );
}

/** Index of a position's expiry, or -1. */
export function expiryOf(position: Position): number {
  return position.kind === 'option' || position.kind === 'future' ? position.expiry : -1;
}

function strikeOf(position: Position): number {
  return position.kind === 'option' ? position.strike : 0;
}

const KINDS = ['array', 'spot', 'perpetual', 'future', 'option'] as const;

function kindRank(position: Position): number {
  const second = position.kind === 'option' ? position.isCall : 'inverse' in position && position.inverse;
  return 2 * KINDS.indexOf(position.kind) + (second ? 1 : 0);
}

function unrealisedOf(position: Position): number {
  return position.kind === 'future' || position.kind === 'perpetual' ? position.unrealised : 0;
}

/** True when two positions are in the same instrument. */
function sameInstrument(a: Position, b: Position): boolean {
  if (a.kind !== b.kind || a.underlying !== b.underlying || expiryOf(a) !== expiryOf(b)) return false;
  if (a.kind === 'option') return b.kind === 'option' && a.strike === b.strike && a.isCall === b.isCall;
  if (a.kind === 'array') {
    if (b.kind !== 'array' || a.id !== b.id || a.value !== b.value) return false;
    return a.profits.length === b.profits.length && a.profits.every((profit, at) => profit === b.profits[at]);
  }
  if (a.kind === 'spot') return true;
  return (b.kind === 'future' || b.kind === 'perpetual') && a.inverse === b.inverse;
}

/** Positions in order, those of one instrument merged and those of quantity zero without unrealised profit left out. */
export function canonicalPositions(positions: readonly Position[]): Position[] {
  const sorted = [...positions].sort(comparePositions);
  const merged: Position[] = [];
  for (const position of sorted) {
    const last = merged.at(-1);
    if (last === undefined || !sameInstrument(last, position)) {
      merged.push(position);
      continue;
    }
    const quantity = last.quantity + position.quantity;
    merged[merged.length - 1] =
      (last.kind === 'future' || last.kind === 'perpetual') &&
      (position.kind === 'future' || position.kind === 'perpetual')
        ? { ...last, quantity, unrealised: last.unrealised + position.unrealised }
        : { ...last, quantity };
  }
  return merged.filter(
    (position) =>
      position.quantity !== 0 ||
      ((position.kind === 'future' || position.kind === 'perpetual') && position.unrealised !== 0),
  );
}

/**
 * Option quotes of one expiry as weighted volatilities, one per strike.
 *
 * Volatilities or prices may be quoted. A price is turned into the volatility at which Black-76 gives it; a price in coin
 * (inverse options) times the forward is an undiscounted price in USD.
 */
import { requireFinite, ZkMarginError } from '../errors.ts';
import { impliedVolatility } from '../math/float/implied-volatility.ts';
import type { SviPoint } from './svi-fit.ts';

/** One quoted option. A side that is absent, null, or 0 has no quote. A volatility takes precedence over its price. */
export interface OptionQuote {
  /** In USD. */
  readonly strike: number;
  readonly type: 'C' | 'P';
  /** Annualised: 0.5 is 50 per cent. */
  readonly bidVol?: number | null;
  readonly askVol?: number | null;
  readonly markVol?: number | null;
  /** Prices in the unit of {@link QuoteContext.priceUnit}. */
  readonly bid?: number | null;
  readonly ask?: number | null;
  readonly mark?: number | null;
}

/** What quotes are read against. */
export interface QuoteContext {
  /** In USD. */
  readonly forward: number;
  /** 1 unless given. Prices in coin are undiscounted whatever it is. */
  readonly discount?: number;
  /** Time to expiry. */
  readonly years: number;
  /** Unit of prices; USD unless given. */
  readonly priceUnit?: 'usd' | 'coin';
  /** `mid` of bid and ask where both exist (default), or the `mark` where one exists. */
  readonly target?: 'mid' | 'mark';
}

/** Why a quote gave no volatility of its own. */
export type LeftOutReason =
  /** The out-of-the-money option of the strike is used. */
  | 'IN_THE_MONEY'
  /** Neither bid, ask nor mark. */
  | 'NO_QUOTE'
  /** Bid or ask alone, and no mark. */
  | 'ONE_SIDED'
  /** Bid above ask. */
  | 'CROSSED'
  /** The ask is more than twice the bid in volatility, and there is no mark. */
  | 'TOO_WIDE'
  /** A price at or below the intrinsic value: no volatility gives it. */
  | 'BELOW_INTRINSIC'
  /** A call at or above the forward, a put at or above the strike: no volatility gives it. */
  | 'ABOVE_MAXIMUM'
  /** The volatility is below 0.0001 or above 100. */
  | 'EXTREME_VOLATILITY'
  /** The strike is more than a factor e^20 from the forward. */
  | 'FAR_STRIKE'
  /** An earlier quote has the same strike and type. */
  | 'DUPLICATE';

/** A quote that gave no volatility. */
export interface LeftOut {
  /** Index among the quotes given. */
  readonly index: number;
  readonly strike: number;
  readonly type: 'C' | 'P';
  readonly reason: LeftOutReason;
  /** The one price that was left out, when the quote is used by its others. */
  readonly side?: QuoteSide;
}

/** One of the numbers of a quote. */
export type QuoteSide = 'bid' | 'ask' | 'mark';

/** The volatility of one strike. */
export interface QuotePoint extends SviPoint {
  /** Index of its quote among those given. */
  readonly index: number;
  readonly strike: number;
  readonly type: 'C' | 'P';
  readonly source: 'mid' | 'mark';
  readonly bidVol?: number;
  readonly askVol?: number;
  readonly markVol?: number;
}

/** What {@link quotePoints} gives. */
export interface QuotePoints {
  /** In order of strike. */
  readonly points: readonly QuotePoint[];
  /** In order of the quotes. */
  readonly leftOut: readonly LeftOut[];
}

/** Ask over bid, in volatility, beyond which their middle says little. */
const WIDEST = 2;
/** A spread is taken as no less than this, in volatility, so that a locked market does not outweigh all others. */
const NARROWEST = 2e-3;

const LOW_VOLATILITY = 1e-4;
const HIGH_VOLATILITY = 100;
const FARTHEST = 20;

interface Sides {
  readonly bid: number | undefined;
  readonly ask: number | undefined;
  readonly mark: number | undefined;
  /** Prices that no volatility gives. */
  readonly refused: readonly { readonly side: QuoteSide; readonly reason: LeftOutReason }[];
}

/**
 * Volatility points of an expiry's quotes.
 *
 * Of a call and a put at one strike, the one out of the money is used, since it has the narrower market and its price is
 * all time value; the other one only when the first gives no volatility. The volatility is the middle of bid and ask. With
 * one of them, or an ask above twice the bid, it is the mark, brought within the sides there are; with neither it is the
 * mark. With `target: 'mark'` it is the mark wherever there is one.
 *
 * A point's weight is `(s / max(spread, 0.002))²`, at most 4, where s is the median spread of the expiry: errors count in
 * units of the market's own width. Points without two sides count as three times the median spread, and marks without any
 * side, or with `target: 'mark'`, weigh 1. Fits multiply by squared vega themselves.
 *
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE`, `MALFORMED` with the path of what is wrong, such as
 * `quotes[3].bidVol`. Quotes that are merely useless are left out with a reason.
 */
export function quotePoints(
  quotes: readonly OptionQuote[],
  context: QuoteContext,
  field = 'quotes',
): QuotePoints {
  requireFinite(context.forward, 1e-12, 1e15, 'forward');
  requireFinite(context.discount ?? 1, 1e-6, 1e6, 'discount');
  requireFinite(context.years, 1e-9, 1e3, 'years');
  const leftOut: LeftOut[] = [];
  const strikes = new Map<number, { C?: number; P?: number }>();
  const drop = (index: number, reason: LeftOutReason) => {
    const { strike, type } = quotes[index]!;
    leftOut.push({ index, strike, type, reason });
  };
  for (let index = 0; index < quotes.length; index++) {
    const quote = quotes[index]!;
    checkQuote(quote, `${field}[${index}]`);
    if (!(Math.abs(Math.log(quote.strike / context.forward)) <= FARTHEST)) {
      drop(index, 'FAR_STRIKE');
      continue;
    }
    let pair = strikes.get(quote.strike);
    if (pair === undefined) {
      pair = {};
      strikes.set(quote.strike, pair);
    }
    if (pair[quote.type] === undefined) pair[quote.type] = index;
    else drop(index, 'DUPLICATE');
  }
  const points: Omit<QuotePoint, 'weight'>[] = [];
  for (const [strike, pair] of [...strikes].sort((a, b) => a[0] - b[0])) {
    const order = strike >= context.forward ? (['C', 'P'] as const) : (['P', 'C'] as const);
    let used = false;
    for (const type of order) {
      const index = pair[type];
      if (index === undefined) continue;
      if (used) {
        drop(index, 'IN_THE_MONEY');
        continue;
      }
      const sides = sidesOf(quotes[index]!, context);
      const point = pointOf(quotes[index]!, index, sides, context);
      if (typeof point === 'string') {
        drop(index, point);
        continue;
      }
      used = true;
      points.push(point);
      for (const { side, reason } of sides.refused) leftOut.push({ index, strike, type, reason, side });
    }
  }
  const spreads = points.flatMap(({ spread }) => (spread === undefined ? [] : [Math.max(spread, NARROWEST)]));
  spreads.sort((a, b) => a - b);
  const median = spreads[spreads.length >> 1];
  leftOut.sort((a, b) => a.index - b.index);
  return {
    points: points.map((point) => {
      if (median === undefined || context.target === 'mark') return { ...point, weight: 1 };
      const oneSided = (point.bidVol === undefined) !== (point.askVol === undefined);
      const bare = point.bidVol === undefined && point.askVol === undefined;
      if (bare) return { ...point, weight: 1 };
      const spread = oneSided || point.spread === undefined ? 3 * median : Math.max(point.spread, NARROWEST);
      return { ...point, weight: Math.min(4, (median / spread) ** 2) };
    }),
    leftOut,
  };
}

function pointOf(
  quote: OptionQuote,
  index: number,
  { bid, ask, mark, refused }: Sides,
  context: QuoteContext,
): Omit<QuotePoint, 'weight'> | LeftOutReason {
  const crossed = bid !== undefined && ask !== undefined && bid > ask;
  let volatility: number;
  let source: QuotePoint['source'] = 'mark';
  if (crossed) return 'CROSSED';
  if (context.target === 'mark' && mark !== undefined) {
    volatility = mark;
  } else if (bid !== undefined && ask !== undefined && ask <= WIDEST * bid) {
    volatility = 0.5 * (bid + ask);
    source = 'mid';
  } else if (mark !== undefined) {
    volatility = Math.min(Math.max(mark, bid ?? mark), ask ?? Math.max(mark, bid ?? mark));
  } else if (refused[0] !== undefined) {
    return refused[0].reason;
  } else if (bid !== undefined && ask !== undefined) {
    return 'TOO_WIDE';
  } else {
    return bid === undefined && ask === undefined ? 'NO_QUOTE' : 'ONE_SIDED';
  }
  if (!(volatility >= LOW_VOLATILITY && volatility <= HIGH_VOLATILITY)) return 'EXTREME_VOLATILITY';
  return {
    index,
    strike: quote.strike,
    type: quote.type,
    logMoneyness: Math.log(quote.strike / context.forward),
    volatility,
    source,
    ...(bid === undefined ? {} : { bidVol: bid }),
    ...(ask === undefined ? {} : { askVol: ask }),
    ...(mark === undefined ? {} : { markVol: mark }),
    ...(bid === undefined || ask === undefined ? {} : { spread: Math.min(ask - bid, 1e3) }),
  };
}

/** Volatilities of the three sides, from prices where no volatility is quoted. */
function sidesOf(quote: OptionQuote, context: QuoteContext): Sides {
  const refused: { side: QuoteSide; reason: LeftOutReason }[] = [];
  const read = (side: QuoteSide, volatility: number | null | undefined, price: number | null | undefined) => {
    if (volatility !== undefined && volatility !== null && volatility > 0) return volatility;
    if (price === undefined || price === null || price === 0) return undefined;
    const found = volatilityOfPrice(quote, price, context);
    if (typeof found === 'number') return found;
    refused.push({ side, reason: found });
    return undefined;
  };
  // A bid below the intrinsic value is no contradiction: nobody has to sell there. It is as good as none.
  const bid = read('bid', quote.bidVol, quote.bid);
  const ask = read('ask', quote.askVol, quote.ask);
  const mark = read('mark', quote.markVol, quote.mark);
  return { bid, ask, mark, refused };
}

function volatilityOfPrice(
  quote: OptionQuote,
  price: number,
  context: QuoteContext,
): number | 'BELOW_INTRINSIC' | 'ABOVE_MAXIMUM' {
  const inCoin = context.priceUnit === 'coin';
  const value = inCoin ? price * context.forward : price;
  const discount = inCoin ? 1 : (context.discount ?? 1);
  const kind = quote.type === 'C' ? 'call' : 'put';
  const maximum = discount * (quote.type === 'C' ? context.forward : quote.strike);
  try {
    const found = impliedVolatility(kind, value, context.forward, quote.strike, context.years, discount);
    return found > 0 ? found : 'BELOW_INTRINSIC';
  } catch (error) {
    if (error instanceof ZkMarginError && error.code === 'NO_ARBITRAGE_FREE_PRICE') {
      return value >= maximum ? 'ABOVE_MAXIMUM' : 'BELOW_INTRINSIC';
    }
    throw error;
  }
}

const VOLATILITIES = ['bidVol', 'askVol', 'markVol'] as const;
const PRICES = ['bid', 'ask', 'mark'] as const;

function checkQuote(quote: OptionQuote, field: string): void {
  if (typeof quote !== 'object' || quote === null) {
    throw new ZkMarginError('MALFORMED', `Give ${field} as an object.`, { field });
  }
  requireFinite(quote.strike, 1e-12, 1e15, `${field}.strike`);
  if (quote.type !== 'C' && quote.type !== 'P') {
    throw new ZkMarginError('MALFORMED', `Give ${field}.type as C or P.`, { field: `${field}.type` });
  }
  for (const name of VOLATILITIES) {
    const value = quote[name];
    if (value !== undefined && value !== null) requireFinite(value, 0, 1e6, `${field}.${name}`);
  }
  for (const name of PRICES) {
    const value = quote[name];
    if (value !== undefined && value !== null) requireFinite(value, 0, 1e15, `${field}.${name}`);
  }
}

/** Sensitivities of many accounts together, by expiry and in all, in double precision. */
import type { Instrument } from '../../market/instrument.ts';
import { floatExpiry, surfaceVolatility } from '../../market/surface.ts';
import type { MarketRound } from '../../market/words.ts';
import { black76Into, GREEK_COUNT, logRatio } from '../../math/float/black76.ts';
import type { MonitoredAccount } from './accounts.ts';

/**
 * Sums over positions, in USD. Each is net: bought less sold. Where every trade has both its sides in the book, net figures of
 * a whole book are near 0; `sold` figures say what is concentrated on the short side.
 */
export interface Greeks {
  /** Contracts bought and sold, options and the underlying together. */
  readonly boughtContracts: number;
  readonly soldContracts: number;
  /** `∂V/∂F F`: profit of a rise by all of the price, to first order. */
  readonly deltaUsd: number;
  /** `∂²V/∂F² F²`: change of delta with such a rise. */
  readonly gammaUsd: number;
  /** Of positions sold alone, at most 0. */
  readonly soldGammaUsd: number;
  /** For one point (0.01) of volatility. */
  readonly vegaUsd: number;
  /** Of positions sold alone, at most 0. */
  readonly soldVegaUsd: number;
  /** For a day. */
  readonly thetaUsd: number;
}

/** Sensitivities of one underlying's accounts. */
export interface BookGreeks {
  readonly total: Greeks;
  /** Of the underlying itself, which has no expiry. */
  readonly linear: Greeks;
  /**
   * What moving collateral of the accounts gains of a rise by all of the price, USD. It is in no other sum: positions of both
   * sides of a trade cancel, collateral never does.
   */
  readonly collateralDeltaUsd: number;
  /** In increasing order; only expiries with positions that the round can value. */
  readonly expiries: readonly (Greeks & { readonly expiryHour: number })[];
  /** Contracts whose expiry the round lacks or has passed; they are in no sum. */
  readonly unpricedContracts: number;
}

type Sums = { -readonly [Name in keyof Greeks]: number };

const DELTA = 1;
const GAMMA = 2;
const VEGA = 3;
const THETA = 4;

function noSums(): Sums {
  return {
    boughtContracts: 0,
    soldContracts: 0,
    deltaUsd: 0,
    gammaUsd: 0,
    soldGammaUsd: 0,
    vegaUsd: 0,
    soldVegaUsd: 0,
    thetaUsd: 0,
  };
}

/** Bought and sold contracts of one instrument. */
interface Interest {
  readonly instrument: Instrument;
  bought: number;
  sold: number;
}

/** What accounts hold together. */
interface Holdings {
  /** Contracts of every instrument, scales included. */
  readonly interests: readonly Interest[];
  /** USD. */
  readonly movingCollateral: number;
}

function holdingsOf(accounts: Iterable<MonitoredAccount>): Holdings {
  const byKey = new Map<string, Interest>();
  // Accounts that were made from one list share their instruments.
  const byObject = new Map<Instrument, Interest>();
  let collateral = 0n;
  for (const { legs, scale, movingCollateral = 0n } of accounts) {
    collateral += movingCollateral;
    const unit = Number(scale) / 2 ** 40 / 1e6;
    for (const { instrument, quantity } of legs) {
      let interest = byObject.get(instrument);
      if (interest === undefined) {
        const key = `${instrument.kind}/${instrument.expiryHour}/${instrument.strike}`;
        interest = byKey.get(key);
        if (interest === undefined) {
          interest = { instrument, bought: 0, sold: 0 };
          byKey.set(key, interest);
        }
        byObject.set(instrument, interest);
      }
      const size = Number(quantity) * unit;
      if (size > 0) interest.bought += size;
      else interest.sold -= size;
    }
  }
  return { interests: [...byKey.values()], movingCollateral: Number(collateral) / 1e6 };
}

/** Sensitivities of accounts in a round. */
export function bookGreeks(accounts: Iterable<MonitoredAccount>, round: MarketRound): BookGreeks {
  const spot = Number(round.underlying.spot) / 1e6;
  const expiries = new Map(
    round.expiries.map((state) => [state.expiryHour, floatExpiry(state, round.underlying.timestamp)]),
  );
  const total = noSums();
  const linear = noSums();
  const byExpiry = new Map<number, Sums>();
  let unpricedContracts = 0;
  const values = new Float64Array(GREEK_COUNT);
  const { interests, movingCollateral } = holdingsOf(accounts);
  for (const { instrument, bought, sold } of interests) {
    let sums = linear;
    let price = spot;
    if (instrument.kind === 'linear') {
      values.fill(0);
      values[DELTA] = 1;
    } else {
      const expiry = expiries.get(instrument.expiryHour);
      if (expiry === undefined || BigInt(instrument.expiryHour) * 3_600n <= round.underlying.timestamp) {
        unpricedContracts += bought + sold;
        continue;
      }
      sums = byExpiry.get(instrument.expiryHour) ?? noSums();
      byExpiry.set(instrument.expiryHour, sums);
      price = expiry.forward;
      const strike = Number(instrument.strike) / 1e4;
      const volatility = surfaceVolatility(expiry, -logRatio(expiry.forward, strike));
      const { forward, years, discount } = expiry;
      black76Into(values, 0, instrument.kind === 'call', forward, strike, years, volatility, discount);
    }
    for (const into of [sums, total]) {
      const net = bought - sold;
      into.boughtContracts += bought;
      into.soldContracts += sold;
      into.deltaUsd += net * values[DELTA]! * price;
      into.gammaUsd += net * values[GAMMA]! * price * price;
      into.soldGammaUsd -= sold * values[GAMMA]! * price * price;
      into.vegaUsd += net * values[VEGA]! * 0.01;
      into.soldVegaUsd -= sold * values[VEGA]! * 0.01;
      into.thetaUsd += (net * values[THETA]!) / 365;
    }
  }
  return {
    total,
    linear,
    collateralDeltaUsd: movingCollateral,
    expiries: [...byExpiry].sort(([a], [b]) => a - b).map(([expiryHour, sums]) => ({ expiryHour, ...sums })),
    unpricedContracts,
  };
}

/** Builders of markets and portfolios for tests: by hand, and at random through fast-check. */

import fc from 'fast-check';
import { YEAR_SECONDS } from '../../market/words.ts';
import type { Margin, MarginComponent } from './margin.ts';
import type { MarginModel } from './model.ts';
import type { Smile } from './smile.ts';
import type {
  Collateral,
  ExpiryState,
  MarketState,
  Portfolio,
  Position,
  Reservation,
  UnderlyingState,
} from './state.ts';

/** A day in seconds. */
export const DAY = 86_400;
/** 2025-02-19T00:00:00Z, the time of all built markets. */
export const AS_OF = 1_739_923_200;

/** An expiry: 30 days, forward 100, vol 50 % and no rate unless given. */
export function expiryOf(given: Partial<ExpiryState> & { volatility?: number } = {}): ExpiryState {
  const { volatility = 0.5, ...rest } = given;
  const secondsToExpiry = rest.secondsToExpiry ?? 30 * DAY;
  return {
    name: `+${secondsToExpiry}s`,
    secondsToExpiry,
    forward: 100,
    rate: 0,
    smile: { kind: 'flat', volatility },
    confidence: 1,
    ...rest,
  };
}

/** An underlying: spot 100, realised vol 50 %, one expiry unless given. */
export function underlyingOf(given: Partial<UnderlyingState> = {}): UnderlyingState {
  return {
    symbol: 'BTC',
    spot: 100,
    spotConfidence: 1,
    realisedVolatility: 0.5,
    expiries: [expiryOf()],
    ...given,
  };
}

/** A market of given underlyings. */
export function marketOf(...underlyings: UnderlyingState[]): MarketState {
  return {
    asOf: AS_OF,
    stablePrice: 1,
    underlyings: underlyings.length === 0 ? [underlyingOf()] : underlyings,
  };
}

/** A portfolio of given positions. */
export function portfolioOf(
  positions: readonly Position[],
  rest: Partial<Omit<Portfolio, 'positions'>> = {},
): Portfolio {
  return { id: 'test', cash: 0, collateral: [], reservations: [], ...rest, positions };
}

/** An option of the first underlying's first expiry unless told otherwise. */
export function option(
  type: 'C' | 'P',
  strike: number,
  quantity: number,
  where: { underlying?: number; expiry?: number } = {},
): Position {
  const { underlying = 0, expiry = 0 } = where;
  const id = `${underlying}/${expiry}/${strike}/${type}`;
  return { id, kind: 'option', underlying, expiry, strike, quantity, isCall: type === 'C' };
}

/** The underlying itself. */
export function spotPosition(quantity: number, underlying = 0): Position {
  return { id: `${underlying}/SPOT`, kind: 'spot', underlying, quantity };
}

/** A perpetual. */
export function perpetual(
  quantity: number,
  given: { underlying?: number; inverse?: boolean; unrealised?: number } = {},
): Position {
  const { underlying = 0, inverse = false, unrealised = 0 } = given;
  const id = `${underlying}/PERPETUAL`;
  return { id, kind: 'perpetual', underlying, quantity, inverse, unrealised };
}

/** A future. */
export function future(
  quantity: number,
  given: { underlying?: number; expiry?: number; inverse?: boolean; unrealised?: number } = {},
): Position {
  const { underlying = 0, expiry = 0, inverse = false, unrealised = 0 } = given;
  const id = `${underlying}/${expiry}/FUTURE`;
  return { id, kind: 'future', underlying, expiry, quantity, inverse, unrealised };
}

/** An instrument with a published risk array. */
export function arrayPosition(id: string, profits: readonly number[], quantity: number, value = 0): Position {
  return { id, kind: 'array', underlying: 0, quantity, value, profits };
}

/** Collateral without haircuts unless given. */
export function collateralOf(value: number, given: Partial<Collateral> = {}): Collateral {
  return { asset: 'asset', value, maintenanceHaircut: 0, initialHaircut: 0, confidence: 1, ...given };
}

/** The component of a margin with an id. */
export function componentOf(margin: Margin, id: MarginComponent['id']): MarginComponent {
  const found = margin.components.find((component) => component.id === id);
  if (found === undefined) throw new Error(`no component ${id}`);
  return found;
}

/** A model with other add-ons. */
export function withAddOns(model: MarginModel, ...addOns: MarginModel['addOns']): MarginModel {
  return { ...model, addOns };
}

/** Sum of the sizes that amounts of a margin may reach: what rounding errors are measured against. */
export function grossOf(margin: Margin): number {
  let gross = Math.abs(margin.portfolio.cash);
  for (const { value, profits, position, forward, unit } of margin.valued) {
    gross += Math.abs(value) + Math.abs(position.quantity) * forward * unit;
    let largest = 0;
    for (const profit of profits) largest = Math.max(largest, Math.abs(profit));
    gross += largest;
  }
  for (const { value } of margin.portfolio.collateral) gross += 10 * value;
  for (const { maintenance, initial } of margin.portfolio.reservations) gross += maintenance + initial;
  return gross + 1e-9;
}

// Random states.

/** Without the denormals that fast-check likes: they are not what is tested. */
const between = (min: number, max: number): fc.Arbitrary<number> =>
  fc
    .double({ min, max, noNaN: true, noDefaultInfinity: true })
    .map((drawn) => (Math.abs(drawn) < 1e-9 ? Math.max(0, min) : drawn));
const logBetween = (min: number, max: number): fc.Arbitrary<number> =>
  between(Math.log(min), Math.log(max)).map(Math.exp);

/** A smile around a level: flat, SVI or pillars. */
export function smileArbitrary(level: number, years: number): fc.Arbitrary<Smile> {
  const deviation = level * Math.sqrt(years);
  return fc.oneof(
    fc.constant<Smile>({ kind: 'flat', volatility: level }),
    fc
      .record({
        a: between(0.3, 0.9),
        b: between(0.02, 0.6),
        rho: between(-0.8, 0.5),
        m: between(-0.3, 0.2),
        sigma: between(0.1, 1.5),
      })
      .map(
        ({ a, b, rho, m, sigma }): Smile => ({
          kind: 'svi',
          years,
          parameters: {
            a: a * deviation * deviation,
            b: b * deviation,
            rho,
            m: m * deviation,
            sigma: sigma * deviation,
          },
        }),
      ),
    fc
      .record({
        spacing: fc.constantFrom(0.25, 0.5, 1, 2),
        steps: fc.array(between(0.7, 1.4), { minLength: 8, maxLength: 8 }),
      })
      .map(
        ({ spacing, steps }): Smile => ({
          kind: 'pillars',
          spacing,
          volatilities: steps.map((step) => level * step),
        }),
      ),
  );
}

/** What random markets may hold. */
export interface MarketOptions {
  readonly underlyings?: number;
  /** Rates of 0 and forwards at spot. */
  readonly noCarry?: boolean;
  readonly minimumTenor?: number;
}

/** A market, calm or in a crash: vols of 15 % to 350 %, tenors of half an hour to three years. */
export function marketArbitrary(options: MarketOptions = {}): fc.Arbitrary<MarketState> {
  const { noCarry = false, minimumTenor = 1_800 } = options;
  const underlying = (symbol: string): fc.Arbitrary<UnderlyingState> =>
    fc
      .record({
        spot: logBetween(0.5, 200_000),
        level: fc.oneof(between(0.15, 0.8), between(0.8, 3.5)),
        carry: noCarry ? fc.constant(0) : between(-0.1, 0.25),
        rate: noCarry ? fc.constant(0) : between(-0.05, 0.2),
        realised: between(0.3, 2),
        basis: between(-0.01, 0.01),
        tenors: fc.uniqueArray(logBetween(minimumTenor, 94_608_000).map(Math.round), {
          minLength: 1,
          maxLength: 3,
        }),
        spotConfidence: fc.constantFrom(1, 1, 0.9, 0.5),
        confidence: fc.constantFrom(1, 1, 0.9, 0.4),
        hasPerpetual: fc.boolean(),
      })
      .chain((drawn) => {
        const tenors = [...drawn.tenors].sort((a, b) => a - b);
        const levels = tenors.map((seconds) => drawn.level * (1 + 0.3 / (1 + seconds / (30 * DAY))));
        return fc
          .tuple(...tenors.map((seconds, at) => smileArbitrary(levels[at]!, seconds / YEAR_SECONDS)))
          .map(
            (smiles): UnderlyingState => ({
              symbol,
              spot: drawn.spot,
              spotConfidence: drawn.spotConfidence,
              realisedVolatility: drawn.level * drawn.realised,
              ...(drawn.hasPerpetual
                ? { perpetual: { price: drawn.spot * (1 + drawn.basis), confidence: drawn.confidence } }
                : {}),
              expiries: tenors.map((seconds, at) => ({
                name: `+${seconds}s`,
                secondsToExpiry: seconds,
                forward: drawn.spot * Math.exp((drawn.carry * seconds) / YEAR_SECONDS),
                rate: drawn.rate,
                smile: smiles[at]!,
                confidence: at === 0 ? drawn.confidence : 1,
              })),
            }),
          );
      });
  const symbols = ['BTC', 'ETH', 'SOL', 'XRP'];
  const count =
    options.underlyings === undefined ? fc.integer({ min: 1, max: 3 }) : fc.constant(options.underlyings);
  return count.chain((size) =>
    fc.record({
      asOf: fc.constant(AS_OF),
      stablePrice: noCarry ? fc.constant(1) : fc.constantFrom(1, 1, 0.995, 0.97),
      underlyings: fc.tuple(...symbols.slice(0, size).map(underlying)),
    }),
  );
}

/** What random portfolios may hold. */
export interface PortfolioOptions {
  readonly kinds?: readonly Position['kind'][];
  readonly maximumPositions?: number;
  readonly collateral?: boolean;
  readonly reservations?: boolean;
  /** Sign of quantities; either unless given. */
  readonly side?: 1 | -1;
}

/** A position of a market. Quantities are whole eighths, so that halves of them are exact. */
export function positionArbitrary(
  market: MarketState,
  options: PortfolioOptions = {},
): fc.Arbitrary<Position> {
  const kinds = options.kinds ?? ['option', 'option', 'option', 'option', 'future', 'perpetual', 'spot'];
  const sides = options.side === undefined ? [-1, 1] : [options.side];
  return fc
    .record({
      kind: fc.constantFrom(...kinds),
      underlying: fc.nat({ max: market.underlyings.length - 1 }),
      expiry: fc.nat({ max: 10 }),
      side: fc.constantFrom(...sides),
      eighths: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 8_000 })),
      deviations: fc.oneof(between(-2, 2), between(-6, 6)),
      isCall: fc.boolean(),
      inverse: fc.boolean(),
      unrealised: between(-0.2, 0.2),
    })
    .map((drawn): Position => {
      const { underlying } = drawn;
      const quantity = (drawn.side * drawn.eighths) / 8;
      const { expiries, spot } = market.underlyings[underlying]!;
      const expiry = drawn.expiry % expiries.length;
      const { forward, secondsToExpiry, smile } = expiries[expiry]!;
      // Whole 1024ths, so that sums of them are exact.
      const unrealised = Math.round(128 * drawn.unrealised * spot * drawn.eighths) / 1_024;
      switch (drawn.kind) {
        case 'option': {
          const level = smile.kind === 'flat' ? smile.volatility : 0.8;
          const width = level * Math.sqrt(secondsToExpiry / YEAR_SECONDS);
          const strike = Number((forward * Math.exp(drawn.deviations * width)).toPrecision(3));
          return option(drawn.isCall ? 'C' : 'P', strike, quantity, { underlying, expiry });
        }
        case 'future':
          return future(quantity, { underlying, expiry, inverse: drawn.inverse, unrealised });
        case 'perpetual':
          return perpetual(quantity, { underlying, inverse: drawn.inverse, unrealised });
        default:
          return spotPosition(quantity, underlying);
      }
    });
}

/** A portfolio in a market. */
export function portfolioArbitrary(
  market: MarketState,
  options: PortfolioOptions = {},
): fc.Arbitrary<Portfolio> {
  const { maximumPositions = 8, collateral = true, reservations = true } = options;
  const collateralItem = fc
    .record({
      value: logBetween(1, 1e6),
      maintenance: between(0, 0.5),
      more: between(0, 0.5),
      underlying: fc.nat({ max: market.underlyings.length - 1 }),
      offsets: fc.boolean(),
      fraction: between(0, 1),
      confidence: fc.constantFrom(1, 0.5),
    })
    .map(
      (drawn): Collateral => ({
        asset: 'collateral',
        value: drawn.value,
        maintenanceHaircut: drawn.maintenance,
        initialHaircut: Math.min(1, drawn.maintenance + drawn.more),
        confidence: drawn.confidence,
        ...(drawn.offsets ? { offsets: { underlying: drawn.underlying, fraction: drawn.fraction } } : {}),
      }),
    );
  const reservation = fc.record({ maintenance: between(0, 1e4), more: between(0, 1e4) }).map(
    ({ maintenance, more }): Reservation => ({
      name: 'orders',
      maintenance,
      initial: maintenance + more,
    }),
  );
  return fc.record({
    id: fc.constant('random'),
    cash: between(-1e6, 1e6),
    positions: fc.array(positionArbitrary(market, options), { minLength: 1, maxLength: maximumPositions }),
    collateral: collateral ? fc.array(collateralItem, { maxLength: 2 }) : fc.constant([]),
    reservations: reservations ? fc.array(reservation, { maxLength: 1 }) : fc.constant([]),
  });
}

/** A market with a portfolio. */
export function accountArbitrary(
  options: MarketOptions & PortfolioOptions = {},
): fc.Arbitrary<{ market: MarketState; portfolio: Portfolio }> {
  return marketArbitrary(options).chain((market) =>
    portfolioArbitrary(market, options).map((portfolio) => ({ market, portfolio })),
  );
}

/** A market and a portfolio that a model can margin: one underlying where the model is in coin. */
export function accountFor(
  model: MarginModel,
  options: MarketOptions & PortfolioOptions = {},
): fc.Arbitrary<{ market: MarketState; portfolio: Portfolio }> {
  return accountArbitrary(model.numeraire === 'coin' ? { ...options, underlyings: 1 } : options);
}

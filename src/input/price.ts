/**
 * Documents of options to price: what `zkmargin price` reads, and the figures that it gives back. Pure.
 *
 * A document is one row, a list of rows, or `{"vectors": [rows]}`. A row holds the inputs of one option by
 * their usual letters: S or F, K, T in years, r, q, b, `discount`, and `vol` or `price`. Fields of other
 * names are left alone.
 */
import { type Static, type TSchema, Type } from 'typebox';
import { checkShape } from '../check-shape.ts';
import { joinField, ZkMarginError } from '../errors.ts';
import {
  AMOUNT_BOUNDS,
  type GeneralisedGreeks,
  generalisedBlackScholes,
  LARGEST_EXPONENT,
  requireExponent,
} from '../math/float/generalised-black-scholes.ts';
import { impliedVolatility } from '../math/float/implied-volatility.ts';

/** Most rows in one document. */
export const MAX_PRICE_ROWS = 1_000_000;

const amount = (description: string) =>
  Type.Optional(Type.Number({ minimum: AMOUNT_BOUNDS[0], maximum: AMOUNT_BOUNDS[1], description }));
const rate = (description: string) =>
  Type.Optional(Type.Number({ minimum: -1000, maximum: 1000, description }));

/** One option. */
export const PriceRow = Type.Object({
  id: Type.Optional(Type.Union([Type.String(), Type.Number()], { description: 'given back unchanged' })),
  model: Type.Optional(Type.String({ description: 'BLACK76, BSM or GBS; by the inputs when absent' })),
  type: Type.String({ description: 'C, P, call or put' }),
  S: amount('spot'),
  F: amount('forward'),
  K: Type.Number({ minimum: AMOUNT_BOUNDS[0], maximum: AMOUNT_BOUNDS[1], description: 'strike' }),
  T: Type.Number({ minimum: 0, maximum: 1e6, description: 'years to expiry' }),
  r: rate('interest rate, continuous, per year'),
  q: rate('yield of the underlying, continuous, per year'),
  b: rate('cost of carry, continuous, per year'),
  discount: amount('discount factor'),
  vol: Type.Optional(Type.Number({ minimum: 0, maximum: 1e6, description: 'volatility, per √year' })),
  price: Type.Optional(Type.Number({ description: 'discounted price' })),
  price_undiscounted: Type.Optional(Type.Number({ description: 'price before discounting' })),
  greek: Type.Optional(Type.String({ description: 'a sensitivity to give as `value`' })),
  unit: Type.Optional(Type.String({ description: 'of `value`, such as "per day" or "per 1% vol"' })),
});
export type PriceRow = Static<typeof PriceRow>;

const PriceRows = Type.Array(PriceRow, { maxItems: MAX_PRICE_ROWS });
const PriceVectors = Type.Object({ vectors: PriceRows });

/** Names of the models. */
export type PriceModel = 'BLACK76' | 'BSM' | 'GBS';

/**
 * Price and sensitivities; null where there is no finite figure, such as the elasticity of a worthless
 * option.
 */
export type PriceGreeks = { [Name in keyof GeneralisedGreeks]: number | null };

/**
 * The figures of one row. Sensitivities are to the spot (of Black-76: to the forward), time is calendar time
 * in years, volatility and rates are per change of 1.00.
 */
export interface PriceResult extends PriceGreeks {
  /** As in the row; null when it has none. */
  id: string | number | null;
  model: PriceModel;
  type: 'C' | 'P';
  /** The volatility of all figures: that of the row, else the implied one. */
  vol: number;
  /**
   * The volatility at which the model gives the row's price. In rows that have a price; null, in rows that
   * have a volatility too, when no single volatility gives that price.
   */
  impliedVolatility?: number | null;
  greek?: string;
  unit?: string;
  /** The row's `greek` in its `unit`; null when the greek is not known by that name. */
  value?: number | null;
}

/**
 * Prices every row of a document, in order.
 *
 * @throws ZkMarginError with the path of the field, as in `vectors[3].vol`: `MALFORMED` for a missing or
 * contradictory field, `NOT_FINITE`, `OUT_OF_RANGE`, `TOO_LARGE` for more than {@link MAX_PRICE_ROWS} rows,
 * `UNKNOWN_MODEL`, and `NO_ARBITRAGE_FREE_PRICE` for a price that no volatility gives in a row without `vol`
 */
export function priceDocument(document: unknown): PriceResult[] {
  if (Array.isArray(document)) return priceRows(checkRows(PriceRows, document, document), '');
  if (typeof document === 'object' && document !== null && Object.hasOwn(document, 'vectors')) {
    const list = (document as { vectors: unknown }).vectors;
    return priceRows(checkRows(PriceVectors, document, list).vectors, 'vectors');
  }
  return [priceRow(checkShape(PriceRow, document))];
}

/** The document checked; a list that is too long is refused before its rows are looked at. */
function checkRows<Schema extends TSchema>(schema: Schema, document: unknown, list: unknown): Static<Schema> {
  if (Array.isArray(list) && list.length > MAX_PRICE_ROWS) {
    const field = list === document ? '' : 'vectors';
    throw new ZkMarginError('TOO_LARGE', `Give at most ${MAX_PRICE_ROWS} rows: there are ${list.length}.`, {
      field,
    });
  }
  return checkShape(schema, document);
}

function priceRows(rows: readonly PriceRow[], root: string): PriceResult[] {
  return rows.map((row, position) => {
    try {
      return priceRow(row);
    } catch (error) {
      throw error instanceof ZkMarginError ? error.under(joinField(root, `[${position}]`)) : error;
    }
  });
}

interface ResolvedOption {
  readonly model: PriceModel;
  /** The forward, for Black-76. */
  readonly spot: number;
  readonly rate: number;
  readonly carry: number;
  readonly discount: number;
}

function priceRow(row: PriceRow): PriceResult {
  const kind = parseKind(row.type);
  const option = resolveModel(row);
  const { model, spot, rate, carry, discount } = option;
  const hasPrice = row.price !== undefined || row.price_undiscounted !== undefined;
  if (row.vol === undefined && !hasPrice) {
    throw new ZkMarginError('MALFORMED', 'Give vol, or a price to imply it from.', { field: 'vol' });
  }
  const implied = hasPrice ? implyVolatility(row, kind, option) : undefined;
  const volatility = row.vol ?? implied!;
  const greeks = generalisedBlackScholes({
    kind,
    spot,
    strike: row.K,
    years: row.T,
    rate,
    carry,
    volatility,
    discount,
    // A model whose carry is 0 prices options on a forward; a yield, where one is given, stays.
    rhoKeeps: model === 'BSM' || carry !== 0 ? 'yield' : 'carry',
  });
  const result: PriceResult = {
    id: row.id ?? null,
    model,
    type: kind === 'call' ? 'C' : 'P',
    vol: volatility,
    ...(implied === undefined ? {} : { impliedVolatility: implied }),
    ...greeks,
  };
  // The given price, not the one of the volatility that it implies: the two differ by rounding.
  if (row.vol === undefined) result.price = row.price ?? discount * row.price_undiscounted!;
  for (const name of Object.keys(greeks) as (keyof GeneralisedGreeks)[]) {
    if (!Number.isFinite(result[name])) result[name] = null;
  }
  if (row.greek !== undefined) {
    result.greek = row.greek;
    if (row.unit !== undefined) result.unit = row.unit;
    result.value = valueInUnit(row.greek, row.unit ?? '', result);
  }
  return result;
}

/**
 * The implied volatility; null when there is none, or no single one, and the row has a volatility of its own.
 */
function implyVolatility(row: PriceRow, kind: 'call' | 'put', option: ResolvedOption): number | null {
  const field = row.price === undefined ? 'price_undiscounted' : 'price';
  const forward = option.spot * Math.exp(option.carry * row.T);
  const discount = row.price === undefined ? 1 : option.discount;
  if (row.T === 0 && row.vol !== undefined) return null;
  try {
    return impliedVolatility(kind, row[field]!, forward, row.K, row.T, discount);
  } catch (error) {
    if (!(error instanceof ZkMarginError)) throw error;
    if (row.vol !== undefined && error.code === 'NO_ARBITRAGE_FREE_PRICE') return null;
    // Nothing but the price can be at fault: the shape and the model have checked the rest.
    throw new ZkMarginError(error.code, error.message, { field, details: error.details, cause: error });
  }
}

function parseKind(type: string): 'call' | 'put' {
  const name = type.toLowerCase();
  if (name === 'c' || name === 'call') return 'call';
  if (name === 'p' || name === 'put') return 'put';
  throw new ZkMarginError('MALFORMED', 'Give C or P, or call or put, as type.', { field: 'type' });
}

const MODELS = new Map<string, PriceModel>([
  ['black76', 'BLACK76'],
  ['black', 'BLACK76'],
  ['b76', 'BLACK76'],
  ['bsm', 'BSM'],
  ['blackscholesmerton', 'BSM'],
  ['bs', 'BSM'],
  ['blackscholes', 'BSM'],
  ['gbs', 'GBS'],
  ['generalisedblackscholes', 'GBS'],
  ['generalizedblackscholes', 'GBS'],
]);

/** How far two statements of one figure may differ, as `b` from `r - q` when all three are given. */
const AGREEMENT = 1e-6;

function resolveModel(row: PriceRow): ResolvedOption {
  const model = chooseModel(row);
  if (model === 'BLACK76') {
    const forward = requirePresent(row, 'F');
    const { rate, discount } = resolveDiscount(row);
    return { model, spot: forward, rate, carry: 0, discount };
  }
  const spot = requirePresent(row, 'S');
  if (row.r === undefined && row.discount === undefined) requirePresent(row, 'r');
  const { rate, discount } = resolveDiscount(row);
  if (model === 'GBS' && row.q === undefined) requirePresent(row, 'b');
  const ofYield = row.q === undefined ? undefined : rate - row.q;
  const carry = row.b ?? ofYield ?? rate;
  if (ofYield !== undefined && Math.abs(carry - ofYield) > AGREEMENT) {
    throw new ZkMarginError('MALFORMED', 'Give b or q, or let b be r - q.', { field: 'b' });
  }
  requireExponent(carry, row.T, row.b === undefined && row.q !== undefined ? 'q' : 'b');
  return { model, spot, rate, carry, discount };
}

function chooseModel(row: PriceRow): PriceModel {
  if (row.model !== undefined) {
    const model = MODELS.get(row.model.toLowerCase().replace(/[^a-z0-9]/g, ''));
    if (model === undefined) {
      throw new ZkMarginError('UNKNOWN_MODEL', 'Give BLACK76, BSM or GBS as model.', { field: 'model' });
    }
    return model;
  }
  if (row.F !== undefined) return 'BLACK76';
  return row.b !== undefined && row.q === undefined ? 'GBS' : 'BSM';
}

/** Rate and discount factor, each from the other where one is missing; no discounting where both are. */
function resolveDiscount(row: PriceRow): { rate: number; discount: number } {
  const { T: years, r, discount } = row;
  if (r !== undefined) requireExponent(r, years, 'r');
  const ofRate = r === undefined ? 1 : Math.exp(-r * years);
  if (discount === undefined) return { rate: r ?? 0, discount: ofRate };
  if (r !== undefined && Math.abs(discount - ofRate) > AGREEMENT) {
    throw new ZkMarginError('MALFORMED', 'Give discount or r, or let discount be exp(-r T).', {
      field: 'discount',
    });
  }
  // Adding 0 makes the rate of a discount of 1 a plain zero.
  const rate = r ?? (years > 0 ? -Math.log(discount) / years + 0 : 0);
  if (!(Math.abs(rate) <= 1e290 && Math.abs(rate * years) <= LARGEST_EXPONENT)) {
    throw new ZkMarginError('OUT_OF_RANGE', 'Give a discount nearer to 1: its rate is too large.', {
      field: 'discount',
    });
  }
  return { rate, discount };
}

function requirePresent(row: PriceRow, field: 'F' | 'S' | 'r' | 'b'): number {
  const value = row[field];
  if (value === undefined) throw new ZkMarginError('MALFORMED', `Give ${field}.`, { field });
  return value;
}

/** How a sensitivity scales with the units of time, volatility and rates: the power of each. */
interface Dimension {
  readonly name: keyof GeneralisedGreeks;
  readonly time?: number;
  readonly volatility?: number;
  readonly rate?: number;
}

const DIMENSIONS: readonly (readonly [Dimension, readonly string[]])[] = [
  [{ name: 'price' }, ['price', 'value', 'premium', 'npv']],
  [{ name: 'delta' }, ['delta', 'spotdelta']],
  [{ name: 'gamma' }, ['gamma']],
  [{ name: 'vega', volatility: 1 }, ['vega']],
  [{ name: 'theta', time: 1 }, ['theta']],
  [{ name: 'rho', rate: 1 }, ['rho']],
  [{ name: 'vanna', volatility: 1 }, ['vanna', 'ddeltadvol', 'dvegadspot']],
  [{ name: 'volga', volatility: 2 }, ['volga', 'vomma', 'dvegadvol']],
  [{ name: 'charm', time: 1 }, ['charm', 'ddeltadtime', 'deltadecay']],
  [{ name: 'elasticity' }, ['elasticity', 'lambda', 'omega', 'leverage']],
  [{ name: 'driftlessTheta', time: 1 }, ['driftlesstheta']],
  [{ name: 'dividendRho', rate: 1 }, ['dividendrho', 'phi', 'rho2', 'psi', 'yieldrho', 'rhoq', 'epsilon']],
  [{ name: 'carryRho', rate: 1 }, ['carryrho', 'rhob', 'costofcarryrho']],
  [{ name: 'strikeDelta' }, ['strikedelta', 'dualdelta', 'strikesensitivity', 'dvdk', 'dvdx']],
  [{ name: 'strikeGamma' }, ['strikegamma', 'dualgamma', 'd2vdk2', 'd2vdx2', 'riskneutraldensity', 'rnd']],
  [{ name: 'forwardDelta' }, ['forwarddelta', 'deltaforward']],
  [
    { name: 'inTheMoneyProbability' },
    ['inthemoneyprobability', 'itmprobability', 'itmcashprobability', 'probabilityinthemoney', 'zeta'],
  ],
  [{ name: 'speed' }, ['speed', 'dgammadspot']],
  [{ name: 'zomma', volatility: 1 }, ['zomma', 'dgammadvol']],
  [{ name: 'color', time: 1 }, ['color', 'colour', 'dgammadtime', 'gammadecay']],
  [{ name: 'veta', time: 1, volatility: 1 }, ['veta', 'dvegadtime', 'vegadecay']],
  [{ name: 'ultima', volatility: 3 }, ['ultima', 'dvommadvol', 'dvolgadvol']],
];

const DIMENSION_OF_NAME = new Map(
  DIMENSIONS.flatMap(([dimension, names]) => names.map((name) => [name, dimension] as const)),
);

/** A sensitivity in a unit: its figure per year and per 1.00, times what the unit's steps are of those. */
function valueInUnit(greek: string, unit: string, result: PriceResult): number | null {
  // `theta_per_day` names its unit itself.
  const [, name = '', suffix = ''] = /^(.*?)(?:[ _]?per[ _]?(.*))?$/is.exec(greek.trim()) ?? [];
  const dimension = DIMENSION_OF_NAME.get(name.toLowerCase().replace(/[^a-z0-9]/g, ''));
  if (dimension === undefined) return null;
  const value = result[dimension.name];
  if (value === null) return null;
  const words = unit === '' && suffix !== '' ? `per ${suffix}` : unit;
  const { time, step } = unitSteps(words.toLowerCase().replaceAll('_', ' ').trim());
  return (
    value * time ** (dimension.time ?? 0) * step ** ((dimension.volatility ?? 0) + (dimension.rate ?? 0))
  );
}

/**
 * The step of time in years and of volatility or rate in 1.00 that a unit's words tell; 1 unless they tell
 * another.
 */
function unitSteps(unit: string): { time: number; step: number } {
  if (unit.startsWith('raw')) return { time: 1, step: 1 };
  // "per day (1/365 year)" is a day, "per year (365 days)" is none.
  const isDay = /(^|\bper )(an? |1 |one )?(\w+ )?day\b|\bdaily\b|\/ ?(365|252)\b/.test(unit);
  const time = isDay ? (/trading|business|working|252/.test(unit) ? 1 / 252 : 1 / 365) : 1;
  // "per 1.00 (100%)" is a whole, "per 1.00%" is none.
  const isWhole = /\b1\.0+(?![0\s]*%)|\b100 ?%/.test(unit);
  const step = /basis point|\bbps?\b|\b0\.0001\b|0\.01 ?%/.test(unit)
    ? 1e-4
    : !isWhole && /%|percent|\bpoint|\b0\.01\b/.test(unit)
      ? 1e-2
      : 1;
  return { time, step };
}

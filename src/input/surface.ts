/** Documents that hold a volatility surface: quotes per expiry, an option chain in rows, or SVI parameters to evaluate. */
import { type Static, Type } from 'typebox';
import { checkShape } from '../check-shape.ts';
import { ZkMarginError } from '../errors.ts';
import {
  type BuildOptions,
  type BuiltSurface,
  buildSurface,
  checkSvi,
  MAX_SURFACE_EXPIRIES,
  MAX_SURFACE_QUOTES,
  type SurfaceExpiryInput,
  type SurfaceInput,
} from '../market/build-surface.ts';
import type { OptionQuote } from '../market/quotes.ts';
import { DERIVE_MAX_TOTAL_VARIANCE, sviCap, sviTotalVariance } from '../market/surface.ts';
import { YEAR_SECONDS } from '../market/words.ts';
import { secondsOf } from './time.ts';

/** Largest number of SVI rows. */
const MAX_SVI_ROWS = 1_000_000;

const Amount = Type.Union([Type.Number({ minimum: 0, maximum: 1e15 }), Type.Null()]);
const Volatility = Type.Union([Type.Number({ minimum: 0, maximum: 1e6 }), Type.Null()]);
const Positive = Type.Number({ exclusiveMinimum: 0, maximum: 1e15 });
const Label = Type.String({ minLength: 1, maxLength: 64 });
const When = Type.Union([Type.String({ maxLength: 64 }), Type.Number()]);

const Quote = Type.Object(
  {
    strike: Positive,
    type: Type.Union([Type.Literal('C'), Type.Literal('P')]),
    bidVol: Type.Optional(Volatility),
    askVol: Type.Optional(Volatility),
    markVol: Type.Optional(Volatility),
    bid: Type.Optional(Amount),
    ask: Type.Optional(Amount),
    mark: Type.Optional(Amount),
  },
  { additionalProperties: false },
);

const Svi = Type.Object({
  a: Type.Number(),
  b: Type.Number({ minimum: 0 }),
  rho: Type.Number({ minimum: -1, maximum: 1 }),
  m: Type.Number(),
  sigma: Type.Number({ minimum: 0 }),
});

/** The project's own document. Times are ISO 8601 with a zone, names such as `28FEB25`, seconds since 1970, or years. */
export const SurfaceDocument = Type.Object(
  {
    underlying: Type.Optional(Label),
    asOf: Type.Optional(When),
    spot: Type.Optional(Positive),
    expiries: Type.Array(
      Type.Object(
        {
          name: Type.Optional(Label),
          expiry: When,
          forward: Positive,
          discount: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 2 })),
          priceUnit: Type.Optional(Type.Union([Type.Literal('usd'), Type.Literal('coin')])),
          quotes: Type.Optional(Type.Array(Quote, { maxItems: MAX_SURFACE_QUOTES })),
          svi: Type.Optional(Svi),
          sviYears: Type.Optional(Positive),
        },
        { additionalProperties: false },
      ),
      { maxItems: MAX_SURFACE_EXPIRIES },
    ),
  },
  { additionalProperties: false },
);

/** An option chain whose quotes are rows; `columns` names their fields. */
const ChainDocument = Type.Object({
  asset: Type.Optional(Label),
  timestamp: Type.String({ maxLength: 64 }),
  index: Type.Optional(Positive),
  columns: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 }),
  expiries: Type.Array(
    Type.Object({
      expiry: When,
      forward: Positive,
      rows: Type.Array(
        Type.Array(Type.Union([Type.Number(), Type.String({ maxLength: 64 }), Type.Null()]), {
          maxItems: 64,
        }),
        { maxItems: MAX_SURFACE_QUOTES },
      ),
    }),
    { maxItems: MAX_SURFACE_EXPIRIES },
  ),
});

const SviRow = Type.Object({
  id: Type.Optional(Type.Union([Type.String({ maxLength: 256 }), Type.Number()])),
  a: Type.Number(),
  b: Type.Number({ minimum: 0 }),
  rho: Type.Number({ minimum: -1, maximum: 1 }),
  m: Type.Number(),
  sigma: Type.Number({ minimum: 0 }),
  k: Type.Optional(Type.Number()),
  K: Type.Optional(Positive),
  F: Type.Optional(Positive),
  T: Type.Optional(Positive),
  capped: Type.Optional(Type.Boolean()),
  maxTotalVariance: Type.Optional(Positive),
});

/** SVI at one log-moneyness. */
export interface SviValue {
  readonly id: string | number | undefined;
  /** `ln(K/F)`, or the `k` of the row. */
  readonly logMoneyness: number;
  /** Where the curve is read: the same, or the cap. */
  readonly k: number;
  readonly kcapped: boolean;
  /** Total variance. */
  readonly w: number;
  /** Annualised volatility; absent without a time. */
  readonly vol: number | undefined;
}

/** A surface to build, or SVI rows that are evaluated. */
export type SurfaceRequest =
  | { readonly kind: 'surface'; readonly input: SurfaceInput }
  | { readonly kind: 'svi'; readonly values: readonly SviValue[] };

/** What {@link evaluateSurfaceDocument} gives. */
export type SurfaceAnswer =
  | { readonly kind: 'surface'; readonly surface: BuiltSurface }
  | { readonly kind: 'svi'; readonly values: readonly SviValue[] };

/**
 * Reads a document and builds its surface, or evaluates its SVI rows.
 *
 * @throws ZkMarginError as {@link readSurfaceDocument} and {@link buildSurface}, and nothing else
 */
export function evaluateSurfaceDocument(document: unknown, options: BuildOptions = {}): SurfaceAnswer {
  const request = readSurfaceDocument(document);
  if (request.kind === 'svi') return request;
  return { kind: 'surface', surface: buildSurface(request.input, options) };
}

/**
 * Reads one of
 * - {@link SurfaceDocument};
 * - an option chain with `columns`, `timestamp` and `expiries[].rows`, prices in coin where a column's name ends in `Coin`;
 * - SVI rows: one, a list, or `{vectors: [...]}`.
 *
 * @throws ZkMarginError `MALFORMED`, `NOT_FINITE`, `OUT_OF_RANGE`, `TOO_LARGE`, with the path of what is wrong
 */
export function readSurfaceDocument(document: unknown): SurfaceRequest {
  if (typeof document !== 'object' || document === null) {
    throw new ZkMarginError('MALFORMED', 'Give an object with expiries, or SVI rows.', { field: '' });
  }
  if (Array.isArray(document)) return { kind: 'svi', values: sviRows(document, '') };
  const fields = document as Record<string, unknown>;
  if (Array.isArray(fields.vectors)) return { kind: 'svi', values: sviRows(fields.vectors, 'vectors') };
  if ('a' in fields || 'sigma' in fields) return { kind: 'svi', values: [sviRow(document, '')] };
  requireFewQuotes(fields.expiries);
  if ('columns' in fields) return { kind: 'surface', input: chainInput(checkShape(ChainDocument, document)) };
  return { kind: 'surface', input: ownInput(checkShape(SurfaceDocument, document)) };
}

/** The total is checked before the shape, so that a document too large is refused quickly. */
function requireFewQuotes(expiries: unknown): void {
  if (!Array.isArray(expiries)) return;
  let count = 0;
  for (const expiry of expiries) {
    const list = (expiry as { quotes?: unknown; rows?: unknown } | null | undefined) ?? {};
    for (const quotes of [list.quotes, list.rows]) if (Array.isArray(quotes)) count += quotes.length;
  }
  if (count > MAX_SURFACE_QUOTES) {
    throw new ZkMarginError('TOO_LARGE', `Give at most ${MAX_SURFACE_QUOTES} quotes in all.`, {
      field: 'expiries',
      details: { count, maximum: MAX_SURFACE_QUOTES },
    });
  }
}

// --- Own documents --------------------------------------------------------------------------------------------------

function ownInput(document: Static<typeof SurfaceDocument>): SurfaceInput {
  // Expiries all given in years need no date; they count from 1970 then, and no name is made of it.
  const dateless = document.asOf === undefined && document.expiries.every(({ expiry }) => isYears(expiry));
  if (document.asOf === undefined && !dateless) {
    throw new ZkMarginError('MALFORMED', 'Give asOf: the time of the quotes.', { field: 'asOf' });
  }
  const asOf = document.asOf === undefined ? 0 : secondsOf(document.asOf, 'asOf');
  return {
    ...(document.underlying === undefined ? {} : { underlying: document.underlying }),
    ...(document.spot === undefined ? {} : { spot: document.spot }),
    asOf,
    expiries: document.expiries.map((expiry, index): SurfaceExpiryInput => {
      const field = `expiries[${index}]`;
      if ((expiry.quotes === undefined) === (expiry.svi === undefined)) {
        throw new ZkMarginError('MALFORMED', `Give ${field} either quotes or svi.`, {
          field: `${field}.quotes`,
        });
      }
      const { expiry: when, name, ...rest } = expiry;
      const years = typeof when === 'number' && isYears(when) ? when : undefined;
      const seconds = years === undefined ? secondsOf(when, `${field}.expiry`) : asOf + years * YEAR_SECONDS;
      const label = name ?? (dateless ? `${when} y` : undefined);
      return {
        ...(rest as Omit<SurfaceExpiryInput, 'expiry'>),
        expiry: seconds,
        ...(label === undefined ? {} : { name: label }),
      };
    }),
  };
}

/** Numbers up to 100 are years; larger ones are seconds since 1970. */
function isYears(when: string | number): boolean {
  return typeof when === 'number' && when <= 100;
}

// --- Chains ---------------------------------------------------------------------------------------------------------

const CHAIN_COLUMNS = [
  ['markVol', /^markIv\b/],
  ['bidVol', /^bidIv\b/],
  ['askVol', /^askIv\b/],
  ['bid', /^bid(Coin|Usd)$/],
  ['ask', /^ask(Coin|Usd)$/],
  ['mark', /^mark(Coin|Usd)$/],
] as const;

function chainInput(document: Static<typeof ChainDocument>): SurfaceInput {
  const { columns } = document;
  const strikeAt = columns.indexOf('strike');
  const typeAt = columns.indexOf('C|P');
  if (strikeAt === -1 || typeAt === -1) {
    throw new ZkMarginError('MALFORMED', 'Name the columns strike and C|P among columns.', {
      field: 'columns',
    });
  }
  const places = CHAIN_COLUMNS.map(([name, pattern]) => ({
    name,
    at: columns.findIndex((column) => pattern.test(column)),
  })).filter(({ at }) => at !== -1);
  const priceUnit = columns.some((column) => /^(bid|ask|mark)Usd$/.test(column)) ? 'usd' : 'coin';
  return {
    ...(document.asset === undefined ? {} : { underlying: document.asset }),
    ...(document.index === undefined ? {} : { spot: document.index }),
    asOf: secondsOf(document.timestamp, 'timestamp'),
    expiries: document.expiries.map((expiry, index): SurfaceExpiryInput => {
      const field = `expiries[${index}]`;
      const when = secondsOf(expiry.expiry, `${field}.expiry`);
      const quotes = expiry.rows.map((row, position) => {
        const path = `${field}.rows[${position}]`;
        const strike = row[strikeAt];
        const type = row[typeAt];
        if (type !== 'C' && type !== 'P') {
          throw new ZkMarginError('MALFORMED', `Give ${path}[${typeAt}] as C or P.`, {
            field: `${path}[${typeAt}]`,
          });
        }
        const quote: Record<string, unknown> = {
          strike: cell(strike, `${path}[${strikeAt}]`, 1e-12) ?? missing(`${path}[${strikeAt}]`),
          type,
        };
        for (const { name, at } of places) {
          const value = cell(row[at], `${path}[${at}]`, 0);
          if (value !== undefined) quote[name] = value;
        }
        return quote as unknown as OptionQuote;
      });
      return { expiry: when, forward: expiry.forward, priceUnit, quotes };
    }),
  };
}

function cell(value: unknown, field: string, minimum: number): number | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value !== 'number') {
    throw new ZkMarginError('MALFORMED', `Give ${field} as a number or null.`, { field });
  }
  if (!Number.isFinite(value)) {
    throw new ZkMarginError('NOT_FINITE', `Give ${field} as a finite number.`, { field });
  }
  if (value < minimum || value > 1e15) {
    throw new ZkMarginError('OUT_OF_RANGE', `Keep ${field} within [${minimum}, 1e15].`, {
      field,
      details: { value },
    });
  }
  return value;
}

function missing(field: string): never {
  throw new ZkMarginError('MALFORMED', `Give ${field}.`, { field });
}

// --- SVI rows -------------------------------------------------------------------------------------------------------

function sviRows(rows: readonly unknown[], field: string): SviValue[] {
  if (rows.length > MAX_SVI_ROWS) {
    throw new ZkMarginError('TOO_LARGE', `Give at most ${MAX_SVI_ROWS} rows.`, { field });
  }
  return rows.map((row, index) => sviRow(row, `${field}[${index}]`));
}

/**
 * Evaluates one row. With `K` and `F` it is read as Derive reads it: `|k|` at most `4 √(a + bσ)`, and total variance at
 * most 144 (derivexyz/lyra-utils, SVI.sol). With `k` alone the curve is read as it stands. `capped` decides otherwise.
 */
function sviRow(row: unknown, field: string): SviValue {
  const { id, k, K, F, T, capped, maxTotalVariance, ...parameters } = checkShape(SviRow, row, field);
  const svi = checkSvi(parameters, field);
  const path = (name: string) => (field === '' ? name : `${field}.${name}`);
  if (k === undefined && (K === undefined || F === undefined)) {
    throw new ZkMarginError('MALFORMED', `Give ${path('k')}, or K and F.`, {
      field: path(K === undefined ? 'K' : 'F'),
    });
  }
  const logMoneyness = k ?? Math.log(K! / F!);
  if (Math.abs(logMoneyness) > 1e3) {
    throw new ZkMarginError('OUT_OF_RANGE', `Keep ${path('k')} within ±1000.`, { field: path('k') });
  }
  const isCapped = capped ?? k === undefined;
  let at = logMoneyness;
  if (isCapped) {
    const cap = sviCap(svi);
    if (Number.isNaN(cap)) {
      throw new ZkMarginError('OUT_OF_RANGE', `Give ${path('a')} such that a + b sigma is not negative.`, {
        field: path('a'),
      });
    }
    at = Math.min(Math.max(logMoneyness, -cap), cap);
  }
  const variance = Math.max(0, sviTotalVariance(svi, at));
  const largest = maxTotalVariance ?? (isCapped ? DERIVE_MAX_TOTAL_VARIANCE : Number.POSITIVE_INFINITY);
  const w = Math.min(variance, largest);
  const vol = T === undefined ? undefined : Math.sqrt(w / T);
  if (!Number.isFinite(w) || (vol !== undefined && !Number.isFinite(vol))) {
    throw new ZkMarginError('OUT_OF_RANGE', `Give ${field || 'the row'} parameters of a finite volatility.`, {
      field,
    });
  }
  return { id, logMoneyness, k: at, kcapped: at !== logMoneyness, w, vol };
}

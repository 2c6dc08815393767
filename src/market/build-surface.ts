/**
 * A whole volatility surface from quotes: an SVI curve and eight pillars per expiry, what they lose against the quotes,
 * where they admit static arbitrage, and how they are read between and beyond expiries.
 */
import { joinField, requireFinite, ZkMarginError } from '../errors.ts';
import { type ArbitrageRange, arbitrageRanges, findSmileArbitrage, type Smile } from './arbitrage.ts';
import { formatExpiry, MAX_EXPIRY_HOUR } from './instrument.ts';
import { type LeftOut, type OptionQuote, type QuotePoint, quotePoints } from './quotes.ts';
import {
  type FloatExpiry,
  fitPillars,
  interpolatePillars,
  type PillarFit,
  pillarSmile,
  type SviParameters,
  sviPoints,
  sviSmile,
  sviVolatility,
  type VolatilityPoint,
} from './surface.ts';
import { fitSvi, MIN_SVI_STRIKES, type SviFit, vegaWeight } from './svi-fit.ts';
import { MIN_TENOR_SECONDS, pillarSpacing, type SpacingExponent, YEAR_SECONDS } from './words.ts';

/** Largest number of quotes of a surface. */
export const MAX_SURFACE_QUOTES = 1_000_000;
/** Largest number of expiries of a surface. */
export const MAX_SURFACE_EXPIRIES = 1_000;
/** Longest time to expiry, in seconds: that of section 7.2 of `docs/margin-model.md`. */
const MAX_TENOR_SECONDS = 2 ** 27;

/**
 * Weight of the SVI curve beside the quotes in the fit of pillars, and of the squared error against the curve in the
 * choice of their spacing.
 *
 * Pillars fitted to quotes alone have the least loss on those quotes, but those in wings without quotes are free, and
 * wrong where quotes appear next; pillars fitted to the curve alone inherit its misfit. Measured on the marks of four
 * chains of BTC and ETH, calm and in a crash (vega-weighted rms in vol points, in the order BTC calm, BTC crash, ETH
 * calm, ETH crash): on the strikes fitted, quotes alone lose 0.115, 0.622, 0.155, 0.721, the curve alone 0.178, 0.813,
 * 0.235, 0.827, and both with these weights 0.120, 0.631, 0.159, 0.750; fitted to every second strike and read at the
 * others, quotes alone lose 0.43, 1.29, 0.57, 2.37, and both 0.29, 0.84, 0.25, 0.93.
 */
const CURVE_SHARE = 3e-3;
const CURVE_VOTE = 0.03;

const SPACING_EXPONENTS: readonly SpacingExponent[] = [0, 1, 2, 3];

/** Standard deviations at the money within which a curve that was given, not fitted, is searched for butterflies. */
const GIVEN_CURVE_WIDTH = 10;

/** One expiry to be built: quotes, or a known SVI curve. */
export interface SurfaceExpiryInput {
  /** What reports call it; the date, such as `28FEB25`, unless given. */
  readonly name?: string;
  /** Seconds since 1970-01-01 UTC. */
  readonly expiry: number;
  /** In USD. */
  readonly forward: number;
  /** 1 unless given. */
  readonly discount?: number;
  readonly quotes?: readonly OptionQuote[];
  /** Unit of prices among the quotes; USD unless given. */
  readonly priceUnit?: 'usd' | 'coin';
  /** Taken instead of fitting quotes. */
  readonly svi?: SviParameters;
  /** The time that `svi` was fitted with; the time to expiry unless given. */
  readonly sviYears?: number;
}

/** One observation of a market. */
export interface SurfaceInput {
  readonly underlying?: string;
  /** Seconds since 1970-01-01 UTC. */
  readonly asOf: number;
  /** In USD; anchors forwards before the first expiry. */
  readonly spot?: number;
  /** In any order. */
  readonly expiries: readonly SurfaceExpiryInput[];
}

/** How {@link buildSurface} builds. */
export interface BuildOptions {
  /** `mid` of bid and ask where both exist (default), or the `mark` where one exists. */
  readonly target?: 'mid' | 'mark';
  /** Whether SVI fits are drawn away from static arbitrage; true unless given. */
  readonly arbitrageFree?: boolean;
  /** Milliseconds of some clock, to time the fits; they are not timed without. */
  readonly clock?: () => number;
}

/** What a curve loses against points, in volatility (0.01 is one vol point). */
export interface SurfaceLoss {
  /** Root of the mean square error, weighted with squared vega. */
  readonly rms: number;
  /** Median absolute error, every point alike. */
  readonly median: number;
  /** Largest absolute error, and where. */
  readonly max: number;
  readonly maxStrike: number;
  readonly maxLogMoneyness: number;
  /** Expiry of the largest error. */
  readonly maxExpiry: string;
  /** Largest absolute error within two and a half standard deviations at the money. */
  readonly maxNear: number;
  /** Share of the points with a bid and an ask at which the curve lies between them. */
  readonly insideSpread: number | undefined;
  /** How many points. */
  readonly count: number;
}

/** Loss of both representations, against the fitted volatilities and against marks where there are any. */
export interface LossReport {
  readonly svi: SurfaceLoss;
  readonly pillars: SurfaceLoss;
  readonly sviToMarks: SurfaceLoss | undefined;
  readonly pillarsToMarks: SurfaceLoss | undefined;
}

/** Errors at one quote, model less quote, in volatility. */
export interface QuoteResidual {
  /** Index among the quotes of the expiry. */
  readonly index: number;
  readonly strike: number;
  readonly type: 'C' | 'P';
  readonly logMoneyness: number;
  readonly volatility: number;
  readonly weight: number;
  readonly source: 'mid' | 'mark';
  readonly svi: number;
  readonly pillars: number;
}

/** One expiry of a surface. */
export interface BuiltExpiry {
  readonly name: string;
  /** Seconds since 1970-01-01 UTC. */
  readonly expiry: number;
  /** Time to expiry that is priced with: at least an hour. */
  readonly years: number;
  readonly forward: number;
  readonly discount: number;
  readonly svi: SviParameters;
  /** The time that `svi` is meant with. */
  readonly sviYears: number;
  /** What the fit of SVI gave, unless SVI was given. */
  readonly fit: Omit<SviFit, 'residuals'> | undefined;
  readonly pillars: {
    readonly spacingExponent: SpacingExponent;
    /** Eight volatilities in `2^-16 h`, as they stand in an oracle word. */
    readonly vols: readonly bigint[];
  };
  /** Eight annualised volatilities. */
  readonly pillarVolatilities: readonly number[];
  readonly residuals: readonly QuoteResidual[];
  readonly leftOut: readonly LeftOut[];
  readonly loss: LossReport;
  /** Milliseconds of the fits of SVI and of pillars, when a clock was given. */
  readonly milliseconds: { readonly svi: number; readonly pillars: number } | undefined;
}

/**
 * Where either representation admits static arbitrage within three standard deviations; butterflies of SVI also as far as
 * there are quotes.
 */
export interface ArbitrageReport {
  readonly svi: readonly ArbitrageRange[];
  readonly pillars: readonly ArbitrageRange[];
}

/** A surface, its expiries in increasing order. */
export interface BuiltSurface {
  readonly underlying: string | undefined;
  readonly asOf: number;
  readonly spot: number | undefined;
  readonly expiries: readonly BuiltExpiry[];
  readonly arbitrage: ArbitrageReport;
  /** Every expiry counts the same in `rms` and `median`, which is the median of those of the expiries. */
  readonly loss: LossReport;
}

/**
 * Builds a surface.
 *
 * Expiries are sorted and fitted from the first to the last, each drawn to lie above the one before. The pillars are
 * fitted to the quotes and, with a weight of {@link CURVE_SHARE}, to the SVI curve, which leads those without quotes.
 *
 * @throws ZkMarginError with the path of what is wrong, such as `expiries[2].quotes[3].bidVol`: `NOT_FINITE`,
 * `OUT_OF_RANGE`, `MALFORMED` (also for two expiries at one time), `EXPIRED_OPTION`, `NOT_ENOUGH_DATA` for fewer than
 * five usable strikes, `TOO_LARGE`, `FIT_FAILED`
 */
export function buildSurface(input: SurfaceInput, options: BuildOptions = {}): BuiltSurface {
  requireFinite(input.asOf, 0, 2 ** 40, 'asOf');
  if (input.spot !== undefined) requireFinite(input.spot, 1e-12, 1e15, 'spot');
  const order = sortedExpiries(input);
  const expiries: BuiltExpiry[] = [];
  let floor: ((logMoneyness: number) => number) | undefined;
  for (const { index, expiry } of order) {
    const built = buildExpiry(expiry, input.asOf, `expiries[${index}]`, floor, options);
    expiries.push(built.expiry);
    floor = (logMoneyness) => built.curve.totalVariance(logMoneyness)[0];
  }
  const arbitrageOf = (smiles: readonly Smile[]) => arbitrageRanges(smiles, findSmileArbitrage(smiles));
  return {
    underlying: input.underlying,
    asOf: input.asOf,
    spot: input.spot,
    expiries,
    arbitrage: {
      svi: arbitrageOf(expiries.map((expiry) => smileOf(expiry, 'svi'))),
      pillars: arbitrageOf(expiries.map((expiry) => smileOf(expiry, 'pillars'))),
    },
    loss: wholeLoss(expiries.map(({ loss }) => loss)),
  };
}

/** An expiry of a built surface as a function of log-moneyness, by its curve or by its pillars. */
export function smileOf(expiry: BuiltExpiry, by: 'svi' | 'pillars'): Smile {
  if (by === 'pillars') return pillarSmile(floatExpiryOf(expiry), expiry.name);
  const smile = sviSmile(expiry.svi, expiry.sviYears, expiry);
  const { residuals } = expiry;
  const wide = GIVEN_CURVE_WIDTH * smile.deviation;
  const range = residuals.length > 0 ? extentOf(residuals) : ([-wide, wide] as const);
  return { ...smile, range };
}

function extentOf(residuals: readonly QuoteResidual[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { logMoneyness } of residuals) {
    low = Math.min(low, logMoneyness);
    high = Math.max(high, logMoneyness);
  }
  return [low, high];
}

/** An expiry of a built surface as the float margin model reads it. */
function floatExpiryOf(expiry: BuiltExpiry): FloatExpiry {
  return {
    expiryHour: Math.floor(expiry.expiry / 3_600),
    forward: expiry.forward,
    discount: expiry.discount,
    tenor: expiry.years * YEAR_SECONDS,
    years: expiry.years,
    spacing: pillarSpacing(expiry.pillars.spacingExponent),
    pillars: Float64Array.from(expiry.pillarVolatilities),
  };
}

// --- Reading between expiries ---------------------------------------------------------------------------------------

/** What a surface says at one time and one strike. */
export interface SurfaceReading {
  readonly years: number;
  readonly forward: number;
  readonly discount: number;
  readonly logMoneyness: number;
  readonly strike: number;
  readonly totalVariance: number;
  readonly volatility: number;
  /** Whether the time lies outside the expiries. */
  readonly extrapolated: 'before' | 'after' | undefined;
}

/**
 * Reads a surface at any time and strike.
 *
 * Between two expiries total variance is linear in time at equal log-moneyness `ln(K/F)`: it is then increasing in time
 * wherever it increases from one expiry to the next, so no calendar arbitrage appears between two expiries that have none
 * (Gatheral and Jacquier 2014, lemma 2.1). The logarithms of forward and discount are linear in time.
 *
 * Before the first and after the last expiry, volatility is the same function of standardised log-moneyness `ln(K/F)/√T`
 * as at that expiry. Total variance is then `t/T w(k √(T/t))`, which increases with time as long as `1 > k w'/2w`, as in
 * every smile without butterflies (M. Fukasawa, "The normalizing transformation of the implied volatility smile", 2012);
 * and g of the butterfly only gains `(1 - t/T) w'²/16`, so that none appears before the first expiry. After the last one
 * the same term is a loss, so the surface ends at twice its last expiry. A forward before the first expiry is on the line
 * from spot if a spot is known, else the first one; after the last it grows as between the last two expiries. The
 * discount rate is constant outside.
 *
 * Within the last hour before expiry a surface is read with an hour to go, as in section 7.2 of `docs/margin-model.md`.
 *
 * @param at `strike`, or `logMoneyness` relative to the forward of that time
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE`; `MISSING_EXPIRY` beyond twice the time of the last expiry
 */
export function readSurface(
  surface: Pick<BuiltSurface, 'expiries' | 'spot'>,
  years: number,
  at: { readonly strike: number } | { readonly logMoneyness: number },
  by: 'svi' | 'pillars' = 'pillars',
): SurfaceReading {
  const { expiries } = surface;
  requireFinite(years, 0, 1e3, 'years');
  const time = Math.max(years, MIN_TENOR_SECONDS / YEAR_SECONDS);
  const last = expiries.at(-1);
  if (last === undefined || time > 2 * last.years) {
    throw new ZkMarginError('MISSING_EXPIRY', 'Ask for a time up to twice the last expiry of the surface.', {
      field: 'years',
      details: { years, last: last?.years ?? 0 },
    });
  }
  const first = expiries[0]!;
  const place = bracket(expiries, time);
  const forward = forwardAt(surface, time, place);
  const discount = discountAt(expiries, time, place);
  const logMoneyness =
    'strike' in at
      ? Math.log(requireFinite(at.strike, 1e-12, 1e15, 'strike') / forward)
      : requireFinite(at.logMoneyness, -50, 50, 'logMoneyness');
  const variance = (expiry: BuiltExpiry, k: number) => Math.max(0, smileOf(expiry, by).totalVariance(k)[0]);
  let totalVariance: number;
  let extrapolated: SurfaceReading['extrapolated'];
  if (typeof place === 'object') {
    const [earlier, later, share] = place;
    totalVariance = (1 - share) * variance(earlier, logMoneyness) + share * variance(later, logMoneyness);
  } else {
    const end = place === 'before' ? first : last;
    const ratio = time / end.years;
    totalVariance = ratio * variance(end, logMoneyness / Math.sqrt(ratio));
    extrapolated = place;
  }
  return {
    years: time,
    forward,
    discount,
    logMoneyness,
    strike: 'strike' in at ? at.strike : forward * Math.exp(logMoneyness),
    totalVariance,
    volatility: Math.sqrt(totalVariance / time),
    extrapolated,
  };
}

type Bracket = 'before' | 'after' | readonly [BuiltExpiry, BuiltExpiry, number];

function bracket(expiries: readonly BuiltExpiry[], years: number): Bracket {
  const later = expiries.findIndex((expiry) => expiry.years >= years);
  if (later === -1) return 'after';
  const right = expiries[later]!;
  if (right.years === years) return [right, right, 0];
  if (later === 0) return 'before';
  const left = expiries[later - 1]!;
  return [left, right, (years - left.years) / (right.years - left.years)];
}

function forwardAt(
  { expiries, spot }: Pick<BuiltSurface, 'expiries' | 'spot'>,
  years: number,
  place: Bracket,
) {
  if (typeof place === 'object') {
    const [left, right, share] = place;
    return left.forward * (right.forward / left.forward) ** share;
  }
  if (place === 'before') {
    const first = expiries[0]!;
    return spot === undefined ? first.forward : spot * (first.forward / spot) ** (years / first.years);
  }
  const last = expiries.at(-1)!;
  const anchor = expiries.at(-2) ?? (spot === undefined ? undefined : { forward: spot, years: 0 });
  if (anchor === undefined || !(last.years > anchor.years)) return last.forward;
  return (
    last.forward * (last.forward / anchor.forward) ** ((years - last.years) / (last.years - anchor.years))
  );
}

function discountAt(expiries: readonly BuiltExpiry[], years: number, place: Bracket): number {
  if (typeof place === 'object') {
    const [left, right, share] = place;
    return left.discount * (right.discount / left.discount) ** share;
  }
  const end = place === 'before' ? expiries[0]! : expiries.at(-1)!;
  return end.discount ** (years / end.years);
}

// --- Building -------------------------------------------------------------------------------------------------------

function sortedExpiries(input: SurfaceInput): { index: number; expiry: SurfaceExpiryInput }[] {
  const { expiries, asOf } = input;
  if (expiries.length === 0) {
    throw new ZkMarginError('NOT_ENOUGH_DATA', 'Give at least one expiry.', { field: 'expiries' });
  }
  const quotes = expiries.reduce((sum, { quotes }) => sum + (quotes?.length ?? 0), 0);
  if (expiries.length > MAX_SURFACE_EXPIRIES || quotes > MAX_SURFACE_QUOTES) {
    throw new ZkMarginError(
      'TOO_LARGE',
      `Give at most ${MAX_SURFACE_EXPIRIES} expiries and ${MAX_SURFACE_QUOTES} quotes.`,
      { field: 'expiries', details: { expiries: expiries.length, quotes } },
    );
  }
  const sorted = expiries.map((expiry, index) => ({ index, expiry }));
  for (const { index, expiry } of sorted) {
    const field = `expiries[${index}]`;
    requireFinite(expiry.expiry, 0, MAX_EXPIRY_HOUR * 3_600 + 3_599, `${field}.expiry`);
    if (expiry.expiry <= asOf) {
      throw new ZkMarginError('EXPIRED_OPTION', 'Leave out expiries that have passed.', {
        field: `${field}.expiry`,
        details: { expiry: expiry.expiry, asOf },
      });
    }
    requireFinite(expiry.expiry - asOf, 0, MAX_TENOR_SECONDS, `${field}.expiry`);
    requireFinite(expiry.forward, 1e-12, 1e15, `${field}.forward`);
    requireFinite(expiry.discount ?? 1, 1e-6, 2, `${field}.discount`);
  }
  sorted.sort((a, b) => a.expiry.expiry - b.expiry.expiry || a.index - b.index);
  for (let position = 1; position < sorted.length; position++) {
    const { index, expiry } = sorted[position]!;
    if (expiry.expiry === sorted[position - 1]!.expiry.expiry) {
      const other = sorted[position - 1]!.index;
      throw new ZkMarginError('MALFORMED', `Give each expiry once: expiries[${other}] has the same time.`, {
        field: `expiries[${index}].expiry`,
      });
    }
  }
  return sorted;
}

function buildExpiry(
  expiry: SurfaceExpiryInput,
  asOf: number,
  field: string,
  floor: ((logMoneyness: number) => number) | undefined,
  options: BuildOptions,
): { expiry: BuiltExpiry; curve: Smile } {
  const { forward, discount = 1, quotes } = expiry;
  const years = Math.max(expiry.expiry - asOf, MIN_TENOR_SECONDS) / YEAR_SECONDS;
  const name = expiry.name ?? nameOf(expiry.expiry);
  const clock = options.clock ?? (() => 0);
  const begin = clock();
  let points: readonly QuotePoint[] = [];
  let leftOut: readonly LeftOut[] = [];
  if (quotes !== undefined) {
    ({ points, leftOut } = quotePoints(
      quotes,
      { forward, discount, years, priceUnit: expiry.priceUnit ?? 'usd', target: options.target ?? 'mid' },
      `${field}.quotes`,
    ));
  }
  let svi: SviParameters;
  let sviYears = years;
  let fit: BuiltExpiry['fit'];
  if (expiry.svi !== undefined) {
    svi = checkSvi(expiry.svi, `${field}.svi`);
    sviYears = requireFinite(expiry.sviYears ?? years, 1e-9, 1e3, `${field}.sviYears`);
  } else {
    if (points.length < MIN_SVI_STRIKES) {
      throw new ZkMarginError(
        'NOT_ENOUGH_DATA',
        `Give quotes at ${MIN_SVI_STRIKES} or more strikes: ${points.length} of ${name} are usable.`,
        {
          field: `${field}.quotes`,
          details: { usable: points.length, needed: MIN_SVI_STRIKES, leftOut: countReasons(leftOut) },
        },
      );
    }
    try {
      const { residuals: _, ...found } = fitSvi(points, years, {
        ...(floor === undefined ? {} : { floor }),
        arbitrageFree: options.arbitrageFree ?? true,
      });
      svi = found.svi;
      fit = found;
    } catch (error) {
      if (!(error instanceof ZkMarginError)) throw error;
      throw new ZkMarginError(error.code, error.message, { field: `${field}.quotes`, cause: error });
    }
  }
  const middle = clock();
  const curve = sviSmile(svi, sviYears, { name, years, forward });
  const pillars = pillarsOf(points, svi, sviYears, years, curve, field);
  const end = clock();
  const spacing = pillarSpacing(pillars.spacingExponent);
  const pillarVolatilities = pillars.vols.map((value) => (Number(value) / 65_536) * spacing);
  const partial = {
    name,
    expiry: expiry.expiry,
    years,
    forward,
    discount,
    svi,
    sviYears,
    fit,
    pillars: { spacingExponent: pillars.spacingExponent, vols: pillars.vols },
    pillarVolatilities,
    leftOut,
    milliseconds: options.clock === undefined ? undefined : { svi: middle - begin, pillars: end - middle },
  };
  const pillarCurve = pillarSmile(
    {
      expiryHour: 0,
      forward,
      discount,
      tenor: 0,
      years,
      spacing,
      pillars: Float64Array.from(pillarVolatilities),
    },
    name,
  );
  // Without quotes the loss is that against the curve itself.
  const measured: readonly QuotePoint[] =
    points.length > 0
      ? points
      : curvePoints(svi, sviYears, years).map((point, index) => ({
          ...point,
          index,
          strike: forward * Math.exp(point.logMoneyness),
          type: point.logMoneyness >= 0 ? ('C' as const) : ('P' as const),
          source: 'mark' as const,
        }));
  const loss = (smile: Smile) => lossOf(measured, smile, curve.deviation, ({ volatility }) => volatility);
  const marks = measured.filter(({ markVol }) => markVol !== undefined && markVol > 0);
  const lossToMarks = (smile: Smile) =>
    marks.length === 0 ? undefined : lossOf(marks, smile, curve.deviation, ({ markVol }) => markVol!);
  return {
    curve,
    expiry: {
      ...partial,
      residuals: points.map(({ index, strike, type, logMoneyness, volatility, weight, source }) => ({
        index,
        strike,
        type,
        logMoneyness,
        volatility,
        weight: weight ?? 1,
        source,
        svi: volatilityOf(curve, logMoneyness) - volatility,
        pillars: volatilityOf(pillarCurve, logMoneyness) - volatility,
      })),
      loss: {
        svi: loss(curve),
        pillars: loss(pillarCurve),
        sviToMarks: lossToMarks(curve),
        pillarsToMarks: lossToMarks(pillarCurve),
      },
    },
  };
}

function pillarsOf(
  points: readonly QuotePoint[],
  svi: SviParameters,
  sviYears: number,
  years: number,
  curve: Smile,
  field: string,
): PillarFit {
  const along = curvePoints(svi, sviYears, years);
  try {
    if (points.length === 0) return fitPillars(along, years);
    const root = Math.sqrt(years);
    const vega = (point: VolatilityPoint) => vegaWeight(point.logMoneyness, point.volatility * root);
    let total = 0;
    for (const point of points) total += (point.weight ?? 1) * vega(point);
    // The fit multiplies by vega, which would take the curve away from just those pillars that need it.
    const share = (CURVE_SHARE * total) / along.length;
    const led = along.map((point) => ({ ...point, weight: Math.min(share / vega(point), 1e12) }));
    const targets = [...points, ...led];
    let best: PillarFit | undefined;
    let lowest = Number.POSITIVE_INFINITY;
    for (const spacingExponent of SPACING_EXPONENTS) {
      const fit = fitPillars(targets, years, { spacingExponent });
      const spacing = pillarSpacing(spacingExponent);
      const volatilities = fit.vols.map((value) => (Number(value) / 65_536) * spacing);
      let [squares, weights] = [0, 0];
      for (const point of along) {
        const error =
          interpolatePillars(volatilities, point.logMoneyness / (spacing * root)) - point.volatility;
        squares += vega(point) * error * error;
        weights += vega(point);
      }
      const score = fit.rms * fit.rms + (CURVE_VOTE * squares) / weights;
      if (score < lowest) [best, lowest] = [fit, score];
    }
    if (best !== undefined) return best;
    throw new ZkMarginError('FIT_FAILED', `No pillars fit ${curve.name}; check its volatilities.`, { field });
  } catch (error) {
    if (!(error instanceof ZkMarginError)) throw error;
    // Also where no point of the curve is a volatility that pillars can be fitted to.
    throw new ZkMarginError('FIT_FAILED', `No pillars fit ${curve.name}; check its volatilities.`, {
      field,
      cause: error,
    });
  }
}

/** Points of the curve from -4 to 4 standard deviations, with volatilities that pillars can be fitted to. */
function curvePoints(svi: SviParameters, sviYears: number, years: number): VolatilityPoint[] {
  // A curve meant with another time has the same volatility at each strike; the width follows the priced time.
  const scale = Math.sqrt(years / sviYears);
  return sviPoints(svi, sviYears)
    .map((point) => point.logMoneyness * scale)
    .map((logMoneyness) => ({ logMoneyness, volatility: sviVolatility(svi, logMoneyness, sviYears) }))
    .filter(
      ({ volatility, logMoneyness }) =>
        volatility >= 1e-4 && volatility <= 100 && Math.abs(logMoneyness) <= 20,
    );
}

function volatilityOf(smile: Smile, logMoneyness: number): number {
  return Math.sqrt(Math.max(0, smile.totalVariance(logMoneyness)[0]) / smile.years);
}

function lossOf(
  points: readonly QuotePoint[],
  smile: Smile,
  deviation: number,
  target: (point: QuotePoint) => number,
): SurfaceLoss {
  const root = Math.sqrt(smile.years);
  const errors: number[] = [];
  let [squares, total, max, maxStrike, maxLogMoneyness, maxNear, twoSided, inside] = [
    0, 0, -1, 0, 0, 0, 0, 0,
  ];
  for (const point of points) {
    const { logMoneyness, strike, bidVol, askVol } = point;
    const volatility = volatilityOf(smile, logMoneyness);
    const wanted = target(point);
    const error = Math.abs(volatility - wanted);
    const weight = vegaWeight(logMoneyness, wanted * root);
    errors.push(error);
    squares += weight * error * error;
    total += weight;
    if (error > max) [max, maxStrike, maxLogMoneyness] = [error, strike, logMoneyness];
    if (Math.abs(logMoneyness) <= 2.5 * deviation) maxNear = Math.max(maxNear, error);
    if (bidVol !== undefined && askVol !== undefined) {
      twoSided++;
      if (volatility >= bidVol && volatility <= askVol) inside++;
    }
  }
  return {
    rms: Math.sqrt(squares / total),
    median: medianOf(errors),
    max,
    maxStrike,
    maxLogMoneyness,
    maxExpiry: smile.name,
    maxNear,
    insideSpread: twoSided === 0 ? undefined : inside / twoSided,
    count: points.length,
  };
}

function wholeLoss(reports: readonly LossReport[]): LossReport {
  const whole = (select: (report: LossReport) => SurfaceLoss | undefined): SurfaceLoss | undefined => {
    const parts = reports.flatMap((report) => select(report) ?? []);
    if (parts.length === 0) return undefined;
    const worst = parts.reduce((left, right) => (right.max > left.max ? right : left));
    const sided = parts.filter(({ insideSpread }) => insideSpread !== undefined);
    const sidedCount = sided.reduce((sum, { count }) => sum + count, 0);
    return {
      ...worst,
      rms: Math.sqrt(parts.reduce((sum, { rms }) => sum + rms * rms, 0) / parts.length),
      median: medianOf(parts.map(({ median }) => median)),
      maxNear: Math.max(...parts.map(({ maxNear }) => maxNear)),
      insideSpread:
        sidedCount === 0
          ? undefined
          : sided.reduce((sum, { insideSpread, count }) => sum + insideSpread! * count, 0) / sidedCount,
      count: parts.reduce((sum, { count }) => sum + count, 0),
    };
  };
  return {
    svi: whole(({ svi }) => svi)!,
    pillars: whole(({ pillars }) => pillars)!,
    sviToMarks: whole(({ sviToMarks }) => sviToMarks),
    pillarsToMarks: whole(({ pillarsToMarks }) => pillarsToMarks),
  };
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** How many quotes were left out for each reason; quotes that lack one side only are not counted. */
function countReasons(leftOut: readonly LeftOut[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason, side } of leftOut) {
    if (side === undefined) counts[reason] = (counts[reason] ?? 0) + 1;
  }
  return counts;
}

/**
 * Raw SVI with a total variance that is nowhere negative.
 *
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE`, naming the parameter
 */
export function checkSvi(svi: SviParameters, field = 'svi'): SviParameters {
  const path = (name: string) => joinField(field, name);
  const a = requireFinite(svi.a, -1e6, 1e6, path('a'));
  const b = requireFinite(svi.b, 0, 1e6, path('b'));
  const rho = requireFinite(svi.rho, -1, 1, path('rho'));
  const m = requireFinite(svi.m, -1e3, 1e3, path('m'));
  const sigma = requireFinite(svi.sigma, 0, 1e6, path('sigma'));
  if (!(a + b * sigma * Math.sqrt(1 - rho * rho) >= 0) || !(a + b > 0)) {
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      `Give ${field || 'the row'} a positive total variance: raise a.`,
      {
        field: path('a'),
      },
    );
  }
  return { a, b, rho, m, sigma };
}

function nameOf(expiry: number): string {
  return expiry % 3_600 === 0
    ? formatExpiry(expiry / 3_600)
    : new Date(expiry * 1_000).toISOString().replace('.000', '');
}

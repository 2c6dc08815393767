/** Published numbers, through the functions and through the documents that `zkmargin price` reads. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type PriceResult, priceDocument } from '../../input/price.ts';
import { black76, black76Price } from './black76.ts';
import { type GeneralisedGreeks, generalisedBlackScholes } from './generalised-black-scholes.ts';
import { impliedVolatility, normalisedBlack, normalisedVega } from './implied-volatility.ts';
import { normalCdf } from './normal.ts';

const VECTORS = new URL('../../../../shared/vectors/', import.meta.url);
const available = existsSync(VECTORS);
if (!available) {
  console.warn('Skipped: comparisons with published numbers, since ../shared/vectors is absent.');
}

interface Row {
  readonly [key: string]: number | string | boolean | null;
}

function rows(name: string): Row[] {
  // Two rows have NaN as the volatility of an expired option, which is no JSON.
  const text = readFileSync(new URL(name, VECTORS), 'utf8').replace(/: ?(NaN|-?Infinity)\b/g, ': null');
  return (JSON.parse(text) as { vectors: Row[] }).vectors;
}

const kindOf = (row: Row) => (row.type === 'C' ? 'call' : 'put');
const number = (row: Row, key: string) => row[key] as number;

/** Inputs of a row with a spot. */
const spotInputs = (row: Row) => ({
  kind: kindOf(row) as 'call' | 'put',
  spot: number(row, 'S'),
  strike: number(row, 'K'),
  years: number(row, 'T'),
  rate: number(row, 'r'),
  carry: row.b === undefined ? number(row, 'r') - number(row, 'q') : number(row, 'b'),
  volatility: number(row, 'vol'),
});

/** A name of the published rows as the project spells it. */
const camelCase = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/**
 * How far an implied volatility may lie from a published one: the row's tolerance, or what three units in the
 * last place of the price are worth, whichever is more. The rows' tolerances are meant so, but they are for
 * their own prices and roundings.
 */
function volatilityTolerance(price: number, vega: number, volatility: number, tolerance: number): number {
  return Math.max(tolerance, (3 * Number.EPSILON * price) / vega + 4 * Number.EPSILON * volatility);
}

describe.skipIf(!available)('published European prices', () => {
  const list = available ? rows('european_prices.json') : [];

  it('are met within their tolerance, and their 40-digit values to a few units in the last place', () => {
    let worst = 0;
    for (const row of list) {
      let price: number;
      let scale: number;
      if (row.model === 'BLACK76') {
        const [F, K, D] = [number(row, 'F'), number(row, 'K'), number(row, 'discount')];
        price = black76Price(kindOf(row), F, K, number(row, 'T'), number(row, 'vol'), D);
        scale = D * Math.max(F, K);
      } else {
        const inputs = spotInputs(row);
        price = generalisedBlackScholes(inputs).price;
        scale = Math.max(
          inputs.spot * Math.exp((inputs.carry - inputs.rate) * inputs.years),
          inputs.strike * Math.exp(-inputs.rate * inputs.years),
        );
      }
      expect(Math.abs(price - number(row, 'price')), `${row.id}`).toBeLessThanOrEqual(number(row, 'tol'));
      const error = Math.abs(price - number(row, 'recomputed'));
      worst = Math.max(worst, error / scale);
      // What an out-of-the-money option is worth is right to its own digits, not to those of the strike alone.
      expect(error / number(row, 'recomputed'), `${row.id}`).toBeLessThanOrEqual(2e-13);
    }
    expect(worst).toBeLessThan(1e-15);
    expect(list.length).toBeGreaterThan(150);
  });

  it('are met through documents, and imply the volatility back', () => {
    const results = priceDocument({ vectors: list });
    expect(results.length).toBe(list.length);
    for (const [position, row] of list.entries()) {
      const result = results[position]!;
      expect([result.id, result.model, result.type]).toEqual([row.id, row.model, row.type]);
      expect(Math.abs(result.price! - number(row, 'price')), `${row.id}`).toBeLessThanOrEqual(
        number(row, 'tol'),
      );
      expect(Math.abs(result.price! / number(row, 'recomputed') - 1), `${row.id}`).toBeLessThanOrEqual(2e-13);
      expect(result.impliedVolatility !== undefined, `${row.id}`).toBe(true);
    }
    // The prices of full accuracy, without their volatilities.
    const bare = list
      .filter((row) => number(row, 'vol') < 20)
      .map(({ vol, price, ...row }) => ({ ...row, price: row.recomputed, published: vol }));
    let wellConditioned = 0;
    for (const [position, result] of priceDocument(bare).entries()) {
      const row = bare[position]!;
      const published = row.published as number;
      const figure = (key: string) => number(row as Row, key);
      const isForward = (row as Row).model === 'BLACK76';
      const [strike, years] = [figure('K'), figure('T')];
      const forward = isForward ? figure('F') : figure('S') * Math.exp(figure('b') * years);
      const discount = isForward ? figure('discount') : Math.exp(-figure('r') * years);
      const { vega } = black76(kindOf(row as Row), forward, strike, years, published, discount);
      // Forward and discount factor are rounded too, before the intrinsic value is taken off.
      const roundings = result.price! + discount * (forward + strike);
      const allowed = volatilityTolerance(roundings, vega, published, 0);
      if (allowed > 1e-3) continue;
      wellConditioned++;
      expect(Math.abs(result.vol - published), `${(row as Row).id}`).toBeLessThanOrEqual(allowed);
      expect(result.impliedVolatility).toBe(result.vol);
      expect(result.price).toBe(row.price);
    }
    expect(wellConditioned).toBeGreaterThan(100);
  });
});

describe.skipIf(!available)('published Greeks', () => {
  const list = available ? rows('greeks.json').filter((row) => row.ok !== false) : [];

  it('are met within their tolerance, and their 40-digit values closely, by function and by document', () => {
    const results = priceDocument(list);
    const seen = new Map<string, number>();
    for (const [position, row] of list.entries()) {
      const name = camelCase(row.greek as string) as keyof GeneralisedGreeks;
      seen.set(name, (seen.get(name) ?? 0) + 1);
      const result = results[position] as PriceResult;
      const inputs = spotInputs(row);
      const greeks = generalisedBlackScholes(inputs);
      // A density has the conditioning of its exponent: a relative error e of d1 is one of d1² e.
      const d1 =
        (Math.log(inputs.spot / inputs.strike) + inputs.carry * inputs.years) /
        (inputs.volatility * Math.sqrt(inputs.years));
      expect(result.greek).toBe(row.greek);
      expect(result.unit).toBe(row.unit);
      const [published, exact] = [number(row, 'value'), number(row, 'recomputed')];
      for (const value of [greeks[name], result.value!, result[name]!]) {
        expect(Math.abs(value - published), `${row.id}`).toBeLessThanOrEqual(number(row, 'tol'));
        // Theta is a sum of terms of either sign: the largest of them is the measure.
        const scale =
          name === 'theta' ? Math.abs(exact) + inputs.spot * Math.abs(inputs.rate) : Math.abs(exact);
        expect(Math.abs(value - exact), `${row.id}`).toBeLessThanOrEqual(1e-15 * (20 + d1 * d1) * scale);
      }
    }
    for (const name of [
      'delta',
      'gamma',
      'vega',
      'theta',
      'rho',
      'vanna',
      'volga',
      'elasticity',
      'driftlessTheta',
    ]) {
      expect(seen.get(name), name).toBeGreaterThan(0);
    }
    expect(list.length).toBeGreaterThan(200);
  });
});

describe.skipIf(!available)('published implied volatilities', () => {
  const list = available ? rows('implied_vol.json') : [];

  it('are met to what their prices hold, by function and by document', () => {
    const results = priceDocument({ vectors: list.map(({ vol, ...row }) => row) });
    const both = priceDocument({ vectors: list });
    for (const [position, row] of list.entries()) {
      const isSpot = row.model !== 'BLACK76';
      const [K, T, price, published] = ['K', 'T', 'price', 'vol'].map((key) => number(row, key)) as [
        number,
        number,
        number,
        number,
      ];
      const discount = isSpot ? Math.exp(-number(row, 'r') * T) : number(row, 'discount');
      const forward = isSpot
        ? number(row, 'S') * Math.exp((number(row, 'r') - number(row, 'q')) * T)
        : number(row, 'F');
      const kind = kindOf(row);
      const implied = impliedVolatility(kind, price, forward, K, T, discount);
      const { vega } = black76(kind, forward, K, T, published, discount);
      const allowed = volatilityTolerance(price, vega, published, number(row, 'tol'));
      expect(Math.abs(implied - published), `${row.id}`).toBeLessThanOrEqual(allowed);
      for (const result of [results[position]!, both[position]!]) {
        expect(Math.abs(result.impliedVolatility! - published), `${row.id}`).toBeLessThanOrEqual(allowed);
      }
      expect(results[position]!.vol).toBe(results[position]!.impliedVolatility);
      expect(both[position]!.vol).toBe(published);
      if (number(row, 'tol') < 1e-9) {
        // Tight rows by their tolerance alone.
        expect(Math.abs(implied - published), `${row.id}`).toBeLessThanOrEqual(number(row, 'tol'));
      }
    }
    expect(list.length).toBeGreaterThan(200);
  });
});

describe.skipIf(!available)('outputs of "Let\'s be rational"', () => {
  const list = available ? rows('lets_be_rational_1000.json') : [];

  it('are met: prices, implied volatilities, the normal distribution, normalised value and vega', () => {
    let implied = 0;
    for (const row of list) {
      const [F, K, T, vol, price, x, s] = ['F', 'K', 'T', 'vol', 'price_undiscounted', 'x', 's'].map((key) =>
        number(row, key),
      ) as [number, number, number, number, number, number, number];
      const kind = kindOf(row);
      const h = (value: number, deviation: number) => (value === 0 ? 0 : value / deviation);
      // The conditioning: a relative error e of h = x/s is one of h² e in the value.
      const own = black76Price(kind, F, K, T, vol);
      const depth = 1 + Math.min(h(Math.log(F / K), vol * Math.sqrt(T)) ** 2, 1e6);
      expect(Math.abs(own - price), `${row.id}`).toBeLessThanOrEqual(4e-15 * depth * price);
      expect(Math.abs(normalCdf(number(row, 'z')) - number(row, 'norm_cdf_z')), `${row.id}`).toBeLessThan(
        4e-16,
      );
      const value = normalisedBlack(kind, x, s);
      const normalised = number(row, 'normalised_black');
      expect(Math.abs(value - normalised), `${row.id}`).toBeLessThanOrEqual(
        2e-15 * (1 + h(x, s) ** 2) * normalised,
      );
      const vega = number(row, 'normalised_vega');
      expect(Math.abs(normalisedVega(x, s) - vega), `${row.id}`).toBeLessThanOrEqual(
        2e-15 * (1 + h(x, s) ** 2) * vega,
      );
      // Null stands for NaN: an expired option, whose price holds for any volatility.
      if (row.implied_vol === null) {
        expect(T).toBe(0);
        continue;
      }
      const published = number(row, 'implied_vol');
      const found = impliedVolatility(kind, price, F, K, T);
      const { vega: slope } = black76(kind, F, K, T, published);
      expect(Math.abs(found - published), `${row.id}`).toBeLessThanOrEqual(
        volatilityTolerance(price, slope, published, 0),
      );
      implied++;
    }
    expect(implied).toBeGreaterThan(250);
  });

  it('are met through documents, with the volatility and without', () => {
    const both = priceDocument({ vectors: list });
    const alone = priceDocument({ vectors: list.map(({ vol, ...row }) => row) });
    for (const [position, row] of list.entries()) {
      const price = number(row, 'price_undiscounted');
      const [result, bare] = [both[position]!, alone[position]!];
      expect(Math.abs(result.price! - price), `${row.id}`).toBeLessThanOrEqual(1e-12 * price);
      expect(bare.price).toBe(price);
      if (row.implied_vol === null) {
        expect(result.impliedVolatility).toBeNull();
        expect(bare.impliedVolatility).toBe(0);
        continue;
      }
      const published = number(row, 'implied_vol');
      const { vega } = black76(kindOf(row), number(row, 'F'), number(row, 'K'), number(row, 'T'), published);
      const allowed = volatilityTolerance(price, vega, published, 0);
      for (const found of [result.impliedVolatility!, bare.impliedVolatility!]) {
        expect(Math.abs(found - published), `${row.id}`).toBeLessThanOrEqual(allowed);
      }
    }
  });
});

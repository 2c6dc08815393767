import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../../errors.ts';
import { black76 } from './black76.ts';
import {
  type GeneralisedGreeks,
  type GeneralisedOption,
  generalisedBlackScholes,
} from './generalised-black-scholes.ts';

type Name = keyof GeneralisedGreeks;

const option = (inputs: Partial<GeneralisedOption>): GeneralisedOption => ({
  kind: 'call',
  spot: 100,
  strike: 100,
  years: 1,
  rate: 0.05,
  carry: 0.02,
  volatility: 0.3,
  ...inputs,
});

const kinds = fc.constantFrom('call' as const, 'put' as const);
const options = fc
  .record({
    kind: kinds,
    spot: fc.double({ min: 0.5, max: 200_000, noNaN: true }),
    moneyness: fc.double({ min: -1.5, max: 1.5, noNaN: true }),
    years: fc.double({ min: 1 / 365, max: 3, noNaN: true }),
    rate: fc.double({ min: -0.1, max: 0.3, noNaN: true }),
    carry: fc.double({ min: -0.3, max: 0.3, noNaN: true }),
    volatility: fc.double({ min: 0.05, max: 2.5, noNaN: true }),
  })
  .map(({ moneyness, ...rest }) => ({ ...rest, strike: rest.spot * Math.exp(moneyness) }));

describe('generalisedBlackScholes', () => {
  it('has the derivatives of the price in fifty digits', () => {
    // Numerical derivatives of the price formula in arbitrary precision, rounded to double.
    const cases: readonly (GeneralisedOption & { expected: Partial<GeneralisedGreeks> })[] = [
      {
        kind: 'call',
        spot: 105,
        strike: 100,
        years: 0.5,
        rate: 0.1,
        carry: 0.04,
        volatility: 0.36,
        expected: {
          price: 13.724022713285807,
          delta: 0.6351616648062057,
          gamma: 0.01338417631002078,
          vega: 26.560897887236234,
          theta: -10.857199960262527,
          rho: 26.483976045682894,
          vanna: -0.14205694218166465,
          volga: 4.192639879391296,
          charm: 0.03303665857168435,
          elasticity: 4.859506297675327,
          dividendRho: -33.3459874023258,
          carryRho: 33.3459874023258,
          strikeDelta: -0.5296795209136579,
          strikeGamma: 0.014756054381797909,
          forwardDelta: 0.6225846211783528,
          inTheMoneyProbability: 0.5568367706788283,
          speed: -0.0003265199328296549,
          zomma: -0.0350655742149651,
          color: 0.014262673961472403,
          veta: -24.817519297930485,
          ultima: -47.55730606120556,
        },
      },
      {
        kind: 'put',
        spot: 65000,
        strike: 90000,
        years: 0.1,
        rate: 0.03,
        carry: -0.02,
        volatility: 0.8,
        expected: {
          price: 25937.905945151502,
          delta: -0.8741663430102622,
          gamma: 1.2207302829875095e-5,
          vega: 4126.068356497783,
          theta: -16862.552493549927,
          rho: -8275.871824081854,
          vanna: 0.35649071948312333,
          volga: 8556.871706692715,
          charm: -1.4538017014041689,
          elasticity: -2.190647634231567,
          dividendRho: 5682.081229566705,
          carryRho: -5682.081229566705,
          strikeDelta: 0.9195413137868728,
          strikeGamma: 6.367389439039787e-6,
          forwardDelta: -0.8759164251951069,
          inTheMoneyProbability: 0.9223040798051866,
          speed: 6.790969528178175e-10,
          zomma: 1.0057059943995523e-5,
          color: -3.849090253922767e-5,
          veta: -54270.60862323678,
          ultima: -14755.155820688255,
        },
      },
      {
        kind: 'call',
        spot: 100,
        strike: 250,
        years: 0.25,
        rate: -0.01,
        carry: 0.05,
        volatility: 0.3,
        expected: {
          price: 3.1800161820583218e-9,
          delta: 1.3587186008949954e-9,
          gamma: 5.534473618466435e-10,
          vega: 4.1508552138498267e-7,
          theta: -2.5587670599728515e-7,
          rho: 3.3172960976860303e-8,
          vanna: 1.6880895967932436e-7,
          volga: 5.022295747303297e-5,
          charm: -1.0413413573288153e-7,
          elasticity: 42.72678260446904,
          dividendRho: -3.396796502237489e-8,
          carryRho: 3.396796502237489e-8,
          strikeDelta: -5.307673756297649e-10,
          strikeGamma: 8.855157789546297e-11,
          forwardDelta: 1.3418403273620036e-9,
          inTheMoneyProbability: 5.294421144573961e-10,
          speed: 2.1400966566883294e-10,
          zomma: 6.511911875788848e-8,
          color: -4.0202398792880383e-8,
          veta: -3.1812141180200214e-5,
          ultima: 0.005574355257534109,
        },
      },
    ];
    for (const { expected, ...inputs } of cases) {
      const greeks = generalisedBlackScholes(inputs);
      for (const [name, value] of Object.entries(expected) as [Name, number][]) {
        expect(Math.abs(greeks[name] / value - 1), `${inputs.kind} ${inputs.strike} ${name}`).toBeLessThan(
          2e-14,
        );
      }
    }
  });

  it('has sensitivities that are the derivatives of one another', () => {
    fc.assert(
      fc.property(options, (base) => {
        const { spot, strike, years, volatility, rate, carry } = base;
        const greeks = generalisedBlackScholes(base);
        const deviation = volatility * Math.sqrt(years);
        const amount = spot + strike;
        /**
         * Richardson's extrapolation of two central differences, against `scale`, the size of the figure at
         * the money.
         */
        const check = (
          name: Name,
          of: Name,
          input: 'spot' | 'strike' | 'years' | 'rate' | 'carry' | 'volatility',
          step: number,
          scale: number,
          sign = 1,
        ) => {
          const at = (shift: number) => {
            const moved = { ...base, [input]: base[input] + shift };
            // A rate that moves with the yield unchanged takes the carry along.
            if (input === 'rate' && name === 'rho') moved.carry = carry + shift;
            return generalisedBlackScholes(moved)[of];
          };
          const slope = (h: number) => (at(h) - at(-h)) / (2 * h);
          const estimate = (sign * (4 * slope(step / 2) - slope(step))) / 3;
          expect(Math.abs(estimate - greeks[name]) / scale, name).toBeLessThan(1e-4);
        };
        const dS = 5e-3 * spot * Math.min(1, deviation);
        const dV = 5e-3 * volatility;
        const dT = 5e-3 * years;
        const dr = 1e-4;
        const density = 1 + 1 / deviation;
        const daily = 1 / years + Math.abs(rate) + Math.abs(carry) * density;
        check('delta', 'price', 'spot', dS, 2);
        check('gamma', 'delta', 'spot', dS, density / spot);
        check('speed', 'gamma', 'spot', dS, density ** 2 / spot ** 2);
        check('vega', 'price', 'volatility', dV, amount);
        check('volga', 'vega', 'volatility', dV, amount / volatility);
        check('ultima', 'volga', 'volatility', dV, amount / volatility ** 2);
        check('vanna', 'delta', 'volatility', dV, 1 / volatility);
        check('vanna', 'vega', 'spot', dS, density);
        check('zomma', 'gamma', 'volatility', dV, density / spot / volatility);
        check('theta', 'price', 'years', dT, amount * daily, -1);
        check('charm', 'delta', 'years', dT, daily * density, -1);
        check('charm', 'theta', 'spot', dS, daily * density);
        check('color', 'gamma', 'years', dT, (daily * density ** 2) / spot, -1);
        check('veta', 'vega', 'years', dT, amount * daily * density, -1);
        check('rho', 'price', 'rate', dr, amount * (years + 1));
        check('carryRho', 'price', 'carry', dr, amount * (years + 1));
        check('dividendRho', 'price', 'carry', dr, amount * (years + 1), -1);
        check('strikeDelta', 'price', 'strike', (dS / spot) * strike, 2);
        check('strikeGamma', 'strikeDelta', 'strike', (dS / spot) * strike, density / strike);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps put-call parity in every sensitivity', () => {
    fc.assert(
      fc.property(options, fc.constantFrom('yield' as const, 'carry' as const), (base, rhoKeeps) => {
        const call = generalisedBlackScholes({ ...base, kind: 'call', rhoKeeps });
        const put = generalisedBlackScholes({ ...base, kind: 'put', rhoKeeps });
        const { spot, strike, years, rate, carry } = base;
        const spotFactor = Math.exp((carry - rate) * years);
        const strikeFactor = Math.exp(-rate * years);
        const [spotPart, strikePart] = [spot * spotFactor, strike * strikeFactor];
        // A call less a put is a forward contract: its value and its sensitivities.
        const forwardContract: Partial<Record<Name, number>> = {
          price: spotPart - strikePart,
          delta: spotFactor,
          theta: (rate - carry) * spotPart - rate * strikePart,
          rho: rhoKeeps === 'carry' ? -years * (spotPart - strikePart) : years * strikePart,
          charm: (rate - carry) * spotFactor,
          dividendRho: -years * spotPart,
          carryRho: years * spotPart,
          strikeDelta: -strikeFactor,
          forwardDelta: strikeFactor,
        };
        for (const name of Object.keys(call) as Name[]) {
          if (name === 'elasticity') {
            const sum = call.elasticity * call.price - put.elasticity * put.price;
            if (call.price > 0 && put.price > 0) expect(sum / spotPart).toBeCloseTo(1, 12);
          } else if (name === 'inTheMoneyProbability') {
            expect(call[name] + put[name]).toBeCloseTo(1, 14);
          } else {
            const scale = Math.max(
              Math.abs(call[name]),
              Math.abs(put[name]),
              forwardContract[name] === undefined ? 0 : 1,
            );
            const error = Math.abs(call[name] - put[name] - (forwardContract[name] ?? 0));
            // What the figure is a difference of, where that is larger than the figure.
            const parts: Partial<Record<Name, number>> = {
              price: 1,
              theta: Math.abs(rate) + Math.abs(carry),
              rho: years,
              dividendRho: years,
              carryRho: years,
            };
            const size = scale + (parts[name] ?? 0) * (spotPart + strikePart);
            expect(error, name).toBeLessThanOrEqual(1e-13 * size);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is Black-76 where the carry is 0', () => {
    fc.assert(
      fc.property(options, (base) => {
        const here = generalisedBlackScholes({ ...base, carry: 0, rhoKeeps: 'carry' });
        const discount = Math.exp(-base.rate * base.years);
        const there = black76(base.kind, base.spot, base.strike, base.years, base.volatility, discount);
        expect(here.price).toBe(there.price);
        const amount = base.spot + base.strike;
        const root = base.volatility * Math.sqrt(base.years);
        expect(Math.abs(here.delta - there.delta)).toBeLessThan(1e-13);
        expect(Math.abs(here.gamma - there.gamma)).toBeLessThan((1e-13 / base.spot) * (1 + 1 / root));
        expect(Math.abs(here.vega - there.vega)).toBeLessThan(1e-12 * amount);
        expect(Math.abs(here.rho - there.rho)).toBeLessThan(1e-12 * amount);
        expect(Math.abs(here.theta - there.theta)).toBeLessThan((1e-12 * amount) / base.years);
      }),
    );
  });

  const LIMITS = [
    { years: 0, volatility: 0.5 },
    { years: 1, volatility: 0 },
    { years: 0, volatility: 0 },
    { years: 1e-300, volatility: 1e-10 },
    { years: 1e-300, volatility: 1e-172 },
    { years: 1e-20, volatility: 1 },
    { years: 1, volatility: 1e-12 },
    { years: 2, volatility: 1e6 },
    { years: 1000, volatility: 5 },
  ];

  it('has finite sensitivities at and near every limit', () => {
    for (const limit of LIMITS) {
      for (const kind of ['call', 'put'] as const) {
        for (const strike of [1e-6, 50, 100, 100.0000001, 150, 1e9]) {
          for (const carry of [0, 0.02, -0.02]) {
            const greeks = generalisedBlackScholes(option({ ...limit, kind, strike, carry }));
            for (const [name, value] of Object.entries(greeks)) {
              if (name === 'elasticity' && greeks.price === 0) continue;
              const place = `${name} ${kind} ${strike} ${JSON.stringify(limit)}`;
              // At the strike, densities outgrow a double within 1e-100 years of expiry, but are never NaN.
              if (strike === 100 && limit.years === 1e-300) expect(value, place).not.toBeNaN();
              else expect(Number.isFinite(value), place).toBe(true);
            }
          }
        }
      }
    }
  });

  it('tends to the intrinsic value and its slope as time or volatility vanish', () => {
    for (const kind of ['call', 'put'] as const) {
      for (const strike of [50, 90, 110, 200]) {
        for (const volatility of [5e-3, 1e-4, 0]) {
          const inputs = option({ kind, strike, volatility });
          const greeks = generalisedBlackScholes(inputs);
          const growth = Math.exp(inputs.carry - inputs.rate);
          const value = 100 * growth - strike * Math.exp(-inputs.rate);
          const isInTheMoney = kind === 'call' ? value > 0 : value < 0;
          const slope = isInTheMoney ? (kind === 'call' ? growth : -growth) : 0;
          expect(greeks.price).toBeCloseTo(isInTheMoney ? Math.abs(value) : 0, 9);
          expect(greeks.delta).toBeCloseTo(slope, 9);
          expect(greeks.charm).toBeCloseTo((inputs.rate - inputs.carry) * slope, 9);
          for (const name of ['gamma', 'vega', 'vanna', 'volga', 'speed', 'strikeGamma'] as const) {
            expect(greeks[name], name).toBeCloseTo(0, 9);
          }
        }
        for (const years of [1e-4, 1e-8, 0]) {
          const greeks = generalisedBlackScholes(option({ kind, strike, years }));
          const intrinsic = Math.max(0, kind === 'call' ? 100 - strike : strike - 100);
          expect(Math.abs(greeks.price - intrinsic)).toBeLessThanOrEqual(20 * years);
          expect(greeks.delta).toBeCloseTo(intrinsic === 0 ? 0 : kind === 'call' ? 1 : -1, 4);
          for (const name of ['gamma', 'vega', 'rho', 'carryRho', 'volga'] as const) {
            expect(Math.abs(greeks[name]), name).toBeLessThanOrEqual(200 * years);
          }
        }
      }
      // At the money the slope is half that of the forward, and vega and vanna have limits.
      const still = generalisedBlackScholes(option({ kind, rate: 0, carry: 0, volatility: 0 }));
      const slow = generalisedBlackScholes(option({ kind, rate: 0, carry: 0, volatility: 1e-9 }));
      expect(still.delta).toBe(kind === 'call' ? 0.5 : -0.5);
      for (const name of ['price', 'delta', 'vega', 'vanna', 'volga', 'theta', 'charm'] as const) {
        expect(Math.abs(still[name] - slow[name]), name).toBeLessThan(1e-7);
      }
      expect(generalisedBlackScholes(option({ kind, years: 0 })).vega).toBe(0);
    }
  });

  it('tends to the forward contract in the money, to nothing out of it, and to its bound in volatility', () => {
    const deep = generalisedBlackScholes(option({ strike: 1e-6 }));
    const growth = Math.exp(-0.03);
    expect(deep.price).toBeCloseTo(100 * growth - 1e-6 * Math.exp(-0.05), 12);
    expect(deep.delta).toBe(growth);
    expect(deep.elasticity).toBeCloseTo(1, 7);
    expect(deep.gamma).toBe(0);
    const far = generalisedBlackScholes(option({ strike: 1e9 }));
    expect([far.price, far.delta, far.gamma, far.vega, far.theta, far.rho].map(Math.abs)).toEqual([
      0, 0, 0, 0, 0, 0,
    ]);
    const wild = generalisedBlackScholes(option({ volatility: 100 }));
    expect(wild.price).toBe(100 * Math.exp(0.02) * Math.exp(-0.05));
    expect(wild.vega).toBe(0);
    expect(generalisedBlackScholes(option({ kind: 'put', volatility: 100 })).price).toBeCloseTo(
      100 * Math.exp(-0.05),
      12,
    );
    // The elasticity of an out-of-the-money option grows without end, with all its digits.
    const steep = generalisedBlackScholes(option({ strike: 3000, volatility: 0.1 }));
    expect(steep.price).toBeGreaterThan(0);
    expect(steep.elasticity).toBeGreaterThan(300);
  });

  it('refuses what is outside its domain', () => {
    for (const [name, below] of [
      ['spot', 0],
      ['strike', 0],
      ['years', -1e-9],
      ['volatility', -1e-9],
      ['discount', 0],
      ['rate', 201],
      ['carry', -201],
    ] as const) {
      for (const [value, code] of [
        [below, 'OUT_OF_RANGE'],
        [Number.NaN, 'NOT_FINITE'],
      ] as const) {
        let caught: unknown;
        try {
          generalisedBlackScholes(option({ [name]: value }));
        } catch (error) {
          caught = error;
        }
        expect(isZkMarginError(caught, code) && caught.field, `${name} ${value}`).toBe(name);
      }
    }
  });
});

import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { presetModel } from '../../margin/presets/index.ts';
import { problemOfRequest } from '../problems.ts';
import { marginRoutes } from './margin.ts';
import type { TypeBoxProvider } from './shared.ts';

let app: FastifyInstance;
beforeEach(() => {
  app = Fastify();
  app.setErrorHandler((error, _request, reply) => {
    const problem = problemOfRequest(error);
    return reply.code(problem.status).send(problem);
  });
  marginRoutes(app.withTypeProvider<TypeBoxProvider>());
});
afterEach(() => app.close());

const positions = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    instrument: `BTC-28MAR25-${10_000 + index}-C`,
    quantity: 1,
  }));

function documentOf(count: number, more: object = {}) {
  const volatility = { type: 'flat', volatility: 0.5 };
  const expiries = [{ expiry: '28MAR25', forward: 96_500, volatility }];
  return {
    market: { asOf: '2025-02-19T08:00:00Z', underlyings: [{ symbol: 'BTC', spot: 96_000, expiries }] },
    portfolio: { cash: 1e6, positions: positions(count) },
    ...more,
  };
}

async function answer(path: string, payload: object): Promise<[number, string | undefined]> {
  const reply = await app.inject({ method: 'POST', url: `/v1/${path}`, payload });
  const { code, field } = reply.json<{ code?: string; field?: string }>();
  return [reply.statusCode, code && `${code} ${field}`];
}

describe('margin of a document', () => {
  it('is refused when it would hold up other requests', async () => {
    const shocks = new Array(100).fill({ priceMove: 0.1 });
    const trades = new Array(100).fill({ positions: positions(1) });
    const large = documentOf(4_000, { shocks, trades });
    const begin = performance.now();
    for (const path of ['margin', 'simulate']) {
      expect(await answer(path, large)).toEqual([413, 'TOO_LARGE portfolio']);
    }
    // Generous: computing it takes half a minute.
    expect(performance.now() - begin).toBeLessThan(10_000);
    const wide = new Array(40).fill({ positions: positions(100) });
    expect(await answer('simulate', documentOf(120, { shocks, trades: wide }))).toEqual([
      413,
      'TOO_LARGE portfolio',
    ]);
    expect(await answer('simulate', documentOf(20, { shocks, trades }))).toEqual([200, undefined]);
  });

  it('counts the scenarios of a model of its own, and the underlyings that they join', async () => {
    const preset = presetModel('pmrm2');
    const withScenarios = (count: number) => ({
      ...preset,
      scenarios: Array.from({ length: count }, (_, index) => ({
        ...preset.scenarios[index % preset.scenarios.length]!,
        id: String(index),
      })),
    });
    const shocks = new Array(100).fill({ priceMove: 0.1 });
    for (const [scenarios, expected] of [
      [33, [200, undefined]],
      [256, [413, 'TOO_LARGE portfolio']],
    ] as const) {
      const model = withScenarios(scenarios);
      expect(await answer('simulate', documentOf(100, { shocks, model }))).toEqual(expected);
    }
    // Few positions of many underlyings are as much work.
    const document = documentOf(1, { shocks, model: withScenarios(256) });
    const [underlying] = document.market.underlyings;
    const underlyings = Array.from({ length: 64 }, (_, index) => ({ ...underlying!, symbol: `U${index}` }));
    underlyings[0]!.symbol = 'BTC';
    const wide = { ...document, market: { ...document.market, underlyings } };
    expect(await answer('simulate', wide)).toEqual([413, 'TOO_LARGE portfolio']);
    expect(await answer('simulate', { ...wide, model: 'pmrm2', shocks: [] })).toEqual([200, undefined]);
    // So are many positions of which each is margined alone.
    for (const [scenarios, isThere] of [
      [33, true],
      [256, false],
    ] as const) {
      const payload = documentOf(200, { model: withScenarios(scenarios) });
      const reply = await app.inject({ method: 'POST', url: '/v1/margin', payload });
      const [first] = reply.json().maintenance.breakdown.positions;
      expect([scenarios, first.marginal !== null]).toEqual([scenarios, isThere]);
    }
  });

  it('tells what collateral of the own underlying would offset, and what it would add', async () => {
    const requirement = async (instrument: string, offsets: object): Promise<number> => {
      const coin = { asset: 'BTC', amount: 1, price: 96_000, haircut: { maintenance: 0.1, initial: 0.1 } };
      const document = documentOf(0);
      const portfolio = {
        cash: 0,
        positions: [{ instrument, quantity: -1 }],
        collateral: [{ ...coin, ...offsets }],
      };
      const payload = { ...document, portfolio };
      const reply = await app.inject({ method: 'POST', url: '/v1/simulate', payload });
      expect(reply.statusCode).toBe(200);
      return reply.json().maintenanceRequirement;
    };
    const moving = { offsets: { underlying: 'BTC' } };
    const [call, put] = ['BTC-28MAR25-90000-C', 'BTC-28MAR25-96000-P'];
    expect(await requirement(call, moving)).toBeLessThan(0.7 * (await requirement(call, {})));
    expect(await requirement(put, moving)).toBeGreaterThan(1.3 * (await requirement(put, {})));
  });

  it('bounds paths of tail risk, and what takes the square of the positions', async () => {
    const history = {};
    for (const [count, tailRisk, field] of [
      [1, { paths: 20_001 }, 'tailRisk.paths'],
      [1, { horizonDays: 11 }, 'tailRisk'],
      [101, {}, 'tailRisk.paths'],
    ] as const) {
      expect(await answer('margin', documentOf(count, { history, tailRisk }))).toEqual([
        413,
        `TOO_LARGE ${field}`,
      ]);
    }
    for (const [count, isThere] of [
      [2, true],
      [301, false],
    ] as const) {
      const reply = await app.inject({ method: 'POST', url: '/v1/margin', payload: documentOf(count) });
      const [first] = reply.json().maintenance.breakdown.positions;
      expect([count, first.marginal !== null]).toEqual([count, isThere]);
    }
  });
});

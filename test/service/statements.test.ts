/** Every statement that the service proves, asked for and verified over HTTP. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settlementRequest } from '../../scripts/lib/settlement-request.ts';
import { standInProof } from '../../scripts/lib/stand-in-proof.ts';
import {
  type JobView,
  type ProofRequest,
  type RunningService,
  startService,
} from '../../src/service/index.ts';
import { marketOfRequest } from '../../src/service/testing.ts';

const CIRCUITS = ['insolvency-8', 'solvency-8', 'settlement-8', 'transfer-16'];
const market = marketOfRequest();
const SCALE = String(2n ** 40n);
const consumer = `0x${'c1'.repeat(20)}`;
const call = (quantity: string) => ({ instrument: 'BTC-28FEB25-96000-C', quantity });
const put = (quantity: string) => ({ instrument: 'BTC-28FEB25-90000-P', quantity });

const requests: Record<string, ProofRequest> = {
  insolvency: {
    circuit: 'insolvency',
    legs: [call('-1500000'), put('-500000')],
    salt: '5',
    scale: SCALE,
    ...market,
    cash: '0',
    context: {
      chainId: '31337',
      engine: consumer,
      accountId: '1',
      nonce: '0',
      round: '1',
      keeper: `0x${'22'.repeat(20)}`,
    },
  },
  solvency: {
    circuit: 'solvency',
    legs: [call('1500000'), put('-100000')],
    salt: '6',
    scale: SCALE,
    ...market,
    cash: '200000000000',
    level: '5120',
    context: { chainId: '31337', consumer, purpose: 'trade', accountId: '1', nonce: '0', round: '1' },
  },
  settlement: settlementRequest(9),
  transfer: {
    circuit: 'transfer',
    underlying: 'BTC',
    before: {
      a: { legs: [call('1000000')], salt: '1', scale: SCALE },
      b: { legs: [], salt: '2', scale: SCALE },
    },
    after: {
      a: { legs: [call('400000')], salt: '3', scale: SCALE },
      b: { legs: [call('600000')], salt: '4', scale: SCALE },
    },
    publish: { a: true },
    context: {
      chainId: '31337',
      consumer,
      accountA: '1',
      nonceA: '0',
      accountB: '2',
      nonceB: '0',
      cashToA: '-5',
    },
  },
};

let service: RunningService;
beforeAll(async () => {
  service = await startService({ port: 0, circuits: CIRCUITS });
});
afterAll(() => service?.close());

const send = (path: string, body: unknown) =>
  fetch(service.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const ask = async (body: unknown) => (await send('/v1/proofs', body)).json() as Promise<JobView>;

describe('every statement', () => {
  it.each(Object.entries(requests))('%s is proven, and verifies', async (statement, request) => {
    const { links, circuit } = await ask(request);
    expect(CIRCUITS).toContain(circuit);
    expect(circuit.startsWith(`${statement}-`)).toBe(true);
    // Until its end; a fast proof may be further than it was, never less far.
    const text = await (await fetch(service.url + links.events)).text();
    const events = [...text.matchAll(/^event: job\ndata: (.*)$/gm)].map(
      ([, data]) => JSON.parse(data!) as JobView,
    );
    const job = events.at(-1)!;
    expect(job).toMatchObject({ state: 'done' });
    const states = [...new Set(events.map(({ state }) => state))];
    expect(states).toEqual(['queued', 'proving', 'done'].filter((state) => states.includes(state as never)));
    expect(await (await fetch(service.url + links.self)).json()).toEqual(job);
    const { publicSignals, calldata } = job.result!;
    const verified = await send('/v1/verify', { circuit, publicSignals, calldata });
    expect([verified.status, await verified.json()]).toMatchObject([200, { valid: true, circuit }]);
    const other = publicSignals.map((signal, index) => (index === 0 ? '12345' : signal));
    const refused = await send('/v1/verify', { circuit, publicSignals: other, calldata });
    expect(await refused.json()).toMatchObject({ valid: false });
  });

  it('tells its circuits', async () => {
    const { circuits } = (await (await fetch(`${service.url}/v1/circuits`)).json()) as {
      circuits: { name: string; legs: number; publicSignals: string[]; keyDigest: string }[];
    };
    expect(circuits.map(({ name }) => name)).toEqual(CIRCUITS);
    expect(circuits[3]).toMatchObject({ statement: 'transfer', legs: 16, provenance: 'development' });
    for (const { publicSignals, keyDigest } of circuits) {
      expect(publicSignals.length).toBeGreaterThan(8);
      expect(keyDigest).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  it.each([
    [
      'a circuit that is not served',
      { ...requests.settlement, circuit: 'settlement-32' },
      422,
      'UNSUPPORTED',
      'circuit',
    ],
    ['no circuit', { legs: [] }, 400, 'MALFORMED', 'circuit'],
    [
      'more legs than the largest has room for',
      {
        ...requests.solvency,
        legs: Array.from({ length: 9 }, (_, i) => ({
          ...call('1'),
          instrument: `BTC-28FEB25-${90_000 + i}-C`,
        })),
      },
      422,
      'TOO_MANY_LEGS',
      'legs',
    ],
    [
      'an account that is not solvent',
      { ...requests.solvency, cash: '-200000000000' },
      422,
      'WITNESS_FAILED',
      'cash',
    ],
    ['a level below maintenance', { ...requests.solvency, level: '1' }, 422, 'OUT_OF_RANGE', 'level'],
    [
      'a purpose that is none',
      {
        ...requests.solvency,
        context: { ...(requests.solvency as { context: object }).context, purpose: 'fun' },
      },
      400,
      'MALFORMED',
      'context.purpose',
    ],
    ['no settlement price', { ...requests.settlement, prices: [] }, 400, 'MALFORMED', 'prices'],
    [
      'a price out of range',
      { ...requests.settlement, prices: [{ expiryHour: 1, price: String(2n ** 44n) }] },
      422,
      'OUT_OF_RANGE',
      'prices[0].price',
    ],
    [
      'positions from nothing',
      {
        ...requests.transfer,
        after: {
          a: { legs: [call('1000000')], salt: '3', scale: SCALE },
          b: { legs: [call('1')], salt: '4', scale: SCALE },
        },
      },
      422,
      'OUT_OF_RANGE',
      undefined,
    ],
    ['a priority that is none', { ...requests.settlement, priority: 'now' }, 400, 'MALFORMED', 'priority'],
  ])('refuses %s', async (_name, body, status, code, field) => {
    const answer = await send('/v1/proofs', body);
    const problem = (await answer.json()) as { code: string; field?: string };
    expect([answer.status, problem.code]).toEqual([status, code]);
    if (field !== undefined) expect(problem.field).toBe(field);
  });

  it('refuses to verify what cannot be a proof of the circuit', async () => {
    const { calldata } = standInProof('insolvency-8', []);
    const verify = async (circuit: string, publicSignals: string[]) =>
      (await (await send('/v1/verify', { circuit, publicSignals, calldata })).json()) as { field: string };
    expect(await verify('nothing-8', [])).toMatchObject({ code: 'UNSUPPORTED', field: 'circuit' });
    expect(await verify('insolvency-8', ['1'])).toMatchObject({ code: 'MALFORMED', field: 'publicSignals' });
    const large = ['1', String(2n ** 255n), ...new Array(12).fill('1')];
    expect(await verify('insolvency-8', large)).toMatchObject({
      code: 'OUT_OF_RANGE',
      field: 'publicSignals[1]',
    });
    expect(await verify('insolvency-8', new Array(14).fill('1'))).toMatchObject({ valid: false });
  });
});

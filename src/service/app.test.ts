import { connect } from 'node:net';
import { Writable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Groth16VerificationKey } from 'snarkjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { standInProof } from '../../scripts/lib/stand-in-proof.ts';
import type { Problem } from '../http/problem.ts';
import { collateralQuantity, requirementWith } from '../margin/exact/collateral.ts';
import { DEFAULT_PARAMETERS, HEADER_BITS } from '../margin/parameters.ts';
import { canonicalLegs, parseInstrument } from '../market/instrument.ts';
import { packRound, packUnderlying } from '../market/words.ts';
import { ProofError } from '../proof/errors.ts';
import type { ProofJob, ProvenJob } from '../proof/prover/protocol.ts';
import type { PoolStatus, ProveOptions } from '../proof/prover/worker-pool.ts';
import { unpackFigures } from '../proof/witness/figures.ts';
import { insolvencyInput } from '../proof/witness/insolvency.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { JobQueue, type JobQueueOptions } from '../store/job-queue.ts';
import { buildService, type ServiceOptions } from './app.ts';
import { warningText } from './place-of.ts';
import type { Prover } from './prover-runner.ts';
import { prepareProof } from './requests/index.ts';
import type { InsolvencyRequest, JobView, ProofRequest } from './schemas.ts';
import { btcRound, marketOfRequest } from './testing.ts';

const round = btcRound();
const words = packRound(round);
const SALT = '81985529216486895';

const request: ProofRequest = {
  circuit: 'insolvency-8',
  legs: [
    { instrument: 'BTC-28FEB25-96000-C', quantity: '-2000000' },
    { instrument: { kind: 'linear', expiryHour: 0, strike: '0' }, quantity: '1000000' },
  ],
  salt: SALT,
  scale: String(2n ** 40n),
  ...marketOfRequest(round),
  parameters: { ...DEFAULT_PARAMETERS, scenarios: DEFAULT_PARAMETERS.scenarios.map((item) => ({ ...item })) },
  context: {
    chainId: '31337',
    engine: `0x${'a1'.repeat(20)}`,
    accountId: '7',
    nonce: '0',
    round: '3',
    keeper: `0x${'b2'.repeat(20)}`,
  },
};

const verificationKey: Groth16VerificationKey = {
  protocol: 'groth16',
  curve: 'bn128',
  nPublic: 14,
  vk_alpha_1: ['1'],
  vk_beta_2: [['1']],
  vk_gamma_2: [['1']],
  vk_delta_2: [['1']],
  IC: [['1']],
};

/** Proves nothing: answers with given signals when it is told to. */
class FakeProver implements Prover {
  readonly pending: {
    job: ProofJob;
    options: ProveOptions;
    resolve(result: ProvenJob): void;
    reject(error: Error): void;
  }[] = [];
  closed = false;
  closes = 0;
  unloaded: PoolStatus['unloaded'] = {};

  prove(job: ProofJob, options: ProveOptions = {}): Promise<ProvenJob> {
    return new Promise((resolve, reject) => {
      const fail = (code: 'CANCELLED' | 'TIMEOUT') => reject(new ProofError(code, 'secret text'));
      const timer = setTimeout(() => fail('TIMEOUT'), options.timeoutMs);
      timer.unref();
      if (options.signal?.aborted) fail('CANCELLED');
      options.signal?.addEventListener('abort', () => fail('CANCELLED'));
      this.pending.push({ job, options, resolve, reject });
    });
  }

  status() {
    return { closed: this.closed, unloaded: this.unloaded };
  }

  async close(): Promise<void> {
    this.closed = true;
    this.closes++;
  }
}

const SETTING = { served: new Set(['insolvency-8']), now: 0 };

async function proven(body: ProofRequest): Promise<ProvenJob> {
  const { publicSignals } = await prepareProof(body, SETTING);
  return standInProof('insolvency-8', publicSignals);
}

let app: FastifyInstance;
let prover: FakeProver;
let database: Database;
let queue: JobQueue;

beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database?.close());

async function start(
  options: Partial<ServiceOptions> = {},
  bounds: JobQueueOptions = { maxAttempts: 1 },
): Promise<void> {
  await database.query('truncate jobs cascade');
  prover = new FakeProver();
  queue = new JobQueue(database, bounds);
  app = buildService({
    prover,
    queue,
    circuits: [{ name: 'insolvency-8', verificationKey }],
    concurrency: 16,
    ...options,
  });
}

/** Until the prover has been given so many jobs. */
async function given(count: number): Promise<void> {
  await expect.poll(() => prover.pending.length, { timeout: 10_000, interval: 5 }).toBe(count);
}

const post = (payload: unknown, headers: Record<string, string> = {}) =>
  app.inject({
    method: 'POST',
    url: '/v1/proofs',
    headers: { 'content-type': 'application/json', ...headers },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  });
const get = (url: string) => app.inject({ method: 'GET', url });

const stop = async () => {
  await app?.close();
};

describe('proof jobs', () => {
  afterEach(stop);

  it('accepts a statement once, tells its progress, and returns the proof', async () => {
    await start();
    const accepted = await post(request);
    expect(accepted.statusCode).toBe(202);
    const job = accepted.json<JobView>();
    expect(job).toMatchObject({ state: 'queued', circuit: 'insolvency-8' });
    expect(accepted.headers.location).toBe(job.links.self);

    const again = await post({ ...request, legs: [...request.legs].reverse() });
    expect([again.statusCode, again.json<JobView>().id]).toEqual([200, job.id]);
    expect(prover.pending).toHaveLength(1);

    prover.pending[0]!.options.onProgress?.('witness', { attempt: 1 });
    const running = await get(job.links.self);
    expect(running.json()).toMatchObject({ state: 'proving', progress: { stage: 'witness' } });

    const waiting = get(job.links.wait);
    const result = await proven(request);
    prover.pending[0]!.resolve(result);
    const done = (await waiting).json<JobView>();
    expect(done).toMatchObject({ state: 'done', result: { publicSignals: result.publicSignals } });
    expect(done.result!.calldata).toEqual(result.calldata);
    expect(done.progress).toBeUndefined();
    const { mark, baseRequirement, collateralSlope, requirement } = done.result!;
    const shown = unpackFigures(BigInt(result.publicSignals[0]!));
    expect([mark, baseRequirement, collateralSlope].map((value) => BigInt(value!))).toEqual([
      shown.mark,
      shown.baseRequirement,
      shown.collateralSlope,
    ]);
    expect(requirement).toBe(baseRequirement);
    expect((await post(request)).statusCode).toBe(200);
  });

  it('tells of every change while somebody watches', async () => {
    await start();
    const { id, links } = (await post(request)).json<JobView>();
    await given(1);
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const stream = await fetch(url + links.events);
    expect(stream.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const chunks = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const seen = () =>
      [...text.matchAll(/^event: job\ndata: (.*)$/gm)].map(([, data]) => JSON.parse(data!) as JobView);
    /** Until so many events have come, or the end. */
    const until = async (count: number) => {
      while (seen().length < count) {
        const { done, value } = await chunks.read();
        if (done) break;
        text += value;
      }
      return seen();
    };
    // The next change comes when the last one was read: none can be missed.
    expect(await until(1)).toMatchObject([{ id, state: 'proving' }]);
    const [job] = prover.pending;
    for (const [index, stage] of (['witness', 'proving'] as const).entries()) {
      job!.options.onProgress?.(stage, { attempt: 1 });
      expect((await until(index + 2)).at(-1)).toMatchObject({ state: 'proving', progress: { stage } });
    }
    job!.resolve(await proven(request));
    const events = await until(Number.POSITIVE_INFINITY);
    expect(events.map(({ state }) => state)).toEqual(['proving', 'proving', 'proving', 'done']);
    expect(events.at(-1)).toEqual((await get(links.self)).json());
  });

  it('gives the prover the input of the statement, with the worst scenario unless one is chosen', async () => {
    await start();
    const legs = canonicalLegs(
      ['BTC-28FEB25-96000-C', 'BTC-SPOT'].map((name, index) => ({
        instrument: parseInstrument(name).instrument,
        quantity: BigInt(request.legs[index]!.quantity),
      })),
    );
    await post(request);
    await post({ ...request, scenarioIndex: 2 });
    await given(2);
    const [worst, chosen] = prover.pending.map(({ job }) => job.input);
    const context = BigInt(worst!.context as string);
    const common = { legs, salt: BigInt(SALT), scale: 2n ** 40n, round, context, capacity: 8 };
    const input = await insolvencyInput({ ...common, parameters: DEFAULT_PARAMETERS, scenarioIndex: 2 });
    expect({ ...chosen }).toEqual({ ...input, header: chosen!.header });
    expect(worst!.scenarioIndex).not.toEqual(chosen!.scenarioIndex);
    expect(worst!.commitment).toBe(chosen!.commitment);
  });

  it('goes by moving collateral, and is one job while that decides for the same figures', async () => {
    await start();
    const bare = (await post(request)).json<JobView>().id;
    // A short call half covered: little more of the underlying leaves the worst scenario as it is, much of it does not.
    const [few, many] = ['1000', '400000000000'];
    expect((await post({ ...request, movingCollateral: few })).json<JobView>().id).toBe(bare);
    const other = (await post({ ...request, movingCollateral: many })).json<JobView>().id;
    expect(other).not.toBe(bare);
    await given(2);
    const { figures, publicSignals } = await prepareProof({ ...request, movingCollateral: many }, SETTING);
    const shown = unpackFigures(BigInt(publicSignals[0]!));
    const { baseRequirement, collateralSlope } = shown;
    expect(BigInt(figures.requirement!)).toBe(
      requirementWith(baseRequirement, collateralSlope, BigInt(many)),
    );
    const { mark, requirement } = figures;
    const enough = BigInt(requirement!) - BigInt(mark!);
    const asked = { ...request, movingCollateral: many };
    expect((await post({ ...asked, cash: String(enough) })).json()).toMatchObject({
      code: 'NOT_LIQUIDATABLE',
    });
    expect((await post({ ...asked, cash: String(enough - 1n) })).json<JobView>().id).toBe(other);
    for (const [value, status, code] of [
      [String(2n ** 96n), 422, 'OUT_OF_RANGE'],
      ['-1', 400, 'MALFORMED'],
    ] as const) {
      const refused = await post({ ...request, movingCollateral: value });
      expect([refused.statusCode, refused.json<Problem>()]).toMatchObject([
        status,
        { code, field: 'movingCollateral' },
      ]);
    }
  });

  it('holds moving collateral as a leg of solvency, by the spot of the round', async () => {
    const { context, scenarioIndex: _, ...shared } = request as InsolvencyRequest;
    const solvency: ProofRequest = {
      ...shared,
      circuit: 'solvency-8',
      cash: '900000000000',
      movingCollateral: '400000000000',
      context: { ...context, consumer: context.engine, purpose: 'trade' } as never,
    };
    const setting = { ...SETTING, served: new Set(['solvency-8']) };
    const { publicSignals, figures } = await prepareProof(solvency, setting);
    expect(publicSignals).toHaveLength(16);
    const { spot } = round.underlying;
    expect(BigInt(publicSignals[3]!)).toBe(collateralQuantity(400_000_000_000n, 2n ** 40n, spot));
    expect(figures).toMatchObject({ cash: '900000000000', movingCollateral: '400000000000' });
    // What no leg holds is refused: nothing of it may be left out.
    await expect(prepareProof({ ...solvency, scale: '1' } as ProofRequest, setting)).rejects.toMatchObject({
      code: 'OUT_OF_RANGE',
      field: 'movingCollateral',
    });
  });

  it('chooses the smallest circuit that is served and has room', async () => {
    const { expiryHour } = round.expiries[2]!;
    const legs = Array.from({ length: 12 }, (_, index) => ({
      instrument: { kind: 'call' as const, expiryHour, strike: String(900_000_000 + 10_000 * index) },
      quantity: '-1000000',
    }));
    const chosen = async (circuit: string, ...served: string[]) => {
      const asked = { ...request, circuit, legs } as ProofRequest;
      const setting = { ...SETTING, served: new Set(served) };
      return prepareProof(asked, setting).then(
        (prepared) => prepared.circuit,
        ({ code }) => code,
      );
    };
    expect(await chosen('insolvency', 'insolvency-8', 'insolvency-16', 'insolvency-32')).toBe(
      'insolvency-16',
    );
    expect(await chosen('insolvency', 'insolvency-8', 'insolvency-32')).toBe('insolvency-32');
    expect(await chosen('insolvency', 'insolvency-8')).toBe('TOO_MANY_LEGS');
    expect(await chosen('insolvency-16', 'insolvency-8', 'insolvency-32')).toBe('UNSUPPORTED');
  });

  it('takes packed parameters for the same job', async () => {
    await start();
    const first = (await post(request)).json<JobView>();
    const packed = marketOfRequest().parameters;
    const second = await post({ ...request, parameters: packed });
    expect([second.statusCode, second.json<JobView>().id]).toEqual([200, first.id]);
  });

  it('makes another job of another keeper, nonce, salt or key', async () => {
    await start();
    const ids = new Set<string>();
    const { context } = request;
    for (const change of [
      {},
      { salt: '2' },
      { context: { ...context, nonce: '1' } },
      { context: { ...context, keeper: `0x${'c3'.repeat(20)}` } },
    ]) {
      ids.add((await post({ ...request, ...change })).json<JobView>().id);
    }
    await app.close();
    await start({
      circuits: [{ name: 'insolvency-8', verificationKey: { ...verificationKey, IC: [['2']] } }],
    });
    ids.add((await post(request)).json<JobView>().id);
    expect(ids.size).toBe(5);
  });

  it('refuses a healthy account when it is given the cash', async () => {
    await start();
    const { figures } = await prepareProof(request, SETTING);
    const [mark, requirement] = [BigInt(figures.mark!), BigInt(figures.requirement!)];
    const healthy = await post({ ...request, cash: String(requirement - mark) });
    expect(healthy.statusCode).toBe(422);
    expect(healthy.json()).toMatchObject({ code: 'NOT_LIQUIDATABLE', field: 'cash' });
    expect(await queue.size()).toBe(0);
    expect((await post({ ...request, cash: String(requirement - mark - 1n) })).statusCode).toBe(202);
  });

  it('cancels a job, forgets a finished one, and starts a failed one anew', async () => {
    await start();
    const { links } = (await post(request)).json<JobView>();
    const waiting = get(links.wait);
    await given(1);
    expect((await app.inject({ method: 'DELETE', url: links.self })).statusCode).toBe(204);
    await expect.poll(() => prover.pending[0]!.options.signal?.aborted).toBe(true);
    const cancelled = { state: 'failed', error: { code: 'CANCELLED', message: 'The job was cancelled.' } };
    expect((await waiting).json()).toMatchObject(cancelled);
    expect((await get(links.self)).json()).toMatchObject(cancelled);

    expect((await post(request)).statusCode).toBe(202);
    await given(2);
    prover.pending[1]!.resolve(await proven(request));
    expect((await get(links.wait)).json()).toMatchObject({ state: 'done' });
    expect((await app.inject({ method: 'DELETE', url: links.self })).statusCode).toBe(204);
    for (const method of ['GET', 'DELETE'] as const) {
      const gone = await app.inject({ method, url: links.self });
      expect([gone.statusCode, gone.json<Problem>().code]).toEqual([404, 'NOT_FOUND']);
    }
  });

  it('fails a job whose proof states other figures', async () => {
    await start();
    const { links } = (await post(request)).json<JobView>();
    const result = await proven(request);
    result.publicSignals[1] = '1';
    await given(1);
    prover.pending[0]!.resolve(result);
    const failed = (await get(links.wait)).json<JobView>();
    expect(failed).toMatchObject({ state: 'failed', error: { code: 'PROOF_INVALID' } });
    expect(failed.result).toBeUndefined();
  });

  it.each([
    [new ProofError('WITNESS_REJECTED', 'secret text'), 'WITNESS_FAILED'],
    [new ProofError('WORKER_CRASHED', 'secret text'), 'PROOF_FAILED'],
    [new ProofError('POOL_UNAVAILABLE', 'secret text'), 'BUSY'],
    [new Error('secret text'), 'INTERNAL'],
  ])('tells why a job failed in words of its own (%#)', async (error, code) => {
    await start();
    const { links } = (await post(request)).json<JobView>();
    await given(1);
    prover.pending[0]!.reject(error);
    const answer = await get(links.wait);
    expect(answer.json()).toMatchObject({ state: 'failed', error: { code } });
    expect(answer.body).not.toContain('secret');
  });

  it('drops a job at its deadline', async () => {
    const now = Date.parse('2025-02-19T12:00:00.950Z');
    await start({ now: () => now });
    const { links, deadline } = (await post({ ...request, deadline: Math.ceil(now / 1000) })).json<JobView>();
    expect(deadline).toBe('2025-02-19T12:00:01.000Z');
    expect((await get(links.wait)).json()).toMatchObject({ state: 'failed', error: { code: 'TIMEOUT' } });
  });

  it('answers when the wait is over', async () => {
    await start();
    const { id } = (await post(request)).json<JobView>();
    const before = performance.now();
    expect((await get(`/v1/proofs/${id}?wait=1`)).json()).toMatchObject({ state: 'proving' });
    expect(performance.now() - before).toBeGreaterThan(900);
  });

  it('says 503 with Retry-After when the queue is full, but still knows the jobs in it', async () => {
    await start({}, { capacity: 1 });
    const first = await post(request);
    const refused = await post({ ...request, salt: '2' });
    expect([refused.statusCode, refused.json<Problem>().code]).toEqual([503, 'BUSY']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect((await post(request)).statusCode).toBe(200);
    expect((await get('/readyz')).json()).toMatchObject({ status: 503, reasons: ['the queue is full'] });
    await given(1);
    prover.pending[0]!.resolve(await proven(request));
    await get(first.json<JobView>().links.wait);
    expect((await post({ ...request, salt: '2' })).statusCode).toBe(202);
  });

  it('keeps one place and one job for many equal requests at once', async () => {
    await start({}, { capacity: 4 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(request)));
    const statuses = answers.map(({ statusCode }) => statusCode);
    expect(statuses.filter((status) => status === 202)).toHaveLength(1);
    await given(1);
    for (const salt of ['2', '3', '4']) expect((await post({ ...request, salt })).statusCode).toBe(202);
    expect((await post({ ...request, salt: '5' })).statusCode).toBe(503);
  });
});

describe('bad input', () => {
  // None of these leaves anything behind, so one service serves them all.
  beforeAll(() => start());
  afterAll(stop);

  const change = (path: string, value: unknown): unknown => {
    const body = structuredClone(request) as unknown as Record<string, unknown>;
    const keys = path.split('.');
    let parent = body;
    for (const key of keys.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
    const last = keys.at(-1)!;
    if (value === undefined) delete parent[last];
    else parent[last] = value;
    return body;
  };
  const legs = (...items: unknown[]) => change('legs', items);
  const call = (strike: number) => ({ instrument: `BTC-28FEB25-${strike}-C`, quantity: '1' });
  const expired = packUnderlying({ ...round.underlying, timestamp: 1_740_729_600n });
  const noVolatility = words.expiryWords[1]! & ~((2n ** 20n - 1n) << 60n);
  const lastUsed = round.expiries.length - 1;

  const cases: [string, unknown, number, string, string][] = [
    ['malformed JSON', '{"circuit":', 400, 'MALFORMED', 'body'],
    ['an empty body', '', 400, 'MALFORMED', 'body'],
    ['the literal NaN', JSON.stringify(request).replace(`"${SALT}"`, 'NaN'), 400, 'MALFORMED', 'body'],
    ['a prototype', '{"__proto__":{"x":1}}', 400, 'MALFORMED', 'body'],
    ['no object', '[]', 400, 'MALFORMED', 'body'],
    ['null', 'null', 400, 'MALFORMED', 'body'],
    ['a large body', `"${'x'.repeat(65_536)}"`, 413, 'OUT_OF_RANGE', 'body'],
    ['an unknown property', change('more', 1), 400, 'MALFORMED', 'more'],
    ['another circuit', change('circuit', 'x'), 422, 'UNSUPPORTED', 'circuit'],
    [
      'an unknown instrument',
      legs({ ...call(1), instrument: 'BTC-31FEB25-1-C' }),
      422,
      'UNKNOWN_INSTRUMENT',
      'legs[0].instrument',
    ],
    [
      'an unknown kind',
      change('legs.1.instrument.kind', 'future'),
      422,
      'UNKNOWN_INSTRUMENT',
      'legs[1].instrument.kind',
    ],
    [
      'a kind of the prototype',
      change('legs.1.instrument.kind', 'toString'),
      422,
      'UNKNOWN_INSTRUMENT',
      'legs[1].instrument.kind',
    ],
    [
      'an instrument without strike',
      change('legs.1.instrument.strike', undefined),
      400,
      'MALFORMED',
      'legs[1].instrument.strike',
    ],
    ['a numeric instrument', change('legs.1.instrument', 5), 400, 'MALFORMED', 'legs[1].instrument'],
    [
      'another underlying',
      legs({ ...call(1), instrument: 'ETH-28FEB25-96000-C' }),
      422,
      'UNDERLYING_MISMATCH',
      'legs[0].instrument',
    ],
    [
      'a duplicate leg',
      legs(call(90000), call(96000), call(90000)),
      422,
      'DUPLICATE_LEG',
      'legs[2].instrument',
    ],
    ['no legs', legs(), 422, 'NO_LEGS', 'legs'],
    [
      'too many legs',
      legs(...Array.from({ length: 9 }, (_, i) => call(90_000 + i))),
      422,
      'TOO_MANY_LEGS',
      'legs',
    ],
    ['quantity 0', change('legs.0.quantity', '0'), 422, 'ZERO_QUANTITY', 'legs[0].quantity'],
    [
      'quantity out of range',
      change('legs.0.quantity', String(-(2n ** 40n))),
      422,
      'QUANTITY_OUT_OF_RANGE',
      'legs[0].quantity',
    ],
    ['quantity as number', change('legs.0.quantity', 5), 400, 'MALFORMED', 'legs[0].quantity'],
    ['quantity with an exponent', change('legs.0.quantity', '1e6'), 400, 'MALFORMED', 'legs[0].quantity'],
    ['quantity NaN', change('legs.0.quantity', 'NaN'), 400, 'NOT_FINITE', 'legs[0].quantity'],
    [
      'an infinite parameter',
      JSON.stringify(request).replace(`"priceStep":${DEFAULT_PARAMETERS.priceStep}`, '"priceStep":1e999'),
      400,
      'NOT_FINITE',
      'parameters.priceStep',
    ],
    [
      'a missing expiry',
      legs({ ...call(1), instrument: 'BTC-27FEB25-96000-C' }),
      422,
      'MISSING_EXPIRY',
      'legs[0].instrument',
    ],
    [
      'an unused word for the leg',
      change('expiryWords', ['0', '0', '0', '0', '0', '0', '0', '0']),
      422,
      'MISSING_EXPIRY',
      'legs[0].instrument',
    ],
    ['a gap in the words', change('expiryWords.0', '0'), 422, 'MALFORMED', 'expiryWords[1]'],
    [
      'a missing volatility',
      change('expiryWords.1', String(noVolatility)),
      422,
      'MISSING_VOLATILITY',
      'expiryWords[1].vols[3]',
    ],
    [
      'expiries out of order',
      change(`expiryWords.${lastUsed}`, String(words.expiryWords[0])),
      422,
      'EXPIRIES_NOT_SORTED',
      `expiryWords[${lastUsed}].expiryHour`,
    ],
    ['seven words', change('expiryWords', request.expiryWords.slice(1)), 400, 'MALFORMED', 'expiryWords'],
    [
      'an expired option',
      change('underlyingWord', String(expired)),
      422,
      'EXPIRED_OPTION',
      'legs[0].instrument',
    ],
    ['no spot', change('underlyingWord', '0'), 422, 'OUT_OF_RANGE', 'underlyingWord.spot'],
    ['a word too large', change('underlyingWord', String(2n ** 248n)), 422, 'OUT_OF_RANGE', 'underlyingWord'],
    ['a salt outside the field', change('salt', String(2n ** 254n)), 422, 'OUT_OF_RANGE', 'salt'],
    ['no salt', change('salt', undefined), 400, 'MALFORMED', 'salt'],
    ['scale 0', change('scale', '0'), 422, 'OUT_OF_RANGE', 'scale'],
    ['scale too large', change('scale', String(2n ** 64n)), 422, 'OUT_OF_RANGE', 'scale'],
    [
      'a scenario beyond the list',
      change('scenarioIndex', DEFAULT_PARAMETERS.scenarios.length),
      422,
      'OUT_OF_RANGE',
      'scenarioIndex',
    ],
    ['a negative scenario', change('scenarioIndex', -1), 422, 'OUT_OF_RANGE', 'scenarioIndex'],
    [
      'a parameter out of range',
      change('parameters.tenorFloor', 1),
      422,
      'OUT_OF_RANGE',
      'parameters.tenorFloor',
    ],
    [
      'a missing parameter',
      change('parameters.volShockUp', undefined),
      400,
      'MALFORMED',
      'parameters.volShockUp',
    ],
    [
      'a charge out of range',
      change('parameters.vegaRate', 2 ** 16 + 1),
      422,
      'OUT_OF_RANGE',
      'parameters.vegaRate',
    ],
    [
      'a missing charge',
      change('parameters.basisMinimum', undefined),
      400,
      'MALFORMED',
      'parameters.basisMinimum',
    ],
    [
      'no first scenario',
      change('parameters.scenarios', []),
      422,
      'FIRST_SCENARIO',
      'parameters.scenarios[0]',
    ],
    [
      'three scenario words',
      change('parameters', { header: '1', scenarioWords: ['1', '1', '1'] }),
      400,
      'MALFORMED',
      'parameters.scenarioWords',
    ],
    [
      'packed parameters too large',
      change('parameters', { header: String(2n ** HEADER_BITS), scenarioWords: ['0', '0', '0', '0'] }),
      422,
      'OUT_OF_RANGE',
      'parameters.header',
    ],
    ['an engine that is no address', change('context.engine', '0x12'), 400, 'MALFORMED', 'context.engine'],
    ['a nonce too large', change('context.nonce', String(2n ** 256n)), 422, 'OUT_OF_RANGE', 'context.nonce'],
    ['no keeper', change('context.keeper', undefined), 400, 'MALFORMED', 'context.keeper'],
    ['cash out of range', change('cash', String(2n ** 96n)), 422, 'OUT_OF_RANGE', 'cash'],
    ['a deadline that has passed', change('deadline', 1), 422, 'OUT_OF_RANGE', 'deadline'],
  ];

  it.each(cases)('%s', async (_name, payload, status, code, field) => {
    const answer = await post(payload as never);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toMatchObject({ status, code, field });
    expect(answer.statusCode).toBe(status);
    expect(Object.keys(answer.json())).toEqual(expect.arrayContaining(['type', 'title', 'detail']));
    expect(answer.body).not.toContain(SALT);
    expect(await queue.size()).toBe(0);
    expect(prover.pending).toHaveLength(0);
  });

  it.each([
    [
      'another media type',
      { method: 'POST', url: '/v1/proofs', headers: { 'content-type': 'text/plain' }, payload: 'x' },
      415,
      'UNSUPPORTED',
      'content-type',
    ],
    ['an unknown route', { method: 'GET', url: '/v2/proofs' }, 404, 'NOT_FOUND', undefined],
    ['an unknown method', { method: 'PUT', url: '/v1/proofs' }, 404, 'NOT_FOUND', undefined],
    ['an id that is none', { method: 'GET', url: '/v1/proofs/1' }, 400, 'MALFORMED', 'id'],
    ['a long id', { method: 'GET', url: `/v1/proofs/${'1'.repeat(500)}` }, 414, 'MALFORMED', 'request'],
    ['a broken URL', { method: 'GET', url: '/v1/proofs/%zz' }, 400, 'MALFORMED', 'request'],
    [
      'an unknown job',
      { method: 'GET', url: `/v1/proofs/${'1'.repeat(64)}?wait=60` },
      404,
      'NOT_FOUND',
      'id',
    ],
    ['a long wait', { method: 'GET', url: `/v1/proofs/${'1'.repeat(64)}?wait=61` }, 400, 'MALFORMED', 'wait'],
    ['wait NaN', { method: 'GET', url: `/v1/proofs/${'1'.repeat(64)}?wait=NaN` }, 400, 'NOT_FINITE', 'wait'],
    ['an unknown query', { method: 'GET', url: `/v1/proofs/${'1'.repeat(64)}?x=1` }, 400, 'MALFORMED', 'x'],
  ] as const)('%s', async (_name, injected, status, code, field) => {
    const answer = await app.inject({ ...injected });
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.statusCode).toBe(status);
    const problem = answer.json<Problem>();
    expect([problem.status, problem.code, problem.field]).toEqual([status, code, field]);
  });

  it('answers what is no HTTP with a problem document', async () => {
    const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
    const text = await new Promise<string>((resolve, reject) => {
      let received = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('nonsense\r\n\r\n'));
      socket.on('data', (data) => {
        received += data;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(received));
    });
    expect(text).toContain('400 Bad Request');
    expect(text).toContain('"code":"MALFORMED"');
  });
});

describe('operation', () => {
  afterEach(stop);

  it('answers livez, and readyz with reasons', async () => {
    let reasons = ['keys are being loaded'];
    await start({ notReady: () => reasons });
    expect((await get('/livez')).json()).toEqual({ status: 'ok' });
    const unready = await get('/readyz');
    expect([unready.statusCode, unready.json<Problem>().reasons]).toEqual([503, reasons]);
    expect(unready.headers['retry-after']).toBeDefined();
    reasons = [];
    expect((await get('/readyz')).json()).toEqual({ status: 'ready' });
    prover.unloaded = { 'insolvency-8': 'KEY_MISMATCH' };
    expect((await get('/readyz')).json<Problem>()).toMatchObject({
      status: 503,
      reasons: ['insolvency-8 cannot be loaded (KEY_MISMATCH)'],
    });
    prover.unloaded = {};
    prover.closed = true;
    expect((await get('/readyz')).json<Problem>().reasons).toEqual(['the prover is closed']);
  });

  it.each([
    [new ProofError('BACKEND_FAILED', 'it ended', { code: 1, output: 'a\nb' }), 'BACKEND_FAILED', true],
    [new ProofError('KEY_MISMATCH', 'it differs'), 'KEY_MISMATCH', true],
    [new ProofError('INTERNAL', 'secret text'), 'INTERNAL', true],
    [new ProofError('WITNESS_REJECTED', 'secret text'), 'WITNESS_REJECTED', false],
    [new ProofError('INPUT_INVALID', 'secret text'), 'INPUT_INVALID', false],
  ])(
    'tells its operator of failed proofs that are not the fault of who asked: %s',
    async (error, code, told) => {
      const warnings: string[] = [];
      await start({ onWarning: (failure, what) => warnings.push(warningText(failure, what)) });
      const job = (await post(request)).json<JobView>();
      await given(1);
      prover.pending[0]!.reject(error);
      expect((await get(job.links.wait)).json()).toMatchObject({ state: 'failed' });
      expect(warnings.map((text) => text.slice(0, 80).replace(/:.*/, ''))).toEqual(
        told ? [`a proof of insolvency-8 failed (${code})`] : [],
      );
      expect(warnings.join()).not.toContain('secret');
      expect(warnings.join()).not.toContain('\n');
      if (code === 'BACKEND_FAILED') expect(warnings[0]).toMatch(/: it ended; code 1; output "a\\nb"$/);
    },
  );

  it('describes every route in OpenAPI', async () => {
    await start();
    const document = (await get('/openapi.json')).json();
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual([
      '/v1/proofs',
      '/v1/proofs/{id}',
      '/v1/proofs/{id}/events',
      '/v1/circuits',
      '/v1/verify',
      '/v1/margin',
      '/v1/simulate',
      '/livez',
      '/readyz',
    ]);
    const { requestBody, responses } = document.paths['/v1/proofs'].post;
    const { oneOf } = requestBody.content['application/json'].schema;
    expect(oneOf.map(({ title }: { title: string }) => title)).toEqual([
      'Insolvency',
      'Solvency',
      'Settlement',
      'Transfer',
    ]);
    const { properties } = oneOf[0];
    expect(Object.keys(properties)).toEqual(expect.arrayContaining(['legs', 'context', 'scenarioIndex']));
    expect(responses['4XX'].content['application/problem+json']).toBeDefined();
  });

  it('logs neither legs nor salts, nor the text of unexpected errors', async () => {
    let log = '';
    const stream = new Writable({
      write(chunk, _encoding, done) {
        log += chunk;
        done();
      },
    });
    const warnings: string[] = [];
    const onWarning = (error: unknown, what: string) => warnings.push(warningText(error, what));
    await start({ logger: { level: 'trace', stream }, onWarning });
    const { links } = (await post(request)).json<JobView>();
    await post({ ...request, legs: [{ instrument: 'BTC-28FEB25-96000-C', quantity: SALT }] });
    await given(1);
    prover.pending[0]!.reject(new Error(`salt ${SALT}`));
    await get(links.wait);
    queue.create = () => Promise.reject(new Error(`salt ${SALT}`));
    const failed = await post(request);
    expect(failed.json()).toMatchObject({ status: 500, code: 'INTERNAL' });
    expect(failed.body + log).not.toContain(SALT);
    // Not the strike by itself: the durations of the log have such digits.
    expect(log).not.toMatch(/96000-C|-2000000/);
    expect(log).toContain('request failed');
    expect(log).toContain('app.test.ts');
    expect(warnings).toEqual([
      expect.stringMatching(/^a proof of insolvency-8 failed \(INTERNAL\): Error at .*app\.test\.ts/),
      expect.stringMatching(/^a request failed \(INTERNAL\): Error at .*app\.test\.ts/),
    ]);
    expect(warnings.join()).not.toContain(SALT);
  });

  it('closes the prover, ends waits, and leaves jobs in the queue', async () => {
    await start();
    const { links } = (await post(request)).json<JobView>();
    const waiting = get(links.wait);
    await given(1);
    await app.close();
    expect((await waiting).json()).toMatchObject({ state: 'proving' });
    expect(prover.closes).toBe(1);
    expect(prover.pending[0]!.options.signal?.aborted).toBe(true);
    const { id } = (await waiting).json<JobView>();
    expect(await queue.get(id)).toMatchObject({ state: 'queued', attempts: 0, causes: [] });
  });

  it('needs a circuit', () => {
    expect(() => buildService({ queue: new JobQueue(database), circuits: [] })).toThrow(/insolvency-8/);
  });
});

/** A server under load, asked from this process: latencies, listeners to events, and a queue that is full. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { postgresBinaries, startTestPostgres } from '../../src/store/testing.ts';
import { settlementRequest } from '../lib/settlement-request.ts';
import type { LoadServerOptions } from './load-server.ts';
import { type BenchResult, percentile } from './measure.ts';

const CIRCUIT = 'settlement-8';
const ACCOUNTS = 2_000;
const LEGS = 8;
const CAPACITY = 64;
const CONNECTIONS = 16;
const LISTENERS = 1_000;
/** Requests for proofs at a queue that has room for {@link CAPACITY}. */
const PRESSED = 400;

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Until the whole answer was there, in milliseconds. */
  readonly ms: number;
}

/** @returns lines of the report */
export async function benchLoad(runs: number): Promise<BenchResult[]> {
  await prepareDevelopmentCircuit(CIRCUIT);
  const results = await benchStore('embedded', runs);
  if (postgresBinaries() === undefined) {
    results.push({ what: 'PostgreSQL: left out, its binaries are not on this machine', value: 0, unit: '' });
    return results;
  }
  return [...results, ...(await benchStore('PostgreSQL', runs))];
}

async function benchStore(kind: 'embedded' | 'PostgreSQL', runs: number): Promise<BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'zkmargin-load-'));
  const postgres = kind === 'PostgreSQL' ? await startTestPostgres() : undefined;
  let server: ChildProcess | undefined;
  try {
    const options: LoadServerOptions = {
      accounts: ACCOUNTS,
      legs: LEGS,
      circuit: CIRCUIT,
      capacity: CAPACITY,
      ...(postgres === undefined
        ? { directory: join(folder, 'store') }
        : { url: await postgres.createDatabase() }),
    };
    const program = fileURLToPath(new URL('./load-server.ts', import.meta.url));
    server = fork(program, [JSON.stringify(options)], { execArgv: ['--import', 'tsx'] });
    const failed = once(server, 'exit').then(() => {
      throw new Error('The server of the load test ended.');
    });
    failed.catch(() => {});
    const [{ url }] = (await Promise.race([once(server, 'message'), failed])) as [{ url: string }];
    const results = await measure(server, url, `load, ${kind} store`, runs);
    server.send('stop');
    await failed.catch(() => undefined);
    return results;
  } finally {
    server?.kill('SIGKILL');
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(
  server: ChildProcess,
  url: string,
  title: string,
  runs: number,
): Promise<BenchResult[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const results: BenchResult[] = [];
  const add = (what: string, value: number, unit: string) => results.push({ what, value, unit });
  const ask = (path: string, options: { headers?: Record<string, string>; body?: unknown } = {}) =>
    answerOf(agent, url + path, options);
  const count = 100 * runs;

  /** Many requests over some connections at a time. */
  async function timed(
    what: string,
    total: number,
    one: (index: number) => Promise<Answer>,
    status: number,
  ): Promise<void> {
    for (let index = 0; index < CONNECTIONS; index++) await one(index);
    const times: number[] = [];
    let next = 0;
    const begun = performance.now();
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        while (next < total) {
          const answer = await one(next++);
          if (answer.status !== status) throw new Error(`${what}: ${answer.status} ${answer.body}`);
          times.push(answer.ms);
        }
      }),
    );
    add(`${title}: ${what}, p50`, percentile(times, 0.5), 'ms');
    add('  p99', percentile(times, 0.99), 'ms');
    add('  rate', (1_000 * total) / (performance.now() - begun), '1/s');
  }

  const size = `${ACCOUNTS.toLocaleString('en-US')} accounts x ${LEGS} legs`;
  add(`${title}: ${size}, connections at a time`, CONNECTIONS, '');
  const id = (index: number) => 1 + ((index * 7_919) % ACCOUNTS);
  const tagOf = async (path: string) => String((await ask(path)).headers.etag);
  const feed = JSON.parse((await ask('/v1/liquidations?limit=100')).body) as { liquidations: unknown[] };
  add('  liquidations on the first page', feed.liquidations.length, '');
  for (const [what, path] of [
    ['GET 100 accounts', '/v1/accounts?limit=100'],
    ['GET the first page of liquidations', '/v1/liquidations?limit=100'],
  ] as const) {
    await timed(what, count, () => ask(path), 200);
    const headers = { 'if-none-match': await tagOf(path) };
    await timed(`${what}, ETag known (304)`, count, () => ask(path, { headers }), 304);
  }
  await timed('GET an account', count, (index) => ask(`/v1/accounts/${id(index)}`), 200);
  const tag = { 'if-none-match': await tagOf('/v1/accounts/1') };
  await timed('GET an account, ETag known (304)', count, () => ask('/v1/accounts/1', { headers: tag }), 304);
  await timed('GET the margin of an account', count, (index) => ask(`/v1/accounts/${id(index)}/margin`), 200);
  const portfolio: unknown = JSON.parse(
    readFileSync(new URL('../../examples/margin-btc-eth.json', import.meta.url), 'utf8'),
  );
  await timed('POST /v1/margin', count, () => ask('/v1/margin', { body: portfolio }), 200);

  const first = await ask('/v1/proofs', { body: settlementRequest(0) });
  const job = JSON.parse(first.body) as { id: string };
  while (
    (JSON.parse((await ask(`/v1/proofs/${job.id}?wait=60`)).body) as { state: string }).state !== 'done'
  );
  await timed('GET a finished proof', count, () => ask(`/v1/proofs/${job.id}`), 200);
  await timed(
    'POST for a finished proof',
    count,
    () => ask('/v1/proofs', { body: settlementRequest(0) }),
    200,
  );

  await measureEvents(server, url, title, add);

  // The prover does about one a second meanwhile, so that nearly all beyond the capacity is refused.
  const [accepted, refused]: [number[], number[]] = [[], []];
  let asked = 0;
  const pressed = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      let hints = 0;
      while (asked < PRESSED) {
        const { status, headers, ms } = await ask('/v1/proofs', { body: settlementRequest(++asked) });
        if (status === 202) accepted.push(ms);
        else if (status === 503) {
          refused.push(ms);
          if (Number(headers['retry-after']) > 0) hints++;
        } else throw new Error(`A full queue answered ${status}.`);
      }
      return hints;
    }),
  );
  const hinted = pressed.reduce((sum, hints) => sum + hints, 0);
  if (hinted !== refused.length) throw new Error('A refusal has no Retry-After.');
  add(
    `${title}: queue of ${CAPACITY} asked for ${PRESSED} proofs, accepted`,
    (100 * accepted.length) / PRESSED,
    '%',
  );
  add('  accepted (202), p50', percentile(accepted, 0.5), 'ms');
  add('  accepted, p99', percentile(accepted, 0.99), 'ms');
  add('  refused (503 with Retry-After), p50', percentile(refused, 0.5), 'ms');
  add('  refused, p99', percentile(refused, 0.99), 'ms');
  agent.destroy();
  return results;
}

/** A round comes while many listen. */
async function measureEvents(
  server: ChildProcess,
  url: string,
  title: string,
  add: (what: string, value: number, unit: string) => void,
): Promise<void> {
  const before = await memoryOf(url);
  const streams: IncomingMessage[] = [];
  const times: number[] = [];
  let begun = 0;
  let bytes = 0;
  for (let index = 0; index < LISTENERS; index += 50) {
    streams.push(...(await Promise.all(Array.from({ length: 50 }, () => stream(`${url}/v1/events`)))));
  }
  const listening = await memoryOf(url);
  const heard = streams.map(
    (incoming) =>
      new Promise<void>((resolve, reject) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => {
          bytes += chunk.length;
          text = text.slice(-32) + chunk;
          if (!text.includes('event: round')) return;
          times.push(performance.now() - begun);
          resolve();
        });
        incoming.once('close', () => reject(new Error('A listener was dropped.')));
      }),
  );
  begun = performance.now();
  server.send('round');
  await Promise.all(heard);
  // What comes after the round: changes of accounts.
  for (let seen = -1; seen !== bytes; await sleep(500)) seen = bytes;
  const after = await memoryOf(url);
  add(
    `${title}: ${LISTENERS.toLocaleString('en-US')} listen; from the round's write to the first`,
    Math.min(...times),
    'ms',
  );
  add('  to half of them', percentile(times, 0.5), 'ms');
  add('  to the last', Math.max(...times), 'ms');
  add('  events of the round for each', bytes / LISTENERS / 1_024, 'KiB');
  add('  memory of the server before', before, 'MiB');
  add('  with the listeners', listening, 'MiB');
  add('  after the round', after, 'MiB');
  for (const incoming of streams) {
    incoming.removeAllListeners('close');
    incoming.destroy();
  }
}

async function memoryOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1] ?? 0) / 2 ** 20;
}

function stream(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = send(url, { agent: false }, (incoming) => {
      if (incoming.statusCode === 200) resolve(incoming);
      else reject(new Error(`A listener was refused with ${incoming.statusCode}.`));
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}

function answerOf(
  agent: Agent,
  url: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: unknown },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const outgoing = send(
      url,
      {
        agent,
        method: text === undefined ? 'GET' : 'POST',
        headers: { ...headers, ...(text !== undefined && { 'content-type': 'application/json' }) },
      },
      async (incoming) => {
        try {
          const chunks: Buffer[] = [];
          for await (const chunk of incoming) chunks.push(chunk as Buffer);
          const ms = performance.now() - begun;
          const { statusCode = 0, headers } = incoming;
          resolve({ status: statusCode, headers, body: Buffer.concat(chunks).toString(), ms });
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      },
    );
    outgoing.once('error', reject);
    outgoing.end(text);
  });
}

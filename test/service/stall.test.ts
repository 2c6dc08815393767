/** Loops that really stand still: an endpoint that never answers, and a store whose calls never return. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { INDEXED_ROLES, type IndexedContracts } from '../../src/chain/indexer/contracts.ts';
import { type RunningService, startService } from '../../src/service/index.ts';
import {
  NO_POSTGRES,
  postgresBinaries,
  startTestPostgres,
  type TestPostgres,
} from '../../src/store/testing.ts';

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const STALL_MS = 1_500;
const contracts = {
  chainId: 31_337,
  addresses: Object.fromEntries(
    INDEXED_ROLES.map((role, index) => [role, `0x${(index + 1).toString(16).padStart(40, '0')}`]),
  ) as IndexedContracts['addresses'],
};

interface RpcRequest {
  readonly id: number;
}

/** An endpoint that takes requests and keeps them. */
async function startSilentEndpoint(): Promise<{ url: string; asked(): number; stop(): void }> {
  let asked = 0;
  const server = createServer(() => {
    asked++;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, asked: () => asked, stop };
}

/** Status, and reasons apart from the event loop: a loaded machine may block that for as short a bound as this test's. */
const livez = async ({ url }: RunningService): Promise<{ status: number; reasons: readonly string[] }> => {
  const answer = await fetch(`${url}/livez`);
  const { reasons = [] } = (await answer.json()) as { reasons?: string[] };
  return { status: answer.status, reasons: reasons.filter((reason) => !reason.includes('event loop')) };
};

let service: RunningService | undefined;

const present = postgresBinaries() !== undefined;
if (!present) console.warn(`left out: ${NO_POSTGRES}`);

describe('livez', () => {
  let server: TestPostgres | undefined;
  beforeAll(async () => {
    if (present) server = await startTestPostgres();
  });
  afterAll(() => server?.stop());
  /** An empty store; a server's starts sooner. */
  const place = async () => (server === undefined ? {} : { url: await server.createDatabase() });

  const endings: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
    service = undefined;
  });

  it('tells of the indexer whose endpoint never answers, and of nothing else', async () => {
    const endpoint = await startSilentEndpoint();
    service = await startService({
      port: 0,
      store: await place(),
      workers: server === undefined ? 1 : 0,
      stallMs: STALL_MS,
      // As if there were no timeout.
      chain: { rpc: [endpoint.url], book: contracts, startBlock: 0n, rpcTimeoutMs: 600_000 },
    });
    endings.push(() => service!.close(), endpoint.stop);
    await expect.poll(() => endpoint.asked(), { timeout: 120_000 }).toBeGreaterThan(0);
    await expect
      .poll(async () => await livez(service!), { timeout: 120_000, interval: 50 })
      .toEqual({
        status: 503,
        reasons: [expect.stringMatching(/^the indexer has made no progress for \d+ s$/)],
      });
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toMatch(/^zkmargin_loop_standstill_seconds\{loop="indexer"\} [1-9]/m);
    expect(metrics).toMatch(/^zkmargin_event_loop_delay_seconds\{figure="longest"\} \d/m);
  });

  it('leaves an indexer alone that fails at every look, but says that it is not ready', async () => {
    const refusing = createServer((_request, response) => response.writeHead(502).end());
    await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
    const { port } = refusing.address() as AddressInfo;
    service = await startService({
      port: 0,
      store: await place(),
      workers: server === undefined ? 1 : 0,
      stallMs: STALL_MS,
      chain: { rpc: [`http://127.0.0.1:${port}`], book: contracts, startBlock: 0n, pollMs: 100 },
    });
    endings.push(
      () => service!.close(),
      () => refusing.close(),
    );
    const until = performance.now() + 2 * STALL_MS;
    while (performance.now() < until) expect((await livez(service)).reasons).toEqual([]);
    expect((await fetch(`${service.url}/readyz`)).status).toBe(503);
  });

  it.runIf(present)(
    'leaves a webhook alone whose receiver is slow, and tells of alert loops that wait for the store',
    async () => {
      const { url } = await place();
      const otherChain = createServer(async (request, response) => {
        const parsed = JSON.parse(await text(request)) as RpcRequest | RpcRequest[];
        const answers = [parsed].flat().map(({ id }) => ({ jsonrpc: '2.0', id, result: '0x1' }));
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(Array.isArray(parsed) ? answers : answers[0]));
      });
      const waiting: ServerResponse[] = [];
      const receiver = createServer((_request, response) => waiting.push(response));
      const urls = [];
      for (const part of [otherChain, receiver]) {
        await new Promise<void>((resolve) => part.listen(0, '127.0.0.1', resolve));
        urls.push(`http://127.0.0.1:${(part.address() as AddressInfo).port}`);
        endings.push(() => {
          part.closeAllConnections();
          part.close();
        });
      }
      service = await startService({
        port: 0,
        store: { url: url! },
        workers: 0,
        stallMs: STALL_MS,
        alerts: { webhooks: [urls[1]!], timeoutMs: 60_000, pollMs: 100 },
        chain: { rpc: [urls[0]!], book: contracts, startBlock: 0n, pollMs: 100 },
      });
      endings.push(() => service!.close());
      // The alert about the endpoint has come, and is not taken.
      await expect.poll(() => waiting.length, { timeout: 120_000 }).toBe(1);
      const until = performance.now() + 3 * STALL_MS;
      while (performance.now() < until) expect((await livez(service)).reasons).toEqual([]);

      const locking = new pg.Client({ connectionString: url });
      await locking.connect();
      await locking.query('begin');
      await locking.query('lock table alert_deliveries, chain_index, jobs in access exclusive mode');
      waiting[0]!.writeHead(200).end();
      for (const name of ['judging of alerts', 'sending of alerts to webhook 1']) {
        const told = async () => (await livez(service!)).reasons.some((reason) => reason.includes(name));
        await expect.poll(told, { timeout: 120_000, interval: 50 }).toBe(true);
      }
      await locking.end();
      await expect
        .poll(async () => (await livez(service!)).reasons, { timeout: 120_000, interval: 50 })
        .toEqual([]);
    },
  );

  it.runIf(present)(
    'tells of every loop that waits for a store whose calls do not return, and is well again when they return',
    async () => {
      const { url } = await place();
      const endpoint = await startSilentEndpoint();
      service = await startService({
        port: 0,
        store: { url: url! },
        stallMs: STALL_MS,
        chain: { rpc: [endpoint.url], book: contracts, startBlock: 0n, rpcTimeoutMs: 200, pollMs: 100 },
      });
      endings.push(() => service!.close(), endpoint.stop);
      expect((await livez(service)).reasons).toEqual([]);

      // Whoever asks for these tables waits for ever.
      const locking = new pg.Client({ connectionString: url });
      await locking.connect();
      await locking.query('begin');
      await locking.query('lock table jobs, chain_index in access exclusive mode');
      const names = ['maintenance of the queue', 'queue runner 1', 'risk monitor'];
      await expect
        .poll(
          async () => {
            const { status, reasons } = await livez(service!);
            return status === 503 && names.every((name) => reasons.some((reason) => reason.includes(name)));
          },
          { timeout: 120_000, interval: 50 },
        )
        .toBe(true);
      // What else is asked for still has an answer.
      expect(await (await fetch(`${service.url}/metrics`)).text()).toContain('zkmargin_loop_standstill');
      const ready = (await (await fetch(`${service.url}/readyz`)).json()) as { reasons: string[] };
      expect(ready.reasons).toContain('the store cannot be reached');

      await locking.end();
      await expect
        .poll(async () => (await livez(service!)).reasons, { timeout: 120_000, interval: 50 })
        .toEqual([]);
    },
  );
});

/** A service whose clock is ten minutes off: facts of the chain are judged by the chain's time, jobs by the database's. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { settlementRequest } from '../../scripts/lib/settlement-request.ts';
import { startUnprovenWorld, type UnprovenWorld } from '../../scripts/lib/unproven-protocol.ts';
import { ServiceClient } from '../../src/client/index.ts';
import { lockDirectory } from '../../src/store/directory-lock.ts';
import {
  NO_POSTGRES,
  postgresBinaries,
  startTestPostgres,
  type TestPostgres,
} from '../../src/store/testing.ts';
import { killAll, start } from '../service/processes.ts';

const MINUTES = 10;
const root = mkdtempSync(join(tmpdir(), 'zkmargin-clocks-'));
const present = postgresBinaries() !== undefined;
if (!present) console.warn(`left out: ${NO_POSTGRES}`);
let world: UnprovenWorld;
let server: TestPostgres | undefined;

beforeAll(async () => {
  world = await startUnprovenWorld();
  const { protocol } = world;
  writeFileSync(join(root, 'book.json'), JSON.stringify(protocol.addressBook()));
  await world.open(world.failing[0]!);
  await protocol.advanceTo(world.crashed.underlying.timestamp + 1n);
  await protocol.postRound(world.crashed);
  if (present) server = await startTestPostgres();
}, 600_000);
afterAll(async () => {
  killAll();
  await server?.stop();
  await world?.protocol.stop();
  rmSync(root, { recursive: true, force: true });
});

/** Node options of a process whose clock is that of this machine, moved. */
function movedClock(minutes: number): string {
  const path = join(root, `clock${minutes}.mjs`);
  writeFileSync(
    path,
    `const shift = ${minutes * 60_000};
    const { now } = Date;
    globalThis.Date = class extends Date {
      constructor(...parts) {
        if (parts.length === 0) super(now() + shift);
        else super(...parts);
      }
      static now() { return now() + shift; }
    };`,
  );
  return `--import ${pathToFileURL(path).href}`;
}

/** What a service with such Node options tells of the chain. */
async function shown(options: string) {
  const { protocol } = world;
  const service = start(
    [
      ...['serve', '--port', '0', '--store', 'memory', '--rpc', protocol.anvil.url],
      ...['--book', join(root, 'book.json')],
    ],
    { NODE_OPTIONS: options },
  );
  const url = (await service.line(/serves on (http:\S+);/))![1]!;
  const client = new ServiceClient({ url });
  const found = await vi.waitFor(
    async () => {
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      const liquidations = await client.allLiquidations();
      expect(liquidations).toHaveLength(1);
      const { markets } = await client.markets();
      return { liquidations, markets, accounts: await client.accounts() };
    },
    { timeout: 60_000, interval: 200 },
  );
  await service.kill();
  return found;
}

let right: Awaited<ReturnType<typeof shown>> | undefined;

describe.each([MINUTES, -MINUTES])('a service whose clock is %i minutes ahead', (minutes) => {
  it('tells the same of the chain as one whose clock is right', async () => {
    const moved = await shown(movedClock(minutes));
    right ??= await shown('');
    expect(moved).toEqual(right);
    // By the round's time: no clock of a machine comes near it.
    expect(BigInt(moved.liquidations[0]!.proofExpiry)).toBe(
      world.protocol.market.round.underlying.timestamp + 600n,
    );
  });

  it.runIf(present)("takes and drops jobs by the database's clock", async () => {
    const environment = {
      DATABASE_URL: await server!.createDatabase(),
      NODE_OPTIONS: movedClock(minutes),
    };
    const service = start(
      ['serve', '--port', '0', '--workers', '0', '--circuits', 'settlement-8'],
      environment,
    );
    const url = (await service.line(/serves on (http:\S+);/))![1]!;
    const post = (salt: number, deadline: number) =>
      fetch(`${url}/v1/proofs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...settlementRequest(salt), deadline }),
      });
    const now = Math.floor(Date.now() / 1_000);
    const late = await post(1, now - 60);
    expect([late.status, ((await late.json()) as { field: string }).field]).toEqual([422, 'deadline']);
    const inTime = await post(2, now + 90);
    expect(inTime.status).toBe(202);
    const { id, deadline } = (await inTime.json()) as { id: string; deadline: string };
    expect(Date.parse(deadline)).toBe((now + 90) * 1_000);
    // A while later it still waits, for a prover with yet another clock.
    const job = (await (await fetch(`${url}/v1/proofs/${id}?wait=3`)).json()) as { state: string };
    expect(job.state).toBe('queued');
    expect(await service.stop()).toBe(0);
  });
});

describe('a directory that a process of another host holds', () => {
  it('is not taken for left by one whose clock is ahead', () => {
    const directory = mkdtempSync(join(root, 'lock-'));
    writeFileSync(join(directory, 'lock.1'), JSON.stringify({ pid: 1, started: '1', place: 'elsewhere' }));
    vi.useFakeTimers({ now: Date.now() + 3_600_000, toFake: ['Date'] });
    try {
      expect(() => lockDirectory(directory)).toThrow(
        expect.objectContaining({ code: 'STORE_LOCKED', details: { pid: 1 } }),
      );
    } finally {
      vi.useRealTimers();
    }
  });
});

/** The command as a process: it follows a chain, survives its sudden end, and goes on where it was. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startUnprovenWorld, type UnprovenWorld } from '../../scripts/lib/unproven-protocol.ts';
import { ServiceClient } from '../../src/client/index.ts';
import { startProxy } from './proxies.ts';

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 600_000 });

const root = mkdtempSync(join(tmpdir(), 'zkmargin-serve-'));
const book = join(root, 'book.json');
let world: UnprovenWorld;
const children: ChildProcess[] = [];

beforeAll(async () => {
  world = await startUnprovenWorld();
  writeFileSync(book, JSON.stringify(world.protocol.addressBook()));
}, 600_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await world?.protocol.stop();
  rmSync(root, { recursive: true, force: true });
});

async function serve(
  rpc: readonly string[],
): Promise<{ client: ServiceClient; url: string; child: ChildProcess; errors(): string }> {
  const bin = fileURLToPath(new URL('../../bin/zkmargin.mjs', import.meta.url));
  const { DATABASE_URL: _url, ...environment } = process.env;
  const child = spawn(
    process.execPath,
    [bin, 'serve', '--port', '0', '--store', join(root, 'store'), '--book', book, '--rpc', ...rpc],
    { env: environment, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  children.push(child);
  let [output, errors] = ['', ''];
  child.stdout!.on('data', (text) => {
    output += text;
  });
  child.stderr!.on('data', (text) => {
    errors += text;
  });
  const url = await vi.waitFor(
    () => {
      const found = /serves on (http:\S+);/.exec(output)?.[1];
      if (found === undefined) throw new Error(`not started: ${output}${errors}`);
      return found;
    },
    { timeout: 200_000, interval: 50 },
  );
  return { client: new ServiceClient({ url }), url, child, errors: () => errors };
}

it('follows the chain through the end of its process and of an endpoint', async () => {
  const { protocol } = world;
  const proxy = await startProxy(protocol.anvil.url);
  try {
    const first = await serve([proxy.url, protocol.anvil.url]);
    const { trader } = await world.open(world.healthy);
    await vi.waitFor(
      async () => expect((await first.client.account(trader.accountId)).opening.status).toBe('known'),
      { timeout: 20_000 },
    );
    proxy.behaviour = 'fail';
    const id = await protocol.createFunded(protocol.operator, 123n);
    await vi.waitFor(async () => expect((await first.client.account(id)).cash).toBe('123'), {
      timeout: 20_000,
    });
    const metrics = await (await fetch(`${first.url}/metrics`)).text();
    expect(metrics).toMatch(/zkmargin_rpc_endpoint\{endpoint="127.0.0.1:\d+",condition="error"\} 1/);
    const ended = new Promise((resolve) => first.child.once('exit', resolve));
    first.child.kill('SIGKILL');
    await ended;

    const later = await protocol.createFunded(protocol.operator, 456n);
    const second = await serve([protocol.anvil.url]);
    await vi.waitFor(async () => expect((await second.client.account(later)).cash).toBe('456'), {
      timeout: 20_000,
    });
    expect((await second.client.account(trader.accountId)).risk?.round).toBe('1');
    expect((await fetch(`${second.url}/readyz`)).status).toBe(200);
    await protocol.stop();
    const unready = await vi.waitFor(
      async () => {
        const answer = await fetch(`${second.url}/readyz`);
        expect(answer.status).toBe(503);
        return (await answer.json()) as { reasons: string[] };
      },
      { timeout: 20_000 },
    );
    expect(unready.reasons).toContain('the chain cannot be followed (CHAIN_UNAVAILABLE)');
    const stopped = new Promise((resolve) => second.child.once('exit', resolve));
    second.child.kill('SIGTERM');
    expect(await stopped).toBe(0);
    expect(second.errors()).not.toContain(protocol.anvil.url);
  } finally {
    await proxy.stop();
  }
});

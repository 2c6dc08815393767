import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { EndpointPool } from './endpoints.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.closeAllConnections();
});

/** An endpoint that names a height, or one whose answers begin and never end. */
async function endpoint(height: number | undefined): Promise<string> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.writeHead(200, { 'content-type': 'application/json' });
    if (height === undefined) {
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(drip));
      return;
    }
    const asked = JSON.parse(Buffer.concat(chunks).toString()) as { id: number; method: string }[];
    const answers = asked.map(({ id, method }) => ({
      jsonrpc: '2.0',
      id,
      result: method === 'eth_chainId' ? '0x1' : `0x${height.toString(16)}`,
    }));
    response.end(JSON.stringify(answers));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('does not wait for an answer that never ends', async () => {
  const urls = await Promise.all([endpoint(undefined), endpoint(100), endpoint(100)]);
  const pool = new EndpointPool({ urls, chainId: 1, timeoutMs: 500 });
  expect(await pool.run(async (_client, height) => height)).toBe(100n);
  expect(pool.status().map(({ condition }) => condition)).toEqual(['timeout', 'ok', 'ok']);
});

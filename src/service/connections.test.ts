import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { Connections } from './connections.ts';

/** Far longer than a test may take: whoever waits for it fails. */
const KEEP_ALIVE_MS = 600_000;

let server: Server;
afterEach(() => server.closeAllConnections());

async function start(answer: Parameters<typeof createServer>[1]) {
  server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, answer);
  const connections = new Connections(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const open = async () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    // A server's end without an answer is a reset for some systems.
    socket.on('error', () => undefined);
    return socket;
  };
  const close = (graceMs: number) => {
    connections.drain(graceMs);
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { open, close };
}

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

it('does not wait for connections that are kept or were never used', async () => {
  const { open, close } = await start((_request, response) => response.end('done'));
  const unused = await open();
  const kept = await open();
  kept.write(GET);
  await once(kept, 'data');
  const ends = Promise.all([unused, kept].map((socket) => once(socket.resume(), 'end')));
  await close(KEEP_ALIVE_MS);
  await ends;
});

it('lets answers under way be given, whole', async () => {
  const length = 4_000_000;
  let finish = () => {};
  const { open, close } = await start((_request, response) => {
    finish = () => response.end('x'.repeat(length));
  });
  const socket = await open();
  let received = 0;
  socket.on('data', (bytes) => {
    received += bytes.length;
  });
  socket.write(GET);
  await once(server, 'request');
  const closed = close(KEEP_ALIVE_MS);
  await sleep(200);
  expect(socket.destroyed).toBe(false);
  finish();
  await once(socket, 'end');
  await closed;
  expect(received).toBeGreaterThan(length);
});

it('lets an answer that is written but not read yet be read, whole', async () => {
  const length = 16_000_000;
  const { open, close } = await start((_request, response) => response.end('x'.repeat(length)));
  const socket = await open();
  socket.pause();
  socket.write(GET);
  await once(server, 'request');
  await sleep(100);
  const closed = close(KEEP_ALIVE_MS);
  await sleep(200);
  let received = 0;
  socket.on('data', (bytes) => {
    received += bytes.length;
  });
  socket.resume();
  await once(socket, 'end');
  await closed;
  expect(received).toBeGreaterThan(length);
});

it('ends answers that wait behind others for a connection that is gone', async () => {
  let [begun, ended] = [0, 0];
  const { open, close } = await start((_request, response) => {
    begun++;
    response.once('close', () => ended++);
  });
  const socket = await open();
  socket.write(GET.repeat(3));
  await expect.poll(() => begun).toBe(3);
  socket.destroy();
  await expect.poll(() => ended).toBe(3);
  await close(KEEP_ALIVE_MS);
});

it('ends a stream that nobody reads after the grace', async () => {
  const { open, close } = await start((_request, response) => {
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', more);
    more();
  });
  const socket = await open();
  socket.pause();
  socket.write(GET);
  await once(server, 'request');
  const begun = performance.now();
  await close(300);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(290);
});

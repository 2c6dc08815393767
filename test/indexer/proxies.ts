/** RPC endpoints that misbehave, in front of one that does not. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a proxy does with a request. */
export type Behaviour = 'pass' | 'hang' | 'fail' | 'lag' | 'lie';

/** A proxy of an endpoint. */
export interface RpcProxy {
  readonly url: string;
  behaviour: Behaviour;
  /** Requests that it got, by method. */
  readonly methods: Map<string, number>;
  stop(): Promise<void>;
}

interface RpcMessage {
  readonly id: number;
  readonly method: string;
}

const LAG = 50n;

/** Starts a proxy on a free port. */
export async function startProxy(target: string, behaviour: Behaviour = 'pass'): Promise<RpcProxy> {
  const methods = new Map<string, number>();
  const hanging = new Set<ServerResponse>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const parsed = JSON.parse(body) as RpcMessage | RpcMessage[];
    const messages = Array.isArray(parsed) ? parsed : [parsed];
    for (const { method } of messages) methods.set(method, (methods.get(method) ?? 0) + 1);
    if (proxy.behaviour === 'hang') {
      hanging.add(response);
      return;
    }
    if (proxy.behaviour === 'fail') {
      response.writeHead(502).end('bad gateway');
      return;
    }
    const answer = await fetch(target, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const results = (await answer.json()) as
      | { id: number; result?: unknown }
      | { id: number; result?: unknown }[];
    for (const item of Array.isArray(results) ? results : [results]) {
      const method = messages.find(({ id }) => id === item.id)?.method;
      if (proxy.behaviour === 'lie' && method === 'eth_chainId') item.result = '0x1';
      if (proxy.behaviour === 'lag' && method === 'eth_blockNumber') {
        const height = BigInt(item.result as string) - LAG;
        item.result = `0x${(height > 0n ? height : 0n).toString(16)}`;
      }
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(results));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: RpcProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-key`,
    behaviour,
    methods,
    stop: () =>
      new Promise((resolve) => {
        for (const response of hanging) response.destroy();
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return proxy;
}

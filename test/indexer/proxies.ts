/** RPC endpoints that misbehave, in front of one that does not. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * What a proxy does with a request. `ahead` names more blocks than there are, `forge` makes the newest of them up as well, `fork` gives blocks
 * from one on other hashes. The last four answer wrongly: logs are left out, the body ends early, results are missing from a batch or are null.
 */
export type Behaviour =
  | 'pass'
  | 'hang'
  | 'fail'
  | 'lag'
  | 'lie'
  | 'ahead'
  | 'forge'
  | 'fork'
  | 'leaveOutLogs'
  | 'cutOff'
  | 'leaveOutResults'
  | 'nullResults';

/** A proxy of an endpoint. */
export interface RpcProxy {
  readonly url: string;
  behaviour: Behaviour;
  /** Method with which it begins to behave so; it passes on what comes before. Undefined for all. */
  from: string | undefined;
  /** Whether it has behaved so since {@link from} was set. */
  readonly begun: boolean;
  /** Logs that it gives at most when it leaves some out. */
  logs: number;
  /** Blocks that it names beyond those that there are. */
  lead: bigint;
  /** First block to which it gives another hash. */
  forkAt: bigint;
  /** Requests that it got, by method. */
  readonly methods: Map<string, number>;
  stop(): Promise<void>;
}

interface RpcMessage {
  readonly id: number;
  readonly method: string;
  readonly params?: readonly unknown[];
}

interface RpcResult {
  readonly id: number;
  result?: unknown;
}

const LAG = 50n;

/** Starts a proxy on a free port. */
export async function startProxy(target: string, behaviour: Behaviour = 'pass'): Promise<RpcProxy> {
  const methods = new Map<string, number>();
  let from: string | undefined;
  let begun = false;
  const hanging = new Set<ServerResponse>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const parsed = JSON.parse(body) as RpcMessage | RpcMessage[];
    const messages = Array.isArray(parsed) ? parsed : [parsed];
    for (const { method } of messages) methods.set(method, (methods.get(method) ?? 0) + 1);
    if (proxy.from === undefined || messages.some(({ method }) => method === proxy.from)) begun = true;
    const behaviour = begun ? proxy.behaviour : 'pass';
    if (behaviour === 'hang') {
      hanging.add(response);
      return;
    }
    if (behaviour === 'fail') {
      response.writeHead(502).end('bad gateway');
      return;
    }
    const answer = await fetch(target, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    let results = (await answer.json()) as RpcResult | RpcResult[];
    for (const item of Array.isArray(results) ? results : [results]) {
      const message = messages.find(({ id }) => id === item.id);
      const method = message?.method;
      if (behaviour === 'lie' && method === 'eth_chainId') item.result = '0x1';
      if (behaviour === 'lag' && method === 'eth_blockNumber') {
        const height = BigInt(item.result as string) - LAG;
        item.result = `0x${(height > 0n ? height : 0n).toString(16)}`;
      }
      if ((behaviour === 'ahead' || behaviour === 'forge') && method === 'eth_blockNumber')
        item.result = `0x${(BigInt(item.result as string) + proxy.lead).toString(16)}`;
      if (behaviour === 'forge' && method === 'eth_getBlockByNumber' && item.result === null)
        item.result = await madeUpBlock(target, message!.params![0] as string);
      if (behaviour === 'fork' && method === 'eth_getBlockByNumber' && item.result !== null) {
        const block = item.result as { readonly number: string };
        if (BigInt(block.number) >= proxy.forkAt) item.result = { ...block, hash: `0x${'f0'.repeat(32)}` };
      }
      if (behaviour === 'nullResults') item.result = null;
      // As one that returns so many at most, or none of a block that it has not taken in yet.
      if (behaviour === 'leaveOutLogs' && method === 'eth_getLogs' && !body.includes('blockHash'))
        item.result = (item.result as unknown[]).slice(0, proxy.logs);
    }
    if (behaviour === 'leaveOutResults') results = Array.isArray(results) ? results.slice(1) : [];
    const text = JSON.stringify(results);
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(behaviour === 'cutOff' ? text.slice(0, text.length / 2) : text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: RpcProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-key`,
    behaviour,
    logs: 0,
    lead: 0n,
    forkAt: 0n,
    set from(method) {
      from = method;
      begun = false;
    },
    get from() {
      return from;
    },
    get begun() {
      return begun;
    },
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

/** A block beyond the newest one, of this second. */
async function madeUpBlock(target: string, number: string): Promise<unknown> {
  const answer = await fetch(target, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'eth_getBlockByNumber',
      params: ['latest', false],
    }),
  });
  const { result } = (await answer.json()) as { result: object };
  return { ...result, number, timestamp: `0x${Math.floor(Date.now() / 1000).toString(16)}` };
}

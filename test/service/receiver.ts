/** A receiver of webhooks that behaves as a test wants. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AlertDelivery } from '../../src/service/index.ts';

/** What came. */
export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly delivery: AlertDelivery;
  /** What was answered. */
  readonly answer: Answer;
}

/** Status, or what else happens; `hang` never answers, `reset` breaks the connection. */
export type Answer =
  | number
  | 'hang'
  | 'reset'
  | { readonly redirect: string }
  | { readonly retryAfter: number };

/** A running receiver. */
export interface Receiver {
  readonly url: string;
  /** All that came, in order. */
  readonly all: readonly Received[];
  /** What was taken, in order, without what came again: a sender that ends may not have seen the answer. */
  taken(): readonly Received[];
  /** `step kind` of every notice that was {@link taken}. */
  notices(): string[];
  /** What is answered from now on; a function gets the number of the request, from 0. */
  answer: Answer | ((count: number) => Answer);
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1, or on that of an earlier one. */
export async function startReceiver(path = '/hook', port = 0): Promise<Receiver> {
  const all: Received[] = [];
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const { answer: wanted } = receiver;
      const answer = typeof wanted === 'function' ? wanted(all.length) : wanted;
      all.push({ headers: request.headers, body, delivery: JSON.parse(body) as AlertDelivery, answer });
      if (answer === 'hang') return;
      if (answer === 'reset') request.socket.destroy();
      else if (typeof answer === 'number') response.writeHead(answer).end('an answer');
      else if ('redirect' in answer) response.writeHead(307, { location: answer.redirect }).end();
      else response.writeHead(429, { 'retry-after': String(answer.retryAfter) }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    all,
    taken: () => {
      const seen = new Set<unknown>();
      return all.filter(({ answer, headers }) => {
        const key = headers['idempotency-key'];
        if (typeof answer !== 'number' || answer >= 300 || seen.has(key)) return false;
        seen.add(key);
        return true;
      });
    },
    notices: () =>
      receiver
        .taken()
        .flatMap(({ delivery }) => delivery.notices.map(({ step, alert }) => `${step} ${alert.kind}`)),
    answer: 204,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

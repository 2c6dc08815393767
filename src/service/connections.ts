/** Connections of an HTTP server, so that its end does not wait for clients that keep theirs. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How often connections are looked at while the server closes, in milliseconds. */
const SWEEP_MS = 50;

/**
 * Which connections of a server have requests under way. `server.closeIdleConnections()` leaves those that were opened and never
 * used, and is of its moment alone: a stream that ends later keeps its connection for the whole time of keep-alive.
 */
export class Connections {
  readonly #requests = new Map<Socket, Set<ServerResponse>>();
  #sweep: NodeJS.Timeout | undefined;

  /** @param server before it listens */
  constructor(server: Server) {
    server.on('connection', (socket) => {
      const responses = new Set<ServerResponse>();
      this.#requests.set(socket, responses);
      socket.once('close', () => {
        this.#requests.delete(socket);
        for (const response of responses) endWaiting(response);
      });
    });
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      const responses = this.#requests.get(socket);
      responses?.add(response);
      response.once('close', () => responses?.delete(response));
    });
    // The server's own way, which its end takes as well, cuts off answers that are written and not read yet.
    server.closeIdleConnections = () => this.#endIdle();
    server.once('close', () => clearInterval(this.#sweep));
  }

  /**
   * From here on ends each connection as soon as its requests are answered, and after a grace all that are left. Call it when the
   * server takes no new connections, or is about to.
   *
   * @param graceMs milliseconds that answers under way have
   */
  drain(graceMs: number): void {
    if (this.#sweep !== undefined) return;
    const latest = performance.now() + graceMs;
    this.#sweep = setInterval(() => {
      if (performance.now() < latest) this.#endIdle();
      else for (const socket of this.#requests.keys()) socket.destroy();
    }, SWEEP_MS).unref();
  }

  #endIdle(): void {
    for (const [socket, responses] of this.#requests) if (responses.size === 0) socket.destroySoon();
  }
}

/**
 * Ends an answer that waits behind others for a connection that is gone. It never had the connection, so nobody else tells it, and what
 * it holds until its end it would hold for ever.
 */
function endWaiting(response: ServerResponse): void {
  if (response.socket !== null || response.destroyed) return;
  response.destroy();
  response.emit('close');
}

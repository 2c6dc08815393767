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
  readonly #requests = new Map<Socket, number>();
  #sweep: NodeJS.Timeout | undefined;

  /** @param server before it listens */
  constructor(server: Server) {
    server.on('connection', (socket) => {
      this.#requests.set(socket, 0);
      socket.once('close', () => this.#requests.delete(socket));
    });
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#count(socket, 1);
      response.once('close', () => this.#count(socket, -1));
    });
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
      const late = performance.now() >= latest;
      for (const [socket, requests] of this.#requests) {
        if (late) socket.destroy();
        else if (requests === 0) socket.destroySoon();
      }
    }, SWEEP_MS).unref();
  }

  #count(socket: Socket, change: number): void {
    const requests = this.#requests.get(socket);
    if (requests !== undefined) this.#requests.set(socket, requests + change);
  }
}

/** Places that requests hold while they wait or listen. */
import { requireInteger, ZkMarginError } from '../errors.ts';
import { EVERYBODY } from '../store/job.ts';

/** Bounds of {@link Places}. */
export interface PlacesOptions {
  /** Places in all. */
  readonly total: number;
  /** Places of one client; a quarter of all unless given. Nothing binds those who need no API key but the total. */
  readonly perClient?: number | undefined;
  /** What they are places of, as in "listeners". */
  readonly name: string;
}

/** So many places in all, and so many for each client. */
export class Places {
  readonly #total: number;
  readonly #perClient: number;
  readonly #name: string;
  readonly #taken = new Map<string, number>();
  #count = 0;

  /** @throws ZkMarginError for bounds that are none */
  constructor({ total, perClient, name }: PlacesOptions) {
    this.#total = requireInteger(total, 0, 65_536, name);
    this.#perClient = requireInteger(perClient ?? Math.ceil(total / 4), 0, 65_536, `${name} per client`);
    this.#name = name;
  }

  /** Why a client finds no place now; undefined when it finds one. */
  refusal(client: string): ZkMarginError | undefined {
    if (client !== EVERYBODY && (this.#taken.get(client) ?? 0) >= this.#perClient) {
      return new ZkMarginError(
        'SHARE_EXCEEDED',
        `Close requests that you hold open: an API key may have ${this.#perClient} ${this.#name} at a time.`,
        { details: { limit: this.#perClient } },
      );
    }
    return this.#count < this.#total
      ? undefined
      : new ZkMarginError('BUSY', `Try again later: there are no more ${this.#name}.`);
  }

  /**
   * Takes a place.
   *
   * @returns gives it back; more than once does no harm
   * @throws ZkMarginError `SHARE_EXCEEDED` when the client has its share, `BUSY` when all are taken
   */
  take(client: string): () => void {
    const refusal = this.refusal(client);
    if (refusal !== undefined) throw refusal;
    this.#count++;
    this.#taken.set(client, (this.#taken.get(client) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#count--;
      const left = this.#taken.get(client)! - 1;
      if (left === 0) this.#taken.delete(client);
      else this.#taken.set(client, left);
    };
  }
}

/** Keepers that want proofs before they ask: for whom the service speculates. */
import { ZkMarginError } from '../../errors.ts';

/** What a proof is for: the liquidation engine, or the auction house. */
export const PROOF_PURPOSES = ['liquidate', 'auction'] as const;
/** What a proof is for. */
export type ProofPurpose = (typeof PROOF_PURPOSES)[number];

/** A keeper with what a client wants for it. */
export interface InterestedKeeper {
  /** In lower case. */
  readonly address: string;
  /** Name of the API key that registered it or asked for it. */
  readonly client: string;
  readonly purposes: readonly ProofPurpose[];
  /** Milliseconds since 1970-01-01 UTC. */
  readonly expires: number;
}

/** Bounds of {@link InterestedKeepers}. */
export interface KeeperBounds {
  /** Keepers at a time. Default 16. */
  readonly maxKeepers?: number | undefined;
  /** Keepers of one API key; the one that was quiet for longest makes room. Default 4. */
  readonly keepersPerClient?: number | undefined;
  /** Milliseconds after the last sign of a keeper for which proofs are made for it. Default 1 hour. */
  readonly keeperLifetimeMs?: number | undefined;
}

/**
 * Keepers by client and address, in memory: they register, or are learned of when they ask for proofs. Both need an API key that may
 * ask for proofs. What a client says of an address is its own matter: it neither takes a place from another client nor a wish, also
 * when that one speaks of the same address.
 */
export class InterestedKeepers {
  readonly #bounds: { readonly [Name in keyof KeeperBounds]-?: number };
  readonly #now: () => number;
  readonly #onChange: () => void;
  /** The one that was quiet for longest comes first. */
  readonly #entries = new Map<string, InterestedKeeper>();

  constructor(bounds: KeeperBounds = {}, now: () => number = Date.now, onChange: () => void = () => {}) {
    const { maxKeepers = 16, keepersPerClient = 4, keeperLifetimeMs = 3_600_000 } = bounds;
    this.#bounds = { maxKeepers, keepersPerClient, keeperLifetimeMs };
    this.#now = now;
    this.#onChange = onChange;
  }

  /** Keepers whose time is not over, the one that was heard of last first; once for each client that speaks of them. */
  all(): InterestedKeeper[] {
    this.#expire();
    return [...this.#entries.values()].reverse();
  }

  /** Number of addresses. */
  get size(): number {
    return new Set(this.all().map(({ address }) => address)).size;
  }

  /**
   * A keeper says what it wants.
   *
   * @param client name of the API key, or that of everybody
   * @throws ZkMarginError `BUSY` when there is no place
   */
  register(address: string, purposes: readonly ProofPurpose[], client: string): InterestedKeeper {
    const found = this.#put(address, purposes, client, false);
    if (found === undefined) {
      throw new ZkMarginError('BUSY', 'Try again later: proofs are made beforehand for enough keepers.');
    }
    return found;
  }

  /** A keeper has asked for a proof, and may ask for the next. */
  learn(address: string, purpose: ProofPurpose, client: string): void {
    this.#put(address, [purpose], client, true);
  }

  /** @returns false when it was not registered by this client */
  remove(address: string, client: string): boolean {
    if (!this.#entries.delete(keyOf(address, client))) return false;
    this.#onChange();
    return true;
  }

  #put(
    address: string,
    purposes: readonly ProofPurpose[],
    client: string,
    adding: boolean,
  ): InterestedKeeper | undefined {
    this.#expire();
    const key = keyOf(address, client);
    const present = this.#entries.get(key);
    const kept = adding ? (present?.purposes ?? []) : [];
    if (present === undefined && !this.#makeRoom(client)) return undefined;
    const entry: InterestedKeeper = {
      address: address.toLowerCase(),
      client,
      purposes: PROOF_PURPOSES.filter((purpose) => purposes.includes(purpose) || kept.includes(purpose)),
      expires: this.#now() + this.#bounds.keeperLifetimeMs,
    };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#onChange();
    return entry;
  }

  #makeRoom(client: string): boolean {
    const own = [...this.#entries].filter(([, entry]) => entry.client === client);
    if (own.length >= this.#bounds.keepersPerClient) this.#entries.delete(own[0]![0]);
    return this.#entries.size < this.#bounds.maxKeepers;
  }

  #expire(): void {
    const now = this.#now();
    for (const [key, { expires }] of this.#entries) if (expires <= now) this.#entries.delete(key);
  }
}

/** Names of clients hold no spaces. */
function keyOf(address: string, client: string): string {
  return `${client} ${address.toLowerCase()}`;
}

/** What happened lately, for those who listen. */
import { randomUUID } from 'node:crypto';

/** Something that happened. Data are plain JSON. */
export interface BookEvent {
  readonly type: 'round' | 'account' | 'auction' | 'opening' | 'rollback' | 'alert';
  readonly data: Readonly<Record<string, unknown>>;
}

/** An event with its place. */
export interface NumberedEvent extends BookEvent {
  /** Says which event was the last one that a listener got. */
  readonly id: string;
}

/** Events that are kept: a crash of the market changes the tiers of thousands of accounts at once. */
const KEPT = 16_384;

/** The latest events, in order. */
export class EventLog {
  /** Ids of another run of the process mean nothing here. */
  readonly #run = randomUUID().slice(0, 8);
  readonly #kept: NumberedEvent[] = [];
  readonly #listeners = new Set<(event: NumberedEvent) => void>();
  readonly #ends = new Set<() => void>();
  #count = 0;
  #closed = false;
  /** The last text that was made: most clients are at the same place. */
  #made:
    | { readonly from: number; readonly count: number; readonly bytes: Buffer; readonly to: number }
    | undefined;

  add(event: BookEvent): void {
    const numbered = { ...event, id: `${this.#run}-${++this.#count}` };
    this.#kept.push(numbered);
    if (this.#kept.length > KEPT) this.#kept.splice(0, this.#kept.length - KEPT);
    for (const listener of this.#listeners) listener(numbered);
  }

  /** True when nothing more is told. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Number of listeners. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Id of the newest event. */
  get last(): string {
    return `${this.#run}-${this.#count}`;
  }

  /** Number of events so far: the place of one who has had them all. */
  get count(): number {
    return this.#count;
  }

  /** The place after an event; undefined when what followed it is not known any more. */
  placeOf(id: string): number | undefined {
    const missed = this.since(id);
    return missed && this.#count - missed.length;
  }

  /**
   * What follows a place, as a stream of server-sent events: so many bytes, or little more.
   *
   * @returns nothing when it is not known any more
   */
  textAfter(place: number, bytes: number): { readonly bytes: Buffer; readonly to: number } | undefined {
    const first = this.#count - this.#kept.length;
    if (place < first) return undefined;
    if (
      this.#made?.from === place &&
      (this.#made.count === this.#count || this.#made.bytes.length >= bytes)
    ) {
      return this.#made;
    }
    let [text, to] = ['', place];
    for (; to < this.#count && text.length < bytes; to++) {
      const { id, type, data } = this.#kept[to - first]!;
      text += `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
    }
    this.#made = { from: place, count: this.#count, bytes: Buffer.from(text), to };
    return this.#made;
  }

  /** Events after one of them; undefined when it is not known any more. */
  since(id: string): readonly NumberedEvent[] | undefined {
    if (id === this.last) return [];
    const place = this.#kept.findIndex((event) => event.id === id);
    if (place >= 0) return this.#kept.slice(place + 1);
    // All that ever happened is still here.
    return id === `${this.#run}-0` && this.#count === this.#kept.length ? this.#kept : undefined;
  }

  /**
   * Calls back for each event from now on.
   *
   * @param onEnd called when the log is closed
   * @returns ends it
   */
  listen(listener: (event: NumberedEvent) => void, onEnd: () => void): () => void {
    if (this.#closed) {
      onEnd();
      return () => {};
    }
    this.#listeners.add(listener);
    this.#ends.add(onEnd);
    return () => {
      this.#listeners.delete(listener);
      this.#ends.delete(onEnd);
    };
  }

  close(): void {
    this.#closed = true;
    for (const end of [...this.#ends]) end();
    this.#listeners.clear();
  }
}

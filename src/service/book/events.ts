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

const KEPT = 4_096;

/** The latest events, in order. */
export class EventLog {
  /** Ids of another run of the process mean nothing here. */
  readonly #run = randomUUID().slice(0, 8);
  readonly #kept: NumberedEvent[] = [];
  readonly #listeners = new Set<(event: NumberedEvent) => void>();
  readonly #ends = new Set<() => void>();
  #count = 0;
  #closed = false;

  add(event: BookEvent): void {
    const numbered = { ...event, id: `${this.#run}-${++this.#count}` };
    this.#kept.push(numbered);
    if (this.#kept.length > KEPT) this.#kept.splice(0, this.#kept.length - KEPT);
    for (const listener of this.#listeners) listener(numbered);
  }

  /** Number of listeners. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Id of the newest event. */
  get last(): string {
    return `${this.#run}-${this.#count}`;
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

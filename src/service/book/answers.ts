/** Answers that hold for one generation of the book, kept so that whoever asks the same again is answered without any work. */

/** An answer's body with its entity tag. */
export interface KeptAnswer {
  readonly tag: string;
  readonly body: string;
  readonly type: string;
}

/** Characters of all bodies together. */
const MOST_CHARACTERS = 16 * 2 ** 20;

/** Answers of the present generation, by URL. */
export class Answers {
  readonly #kept = new Map<string, KeptAnswer>();
  #generation: bigint | undefined;
  #characters = 0;

  get(generation: bigint, url: string): KeptAnswer | undefined {
    return generation === this.#generation ? this.#kept.get(url) : undefined;
  }

  /** Keeps an answer; the oldest ones make room. */
  set(generation: bigint, url: string, answer: KeptAnswer): void {
    if (generation !== this.#generation) {
      this.#kept.clear();
      this.#characters = 0;
      this.#generation = generation;
    }
    if (answer.body.length > MOST_CHARACTERS / 4 || this.#kept.has(url)) return;
    this.#kept.set(url, answer);
    this.#characters += url.length + answer.body.length;
    for (const [oldest, { body }] of this.#kept) {
      if (this.#characters <= MOST_CHARACTERS) break;
      this.#kept.delete(oldest);
      this.#characters -= oldest.length + body.length;
    }
  }
}

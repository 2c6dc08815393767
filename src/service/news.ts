/** Loops that rest until there is something to do. */

/** Tells loops that there is news. None is missed between a look and the rest after it. */
export class News {
  readonly #resting = new Set<() => void>();
  #count = 0;

  /** How often there was news: to be read before a look, and given to {@link rest} after it. */
  get count(): number {
    return this.#count;
  }

  /** Ends all rests. */
  tell(): void {
    this.#count++;
    for (const end of [...this.#resting]) end();
  }

  /** Until there is news after the count, or the time in milliseconds is over. */
  async rest(count: number, ms: number): Promise<void> {
    if (count !== this.#count) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#resting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#resting.add(end);
    });
  }
}

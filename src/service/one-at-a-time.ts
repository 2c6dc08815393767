/** Work of which one run is under way at a time, and another follows when it was asked for meanwhile. */

/** Runs work whenever it is asked for, never twice at once: many requests during a run are one more run. */
export class OneAtATime {
  readonly #work: () => Promise<void>;
  readonly #ended: () => boolean;
  #wanted = false;
  #running: Promise<void> | undefined;

  /**
   * @param work tells of its failures itself: what it throws ends the runs that follow, and reaches all who wait
   * @param ended when nothing is to be begun any more
   */
  constructor(work: () => Promise<void>, ended: () => boolean) {
    this.#work = work;
    this.#ended = ended;
  }

  /** Whether another run follows the one that is under way, which may then end early. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** Asks for a run that begins from now on; resolves when it has ended. */
  run(): Promise<void> {
    this.#wanted = true;
    this.#running ??= (async () => {
      try {
        while (this.#wanted && !this.#ended()) {
          this.#wanted = false;
          await this.#work();
        }
      } finally {
        this.#running = undefined;
      }
    })();
    return this.#running;
  }

  /** Waits for what is under way. */
  async settled(): Promise<void> {
    await this.#running;
  }
}

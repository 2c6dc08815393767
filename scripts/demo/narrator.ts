/** What a demonstration prints: plain English, progress with times, tables. */
import { bold, table } from '../lib/format.ts';

const WIDTH = 100;
const STEP_WIDTH = 72;

/** A step with the time that it took. */
export interface TimedStep {
  readonly step: string;
  readonly seconds: number;
}

/** Prints text on standard output, or on standard error when that is for a JSON document. */
export class Narrator {
  readonly steps: TimedStep[] = [];
  readonly #json: boolean;
  readonly #started = performance.now();
  #chapters = 0;
  /** Whether a blank line is due. */
  #gap = false;

  constructor(json: boolean) {
    this.#json = json;
  }

  /** Seconds since the demonstration began. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  say(text: string): void {
    const line = this.#gap ? `\n${text}` : text;
    this.#gap = false;
    if (this.#json) process.stderr.write(`${line}\n`);
    else console.log(line);
  }

  /** A paragraph, in lines of a terminal's width. */
  tell(text: string): void {
    let line = '';
    for (const word of text.split(/\s+/)) {
      if (line.length + word.length + 1 > WIDTH) {
        this.say(line);
        line = '';
      }
      line = line === '' ? word : `${line} ${word}`;
    }
    this.say(line);
  }

  chapter(title: string): void {
    this.#chapters++;
    this.#gap = true;
    this.say(`${bold(`${this.#chapters}. ${title}`)}`);
  }

  async timed<T>(step: string, work: () => Promise<T> | T): Promise<T> {
    const start = performance.now();
    const result = await work();
    const seconds = (performance.now() - start) / 1000;
    this.steps.push({ step, seconds });
    this.say(`  ${step.padEnd(STEP_WIDTH)} ${seconds.toFixed(2).padStart(7)} s`);
    return result;
  }

  /** Figures for readers; a JSON document holds them in another form. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    if (this.#json) return;
    this.#gap = true;
    this.say(table(head, rows));
    this.#gap = true;
  }

  /** The document, when JSON was asked for. */
  finish(document: Readonly<Record<string, unknown>>): void {
    if (this.#json) {
      console.log(
        JSON.stringify(
          { ...document, steps: this.steps, seconds: this.seconds },
          (_, value) => (typeof value === 'bigint' ? value.toString() : value),
          2,
        ),
      );
    } else {
      console.log(`\nDone in ${this.seconds.toFixed(1)} s.`);
    }
  }
}

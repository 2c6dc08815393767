/**
 * Whether the process still works: that its event loop turns, and that each of its loops makes progress.
 *
 * Time is counted in beats of a timer. What did not run at all, a suspended machine or a blocked event loop, is thus not held
 * against the loops. Failing is no standstill: a loop that tries again and again makes progress, and `/readyz` tells why it fails.
 */
import { requireInteger } from '../errors.ts';

/** A loop, or a piece of work, at one moment. */
export interface LoopState {
  /** As in `indexer`. */
  readonly name: string;
  /** Changes with each step that the loop makes. */
  readonly turns: number;
  /** Whether it has good reason to take long just now, such as a proof that is within its time. */
  readonly excused?: boolean;
  /** What to say of a standstill; that the loop has made no progress unless given. */
  readonly complaint?: string;
}

/** Options of {@link Liveness}. */
export interface LivenessOptions {
  /** Milliseconds without progress that are told. Default 120,000. */
  readonly boundMs?: number | undefined;
  /** Milliseconds between beats; a fiftieth of the bound between 20 and 250 unless given. */
  readonly beatMs?: number | undefined;
}

/** Beats of one second that came late. */
interface Second {
  /** Seconds since the start. */
  readonly second: number;
  blockedMs: number;
  longestMs: number;
  late: number;
}

interface Standstill {
  readonly turns: number;
  readonly ms: number;
  readonly complaint: string | undefined;
}

/** Part of the bound for which an event loop that hardly turns is told of. */
const LASTING = 0.8;
/** Separate stalls at least. */
const SEPARATE = 3;
/** Lateness of a beat that is no stall. */
const TOLERANCE_MS = 10;
/** Time over which metrics tell of delays, in seconds. */
const METRIC_SECONDS = 60;

/** Watches the loops of one process. */
export class Liveness {
  readonly boundMs: number;
  readonly #beatMs: number;
  readonly #sources: (() => readonly LoopState[])[] = [];
  /** How long each loop stands still, with the turns that it had then. */
  #still = new Map<string, Standstill>();
  readonly #seconds: Second[] = [];
  readonly #startedAt = performance.now();
  #lastBeat = performance.now();
  #timer: NodeJS.Timeout | undefined;

  /** @throws ZkMarginError `OUT_OF_RANGE` */
  constructor({ boundMs = 120_000, beatMs }: LivenessOptions = {}) {
    this.boundMs = requireInteger(boundMs, 100, 86_400_000, 'stallMs');
    this.#beatMs = beatMs ?? Math.min(250, Math.max(20, Math.floor(boundMs / 50)));
  }

  /** Watches loops; called at every beat, so it must be quick and must not throw. */
  watch(loops: () => readonly LoopState[]): void {
    this.#sources.push(loops);
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#lastBeat = performance.now();
    this.#timer = setInterval(() => this.#beat(), this.#beatMs);
    // It keeps no process alive that has nothing else to do.
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Why the process should be replaced; empty when it need not be. */
  reasons(): string[] {
    const found: string[] = [];
    const blocked = this.#blocked(this.boundMs / 1000);
    // One stall that is over, as of a machine that was suspended, is not lasting.
    const lasting = blocked.late >= SEPARATE && blocked.longestMs <= blocked.blockedMs / 2;
    if (lasting && blocked.blockedMs >= LASTING * this.boundMs) {
      const share = Math.round((100 * Math.min(blocked.blockedMs, this.boundMs)) / this.boundMs);
      found.push(`the event loop was blocked for ${share} % of the last ${this.boundMs / 1000} s`);
    }
    for (const [name, { ms, complaint }] of this.#still) {
      if (ms < this.boundMs) continue;
      found.push(`${complaint ?? `the ${name} has made no progress`} for ${Math.floor(ms / 1000)} s`);
    }
    return found;
  }

  /** Seconds without progress, by loop. */
  standstills(): { readonly name: string; readonly seconds: number }[] {
    return [...this.#still].map(([name, { ms }]) => ({ name, seconds: ms / 1000 }));
  }

  /** Delays of the event loop over the last minute, in seconds. */
  delays(): { readonly longest: number; readonly sum: number } {
    const { longestMs, blockedMs } = this.#blocked(METRIC_SECONDS);
    return { longest: longestMs / 1000, sum: blockedMs / 1000 };
  }

  #beat(): void {
    const now = performance.now();
    const late = now - this.#lastBeat - this.#beatMs;
    this.#lastBeat = now;
    const second = Math.floor((now - this.#startedAt) / 1000);
    if (late > TOLERANCE_MS) {
      let last = this.#seconds.at(-1);
      if (last?.second !== second) {
        last = { second, blockedMs: 0, longestMs: 0, late: 0 };
        this.#seconds.push(last);
      }
      last.blockedMs += late;
      last.longestMs = Math.max(last.longestMs, late);
      last.late++;
    }
    const kept = Math.max(METRIC_SECONDS, this.boundMs / 1000) + 1;
    while (this.#seconds.length > 0 && this.#seconds[0]!.second < second - kept) this.#seconds.shift();

    const still = new Map<string, Standstill>();
    for (const source of this.#sources) {
      for (const { name, turns, excused = false, complaint } of source()) {
        const former = this.#still.get(name);
        const moved = former === undefined || former.turns !== turns || excused;
        still.set(name, { turns, ms: moved ? 0 : former.ms + this.#beatMs, complaint });
      }
    }
    this.#still = still;
  }

  #blocked(seconds: number): Omit<Second, 'second'> {
    const since = (performance.now() - this.#startedAt) / 1000 - seconds;
    const sum = { blockedMs: 0, longestMs: 0, late: 0 };
    for (const { second, blockedMs, longestMs, late } of this.#seconds) {
      // A second counts when any of it is within.
      if (second + 1 < since) continue;
      sum.blockedMs += blockedMs;
      sum.longestMs = Math.max(sum.longestMs, longestMs);
      sum.late += late;
    }
    return sum;
  }
}

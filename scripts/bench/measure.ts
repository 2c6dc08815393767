/** Timing shared by the benchmarks. */

/** One line of the report. */
export interface BenchResult {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Nearest-rank percentile. */
export function percentile(samples: readonly number[], rank: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(rank * sorted.length) - 1)]!;
}

/** Median time of `runs` calls in seconds, after one that warms up; the argument of `work` counts calls from 0. */
export function seconds(runs: number, work: (run: number) => void): number {
  const samples: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const start = performance.now();
    work(run);
    if (run > 0) samples.push((performance.now() - start) / 1000);
  }
  return median(samples);
}

/** Largest resident set of this process so far, in MiB. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS / 1024;
}

/** What every process that proves tells Prometheus, a service or a prover beside it. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { isZkMarginError } from '../errors.ts';
import { PROOF_SECONDS } from '../http/metrics.ts';
import { ProofError } from '../proof/errors.ts';
import type { Liveness } from './liveness.ts';
import type { Prover, ProverRunner } from './prover-runner.ts';

/** Attempts at proofs. */
export class ProofMetrics {
  readonly #proofs: Counter<'circuit' | 'result'>;
  readonly #proofSeconds: Histogram<'circuit'>;
  readonly #stageSeconds: Histogram<'circuit' | 'stage'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#proofs = new Counter({
      name: 'zkmargin_proofs_total',
      help: 'attempts at proofs by this process, by circuit and result: done, or the code of the failure',
      labelNames: ['circuit', 'result'],
      registers,
    });
    this.#proofSeconds = new Histogram({
      name: 'zkmargin_proof_seconds',
      help: 'time of attempts that gave a proof',
      labelNames: ['circuit'],
      buckets: PROOF_SECONDS,
      registers,
    });
    this.#stageSeconds = new Histogram({
      name: 'zkmargin_proof_stage_seconds',
      help: 'time of each stage of attempts that gave a proof: loading of a key, witness, proving, verifying',
      labelNames: ['circuit', 'stage'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, ...PROOF_SECONDS],
      registers,
    });
  }

  /** A prover whose attempts are counted. */
  counted(prover: Prover): Prover {
    return {
      prove: async (job, options) => {
        const started = performance.now();
        try {
          const proven = await prover.prove(job, options);
          this.#proofs.inc({ circuit: job.circuit, result: 'done' });
          this.#proofSeconds.observe({ circuit: job.circuit }, (performance.now() - started) / 1000);
          for (const [stage, ms] of Object.entries(proven.timings)) {
            this.#stageSeconds.observe({ circuit: job.circuit, stage }, ms / 1000);
          }
          return proven;
        } catch (error) {
          const code = error instanceof ProofError || isZkMarginError(error) ? error.code : 'INTERNAL';
          this.#proofs.inc({ circuit: job.circuit, result: code });
          throw error;
        }
      },
      ...(prover.hasBackground && { hasBackground: true }),
      warmBackground: async () => prover.warmBackground?.(),
      status: () => prover.status(),
      close: (graceMs) => prover.close(graceMs),
    };
  }
}

/** Tells how well the process turns. */
export function watchLiveness(registry: Registry, liveness: Liveness): void {
  const registers = [registry];
  const delay: Gauge<'figure'> = new Gauge({
    name: 'zkmargin_event_loop_delay_seconds',
    help: 'delays of the event loop over the last minute: the longest one, and the sum of all',
    labelNames: ['figure'],
    registers,
    collect: () => {
      const { longest, sum } = liveness.delays();
      delay.set({ figure: 'longest' }, longest);
      delay.set({ figure: 'sum' }, sum);
    },
  });
  const still: Gauge<'loop'> = new Gauge({
    name: 'zkmargin_loop_standstill_seconds',
    help: 'time without progress of each loop',
    labelNames: ['loop'],
    registers,
    collect: () => {
      still.reset();
      for (const { name, seconds } of liveness.standstills()) still.set({ loop: name }, seconds);
    },
  });
}

/** Tells how a prover of its own process stands. */
export function watchRunner(registry: Registry, runner: ProverRunner, workers: number): void {
  const registers = [registry];
  const processes: Gauge<'state'> = new Gauge({
    name: 'zkmargin_prover_workers',
    help: 'proving processes, that of the background apart (all), and jobs that are being proven (busy)',
    labelNames: ['state'],
    registers,
    collect: () => {
      processes.set({ state: 'all' }, workers);
      processes.set({ state: 'busy' }, runner.running);
    },
  });
  const age: Gauge = new Gauge({
    name: 'zkmargin_prover_heartbeat_age_seconds',
    help: 'time since the store last answered this prover: took a heartbeat of a job, or a question for the next one',
    registers,
    collect: () => age.set(runner.heartbeatAgeMs / 1000),
  });
}

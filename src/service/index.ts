/** The proof service. */
export type { AlertOptions } from './alerts/monitor.ts';
export type { AlertDelivery, AlertNoticeView, AlertView } from './alerts/schemas.ts';
export { BODY_LIMIT, buildService, RETRY_AFTER_SECONDS, type ServiceOptions } from './app.ts';
export { jobIdOf, verificationKeyDigest } from './job-id.ts';
export { type Prover, ProverRunner } from './prover-runner.ts';
export type { ServedCircuit } from './routes/circuits.ts';
export {
  type InsolvencyRequest,
  type JobView,
  MAX_WAIT_SECONDS,
  type ProofRequest,
  type SettlementRequest,
  type SolvencyRequest,
  type TransferRequest,
} from './schemas.ts';
export { type RunningService, type StartOptions, startService } from './start.ts';
export { type RunningProver, type StartProverOptions, startProver } from './start-prover.ts';

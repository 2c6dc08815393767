/** The proof service. */
export { BODY_LIMIT, buildService, RETRY_AFTER_SECONDS, type ServiceOptions } from './app.ts';
export { PROBLEM_TYPE, problemOf } from './problems.ts';
export type { Prover } from './proof-jobs.ts';
export { jobIdOf, verificationKeyDigest } from './request.ts';
export {
  INSOLVENCY_CAPACITY,
  INSOLVENCY_CIRCUIT,
  type JobView,
  MAX_WAIT_SECONDS,
  type Problem,
  type ProofRequest,
} from './schemas.ts';
export { type RunningService, type StartOptions, startService } from './start.ts';

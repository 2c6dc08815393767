/** Proofs that are made before keepers ask for them. */
export * from './keepers.ts';
export { anyNear, type LikelyProof, likelyProofs } from './plan.ts';
export { type SpeculationBounds, type SpeculationCounts, Speculator } from './speculator.ts';

import type { InterestedKeepers, KeeperBounds } from './keepers.ts';
import type { SpeculationBounds, Speculator } from './speculator.ts';

/** Bounds of speculation. */
export interface SpeculationOptions extends SpeculationBounds, KeeperBounds {}

/** Speculation at work. */
export interface Speculation {
  readonly keepers: InterestedKeepers;
  readonly speculator: Speculator;
}

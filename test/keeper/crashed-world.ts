/** An account that a crash leaves below its requirement, and a keeper with vessels to take it: what tests of a keeper's decisions begin with. */
import type { OpenedPair } from '../../scripts/lib/local-book.ts';
import { startUnprovenWorld, type UnprovenWorld } from '../../scripts/lib/unproven-protocol.ts';
import { TEST_STRATEGY } from './keepers.ts';

/** Index of the keeper's local account. */
export const KEEPER = 4;
/** Liquidations in one transaction alone. */
export const ATOMIC = { ...TEST_STRATEGY, kinds: ['liquidate'] as const };
/** 5 million USD, in 1e-6. */
const VESSEL_CASH = 5_000_000_000_000n;

export interface CrashedWorld {
  readonly world: UnprovenWorld;
  /** Of its two traders the crash fails the first. */
  readonly failing: OpenedPair;
  /** The keeper's empty accounts. */
  readonly vessels: bigint[];
}

/**
 * Starts it. The caller stops the world's protocol.
 *
 * @param beforeCrash what is to be done while all accounts are healthy
 */
export async function startCrashedWorld(
  vesselCount: number,
  beforeCrash: (world: UnprovenWorld) => Promise<void> = async () => {},
): Promise<CrashedWorld> {
  const world = await startUnprovenWorld();
  const { protocol, crashed } = world;
  await protocol.fund(protocol.wallet(KEEPER));
  const failing = await world.open(world.failing[0]!);
  await beforeCrash(world);
  const cash = new Array<bigint>(vesselCount).fill(VESSEL_CASH);
  const vessels = await protocol.createVessels(protocol.wallet(KEEPER), cash);
  await protocol.advanceTo(crashed.underlying.timestamp + 1n);
  await protocol.postRound(crashed);
  return { world, failing, vessels };
}

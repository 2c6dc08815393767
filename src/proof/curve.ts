import { type Curve, curves } from 'snarkjs';

let shared: Promise<Curve> | undefined;

/**
 * BN254 over WASM on the calling thread alone: no worker threads, nothing to close. Made once per process, in about
 * 0.2 s. Enough for a verification or a key's check; proving uses snarkjs's own threaded curve.
 */
export function singleThreadCurve(): Promise<Curve> {
  shared ??= curves.getCurveFromName('bn128', { singleThread: true });
  return shared;
}

/** Stop the threads of the curve that snarkjs keeps for the whole process, if there is one. */
export async function terminateSnarkjsThreads(): Promise<void> {
  const holder = globalThis as { curve_bn128?: Curve | null };
  await holder.curve_bn128?.terminate();
}

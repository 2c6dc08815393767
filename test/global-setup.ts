/** Builds once what many test files need, so that they do not build it side by side. */
import { buildContracts } from '../src/chain/build.ts';
import { compileCircuit } from '../src/proof/compile.ts';
import { ensureDevelopmentKey } from '../src/proof/keys/development.ts';

export default async function setup(): Promise<void> {
  console.log('building contracts, circuit insolvency-8 and its development key');
  // Each has one thread: side by side they use two cores.
  await Promise.all([
    buildContracts({ tests: true }),
    compileCircuit('insolvency-8').then((circuit) => ensureDevelopmentKey(circuit)),
  ]);
}

/** Builds once what many test files need, so that they do not build it side by side. */
import { buildContracts } from '../src/chain/build.ts';
import { compileCircuit } from '../src/proof/compile.ts';
import { LIQUIDATION_INSTANCES } from '../src/proof/instances.ts';
import { ensureDevelopmentKey } from '../src/proof/keys/development.ts';

export default async function setup(): Promise<void> {
  console.log('building contracts, the circuits that are served by default and their development keys');
  // Each has one thread: side by side they use all cores.
  await Promise.all([
    buildContracts({ tests: true }),
    ...LIQUIDATION_INSTANCES.map(async (name) => ensureDevelopmentKey(await compileCircuit(name))),
  ]);
}

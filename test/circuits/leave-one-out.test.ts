/**
 * Each constraint of a template is needed: without it the lint finds a signal that the inputs do not determine. Takes minutes, so it
 * runs with `npm run test:slow`.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { compileText, sourceOfText } from '../../src/proof/compile.ts';
import { removedInputs } from '../../src/proof/lint/removed-inputs.ts';
import { type ConstraintSystem, systemOf } from '../../src/proof/lint/system.ts';
import { UniquenessLint } from '../../src/proof/lint/uniqueness.ts';
import { parseR1cs } from '../../src/proof/r1cs.ts';
import { mainOf } from './counts.ts';

/** Constraints that only check what a prover gives: inputs count as determined. */
const TEMPLATES = [
  // Kind bits, the choice of an expiry and that there is at most one, that no option has none, and the packing.
  { template: 'Leg(8)', file: 'leg', checksOfInputs: 13 },
  { template: 'ExpiryBase()', file: 'expiry', checksOfInputs: 0 },
  { template: 'ExpiryRisk()', file: 'expiry', checksOfInputs: 0 },
  { template: 'ExpiryShock()', file: 'expiry', checksOfInputs: 0 },
  { template: 'GammaCost()', file: 'account', checksOfInputs: 0 },
  { template: 'PositionsCommitment(8)', file: 'commitment', checksOfInputs: 0 },
];

function isDetermined(system: ConstraintSystem): boolean {
  const { rules, harmless } = new UniquenessLint(system).run();
  return rules.every((rule, wire) => rule !== undefined || harmless[wire]);
}

describe.skipIf(process.env.ZKMARGIN_SLOW !== '1')('without one constraint', () => {
  it.each(TEMPLATES)(
    '$template leaves a signal open',
    async ({ template, file, checksOfInputs }) => {
      const text = mainOf({ template, file });
      const circuit = await compileText('count', text);
      const system = systemOf(
        parseR1cs(await readFile(circuit.r1csPath)),
        await readFile(circuit.symPath, 'utf8'),
        await removedInputs(circuit, sourceOfText('count', text)),
      );
      expect(isDetermined(system)).toBe(true);
      const unnoticed = system.constraints.filter((left) =>
        isDetermined({ ...system, constraints: system.constraints.filter((one) => one !== left) }),
      );
      expect(unnoticed).toHaveLength(checksOfInputs);
    },
    600_000,
  );
});

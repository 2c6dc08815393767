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

/** Both at once: the range of the spacing comes with the division by it. */
const EXPIRY = `template Expiry() {
    signal input word;
    signal input timestamp;
    signal input parameters[7];
    signal output base[14];
    signal output risk[5];
    component state = ExpiryBase();
    state.word <== word;
    state.timestamp <== timestamp;
    base[0] <== state.expiryHour;
    base[1] <== state.discount;
    base[2] <== state.discountedForward;
    for (var j = 0; j < 8; j++) base[3 + j] <== state.vols[j];
    base[11] <== state.tenor;
    base[12] <== state.spacing;
    base[13] <== state.logForward;
    component of = ExpiryRisk();
    of.tenor <== state.tenor;
    of.tenorUnits <== state.tenorUnits;
    of.spacing <== state.spacing;
    of.tenorFloor <== parameters[0];
    of.tenorPowerShort <== parameters[1];
    of.tenorPowerLong <== parameters[2];
    of.priceStep <== parameters[3];
    of.basisMinimum <== parameters[4];
    of.basisPerTenor <== parameters[5];
    of.interestPerTenor <== parameters[6];
    risk <== [of.tenorFactor, of.coarseFactor, of.step, of.basisRate, of.interestRate];
}
`;

/** Constraints that only check what a prover gives: inputs count as determined. */
const TEMPLATES = [
  // Kind bits, the choice of an expiry and that there is at most one, that no option has none, and the packing.
  { template: 'Leg(8)', file: 'leg', checksOfInputs: 13 },
  { template: 'Expiry()', file: 'expiry', checksOfInputs: 0, wrapper: EXPIRY },
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
    async ({ template, file, checksOfInputs, wrapper = '' }) => {
      const text = mainOf({ template, file }).replace('component main', `${wrapper}component main`);
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
      console.log(`${template}: ${system.constraints.length} constraints`);
      expect(unnoticed).toHaveLength(checksOfInputs);
    },
    600_000,
  );
});

/** What the circuit refuses: every single wire changed alone, and choices that a lying prover would like to make. */
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { poseidonHash } from '../../src/proof/commitment.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { insolvencyInput, scenarioPlace } from '../../src/proof/witness/insolvency.ts';
import { figuresShown } from '../../src/proof/witness/testing.ts';
import {
  type Accepted,
  changedAt,
  expectRefused,
  liesAboutTheOpening,
  singleChanges,
} from './account-cases.ts';
import { legs, round } from './full-account.ts';

let circuit: CircuitTester;
let input: CircuitInput;
let witness: bigint[];

beforeAll(async () => {
  circuit = await CircuitTester.fromFile('circuits/main/insolvency-8.circom');
  input = await insolvencyInput({
    legs,
    scale: (1n << 40n) + 12_345n,
    round,
    parameters: DEFAULT_PARAMETERS,
    scenarioIndex: 3,
    salt: 42n,
    context: 987_654_321n,
    capacity: 8,
  });
  witness = await circuit.witness(input);
});

const accepted = (): Accepted => ({ circuit, input, witness });

describe('single changes to a valid witness', () => singleChanges(accepted));

describe('a lying prover', () => {
  liesAboutTheOpening(accepted);
  it('cannot invent a scenario by indices that are no bits', async () => {
    await expectRefused(accepted(), changedAt(accepted(), 'scenarioIndex', 0, '2'));
    await expectRefused(accepted(), changedAt(accepted(), 'scenarioIndex', 5, String(SCALAR_MODULUS - 1n)));
  });
  it('cannot name the ninth place of a word together with another', async () => {
    // Two places would be picked, and their sum be a scenario that nobody has committed to.
    for (let bit = 0; bit < 3; bit++) {
      const index = ['0', '0', '0', '1', '0', '0'].map((value, at) => (at === bit ? '1' : value));
      await expect(circuit.witness({ ...input, scenarioIndex: index })).rejects.toMatchObject({
        code: 'WITNESS_REJECTED',
      });
    }
    await circuit.witness({ ...input, scenarioIndex: scenarioPlace(8) });
  });
  it('gains nothing from an unused scenario place: no loss, only add-ons', async () => {
    const unused = await circuit.witness({ ...input, scenarioIndex: scenarioPlace(35) });
    const [ofUnused, ofUsed] = [unused, witness].map((values) => figuresShown(circuit, values));
    expect(ofUnused!.baseRequirement).toBeLessThan(ofUsed!.baseRequirement);
    expect(ofUnused!.mark).toBe(ofUsed!.mark);
  });

  it('cannot show a slope that runs over into the next figure', async () => {
    // Parameters that no contract takes: nothing but the range of the slope bounds it then.
    const withFactor = async (maintenanceFactor: bigint) => {
      const header = 0x3ffffn | (86_400n << 68n) | (maintenanceFactor << 92n);
      // Sixteen of the longest steps down, to a sixteenth, without a shock.
      const scenarioWords = [(64n - 16n) | (1n << 7n) | (0x1ffffn << 9n), 0n, 0n, 0n];
      return circuit.witness({
        ...input,
        header: String(header),
        scenarioWords: scenarioWords.map(String),
        parametersCommitment: String(await poseidonHash([header, ...scenarioWords])),
        scenarioIndex: scenarioPlace(0),
        lossCounted: '1',
      });
    };
    // A slope of 2^(17 + 13 + 26), less a sixteenth.
    expect(figuresShown(circuit, await withFactor(1n << 13n)).collateralSlope >> 55n).toBe(1n);
    await expect(withFactor(1n << 15n)).rejects.toMatchObject({
      code: 'WITNESS_REJECTED',
      message: expect.stringMatching(/SignedBits_\d+ line: \d+\nError in template Insolvency_/),
    });
  });
});

/** Prints constraint counts of templates and instances, compiled afresh. Usage: npm run circuits:report [-- --json] */
import { CircuitTester } from '../src/proof/circuit-tester.ts';
import { publicSignalCount, termCount } from '../src/proof/r1cs.ts';
import { INSTANCE_COUNTS, mainOf, TEMPLATE_COUNTS, VERIFICATION_GAS } from '../test/circuits/counts.ts';
import { table } from './lib/format.ts';

const templates: { template: string; note: string; constraints: number }[] = [];
for (const row of TEMPLATE_COUNTS) {
  const { constraints } = await CircuitTester.fromText('count', mainOf(row));
  templates.push({ template: row.template, note: row.note, constraints });
}
const of = (name: string): number => templates.find(({ template }) => template === name)?.constraints ?? 0;

/** What is known of an instance's parts, from the counts of its templates. */
function partsOf(name: string): Record<string, number> {
  const [kind, size] = name.split('-') as [string, string];
  const legs = Number(size);
  const hashing = of(`PositionsCommitment(${legs})`) + of('ParametersCommitment()');
  const shorts = of(`NetShort(${legs})`);
  if (kind === 'insolvency') {
    return {
      legs: legs * of('Leg(8)'),
      // Seven for the signs of an expiry's sums.
      expiries: 8 * (of('ExpiryBase()') + of('ExpiryRisk()') + of('ExpiryShock()') + of('VegaRate()') + 7),
      hashing,
      'short options': shorts,
      'signs and sizes of charges': of('SignedBits(251)') + of('SignedBits(220)') + of('SignedBits(250)'),
      'cost of gamma': of('GammaCost()'),
      scenario: of('Scenario()') + of('Exp2Precise()'),
    };
  }
  if (kind === 'solvency') {
    return {
      legs: legs * of('LegInAllScenarios(8)'),
      expiries: 8 * (of('ExpiryBase()') + of('ExpiryRisk()') + 2 * of('ExpiryShock()') + of('VegaRate()')),
      hashing,
      'short options': shorts,
      'sizes of charges': 17 * of('SizeUp(212, 119)') + of('SizeUp(220, 114)') + 8 * of('SizeUp(226, 124)'),
      'cost of gamma': of('GammaCost()'),
      // A factor for each of the layout's moves.
      scenarios: of('LayoutDampings()') + 16 * of('Exp2Precise()'),
      // Size, sign, and that the worst is no smaller.
      'losses of 34 scenarios': 34 * (of('BitsOfProduct(240)') + 1 + 92),
    };
  }
  return {};
}

/** Gas of `verifyProof` with calldata and transaction, by the number of public signals, as measured on anvil. */
function verificationGas(publicSignals: number): number {
  return VERIFICATION_GAS.base + VERIFICATION_GAS.perSignal * publicSignals;
}

const instances = [];
for (const name of Object.keys(INSTANCE_COUNTS)) {
  const tester = await CircuitTester.fromFile(`circuits/main/${name}.circom`);
  const parts = partsOf(name);
  const rest = tester.constraints - Object.values(parts).reduce((sum, value) => sum + value, 0);
  const publicSignals = publicSignalCount(tester.r1cs);
  instances.push({
    name,
    constraints: tester.constraints,
    terms: termCount(tester.r1cs),
    publicSignals,
    verificationGas: verificationGas(publicSignals),
    parts: { ...parts, [Object.keys(parts).length === 0 ? 'all' : 'rest']: rest },
    fits: Math.ceil(Math.log2(tester.constraints + publicSignals + 1)),
  });
}

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ templates, instances }, null, 2));
} else {
  console.log(
    table(
      ['template', 'constraints', 'use'],
      templates.map(({ template, constraints, note }) => [template, String(constraints), note]),
    ),
  );
  for (const { name, constraints, terms, publicSignals, parts, fits, verificationGas: gas } of instances) {
    console.log(
      `\n${name}: ${constraints} constraints, ${terms} terms in A and B, ${publicSignals} public signals, domain 2^${fits}, about ${gas} gas to verify`,
    );
    console.log(
      table(
        ['part', 'constraints', 'share'],
        Object.entries(parts).map(([part, count]) => [
          part,
          String(count),
          `${((100 * count) / constraints).toFixed(1)} %`,
        ]),
      ),
    );
  }
}

/** Prints constraint counts of templates and instances, compiled afresh. Usage: npm run circuits:report [-- --json] */
import { CircuitTester } from '../src/proof/circuit-tester.ts';
import { publicSignalCount } from '../src/proof/r1cs.ts';
import { INSTANCE_COUNTS, mainOf, TEMPLATE_COUNTS } from '../test/circuits/counts.ts';
import { table } from './lib/format.ts';

const templates: { template: string; note: string; constraints: number }[] = [];
for (const row of TEMPLATE_COUNTS) {
  const { constraints } = await CircuitTester.fromText('count', mainOf(row));
  templates.push({ template: row.template, note: row.note, constraints });
}
const of = (name: string): number => templates.find(({ template }) => template === name)?.constraints ?? 0;

const instances = [];
for (const name of Object.keys(INSTANCE_COUNTS)) {
  const tester = await CircuitTester.fromFile(`circuits/main/${name}.circom`);
  const legs = Number(name.split('-')[1]);
  const parts = {
    legs: legs * of('Leg(8)'),
    expiries: 8 * of('ExpiryState()'),
    hashing: of(`PositionsCommitment(${legs})`) + of('ParametersCommitment()'),
    scenario: of('Scenario()') + of('Exp2Precise()'),
  };
  const rest = tester.constraints - Object.values(parts).reduce((sum, value) => sum + value, 0);
  instances.push({
    name,
    constraints: tester.constraints,
    publicSignals: publicSignalCount(tester.r1cs),
    parts: { ...parts, 'short options, totals, words': rest },
    fits: Math.ceil(Math.log2(tester.constraints + publicSignalCount(tester.r1cs) + 1)),
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
  for (const { name, constraints, publicSignals, parts, fits } of instances) {
    console.log(`\n${name}: ${constraints} constraints, ${publicSignals} public signals, domain 2^${fits}`);
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

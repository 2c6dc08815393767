/** Prints constraint counts of templates and instances, compiled afresh. Usage: npm run circuits:report [-- --json] */
import { CircuitTester } from '../src/proof/circuit-tester.ts';
import { INSTANCES } from '../src/proof/instances.ts';
import { publicSignalCount, termCount } from '../src/proof/r1cs.ts';
import { mainOf, partsOf, TEMPLATE_COUNTS, VERIFICATION_GAS } from '../test/circuits/counts.ts';
import { table } from './lib/format.ts';

const templates: { template: string; note: string; constraints: number }[] = [];
for (const row of TEMPLATE_COUNTS) {
  const { constraints } = await CircuitTester.fromText('count', mainOf(row));
  templates.push({ template: row.template, note: row.note, constraints });
}

function countOf(template: string): number {
  return templates.find((row) => row.template === template)!.constraints;
}

/** Gas of `verifyProof` with calldata and transaction, by the number of public signals, as measured on anvil. */
function verificationGas(publicSignals: number): number {
  return VERIFICATION_GAS.base + VERIFICATION_GAS.perSignal * publicSignals;
}

const instances = [];
for (const name of INSTANCES) {
  const tester = await CircuitTester.fromFile(`circuits/main/${name}.circom`);
  const publicSignals = publicSignalCount(tester.r1cs);
  instances.push({
    name,
    constraints: tester.constraints,
    terms: termCount(tester.r1cs),
    publicSignals,
    verificationGas: verificationGas(publicSignals),
    parts: partsOf(name, tester.constraints, countOf),
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

/**
 * Speed of the main parts: medians of several runs, as a table and as JSON in bench-results/.
 *
 * Usage: npm run bench [-- --runs 5 --only margin|monitor|load|proofs|round-to-calldata --accounts 10000 --json]
 *
 * round-to-calldata, which takes minutes, is run when it is named.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { benchLoad } from './bench/load.ts';
import { benchMargin } from './bench/margin.ts';
import type { BenchResult } from './bench/measure.ts';
import { benchMonitor } from './bench/monitor.ts';
import { benchProofs } from './bench/proofs.ts';
import { benchRoundToCalldata } from './bench/round-to-calldata.ts';
import { exampleSurfaces } from './lib/example-crash.ts';
import { table } from './lib/format.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string' },
    accounts: { type: 'string', default: '10000' },
    json: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1 || runs > 100) {
  console.error('--runs must be a whole number from 1 to 100.');
  process.exit(2);
}
const accounts = Number(values.accounts);
if (!Number.isInteger(accounts) || accounts < 100 || accounts > 100_000) {
  console.error('--accounts must be a whole number from 100 to 100,000.');
  process.exit(2);
}
const PARTS = ['margin', 'monitor', 'load', 'proofs', 'round-to-calldata'];
if (values.only !== undefined && !PARTS.includes(values.only)) {
  console.error(`--only must be one of ${PARTS.join(', ')}.`);
  process.exit(2);
}

const results: BenchResult[] = [];
// Margins come first: their peak of memory is the process's until then.
const wanted = (part: string) => values.only === undefined || values.only === part;
if (wanted('margin')) results.push(...benchMargin(exampleSurfaces(), runs));
if (wanted('monitor')) results.push(...benchMonitor(exampleSurfaces(), runs));
if (wanted('load')) results.push(...(await benchLoad(runs)));
if (wanted('proofs')) results.push(...(await benchProofs(runs)));
if (values.only === 'round-to-calldata') results.push(...(await benchRoundToCalldata(runs, accounts)));

const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version };
const document = { machine, runs, time: new Date().toISOString(), results };
mkdirSync('bench-results', { recursive: true });
writeFileSync('bench-results/bench.json', `${JSON.stringify(document, null, 2)}\n`);
if (values.json) {
  console.log(JSON.stringify(document, null, 2));
} else {
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; medians of ${runs} runs`);
  console.log(
    table(
      ['what', 'value', 'unit'],
      results.map(({ what, value, unit }) => [
        what,
        Number.isInteger(value) || value >= 100
          ? Math.round(value).toLocaleString('en-US')
          : value.toFixed(3),
        unit,
      ]),
    ),
  );
  if (values.only === 'round-to-calldata') {
    console.log(
      'Accounts that are liquidated are on the chain, the others were written into the store; other work on the machine shows in times, not in processor time.',
    );
  }
  console.log('Written to bench-results/bench.json.');
}

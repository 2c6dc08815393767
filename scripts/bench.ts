/** Speed of the main parts: medians of several runs, as a table and as JSON in bench-results/. `npm run bench -- --help`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { benchLoad } from './bench/load.ts';
import { benchMargin } from './bench/margin.ts';
import type { BenchResult } from './bench/measure.ts';
import { benchMonitor } from './bench/monitor.ts';
import { benchProofs } from './bench/proofs.ts';
import { benchRoundToCalldata } from './bench/round-to-calldata.ts';
import { exampleSurfaces } from './lib/example-crash.ts';
import { table } from './lib/format.ts';

const PARTS = ['margin', 'monitor', 'load', 'proofs', 'round-to-calldata'] as const;

function wholeWithin(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`Give a whole number from ${low} to ${high}.`);
  };
}

const values = new Command('npm run bench --')
  .description(
    'measures speed, and writes bench-results/bench.json; an idle machine gives the figures of the documents',
  )
  .option('--runs <count>', 'runs of which the median counts', wholeWithin(1, 100), 5)
  .addOption(
    new Option(
      '--only <part>',
      'one part; round-to-calldata takes minutes and runs when it is named',
    ).choices(PARTS),
  )
  .option('--accounts <count>', 'accounts of round-to-calldata', wholeWithin(100, 100_000), 10_000)
  .option('--json', 'print one JSON document', false)
  .parse()
  .opts<{ runs: number; only?: (typeof PARTS)[number]; accounts: number; json: boolean }>();
const { runs, accounts } = values;

const results: BenchResult[] = [];
// Margins come first: their peak of memory is the process's until then.
const wanted = (part: string) => values.only === undefined || values.only === part;
if (wanted('margin')) results.push(...benchMargin(exampleSurfaces(), runs));
if (wanted('monitor')) results.push(...benchMonitor(exampleSurfaces(), runs));
if (wanted('load')) results.push(...(await benchLoad(runs)));
if (wanted('proofs')) results.push(...(await benchProofs({ runs, onStep: (step) => console.error(step) })));
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

/**
 * Looks for signals that the inputs do not determine, and for signals that no constraint of their template mentions.
 *
 * Usage: npm run circuits:lint -- [--circuit NAME ...] [--file A.r1cs,A.sym] [--skip-inspect] [--json]
 */
import { readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compileCircuit } from '../src/proof/compile.ts';
import { ProofError } from '../src/proof/errors.ts';
import { projectRoot } from '../src/proof/files.ts';
import { compareWarnings, type InspectWarning, inspectCircuit } from '../src/proof/lint/inspect.ts';
import { removedInputs } from '../src/proof/lint/removed-inputs.ts';
import { lintFiles, passes, readAllowances, type UniquenessReport } from '../src/proof/lint/report.ts';
import { table } from './lib/format.ts';

const HELP = `Usage: npm run circuits:lint -- [options]

  --circuit NAME      an instance of circuits/main, may be repeated (default: all)
  --file R1CS,SYM     files compiled elsewhere instead, without allow-list and inspection
  --skip-inspect      leave out the compiler's own inspection
  --json              one JSON document on standard output; progress on standard error
  --help              this text

Ends with 0 when nothing is found, 1 for findings, 2 for wrong usage or a circuit that does not compile.

Example: npm run circuits:lint -- --circuit insolvency-8`;

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

const allowancesPath = join(projectRoot, 'circuits/inspect-allow.json');
const started = performance.now();
const progress = (line: string): void => {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`${seconds} s  ${line}\n`);
};

function options(): { circuit?: string[]; file?: string; inspect: boolean; json: boolean; help: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        circuit: { type: 'string', multiple: true },
        file: { type: 'string' },
        'skip-inspect': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const { 'skip-inspect': skipped, ...rest } = values;
    return { ...rest, inspect: !skipped };
  } catch (error) {
    return fail(`${(error as Error).message}\n\n${HELP}`);
  }
}

async function lint(
  name: string,
  files: { r1csPath: string; symPath: string },
  given: Parameters<typeof lintFiles>[2],
): Promise<UniquenessReport & { seconds: number }> {
  const start = performance.now();
  let shown = start;
  const onProgress = ({ determined, wires }: { determined: number; wires: number }): void => {
    if (performance.now() - shown < 2_000) return;
    shown = performance.now();
    progress(`${name}: ${determined.toLocaleString('en-US')} of ${wires.toLocaleString('en-US')} signals`);
  };
  const report = await lintFiles(name, files, { ...given, onProgress });
  return { ...report, seconds: (performance.now() - start) / 1000 };
}

function print(report: UniquenessReport & { seconds: number }): void {
  const of = (count: number): string => count.toLocaleString('en-US');
  console.log(
    `\n${report.circuit}: ${of(report.constraints)} constraints, ${of(report.signals)} signals, ${report.seconds.toFixed(1)} s: ${passes(report) ? 'settled' : 'OPEN'}`,
  );
  const harmless = report.harmless.reduce((sum, { signals }) => sum + signals, 0);
  const open = report.open.reduce((sum, { signals }) => sum + signals, 0);
  console.log(
    table(
      ['determined by', 'signals'],
      [
        ...Object.entries(report.determined).sort((a, b) => b[1] - a[1]),
        ['none, harmless', harmless] as const,
        ['none', open] as const,
      ].map(([rule, count]) => [rule, of(count)]),
    ),
  );
  for (const group of report.open) {
    console.log(
      `  open${group.isOutput ? ' OUTPUT' : ''}: ${group.pattern} (${of(group.signals)}), such as ${group.example}\n    ${group.constraint}`,
    );
  }
  for (const name of report.unusedInputs) console.log(`  input in no constraint: ${name}`);
  for (const pattern of report.stale) console.log(`  allowance that nothing needs: ${pattern}`);
}

const chosen = options();
if (chosen.help) {
  console.log(HELP);
  process.exit(0);
}
if (chosen.file !== undefined && chosen.circuit !== undefined) fail('Give either --circuit or --file.');

const instances = readdirSync(join(projectRoot, 'circuits/main'))
  .filter((name) => name.endsWith('.circom'))
  .map((name) => name.slice(0, -'.circom'.length));
const names = chosen.circuit ?? instances;
for (const name of names) {
  if (!instances.includes(name)) fail(`No instance ${name}. There are: ${instances.join(', ')}.`);
}

try {
  const reports: (UniquenessReport & { seconds: number })[] = [];
  const warnings: InspectWarning[] = [];
  let comparison: ReturnType<typeof compareWarnings> = { fresh: [], stale: [] };
  if (chosen.file !== undefined) {
    const [r1csPath, symPath, ...more] = chosen.file.split(',').map((path) => resolve(path));
    if (r1csPath === undefined || symPath === undefined || more.length > 0) {
      fail('--file needs two paths with a comma between: the .r1cs file and the .sym file.');
    }
    reports.push(await lint(basename(r1csPath, '.r1cs'), { r1csPath, symPath }, {}));
  } else {
    const allowances = await readAllowances(allowancesPath);
    for (const name of names) {
      progress(`${name}: compiling, unless it is there`);
      const circuit = await compileCircuit(name);
      progress(`${name}: looking for undetermined signals`);
      const substitutions = await removedInputs(circuit, `circuits/main/${name}.circom`);
      reports.push(await lint(name, circuit, { allowances: allowances.uniqueness, substitutions }));
      if (!chosen.inspect) continue;
      progress(`${name}: the compiler's inspection`);
      warnings.push(...(await inspectCircuit(name)));
    }
    if (chosen.inspect) {
      comparison = compareWarnings(warnings, allowances.inspect);
      // An allowance may be there for an instance that was not looked at.
      if (names.length < instances.length) comparison.stale = [];
    }
  }

  const passed = reports.every(passes) && comparison.fresh.length === 0 && comparison.stale.length === 0;
  if (chosen.json) {
    const inspect = { warnings: warnings.length, new: comparison.fresh, stale: comparison.stale };
    console.log(JSON.stringify({ passed, circuits: reports, inspect }, null, 2));
  } else {
    for (const report of reports) print(report);
    if (chosen.file === undefined && chosen.inspect) {
      console.log(
        `\nThe compiler's inspection: ${warnings.length} warnings, ${comparison.fresh.length} of them new`,
      );
      for (const { code, message } of comparison.fresh) console.log(`  new ${code}: ${message}`);
      for (const { template, signal } of comparison.stale) {
        console.log(`  allowance that nothing needs: ${template} ${signal}`);
      }
    }
    console.log(passed ? '\nNothing found.' : '\nSomething was found.');
  }
  process.exitCode = passed ? 0 : 1;
} catch (error) {
  if (!(error instanceof ProofError)) throw error;
  fail(`${error.code}: ${error.message}`);
}

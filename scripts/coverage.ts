/**
 * Measures which lines and branches of the contracts their tests reach: `npm run coverage:contracts`.
 *
 * Usage: tsx scripts/coverage.ts [--minimum PERCENT] [--verbose]
 *
 * Runs all forge tests without the optimiser, with short fuzzes and invariants. Verifiers, which are generated, and test
 * contracts do not count. Ends with 0, or with 1 when lines or branches of `contracts/src` stay below the minimum, or a test fails.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runForge } from '../src/chain/build.ts';
import { ChainError } from '../src/chain/errors.ts';
import { table } from './lib/format.ts';
import { isBelow, lcovFiles, percent, sumOf } from './lib/lcov.ts';

const DEFAULT_MINIMUM = 95;
/** Generated code, test doubles and tests. */
const EXCLUDED = '(contracts/test|contracts/src/verifiers|contracts/src/testing|node_modules)';

const { values } = parseArgs({
  options: {
    minimum: { type: 'string', default: String(DEFAULT_MINIMUM) },
    verbose: { type: 'boolean', default: false },
  },
});
const minimum = Number(values.minimum);
if (!(minimum >= 0 && minimum <= 100)) {
  console.error('--minimum is a number of percent, from 0 to 100.');
  process.exit(2);
}

const directory = mkdtempSync(join(tmpdir(), 'zkmargin-coverage-'));
try {
  // Coverage counts what is reached, not how often: short runs suffice, and traces of long ones do not fit into memory.
  process.env.FOUNDRY_FUZZ_RUNS ??= '32';
  process.env.FOUNDRY_INVARIANT_RUNS ??= '2';
  const report = join(directory, 'lcov.info');
  const { exitCode, output } = await runForge([
    'coverage',
    '--report',
    'lcov',
    '--report-file',
    report,
    '--no-match-coverage',
    EXCLUDED,
    // Their limits are for optimised code.
    '--no-match-test',
    '^test_gas',
  ]);
  if (values.verbose || exitCode !== 0) console.error(output.slice(-20_000));
  if (exitCode !== 0)
    throw new ChainError('BUILD_FAILED', 'The tests fail, or could not be run.', { exitCode });
  const files = lcovFiles(readFileSync(report, 'utf8')).filter(({ path }) =>
    path.startsWith('contracts/src/'),
  );
  const total = sumOf(files, 'contracts/src');
  const rows = [...files, total].map(({ path, lines, branches, functions, missed }) => [
    path.replace('contracts/src/', ''),
    `${percent(lines)} %`,
    `${percent(branches)} %`,
    `${percent(functions)} %`,
    missed.slice(0, 12).join(' '),
  ]);
  console.log(table(['contract', 'lines', 'branches', 'functions', 'lines not reached'], rows));
  if (isBelow(total, minimum)) {
    console.error(`Lines or branches are below ${minimum} %.`);
    process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof ChainError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

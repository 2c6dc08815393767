/**
 * Static analysis of the contracts by forge's linter: any finding fails. `foundry.toml` says which lints are left out and why.
 *
 * Usage: npm run lint:contracts
 */
import { join } from 'node:path';
import { PROJECT_ROOT, runForge } from '../src/chain/build.ts';

// The linter writes artefacts without bytecode: they must not replace those of the build.
process.env.FOUNDRY_OUT = join(PROJECT_ROOT, 'build', 'lint', 'out');
process.env.FOUNDRY_CACHE_PATH = join(PROJECT_ROOT, 'build', 'lint', 'cache');
const { exitCode } = await runForge(['lint', 'contracts/src'], true);
if (exitCode === 0) console.log('The linter has nothing to say about contracts/src.');
process.exitCode = exitCode;

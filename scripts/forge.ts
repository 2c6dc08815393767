/**
 * Runs forge: `tsx scripts/forge.ts build|test [arguments]`.
 *
 * forge's binary lies in the npm package of this platform, an optional dependency of `@foundry-rs/forge`, and is run
 * from there, so that no install script is needed. The compiler is npm's `solc`. The exit code is forge's.
 */
import { runForge } from '../src/chain/build.ts';
import { ChainError } from '../src/chain/errors.ts';

try {
  const { exitCode } = await runForge(process.argv.slice(2), true);
  process.exitCode = exitCode;
} catch (error) {
  if (!(error instanceof ChainError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

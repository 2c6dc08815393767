/**
 * Runs forge: `tsx scripts/forge.ts build|test [arguments]`.
 *
 * forge's binary lies in the npm package of this platform, an optional dependency of `@foundry-rs/forge`, and is run
 * from there, so that no install script is needed. The exit code is forge's.
 */
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { foundryBinary } from '../src/chain/binaries.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const child = spawn(foundryBinary('forge'), process.argv.slice(2), { cwd: root, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`forge could not be run: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));

/**
 * Development keys: compile circuits, make their keys, write what is committed about them; with `--check`, rebuild and
 * compare instead.
 *
 *     npm run keys:dev -- [--circuit <name>]... [--check] [--force] [--json]
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { ProofError } from '../src/proof/errors.ts';
import { exists, projectRoot } from '../src/proof/files.ts';
import {
  buildKeyArtifacts,
  compareKeyArtifacts,
  type KeyArtifacts,
  loadManifest,
  writeKeyArtifacts,
} from '../src/proof/keys/artifacts.ts';

const options = new Command('keys:dev')
  .description('make development keys, verification keys, verifier contracts and the manifest')
  .option(
    '-c, --circuit <name...>',
    'circuits of circuits/main; default all that the manifest or the folder names',
  )
  .option('--check', 'rebuild and fail when a committed file differs', false)
  .option('--force', "replace the manifest's entry of a ceremony key", false)
  .option('--json', 'print one JSON document', false)
  .parse()
  .opts<{ circuit?: string[]; check: boolean; force: boolean; json: boolean }>();

async function circuitNames(): Promise<string[]> {
  if (options.circuit) return options.circuit;
  const files = await readdir(join(projectRoot, 'circuits/main')).catch(() => [] as string[]);
  const names = files
    .filter((file) => file.endsWith('.circom'))
    .map((file) => file.slice(0, -'.circom'.length));
  const committed = options.check ? Object.keys((await loadManifest()).circuits) : [];
  return [...new Set([...names, ...committed])].sort();
}

function progressLine(text: string): void {
  if (options.json) return;
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`);
}

async function main(): Promise<number> {
  const names = await circuitNames();
  if (names.length === 0) throw new ProofError('CIRCUIT_NOT_FOUND', 'there is no circuit in circuits/main');
  const all: KeyArtifacts[] = [];
  for (const name of names) {
    const source = `circuits/main/${name}.circom`;
    if (!(await exists(join(projectRoot, source)))) {
      throw new ProofError('CIRCUIT_NOT_FOUND', `there is no circuit ${source}`, { circuit: name });
    }
    const artifacts = await buildKeyArtifacts(source, {
      thorough: options.check,
      onProgress: (progress) => {
        if ('fraction' in progress) {
          const percent = Math.round(100 * progress.fraction);
          const left = (progress.etaMs / 1000).toFixed(0);
          progressLine(`${name}: key, ${progress.stage} ${percent} %, about ${left} s left`);
        } else progressLine(`${name}: ${progress.stage}`);
      },
    });
    progressLine('');
    all.push(artifacts);
    if (!options.json) {
      const { entry } = artifacts;
      const compiled = artifacts.compileMs > 0 ? `${(artifacts.compileMs / 1000).toFixed(1)} s` : 'cached';
      const made = artifacts.cached ? 'cached' : `${(artifacts.generateMs / 1000).toFixed(1)} s`;
      process.stdout.write(
        `${name}: ${entry.constraints} constraints, ${entry.wires} wires, ${entry.publicSignals.length} public signals; ` +
          `compiled ${compiled}, key ${made}\n`,
      );
    }
  }
  const differences = options.check ? await compareKeyArtifacts(all) : [];
  if (!options.check) await writeKeyArtifacts(all, {}, { force: options.force });
  if (options.json) {
    const circuits = all.map((artifacts) => ({
      name: artifacts.name,
      ...artifacts.entry,
      zkeyPath: artifacts.zkeyPath,
      wasmPath: artifacts.circuit.wasmPath,
      compileMs: Math.round(artifacts.compileMs),
      generateMs: Math.round(artifacts.generateMs),
      cached: artifacts.cached,
    }));
    process.stdout.write(
      `${JSON.stringify({ ok: differences.length === 0, differences, circuits }, null, 2)}\n`,
    );
  } else if (differences.length > 0) {
    process.stderr.write(
      `Committed key files differ from the rebuild:\n${differences.map((d) => `  ${d}`).join('\n')}\n` +
        'Run `npm run keys:dev` and commit the result, or restore the circuit.\n',
    );
  } else if (options.check) process.stdout.write('Committed key files agree with the rebuild.\n');
  return differences.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof ProofError)) throw error;
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ ok: false, error: { code: error.code, message: error.message } }, null, 2)}\n`,
    );
  } else process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
}

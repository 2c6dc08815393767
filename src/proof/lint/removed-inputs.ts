import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type CompiledCircuit, includeFolders, runCli } from '../compile.ts';
import { ProofError } from '../errors.ts';
import { exists, projectRoot, sha256, writeFileAtomic } from '../files.ts';
import { parseR1cs } from '../r1cs.ts';
import { inputsOf, type Substitutions } from './system.ts';

/**
 * What the optimiser put for private inputs that it removed. The compiler tells on request only, so a circuit with such
 * inputs is compiled once more; the result is kept below `build/circuits-lint`.
 *
 * @param path of the circuit's source, below the project's root.
 * @throws {ProofError} `CIRCUIT_COMPILE_FAILED` when the second run does not give the same constraint system.
 */
export async function removedInputs(circuit: CompiledCircuit, path: string): Promise<Substitutions> {
  const [r1cs, symbols] = await Promise.all([readFile(circuit.r1csPath), readFile(circuit.symPath, 'utf8')]);
  const { removed, wireOfLabel } = inputsOf(parseR1cs(r1cs), symbols);
  if (removed.length === 0) return {};
  const folder = join(projectRoot, 'build/circuits-lint', circuit.name);
  const kept = join(folder, `${circuit.sourceHash.slice(0, 16)}-${circuit.r1csHash.slice(0, 16)}.json`);
  if (await exists(kept)) return JSON.parse(await readFile(kept, 'utf8')) as Substitutions;
  const temporary = join(folder, `${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
  await mkdir(temporary, { recursive: true });
  try {
    const { output } = await runCli([
      relative(projectRoot, join(projectRoot, path)),
      '--O2',
      '--r1cs',
      '--simplification_substitution',
      ...includeFolders.flatMap((include) => ['-l', include]),
      '-o',
      relative(projectRoot, temporary),
    ]);
    const [again, all] = await Promise.all([
      readFile(join(temporary, `${circuit.name}.r1cs`)).catch(() => undefined),
      readFile(join(temporary, `${circuit.name}_substitutions.json`), 'utf8').catch(() => undefined),
    ]);
    if (again === undefined || all === undefined || sha256(again) !== circuit.r1csHash) {
      throw new ProofError(
        'CIRCUIT_COMPILE_FAILED',
        `${circuit.name} did not compile to the same constraints again:\n${output.trim()}`,
        { circuit: circuit.name },
      );
    }
    const substitutions = JSON.parse(all) as Substitutions;
    const needed: Record<string, Readonly<Record<string, string>>> = {};
    const pending = removed.map(({ label }) => String(label));
    for (let label = pending.pop(); label !== undefined; label = pending.pop()) {
      const substitution = substitutions[label];
      if (substitution === undefined || needed[label] !== undefined) continue;
      needed[label] = substitution;
      pending.push(...Object.keys(substitution).filter((other) => (wireOfLabel[Number(other)] ?? -1) < 0));
    }
    await writeFileAtomic(kept, JSON.stringify(needed));
    return needed;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

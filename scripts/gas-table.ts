/**
 * Gas of whole transactions, calldata and base fee included, on a local chain with real contracts and real proofs. `npm run gas -- --help`.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Prover } from '../src/chain/requests/proofs.ts';
import { type KeyManifest, loadManifest } from '../src/proof/keys/artifacts.ts';
import { type GasFigure, measureGas } from './gas/measure.ts';
import { insertGas, MARKERS, renderGas } from './gas/render.ts';

const RESULTS = 'bench-results/gas.json';
const KEPT_PROOFS = 'build/gas-proofs.json';
/** The first that has the markers is the document of the table. */
const DOCUMENTS = ['docs/contracts.md'];

const values = new Command('npm run gas --')
  .description('measures the gas of transactions, prints the table and writes bench-results/gas.json')
  .option('--markdown', 'print the table as the document has it', false)
  .option('--write', "replace the document's table", false)
  .option('--from-json', 'measure nothing, and take the figures of the last run', false)
  .option(
    '--keep-proofs',
    'keep proofs in build/, and use those that are there: most of the time is theirs',
    false,
  )
  .parse()
  .opts<{ markdown: boolean; write: boolean; fromJson: boolean; keepProofs: boolean }>();

const figures = values.fromJson ? readFigures() : await measure();
const { text, markdown } = renderGas(figures);
console.log(values.markdown ? markdown : text);
if (values.write) {
  const document = DOCUMENTS.find((path) => contentOf(path)?.includes(MARKERS.begin));
  if (document === undefined) throw new Error(`No document has ${MARKERS.begin}.`);
  writeFileSync(document, insertGas(contentOf(document)!, markdown));
  console.error(`Written to ${document}.`);
}

async function measure(): Promise<readonly GasFigure[]> {
  const started = performance.now();
  const manifest = await loadManifest();
  const measured = await measureGas({
    onStep: (step) => {
      console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${step}`);
    },
    ...(values.keepProofs ? { decorate: (prover) => keepingProofs(prover, manifest) } : {}),
  });
  mkdirSync('bench-results', { recursive: true });
  const document = { time: new Date().toISOString(), hardfork: 'prague', figures: measured };
  writeFileSync(RESULTS, `${JSON.stringify(document, null, 2)}\n`);
  return measured;
}

/** A prover that remembers its proofs: of the same statement, by the same key, a proof is as good the second time. */
function keepingProofs(prover: Prover, { circuits }: KeyManifest): Prover {
  const kept = new Map<string, Awaited<ReturnType<Prover['prove']>>>(
    JSON.parse(contentOf(KEPT_PROOFS) ?? '[]'),
  );
  return {
    async prove(job) {
      const text = JSON.stringify(job, (_, value) => (typeof value === 'bigint' ? String(value) : value));
      const { verificationKeyHash = '' } = circuits[job.circuit] ?? {};
      const key = createHash('sha256').update(verificationKeyHash).update(text).digest('hex');
      const found = kept.get(key);
      if (found !== undefined) return found;
      const { calldata, publicSignals } = await prover.prove(job);
      kept.set(key, { calldata, publicSignals });
      writeFileSync(KEPT_PROOFS, JSON.stringify([...kept]));
      return { calldata, publicSignals };
    },
  };
}

function readFigures(): readonly GasFigure[] {
  return (JSON.parse(readFileSync(RESULTS, 'utf8')) as { figures: readonly GasFigure[] }).figures;
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

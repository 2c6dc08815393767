/** The key of a ceremony as it is served: by the program, and by the service as a library. */
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type FinalizedCeremony, finalizeCeremony } from '../../src/proof/ceremony/finalize.ts';
import { readPtau } from '../../src/proof/ceremony/ptau.ts';
import type { PublicPtau } from '../../src/proof/ceremony/public-ptau.ts';
import { withSnarkjsThreads } from '../../src/proof/ceremony/snarkjs.ts';
import { applyBeacon, contribute, initCeremony } from '../../src/proof/ceremony/steps.ts';
import { compileText, sourceOfText } from '../../src/proof/compile.ts';
import { buildKeyArtifacts, loadManifest, writeKeyArtifacts } from '../../src/proof/keys/artifacts.ts';
import { ensureDevelopmentKey } from '../../src/proof/keys/development.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { prepareCircuit } from '../../src/proof/prover/circuits.ts';
import type { ProverCircuit } from '../../src/proof/prover/protocol.ts';
import { startService } from '../../src/service/index.ts';
import { circuitText, makePtau } from '../ceremony-fixtures.ts';
import { killAll, type Started, start } from './processes.ts';

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const CIRCUIT = 'product-8';
const TEXT = circuitText(0);
const JOB = { circuit: CIRCUIT, input: { product: '15', context: '7', left: '3', right: '5' } };

let folder: string;
let keys: string;
let finalized: FinalizedCeremony;
let development: ProverCircuit;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zkmargin-ceremony-keys-'));
  keys = join(folder, 'keys');
  const circuit = await compileText(CIRCUIT, TEXT);
  const key = await ensureDevelopmentKey(circuit);
  development = {
    name: CIRCUIT,
    wasmPath: circuit.wasmPath,
    zkeyPath: key.zkeyPath,
    verificationKey: key.verificationKey,
  };
  const source = sourceOfText(CIRCUIT, TEXT);
  const directory = join(folder, 'ceremony');
  const ptauPath = join(folder, 'powers.ptau');
  await withSnarkjsThreads(async () => {
    await makePtau(7, ptauPath);
    const publicPtau: PublicPtau[] = [
      { file: 'published.ptau', power: 7, blake2b: (await readPtau(ptauPath)).blake2b },
    ];
    // As if the circuit were committed: its folder, and a manifest without an entry of it.
    const trusted = { publicPtau, circuitFolder: dirname(source), committed: { keys } };
    await initCeremony({ circuit, source, ptauPath, directory, ...trusted });
    await contribute({ directory, name: 'Alice' });
    await applyBeacon({ directory, hash: '7b1f'.repeat(16), iterationsExponent: 10 });
    finalized = await finalizeCeremony({ directory, ...trusted, out: keys });
    // The development key's files lie beside the ceremony's.
    const roots = { keys, verifiers: join(folder, 'verifiers') };
    await writeKeyArtifacts([await buildKeyArtifacts(source, { roots })], roots);
  });
});
afterAll(async () => {
  killAll();
  await rm(folder, { recursive: true, force: true });
});

/** A proof of {@link JOB} as `POST /v1/verify` takes it. */
async function proofOf(circuit: ProverCircuit): Promise<object> {
  const prover = new CircuitProver([circuit]);
  const { calldata, publicSignals } = await prover.prove(JOB);
  await prover.close();
  return { circuit: CIRCUIT, publicSignals, calldata };
}

async function judge(url: string, proof: object): Promise<unknown> {
  const answer = await fetch(`${url}/v1/verify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(proof),
  });
  return ((await answer.json()) as { valid?: boolean }).valid;
}

/** A copy of all keys, without or with another proving key of the ceremony. */
async function damaged(name: string, zkey?: string): Promise<{ copy: string; zkeyPath: string }> {
  const copy = join(folder, name);
  await cp(keys, copy, { recursive: true });
  const zkeyPath = join(copy, 'ceremony', `${CIRCUIT}.zkey`);
  await rm(zkeyPath);
  if (zkey !== undefined) await cp(zkey, zkeyPath);
  return { copy, zkeyPath };
}

const serve = (...args: string[]): Started =>
  start(['serve', '--port', '0', '--store', 'memory', '--circuits', CIRCUIT, ...args]);

describe('zkmargin serve with the key of a ceremony', () => {
  it('serves that key, and calls no other one so', async () => {
    const service = serve('--proving-keys', keys);
    const url = (await service.line(/serves on (http:\S+);/))?.[1];
    expect(url, service.output()).toBeDefined();
    const { circuits } = (await (await fetch(`${url}/v1/circuits`)).json()) as { circuits: unknown[] };
    expect(circuits).toEqual([
      expect.objectContaining({
        provenance: 'ceremony',
        publicSignals: ['product', 'context'],
        verificationKey: JSON.parse(await readFile(finalized.verificationKeyPath, 'utf8')),
      }),
    ]);
    const prepared = await prepareCircuit(CIRCUIT, { roots: { keys } });
    expect(await judge(url!, await proofOf(prepared))).toBe(true);
    expect(await judge(url!, await proofOf(development))).toBe(false);
    expect(await service.stop()).toBe(0);
  });

  it('says where the proving key is expected when it is missing or another one', async () => {
    const missing = await damaged('missing');
    const other = await damaged('other', development.zkeyPath);
    const [first, second] = [serve('--proving-keys', missing.copy), serve('--proving-keys', other.copy)];
    expect(
      await first.line(/CIRCUIT_NOT_FOUND: there is no proving key of product-8 at (\S+):/),
    ).toMatchObject({
      1: missing.zkeyPath,
    });
    expect(await second.line(/KEY_MISMATCH: (\S+) is not the proving key/)).toMatchObject({
      1: other.zkeyPath,
    });
    for (const service of [first, second]) {
      expect(service.output()).toContain(finalized.entry.ceremony!.zkeySha256);
      expect(service.output()).not.toContain('serves on');
    }
  });

  it('finds the proving key in a folder of its own, also where circuits are prepared', async () => {
    const { copy } = await damaged('elsewhere');
    const ceremonyKeys = join(folder, 'mounted');
    await mkdir(ceremonyKeys);
    const path = join(ceremonyKeys, `${CIRCUIT}.zkey`);
    await cp(finalized.zkeyPath, path);
    const places = { ZKMARGIN_PROVING_KEYS: copy, ZKMARGIN_CEREMONY_KEYS: ceremonyKeys };
    const prepared = start(['circuits', '--prepare', 'all'], places);
    expect(await prepared.line(/product-8: (\S+)/), prepared.output()).toMatchObject({ 1: path });
    const service = await startService({
      port: 0,
      circuits: [CIRCUIT],
      keys: { roots: { keys: copy }, ceremonyKeys },
    });
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    await service.close();
  });
});

describe('a circuit that a library passes on', () => {
  it('has the provenance of the manifest only with the key of the manifest', async () => {
    const provenanceOf = async (circuit: ProverCircuit): Promise<unknown> => {
      const service = await startService({ port: 0, circuits: [circuit], keys: { roots: { keys } } });
      const answer = (await (await fetch(`${service.url}/v1/circuits`)).json()) as {
        circuits: { provenance?: string }[];
      };
      await service.close();
      return answer.circuits[0]!.provenance;
    };
    expect((await loadManifest({ keys })).circuits[CIRCUIT]!.provenance).toBe('ceremony');
    expect(await provenanceOf(development)).toBeUndefined();
    expect(await provenanceOf(await prepareCircuit(CIRCUIT, { roots: { keys } }))).toBe('ceremony');
  });
});

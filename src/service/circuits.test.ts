import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INDEXED_ROLES } from '../chain/indexer/contracts.ts';
import { ProofError } from '../proof/errors.ts';
import { projectRoot } from '../proof/files.ts';
import { type KeyManifest, loadManifest } from '../proof/keys/artifacts.ts';
import { verificationKeyHash } from '../proof/keys/documents.ts';
import { prepareCircuit } from '../proof/prover/circuits.ts';
import { circuitNames, loadCircuits, requireKeysFor, withRemedy } from './circuits.ts';
import { startService } from './index.ts';

const CIRCUIT = 'settlement-8';
let keys: string;
let path: string;

beforeAll(async () => {
  keys = await mkdtemp(join(tmpdir(), 'zkmargin-committed-'));
  path = join(keys, 'development', `${CIRCUIT}.verification_key.json`);
  await cp(join(projectRoot, 'proving-keys'), keys, { recursive: true });
});
afterAll(() => rm(keys, { recursive: true, force: true }));

it('gives a circuit with what is known of its key', async () => {
  const { publicSignals } = (await loadManifest()).circuits[CIRCUIT]!;
  expect(await prepareCircuit(CIRCUIT, { roots: { keys } })).toMatchObject({
    name: CIRCUIT,
    provenance: 'development',
    publicSignals,
  });
});

it('refuses a committed verification key of which anything differs', async () => {
  const text = await readFile(path, 'utf8');
  const manifestPath = join(keys, 'manifest.json');
  const manifestText = await readFile(manifestPath, 'utf8');
  for (const part of ['vk_alpha_1', 'vk_beta_2', 'vk_gamma_2', 'vk_delta_2', 'vk_alphabeta_12', 'IC']) {
    const key = JSON.parse(text);
    const swapped = JSON.stringify(key[part]).replace(/\d(?=")/, (digit) => String((Number(digit) + 1) % 10));
    const changed = { ...key, [part]: JSON.parse(swapped) };
    await writeFile(path, JSON.stringify(changed, null, 1));
    // Also when the manifest has been made to agree.
    const manifest = JSON.parse(manifestText) as KeyManifest;
    manifest.circuits[CIRCUIT]!.verificationKeyHash = verificationKeyHash(changed);
    await writeFile(manifestPath, JSON.stringify(manifest));
    await expect(prepareCircuit(CIRCUIT, { roots: { keys } }), part).rejects.toMatchObject({
      code: 'KEY_MISMATCH',
      message: expect.stringContaining(path),
    });
  }
  await writeFile(path, text);
  // The right key under another hash.
  await expect(prepareCircuit(CIRCUIT, { roots: { keys } })).rejects.toMatchObject({ code: 'KEY_MISMATCH' });
  await writeFile(manifestPath, manifestText);
  await prepareCircuit(CIRCUIT, { roots: { keys } });
});

it('names the manifest that is missing or lacks a circuit', async () => {
  const places = { roots: { keys: join(keys, 'nothing') } };
  const missing = {
    code: 'KEY_MISSING',
    message: expect.stringContaining(join(keys, 'nothing/manifest.json')),
  };
  await expect(circuitNames(['all'], places)).rejects.toMatchObject(missing);
  await expect(loadCircuits([CIRCUIT], places)).rejects.toMatchObject(missing);
  // Also of a name that every object has.
  await expect(loadCircuits(['constructor'], { roots: { keys } })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
  });
  await expect(prepareCircuit('other', { roots: { keys } })).rejects.toMatchObject({
    code: 'CIRCUIT_NOT_FOUND',
    message: expect.stringContaining(join(keys, 'manifest.json')),
  });
});

describe('the keys of a chain', () => {
  const refusal = {
    code: 'KEY_MISSING',
    field: 'provingKeys',
    message: expect.stringContaining(`chain 10 is no local chain`),
  };

  it('are no development keys where it is not local', async () => {
    const places = { roots: { keys } };
    const ready = await prepareCircuit(CIRCUIT, places);
    for (const wanted of [CIRCUIT, ready]) {
      await expect(requireKeysFor(10, [wanted], places)).rejects.toMatchObject(refusal);
      for (const local of [31_337, 1_337]) await requireKeysFor(local, [wanted], places);
    }
    // Of a key that a caller brings the manifest knows nothing.
    const [alpha, ...rest] = ready.verificationKey.vk_alpha_1;
    const own = { ...ready.verificationKey, vk_alpha_1: [`${alpha}0`, ...rest] };
    await requireKeysFor(10, [{ ...ready, verificationKey: own }], places);
    const manifestPath = join(keys, 'manifest.json');
    const text = await readFile(manifestPath, 'utf8');
    const manifest = JSON.parse(text) as KeyManifest;
    Object.assign(manifest.circuits[CIRCUIT]!, {
      provenance: 'ceremony',
      ceremony: { zkeySha256: '0'.repeat(64) },
    });
    await writeFile(manifestPath, JSON.stringify(manifest));
    await requireKeysFor(10, [CIRCUIT], places);
    await writeFile(manifestPath, text);
  });

  it('are looked at before a service does anything else', async () => {
    const address = `0x${'1'.repeat(40)}` as const;
    const addresses = Object.fromEntries(INDEXED_ROLES.map((role) => [role, address])) as Record<
      (typeof INDEXED_ROLES)[number],
      typeof address
    >;
    const start = startService({
      circuits: [CIRCUIT],
      port: 0,
      chain: { rpc: ['http://127.0.0.1:1'], book: { chainId: 10, addresses } },
    });
    await expect(start).rejects.toMatchObject(refusal);
  });
});

describe('a start that a circuit prevents', () => {
  const cause = new ProofError(
    'FILE_MALFORMED',
    'a file of circuit settlement-8 cannot be used: PATH: short',
    {
      circuit: CIRCUIT,
      path: 'PATH',
    },
  );
  const build = join(projectRoot, 'build');
  const made = {
    provenance: 'development',
    wasmPath: join(build, 'a.wasm'),
    zkeyPath: join(build, 'a.zkey'),
  };
  const circuits = [
    { ...made, name: CIRCUIT },
    { ...made, name: 'solvency-8', provenance: 'ceremony' },
    { ...made, name: 'transfer-16', zkeyPath: '/elsewhere/a.zkey' },
  ];

  it('tells which command mends it, and how to start without', () => {
    expect(withRemedy(cause, [CIRCUIT], circuits)).toMatchObject({
      code: 'FILE_MALFORMED',
      details: { circuit: CIRCUIT, path: 'PATH' },
      message: `${cause.message}; make again: zkmargin circuits --prepare settlement-8; or leave settlement-8 out of the circuits to start without`,
    });
    const several = withRemedy(
      cause,
      circuits.map(({ name }) => name),
      circuits,
    ) as ProofError;
    expect(several.message).toContain(
      'circuits --prepare settlement-8; restore the files of solvency-8, transfer-16',
    );
  });

  it('leaves other errors alone', () => {
    const other = new Error('else');
    expect(withRemedy(other, [CIRCUIT], circuits)).toBe(other);
    expect(withRemedy(cause, [], circuits)).toBe(cause);
  });

  it('is refused as a whole, with the file named, and leaves nothing behind', async () => {
    const [good, bad] = [await prepareCircuit('settlement-8'), await prepareCircuit('insolvency-8')];
    const zkeyPath = join(keys, 'insolvency-8.zkey');
    await cp(bad.zkeyPath, zkeyPath);
    await truncate(zkeyPath, 50_000);
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    const { port } = taken.address() as AddressInfo;
    await new Promise((done) => taken.close(done));
    await expect(startService({ port, circuits: [good, { ...bad, zkeyPath }] })).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
      message: expect.stringMatching(
        /insolvency-8\.zkey.*restore the files of insolvency-8 .*leave insolvency-8 out/,
      ),
      details: { circuit: 'insolvency-8', path: zkeyPath },
    });
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
    // As the error says: without it, it starts.
    const service = await startService({ port, circuits: [good] });
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    await service.close();
  });
});

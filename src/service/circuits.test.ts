import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../proof/files.ts';
import { type KeyManifest, loadManifest } from '../proof/keys/artifacts.ts';
import { verificationKeyHash } from '../proof/keys/documents.ts';
import { prepareCircuit } from '../proof/prover/circuits.ts';
import { circuitNames, loadCircuits } from './circuits.ts';

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

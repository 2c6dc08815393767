import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Groth16VerificationKey } from 'snarkjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type KeyManifest, verificationKeyPath } from '../keys/artifacts.ts';
import { ensureDevelopmentKey } from '../keys/development.ts';
import { prepareCircuit, prepareDevelopmentCircuit } from './circuits.ts';

vi.mock(import('../keys/development.ts'), async (original) => {
  const module = await original();
  return { ...module, ensureDevelopmentKey: vi.fn(module.ensureDevelopmentKey) };
});

const CIRCUIT = 'settlement-8';
let keys: string;

beforeEach(() => {
  keys = mkdtempSync(join(tmpdir(), 'zkmargin-keys-'));
  cpSync('proving-keys', keys, { recursive: true });
});
afterEach(() => rmSync(keys, { recursive: true, force: true }));

async function change<T>(path: string, of: (content: T) => void): Promise<void> {
  const content = JSON.parse(await readFile(path, 'utf8')) as T;
  of(content);
  await writeFile(path, JSON.stringify(content));
}

const prepare = () => prepareDevelopmentCircuit(CIRCUIT, { roots: { keys } });

describe('prepareCircuit', () => {
  it('tells where files cannot be written, and what to do', async () => {
    const path = '/elsewhere/build/keys/settlement-8';
    vi.mocked(ensureDevelopmentKey).mockRejectedValueOnce(
      Object.assign(new Error('EROFS'), { code: 'EROFS', syscall: 'mkdir', path }),
    );
    await expect(prepareCircuit(CIRCUIT, { roots: { keys } })).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringMatching(`^${path}: Choose a place that can be written`),
    });
  });
});

describe('prepareDevelopmentCircuit', () => {
  it('takes the committed key of the circuit as it is', async () => {
    const { name, verificationKey } = await prepare();
    expect(name).toBe(CIRCUIT);
    expect(verificationKey).toEqual(
      JSON.parse(await readFile(verificationKeyPath(CIRCUIT, 'development', { keys }), 'utf8')),
    );
  });

  it('refuses key files of another version of the circuit, or of none', async () => {
    const refusal = { code: 'KEY_MISMATCH', message: expect.stringContaining('another version') };
    const manifest = join(keys, 'manifest.json');
    await change<KeyManifest>(manifest, ({ circuits }) => {
      circuits[CIRCUIT]!.r1csHash = circuits['settlement-32']!.r1csHash;
    });
    await expect(prepare()).rejects.toMatchObject(refusal);
    await change<KeyManifest>(manifest, ({ circuits }) => {
      delete circuits[CIRCUIT];
    });
    await expect(prepare()).rejects.toMatchObject(refusal);
  });

  it('refuses a committed verification key other than the rebuilt one', async () => {
    await change<Groth16VerificationKey>(verificationKeyPath(CIRCUIT, 'development', { keys }), ({ IC }) => {
      IC.reverse();
    });
    await expect(prepare()).rejects.toMatchObject({
      code: 'KEY_MISMATCH',
      message: expect.stringContaining('differs from the rebuilt one'),
    });
  });
});

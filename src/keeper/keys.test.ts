import { createCipheriv, scryptSync } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { keccak256 } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decryptKeystore, keySourceFromEnvironment, loadKeeperAccount } from './keys.ts';

/** The test vector of the Web3 Secret Storage Definition: password `testpassword`. */
const SECRET = '7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d';
const ADDRESS = '0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b';
const PBKDF2 = {
  crypto: {
    cipher: 'aes-128-ctr',
    cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
    ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
    kdf: 'pbkdf2',
    kdfparams: {
      c: 262144,
      dklen: 32,
      prf: 'hmac-sha256',
      salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
    },
    mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
  },
  id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
  version: 3,
};
/** As Geth writes them, by less work. The published vector of scrypt has r = 1 with n = 2^18, which OpenSSL refuses. */
const SCRYPT = scryptKeystore('testpassword');

function scryptKeystore(password: string) {
  const salt = Buffer.alloc(32, 7);
  const iv = Buffer.alloc(16, 9);
  const derived = scryptSync(password, salt, 32, { N: 4_096, r: 8, p: 1 });
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv);
  const ciphertext = Buffer.concat([cipher.update(Buffer.from(SECRET, 'hex')), cipher.final()]);
  return {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: iv.toString('hex') },
      ciphertext: ciphertext.toString('hex'),
      kdf: 'scrypt',
      kdfparams: { dklen: 32, n: 4_096, p: 1, r: 8, salt: salt.toString('hex') },
      mac: keccak256(Buffer.concat([derived.subarray(16), ciphertext])).slice(2),
    },
    version: 3,
  };
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zkmargin-keys-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function file(name: string, content: string, mode = 0o600): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

/** The error of a call, which must not hold the key. */
async function failure(call: Promise<unknown>): Promise<string> {
  const error = (await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )) as { code?: string } | undefined;
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET.slice(0, 20));
  return error?.code ?? 'none';
}

describe('a key', () => {
  it('comes from the environment, with and without 0x', async () => {
    for (const KEY of [SECRET, `0x${SECRET}`]) {
      expect((await loadKeeperAccount({ environment: 'KEY' }, { KEY })).address).toBe(ADDRESS);
    }
    expect(await failure(loadKeeperAccount({ environment: 'KEY' }, {}))).toBe('KEY_NOT_CONFIGURED');
  });

  it('comes from a file that nobody else may read', async () => {
    expect((await loadKeeperAccount({ file: await file('good', `${SECRET}\n`) })).address).toBe(ADDRESS);
    for (const mode of [0o640, 0o604, 0o660]) {
      expect(await failure(loadKeeperAccount({ file: await file('open', SECRET, mode) }))).toBe(
        'KEY_FILE_EXPOSED',
      );
    }
    expect(await failure(loadKeeperAccount({ file: join(directory, 'none') }))).toBe('KEY_UNREADABLE');
  });

  it('that is none is refused without being shown', async () => {
    for (const bad of [`${SECRET}0`, `${SECRET.slice(2)}zz`, '0'.repeat(64), 'f'.repeat(64)]) {
      expect(await failure(loadKeeperAccount({ environment: 'KEY' }, { KEY: bad }))).toBe('KEY_MALFORMED');
    }
  });

  it('does not show in its account', async () => {
    const account = await loadKeeperAccount({ environment: 'KEY' }, { KEY: SECRET });
    expect(inspect(account, { depth: 10, showHidden: true })).not.toContain(SECRET.slice(0, 20));
    expect(JSON.stringify(account)).not.toContain(SECRET.slice(0, 20));
  });
});

describe('a keystore', () => {
  it.each([
    ['scrypt', SCRYPT],
    ['pbkdf2', PBKDF2],
  ])('of %s gives its key', async (name, keystore) => {
    expect(await decryptKeystore(JSON.stringify(keystore), 'testpassword')).toBe(`0x${SECRET}`);
    const path = await file(`${name}.json`, JSON.stringify(keystore));
    const passwordFile = await file('password', 'testpassword\n');
    expect((await loadKeeperAccount({ keystore: path, passwordFile })).address).toBe(ADDRESS);
    expect(
      (await loadKeeperAccount({ keystore: path, passwordEnvironment: 'P' }, { P: 'testpassword' })).address,
    ).toBe(ADDRESS);
  });

  it('is refused with another password, and when it was changed', async () => {
    expect(await failure(decryptKeystore(JSON.stringify(SCRYPT), 'testpassworD'))).toBe('KEY_PASSWORD_WRONG');
    const changed = {
      ...SCRYPT,
      crypto: { ...SCRYPT.crypto, ciphertext: `00${SCRYPT.crypto.ciphertext.slice(2)}` },
    };
    expect(await failure(decryptKeystore(JSON.stringify(changed), 'testpassword'))).toBe(
      'KEY_PASSWORD_WRONG',
    );
  });

  it('of another form is refused', async () => {
    const of = (crypto: object, rest: object = {}) =>
      failure(
        decryptKeystore(JSON.stringify({ ...SCRYPT, ...rest, crypto: { ...SCRYPT.crypto, ...crypto } }), 'x'),
      );
    expect(await failure(decryptKeystore('{', 'x'))).toBe('KEY_MALFORMED');
    expect(await of({}, { version: 1 })).toBe('KEY_MALFORMED');
    expect(await of({ cipher: 'aes-128-cbc' })).toBe('KEY_MALFORMED');
    expect(await of({ kdf: 'md5' })).toBe('KEY_MALFORMED');
    expect(await of({ kdfparams: { ...SCRYPT.crypto.kdfparams, n: 2 ** 24, r: 8 } })).toBe('KEY_MALFORMED');
    expect(await of({ kdfparams: { ...SCRYPT.crypto.kdfparams, n: 3 } })).toBe('KEY_MALFORMED');
    expect(await of({ kdfparams: { ...SCRYPT.crypto.kdfparams, dklen: 16 } })).toBe('KEY_MALFORMED');
  });
});

describe('the source of a key', () => {
  it('is the one that the environment names', () => {
    expect(keySourceFromEnvironment({ K_KEY: 'x' }, 'K')).toEqual({ environment: 'K_KEY' });
    expect(keySourceFromEnvironment({ K_KEY_FILE: 'x' }, 'K')).toEqual({ file: 'x' });
    expect(keySourceFromEnvironment({ K_KEYSTORE: 'x', K_KEYSTORE_PASSWORD_FILE: 'y' }, 'K')).toEqual({
      keystore: 'x',
      passwordFile: 'y',
    });
    expect(() => keySourceFromEnvironment({}, 'K')).toThrow(/exactly one/);
    expect(() => keySourceFromEnvironment({ K_KEY: 'x', K_KEY_FILE: 'y' }, 'K')).toThrow(/exactly one/);
  });
});

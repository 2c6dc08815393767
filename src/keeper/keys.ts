/**
 * The key that signs a keeper's transactions: from the environment, a file, or an Ethereum keystore (JSON, version 3).
 *
 * The key leaves this module inside a viem account alone, which does not show it. Errors name the source, never its content.
 */
import { createDecipheriv, pbkdf2, scrypt, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Hex, isHex, keccak256 } from 'viem';
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import { KeeperError } from './errors.ts';

/** Where a key is. Exactly one of the three. */
export type KeySource =
  /** Name of the environment variable that holds the key as 64 hexadecimal digits. */
  | { readonly environment: string }
  /** File that holds it so; only its owner may read it. */
  | { readonly file: string }
  /** Keystore, with its password in a file that only its owner may read, or in an environment variable. */
  | { readonly keystore: string; readonly passwordFile?: string; readonly passwordEnvironment?: string };

/** Most memory that a keystore's key derivation may ask for, in bytes: Geth's standard takes 256 MiB. */
const MAX_SCRYPT_MEMORY = 1_024 * 2 ** 20;
const MAX_PBKDF2_ROUNDS = 10_000_000;
/** Any right of the group or of others. */
const EXPOSED = 0o077;
const KEY_BYTES = 32;

/**
 * Reads a key and gives the account that signs with it.
 *
 * @param environment variables; those of the process unless given
 * @throws KeeperError `KEY_NOT_CONFIGURED`, `KEY_UNREADABLE`, `KEY_FILE_EXPOSED`, `KEY_MALFORMED`, `KEY_PASSWORD_WRONG`
 */
export async function loadKeeperAccount(
  source: KeySource,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<PrivateKeyAccount> {
  if ('environment' in source) {
    return accountOf(variable(source.environment, environment), `variable ${source.environment}`);
  }
  if ('file' in source) return accountOf(await readSecret(source.file), `file ${source.file}`);
  const { keystore, passwordFile, passwordEnvironment } = source;
  if ((passwordFile === undefined) === (passwordEnvironment === undefined)) {
    throw new KeeperError(
      'KEY_NOT_CONFIGURED',
      'Give the password of the keystore in a file or in an environment variable, in one of the two.',
    );
  }
  const password =
    passwordFile === undefined
      ? variable(passwordEnvironment!, environment)
      : (await readSecret(passwordFile)).replace(/\r?\n$/, '');
  const key = await decryptKeystore(await readText(keystore), password, keystore);
  return accountOf(key, `keystore ${keystore}`);
}

/**
 * The key source that environment variables name: `<prefix>_KEY` with the key itself, `<prefix>_KEY_FILE`, or
 * `<prefix>_KEYSTORE` with `<prefix>_KEYSTORE_PASSWORD_FILE` or `<prefix>_KEYSTORE_PASSWORD`.
 *
 * @throws KeeperError `KEY_NOT_CONFIGURED` for none or several
 */
export function keySourceFromEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  prefix = 'ZKMARGIN_KEEPER',
): KeySource {
  const filled = (name: string): string | undefined => environment[name] || undefined;
  const file = filled(`${prefix}_KEY_FILE`);
  const keystore = filled(`${prefix}_KEYSTORE`);
  const given: KeySource[] = [];
  if (filled(`${prefix}_KEY`) !== undefined) given.push({ environment: `${prefix}_KEY` });
  if (file !== undefined) given.push({ file });
  if (keystore !== undefined) {
    const passwordFile = filled(`${prefix}_KEYSTORE_PASSWORD_FILE`);
    given.push(
      passwordFile === undefined
        ? { keystore, passwordEnvironment: `${prefix}_KEYSTORE_PASSWORD` }
        : { keystore, passwordFile },
    );
  }
  const [source] = given;
  if (source === undefined || given.length > 1) {
    throw new KeeperError(
      'KEY_NOT_CONFIGURED',
      `Set exactly one of ${prefix}_KEY, ${prefix}_KEY_FILE and ${prefix}_KEYSTORE.`,
      { given: given.length },
    );
  }
  return source;
}

/** The parts of a keystore that are read. */
interface Keystore {
  readonly version: 3;
  readonly crypto: {
    readonly cipher: string;
    readonly ciphertext: string;
    readonly cipherparams: { readonly iv: string };
    readonly kdf: string;
    readonly kdfparams: Readonly<Record<string, unknown>>;
    readonly mac: string;
  };
}

/**
 * The key in an Ethereum keystore, version 3, derived by scrypt or PBKDF2.
 *
 * @param name of the keystore, for errors
 * @throws KeeperError `KEY_MALFORMED`, `KEY_PASSWORD_WRONG`
 */
export async function decryptKeystore(text: string, password: string, name = 'the keystore'): Promise<Hex> {
  const malformed = (what: string): KeeperError =>
    new KeeperError(
      'KEY_MALFORMED',
      `Give an Ethereum keystore of version 3: ${what} of ${name} is not one's.`,
    );
  let keystore: Keystore;
  try {
    // Some wallets write `Crypto`.
    const parsed = JSON.parse(text) as Record<string, unknown>;
    keystore = { ...parsed, crypto: parsed.crypto ?? parsed.Crypto } as unknown as Keystore;
  } catch {
    // The cause would quote the text.
    throw malformed('the JSON');
  }
  const parts = keystore?.crypto;
  if (keystore?.version !== 3 || typeof parts !== 'object' || parts === null) throw malformed('the version');
  if (parts.cipher !== 'aes-128-ctr') throw malformed('the cipher');
  const ciphertext = bytes(parts.ciphertext, KEY_BYTES);
  const iv = bytes(parts.cipherparams?.iv, 16);
  const mac = bytes(parts.mac, 32);
  if (ciphertext === undefined || iv === undefined || mac === undefined) throw malformed('the ciphertext');
  const derived = await derive(parts.kdf, parts.kdfparams ?? {}, password, malformed);
  const expected = Buffer.from(
    keccak256(Buffer.concat([derived.subarray(16, 32), ciphertext])).slice(2),
    'hex',
  );
  if (!timingSafeEqual(expected, mac)) {
    throw new KeeperError(
      'KEY_PASSWORD_WRONG',
      `Check the password of ${name}: it does not open the keystore.`,
    );
  }
  const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), iv);
  const key = Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  return `0x${key.toString('hex')}`;
}

async function derive(
  kdf: string,
  parameters: Readonly<Record<string, unknown>>,
  password: string,
  malformed: (what: string) => KeeperError,
): Promise<Buffer> {
  const salt = bytes(parameters.salt);
  const whole = (name: string, most: number): number => {
    const value = parameters[name];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most) {
      throw malformed(`parameter ${name}`);
    }
    return value;
  };
  if (salt === undefined || whole('dklen', KEY_BYTES) !== KEY_BYTES) throw malformed('the salt');
  if (kdf === 'scrypt') {
    const N = whole('n', 2 ** 24);
    const r = whole('r', 64);
    const p = whole('p', 64);
    if (128 * N * r > MAX_SCRYPT_MEMORY) throw malformed('the memory');
    // Node refuses what reaches the bound exactly.
    const maxmem = 128 * N * r + 128 * r * p + 2 ** 20;
    return new Promise((resolve, reject) => {
      try {
        scrypt(password, salt, KEY_BYTES, { N, r, p, maxmem }, (error, key) =>
          error === null ? resolve(key) : reject(malformed('the key derivation')),
        );
      } catch {
        reject(malformed('the key derivation'));
      }
    });
  }
  if (kdf === 'pbkdf2' && parameters.prf === 'hmac-sha256') {
    return promisify(pbkdf2)(password, salt, whole('c', MAX_PBKDF2_ROUNDS), KEY_BYTES, 'sha256');
  }
  throw malformed('the key derivation');
}

function bytes(value: unknown, length?: number): Buffer | undefined {
  if (typeof value !== 'string') return undefined;
  const digits = value.replace(/^0x/, '');
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(digits)) return undefined;
  const buffer = Buffer.from(digits, 'hex');
  return length === undefined || buffer.length === length ? buffer : undefined;
}

function variable(name: string, environment: Readonly<Record<string, string | undefined>>): string {
  const value = environment[name];
  if (value === undefined || value === '') {
    throw new KeeperError('KEY_NOT_CONFIGURED', `Set the environment variable ${name}.`, { variable: name });
  }
  return value;
}

/** Text of a file that nobody else may read. */
async function readSecret(path: string): Promise<string> {
  let mode: number;
  try {
    ({ mode } = await stat(path));
  } catch (error) {
    throw unreadable(path, error);
  }
  if ((mode & EXPOSED) !== 0) {
    throw new KeeperError('KEY_FILE_EXPOSED', `Let only its owner read it: chmod 600 ${path}`, {
      path,
      mode: (mode & 0o777).toString(8),
    });
  }
  return readText(path);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): KeeperError {
  return new KeeperError('KEY_UNREADABLE', `Make the file readable: ${path}`, {
    path,
    reason: (error as NodeJS.ErrnoException).code ?? 'unknown',
  });
}

function accountOf(text: string, source: string): PrivateKeyAccount {
  const trimmed = text.trim();
  const key = trimmed.startsWith('0x') ? trimmed : `0x${trimmed}`;
  const malformed = (): KeeperError =>
    new KeeperError(
      'KEY_MALFORMED',
      `Give 64 hexadecimal digits of a private key: ${source} holds something else.`,
    );
  if (!isHex(key) || key.length !== 2 + 2 * KEY_BYTES) throw malformed();
  try {
    return privateKeyToAccount(key);
  } catch {
    // Zero, or not below the order of the curve. The cause might show the key.
    throw malformed();
  }
}

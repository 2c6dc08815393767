import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { startLine } from '../commands/keeper.ts';
import { strategyDefaults, strategyOf } from '../keeper/configuration.ts';
import { DEFAULT_STRATEGY } from '../keeper/strategy/configuration.ts';
import { apiKeysOf } from '../service/access.ts';
import { configurationDocument } from './document.ts';
import {
  CONFIGURATIONS,
  type Configuration,
  flagOf,
  keeperConfiguration,
  loadSettings,
  proverConfiguration,
  resolveSettings,
  serveConfiguration,
  settingsReport,
  settingsTable,
  variableOf,
} from './index.ts';
import { isExposed } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'zkmargin-configuration-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file with a document, for its owner alone unless told otherwise. */
function fileOf(document: unknown, mode = 0o600): string {
  const path = join(folder, 'settings.json');
  writeFileSync(path, typeof document === 'string' ? document : JSON.stringify(document));
  chmodSync(path, mode);
  return path;
}

const refusal = (work: () => unknown): Error & { code?: string; field?: string } => {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was refused');
};

describe('settings', () => {
  it('come from the flag, else the variable, else the file, else the default', () => {
    const places = fc.record({ flag: fc.boolean(), variable: fc.boolean(), file: fc.boolean() });
    fc.assert(
      fc.property(places, ({ flag, variable, file }) => {
        const { values, origins } = resolveSettings(serveConfiguration, {
          flags: flag ? { port: '1' } : {},
          environment: variable ? { ZKMARGIN_PORT: '2' } : {},
          ...(file && { file: { name: 'f.json', document: { port: 3 } } }),
        });
        expect(values.port).toBe(flag ? 1 : variable ? 2 : file ? 3 : 8080);
        expect(origins.port.kind).toBe(flag ? 'flag' : variable ? 'variable' : file ? 'file' : 'default');
      }),
    );
  });

  it('have the types of their schemas, from text as from a file', () => {
    const flags = { rpc: ['http://a', 'http://b,c'], circuits: 'a-8,b-8', speculation: false };
    const environment = { ZKMARGIN_ALERT_WEBHOOKS: 'https://a/x, https://b/y', ZKMARGIN_START_BLOCK: '12' };
    const { values } = resolveSettings(serveConfiguration, { flags, environment });
    expect(values).toMatchObject({
      rpc: ['http://a', 'http://b,c'],
      circuits: ['a-8', 'b-8'],
      speculation: false,
      alertWebhooks: ['https://a/x', 'https://b/y'],
      startBlock: 12,
    });
    expect(values.book).toBeUndefined();
  });

  it.each([
    ['flags', { flags: { port: '70000' } }, 'OUT_OF_RANGE', 'flag --port'],
    ['flags', { flags: { port: 'http' } }, 'MALFORMED', 'flag --port'],
    [
      'flags',
      { flags: { prover: 'nope' } },
      'MALFORMED',
      'prover as one of: snarkjs, native, rapidsnark. It',
    ],
    ['variables', { environment: { ZKMARGIN_PORT: '8080x' } }, 'MALFORMED', 'variable ZKMARGIN_PORT'],
    ['variables', { environment: { ZKMARGIN_SPECULATION: 'perhaps' } }, 'MALFORMED', 'ZKMARGIN_SPECULATION'],
    ['variables', { environment: { ZKMARGIN_RPC: 'ftp://a' } }, 'MALFORMED', 'variable ZKMARGIN_RPC'],
    ['a file', { file: { name: 'f.json', document: { port: '1' } } }, 'MALFORMED', 'file f.json'],
    ['a file', { file: { name: 'f.json', document: [] } }, 'MALFORMED', 'f.json'],
  ])('of %s that are wrong are refused with their source: %j', (_, sources, code, source) => {
    const error = refusal(() => resolveSettings(serveConfiguration, sources));
    expect(error.code).toBe(code);
    expect(error.message).toContain(source);
  });

  it('of a file that nobody knows are refused by name, with the one that is meant', () => {
    const refused = (configuration: Configuration, document: unknown) =>
      refusal(() => resolveSettings(configuration, { file: { name: 'f.json', document } }));
    const error = refused(serveConfiguration, { prot: 1 });
    expect(error).toMatchObject({ code: 'MALFORMED', field: 'prot' });
    expect(error.message).toContain('did you mean port?');
    expect(refused(proverConfiguration, { port: 1 }).message).toContain('zkmargin prover has no such');
    expect(refused(keeperConfiguration, { key: 'x' }).message).toContain('use ZKMARGIN_KEEPER_KEY');
  });

  it('that are needed are asked for by all their names', () => {
    const error = refusal(() => resolveSettings(keeperConfiguration, {}));
    expect(error).toMatchObject({ code: 'MALFORMED', field: 'service' });
    expect(error.message).toContain('--service, or ZKMARGIN_KEEPER_SERVICE, or service in the file');
  });

  it('of a file that holds secrets are taken when its owner alone may read it', () => {
    const document = { alertSecret: 'a secret of 22 letters', port: 1 };
    expect(loadSettings(serveConfiguration, {}, { path: fileOf(document) }).values.port).toBe(1);
    const open = fileOf(document, 0o644);
    const { code, message } = refusal(() => loadSettings(serveConfiguration, {}, { path: open }));
    expect(code).toBe('FORBIDDEN');
    for (const part of ['alertSecret', `chmod 600 ${open}`, 'ZKMARGIN_ALERT_SECRET_FILE'])
      expect(message).toContain(part);
    // What is not taken from the file is no reason.
    const environment = { ZKMARGIN_ALERT_SECRET: 'another one of 22 chars' };
    expect(loadSettings(serveConfiguration, {}, { path: open, environment }).values.port).toBe(1);
  });

  it('without secrets may stand in a file that everybody may read, beside files with the secrets', () => {
    const word = join(folder, 'word');
    writeFileSync(word, 'a secret of 22 letters\n', { mode: 0o644 });
    const path = fileOf({ port: 1, book: 'addresses.json' }, 0o644);
    const environment = { ZKMARGIN_ALERT_SECRET_FILE: word };
    const { values } = loadSettings(serveConfiguration, {}, { path, environment });
    expect(values).toMatchObject({ port: 1, alertSecret: 'a secret of 22 letters' });
  });

  it.each([
    [0o600, 1_000, 1_000, false],
    [0o400, 1_000, 1_000, false],
    [0o640, 1_000, 1_000, true],
    [0o604, 1_000, 1_000, true],
    // What a platform mounts for a user's group.
    [0o440, 0, 1_000, false],
    [0o640, 0, 1_000, false],
    [0o660, 0, 1_000, true],
    [0o644, 0, 1_000, true],
    [0o640, 0, 0, true],
    [0o600, 0, 0, false],
    [0o640, 5, 1_000, true],
  ])('in a file of mode %o of user %i are exposed to others than %i: %s', (mode, uid, user, exposed) => {
    expect(isExposed({ mode: 0o100_000 | mode, uid }, user)).toBe(exposed);
  });

  it.each([
    [serveConfiguration, { rpc: ['http://127.0.0.1:8545', 'https://rpc.example/'] }, false],
    [serveConfiguration, { rpc: ['http://127.0.0.1:8545', 'https://rpc.example/key'] }, true],
    [serveConfiguration, { rpc: ['https://user@rpc.example'] }, true],
    [serveConfiguration, { alertWebhooks: ['https://hooks.example/?key=1'] }, true],
    [serveConfiguration, { databaseUrl: 'postgres://user@host/base' }, false],
    [serveConfiguration, { databaseUrl: 'postgres://user:word@host/base' }, true],
    [serveConfiguration, { databaseUrl: 'postgres://host/base?password=word' }, true],
  ] as const)('that are URLs are secret when they open something: %#', (configuration, document, secret) => {
    const path = fileOf(document, 0o644);
    for (const options of [{ path }, { file: { name: path, document } }]) {
      const load = () =>
        loadSettings<Configuration['settings']>(configuration, {}, { ...options, environment: {} });
      if (secret) expect(refusal(load)).toMatchObject({ code: 'FORBIDDEN', field: 'config' });
      else load();
    }
  });

  it('that are secret may come from a file that a variable names, and from one place alone', () => {
    const path = join(folder, 'secret');
    writeFileSync(path, 'postgres://user:word@host/base\n');
    const { values } = loadSettings(proverConfiguration, {}, { environment: { DATABASE_URL_FILE: path } });
    expect(values.databaseUrl).toBe('postgres://user:word@host/base');
    const both = { DATABASE_URL_FILE: path, DATABASE_URL: 'postgres://host/base' };
    expect(refusal(() => loadSettings(proverConfiguration, {}, { environment: both }))).toMatchObject({
      code: 'CONFLICT',
    });
    const nowhere = { DATABASE_URL_FILE: '/nowhere' };
    expect(refusal(() => loadSettings(proverConfiguration, {}, { environment: nowhere })).message).toContain(
      'DATABASE_URL_FILE (ENOENT)',
    );
  });

  it('that are secret are shown nowhere, not even when they are wrong', () => {
    const word = 'hush-4f1c77';
    const environment = {
      DATABASE_URL: `postgres://user:${word}@db:5432/${word}`,
      ZKMARGIN_RPC: `https://rpc.example/${word},https://user:${word}@second.example`,
      ZKMARGIN_API_KEYS: `a read ${word}${word}`,
      ZKMARGIN_ALERT_SECRET: `${word}${word}`,
      ZKMARGIN_ALERT_WEBHOOKS: `https://hooks.example/${word}`,
    };
    const resolved = resolveSettings(serveConfiguration, { environment });
    const shown = settingsTable(serveConfiguration, resolved);
    expect(shown).toContain('postgres://db:5432/***');
    expect(shown).toContain('https://rpc.example/***, https://second.example/***');
    expect(shown + JSON.stringify(settingsReport(serveConfiguration, resolved))).not.toContain(word);
    const long = `${word} `.repeat(2_000_000 / word.length);
    const noScheme = (name: keyof typeof environment) => `x${environment[name]}`;
    const wrongs: Record<keyof typeof environment, readonly string[]> = {
      DATABASE_URL: [long, word, noScheme('DATABASE_URL')],
      ZKMARGIN_RPC: [long, word, noScheme('ZKMARGIN_RPC')],
      // Their lines are read by the service, which refuses to start.
      ZKMARGIN_API_KEYS: [
        long,
        word,
        `a read ${word}`,
        `a write ${word}${word}`,
        `a read ${word}${word} ${word}`,
      ],
      ZKMARGIN_ALERT_SECRET: [long, word],
      ZKMARGIN_ALERT_WEBHOOKS: [long, word, noScheme('ZKMARGIN_ALERT_WEBHOOKS')],
    };
    for (const [name, values] of Object.entries(wrongs)) {
      for (const wrong of values) {
        const error = refusal(() => {
          const settings = resolveSettings(serveConfiguration, { environment: { [name]: wrong } });
          if (settings.values.apiKeys !== undefined) apiKeysOf(settings.values.apiKeys);
        });
        expect(error.code, `${name} ${error}`).toMatch(/^[A-Z_]+$/);
        expect(String(error) + JSON.stringify(error)).not.toContain(word);
      }
    }
    expect(
      refusal(() => loadSettings(serveConfiguration, {}, { path: fileOf(`{"apiKeys": ${word}`) })).message,
    ).not.toContain(word);
  });

  it.each(CONFIGURATIONS.map((configuration) => [configuration.command, configuration] as const))(
    'of %s have names, flags and variables of their own, a meaning, and defaults within their bounds',
    (_, configuration) => {
      const names = Object.keys(configuration.settings);
      const given = names.flatMap((name) => [flagOf(configuration, name), variableOf(configuration, name)]);
      const present = given.filter((place) => place !== undefined);
      expect(new Set(present).size).toBe(present.length);
      for (const name of names) {
        const { schema, default: standard, required } = configuration.settings[name]!;
        if (name !== 'strategy') expect(schema).toHaveProperty('description');
        if (standard === undefined) continue;
        expect(required).toBeUndefined();
        const only = { ...configuration, settings: { [name]: configuration.settings[name]! } };
        const file = { name: 'f.json', document: { [name]: standard } };
        expect(resolveSettings(only, { file }).values[name]).toEqual(standard);
      }
    },
  );
});

describe('the settings of the keeper', () => {
  const document = {
    service: 'http://127.0.0.1:8080',
    rpc: 'http://127.0.0.1:8545',
    book: 'addresses.json',
    journal: 'journal.json',
    vessels: ['12'],
    nativePriceUsd: 2500,
    strategy: { minimumProfitUsd: 25 },
  };

  it('are its document, which flags and variables change', () => {
    const file = { name: 'keeper.json', document };
    const { values } = resolveSettings(keeperConfiguration, {
      file,
      flags: { dryRun: true },
      environment: { ZKMARGIN_KEEPER_VESSELS: '3,4', ZKMARGIN_KEEPER_NATIVE_PRICE_USD: '2600.5' },
    });
    expect(values).toMatchObject({ ...document, dryRun: true, vessels: ['3', '4'], nativePriceUsd: 2600.5 });
  });

  it('show no credentials of the service, nor does the line at the start', () => {
    const service = 'https://user:hush@service.example:8443/hush?key=hush';
    const file = { name: 'keeper.json', document: { ...document, service } };
    const shown = settingsTable(keeperConfiguration, resolveSettings(keeperConfiguration, { file }));
    expect(shown).toContain('https://service.example:8443/***');
    const line = startLine('0x12', 1, { service });
    expect(line).toBe('keeper 0x12 works on chain 1 with service.example:8443');
    expect(shown).not.toContain('hush');
  });

  it('have the defaults of the strategy in the documentation', () => {
    const strategy = strategyDefaults() as NonNullable<Parameters<typeof strategyOf>[0]['strategy']>;
    expect(strategyOf({ ...document, strategy })).toEqual(DEFAULT_STRATEGY);
  });
});

it('docs/configuration.md is what the declarations make: npm run docs:configuration', () => {
  const written = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  expect(written).toBe(configurationDocument({ strategy: strategyDefaults() }));
});

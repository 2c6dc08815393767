import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { ChainError } from '../chain/errors.ts';
import { ZkMarginError } from '../errors.ts';
import { KeeperError } from '../keeper/errors.ts';
import { ProofError } from '../proof/errors.ts';
import { asksForJson, failureOf } from './failure.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/zkmargin.mjs', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'zkmargin-failure-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the program as a user does, outside of the checkout. */
function run(
  args: readonly string[],
  { input = '', env = {} }: { input?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [PROGRAM, ...args],
      { cwd: root, env: { PATH: process.env.PATH, HOME: root, ...env }, maxBuffer: 2 ** 26 },
      (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
    child.stdin!.on('error', () => {}).end(input);
  });
}

/** The failure that a call told: the last line of standard error, after warnings and progress. */
function told({ code, out, err }: Outcome): unknown {
  expect(code).toBe(1);
  expect(out).toBe('');
  expect(err.endsWith('\n')).toBe(true);
  return JSON.parse(err.trimEnd().split('\n').at(-1)!);
}

const KEY = `0x${'7c'.repeat(32)}`;
const SOURCES = [1, 2, 3].map((source) => `0x${source.toString(16).padStart(40, '0')}`);
const DEPLOYMENT = JSON.stringify({
  parameterDelaySeconds: 172_800,
  underlyings: [{ symbol: 'BTC', sources: SOURCES }],
});

describe('with --json, a failure is one line of JSON on standard error and the exit code 1:', () => {
  const option = { F: 100, K: 110, T: 0.5, vol: 0.6 };
  const cases: readonly (readonly [
    string,
    readonly string[],
    string | undefined,
    Readonly<Record<string, unknown>>,
  ])[] = [
    ['margin', ['margin', '--json', '-'], '{', { code: 'MALFORMED' }],
    ['margin', ['margin', 'nothing.json', '--json'], undefined, { code: 'NOT_FOUND' }],
    [
      'margin',
      ['margin', '--json'],
      undefined,
      { code: 'MALFORMED', field: 'file', reason: 'missingArgument' },
    ],
    [
      'price',
      ['price', '--json', '-'],
      JSON.stringify([
        { type: 'C', ...option },
        { type: 'C', ...option, F: -1 },
      ]),
      { code: 'OUT_OF_RANGE', field: '[1].F' },
    ],
    [
      'surface',
      ['surface', '--json', '-'],
      '{"asOf": "19FEB25", "expiries": [{"expiry": "28FEB25", "forward": 0, "quotes": []}]}',
      { code: 'OUT_OF_RANGE', field: 'expiries[0].forward' },
    ],
    [
      'surface',
      ['surface', '--json', '-', '--target', 'ask'],
      undefined,
      { code: 'MALFORMED', field: '--target', reason: 'invalidArgument' },
    ],
    ['schema', ['schema', '--json', 'nothing'], undefined, { code: 'NOT_FOUND', field: 'name' }],
    ['circuits', ['circuits', '--json', '--prepare', 'nothing'], undefined, { code: 'UNSUPPORTED' }],
    [
      'ceremony verify',
      ['ceremony', 'verify', '--json', '--dir', 'nothing'],
      undefined,
      { code: 'NOT_FOUND', field: 'dir' },
    ],
    [
      'ceremony init',
      ['ceremony', 'init', '--json'],
      undefined,
      { code: 'MALFORMED', field: '--circuit', reason: 'missingMandatoryOptionValue' },
    ],
    ['restore', ['restore', '--json', 'nothing'], undefined, { code: 'NOT_FOUND', field: 'file' }],
    [
      'reindex',
      ['reindex', '--json', '--store', 'nothing'],
      undefined,
      { code: 'NOT_FOUND', field: 'store' },
    ],
    ['dev', ['dev', '--json'], undefined, { code: 'MALFORMED', field: '--json', reason: 'unknownOption' }],
    ['none', ['nothing', '--json'], undefined, { code: 'MALFORMED', reason: 'unknownCommand' }],
    ['serve', ['serve', '--json', '--port', '70000'], undefined, { code: 'OUT_OF_RANGE', field: 'port' }],
    ['prover', ['prover', '--json'], undefined, { code: 'MALFORMED', field: 'databaseUrl' }],
    ['keeper', ['keeper', '--json', '-'], '{}', { code: 'MALFORMED', field: 'service' }],
    [
      'deploy',
      ['deploy', '--json', '-', '--book', 'b', '--rpc', 'http://127.0.0.1:1'],
      undefined,
      { code: 'MALFORMED' },
    ],
  ];

  it.each(cases)('%s %j', async (_command, args, input, { reason, ...expected }) => {
    const outcome = await run(args, input === undefined ? {} : { input });
    expect(told(outcome)).toMatchObject({ ...expected, message: expect.stringMatching(/\S/) });
    if (reason !== undefined) expect(told(outcome)).toMatchObject({ details: { reason } });
    // Nothing before it, as help would be.
    expect(outcome.err.trimEnd().split('\n')).toHaveLength(1);
  });

  it('of a keeper at its start, without what its URLs and its key hold', async () => {
    const roles = ['oracle', 'parameters', 'vault', 'clearingHouse', 'engine', 'auctionHouse'];
    const entry = { contract: 'X', initHash: KEY, transactionHash: KEY };
    const contracts = Object.fromEntries(
      roles.map((role, index) => [role, { ...entry, address: SOURCES[index % 3] }]),
    );
    writeFileSync(join(root, 'book.json'), JSON.stringify({ schema: 1, chainId: 31_337, contracts }));
    const input = JSON.stringify({
      service: 'http://127.0.0.1:1/secret-path',
      rpc: 'http://127.0.0.1:1/secret-path',
      book: 'book.json',
      journal: 'journal.json',
      vessels: ['12'],
      nativePriceUsd: 2_500,
    });
    const outcome = await run(['keeper', '-', '--json'], { input, env: { ZKMARGIN_KEEPER_KEY: KEY } });
    expect(told(outcome)).toMatchObject({ code: 'CHAIN_UNAVAILABLE' });
    expect(outcome.err).not.toMatch(/secret-path|7c7c/);
    const locked = await run(['keeper', '-', '--json'], { input, env: { ZKMARGIN_KEEPER_KEY: 'none' } });
    expect(told(locked)).toMatchObject({ code: 'KEY_MALFORMED' });
  });

  it('of a service at its start', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const args = [
      'serve',
      '--json',
      '--store',
      'memory',
      '--port',
      String(port),
      '--circuits',
      'insolvency-8',
    ];
    const outcome = await run(args).finally(() => taken.close());
    expect(told(outcome)).toMatchObject({ code: 'EADDRINUSE' });
  });

  it('of a deployment, without what the URL and the key hold', async () => {
    const deploy = (rpc: string) =>
      run(['deploy', '-', '--json', '--book', 'addresses.json', '--rpc', rpc], {
        input: DEPLOYMENT,
        env: { ZKMARGIN_DEPLOYER_KEY: KEY },
      });
    const unreadable = await deploy('node.example/secret-path');
    expect(told(unreadable)).toMatchObject({ code: 'MALFORMED', field: 'rpc' });
    const silent = await deploy('http://127.0.0.1:1/secret-path');
    expect(told(silent)).toMatchObject({ code: 'CHAIN_UNAVAILABLE' });
    // Progress comes before it, as text.
    expect(silent.err).toMatch(/^building the contracts\n/);
    for (const { err } of [unreadable, silent]) expect(err).not.toMatch(/secret-path|7c7c/);
  });
});

describe('without --json, a failure is text:', () => {
  it('code, field and message, and with wrong usage the help', async () => {
    const [bad, usage, unknown, group, end] = await Promise.all([
      run(['price', '-'], { input: '{"type":"C","F":-1,"K":1,"T":1,"vol":1}' }),
      run(['margin']),
      run(['margin', '-', `--secret=${KEY}`]),
      run(['ceremony']),
      // No option: what follows -- is an argument.
      run(['margin', '--', '--json']),
    ]);
    expect(bad).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/^OUT_OF_RANGE \(F\): .*\n$/) });
    expect(usage).toMatchObject({ code: 1, out: '' });
    expect(usage.err).toMatch(/^error: missing required argument 'file'\n\nUsage: zkmargin margin /);
    expect(unknown.err).toMatch(/^error: unknown option '--secret=…'/);
    expect(unknown.err).not.toContain(KEY);
    expect(group).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^Usage: zkmargin ceremony /),
    });
    expect(end).toMatchObject({ code: 1, err: expect.stringMatching(/^NOT_FOUND: Cannot read --json/) });
  });
});

it('ends with 0 after help, version and results', async () => {
  const outcomes = await Promise.all([
    run(['--help']),
    run(['--version']),
    run(['help', 'margin']),
    run(['ceremony', 'verify', '--help', '--json']),
    run(['schema', '--json']),
  ]);
  for (const { code, out, err } of outcomes) expect([code, out !== '', err]).toEqual([0, true, '']);
  const names = JSON.parse(outcomes[4]!.out) as { name: string; description: string }[];
  expect(names.map(({ name }) => name)).toContain('deployment');
});

it.skipIf(!existsSync('/dev/full'))('tells that a result could not be written', async () => {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [PROGRAM, 'schema', '--json'], { stdio: ['ignore', full, 'pipe'] });
  let err = '';
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
    err += piece;
  });
  const [code] = (await once(child, 'close')) as [number];
  closeSync(full);
  expect(told({ code, out: '', err })).toMatchObject({ code: 'ENOSPC' });
});

describe('asksForJson', () => {
  it.each([
    [['margin', '--json'], true],
    [['--json'], true],
    [['margin', '--', '--json'], false],
    [['margin', 'json', '-json', '--jsonl'], false],
    [[], false],
  ])('%j: %s', (args, asked) => expect(asksForJson(args)).toBe(asked));
});

describe('failureOf', () => {
  it('has what the errors of each layer have', () => {
    const details = { first: 1n, list: [2n] };
    expect(failureOf(new ZkMarginError('OUT_OF_RANGE', 'a', { field: 'b', details }))).toEqual({
      code: 'OUT_OF_RANGE',
      message: 'a',
      field: 'b',
      details: { first: '1', list: ['2'] },
    });
    expect(failureOf(new ZkMarginError('BUSY', 'a'))).toEqual({ code: 'BUSY', message: 'a' });
    expect(failureOf(new ProofError('KEY_INVALID', 'a', { field: 'b', path: 'c' }))).toEqual({
      code: 'KEY_INVALID',
      message: 'a',
      field: 'b',
      details: { path: 'c' },
    });
    expect(failureOf(new ChainError('WRONG_CHAIN', 'a', { chainId: 1 }))).toEqual({
      code: 'WRONG_CHAIN',
      message: 'a',
      details: { chainId: 1 },
    });
    expect(failureOf(new KeeperError('STOPPED', 'a'))).toEqual({ code: 'STOPPED', message: 'a' });
  });

  it('has code and message alone of what others throw', () => {
    const missing = Object.assign(new Error('a'), { code: 'ENOENT', details: { secret: 1 }, path: 'b' });
    expect(failureOf(missing)).toEqual({ code: 'ENOENT', message: 'a' });
    const numbered = Object.assign(new Error('a'), { code: -32_000 });
    expect(failureOf(numbered)).toEqual({ code: 'INTERNAL', message: 'a' });
    expect(failureOf(undefined)).toEqual({ code: 'INTERNAL', message: 'undefined' });
  });
});

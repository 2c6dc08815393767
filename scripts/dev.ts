/**
 * `zkmargin dev`: everything at once on a local chain, to watch. Contracts, accounts opened by real trades, the service, a keeper,
 * and a market that replays the crash of 5 August 2024.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { toHex } from 'viem';
import { ServiceClient } from '../src/client/index.ts';
import { DEFAULT_LIQUIDATION_TERMS } from '../src/liquidation/terms.ts';
import { DEFAULT_PARAMETERS } from '../src/margin/parameters.ts';
import { shockRound } from '../src/market/shock.ts';
import { CircuitProver } from '../src/proof/prover/circuit-prover.ts';
import { prepareDevelopmentCircuit } from '../src/proof/prover/circuits.ts';
import { crashBook, exampleCrash } from './lib/example-crash.ts';
import { dollars, table } from './lib/format.ts';
import { openPair } from './lib/local-book.ts';
import { LocalProtocol } from './lib/local-protocol.ts';

/** How much vols at 30 days rise for a fall of the price: twice for a fall of 40 %. Half hours carry no quotes of vols. */
const VOLS_PER_FALL = 2.5;
const VESSEL_CASH = 5_000_000_000_000n;
const KEEPER_WALLET = 4;

const say = (who: string, text: string): void => console.log(`${who.padEnd(8)} ${text}`);

/** What can be chosen. */
export interface DevOptions {
  /** Accounts that the crash will bring below their requirement, 1 to 8. */
  readonly accounts: number;
  /** Seconds between two half hours of the crash. */
  readonly seconds: number;
  /** Of the service, 0 for a free one. */
  readonly port: number;
  /** Ends after the last price; otherwise all goes on until SIGINT or SIGTERM. */
  readonly exit: boolean;
}

/** Runs until the end, and leaves no process and no file behind. */
export async function runDev(options: DevOptions): Promise<void> {
  const { accounts, seconds, port } = options;
  const path = JSON.parse(
    await readFile(new URL('../examples/crash-2024-08-05.json', import.meta.url), 'utf8'),
  ) as { readonly intervalSeconds: number; readonly closes: readonly number[] };

  const children: ChildProcess[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'zkmargin-dev-'));
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());

  /** A command of this project as a process of its own, its lines under its name. */
  function command(
    name: string,
    parameters: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): { readonly ended: Promise<void>; readonly line: (pattern: RegExp) => Promise<RegExpExecArray> } {
    const bin = fileURLToPath(new URL('../bin/zkmargin.mjs', import.meta.url));
    const { DATABASE_URL: _url, ...inherited } = process.env;
    const child = spawn(process.execPath, [bin, ...parameters], {
      env: { ...inherited, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    const waiting: { readonly pattern: RegExp; readonly found: (match: RegExpExecArray) => void }[] = [];
    let rest = '';
    const read = (text: Buffer): void => {
      const lines = (rest + text.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        say(name, line.replace(/^\d{4}-\S+Z /, ''));
        for (const { pattern, found } of waiting) {
          const match = pattern.exec(line);
          if (match !== null) found(match);
        }
      }
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const line = (pattern: RegExp): Promise<RegExpExecArray> =>
      new Promise((resolve, reject) => {
        waiting.push({ pattern, found: resolve });
        void ended.then(() => reject(new Error(`${name} ended before it was ready.`)));
      });
    return { ended, line };
  }

  say('dev', 'building contracts, circuits and development keys; the first time takes a minute or two');
  const names = ['insolvency-8', 'solvency-8', 'transfer-16'];
  const prover = new CircuitProver(await Promise.all(names.map((name) => prepareDevelopmentCircuit(name))), {
    name: 'native',
  });
  const { opening, crashed } = exampleCrash();
  let protocol: LocalProtocol | undefined;
  try {
    protocol = await LocalProtocol.start({
      timestamp: opening.underlying.timestamp,
      underlyingId: opening.underlying.underlyingId,
      parameters: DEFAULT_PARAMETERS,
      terms: { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: 10n ** 13n },
    });
    await protocol.postRound(opening);
    await protocol.fund(protocol.wallet(2), protocol.wallet(3), protocol.wallet(KEEPER_WALLET));
    const { failing, healthy } = crashBook(
      { opening, crashed },
      DEFAULT_PARAMETERS,
      protocol.market.initialLevel,
    );
    const wallets = { trader: protocol.wallet(2), maker: protocol.wallet(3) };
    for (const account of [...failing.slice(0, accounts), healthy]) {
      const { trader } = await openPair(protocol, prover, account, wallets);
      say('chain', `account ${trader.accountId} opened with ${trader.legs.length} legs, by proofs`);
    }
    const vessels = await protocol.createVessels(protocol.wallet(KEEPER_WALLET), [
      VESSEL_CASH,
      VESSEL_CASH,
      VESSEL_CASH,
    ]);
    const book = join(folder, 'addresses.json');
    await writeFile(book, JSON.stringify(protocol.addressBook(), null, 2));
    const serve = command(
      'service',
      ['serve', '--port', String(port), '--store', 'memory', '--rpc', protocol.anvil.url, '--book', book],
      { ZKMARGIN_PROVER: process.env.ZKMARGIN_PROVER ?? 'native' },
    );
    const service = (await serve.line(/serves on (http:\S+);/))[1]!;
    const document = join(folder, 'keeper.json');
    await writeFile(
      document,
      JSON.stringify({
        service,
        rpc: protocol.anvil.url,
        book,
        journal: join(folder, 'journal.json'),
        vessels: vessels.map(String),
        nativePriceUsd: 2_500,
        pollMs: 500,
        strategy: { maxGrossNotionalUsd: 1e9 },
      }),
    );
    const key = toHex(protocol.anvil.accounts[KEEPER_WALLET]!.getHdKey().privateKey!);
    const keeper = command('keeper', ['keeper', document], { ZKMARGIN_KEEPER_KEY: key });
    await keeper.line(/works on chain/);

    const client = new ServiceClient({ url: service });
    const watching = (async () => {
      for await (const { type, data } of client.events({ signal: stopping.signal })) {
        const { id, accountId, tier, previousTier } = data as Record<string, string | undefined>;
        if (type === 'account' && tier !== undefined && tier !== previousTier) {
          say('risk', `account ${accountId ?? id}: ${previousTier ?? 'new'} -> ${tier}`);
        }
      }
    })().catch(() => undefined);

    say('dev', `accounts: ${service}/v1/accounts, description: ${service}/openapi.json`);
    for (const [index, close] of path.closes.entries()) {
      if (index === 0) continue;
      await sleep(seconds * 1_000, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) break;
      // Half hours are a minute apart here: the accounts' options would expire, and proofs grow old, on the way.
      await protocol.advance(60);
      const round = shockRound(opening, {
        priceMove: close - 1,
        volMultiplierAt30d: 1 + VOLS_PER_FALL * Math.max(0, 1 - close),
        secondsLater: Number((await protocol.now()) - opening.underlying.timestamp) - 1,
      });
      const { number } = await protocol.postRound(round);
      const spot = Number(round.underlying.spot) / 1e6;
      say(
        'market',
        `round ${number}: ${spot.toLocaleString('en-US', { maximumFractionDigits: 0 })} USD, ${((close - 1) * 100).toFixed(1)} %`,
      );
    }
    // What is under way may end.
    if (!stopping.signal.aborted)
      await sleep(8_000, undefined, { signal: stopping.signal }).catch(() => undefined);
    const known = (await client.accounts({ limit: 500 })).accounts;
    const head = ['account', 'tier', 'cash', 'equity', 'requirement'];
    const rows = known.map(({ accountId, risk, cash }) => [
      accountId,
      risk?.tier ?? 'no positions',
      dollars(BigInt(cash)),
      risk === undefined ? '' : dollars(BigInt(risk.equity)),
      risk === undefined ? '' : dollars(BigInt(risk.requirement)),
    ]);
    console.log(`\n${table(head, rows)}`);
    if (!options.exit && !stopping.signal.aborted) {
      say('dev', 'the crash is over; everything goes on until Ctrl-C');
      await new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()));
    }
    stopping.abort();
    await watching;
    for (const child of children) child.kill('SIGTERM');
    await Promise.all([keeper.ended, serve.ended]);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await prover.close();
    await protocol?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

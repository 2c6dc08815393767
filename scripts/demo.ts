/**
 * The whole story on real input: an oracle round, a book of accounts, a shock, screening, a proof over HTTP, and a
 * liquidation on a local chain.
 *
 * Usage: npm run demo [-- --json --underlying BTC|ETH --accounts 64 --seed 7 --move -0.12]
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DEFAULT_LIQUIDATION_SETTINGS, liquidationAmounts } from '../src/liquidation/amounts.ts';
import { exactMargin } from '../src/margin/exact/margin.ts';
import { exampleBook } from '../src/margin/example-book.ts';
import { screen } from '../src/margin/float/screen.ts';
import { DEFAULT_PARAMETERS } from '../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces, shockRound } from '../src/market/example-market.ts';
import { formatInstrument } from '../src/market/instrument.ts';
import { packRound } from '../src/market/words.ts';
import { compileCircuit } from '../src/proof/compile.ts';
import { ensureDevelopmentKey } from '../src/proof/keys/development.ts';
import type { ProofCalldata } from '../src/proof/prover/backend.ts';
import { startService } from '../src/service/index.ts';
import { bold, dollars, percent, scaleOf, table } from './lib/format.ts';
import { LocalProtocol } from './lib/local-protocol.ts';

const CIRCUIT = 'insolvency-8';
const SHOCK_SECONDS = 3_600;

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    underlying: { type: 'string', default: 'BTC' },
    accounts: { type: 'string', default: '64' },
    seed: { type: 'string', default: '7' },
    move: { type: 'string', default: '-0.12' },
    vols: { type: 'string', default: '1.35' },
  },
});
if (options.help) {
  console.log(`Usage: npm run demo -- [options]

  --underlying BTC|ETH   market (default BTC)
  --accounts N           accounts in the book, 8 to 1000 (default 64)
  --seed N               seed of the book (default 7)
  --move X               relative price move of the shock (default -0.12)
  --vols X               factor of 30-day vols in the shock (default 1.35)
  --json                 one JSON document on standard output; progress on standard error`);
  process.exit(0);
}

function numberOption(name: 'accounts' | 'seed' | 'move' | 'vols', minimum: number, maximum: number): number {
  const value = Number(options[name]);
  if (!Number.isFinite(value) || value < minimum || value > maximum) {
    console.error(`--${name} must be a number from ${minimum} to ${maximum}.`);
    process.exit(2);
  }
  return value;
}

const accountCount = numberOption('accounts', 8, 1_000);
const seed = numberOption('seed', 0, 2 ** 31);
const move = numberOption('move', -0.9, 5);
const vols = numberOption('vols', 0.2, 5);
const symbol = options.underlying;

const steps: { step: string; seconds: number }[] = [];
const say = (text: string): void => {
  if (options.json) process.stderr.write(`${text}\n`);
  else console.log(text);
};
async function timed<T>(step: string, work: () => Promise<T> | T): Promise<T> {
  const start = performance.now();
  const result = await work();
  const seconds = (performance.now() - start) / 1000;
  steps.push({ step, seconds });
  say(`  ${step.padEnd(58)} ${seconds.toFixed(2).padStart(7)} s`);
  return result;
}

interface JobAnswer {
  readonly id: string;
  readonly state: 'queued' | 'proving' | 'done' | 'failed';
  readonly error?: { readonly code: string; readonly message: string };
  readonly result?: {
    readonly calldata: ProofCalldata;
    readonly publicSignals: string[];
    readonly mark: string;
    readonly requirement: string;
  };
}

async function requestProof(url: string, body: unknown): Promise<NonNullable<JobAnswer['result']>> {
  const response = await fetch(`${url}/v1/proofs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST /v1/proofs: ${response.status} ${await response.text()}`);
  let job = (await response.json()) as JobAnswer;
  while (job.state === 'queued' || job.state === 'proving') {
    const answer = await fetch(`${url}/v1/proofs/${job.id}?wait=30`);
    if (!answer.ok) throw new Error(`GET /v1/proofs/${job.id}: ${answer.status} ${await answer.text()}`);
    job = (await answer.json()) as JobAnswer;
  }
  if (job.state !== 'done' || job.result === undefined) {
    throw new Error(`Proof failed: ${job.error?.code} ${job.error?.message}`);
  }
  return job.result;
}

async function main(): Promise<void> {
  const started = performance.now();
  const surfaces = JSON.parse(
    readFileSync(new URL('../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
  ) as SviSurfaces;

  say(bold('Setting up'));
  const compiled = await timed('circuit insolvency-8 compiled', () => compileCircuit(CIRCUIT));
  await timed('development key made', () => ensureDevelopmentKey(compiled));
  const opening = exampleRound(surfaces, symbol);
  const shocked = shockRound(opening, {
    priceMove: move,
    volMultiplierAt30d: vols,
    secondsLater: SHOCK_SECONDS,
  });
  const parameters = DEFAULT_PARAMETERS;
  const book = exampleBook({ opening, shocked, parameters, seed, count: accountCount });
  const protocol = await timed('contracts built, local chain started, protocol deployed', () =>
    LocalProtocol.start({
      timestamp: opening.underlying.timestamp,
      underlyingId: opening.underlying.underlyingId,
    }),
  );
  let service: Awaited<ReturnType<typeof startService>> | undefined;
  try {
    service = await timed('prover service started, key in memory', () =>
      startService({ port: 0, logger: false }),
    );
    await timed('risk parameters set, opening round posted', async () => {
      await protocol.setParameters(parameters);
      await protocol.postRound(opening);
    });
    const ids = await timed(`${book.length} accounts opened on chain`, () => protocol.openAccounts(book));

    say(`\n${bold('The market moves')}`);
    await protocol.advance(SHOCK_SECONDS);
    const round = await timed(`round of ${percent(move)} and 30-day vols x ${vols} posted`, () =>
      protocol.postRound(shocked),
    );
    const screened = await timed(`${book.length} accounts screened (float64)`, () =>
      screen(book, shocked, parameters),
    );
    // The float model proposes; the integers decide.
    const exact = await timed('failing and doubtful accounts decided in integers', () =>
      book.map((account, index) => {
        const row = screened[index]!;
        return row.liquidatable || row.needsExact ? exactMargin(account, shocked, parameters) : undefined;
      }),
    );
    const failing = book
      .map((account, index) => ({ account, index, margin: exact[index] }))
      .flatMap(({ account, index, margin }) => {
        if (margin === undefined) return [];
        const equity = account.cash + margin.mark;
        return equity < margin.requirement ? [{ account, index, margin, equity }] : [];
      })
      .sort((a, b) => Number(a.equity - a.margin.requirement - (b.equity - b.margin.requirement)));
    const target = failing.find(({ equity }) => equity > 0n);
    if (target === undefined)
      throw new Error('No account can be liquidated after this shock; try another --move.');

    if (!options.json) printMargins();

    say(`\n${bold(`Liquidating account ${ids[target.index]}: ${target.account.name}`)}`);
    const accountId = ids[target.index]!;
    const before = await protocol.account(accountId);
    const result = await timed('proof made and verified by the service, over HTTP', () =>
      requestProof(service!.url, {
        circuit: CIRCUIT,
        legs: target.account.legs.map(({ instrument, quantity }) => ({
          instrument: formatInstrument(symbol, instrument),
          quantity: String(quantity),
        })),
        salt: String(target.account.salt),
        scale: String(before.scale),
        underlyingWord: String(packRound(shocked).underlyingWord),
        expiryWords: packRound(shocked).expiryWords.map(String),
        parameters,
        cash: String(before.cash),
        context: {
          chainId: String(protocol.anvil.chainId),
          engine: protocol.deployment.engine,
          accountId: String(accountId),
          nonce: String(before.nonce),
          round: String(round.number),
          keeper: protocol.keeper.account.address,
        },
      }),
    );
    const mark = BigInt(result.mark);
    const requirement = BigInt(result.requirement);
    const expected = liquidationAmounts(
      { cash: before.cash, mark, requirement, scale: before.scale },
      DEFAULT_LIQUIDATION_SETTINGS,
    );
    const outcome = await timed('liquidation sent and included', async () =>
      protocol.liquidate(
        {
          accountId,
          round: round.number,
          mark,
          requirement,
          maxPayment: expected.keeperPays,
          minScaleTaken: expected.scaleTaken,
          deadline: (await protocol.now()) + 600n,
        },
        result.calldata,
      ),
    );
    const after = await protocol.account(accountId);
    const slice = await protocol.account(outcome.subAccountId);
    const remaining = exactMargin({ legs: target.account.legs, scale: after.scale }, shocked, parameters);
    const taken = exactMargin({ legs: target.account.legs, scale: slice.scale }, shocked, parameters);
    const verificationGas = await protocol.verificationGas(result.calldata, result.publicSignals);
    const healthyAgain = after.cash + remaining.mark >= remaining.requirement;
    if (!healthyAgain) throw new Error('The account is still below its maintenance margin.');
    const afterEquity = after.cash + remaining.mark;
    const sliceEquity = slice.cash + taken.mark;

    if (options.json) {
      const text = JSON.stringify(
        {
          underlying: symbol,
          seed,
          accounts: book.length,
          failing: failing.map(({ index, account, equity, margin }) => ({
            accountId: ids[index],
            name: account.name,
            equity,
            requirement: margin.requirement,
            worstScenario: margin.worstScenario,
          })),
          liquidation: {
            accountId,
            subAccountId: outcome.subAccountId,
            transactionHash: outcome.transactionHash,
            gasUsed: outcome.gasUsed,
            verificationGas,
            amounts: outcome.amounts,
            before: { ...before, mark, requirement, equity: before.cash + mark },
            after: {
              ...after,
              mark: remaining.mark,
              requirement: remaining.requirement,
              equity: afterEquity,
            },
            slice: { ...slice, mark: taken.mark, requirement: taken.requirement, equity: sliceEquity },
          },
          steps,
          seconds: (performance.now() - started) / 1000,
        },
        (_, value) => (typeof value === 'bigint' ? value.toString() : value),
        2,
      );
      console.log(text);
    } else {
      console.log();
      console.log(
        table(
          ['', 'before', 'after', "keeper's sub-account"],
          [
            ['scale', scaleOf(before.scale), scaleOf(after.scale), scaleOf(slice.scale)],
            ['cash', dollars(before.cash), dollars(after.cash), dollars(slice.cash)],
            ['mark of positions', dollars(mark), dollars(remaining.mark), dollars(taken.mark)],
            ['equity', dollars(before.cash + mark), dollars(afterEquity), dollars(sliceEquity)],
            [
              'maintenance margin',
              dollars(requirement),
              dollars(remaining.requirement),
              dollars(taken.requirement),
            ],
            [
              'equity / margin',
              percent(Number(before.cash + mark) / Number(requirement)),
              percent(Number(afterEquity) / Number(remaining.requirement)),
              percent(Number(sliceEquity) / Number(taken.requirement)),
            ],
          ],
        ),
      );
      console.log();
      console.log(
        table(
          ['liquidation', ''],
          [
            ['fraction taken', percent(Number(outcome.amounts.scaleTaken) / Number(before.scale))],
            ['equity moved', dollars(outcome.amounts.equityTaken)],
            ['paid to the trader', dollars(outcome.amounts.traderProceeds)],
            ['penalty', dollars(outcome.amounts.penalty)],
            ['  of which keeper reward', dollars(outcome.amounts.reward)],
            ['  of which insurance fund', dollars(outcome.amounts.fundFee)],
            ["keeper's deposit into the sub-account", dollars(outcome.amounts.sliceDeposit)],
            ['gas of the transaction', outcome.gasUsed.toLocaleString('en-US')],
            ['gas of a transaction that only checks the proof', verificationGas.toLocaleString('en-US')],
          ],
        ),
      );
      console.log(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s.`);
    }

    function printMargins(): void {
      console.log(
        `\n${table(
          ['account', 'strategy', 'equity', 'maintenance', 'equity/margin', 'worst scenario', 'state'],
          book
            .map((account, index) => ({ account, index, row: screened[index]! }))
            .sort((a, b) => a.row.ratio - b.row.ratio)
            .slice(0, Math.max(failing.length + 5, 12))
            .map(({ account, index, row }) => {
              const scenario = parameters.scenarios[row.worstScenario]!;
              const price = 2 ** ((scenario.priceMove * parameters.priceStep) / 2 ** 20) - 1;
              const shock =
                scenario.volShock > 0 ? 'vols up' : scenario.volShock < 0 ? 'vols down' : 'vols flat';
              return [
                String(ids[index]),
                account.name,
                dollars(BigInt(Math.round(row.equity * 1e6))),
                dollars(BigInt(Math.round(row.requirement * 1e6))),
                percent(row.ratio),
                `${percent(price)}, ${shock}`,
                row.liquidatable ? 'LIQUIDATABLE' : row.ratio < 1.2 ? 'warning' : 'healthy',
              ];
            }),
        )}\n${failing.length} of ${book.length} accounts are below maintenance; the closest healthy ones are shown with them.`,
      );
    }
  } finally {
    await service?.close();
    await protocol.stop();
  }
}

try {
  await main();
} catch (error) {
  console.error(
    `\nThe demo failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
  process.exitCode = 1;
}

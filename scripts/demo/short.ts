/** The short story: real prices, a book, trades with proofs, a crash, and a liquidation that a proof justifies. */
import type { TransactionReceipt } from 'viem';
import { provenRequirement } from '../../src/chain/requests/insolvency.ts';
import { atomicLiquidation, type Sale } from '../../src/liquidation/amounts.ts';
import { integerTerms } from '../../src/liquidation/terms.ts';
import { type ExactMargin, exactMargin } from '../../src/margin/exact/margin.ts';
import { type ExampleAccount, exampleBook } from '../../src/margin/example-book.ts';
import { type AccountMargin, screen } from '../../src/margin/float/screen.ts';
import { type RunningService, startService } from '../../src/service/index.ts';
import { dollars, gas, percent, scaleOf } from '../lib/format.ts';
import {
  type BidQuoteRecord,
  bid,
  collateralOf,
  liquidationOrder,
  quoteBid,
  startAuction,
  vesselCashFor,
} from '../lib/local-auction.ts';
import { type OpenAccount, type OpenedPair, openPair } from '../lib/local-book.ts';
import type { HouseAccount } from '../lib/local-protocol.ts';
import { verificationGasIn } from '../lib/verification-gas.ts';
import type { Narrator } from './narrator.ts';
import type { DemoOptions } from './options.ts';
import { requestInsolvency, type ServedProof } from './service-client.ts';
import { demoBackend, OPENING_RATIO, type Setting, standing, tellOpened, withSetting } from './setting.ts';

/** Insolvency for the liquidation, solvency and transfer for trades. */
const CIRCUITS = ['insolvency-8', 'solvency-8', 'transfer-16'];
/** Traders who trade on chain. */
const ON_CHAIN = 3;
/** Legs of the circuits. */
const LEGS = 8;
/** Seconds of public bidding after which the keeper buys, should the account be sold in an auction. */
const BID_AFTER_SECONDS = 60;

/** An account of the book after the crash. */
interface Row {
  readonly account: ExampleAccount;
  readonly float: AccountMargin;
  /** Decided in integers where the float model proposes or doubts. */
  readonly exact: ExactMargin | undefined;
}

/** What was sold, by receipts. */
interface Liquidated {
  readonly kind: 'atomic' | 'auction';
  readonly receipt: TransactionReceipt;
  readonly vesselId: bigint;
  /** Cash that the keeper paid into the vessel. */
  readonly deposit: bigint;
  readonly scaleTaken: bigint;
  readonly worthTaken: bigint;
  readonly proceeds: bigint;
  readonly penalty: bigint;
  readonly reward: bigint;
  readonly fundFee: bigint;
}

/** Runs the short story. */
export function shortStory(narrator: Narrator, options: DemoOptions): Promise<void> {
  return withSetting(narrator, options, CIRCUITS, async (setting) => {
    const service = await narrator.timed('prover service started, key in memory', () =>
      startService({
        port: 0,
        logger: false,
        circuits: [setting.circuits['insolvency-8']!],
        backend: demoBackend(),
      }),
    );
    try {
      await tell(setting, service);
    } finally {
      await service.close();
    }
  });
}

async function tell(setting: Setting, service: RunningService): Promise<void> {
  const { narrator, options, protocol, opening, crashed } = setting;
  narrator.chapter(
    `A market and a book, ${new Date(Number(opening.underlying.timestamp) * 1000).toUTCString()}`,
  );
  narrator.tell(
    `Three price sources sign the ${options.symbol} spot and the volatility surface of that day; the oracle takes medians. A book of
    ${options.accounts} option accounts is margined off chain. ${ON_CHAIN} of them live on the local chain: each trades its positions
    with a market maker. A proof shows that no contract was created or lost, two more that both sides cover 1.25 times their
    maintenance requirement.`,
  );
  const first = await narrator.timed('opening round posted', () => protocol.postRound(opening));
  const book = exampleBook({
    opening,
    shocked: crashed,
    parameters: protocol.parameters,
    seed: options.seed,
    count: options.accounts,
    minimumRatio: OPENING_RATIO,
  });
  await protocol.fund(protocol.wallet(2), protocol.wallet(3));
  const chosen = castOf(setting, book);
  const pairs = new Map<ExampleAccount, OpenedPair>();
  for (const account of chosen) {
    const pair = await narrator.timed(`${account.name} traded: three proofs, one transaction`, () =>
      openPair(protocol, setting.prover, account, { trader: protocol.wallet(2), maker: protocol.wallet(3) }),
    );
    pairs.set(account, pair);
  }
  const tradeGas = [...pairs.values()].map(({ receipt }) => receipt.gasUsed);
  tellOpened(narrator, pairs, opening);

  narrator.chapter('The crash');
  await protocol.advanceTo(crashed.underlying.timestamp + 1n);
  const round = await narrator.timed(
    `${percent(options.move)}, 30-day vols x ${options.vols}: reports posted`,
    () => protocol.postRound(crashed),
  );
  narrator.tell(
    round.confirmed
      ? `The oracle's breaker held the first round back, because prices had moved too far: until a second one confirmed it, no
        proof was taken. That second one is round ${round.number}.`
      : `The move was small enough for round ${round.number} to count at once.`,
  );
  const rows = await narrator.timed(
    `${book.length} accounts screened in floating point, doubts decided in integers`,
    () => screened(setting, book),
  );
  const failing = rows
    .flatMap(({ account, exact }) => {
      if (exact === undefined) return [];
      const equity = account.cash + exact.mark;
      return equity < exact.requirement ? [{ account, exact, equity }] : [];
    })
    .sort((a, b) => Number(a.equity - a.exact.requirement - (b.equity - b.exact.requirement)));
  tellMargins(setting, rows, failing.length, pairs);

  const target = [...pairs].find(([account]) => isSellable(standing(account, protocol.market.round)));
  if (target === undefined) {
    throw new Error('No account of this book can be liquidated after this crash; try another --move.');
  }
  const { trader } = target[1];
  const { atomicLimit } = protocol.terms;
  const atomic = standing(target[0], protocol.market.round).requirement <= atomicLimit;
  narrator.chapter(`A proof, and the liquidation of account ${trader.accountId} (${trader.name})`);
  narrator.tell(
    `A keeper asks the prover service. The proof says: at round ${round.number}, by the risk parameters in force, the committed
    positions have this value and need this margin. Positions stay a commitment to the contract, which checks the proof,
    compares with the account's cash, and ${
      atomic
        ? 'sells the smallest slice that brings the account back to its requirement and 10 % more, at a fixed penalty.'
        : `starts an auction, because the requirement is above ${dollars(atomicLimit)}: too large for a fixed price.`
    }`,
  );
  const before = await protocol.account(trader.accountId);
  const proven = await narrator.timed('proof made and verified by the service, over HTTP', () =>
    requestInsolvency(
      service.url,
      protocol,
      options.symbol,
      trader,
      protocol.deployment[atomic ? 'engine' : 'auctionHouse'],
      protocol.keeper.account.address,
    ),
  );
  const outcome = await narrator.timed(
    atomic
      ? 'liquidation sent and included'
      : `auction started; bid after ${BID_AFTER_SECONDS} s of chain time`,
    () => (atomic ? atOnce(setting, trader, proven, before) : byAuction(setting, trader, proven)),
  );
  const after = await protocol.account(trader.accountId);
  const vessel = await protocol.account(outcome.vesselId);
  const remaining = exactMargin(
    { legs: trader.legs, scale: after.scale },
    protocol.market.round,
    protocol.parameters,
  );
  const taken = exactMargin(
    { legs: trader.legs, scale: vessel.scale },
    protocol.market.round,
    protocol.parameters,
  );
  const verificationGas = await verificationGasIn(
    protocol,
    'insolvency-8',
    proven.proof,
    proven.publicSignals,
  );
  if (after.cash + remaining.mark < remaining.requirement) {
    throw new Error('The account is still below its maintenance margin.');
  }

  const columns = [
    { account: before, mark: proven.mark, requirement: provenRequirement(proven) },
    { account: after, mark: remaining.mark, requirement: remaining.requirement },
    { account: vessel, mark: taken.mark, requirement: taken.requirement },
  ];
  narrator.table(
    ['', 'account before', 'account after', "keeper's account after"],
    [
      ['scale', ...columns.map(({ account }) => scaleOf(account.scale))],
      ['cash', ...columns.map(({ account }) => dollars(account.cash))],
      ['value of positions', ...columns.map(({ mark }) => dollars(mark))],
      ['equity', ...columns.map(({ account, mark }) => dollars(account.cash + mark))],
      ['maintenance margin', ...columns.map(({ requirement }) => dollars(requirement))],
      [
        'equity / margin',
        ...columns.map(({ account, mark, requirement }) =>
          percent(Number(account.cash + mark) / Number(requirement)),
        ),
      ],
    ],
  );
  narrator.table(
    ['what moved', ''],
    [
      ['part of the positions sold', percent(Number(outcome.scaleTaken) / Number(before.scale))],
      ['worth of that part', dollars(outcome.worthTaken)],
      ['paid to the trader for it', dollars(outcome.proceeds)],
      ['penalty', dollars(outcome.penalty)],
      ['  of which the keeper earns', dollars(outcome.reward)],
      ['  of which the insurance fund receives', dollars(outcome.fundFee)],
      ["keeper's own cash put up", dollars(outcome.deposit)],
    ],
  );
  narrator.table(
    ['gas', ''],
    [
      ['an opening round of three sources', gas(first.gasUsed)],
      ['a trade: three proofs, two published openings', gas(tradeGas[0]!)],
      [atomic ? 'the liquidation' : 'the bid', gas(outcome.receipt.gasUsed)],
      ['a transaction that only checks the insolvency proof', gas(verificationGas)],
    ],
  );
  narrator.tell(
    `The trader keeps ${percent(Number(after.scale) / Number(before.scale))} of the positions. What the keeper took sits in an
    account of its own, under the same commitment, with enough cash to be safe itself. Slices are priced by worth: equity with collateral
    at nearly its full value instead of its value after haircuts. Accounts of this story have no collateral beside cash, so worth and
    equity are the same.`,
  );

  narrator.finish({
    story: 'short',
    underlying: options.symbol,
    seed: options.seed,
    accounts: book.length,
    trades: [...pairs.values()].map(({ trader: { accountId, name }, maker, receipt }) => ({
      accountId,
      name,
      counterparty: maker.accountId,
      transactionHash: receipt.transactionHash,
      gasUsed: receipt.gasUsed,
    })),
    round: { number: round.number, confirmed: round.confirmed, gasUsed: round.gasUsed },
    failing: failing.map(({ account, equity, exact }) => ({
      accountId: pairs.get(account)?.trader.accountId ?? null,
      name: account.name,
      equity,
      requirement: exact.requirement,
      worstScenario: exact.worstScenario,
    })),
    liquidation: {
      kind: outcome.kind,
      accountId: trader.accountId,
      vesselId: outcome.vesselId,
      transactionHash: outcome.receipt.transactionHash,
      gasUsed: outcome.receipt.gasUsed,
      verificationGas,
      amounts: {
        scaleTaken: outcome.scaleTaken,
        worthTaken: outcome.worthTaken,
        proceeds: outcome.proceeds,
        penalty: outcome.penalty,
        reward: outcome.reward,
        fundFee: outcome.fundFee,
        deposit: outcome.deposit,
      },
      ...Object.fromEntries(
        columns.map(({ account, mark, requirement }, index) => [
          ['before', 'after', 'vessel'][index],
          { ...account, mark, requirement, equity: account.cash + mark },
        ]),
      ),
    },
  });
}

/** Below the requirement, and worth something: without collateral beside cash, worth is equity. */
function isSellable({ equity, requirement }: ReturnType<typeof standing>): boolean {
  return equity > 0n && equity < requirement;
}

/**
 * Who trades on chain: an account that the crash makes liquidatable, first of those that may be sold at a fixed price the one that lacks
 * most; and two others, one of which fails too where there is one.
 */
function castOf({ crashed, protocol }: Setting, book: readonly ExampleAccount[]): ExampleAccount[] {
  const rows = book
    .filter(({ legs }) => legs.length <= LEGS)
    .map((account) => ({ account, ...standing(account, crashed) }));
  const lacking = (row: (typeof rows)[number]): bigint => row.requirement - row.equity;
  const failing = rows
    .filter(isSellable)
    .sort((a, b) => {
      const [large, other] = [a, b].map(({ requirement }) => requirement > protocol.terms.atomicLimit);
      return large === other ? Number(lacking(b) - lacking(a)) : Number(large) - Number(other);
    })
    .slice(0, ON_CHAIN - 1);
  const healthy = rows.filter(({ equity, requirement }) => equity >= requirement);
  return [...failing, ...healthy].slice(0, ON_CHAIN).map(({ account }) => account);
}

function screened({ protocol }: Setting, book: readonly ExampleAccount[]): Row[] {
  const { round, parameters } = protocol.market;
  return screen(book, round, parameters).map((float, index) => {
    const account = book[index]!;
    const decide = float.liquidatable || float.needsExact;
    return { account, float, exact: decide ? exactMargin(account, round, parameters) : undefined };
  });
}

function tellMargins(
  { narrator, protocol }: Setting,
  rows: readonly Row[],
  failing: number,
  pairs: ReadonlyMap<ExampleAccount, OpenedPair>,
): void {
  const { parameters } = protocol;
  narrator.table(
    ['on chain', 'strategy', 'equity', 'maintenance', 'equity/margin', 'worst scenario', 'state'],
    [...rows]
      .sort((a, b) => a.float.ratio - b.float.ratio)
      .slice(0, Math.min(Math.max(failing + 4, 10), 20))
      .map(({ account, float }) => {
        const scenario = parameters.scenarios[float.worstScenario]!;
        const price = 2 ** ((scenario.priceMove * parameters.priceStep) / 2 ** 20) - 1;
        const vols = scenario.volShock > 0 ? 'vols up' : scenario.volShock < 0 ? 'vols down' : 'vols flat';
        return [
          pairs.has(account) ? `account ${pairs.get(account)!.trader.accountId}` : '',
          account.name,
          dollars(BigInt(Math.round(float.equity * 1e6))),
          dollars(BigInt(Math.round(float.requirement * 1e6))),
          percent(float.ratio),
          `${percent(price)}, ${vols}`,
          float.liquidatable ? 'LIQUIDATABLE' : float.ratio < 1.2 ? 'warning' : 'healthy',
        ];
      }),
  );
  narrator.tell(`${failing} of ${rows.length} accounts are below maintenance; the worst are shown first.`);
}

/** Sells a slice at the fixed penalty. The keeper puts up exactly what the contract asks for. */
async function atOnce(
  { protocol }: Setting,
  trader: OpenAccount,
  proven: ServedProof,
  before: HouseAccount,
): Promise<Liquidated> {
  const volatility = await protocol.read<bigint>('oracle', 'volatilityIndex', [
    Number(protocol.underlyingId),
  ]);
  const { value, moving, saleValue } = await collateralOf(protocol, trader.accountId, false);
  const { mark, baseRequirement, collateralSlope } = proven;
  const { cash, scale } = before;
  const collateral = { collateral: value, movingCollateral: moving, saleCollateral: saleValue };
  const { leastCash } = atomicLiquidation(
    { cash, ...collateral, mark, baseRequirement, collateralSlope, scale },
    integerTerms(protocol.terms),
    volatility,
  );
  const deposit = leastCash > 0n ? leastCash : 1n;
  const vesselId = await protocol.createFunded(protocol.keeper, deposit);
  const receipt = await protocol.write(protocol.keeper, 'engine', 'liquidate', [
    await liquidationOrder(protocol, trader.accountId, vesselId, proven),
    proven.proof,
  ]);
  const { liquidation } = protocol.event<{
    readonly liquidation: { readonly sale: Sale; readonly reward: bigint; readonly fundFee: bigint };
  }>(receipt, 'engine', 'Liquidated');
  const { sale, reward, fundFee } = liquidation;
  return {
    kind: 'atomic',
    receipt,
    vesselId,
    deposit,
    scaleTaken: sale.scaleTaken,
    worthTaken: sale.worthTaken,
    proceeds: sale.proceeds,
    penalty: sale.worthTaken - sale.proceeds,
    reward,
    fundFee,
  };
}

/** Sells a slice in an auction. There the discount is the bidder's, and the fund is paid by the fee of the start. */
async function byAuction(
  { protocol }: Setting,
  trader: OpenAccount,
  proven: ServedProof,
): Promise<Liquidated> {
  const { keeper } = protocol;
  const rewardId = await protocol.createFunded(keeper, 1n);
  const started = await startAuction(protocol, keeper, trader.accountId, proven, rewardId);
  const { fee, reward } = protocol.event<{ readonly fee: bigint; readonly reward: bigint }>(
    started,
    'auctionHouse',
    'AuctionStarted',
  );
  await protocol.advance(BID_AFTER_SECONDS);
  const quote: BidQuoteRecord = await quoteBid(protocol, trader.accountId);
  const deposit = await vesselCashFor(protocol, trader.accountId, quote.sale, quote.sale.proceeds);
  const vesselId = await protocol.createFunded(keeper, deposit);
  const receipt = await bid(protocol, keeper, trader.accountId, vesselId);
  const { sale } = protocol.event<{ readonly sale: Sale }>(receipt, 'auctionHouse', 'BidExecuted');
  const discount = sale.worthTaken - sale.proceeds;
  return {
    kind: 'auction',
    receipt,
    vesselId,
    deposit,
    scaleTaken: sale.scaleTaken,
    worthTaken: sale.worthTaken,
    proceeds: sale.proceeds,
    penalty: discount + fee,
    reward: discount + reward,
    fundFee: fee - reward,
  };
}

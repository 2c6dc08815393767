/** An account that is worth nothing: who pays, in which order, and how it is paid back. */
import { provenRequirement } from '../../../src/chain/requests/insolvency.ts';
import type { Sale, Takeover } from '../../../src/liquidation/amounts.ts';
import type { MarketRound } from '../../../src/market/words.ts';
import { dollars, gas, percent } from '../../lib/format.ts';
import {
  auctionOf,
  liquidationOrder,
  proveForAuction,
  proveForEngine,
  quoteTakeOver,
  refreshAuction,
  takeOver,
  vesselCashFor,
} from '../../lib/local-auction.ts';
import type { LocalProtocol } from '../../lib/local-protocol.ts';
import { type Setting, standing, tick } from '../setting.ts';
import { open } from './auctions.ts';
import type { Company } from './cast.ts';
import { withdraw } from './trading.ts';

const FUND = 1n;
/** What the taker waits for beyond what the fund has: so much is socialised. */
const BEYOND_THE_FUND = 400_000_000n;
/** Proofs are renewed before bids are refused for their age. */
const REFRESH_SECONDS = 240n;
const WITHDRAWN = 5_000_000_000n;

/** Sums of the clearing house, as the contract gives them. */
export interface TotalsRecord {
  readonly tokensHeld: bigint;
  readonly settlementFloat: bigint;
  readonly openDeficit: bigint;
  readonly pendingDeficit: bigint;
  readonly uncoveredDeficit: bigint;
  readonly gatedUntil: bigint;
}

/** Sums of the clearing house. */
export function totals(protocol: LocalProtocol): Promise<TotalsRecord> {
  return protocol.read<TotalsRecord>('clearingHouse', 'totals');
}

/** Gives the insurance fund its first money, a fifth of it as reserve for jumps. */
export async function endowFund({ narrator, protocol }: Setting, amount: bigint): Promise<void> {
  const { operator } = protocol;
  await protocol.write(operator, 'fund', 'setReserveRule', [2_000, amount]);
  await protocol.write(operator, 'clearingHouse', 'deposit', [FUND, amount]);
  await protocol.write(operator, 'fund', 'allocate');
  const reserve = await protocol.read<bigint>('fund', 'reserve');
  narrator.tell(
    `The insurance fund is account 1 of the clearing house. It begins with ${dollars(amount)}, of which ${dollars(reserve)} are
    earmarked as a reserve that is drawn last.`,
  );
}

/** The second crash: a takeover with a subsidy, a loss that is socialised, and the fees that repay it. */
export async function losses(
  setting: Setting,
  { neglected, payer, holder }: Company,
  second: MarketRound,
  rewardId: bigint,
): Promise<void> {
  const { narrator, protocol } = setting;
  const account = neglected.trader;
  const { accountId } = account;
  await protocol.advanceTo(second.underlying.timestamp + 1n);
  const posted = await narrator.timed('round of the second crash posted', () => protocol.postRound(second));
  const { cash } = await protocol.account(accountId);
  const { equity, requirement } = standing({ ...account, cash }, posted.round);
  const fundAtFirst = (await protocol.account(FUND)).cash;
  narrator.tell(
    `Nobody liquidated account ${accountId} (${account.name}) in time. Now its worth is ${dollars(equity)}: there is nothing to sell. Whoever takes
    it over with its debts gets a subsidy, which rises from nothing to all that the account lacks in 15 minutes. It is paid by
    the insurance fund (${dollars(fundAtFirst)} with fees, penalties and the slashed bond), then by its reserve; the rest is socialised.`,
  );
  const started = await open(setting, account, rewardId);
  const lacking = requirement + requirement / 10n - equity;
  const wanted = fundAtFirst + BEYOND_THE_FUND;
  const { terms } = protocol;
  const length = BigInt(terms.insolventSeconds);
  // The first second at which the subsidy is what the taker wants, or all of it.
  const seconds = wanted >= lacking ? length : (wanted * length) / lacking + 1n;
  await waitFor(setting, accountId, seconds, account);
  const quote = await quoteTakeOver(protocol, accountId);
  const taker = protocol.wallet(4);
  const deposit = await vesselCashFor(protocol, accountId, quote, -quote.subsidy);
  const vesselId = await protocol.createFunded(taker, deposit);
  const receipt = await takeOver(protocol, taker, accountId, vesselId);
  const { takeover, coverage } = protocol.event<{
    readonly takeover: Takeover;
    readonly coverage: {
      readonly fromFund: bigint;
      readonly fromReserve: bigint;
      readonly socialised: bigint;
    };
  }>(receipt, 'auctionHouse', 'TakenOver');
  narrator.table(
    ['takeover', ''],
    [
      ['worth of the account', dollars(takeover.worth)],
      ['subsidy when all of it would be paid', dollars(takeover.target - takeover.worth)],
      [`subsidy taken, ${seconds} s after the start`, dollars(takeover.subsidy)],
      ['  from the insurance fund', dollars(coverage.fromFund)],
      ['  from its reserve', dollars(coverage.fromReserve)],
      ['  socialised', dollars(coverage.socialised)],
      ["taker's own cash put up", dollars(deposit)],
      ['gas of the start', gas(started.receipt.gasUsed)],
      ['gas of the takeover', gas(receipt.gasUsed)],
    ],
  );
  if (coverage.socialised > 0n) await repay(setting, payer, holder);
}

/** Lets time pass with proofs that stay young. */
async function waitFor(
  { narrator, protocol, prover }: Setting,
  accountId: bigint,
  seconds: bigint,
  account: Company['neglected']['trader'],
): Promise<void> {
  const until = BigInt((await auctionOf(protocol, accountId)).insolventSince) + seconds;
  for (;;) {
    const left = until - (await protocol.now());
    if (left <= REFRESH_SECONDS) {
      await protocol.advanceTo(until);
      return;
    }
    await protocol.advance(Number(REFRESH_SECONDS));
    await tick(protocol);
    const proven = await narrator.timed('four minutes later: newer round, newer proof', () =>
      proveForAuction(protocol, prover, account, protocol.keeper),
    );
    await refreshAuction(protocol, protocol.keeper, accountId, proven);
  }
}

/** Withdrawals pay in proportion while a loss is open; penalties of later liquidations repay it. */
async function repay(setting: Setting, payer: Company['payer'], holder: Company['holder']): Promise<void> {
  const { narrator, protocol, prover } = setting;
  const before = await totals(protocol);
  narrator.tell(
    `The house owes its accounts ${dollars(before.openDeficit)} more than it holds. Nobody is asked to pay; but while that is so, withdrawals
    are paid in proportion, whoever comes first, and each lowers the gap. What fees come in repay it before the fund gets any.`,
  );
  await tick(protocol);
  const during = await narrator.timed('a withdrawal while the loss is open', () =>
    withdraw(setting, holder.trader, WITHDRAWN),
  );
  const lower = await totals(protocol);
  const account = payer.trader;
  const proven = await narrator.timed(
    `insolvency of account ${account.accountId} (${account.name}) proven`,
    () => proveForEngine(protocol, prover, account, protocol.keeper),
  );
  const vesselId = await protocol.createFunded(protocol.keeper, 2n * provenRequirement(proven));
  const receipt = await protocol.write(protocol.keeper, 'engine', 'liquidate', [
    await liquidationOrder(protocol, account.accountId, vesselId, proven),
    proven.proof,
  ]);
  const { liquidation } = protocol.event<{
    readonly liquidation: {
      readonly sale: Sale;
      readonly penaltyBps: bigint;
      readonly fundFee: bigint;
    };
  }>(receipt, 'engine', 'Liquidated');
  const { credited, repaid } = protocol.event<{ readonly credited: bigint; readonly repaid: bigint }>(
    receipt,
    'clearingHouse',
    'FundPaid',
  );
  const after = await totals(protocol);
  const full = await narrator.timed('a withdrawal afterwards', () =>
    withdraw(setting, holder.trader, WITHDRAWN),
  );
  const ratio = (paid: bigint): string => `${((100 * Number(paid)) / Number(WITHDRAWN)).toFixed(4)} %`;
  narrator.table(
    ['the loss', ''],
    [
      ['open after the takeover', dollars(before.openDeficit)],
      [`withdrawal of ${dollars(WITHDRAWN)} paid`, `${dollars(during.paid)} (${ratio(during.paid)})`],
      ['open after it', dollars(lower.openDeficit)],
      [
        `liquidation at ${percent(Number(liquidation.penaltyBps) / 10_000)} of ${dollars(liquidation.sale.worthTaken)}, fund's part`,
        dollars(liquidation.fundFee),
      ],
      ['  of which repaid the loss', dollars(repaid)],
      ['  of which the fund received', dollars(credited)],
      ['open after it', dollars(after.openDeficit)],
      [`withdrawal of ${dollars(WITHDRAWN)} paid`, `${dollars(full.paid)} (${ratio(full.paid)})`],
    ],
  );
}

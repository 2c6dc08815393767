/** Auctions: in public, ended by a recovery, and of sealed bids. */

import type { Hex, TransactionReceipt } from 'viem';
import { provenRequirement } from '../../../src/chain/requests/insolvency.ts';
import { revertReason } from '../../../src/chain/reverts.ts';
import type { Sale } from '../../../src/liquidation/amounts.ts';
import { exactMargin } from '../../../src/margin/exact/margin.ts';
import { dollars, gas, percent } from '../../lib/format.ts';
import {
  auctionOf,
  type BidQuoteRecord,
  bid,
  cancelAuction,
  commitBid,
  proveForAuction,
  quoteBid,
  refreshAuction,
  registerLiquidator,
  revealBid,
  secretBid,
  startAuction,
  vesselCashFor,
} from '../../lib/local-auction.ts';
import type { OpenAccount } from '../../lib/local-book.ts';
import { type Setting, tick } from '../setting.ts';
import type { Company } from './cast.ts';

const BIDDERS = [1, 4, 5] as const;
const LIQUIDATORS = [6, 7, 8] as const;
/** Part of what is for sale that the first and the second bidder want, in per cent. */
const WANTED_PERCENT = [30n, 45n] as const;
/** Seconds of chain time before each bid: the price falls meanwhile. */
const PATIENCE_SECONDS = [15, 30, 80] as const;
/** Factors of the three sealed bids, in basis points. */
const SEALED_FACTORS = [9_950n, 9_870n, 9_900n] as const;
const STAGE_SECONDS = 31;
/** Each bid is executed with a fixed amount of gas, most of which is not used. */
const FILL_GAS = 8_000_000n;

interface StartedEvent {
  readonly auctionNumber: bigint;
  readonly fee: bigint;
  readonly reward: bigint;
}

/** Proves, and starts an auction. */
export async function open(setting: Setting, account: OpenAccount, rewardId: bigint) {
  const { narrator, protocol, prover } = setting;
  await tick(protocol);
  const proven = await narrator.timed(`insolvency of account ${account.accountId} proven`, () =>
    proveForAuction(protocol, prover, account, protocol.keeper),
  );
  const receipt = await startAuction(protocol, protocol.keeper, account.accountId, proven, rewardId);
  const event = protocol.event<StartedEvent>(receipt, 'auctionHouse', 'AuctionStarted');
  return { receipt, proven, ...event };
}

/** A public auction: three bidders, and a newer proof in between. */
export async function publicAuction(
  setting: Setting,
  { auctioned }: Company,
  rewardId: bigint,
): Promise<void> {
  const { narrator, protocol, prover } = setting;
  const account = auctioned.trader;
  const { accountId } = account;
  narrator.tell(
    `Account ${accountId} (${account.name}) is too large for a fixed price. A keeper proves it and starts an auction: a slice's price starts at
    98 % of its worth and falls by the second. Worth is equity with collateral at nearly its full value instead of its value after haircuts;
    accounts of this story have no collateral beside cash, so the two are the same. Bids take what they want; the auction ends when the
    account is back at its requirement and 10 % more. Bids do not void proofs: those are about the account as it was at the start.`,
  );
  const started = await open(setting, account, rewardId);
  const rows = [
    [
      'start',
      '',
      '',
      '',
      `fee ${dollars(started.fee)}, starter earns ${dollars(started.reward)}`,
      gas(started.receipt.gasUsed),
    ],
  ];
  for (const [index, bidderIndex] of BIDDERS.entries()) {
    if (index === 1) {
      await tick(protocol, { price: -0.005 });
      const proven = await narrator.timed('newer round, newer proof by another keeper', () =>
        proveForAuction(protocol, prover, account, protocol.wallet(5)),
      );
      const receipt = await refreshAuction(protocol, protocol.wallet(5), accountId, proven);
      rows.push([
        'newer proof',
        '',
        '',
        '',
        `requirement ${dollars(provenRequirement(proven))}`,
        gas(receipt.gasUsed),
      ]);
    }
    const bidder = protocol.wallet(bidderIndex);
    await protocol.advance(PATIENCE_SECONDS[index]!);
    const offered = await quoteBid(protocol, accountId);
    const share = WANTED_PERCENT[index];
    const maxScale = share === undefined ? undefined : (offered.sale.maxScale * share) / 100n;
    const wish = maxScale === undefined ? {} : { maxScale };
    const quote = await quoteBid(protocol, accountId, wish);
    const vesselId = await protocol.createFunded(
      bidder,
      await vesselCashFor(protocol, accountId, quote.sale, quote.sale.proceeds),
    );
    const receipt = await bid(protocol, bidder, accountId, vesselId, wish);
    const { sale, factorBps } = soldIn(setting, receipt);
    rows.push([
      `bidder ${index + 1}`,
      percent(Number(factorBps) / 10_000),
      dollars(sale.worthTaken),
      dollars(sale.proceeds),
      `${percent(Number(sale.scaleTaken) / Number(sale.maxScale))} of what is for sale`,
      gas(receipt.gasUsed),
    ]);
  }
  narrator.table(['', 'price factor', 'worth bought', 'paid to the trader', '', 'gas'], rows);
  await tellEnd(setting, account);
}

/** An account that recovers: its owner deposits, and a solvency proof ends the auction. */
export async function recovery(setting: Setting, { recovering }: Company, rewardId: bigint): Promise<void> {
  const { narrator, protocol, prover } = setting;
  const account = recovering.trader;
  narrator.tell(
    `Account ${account.accountId} (${account.name}) is put up for auction too. Its owner deposits before anyone bids, and proves that the
    account covers its maintenance requirement again. That ends the auction; only the fee is gone.`,
  );
  const started = await open(setting, account, rewardId);
  const { cash } = await protocol.account(account.accountId);
  const { mark, requirement } = exactMargin(account, protocol.market.round, protocol.parameters);
  const missing = requirement - (cash + mark);
  const deposit = missing + requirement / 10n;
  await protocol.write(account.wallet, 'clearingHouse', 'deposit', [account.accountId, deposit]);
  const receipt = await narrator.timed('solvency proven, auction cancelled', () =>
    cancelAuction(protocol, prover, account.wallet, account),
  );
  const after = await protocol.account(account.accountId);
  narrator.table(
    ['recovery', ''],
    [
      ['missing after the fee', dollars(missing)],
      ['fee of the start', dollars(started.fee)],
      ['deposited by the owner', dollars(deposit)],
      ['equity afterwards', dollars(after.cash + mark)],
      ['maintenance', dollars(requirement)],
      ['auction runs', String(after.inAuction)],
      ['gas of the cancellation', gas(receipt.gasUsed)],
    ],
  );
}

/** Sealed bids of registered liquidators: two honest ones, and one who does not reveal. */
export async function sealedAuction(setting: Setting, { sealed }: Company, rewardId: bigint): Promise<void> {
  const { narrator, protocol } = setting;
  const account = sealed.trader;
  const { accountId } = account;
  narrator.tell(
    `Three liquidators register and stake. From now on each auction begins with sealed bids: 30 seconds to commit, 30 to reveal, then the
    highest prices buy first, each at its own price. Nobody sees a bid before all are made. Who does not reveal loses a bond.`,
  );
  for (const index of LIQUIDATORS) await registerLiquidator(protocol, protocol.wallet(index));
  const bond = await protocol.read<bigint>('sealedBids', 'bond');
  const started = await open(setting, account, rewardId);
  // Enough for the whole account, though each wants an eighth.
  const vesselCash = exactMargin(account, protocol.market.round, protocol.parameters).requirement * 2n;
  const { scale } = await protocol.account(accountId);
  const bids = [];
  for (const [index, walletIndex] of LIQUIDATORS.entries()) {
    const wallet = protocol.wallet(walletIndex);
    const vesselId = await protocol.createFunded(wallet, vesselCash);
    const secret = secretBid(
      { wallet, vesselId, factorBps: SEALED_FACTORS[index]!, maxScale: scale / 8n },
      setting.options.seed + index,
    );
    bids.push(secret);
    await commitBid(protocol, accountId, secret);
  }
  await protocol.advance(STAGE_SECONDS);
  const [first, second, silent] = bids as [(typeof bids)[0], (typeof bids)[0], (typeof bids)[0]];
  for (const secret of [first, second]) await revealBid(protocol, started.auctionNumber, secret);
  await protocol.advance(STAGE_SECONDS);
  const filled = await protocol.write(protocol.keeper, 'sealedBids', 'fill', [accountId], FILL_GAS);
  const slashed = await protocol.write(protocol.keeper, 'sealedBids', 'slash', [
    started.auctionNumber,
    silent.wallet.account.address,
  ]);
  const sales = protocol.events<{
    readonly bidder: Hex;
    readonly sale: Sale;
    readonly factorBps: bigint;
  }>(filled, 'auctionHouse', 'BidExecuted');
  narrator.table(
    ['sealed bid', 'price factor', 'worth bought', 'paid to the trader', 'what happened'],
    bids.map(({ wallet, factorBps }, index) => {
      const sold = sales.find(({ bidder }) => bidder.toLowerCase() === wallet.account.address.toLowerCase());
      return [
        `liquidator ${index + 1}`,
        percent(Number(factorBps) / 10_000),
        sold === undefined ? '' : dollars(sold.sale.worthTaken),
        sold === undefined ? '' : dollars(sold.sale.proceeds),
        wallet === silent.wallet ? `not revealed: bond of ${dollars(bond)} slashed` : 'revealed and filled',
      ];
    }),
  );
  narrator.tell(
    `Gas: all bids filled in one transaction ${gas(filled.gasUsed)}, slashing ${gas(slashed.gasUsed)}.`,
  );
  const { publicStart } = await auctionOf(protocol, accountId);
  await protocol.advanceTo(BigInt(publicStart) + 1n);
  const quote = await offerOf(setting, accountId);
  if (quote === undefined) {
    // Figures must have stood for a while before they end an auction: by now they have.
    const closed = await protocol.write(protocol.keeper, 'auctionHouse', 'close', [accountId]);
    narrator.tell(
      `Nothing is left for public bidding: anyone may close the auction, gas ${gas(closed.gasUsed)}.`,
    );
  } else {
    const vesselId = await protocol.createFunded(
      protocol.keeper,
      await vesselCashFor(protocol, accountId, quote.sale, quote.sale.proceeds),
    );
    const { sale, factorBps } = soldIn(setting, await bid(protocol, protocol.keeper, accountId, vesselId));
    narrator.tell(
      `What sealed bids left is sold in public: a keeper bought a worth of ${dollars(sale.worthTaken)} at
      ${percent(Number(factorBps) / 10_000)}.`,
    );
  }
  await tellEnd(setting, account);
}

/** What is for sale in public; undefined when the account needs no more. */
async function offerOf({ protocol }: Setting, accountId: bigint): Promise<BidQuoteRecord | undefined> {
  try {
    return await quoteBid(protocol, accountId);
  } catch (error) {
    if (revertReason(error)?.name === 'AccountHealthy') return undefined;
    throw error;
  }
}

function soldIn({ protocol }: Setting, receipt: TransactionReceipt) {
  return protocol.event<{ readonly sale: Sale; readonly factorBps: bigint }>(
    receipt,
    'auctionHouse',
    'BidExecuted',
  );
}

async function tellEnd({ narrator, protocol }: Setting, account: OpenAccount): Promise<void> {
  const after = await protocol.account(account.accountId);
  const { mark, requirement } = exactMargin(
    { legs: account.legs, scale: after.scale },
    protocol.market.round,
    protocol.parameters,
  );
  narrator.tell(
    `The account keeps ${percent(Number(after.scale) / Number(account.scale))} of its positions, with equity of
    ${dollars(after.cash + mark)} for a requirement of ${dollars(requirement)}; its auction ${after.inAuction ? 'runs on' : 'has ended'}.`,
  );
}

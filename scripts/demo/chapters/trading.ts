/** Deposits, trades, and withdrawals that are refused and allowed. */

import { NO_PROOF } from '../../../src/chain/requests/proofs.ts';
import { proveSolvency } from '../../../src/chain/requests/solvency.ts';
import { revertReason } from '../../../src/chain/reverts.ts';
import { ZkMarginError } from '../../../src/errors.ts';
import { exactMargin } from '../../../src/margin/exact/margin.ts';
import { MAINTENANCE_LEVEL } from '../../../src/margin/exact/solvency.ts';
import type { ExampleAccount } from '../../../src/margin/example-book.ts';
import { ProofError } from '../../../src/proof/errors.ts';
import { dollars, gas } from '../../lib/format.ts';
import { type OpenAccount, type OpenedPair, openPair } from '../../lib/local-book.ts';
import { type Setting, tellOpened } from '../setting.ts';
import { type Cast, type Company, membersOf } from './cast.ts';

/** The holder's counterparty keeps more than others: it waits for the expiry too. */
const HOLDERS_MAKER_MARGIN = 6;
const DOLLAR = 1_000_000n;

/** Opens every account by a trade with a market maker. */
export async function openCompany(setting: Setting, cast: Cast<ExampleAccount>): Promise<Company> {
  const { narrator, protocol, prover } = setting;
  narrator.tell(
    `Each trader deposits, and so does a market maker on the other side. They exchange options by one transaction with three proofs: the
    positions of both together have not changed, and each side covers 1.25 times its maintenance requirement. What changed is published
    as openings that the contract compares with the proven commitments, so that anyone can liquidate later.`,
  );
  const wallets = { trader: protocol.wallet(2), maker: protocol.wallet(3) };
  await protocol.fund(wallets.trader, wallets.maker);
  const opened = new Map<ExampleAccount, OpenedPair>();
  for (const account of membersOf(cast)) {
    const pair = await narrator.timed(`${account.name}: three proofs, one transaction`, () =>
      openPair(
        protocol,
        prover,
        account,
        wallets,
        account === cast.holder ? HOLDERS_MAKER_MARGIN : undefined,
      ),
    );
    opened.set(account, pair);
  }
  tellOpened(narrator, opened, protocol.market.round);
  const of = (account: ExampleAccount): OpenedPair => opened.get(account)!;
  return {
    auctioned: of(cast.auctioned),
    sealed: of(cast.sealed),
    recovering: of(cast.recovering),
    batch: cast.batch.map(of),
    neglected: of(cast.neglected),
    payer: of(cast.payer),
    holder: of(cast.holder),
  };
}

/** Takes cash out with a proof that the rest covers the initial requirement. */
export async function withdraw(setting: Setting, account: OpenAccount, amount: bigint) {
  const { protocol } = setting;
  const { cash } = await protocol.account(account.accountId);
  const { request, proof } = await withdrawalOf(setting, account, amount, cash - amount);
  const receipt = await protocol.write(account.wallet, 'clearingHouse', 'withdraw', [request, proof]);
  const { paid } = protocol.event<{ readonly paid: bigint }>(receipt, 'clearingHouse', 'Withdrawn');
  return { receipt, paid };
}

async function withdrawalOf(
  { protocol, prover }: Setting,
  account: OpenAccount,
  amount: bigint,
  provenCash: bigint,
) {
  const { nonce, scale } = await protocol.account(account.accountId);
  const { capacity, proof } = await proveSolvency(prover, protocol.market, {
    consumer: protocol.deployment.clearingHouse,
    purpose: 'withdrawal',
    accountId: account.accountId,
    nonce,
    positions: { ...account, scale },
    cash: provenCash,
    level: protocol.market.initialLevel,
  });
  const { accountId } = account;
  const round = protocol.market.number;
  return { request: { accountId, amount, toAccountId: 0n, minPaid: 0n, provenCash, round, capacity }, proof };
}

/** What the contract, or the circuit, says to a withdrawal that must not be. */
export async function withdrawals(setting: Setting, { holder }: Company): Promise<void> {
  const { narrator, protocol } = setting;
  const account = holder.trader;
  const { cash } = await protocol.account(account.accountId);
  const { mark, requirement } = exactMargin(account, protocol.market.round, protocol.parameters);
  const initial = (requirement * protocol.market.initialLevel) / MAINTENANCE_LEVEL;
  const free = cash + mark - initial;
  narrator.tell(
    `Account ${account.accountId} (${account.name}) may take out what it does not need for its initial requirement, about ${dollars(free)}.
    Nobody has to believe it: without a proof the contract refuses, and of what is not so there is no proof.`,
  );
  const tooMuch = free + 1_000n * DOLLAR;
  const allowed = free / 2n;
  const rows: string[][] = [];
  const attempt = async (what: string, amount: bigint, work: () => Promise<string>): Promise<void> => {
    rows.push([what, dollars(amount), await narrator.timed(what, work)]);
  };
  await attempt('too much, honestly: a proof is tried', tooMuch, async () => {
    try {
      await withdrawalOf(setting, account, tooMuch, cash - tooMuch);
      return 'proven';
    } catch (error) {
      if (error instanceof ZkMarginError || error instanceof ProofError)
        return `no proof exists (${error.code})`;
      throw error;
    }
  });
  const refused = async (amount: bigint, request: unknown, proof: unknown): Promise<string> => {
    try {
      await protocol.simulate(account.wallet, 'clearingHouse', 'withdraw', [request, proof]);
      return `${dollars(amount)} accepted`;
    } catch (error) {
      return `refused: ${revertReason(error)?.name ?? 'unknown reason'}`;
    }
  };
  await attempt('too much, with a proof for the cash before it', tooMuch, async () => {
    const { request, proof } = await withdrawalOf(setting, account, tooMuch, cash);
    return refused(tooMuch, request, proof);
  });
  await attempt('too much, with no proof at all', tooMuch, async () => {
    const request = {
      accountId: account.accountId,
      amount: tooMuch,
      toAccountId: 0n,
      minPaid: 0n,
      provenCash: cash - tooMuch,
      round: protocol.market.number,
      capacity: 8,
    };
    return refused(tooMuch, request, NO_PROOF);
  });
  await attempt('half of what is free, with its proof', allowed, async () => {
    const { paid, receipt } = await withdraw(setting, account, allowed);
    return `paid ${dollars(paid)}, gas ${gas(receipt.gasUsed)}`;
  });
  narrator.table(['withdrawal', 'amount', 'what happened'], rows);
}

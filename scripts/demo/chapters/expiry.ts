/** Expiry: a settlement price, settlement of both sides of a trade, and the last withdrawals. */
import { dollars, gas } from '../../lib/format.ts';
import { type OpenAccount, settlementOf } from '../../lib/local-book.ts';
import { type Setting, tick } from '../setting.ts';
import type { Company } from './cast.ts';
import { totals } from './losses.ts';
import { withdraw } from './trading.ts';

const DAY = 86_400n;
const WINDOW = 1_800n;
/** Seconds between the rounds of the last half hour: each holds for ten minutes. */
const ROUND_SECONDS = 590n;
/** Daily move of the market after its crashes. */
const DAILY_MOVE = 0.004;
/** A cent stays behind: an account keeps its commitment, to no legs, and proves that it owes nothing. */
const LEFT = 10_000n;

/** Lets the market live on to the first expiry, settles both sides of a trade, and pays them out. */
export async function expiry(setting: Setting, { holder }: Company): Promise<void> {
  const { narrator, protocol, prover, opening } = setting;
  const { expiryHour } = opening.expiries[0]!;
  const expiresAt = BigInt(expiryHour) * 3_600n;
  await narrator.timed('rounds day by day, then every ten minutes around the hour', async () => {
    for (let time = (await protocol.now()) + DAY; time < expiresAt - WINDOW; time += DAY) {
      await protocol.advanceTo(time);
      await tick(protocol, { price: DAILY_MOVE, vols: 0.98 });
    }
    for (let time = expiresAt - WINDOW; time < expiresAt; time += ROUND_SECONDS) {
      await protocol.advanceTo(time);
      await tick(protocol, { price: 0.001 });
    }
    await protocol.advanceTo(expiresAt + 1n);
    await tick(protocol);
  });
  const sides: readonly OpenAccount[] = [holder.trader, holder.maker];
  const settlements = [];
  for (const account of sides) {
    const prepared = await narrator.timed(`settlement of account ${account.accountId} proven`, () =>
      settlementOf(protocol, prover, account, expiryHour),
    );
    settlements.push({ account, prepared });
  }
  // The winner first: until the loser has settled, the house has given cash that it has not taken.
  settlements.sort((a, b) => Number(b.prepared.request.cash - a.prepared.request.cash));
  narrator.tell(
    `The settlement price of ${new Date(Number(expiresAt) * 1000).toUTCString()} is ${dollars(settlements[0]!.prepared.price)}, the average of the half hour before. The
    winner settles first: the clearing house credits what the other side has not paid yet, and says so in its books. The two sum to at
    most nothing, by roundings.`,
  );
  const rows: string[][] = [];
  for (const { account, prepared } of settlements) {
    const receipt = await protocol.write(account.wallet, 'clearingHouse', 'settle', [
      prepared.request,
      prepared.proof,
    ]);
    const { settlementFloat } = await totals(protocol);
    rows.push([
      String(account.accountId),
      account.name,
      dollars(prepared.request.cash),
      String(prepared.remaining.length),
      dollars(settlementFloat),
      gas(receipt.gasUsed),
    ]);
  }
  narrator.table(['account', '', 'options pay', 'legs left', 'credited, not yet paid', 'gas'], rows);
  const paidOut: string[][] = [];
  for (const { account, prepared } of settlements) {
    const { cash } = await protocol.account(account.accountId);
    const { paid, receipt } = await narrator.timed(`last withdrawal of account ${account.accountId}`, () =>
      withdraw(setting, { ...account, legs: prepared.remaining }, cash - LEFT),
    );
    paidOut.push([String(account.accountId), dollars(cash), dollars(paid), gas(receipt.gasUsed)]);
  }
  narrator.table(['account', 'cash', 'paid out', 'gas'], paidOut);
}

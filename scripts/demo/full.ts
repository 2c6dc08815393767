/** The full story: the whole life of accounts, from deposits to last withdrawals, with everything that may go wrong in between. */
import { shockRound } from '../../src/market/shock.ts';
import { dollars, percent } from '../lib/format.ts';
import { publicAuction, recovery, sealedAuction } from './chapters/auctions.ts';
import { batch } from './chapters/batch.ts';
import { chooseCast } from './chapters/cast.ts';
import { expiry } from './chapters/expiry.ts';
import { endowFund, losses, totals } from './chapters/losses.ts';
import { openCompany, withdrawals } from './chapters/trading.ts';
import type { Narrator } from './narrator.ts';
import type { DemoOptions } from './options.ts';
import { type Setting, tick, withSetting } from './setting.ts';

const CIRCUITS = ['insolvency-8', 'solvency-8', 'transfer-16', 'settlement-8'];
const ENDOWMENT = 8_000_000_000n;
/** The second crash, after the first. */
const SECOND_CRASH = { priceMove: -0.22, volMultiplierAt30d: 1.3, secondsLater: 7_200 };
const FUND = 1n;

/** Runs the full story. */
export function fullStory(narrator: Narrator, options: DemoOptions): Promise<void> {
  return withSetting(narrator, options, CIRCUITS, tell);
}

async function tell(setting: Setting): Promise<void> {
  const { narrator, options, protocol, opening, crashed } = setting;
  const second = shockRound(crashed, SECOND_CRASH);
  narrator.chapter('Deposits and trades');
  await protocol.postRound(opening);
  await protocol.fund(protocol.wallet(4), protocol.wallet(5));
  const company = await openCompany(setting, chooseCast(setting, second));
  await endowFund(setting, ENDOWMENT);
  const rewardId = await protocol.createFunded(protocol.keeper, 1_000_000n);

  narrator.chapter('Withdrawals need proofs');
  await tick(protocol);
  await withdrawals(setting, company);

  narrator.chapter('The crash');
  await protocol.advanceTo(crashed.underlying.timestamp + 1n);
  const round = await narrator.timed(
    `${percent(options.move)}, 30-day vols x ${options.vols}: round posted`,
    () => protocol.postRound(crashed),
  );
  narrator.tell(
    round.confirmed
      ? 'The oracle held the first round back, because prices had moved too far, until a second one confirmed it.'
      : 'The move was small enough for the round to count at once.',
  );

  narrator.chapter('A public auction');
  await publicAuction(setting, company, rewardId);
  narrator.chapter('An auction that ends by a recovery');
  await recovery(setting, company, rewardId);
  narrator.chapter('Sealed bids');
  await sealedAuction(setting, company, rewardId);
  narrator.chapter('A batch');
  await batch(setting, company);
  narrator.chapter('A second crash, and a loss');
  await losses(setting, company, second, rewardId);
  narrator.chapter('Expiry');
  await expiry(setting, company);

  narrator.chapter('The books of the clearing house');
  const sums = await totals(protocol);
  const count = Number(await protocol.read<bigint>('clearingHouse', 'accountCount'));
  let cash = 0n;
  for (let id = 1n; id <= BigInt(count); id++) cash += (await protocol.account(id)).cash;
  const backing = sums.tokensHeld + sums.settlementFloat + sums.openDeficit;
  narrator.table(
    ['books', ''],
    [
      [`cash of all ${count} accounts, debts subtracted`, dollars(cash)],
      ['tokens held', dollars(sums.tokensHeld)],
      ['credited by settlements and not yet paid', dollars(sums.settlementFloat)],
      ['open loss', dollars(sums.openDeficit)],
      ['  the three together', dollars(backing)],
      ['insurance fund', dollars((await protocol.account(FUND)).cash)],
    ],
  );
  if (cash !== backing) throw new Error('The books do not balance.');
  narrator.tell('They balance to the last unit: no cash came from nowhere.');
  narrator.finish({
    story: 'full',
    underlying: options.symbol,
    seed: options.seed,
    accounts: count,
    totals: { cash, ...sums },
  });
}

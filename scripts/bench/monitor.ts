/** Speed of the risk monitor: from a round to a ranked list, from a changed account to the list, and liquidation prices. */
import { DEFAULT_LIQUIDATION_TERMS } from '../../src/liquidation/terms.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../../src/market/example-market.ts';
import { shockRound } from '../../src/market/shock.ts';
import { RiskMonitor } from '../../src/risk/monitor/index.ts';
import { largeBook, listedChain } from './large-book.ts';
import { type BenchResult, median, seconds } from './measure.ts';

const ACCOUNTS = 10_000;
const LEGS = 30;
const SEED = 11;
const PRICED = 40;

/** @returns lines of the report */
export function benchMonitor(surfaces: SviSurfaces, runs: number): BenchResult[] {
  const results: BenchResult[] = [];
  const add = (what: string, value: number, unit: string) => results.push({ what, value, unit });
  const opening = exampleRound(surfaces, 'BTC');
  const rules = { parameters: DEFAULT_PARAMETERS, terms: DEFAULT_LIQUIDATION_TERMS };
  const monitor = new RiskMonitor(opening.underlying.underlyingId, rules);
  const start = performance.now();
  largeBook(listedChain(opening), ACCOUNTS, LEGS, SEED).forEach(({ legs, scale, cash }, index) => {
    // Nearly all are healthy at first, as accounts are.
    const backed = cash + 3_000_000_000_000n;
    monitor.setAccount({
      id: BigInt(index),
      legs,
      scale,
      cash: backed,
      collateral: 0n,
      nonce: 0n,
      inAuction: false,
    });
  });
  const loading = (performance.now() - start) / 1000;
  const rounds = Array.from({ length: runs + 1 }, (_, run) =>
    shockRound(opening, {
      priceMove: -0.02 * run,
      volMultiplierAt30d: 1 + 0.05 * run,
      secondsLater: 60 * run,
    }),
  );
  const ranking = seconds(runs, (run) => {
    monitor.atRound(BigInt(run), rounds[run]!);
  });
  const below = monitor.snapshot!.ranking.filter(({ plan }) => plan !== undefined).length;
  const { byTier } = monitor.snapshot!.totals;
  const bare = new RiskMonitor(opening.underlying.underlyingId, {
    ...rules,
    nearness: { deviations: [], intervalSeconds: 1 },
    planLimit: 0,
  });
  for (let id = 0n; id < BigInt(ACCOUNTS); id++) bare.setAccount(monitor.account(id)!);
  const plain = seconds(runs, (run) => {
    bare.atRound(BigInt(run), rounds[run]!);
  });
  const changing = seconds(runs, (run) => {
    const account = monitor.account(BigInt(run))!;
    monitor.setAccount({ ...account, cash: account.cash + 1n, nonce: account.nonce + 1n });
    monitor.refresh();
  });
  const times: number[] = [];
  for (const { id } of monitor.snapshot!.ranking.slice(below, below + PRICED)) {
    const begun = performance.now();
    monitor.liquidationPrices(id);
    times.push((performance.now() - begun) / 1000);
  }
  const size = `monitor, ${ACCOUNTS.toLocaleString('en-US')} accounts x ${LEGS} legs`;
  add(`${size}: round to ranked list, nearness and plans`, ranking, 's');
  add('  plans among them', below, '');
  add('  accounts below their requirement at the last round', byTier.liquidatable + byTier.badDebt, '');
  add('  tiers, ranking and Greeks alone', plain, 's');
  add('  after a change of one account', changing, 's');
  add('  loading the accounts, once', loading, 's');
  add(`liquidation prices of an account of ${LEGS} legs, both sides`, median(times), 's');
  return results;
}

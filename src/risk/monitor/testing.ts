/** Accounts for tests of the monitor. */
import type { ExampleAccount } from '../../margin/example-book.ts';
import { canonicalLegs, type Leg, LINEAR } from '../../market/instrument.ts';
import type { MarketRound } from '../../market/words.ts';
import type { MonitoredAccount } from './accounts.ts';

/** An example account under an id; a part of its cash is collateral, so that both count. */
export function monitored(account: ExampleAccount, index: number): MonitoredAccount {
  const { legs, scale, cash } = account;
  const collateral = index % 3 === 0 && cash > 0n ? cash / 4n : 0n;
  return {
    id: BigInt(index + 1),
    legs,
    scale,
    cash: cash - collateral,
    collateral,
    // Every second one with collateral has a haircut of some 20 %.
    saleCollateral: index % 2 === 0 ? (collateral * 6n) / 5n : collateral,
    nonce: BigInt(index % 5),
    inAuction: false,
  };
}

/** The round shortly before its first expiry: options of that expiry are as sharp as they get. */
export function lastMinutes(round: MarketRound): MarketRound {
  const first = BigInt(round.expiries[0]!.expiryHour) * 3_600n;
  return { ...round, underlying: { ...round.underlying, timestamp: first - 1_200n } };
}

/** Up to seven legs of a round, the nearest expiries the most often, near the money and far from it. */
export function randomLegs(random: () => number, round: MarketRound): Leg[] {
  const count = 1 + Math.floor(7 * random());
  const legs: Leg[] = [];
  for (let index = 0; index < count; index++) {
    const quantity = BigInt(Math.round(1e6 * 30 ** (2 * random() - 1))) * (random() < 0.5 ? 1n : -1n);
    if (random() < 0.15) {
      legs.push({ instrument: LINEAR, quantity });
      continue;
    }
    const expiry = round.expiries[Math.floor(round.expiries.length * random() ** 2)]!;
    const price = (Number(expiry.forward) / 1e6) * Math.exp(0.8 * (random() - 0.5));
    legs.push({
      instrument: {
        kind: random() < 0.5 ? 'call' : 'put',
        expiryHour: expiry.expiryHour,
        strike: BigInt(Math.round(price / 500) * 500) * 10_000n,
      },
      quantity,
    });
  }
  const merged = canonicalLegs(legs);
  return merged.length > 0 ? merged : [{ instrument: LINEAR, quantity: 1_000_000n }];
}

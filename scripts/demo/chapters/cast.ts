/** Who plays which part in the full story, chosen from the book by what the known crashes do to each account. */
import { exactMargin } from '../../../src/margin/exact/margin.ts';
import { type ExampleAccount, exampleBook } from '../../../src/margin/example-book.ts';
import type { MarketRound } from '../../../src/market/words.ts';
import type { OpenedPair } from '../../lib/local-book.ts';
import { type Setting, standing } from '../setting.ts';

/** Accounts of the batch, at most. */
const BATCH = 8;
const LEGS = 8;
const FAILING_SHARE = 0.8;
/** Of the book: all can trade, and few are far above what trades ask for. */
const OPENING_RATIO = 1.4;
/** Largest book in which an account for the expiry is looked for. */
const LARGER_BOOK = 400;
/** Requirement in the second crash of the account whose liquidation repays what was socialised: well below the limit. */
const PAYER_LIMIT = 45_000_000_000n;

/** The parts, by name. */
export interface Cast<T> {
  /** Sold in a public auction. */
  readonly auctioned: T;
  /** Sold to sealed bids. */
  readonly sealed: T;
  /** Recovers by a deposit. */
  readonly recovering: T;
  /** Liquidated together. */
  readonly batch: readonly T[];
  /** Not liquidated in time, and worth nothing after the second crash. */
  readonly neglected: T;
  /** Healthy in the first crash, liquidated in the second: its penalty repays what was socialised. */
  readonly payer: T;
  /** Withdraws, and holds its options to their expiry. */
  readonly holder: T;
}

/** The cast after its trades. */
export type Company = Cast<OpenedPair>;

/** @param second round of the second crash */
export function chooseCast(setting: Setting, second: MarketRound): Cast<ExampleAccount> {
  const { opening, crashed, protocol, options } = setting;
  const { parameters, terms } = protocol;
  const bookOf = (count: number) =>
    exampleBook({
      opening,
      shocked: crashed,
      parameters,
      seed: options.seed,
      count,
      failing: FAILING_SHARE,
      minimumRatio: OPENING_RATIO,
    }).filter(({ legs }) => legs.length <= LEGS);
  const rows = bookOf(options.accounts)
    .map((account) => ({ account, now: standing(account, crashed), later: standing(account, second) }))
    .filter(({ now }) => now.equity > 0n && now.equity < now.requirement)
    .sort((a, b) => Number(b.now.requirement - a.now.requirement));
  const [auctioned, sealed, recovering, ...rest] = rows;
  // The subsidy of this one is what the fund may not be able to pay.
  const neglected = rest
    .filter(({ later }) => later.equity < 0n)
    .sort((a, b) => Number(b.later.requirement - b.later.equity - (a.later.requirement - a.later.equity)))[0];
  const batch = rest
    .filter((row) => row !== neglected && row.now.requirement <= terms.atomicLimit)
    .slice(0, BATCH);
  const model = rows.find(({ later }) => later.requirement <= PAYER_LIMIT);
  const holder = bookOf(LARGER_BOOK).find(({ legs, strategy }) => {
    const bounded = strategy === 'put vertical' || strategy === 'iron condor';
    return (
      bounded && legs.every(({ instrument }) => instrument.expiryHour === opening.expiries[0]!.expiryHour)
    );
  });
  if (!auctioned || !sealed || !recovering || !neglected || !model || !holder || batch.length === 0) {
    throw new Error(
      'Too few accounts of this book fail in this crash for the full story; try another --move.',
    );
  }
  return {
    auctioned: auctioned.account,
    sealed: sealed.account,
    recovering: recovering.account,
    batch: batch.map(({ account }) => account),
    neglected: neglected.account,
    payer: {
      ...withEquity(model.account, second, model.later.requirement / 2n),
      name: `cautious ${model.account.strategy}`,
      salt: model.account.salt + 1n,
    },
    holder: withEquity(holder, opening, 4n * standing(holder, opening).requirement),
  };

  function withEquity(account: ExampleAccount, round: MarketRound, equity: bigint): ExampleAccount {
    return { ...account, cash: equity - exactMargin(account, round, parameters).mark };
  }
}

/** Every account of the company. */
export function membersOf<T>(cast: Cast<T>): readonly T[] {
  const { auctioned, sealed, recovering, batch, neglected, payer, holder } = cast;
  return [auctioned, sealed, recovering, ...batch, neglected, payer, holder];
}

/**
 * Who is liquidatable: the float model decides accounts away from their thresholds, the exact model all others.
 */
import { isZkMarginError, type ZkMarginError } from '../../errors.ts';
import type { MarketRound } from '../../market/words.ts';
import type { ExactMargin } from '../exact/margin.ts';
import { ExactValuer } from '../exact/shared.ts';
import type { RiskParameters } from '../parameters.ts';
import { type FloatAccount, type FloatBook, type ScreenColumns, screenBook } from './screen.ts';

/**
 * What follows from equity, worth and requirement, as the contracts decide it: `healthy` when equity is at least the
 * requirement, otherwise `badDebt` when the account is worth nothing, otherwise `liquidatable`. `undecided` is an account that
 * the exact model refuses.
 */
export type AccountStatus = 'healthy' | 'liquidatable' | 'badDebt' | 'undecided';

/** The status of one account. */
export interface AccountDecision {
  readonly status: AccountStatus;
  readonly decidedBy: 'float' | 'exact';
  /** The exact margin, where the exact model decided. */
  readonly margin?: ExactMargin;
  /** Why the account is undecided. */
  readonly problem?: ZkMarginError;
}

/** What {@link decideBook} gives. */
export interface BookDecision {
  /** By account. */
  readonly decisions: readonly AccountDecision[];
  /** Accounts that the exact model had to decide, in increasing order. */
  readonly exactAccounts: readonly number[];
  /** The screening, for figures of accounts that it decided. */
  readonly columns: ScreenColumns;
}

const BY_FLOAT = {
  healthy: Object.freeze({ status: 'healthy', decidedBy: 'float' }),
  liquidatable: Object.freeze({ status: 'liquidatable', decidedBy: 'float' }),
  badDebt: Object.freeze({ status: 'badDebt', decidedBy: 'float' }),
} as const satisfies Record<string, AccountDecision>;

/**
 * Decides every account of a book in a round. Every status is the exact model's: the screening decides only where its
 * error bound leaves no doubt.
 *
 * @throws ZkMarginError as `screenBook`; `EXPIRED_OPTION`, `OUT_OF_RANGE` for a round with an expiry that the exact model
 * refuses. An account that cannot be decided does not throw: see `problem`.
 */
export function decideBook(book: FloatBook, round: MarketRound, parameters: RiskParameters): BookDecision {
  const columns = screenBook(book, round, parameters);
  const valuer = new ExactValuer(round, parameters);
  const { worth, liquidatable, needsExact } = columns;
  const decisions = new Array<AccountDecision>(book.accountCount);
  const exactAccounts: number[] = [];
  for (let index = 0; index < book.accountCount; index++) {
    if (needsExact[index] === 1) {
      exactAccounts.push(index);
      decisions[index] = decideExactly(valuer, book, index);
    } else if (liquidatable[index] === 0) {
      decisions[index] = BY_FLOAT.healthy;
    } else {
      decisions[index] = worth[index]! <= 0 ? BY_FLOAT.badDebt : BY_FLOAT.liquidatable;
    }
  }
  return { decisions, exactAccounts, columns };
}

function decideExactly(valuer: ExactValuer, book: FloatBook, index: number): AccountDecision {
  const account = book.accounts[index]!;
  let margin: ExactMargin;
  try {
    margin = valuer.margin(account);
  } catch (error) {
    if (!isZkMarginError(error)) throw error;
    return { status: 'undecided', decidedBy: 'exact', problem: error.under(`accounts[${index}]`) };
  }
  return { status: exactStatus(account, margin), decidedBy: 'exact', margin };
}

/** The status that an account's money and an exact margin give. */
export function exactStatus(
  { cash, saleAddition = 0n }: Pick<FloatAccount, 'cash' | 'saleAddition'>,
  { mark, requirement }: Pick<ExactMargin, 'mark' | 'requirement'>,
): Exclude<AccountStatus, 'undecided'> {
  const equity = cash + mark;
  if (equity >= requirement) return 'healthy';
  return equity + saleAddition > 0n ? 'liquidatable' : 'badDebt';
}

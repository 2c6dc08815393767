/** The market as the contracts see it when they judge a proof. */
import type { RiskParameters } from '../../margin/parameters.ts';
import type { Leg } from '../../market/instrument.ts';
import type { MarketRound } from '../../market/words.ts';

/** The newest round with the parameters in force. */
export interface MarketView {
  readonly chainId: bigint;
  /** Number of the round. */
  readonly number: bigint;
  readonly round: MarketRound;
  readonly parameters: RiskParameters;
  /** Factor on the maintenance requirement that trades and withdrawals must cover, 2^-12. */
  readonly initialLevel: bigint;
}

/** What opens an account's positions. */
export interface Positions {
  readonly legs: readonly Leg[];
  /** Blinding of the commitment, a field element. */
  readonly salt: bigint;
  /** 2^-40. */
  readonly scale: bigint;
}

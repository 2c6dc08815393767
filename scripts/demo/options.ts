/** What a demonstration is told to show. */
export interface DemoOptions {
  /** One JSON document on standard output instead of text. */
  readonly json: boolean;
  /** Market, as in `BTC`. */
  readonly symbol: string;
  /** Size of the book that is screened. */
  readonly accounts: number;
  /** Of the book. */
  readonly seed: number;
  /** Relative price move of the crash. */
  readonly move: number;
  /** Factor of 30-day volatilities in the crash. */
  readonly vols: number;
}

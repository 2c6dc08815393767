/**
 * Published auctions of Derive v2, step by step, with this project's integers.
 *
 * Taken as inputs, since they come from Derive's pricing: value, maintenance and buffer margin before the first bid of each case (`PreMtM`,
 * `PreMM`, `PreBM`), cash, the time, the part that is wanted, and that the curve falls from 98 % to 80 % in 100 s. Derived and compared:
 * the fee of the start, the largest part for sale, what is received, its price, value and both margins afterwards, and all of these for
 * later bids of the same moment, from this project's own state. `Lowerbound` and `SMPayout` are 0 for accounts with equity.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { atScale, type LiquidationState, targetOf } from './amounts.ts';
import { bidQuote, startFee } from './auction.ts';

const PUBLISHED = new URL('../../../shared/vectors/auction_pmrm1.json', import.meta.url);
const missing = !existsSync(PUBLISHED);
if (missing) console.warn('skipped: no ../shared/vectors/auction_pmrm1.json beside the project');

interface Results {
  readonly PreMtM: number;
  readonly PreMM: number;
  readonly PreBM: number;
  readonly PreFMax: number;
  readonly ExpectedBidPrice: number;
  readonly FinalPercentageReceived: number;
  readonly fLiquidatedOfOriginal: number;
  readonly PostMtM: number;
  readonly PostMM: number;
  readonly PostBM: number;
  readonly PostFMax: number;
}

interface AuctionCase {
  readonly id: string;
  readonly startTime: number;
  readonly initial: { readonly Cash: number };
  readonly liquidationFee: number;
  readonly actions: readonly {
    readonly time: number;
    readonly portfolio: { readonly Cash: number };
    readonly percentWant: number;
    readonly results: Results;
  }[];
}

/** Amounts are in 1e-18 USD here, so that no rounding is near 1e-9 of them. */
const UNIT = 18;
const WHOLE = 2n ** 63n;
const RELATIVE = 1e-9;
/** Below this, in USD or as a part, figures count as 0. */
const ABSOLUTE = 1e-12;

const TERMS = {
  startFactorBps: 9_800n,
  fastFactorBps: 8_000n,
  cuspFactorBps: 0n,
  fastSeconds: 100n,
  tailSeconds: 700n,
  // The buffer is part of the requirement: Derive's buffer margin is equity less that.
  bufferBps: 0n,
  insolventSeconds: 600n,
  feeBps: 200n,
  tip: 0n,
  chipBps: 0n,
  volatilityThreshold: 2n ** 32n,
  volatilityPenaltyBps: 0n,
};

const amount = (value: number): bigint => BigInt(value.toFixed(UNIT).replace('.', ''));
const usd = (value: bigint): number => Number(value) / 10 ** UNIT;
const part = (scale: bigint, of: bigint): number => Number(scale) / Number(of);

function expectClose(actual: number, expected: number, what: string): void {
  const error = Math.abs(actual - expected);
  expect(error <= ABSOLUTE + RELATIVE * Math.abs(expected), `${what}: ${actual}, published ${expected}`).toBe(
    true,
  );
}

const cases = missing
  ? []
  : (JSON.parse(readFileSync(PUBLISHED, 'utf8')) as { cases: readonly AuctionCase[] }).cases;

const NO_COLLATERAL = { collateral: 0n, movingCollateral: 0n, saleCollateral: 0n };

describe.skipIf(missing)('published Dutch auctions', () => {
  it.each(cases)('$id: fee of the start', ({ initial, liquidationFee, actions }) => {
    expectClose(initial.Cash - liquidationFee, actions[0]!.portfolio.Cash, 'cash after the fee');
    // All cases start with the same account; value and margin at the start are those of the bid of the same second, before the fee.
    const first = cases.flatMap((each) => each.actions).find(({ time }) => time === 0)!.results;
    const equity = amount(first.PreMtM + liquidationFee);
    const state: LiquidationState = {
      cash: equity,
      ...NO_COLLATERAL,
      mark: 0n,
      requirement: equity - amount(first.PreBM + liquidationFee),
      scale: WHOLE,
      reserved: 0n,
    };
    expectClose(usd(startFee(state, TERMS, 0n).fee), liquidationFee, 'fee');
  });

  it.each(cases)('$id: bids', ({ startTime, actions }) => {
    let account = { cash: 0n, reserved: 0n, scale: WHOLE };
    let proven = { mark: 0n, baseRequirement: 0n, collateralSlope: 0n, scale: WHOLE };
    let maintenance = 0n;
    let pricedAt: number | undefined;
    for (const { time, portfolio, percentWant, results } of actions) {
      // What a quote comes to for the account as it stands.
      const quote = (maxScale: bigint) =>
        bidQuote(
          { ...account, ...NO_COLLATERAL, proven, publicStart: BigInt(startTime) },
          TERMS,
          BigInt(time),
          { maxScale },
        );
      const figures = () => {
        const scaled = atScale(proven, account.scale);
        const value = account.cash + scaled.mark;
        const margin = atScale({ ...proven, baseRequirement: maintenance }, account.scale).baseRequirement;
        return {
          value: usd(value),
          maintenanceMargin: usd(value - margin),
          bufferMargin: usd(value - targetOf(scaled.baseRequirement, TERMS.bufferBps)),
        };
      };
      const value = amount(results.PreMtM);
      if (pricedAt !== time) {
        pricedAt = time;
        const cash = amount(portfolio.Cash);
        account = { ...account, cash };
        proven = {
          ...proven,
          mark: value - cash,
          baseRequirement: value - amount(results.PreBM),
          scale: account.scale,
        };
        maintenance = value - amount(results.PreMM);
      }
      const before = figures();
      expectClose(usd(account.cash), portfolio.Cash, 'cash');
      expectClose(before.value, results.PreMtM, 'PreMtM');
      expectClose(before.maintenanceMargin, results.PreMM, 'PreMM');
      expectClose(before.bufferMargin, results.PreBM, 'PreBM');

      const wanted =
        (account.scale * BigInt(percentWant.toFixed(UNIT).replace('.', ''))) / 10n ** BigInt(UNIT);
      const bid = quote(wanted);
      if (bid.kind !== 'sale') throw new Error('The account has equity.');
      expectClose(part(bid.maxScale, account.scale), results.PreFMax, 'PreFMax');
      expectClose(
        part(bid.scaleTaken, account.scale),
        results.FinalPercentageReceived,
        'FinalPercentageReceived',
      );
      expectClose(
        part(bid.scaleTaken, account.scale),
        results.fLiquidatedOfOriginal,
        'fLiquidatedOfOriginal',
      );
      expectClose(usd(bid.proceeds), results.ExpectedBidPrice, 'ExpectedBidPrice');

      account = {
        cash: account.cash - bid.cashTaken + bid.proceeds,
        reserved: bid.reservedAfter,
        scale: account.scale - bid.scaleTaken,
      };
      const after = figures();
      expectClose(after.value, results.PostMtM, 'PostMtM');
      expectClose(after.maintenanceMargin, results.PostMM, 'PostMM');
      expectClose(after.bufferMargin, results.PostBM, 'PostBM');
      expectClose(
        largestPart(() => quote(2n ** 64n - 1n), account.scale),
        results.PostFMax,
        'PostFMax',
      );
    }
  });
});

/** The part of the account that is for sale; 0 once it is at its target. */
function largestPart(quote: () => ReturnType<typeof bidQuote>, scale: bigint): number {
  try {
    const next = quote();
    return next.kind === 'sale' ? part(next.maxScale, scale) : Number.NaN;
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/^(NOT_LIQUIDATABLE|NOTHING_TO_LIQUIDATE)$/) });
    return 0;
  }
}

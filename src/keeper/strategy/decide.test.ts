import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atomicLiquidation } from '../../liquidation/amounts.ts';
import { DEFAULT_LIQUIDATION_TERMS, integerTerms } from '../../liquidation/terms.ts';
import { LINEAR } from '../../market/instrument.ts';
import type { FeedMarket, LiquidationCandidate, RunningAuction } from '../feed.ts';
import type { Action, BatchAction } from './actions.ts';
import { DEFAULT_STRATEGY } from './configuration.ts';
import { decide, type Situation, type StrategyConfiguration, type VesselState } from './decide.ts';
import { gasCost, moneyToWei, weiToMoney } from './gas.ts';
import { exposureOf, hedgeCost } from './hedge.ts';

const USD = 1_000_000n;
const ONE = 2n ** 40n;
const NOW = 1_700_000_000n;
const TERMS = integerTerms(DEFAULT_LIQUIDATION_TERMS);

const market: FeedMarket = {
  underlyingId: 1n,
  number: 9n,
  round: {
    underlying: { spot: 60_000n * USD, timestamp: NOW - 10n, realisedVolatility: 0n, underlyingId: 1n },
    expiries: [],
  },
  volatilityIndex: 0n,
  terms: DEFAULT_LIQUIDATION_TERMS,
  proofExpiry: NOW + 300n,
};

/** Half a unit of the underlying, with half of the requirement covered. */
function candidate(changes: Partial<LiquidationCandidate> = {}): LiquidationCandidate {
  const base = {
    accountId: 10n,
    underlyingId: 1n,
    status: 'liquidatable' as const,
    nonce: 1n,
    commitment: 5n,
    scale: ONE,
    cash: -25_000n * USD,
    collateral: 0n,
    mark: 30_000n * USD,
    requirement: 10_000n * USD,
    round: 9n,
    proofExpiry: NOW + 300n,
    capacity: 8,
    legs: [{ instrument: LINEAR, quantity: 500_000n }],
    startFeeDue: true,
    expectedProfit: 0n,
    ...changes,
  };
  return { ...base, equity: base.cash + base.collateral + base.mark };
}

function auction(changes: Partial<RunningAuction> = {}): RunningAuction {
  return {
    accountId: 11n,
    underlyingId: 1n,
    commitment: 6n,
    number: 3n,
    startNonce: 1n,
    scale: ONE,
    cash: -25_000n * USD,
    collateral: 0n,
    reserved: 0n,
    round: 9n,
    provenAt: NOW - 10n,
    proven: { mark: 30_000n * USD, requirement: 10_000n * USD, scale: ONE },
    publicStart: NOW - 60n,
    superseded: false,
    terms: TERMS,
    capacity: 8,
    legs: [{ instrument: LINEAR, quantity: 500_000n }],
    ...changes,
  };
}

function vessel(accountId: bigint, cash: bigint, changes: Partial<VesselState> = {}): VesselState {
  return {
    accountId,
    cash,
    collateral: 0n,
    scale: 0n,
    commitment: 0n,
    underlyingId: 1n,
    busy: false,
    ...changes,
  };
}

function situation(changes: Partial<Situation> = {}, book: Partial<Situation['book']> = {}): Situation {
  return {
    now: NOW,
    gasPrice: { baseFee: 10n ** 9n, priorityFee: 10n ** 9n, nativePrice: 2_500n * USD },
    markets: new Map([[1n, market]]),
    candidates: [],
    auctions: [],
    book: {
      vessels: [vessel(100n, 100_000n * USD), vessel(101n, 50_000n * USD)],
      grossNotional: 0n,
      lossToday: 0n,
      inFlight: new Set(),
      ...book,
    },
    ...changes,
  };
}

const strategy = (changes: Partial<StrategyConfiguration> = {}): StrategyConfiguration => ({
  ...DEFAULT_STRATEGY,
  ...changes,
});
const ATOMIC = strategy({ kinds: ['liquidate'] });

/** Reasons by kind. */
function reasons(given: Situation, configuration: StrategyConfiguration): string[] {
  return decide(given, configuration).declined.map(({ kind, reason }) => `${kind}: ${reason}`);
}

describe('an atomic liquidation', () => {
  it('gains its reward, less gas and hedge, to the unit', () => {
    const given = situation({ candidates: [candidate()] });
    const { actions } = decide(given, ATOMIC);
    const expected = atomicLiquidation(candidate(), TERMS, 0n);
    const exposure = exposureOf(candidate().legs!, market.round, expected.scaleTaken);
    const gas = gasCost(DEFAULT_STRATEGY.gasTable.liquidate, given.gasPrice);
    // 500,000 gas at 2 gwei and 2,500 USD.
    expect(gas).toBe(2_500_000n);
    expect(actions).toHaveLength(1);
    expect(actions[0]).toMatchObject({
      kind: 'liquidate',
      // The poorer of the two vessels suffices.
      vesselId: 101n,
      scaleTaken: expected.scaleTaken,
      profit: {
        gross: expected.reward,
        gas,
        hedge: hedgeCost(exposure, DEFAULT_STRATEGY.spreads),
        net: expected.reward - gas - hedgeCost(exposure, DEFAULT_STRATEGY.spreads),
      },
    });
  });

  it('asks for no less than what is still worth its gas', () => {
    const [action] = decide(situation({ candidates: [candidate()] }), ATOMIC).actions;
    if (action?.kind !== 'liquidate') throw new Error('Nothing is liquidated.');
    const { profit, minScale, scaleTaken } = action;
    const left = ((profit.gross - profit.hedge) * minScale) / scaleTaken - profit.gas;
    expect(left).toBeGreaterThanOrEqual(ATOMIC.minimumProfit - 1n);
    expect(left).toBeLessThan(ATOMIC.minimumProfit + 1_000n);
  });

  it.each<[string, Situation, StrategyConfiguration]>([
    [
      'NOT_PROFITABLE',
      situation({ candidates: [candidate()] }),
      strategy({ kinds: ['liquidate'], minimumProfit: 10n ** 12n }),
    ],
    ['HEALTHY', situation({ candidates: [candidate({ cash: 0n })] }), ATOMIC],
    ['PROOF_EXPIRED', situation({ candidates: [candidate({ round: 8n })] }), ATOMIC],
    ['PROOF_EXPIRED', situation({ candidates: [candidate({ proofExpiry: NOW + 14n })] }), ATOMIC],
    ['NO_MARKET', situation({ candidates: [candidate({ underlyingId: 2n })] }), ATOMIC],
    ['IN_FLIGHT', situation({ candidates: [candidate()] }, { inFlight: new Set([10n]) }), ATOMIC],
    ['DAILY_LOSS_LIMIT', situation({ candidates: [candidate()] }, { lossToday: 500n * USD }), ATOMIC],
    [
      'POSITION_LIMIT',
      situation({ candidates: [candidate()] }),
      strategy({ kinds: ['liquidate'], maxGrossNotional: 10n * USD }),
    ],
    ['POSITION_LIMIT', situation({ candidates: [candidate()] }, { grossNotional: undefined }), ATOMIC],
    [
      'NO_VESSEL',
      situation({ candidates: [candidate()] }, { vessels: [vessel(100n, 10n ** 12n, { busy: true })] }),
      ATOMIC,
    ],
    [
      'NO_VESSEL',
      situation(
        { candidates: [candidate()] },
        { vessels: [vessel(100n, 10n ** 12n, { scale: 1n, commitment: 77n })] },
      ),
      ATOMIC,
    ],
    [
      'INSUFFICIENT_CAPITAL',
      situation({ candidates: [candidate()] }, { vessels: [vessel(100n, USD)] }),
      ATOMIC,
    ],
    ['HIDDEN_POSITIONS', situation({ candidates: [(({ legs: _, ...rest }) => rest)(candidate())] }), ATOMIC],
    [
      'NOT_VALUED',
      situation({
        candidates: [
          candidate({
            legs: [{ instrument: { kind: 'call', expiryHour: 480_000, strike: 1n }, quantity: 1n }],
          }),
        ],
      }),
      ATOMIC,
    ],
  ])('is declined for %s', (reason, given, configuration) => {
    expect(decide(given, configuration).actions).toEqual([]);
    expect(reasons(given, configuration)).toEqual([`liquidate: ${reason}`]);
  });

  it('of hidden positions is reckoned by the requirement when that is allowed', () => {
    const { legs: _, ...hidden } = candidate();
    const given = situation({ candidates: [hidden] });
    const [action] = decide(given, { ...ATOMIC, hidden: { hedgeBps: 10n, notionalMultiple: 20n } }).actions;
    const { scaleTaken } = atomicLiquidation(candidate(), TERMS, 0n);
    const requirement = (10_000n * USD * scaleTaken) / ONE;
    expect(action!.profit.hedge - (requirement * 10n) / 10_000n).toBeLessThanOrEqual(2n);
    expect(action!.notional - requirement * 20n).toBeLessThanOrEqual(20n);
  });
});

describe('an account that is too large for a fixed price', () => {
  it('is auctioned for the reward of the start', () => {
    const large = candidate({
      scale: ONE * 10n,
      cash: -250_000n * USD,
      mark: 300_000n * USD,
      requirement: 100_000n * USD,
    });
    const [action] = decide(situation({ candidates: [large] }), strategy()).actions;
    expect(action).toMatchObject({ kind: 'start', accountId: 10n, round: 9n });
    expect(action!.profit.gross).toBeGreaterThan(50n * USD);
    // Within the cool-off nobody is paid.
    expect(reasons(situation({ candidates: [{ ...large, startFeeDue: false }] }), strategy())).toContain(
      'start: NOT_PROFITABLE',
    );
  });
});

describe('several accounts', () => {
  const many = Array.from({ length: 5 }, (_, index) => candidate({ accountId: BigInt(20 + index) }));
  const vessels = Array.from({ length: 4 }, (_, index) => vessel(BigInt(200 + index), 50_000n * USD));

  it('are joined in a batch where that saves gas, each with a vessel of its own', () => {
    const { actions, declined } = decide(
      situation({ candidates: many }, { vessels }),
      strategy({ kinds: ['liquidate', 'liquidateBatch'] }),
    );
    expect(actions).toHaveLength(1);
    const [batch] = actions;
    if (batch?.kind !== 'liquidateBatch') throw new Error('There is no batch.');
    expect(batch.orders).toHaveLength(4);
    expect(new Set(batch.orders.map(({ vesselId }) => vesselId)).size).toBe(4);
    expect(declined.map(({ reason }) => reason)).toEqual(['NO_VESSEL']);
    const alone = decide(situation({ candidates: many }, { vessels }), ATOMIC).actions;
    expect(batch.profit.net).toBeGreaterThan(alone.reduce((sum, { profit }) => sum + profit.net, 0n));
  });

  it('never exceed the limits together', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ quantity: fc.bigInt(1_000n, 500_000n), cover: fc.bigInt(1n, 99n) }), {
          maxLength: 8,
        }),
        fc.array(fc.bigInt(0n, 60_000n), { maxLength: 6 }),
        fc.bigInt(0n, 100_000n),
        (accounts, cash, room) => {
          const candidates = accounts.map(({ quantity, cover }, index) => {
            const mark = quantity * 60_000n;
            const requirement = mark / 3n;
            return candidate({
              accountId: BigInt(index + 1),
              mark,
              requirement,
              cash: -mark + (requirement * cover) / 100n,
              legs: [{ instrument: LINEAR, quantity }],
            });
          });
          const means = cash.map((amount, index) => vessel(BigInt(100 + index), amount * USD));
          const { actions } = decide(
            situation({ candidates }, { vessels: means }),
            strategy({ maxGrossNotional: room * USD, minimumStartProfit: 10n ** 12n }),
          );
          const orders = actions.flatMap<Exclude<Action, BatchAction>>((action) =>
            action.kind === 'liquidateBatch' ? [...action.orders] : [action],
          );
          expect(orders.reduce((sum, { notional }) => sum + notional, 0n)).toBeLessThanOrEqual(room * USD);
          expect(new Set(orders.map((order) => ('vesselId' in order ? order.vesselId : 0n))).size).toBe(
            orders.length,
          );
          for (const { profit } of actions)
            expect(profit.net).toBeGreaterThanOrEqual(DEFAULT_STRATEGY.minimumProfit);
        },
      ),
    );
  });
});

describe('a running auction', () => {
  const bids = strategy({ kinds: ['bid', 'takeOver', 'refresh', 'restart'] });

  it('is bid for when the discount is what is wanted, and not before', () => {
    const early = situation({ auctions: [auction({ publicStart: NOW - 5n })] });
    const [declined] = decide(early, bids).declined;
    // 95 % is reached 17 s after the start.
    expect(declined).toMatchObject({ kind: 'bid', reason: 'PRICE_TOO_HIGH', notBefore: NOW + 12n });
    const [bid] = decide(situation({ auctions: [auction({ publicStart: NOW - 17n })] }), bids).actions;
    expect(bid).toMatchObject({ kind: 'bid', auctionNumber: 3n, round: 9n, factorBps: 9_494n });
  });

  it('is not bid for before it is public, when superseded, or without a newer round', () => {
    const of = (changes: Partial<RunningAuction>) =>
      reasons(situation({ auctions: [auction(changes)] }), bids);
    expect(of({ publicStart: NOW + 1n })).toEqual(['bid: NOT_PUBLIC']);
    expect(of({ superseded: true })).toEqual(['bid: SUPERSEDED']);
    expect(of({ provenAt: NOW - 301n })).toEqual(['bid: NO_NEWER_ROUND']);
    expect(of({ cash: 0n })).toEqual(['bid: HEALTHY']);
  });

  it('gets newer figures when those are too old, and a new curve when that has ended', () => {
    const old = auction({ provenAt: NOW - 301n, round: 8n });
    expect(decide(situation({ auctions: [old] }), bids).actions[0]).toMatchObject({
      kind: 'refresh',
      round: 9n,
    });
    const ended = auction({ publicStart: NOW - 1_801n });
    expect(decide(situation({ auctions: [ended] }), bids).actions[0]).toMatchObject({ kind: 'restart' });
  });

  it('is bid for in part when the cash does not suffice for all', () => {
    const whole = decide(situation({ auctions: [auction()] }), bids).actions[0]!;
    if (whole.kind !== 'bid') throw new Error('Nothing is bid.');
    const poor = situation({ auctions: [auction()] }, { vessels: [vessel(100n, 5_000n * USD)] });
    const part = decide(poor, bids).actions[0]!;
    if (part.kind !== 'bid') throw new Error('Nothing is bid.');
    expect(part.scaleTaken).toBeGreaterThan(0n);
    expect(part.scaleTaken).toBeLessThan(whole.scaleTaken);
    expect(part.maxScale).toBe(part.scaleTaken);
  });

  it('without equity is taken over once the subsidy pays for it', () => {
    const broke = auction({ cash: -31_000n * USD, subsidyFrom: NOW });
    expect(reasons(situation({ auctions: [broke] }), bids)).toEqual(['takeOver: NOT_PROFITABLE']);
    const { subsidyFrom: _, ...unmarked } = broke;
    expect(reasons(situation({ auctions: [unmarked] }), bids)).toEqual(['takeOver: NOT_MARKED']);
    const [action] = decide(situation({ auctions: [{ ...broke, subsidyFrom: NOW - 450n }] }), bids).actions;
    if (action?.kind !== 'takeOver') throw new Error('Nothing is taken over.');
    // Half of the 12,000 USD that it lacks to its target; the debt is 1,000 USD.
    expect(action.minSubsidy).toBe(6_000n * USD);
    expect(action.profit.gross).toBe(5_000n * USD);
  });
});

describe('money and wei', () => {
  it('are converted so that nothing is gained', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 20n), fc.bigInt(1n, 10n ** 11n), (wei, price) => {
        expect(moneyToWei(weiToMoney(wei, price), price)).toBeGreaterThanOrEqual(wei);
        expect(weiToMoney(moneyToWei(wei, price), price)).toBeLessThanOrEqual(wei);
      }),
    );
  });
});

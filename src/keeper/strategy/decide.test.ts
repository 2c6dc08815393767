import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atomicLiquidation, BASIS } from '../../liquidation/amounts.ts';
import { bidQuote, type SaleQuote } from '../../liquidation/auction.ts';
import { DEFAULT_LIQUIDATION_TERMS, integerTerms } from '../../liquidation/terms.ts';
import { LINEAR } from '../../market/instrument.ts';
import type { FeedMarket, LiquidationCandidate, RunningAuction } from '../feed.ts';
import type { Action, BatchAction } from './actions.ts';
import { DEFAULT_STRATEGY } from './configuration.ts';
import {
  decide,
  type OwnSealedBid,
  type SealedBidding,
  type Situation,
  type StrategyConfiguration,
  VESSEL_DIVISOR,
  type VesselState,
} from './decide.ts';
import { gasCost, moneyToWei, weiToMoney } from './gas.ts';
import { auctionChance } from './profit.ts';

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

/** Half a unit of the underlying, with half of the requirement covered. Collateral has no haircut unless given. */
function candidate(changes: Partial<LiquidationCandidate> = {}): LiquidationCandidate {
  const { requirement = 10_000n * USD, collateral = 0n } = changes;
  const base = {
    accountId: 10n,
    underlyingId: 1n,
    status: 'liquidatable' as const,
    nonce: 1n,
    commitment: 5n,
    scale: ONE,
    cash: -25_000n * USD,
    collateral,
    movingCollateral: 0n,
    saleCollateral: collateral,
    mark: 30_000n * USD,
    requirement,
    baseRequirement: requirement,
    collateralSlope: 0n,
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
  const { collateral = 0n } = changes;
  return {
    accountId: 11n,
    underlyingId: 1n,
    commitment: 6n,
    number: 3n,
    startNonce: 1n,
    scale: ONE,
    cash: -25_000n * USD,
    collateral,
    movingCollateral: 0n,
    saleCollateral: collateral,
    reserved: 0n,
    round: 9n,
    provenAt: NOW - 10n,
    proven: { mark: 30_000n * USD, baseRequirement: 10_000n * USD, collateralSlope: 0n, scale: ONE },
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
    movingCollateral: 0n,
    saleCollateral: 0n,
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

/** Collateral is sold for free unless a test says otherwise: then it is worth to the keeper what it is priced at. */
const FREE_SALES = { ...DEFAULT_STRATEGY.spreads, collateralBps: 0 };

const strategy = (changes: Partial<StrategyConfiguration> = {}): StrategyConfiguration => ({
  ...DEFAULT_STRATEGY,
  spreads: FREE_SALES,
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
    const gas = gasCost(DEFAULT_STRATEGY.gasTable.liquidate, given.gasPrice);
    // 540,000 gas at 2 gwei and 2,500 USD.
    expect(gas).toBe(2_700_000n);
    expect(actions).toHaveLength(1);
    expect(actions[0]).toMatchObject({
      kind: 'liquidate',
      // The poorer of the two vessels suffices.
      vesselId: 101n,
      scaleTaken: expected.scaleTaken,
      profit: {
        // A fifth of 6 % of 5,000 USD, and 3 basis points of 30,000, for 6,000 parts of 10,700.
        gross: 33_644_859n,
        gas,
        hedge: 5_046_729n,
        net: 25_898_130n,
      },
      // A tenth of a per cent more than what is paid.
      maxPayment: (expected.payment * 10_010n + 9_999n) / 10_000n,
    });
  });

  it('goes to the poorest vessel that suffices, in whatever order they come', () => {
    const poorFirst = [
      vessel(101n, 50_000n * USD),
      vessel(102n, 70_000n * USD),
      vessel(100n, 100_000n * USD),
    ];
    for (const vessels of [poorFirst, [...poorFirst].reverse()]) {
      const { actions } = decide(situation({ candidates: [candidate()] }, { vessels }), ATOMIC);
      expect(actions).toMatchObject([{ kind: 'liquidate', vesselId: 101n }]);
    }
  });

  it.each<[string, Situation]>([
    ['a proof comes in the last second', situation({ candidates: [candidate({ proofExpiry: NOW + 15n })] })],
    [
      'a proof comes in the last second of the market',
      situation({
        candidates: [candidate()],
        markets: new Map([[1n, { ...market, proofExpiry: NOW + 15n }]]),
      }),
    ],
    [
      'losses lack a unit of their limit',
      situation({ candidates: [candidate()] }, { lossToday: 500n * USD - 1n }),
    ],
  ])('is made while %s', (_, given) => {
    expect(decide(given, ATOMIC).actions).toMatchObject([{ kind: 'liquidate' }]);
  });

  it('asks for no less than what is still worth its gas', () => {
    const [action] = decide(situation({ candidates: [candidate()] }), ATOMIC).actions;
    if (action?.kind !== 'liquidate') throw new Error('Nothing is liquidated.');
    const { profit, minScale, scaleTaken } = action;
    const left = ((profit.gross - profit.hedge) * minScale) / scaleTaken - profit.gas;
    expect(left).toBeGreaterThanOrEqual(ATOMIC.minimumProfit - 1n);
    expect(left).toBeLessThan(ATOMIC.minimumProfit + 1_000n);
  });

  it('go to no vessel beside whose positions they would be dust', () => {
    const plain = decide(situation({ candidates: [candidate()] }), ATOMIC).actions[0];
    const { scaleTaken } = plain as { readonly scaleTaken: bigint };
    const holding = (scale: bigint) =>
      situation(
        { candidates: [candidate()] },
        { vessels: [vessel(100n, 10n ** 12n, { scale, commitment: candidate().commitment })] },
      );
    expect(decide(holding(VESSEL_DIVISOR * scaleTaken), ATOMIC).actions).toHaveLength(1);
    expect(reasons(holding(VESSEL_DIVISOR * scaleTaken + 1n), ATOMIC)).toEqual(['liquidate: NO_VESSEL']);
    const source = readFileSync(new URL('../../../contracts/src/ClearingHouse.sol', import.meta.url), 'utf8');
    expect(source).toContain(`VESSEL_DIVISOR = ${VESSEL_DIVISOR};`);
  });

  /** A fifth of a unit more for each unit of moving collateral: risk that is added. */
  const ADDED = 2n ** 54n / 5n;
  const backed = (movingCollateral: bigint) =>
    candidate({
      cash: -65_000n * USD,
      collateral: 40_000n * USD,
      movingCollateral,
      requirement: 10_000n * USD + movingCollateral / 5n,
      baseRequirement: 10_000n * USD,
      collateralSlope: ADDED + 1n,
    });

  it('goes by the requirement at the collateral that the account has, to the unit', () => {
    const [fixed, moving] = [backed(0n), backed(40_000n * USD)].map((given) => {
      const { actions } = decide(situation({ candidates: [given] }), ATOMIC);
      const expected = atomicLiquidation(given, TERMS, 0n);
      expect(actions).toMatchObject([
        { kind: 'liquidate', scaleTaken: expected.scaleTaken, profit: { gross: expected.reward } },
      ]);
      return expected;
    });
    expect(moving!.target - fixed!.target).toBe(8_800n * USD);
    expect(moving!.scaleTaken).toBeGreaterThan(fixed!.scaleTaken);
    // The vessel is asked for what comes with the slice, too.
    expect(moving!.vesselFloor).toBeGreaterThan(fixed!.vesselFloor);
  });

  it('asks more of a vessel whose own collateral adds to the risk', () => {
    const given = backed(40_000n * USD);
    const { leastCash } = atomicLiquidation(given, TERMS, 0n);
    const collateral = 1_000n * USD;
    const cash = leastCash - collateral;
    const refusal = (movingCollateral: bigint) => {
      const own = vessel(100n, cash, { collateral, movingCollateral });
      const none = strategy({ kinds: ['liquidate'], capitalSlackBps: 0n });
      return reasons(situation({ candidates: [given] }, { vessels: [own] }), none);
    };
    expect(refusal(0n)).toEqual([]);
    expect(refusal(collateral)).toEqual(['liquidate: INSUFFICIENT_CAPITAL']);
  });

  it('hedges what collateral leaves of the delta of a slice', () => {
    const short = (movingCollateral: bigint) =>
      candidate({
        legs: [{ instrument: LINEAR, quantity: -500_000n }],
        mark: -30_000n * USD,
        cash: 5_000n * USD,
        collateral: 30_000n * USD,
        movingCollateral,
      });
    const hedgeOf = (given: LiquidationCandidate) =>
      decide(situation({ candidates: [given] }), ATOMIC).actions[0]!.profit.hedge;
    // Half a unit sold, and as much of it as collateral.
    expect(hedgeOf(short(30_000n * USD))).toBeLessThanOrEqual(1n);
    expect(hedgeOf(short(0n))).toBeGreaterThan(1_000_000n);
  });

  it('hedges collateral at what is paid for it, that of other underlyings by itself', () => {
    /** Dollar delta that the whole account would be hedged for, with 25,000 USD of tokens at a haircut of 20 %. */
    const deltaOf = (quantity: bigint, movingCollateral: bigint): number => {
      const mark = quantity * 60_000n;
      const given = candidate({
        legs: [{ instrument: LINEAR, quantity }],
        mark,
        cash: -15_000n * USD - mark,
        collateral: 20_000n * USD,
        movingCollateral,
        saleCollateral: 24_000n * USD,
      });
      const [action] = decide(situation({ candidates: [given] }), ATOMIC).actions;
      if (action?.kind !== 'liquidate') throw new Error('Nothing is liquidated.');
      const part = Number(action.scaleTaken) / Number(ONE);
      return Number(action.profit.hedge) / 1e6 / part / (DEFAULT_STRATEGY.spreads.deltaBps / 10_000);
    };
    expect(deltaOf(500_000n, 20_000n * USD)).toBeCloseTo(54_000, 0);
    expect(deltaOf(-500_000n, 20_000n * USD)).toBeCloseTo(6_000, 0);
    expect(deltaOf(-500_000n, 0n)).toBeCloseTo(54_000, 0);
    // A quarter of the tokens is of the legs' underlying.
    expect(deltaOf(-500_000n, 5_000n * USD)).toBeCloseTo(30_000 - 6_000 + 18_000, 0);
  });

  describe('of an account with collateral after a haircut', () => {
    /** 30,000 USD of tokens at a haircut of 20 %. */
    const TOKENS = { collateral: 24_000n * USD, saleCollateral: 28_800n * USD };
    const backstop = strategy({
      kinds: ['liquidate'],
      backstop: true,
      capitalSlackBps: 0n,
      minimumProfit: -1_000n * USD,
    });
    const rich = { vessels: [vessel(100n, 10n ** 12n)] };
    /** A mark of 30,000 USD, and debts that leave so much worth: 4,800 USD less of equity. */
    const worth = (amount: bigint) => candidate({ ...TOKENS, cash: amount * USD - 58_800n * USD });

    it('gains the discount on worth, as with cash: the haircut is no gain and no loss', () => {
      for (const given of [worth(5_000n), candidate()]) {
        const [action] = decide(situation({ candidates: [given] }, rich), backstop).actions;
        if (action?.kind !== 'liquidate') throw new Error('Nothing is liquidated.');
        const taken = (5_000n * USD * action.scaleTaken + ONE - 1n) / ONE;
        const penalty = (taken * TERMS.backstopBps) / BASIS;
        expect(action.profit.gross).toBe((penalty * TERMS.rewardShareBps) / BASIS);
      }
    });

    it('asks a vessel for the haircut in cash, and for a unit less is declined', () => {
      const given = worth(5_000n);
      const { leastCash, worthTaken, payment, target, scaleTaken } = atomicLiquidation(given, TERMS, 0n, {
        backstop: true,
      });
      const haircut = leastCash - (target * scaleTaken) / ONE - payment + worthTaken;
      const expected = (4_800n * USD * scaleTaken) / ONE;
      expect(haircut - expected).toBeGreaterThanOrEqual(0n);
      expect(haircut - expected).toBeLessThanOrEqual(4n);
      const refusal = (cash: bigint) =>
        reasons(situation({ candidates: [given] }, { vessels: [vessel(100n, cash)] }), backstop);
      expect(refusal(leastCash)).toEqual([]);
      expect(refusal(leastCash - 1n)).toEqual(['liquidate: INSUFFICIENT_CAPITAL']);
    });

    it('is made at an equity below 0, down to a worth of 0', () => {
      const given = worth(2_800n);
      expect(given.equity).toBe(-2_000n * USD);
      const [action] = decide(situation({ candidates: [given] }, rich), ATOMIC).actions;
      const expected = atomicLiquidation(given, TERMS, 0n);
      // What lacks to the target of 11,000 USD, at the highest penalty.
      const rate = TERMS.penaltyBps[3]!;
      const sold = (ONE * 13_000n * BASIS) / (13_000n * BASIS + 2_800n * (BASIS - rate));
      expect(action).toMatchObject({
        kind: 'liquidate',
        scaleTaken: sold,
        profit: { gross: expected.worthTaken - expected.payment },
      });
      expect(reasons(situation({ candidates: [worth(0n)] }, rich), ATOMIC)).toEqual([
        'liquidate: NOT_ENABLED',
      ]);
    });
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
    [
      'PROOF_EXPIRED',
      situation({
        candidates: [candidate()],
        markets: new Map([[1n, { ...market, proofExpiry: NOW + 14n }]]),
      }),
      ATOMIC,
    ],
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
    // 6,000 parts of 10,700 of 10,000 USD, rounded up: a thousandth of it, rounded up, and twenty times as much.
    expect(action!.profit.hedge).toBe(5_607_477n);
    expect(action!.notional).toBe(20n * 5_607_476_636n);
  });
});

describe('an account that is too large for a fixed price', () => {
  /** With 300,000 USD of tokens at a haircut of 20 %. */
  const withTokens = (cash: bigint) =>
    candidate({
      scale: ONE * 10n,
      collateral: 240_000n * USD,
      saleCollateral: 288_000n * USD,
      cash,
      mark: 300_000n * USD,
      requirement: 100_000n * USD,
    });

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

  it('is auctioned for the reward of its worth, also at an equity below 0', () => {
    // An equity of -20,000 USD, a worth of 28,000 USD.
    const large = withTokens(-560_000n * USD);
    const [action] = decide(situation({ candidates: [large] }), strategy()).actions;
    const lack = 130_000n * USD;
    const put = (28_000n * USD * lack) / (lack + 28_000n * USD);
    const fee = (put * TERMS.feeBps) / BASIS;
    expect(action).toMatchObject({
      kind: 'start',
      profit: { gross: TERMS.tip + (fee * TERMS.chipBps) / BASIS },
    });
  });

  it('is auctioned for the takeover that follows when it is worth nothing, and pays no reward', () => {
    const nothing = withTokens(-588_000n * USD);
    const [action] = decide(situation({ candidates: [nothing] }), strategy()).actions;
    if (action?.kind !== 'start') throw new Error('Nothing is started.');
    // Whoever has the whole subsidy has the target, and has paid for hedge and gas of both.
    expect(action.profit.gross).toBe(0n);
    const { net, gas } = action.profit;
    expect(net + gas).toBeLessThan(110_000n * USD);
    expect(net + gas).toBeGreaterThan(105_000n * USD);
    const without = (changes: Partial<StrategyConfiguration>) =>
      reasons(situation({ candidates: [nothing] }), strategy(changes));
    expect(without({ kinds: ['start'] })).toContain('start: NOT_PROFITABLE');
    expect(without({ minimumProfit: 110_000n * USD })).toContain('start: NOT_PROFITABLE');
    // What the subsidy does not count, moving collateral's own risk, pays nobody.
    const bare = { ...nothing, baseRequirement: 0n, collateralSlope: 2n ** 53n };
    expect(reasons(situation({ candidates: [bare] }), strategy())).toContain('start: NOT_PROFITABLE');
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

  it('are served by what they gain, not in the order in which they come', () => {
    const small = candidate({
      accountId: 30n,
      legs: [{ instrument: LINEAR, quantity: 250_000n }],
      mark: 15_000n * USD,
      cash: -12_500n * USD,
      requirement: 5_000n * USD,
    });
    const large = candidate({ accountId: 31n });
    for (const candidates of [
      [small, large],
      [large, small],
    ]) {
      const { actions, declined } = decide(
        situation({ candidates }, { vessels: [vessel(100n, 50_000n * USD)] }),
        ATOMIC,
      );
      expect(actions.map(({ accountId }) => accountId)).toEqual([31n]);
      expect(declined).toMatchObject([{ accountId: 30n, reason: 'NO_VESSEL' }]);
    }
  });

  it('of a batch ask for all of a slice that gains less than the least profit alone, and never for more', () => {
    const { actions } = decide(
      situation({ candidates: many.slice(0, 2) }, { vessels }),
      strategy({ kinds: ['liquidate', 'liquidateBatch'], minimumProfit: 30n * USD }),
    );
    const [batch] = actions;
    if (batch?.kind !== 'liquidateBatch') throw new Error('There is no batch.');
    expect(batch.orders).toHaveLength(2);
    for (const { profit, minScale, scaleTaken } of batch.orders) {
      expect(profit.net).toBeLessThan(30n * USD);
      expect(minScale).toBe(scaleTaken);
    }
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

  it('is reckoned by what its positions have lost since the recorded round, not by what they have gained', () => {
    const profitAt = (moved: bigint) => {
      const given = auction();
      const presentMark = given.proven.mark + moved;
      return decide(situation({ auctions: [{ ...given, presentMark }] }), bids).actions[0]?.profit.gross;
    };
    const recorded = decide(situation({ auctions: [auction()] }), bids).actions[0]!;
    if (recorded.kind !== 'bid') throw new Error('Nothing is bid.');
    expect([profitAt(0n), profitAt(100n * USD)]).toEqual([recorded.profit.gross, recorded.profit.gross]);
    const part = (100n * USD * recorded.scaleTaken) / auction().scale;
    expect(recorded.profit.gross - profitAt(-100n * USD)! - part).toBeLessThanOrEqual(1n);
    expect(recorded.profit.gross - profitAt(-100n * USD)!).toBeGreaterThanOrEqual(part);
    // What has lost more than the discount is left alone.
    expect(profitAt(-100_000n * USD)).toBeUndefined();
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
    // Collateral, with what it does to the requirement, outweighs the requirement: bids are by the newest round alone.
    const older = (movingCollateral: bigint, round: bigint, saleCollateral = 9_000n * USD) => {
      const given = auction({
        round,
        cash: -29_500n * USD,
        collateral: 9_000n * USD,
        movingCollateral,
        saleCollateral,
        proven: {
          mark: 30_000n * USD,
          baseRequirement: 11_000n * USD,
          collateralSlope: -(2n ** 52n),
          scale: ONE,
        },
      });
      return decide(situation({ auctions: [given] }), bids).actions[0]?.kind;
    };
    expect([older(0n, 8n), older(5_000n * USD, 8n), older(5_000n * USD, 9n)]).toEqual([
      'bid',
      'refresh',
      'bid',
    ]);
    // At what is paid for it.
    expect([older(0n, 8n, 11_000n * USD), older(0n, 8n, 11_000n * USD + 1n)]).toEqual(['bid', 'refresh']);
  });

  const broken = (changes: Partial<RunningAuction> = {}) =>
    auction({ cash: -31_000n * USD, subsidyFrom: NOW - 450n, ...changes });
  const expiring = (seconds: bigint, changes: Partial<RunningAuction>) =>
    situation({
      auctions: [auction(changes)],
      markets: new Map([[1n, { ...market, proofExpiry: NOW + seconds }]]),
    });

  it.each<[string, string, Situation]>([
    ['figures of the greatest age', 'bid', situation({ auctions: [auction({ provenAt: NOW - 300n })] })],
    ['older figures', 'bid: NO_NEWER_ROUND', situation({ auctions: [auction({ provenAt: NOW - 301n })] })],
    [
      'figures of the greatest age of what is worth nothing',
      'takeOver',
      situation({ auctions: [broken({ provenAt: NOW - 300n })] }),
    ],
    [
      'older figures of what is worth nothing',
      'takeOver: NO_NEWER_ROUND',
      situation({ auctions: [broken({ provenAt: NOW - 301n })] }),
    ],
    [
      'the last second of the curve',
      'bid',
      situation({ auctions: [auction({ publicStart: NOW - 1_800n })] }),
    ],
    ['the second after', 'restart', situation({ auctions: [auction({ publicStart: NOW - 1_801n })] })],
    ['a newer proof in the last second', 'refresh', expiring(15n, { provenAt: NOW - 301n, round: 8n })],
    [
      'a newer proof that comes too late',
      'bid: PROOF_EXPIRED',
      expiring(14n, { provenAt: NOW - 301n, round: 8n }),
    ],
  ])('with %s: %s', (_, expected, given) => {
    const { actions, declined } = decide(given, bids);
    const found = [
      ...actions.map(({ kind }) => kind),
      ...declined.map(({ kind, reason }) => `${kind}: ${reason}`),
    ];
    expect(found).toEqual([expected]);
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

  it('is bid for down to a worth of 0, then taken over: a haircut is no debt', () => {
    // 30,000 USD of tokens at a haircut of 20 %.
    const tokens = { collateral: 24_000n * USD, saleCollateral: 28_800n * USD };
    const sold = auction({ ...tokens, cash: -56_000n * USD });
    const [bid] = decide(situation({ auctions: [sold] }), bids).actions;
    if (bid?.kind !== 'bid') throw new Error('Nothing is bid.');
    // A worth of 2,800 USD at an equity of -2,000 USD, which lacks 13,000 USD of the target.
    const taken = (2_800n * USD * bid.scaleTaken + ONE - 1n) / ONE;
    const paid = (taken * bid.factorBps + BASIS - 1n) / BASIS;
    expect(bid.profit.gross).toBe(taken - paid);
    expect(bid.scaleTaken).toBe((ONE * 13_000n * BASIS) / (13_000n * BASIS + 2_800n * bid.factorBps));

    const nothing = auction({ ...tokens, cash: -60_000n * USD, subsidyFrom: NOW - 450n });
    const [takeOver] = decide(situation({ auctions: [nothing] }), bids).actions;
    if (takeOver?.kind !== 'takeOver') throw new Error('Nothing is taken over.');
    // Half of what a worth of -1,200 USD lacks to the target of 11,000 USD.
    expect(takeOver.minSubsidy).toBe(6_100n * USD);
    expect(takeOver.profit.gross).toBe(4_900n * USD);
  });

  it('is bid for with the cash that the haircut takes, and for less of it the less there is', () => {
    const given = auction({
      collateral: 24_000n * USD,
      saleCollateral: 28_800n * USD,
      cash: -56_000n * USD,
    });
    const none = { ...bids, capitalSlackBps: 0n };
    const takenWith = (cash: bigint) => {
      const [action] = decide(
        situation({ auctions: [given] }, { vessels: [vessel(100n, cash)] }),
        none,
      ).actions;
      return action?.kind === 'bid' ? action.scaleTaken : 0n;
    };
    const whole = bidQuote(given, given.terms, NOW);
    if (whole.kind !== 'sale') throw new Error('Nothing is for sale.');
    expect(takenWith(whole.leastCash)).toBe(whole.maxScale);
    // What it would be if the vessel's collateral counted as in the price.
    const withoutHaircut = whole.leastCash - (4_800n * USD * whole.scaleTaken) / ONE;
    const part = takenWith(withoutHaircut);
    expect(part).toBeGreaterThan(0n);
    expect(part).toBeLessThan(whole.maxScale);
    expect(bidQuote(given, given.terms, NOW, { maxScale: part }).leastCash).toBeLessThanOrEqual(
      withoutHaircut,
    );
  });

  it('that is worth nothing is taken over once the subsidy pays for it', () => {
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

describe('collateral that is sold for more than it is priced at', () => {
  /** 30,000 USD of tokens at a haircut of 20 %, priced less a quarter of that; legs without a value and without a requirement. */
  const TOKENS = {
    collateral: 24_000n * USD,
    saleCollateral: 28_500n * USD,
    fullCollateral: 30_000n * USD,
    proven: { mark: 0n, baseRequirement: 0n, collateralSlope: 0n, scale: ONE },
    legs: [],
  };
  const selling = (collateralBps: number, changes: Partial<StrategyConfiguration> = {}) =>
    strategy({
      kinds: ['bid', 'takeOver', 'poke'],
      spreads: { ...DEFAULT_STRATEGY.spreads, collateralBps },
      ...changes,
    });
  const nothing = auction({ ...TOKENS, cash: -28_500n * USD });
  const marked = { ...nothing, subsidyFrom: NOW - TERMS.insolventSeconds };

  it('pays for the takeover of an account that is worth nothing, without a subsidy', () => {
    const [action] = decide(situation({ auctions: [marked] }), selling(50)).actions;
    // 30,000 less 150 for its sale, for debts of 28,500.
    expect(action).toMatchObject({
      kind: 'takeOver',
      scaleTaken: ONE,
      minSubsidy: 0n,
      profit: { gross: 1_350n * USD },
    });
    // 3 basis points of 28,500 for the risk of its price.
    expect(action!.profit.hedge - 8_550_000n).toBeLessThanOrEqual(1n);
    expect(action!.profit.hedge).toBeGreaterThanOrEqual(8_550_000n);
    // However deep: what it fetches has to cover the debts.
    const deep = (cash: bigint) => {
      const [found] = decide(situation({ auctions: [{ ...marked, cash }] }), selling(50)).actions;
      return found?.kind === 'takeOver' ? found.profit.gross - found.minSubsidy : undefined;
    };
    expect(deep(-29_000n * USD)).toBe(850n * USD);
    // Beyond, the subsidy covers it: none of that is the resale's.
    expect(deep(-40_000n * USD)).toBe(-10_150n * USD);
  });

  it('pays for the mark of such an account', () => {
    const [poke] = decide(situation({ auctions: [nothing] }), selling(50)).actions;
    expect(poke).toMatchObject({ kind: 'poke', accountId: 11n, profit: { gross: 0n } });
    // 1,350 less hedge and the gas of both.
    expect(poke!.profit.net).toBeLessThan(1_342n * USD);
    expect(poke!.profit.net).toBeGreaterThan(1_330n * USD);
  });

  it('pays for neither when selling it costs as much', () => {
    // 1,500 of 30,000 are 5 %.
    for (const [given, configuration] of [
      [marked, selling(500)],
      [nothing, selling(500)],
      // As a feed gives it: at its price, less the cost of its sale.
      [{ ...marked, fullCollateral: TOKENS.saleCollateral }, selling(50)],
    ] as const) {
      expect(reasons(situation({ auctions: [given] }), configuration)).toEqual(['takeOver: NOT_PROFITABLE']);
    }
    const { fullCollateral: _, ...unknown } = marked;
    expect(reasons(situation({ auctions: [unknown] }), selling(0))).toEqual(['takeOver: NOT_PROFITABLE']);
  });

  it('pays for bids where there is hardly any worth, slice by slice', () => {
    const given = auction({ ...TOKENS, cash: -28_499n * USD });
    const [bid] = decide(situation({ auctions: [given] }), selling(50)).actions;
    if (bid?.kind !== 'bid') throw new Error('Nothing is bid.');
    // Worth of 1 USD at the price of the moment, and the part of 1,350.
    const taken = (USD * bid.scaleTaken + ONE - 1n) / ONE;
    const paid = (taken * bid.factorBps + BASIS - 1n) / BASIS;
    expect(bid.profit.gross).toBe(taken - paid + (1_350n * USD * bid.scaleTaken) / ONE);
    expect(reasons(situation({ auctions: [given] }), selling(500))).toEqual(['bid: NOT_PROFITABLE']);
  });

  it('is gained in liquidations at once and in sealed bids, and lost where it costs more', () => {
    const debtor = candidate({
      collateral: 24_000n * USD,
      saleCollateral: 28_500n * USD,
      fullCollateral: 30_000n * USD,
      cash: -53_500n * USD,
    });
    const any = { minimumProfit: -(10n ** 12n) };
    const grossOf = (bps: number, given = debtor) => {
      const configuration = selling(bps, { kinds: ['liquidate'], ...any });
      const [action] = decide(situation({ candidates: [given] }), configuration).actions;
      if (action?.kind !== 'liquidate') throw new Error('Nothing is liquidated.');
      return action;
    };
    const { reward, scaleTaken } = atomicLiquidation(debtor, TERMS, 0n);
    const part = (usd: bigint) => (usd * USD * scaleTaken) / ONE;
    expect(grossOf(50).profit.gross).toBe(reward + part(1_350n));
    expect(grossOf(500).profit.gross).toBe(reward);
    expect(grossOf(1_000).profit.gross).toBe(reward - part(1_500n) - 1n);
    expect(grossOf(0.5).profit.gross).toBe(reward + part(1_500n) - part(3n) / 2n - 1n);
    // The cost of the sale is no cost of the hedge.
    expect(grossOf(500).profit.hedge).toBe(grossOf(0).profit.hedge);

    const sealed: SealedBidding = {
      active: true,
      freeStake: 10_000n * USD,
      bond: 1_000n * USD,
      stages: new Map([
        [
          11n,
          {
            auctionNumber: 3n,
            commitEnd: NOW + 20n,
            revealEnd: NOW + 50n,
            publicStart: NOW + 110n,
            startFactorBps: 9_800n,
          },
        ],
      ]),
      bids: [],
    };
    const early = auction({ ...TOKENS, cash: -28_499n * USD, publicStart: NOW + 110n });
    const secret = (bps: number) =>
      decide(situation({ auctions: [early], sealed }), selling(bps, { kinds: ['sealedBid'] }));
    const [bid] = secret(50).actions;
    if (bid?.kind !== 'sealedBid') throw new Error('Nothing is bid.');
    const resale = (1_350n * USD * bid.scaleTaken) / ONE;
    // 2 % of the worth of 1 USD.
    expect(bid.profit.gross - resale - (20_000n * bid.scaleTaken) / ONE).toBeLessThanOrEqual(1n);
    expect(bid.profit.gross).toBeGreaterThan(resale);
    expect(secret(500).declined).toMatchObject([{ kind: 'sealedBid', reason: 'NOT_PROFITABLE' }]);
  });

  it('still asks for the cash that the vessel lacks', () => {
    // The vessel counts 24,000 for debts of 28,500.
    const withCash = (cash: bigint) => {
      const given = situation({ auctions: [marked] }, { vessels: [vessel(100n, cash)] });
      return decide(given, selling(50, { capitalSlackBps: 0n }));
    };
    expect(withCash(4_500n * USD).actions).toMatchObject([{ kind: 'takeOver', scaleTaken: ONE }]);
    const [part] = withCash(2_250n * USD).actions;
    if (part?.kind !== 'takeOver') throw new Error('Nothing is taken over.');
    expect(Number(part.scaleTaken) / Number(ONE)).toBeCloseTo(0.5, 6);
    expect(withCash(0n)).toMatchObject({ actions: [], declined: [{ reason: 'INSUFFICIENT_CAPITAL' }] });
  });

  it('changes nothing where there is cash alone', () => {
    const broke = auction({ cash: -31_000n * USD, subsidyFrom: NOW - 450n });
    const given = situation({ candidates: [candidate()], auctions: [broke] });
    const decided = (bps: number) => decide(given, selling(bps, { kinds: ['liquidate', 'takeOver'] }));
    expect(decided(0).actions).toHaveLength(2);
    expect(decided(10_000)).toEqual(decided(0));
  });

  it('counts as notional beside the legs, at what it is priced at', () => {
    const room = (usd: bigint) => selling(50, { maxGrossNotional: usd * USD });
    const given = situation({ auctions: [marked] });
    const [whole] = decide(given, room(28_500n)).actions;
    expect(whole).toMatchObject({ kind: 'takeOver', scaleTaken: ONE, notional: 28_500n * USD });
    const [half] = decide(given, room(14_250n)).actions;
    expect(half).toMatchObject({ kind: 'takeOver', scaleTaken: ONE / 2n, notional: 14_250n * USD });
    expect(reasons(given, room(0n))).toEqual(['takeOver: POSITION_LIMIT']);
    // Nothing nets it, not even legs of the same underlying: half a unit sold is 30,000 more.
    const short = {
      ...marked,
      proven: { ...TOKENS.proven, mark: -30_000n * USD },
      cash: 1_500n * USD,
      legs: [{ instrument: LINEAR, quantity: -500_000n }],
    };
    for (const movingCollateral of [0n, 24_000n * USD]) {
      const [action] = decide(situation({ auctions: [{ ...short, movingCollateral }] }), selling(50)).actions;
      expect(action).toMatchObject({ kind: 'takeOver', notional: 58_500n * USD });
    }
    // Hidden legs count by the requirement, which is nothing here.
    const { legs: _, ...hidden } = marked;
    const [unseen] = decide(situation({ auctions: [hidden] }), {
      ...selling(50),
      hidden: { hedgeBps: 10n, notionalMultiple: 20n },
    }).actions;
    expect(unseen!.notional - 28_500n * USD).toBeLessThanOrEqual(20n);
    expect(unseen!.notional).toBeGreaterThanOrEqual(28_500n * USD);
    // As what can be seen, and a unit for the requirement that rounds to nothing.
    expect(unseen!.profit.hedge).toBe(8_550_001n);
  });
});

describe('the sealed stage of an auction', () => {
  const sealedBids = strategy({ kinds: ['sealedBid'] });
  const stage = {
    auctionNumber: 3n,
    commitEnd: NOW + 20n,
    revealEnd: NOW + 50n,
    publicStart: NOW + 110n,
    startFactorBps: 9_800n,
  };
  const early = auction({ publicStart: stage.publicStart });
  const bidding = (changes: Partial<SealedBidding> = {}): SealedBidding => ({
    active: true,
    freeStake: 10_000n * USD,
    bond: 1_000n * USD,
    stages: new Map([[11n, stage]]),
    bids: [],
    ...changes,
  });
  const own = (changes: Partial<OwnSealedBid> = {}): OwnSealedBid => ({
    ...stage,
    accountId: 11n,
    vesselId: 100n,
    factorBps: 9_800n,
    maxScale: ONE / 4n,
    state: 'revealed',
    executed: false,
    ...changes,
  });
  const given = (
    sealed: SealedBidding,
    changes: Partial<Situation> = {},
    book: Parameters<typeof situation>[1] = {},
  ) => situation({ auctions: [early], sealed, ...changes }, book);

  it('is bid in at the wanted discount, for no more than the vessel can pay when figures worsen', () => {
    const [bid] = decide(given(bidding()), sealedBids).actions;
    if (bid?.kind !== 'sealedBid') throw new Error('Nothing is bid.');
    expect(bid).toMatchObject({ auctionNumber: 3n, factorBps: 9_800n, bond: 1_000n * USD, vesselId: 100n });
    expect(bid.maxScale).toBe(bid.scaleTaken);
    expect(bid.profit.gas).toBe(gasCost(DEFAULT_STRATEGY.gasTable.sealedBid, situation({}).gasPrice));
    const { quote } = auctionChance(early, stage.publicStart, {
      factorBps: 9_800n,
      maxScale: bid.maxScale,
    });
    // 2 % of the worth, and a fifth more cash than is needed now.
    expect(bid.profit.gross).toBe((quote as SaleQuote).worthTaken / 50n);
    const poor = given(bidding(), {}, { vessels: [vessel(100n, (quote.leastCash * 11n) / 10n)] });
    const [part] = decide(poor, sealedBids).actions;
    if (part?.kind !== 'sealedBid') throw new Error('Nothing is bid.');
    expect(part.maxScale).toBeLessThan(bid.maxScale);
    // Also where a haircut leaves an equity below 0.
    const tokens = { collateral: 24_000n * USD, saleCollateral: 28_800n * USD, cash: -56_000n * USD };
    const [other] = decide(given(bidding(), { auctions: [{ ...early, ...tokens }] }), sealedBids).actions;
    expect(other).toMatchObject({ kind: 'sealedBid', factorBps: 9_800n });
  });

  it.each<[string, Situation, StrategyConfiguration]>([
    ['NOT_LIQUIDATOR', given(bidding({ active: false })), sealedBids],
    ['NO_STAKE', given(bidding({ freeStake: 999n * USD })), sealedBids],
    ['NOT_PUBLIC', given(bidding(), { now: NOW + 20n }), sealedBids],
    ['NOT_PUBLIC', given(bidding({ stages: new Map([[11n, { ...stage, auctionNumber: 4n }]]) })), sealedBids],
    ['PRICE_TOO_HIGH', given(bidding()), { ...sealedBids, sealedDiscountBps: 201n }],
    ['NOT_PROFITABLE', given(bidding()), { ...sealedBids, minimumProfit: 10n ** 12n }],
    ['NOT_ENABLED', given(bidding()), strategy({ kinds: ['bid'] })],
    ['DAILY_LOSS_LIMIT', given(bidding(), {}, { lossToday: 500n * USD }), sealedBids],
    ['POSITION_LIMIT', given(bidding(), {}, { grossNotional: undefined }), sealedBids],
    // A vessel with positions may find that the rest of an auction is too small for it.
    [
      'NO_VESSEL',
      given(bidding(), {}, { vessels: [vessel(100n, 10n ** 12n, { scale: 1n, commitment: 6n })] }),
      sealedBids,
    ],
  ])('is left alone for %s', (reason, situationOf, configuration) => {
    expect(decide(situationOf, configuration).actions).toEqual([]);
    expect(reasons(situationOf, configuration)).toEqual([`sealedBid: ${reason}`]);
  });

  it('is bid in with just the stake, in the last second but one of commitments', () => {
    for (const open of [given(bidding({ freeStake: 1_000n * USD })), given(bidding(), { now: NOW + 19n })]) {
      expect(decide(open, sealedBids).actions).toMatchObject([{ kind: 'sealedBid' }]);
    }
  });

  it.each<[string, bigint, boolean]>([
    ['the last second of reveals', stage.revealEnd, false],
    ['the second after', stage.revealEnd + 1n, true],
    ['the last second whose next block is before public bidding', stage.publicStart - 2n, true],
    ['the second after that', stage.publicStart - 1n, false],
  ])('is filled, or not, in %s', (_, now, isFilled) => {
    const busy = { vessels: [vessel(100n, 100_000n * USD, { busy: true })] };
    const { actions, declined } = decide(given(bidding({ bids: [own()] }), { now }, busy), sealedBids);
    expect(actions.map(({ kind }) => kind)).toEqual(isFilled ? ['fill'] : []);
    expect(declined.map(({ reason }) => reason)).toEqual(isFilled ? [] : ['SEALED_BID_OPEN']);
  });

  it('is filled between reveals and public bidding, while the own bid is worth it and can be paid', () => {
    const sealed = bidding({ bids: [own()] });
    const busy = { vessels: [vessel(100n, 100_000n * USD, { busy: true })] };
    // Also by a keeper that is to make no more sealed bids.
    const others = strategy({ kinds: ['bid'] });
    expect(reasons(given(sealed, {}, busy), others)).toEqual(['fill: SEALED_BID_OPEN']);
    const open = { now: stage.revealEnd + 1n };
    const [fill] = decide(given(sealed, open, busy), others).actions;
    expect(fill).toMatchObject({
      kind: 'fill',
      vesselId: 100n,
      latest: stage.publicStart - 1n,
      notional: 0n,
    });
    const executed = bidding({ bids: [own({ executed: true })] });
    expect(reasons(given(executed, open, busy), others)).toEqual(['fill: SEALED_BID_OPEN']);
    // Executing it would cost the bond.
    const poor = { vessels: [vessel(100n, USD, { busy: true })] };
    expect(reasons(given(sealed, open, poor), others)).toEqual(['fill: INSUFFICIENT_CAPITAL']);
    const dear = bidding({ bids: [own({ factorBps: 9_999n })] });
    expect(reasons(given(dear, open, busy), others)).toEqual(['fill: NOT_PROFITABLE']);
  });
});

describe('a call without a proof', () => {
  it('starts the clock of a subsidy that will pay for the takeover', () => {
    const { subsidyFrom: _, ...unmarked } = auction({ cash: -31_000n * USD });
    const pokes = strategy({ kinds: ['takeOver', 'poke'] });
    const [poke] = decide(situation({ auctions: [unmarked] }), pokes).actions;
    // The whole subsidy is what lacks to the target of 11,000 USD; the debt is 1,000 USD.
    expect(poke).toMatchObject({ kind: 'poke', accountId: 11n, profit: { gross: 0n } });
    expect(poke!.profit.net).toBeLessThan(11_000n * USD);
    expect(poke!.profit.net).toBeGreaterThan(10_000n * USD);
    expect(reasons(situation({ auctions: [unmarked] }), { ...pokes, minimumProfit: 12_000n * USD })).toEqual([
      'takeOver: NOT_PROFITABLE',
    ]);
    // Figures of an older round are replaced, which starts the clock as well.
    expect(reasons(situation({ auctions: [{ ...unmarked, round: 8n }] }), pokes)).toEqual([
      'takeOver: NOT_ENABLED',
    ]);
  });

  it('is not made once losses have reached their limit, nor when it is not enabled', () => {
    const { subsidyFrom: _, ...unmarked } = auction({ cash: -31_000n * USD });
    const vessels = [vessel(11n, 0n, { busy: true, scale: ONE, commitment: 6n })];
    const covered = auction({ cash: -19_000n * USD });
    const lossToday = 500n * USD;
    expect(reasons(situation({ auctions: [unmarked] }, { lossToday }), strategy())).toEqual([
      'takeOver: DAILY_LOSS_LIMIT',
    ]);
    expect(reasons(situation({ auctions: [covered] }, { vessels, lossToday }), strategy())).toEqual([
      'close: DAILY_LOSS_LIMIT',
    ]);
    const others = strategy({ kinds: ['bid', 'poke'] });
    expect(decide(situation({ auctions: [covered] }, { vessels }), others).actions).toEqual([]);
    expect(reasons(situation({ auctions: [covered] }, { vessels }), others)).toEqual(['close: OWN_ACCOUNT']);
  });

  it('ends the auction of an own vessel that a settlement has ended, covered or not', () => {
    const vessels = [vessel(11n, 0n, { busy: true, scale: ONE, commitment: 6n })];
    const ended = situation({ auctions: [auction({ superseded: true })] }, { vessels });
    expect(decide(ended, strategy()).actions).toMatchObject([{ kind: 'close', accountId: 11n }]);
  });

  it('ends the auction of an own vessel once that is covered, and never bids there', () => {
    const vessels = [vessel(11n, 0n, { busy: true, scale: ONE, commitment: 6n }), vessel(100n, 10n ** 12n)];
    const all = strategy({});
    const open = situation({ auctions: [auction()] }, { vessels });
    expect(reasons(open, all)).toEqual(['close: OWN_ACCOUNT']);
    const covered = auction({ cash: -19_000n * USD });
    expect(decide(situation({ auctions: [covered] }, { vessels }), all).actions).toMatchObject([
      { kind: 'close', accountId: 11n, auctionNumber: 3n },
    ]);
    expect(reasons(situation({ auctions: [covered] }, { vessels }), { ...all, minimumProfit: 100n })).toEqual(
      ['close: NOT_PROFITABLE'],
    );
    // Without a requirement, equity of 0 covers what is worth something.
    const proven = { ...auction().proven, baseRequirement: 0n };
    const bare = (cash: bigint, saleCollateral: bigint) =>
      decide(
        situation(
          { auctions: [auction({ proven, collateral: 24_000n * USD, saleCollateral, cash })] },
          { vessels },
        ),
        all,
      ).actions.map(({ kind }) => kind);
    expect(bare(-54_000n * USD, 28_800n * USD)).toEqual(['close']);
    // Slices are rounded: that much may lack.
    expect(bare(-54_000n * USD - 100n, 28_800n * USD)).toEqual(['close']);
    expect(bare(-54_000n * USD - 101n, 28_800n * USD)).toEqual([]);
    expect(bare(-54_000n * USD, 24_000n * USD)).toEqual([]);
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

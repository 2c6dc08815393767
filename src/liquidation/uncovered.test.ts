/**
 * What haircuts and moving collateral make of liquidations: attacks that are closed, and effects that no check refuses. The bounds of the latter are
 * what better rules may lower, and no change may raise.
 */
import { describe, expect, it } from 'vitest';
import { exactMargin } from '../margin/exact/margin.ts';
import { exactSolvency, INITIAL_LEVEL } from '../margin/exact/solvency.ts';
import { DEFAULT_PARAMETERS as parameters } from '../margin/parameters.ts';
import { canonicalLegs, type InstrumentKind, type Leg } from '../market/instrument.ts';
import { type ExpiryState, type MarketRound, YEAR_SECONDS } from '../market/words.ts';
import { sale, subsidisedRequirement, takeover, vesselNeed } from './amounts.ts';

const SCALE = 2n ** 40n;
const BASE_HOUR = 483_000;
const SPOT = 100_000;
const BUFFER = 1_000n;

/** Flat vols of 50 %, forwards at 5 %, discount factors at 4.5 %. */
function roundOf(underlyingId: bigint, spot: number, hours: readonly number[], secondsGone = 0): MarketRound {
  return {
    underlying: {
      spot: BigInt(Math.round(spot * 1e6)),
      timestamp: BigInt(BASE_HOUR * 3_600 + secondsGone),
      realisedVolatility: 32_768n,
      underlyingId,
    },
    expiries: hours.map((hour): ExpiryState => {
      const years = (hour * 3_600 - secondsGone) / YEAR_SECONDS;
      return {
        expiryHour: BASE_HOUR + hour,
        forward: BigInt(Math.round(spot * 1e6 * Math.exp(0.05 * years))),
        discount: BigInt(Math.round(2 ** 21 * Math.exp(-0.045 * years))),
        spacingExponent: 1,
        vols: new Array<bigint>(8).fill(65_536n),
      };
    }),
  };
}

type Position = readonly [kind: InstrumentKind, hour: number, strike: number, contracts: number];
const legsOf = (...positions: Position[]): readonly Leg[] =>
  canonicalLegs(
    positions.map(([kind, hour, strike, contracts]) => ({
      instrument:
        kind === 'linear'
          ? { kind, expiryHour: 0, strike: 0n }
          : { kind, expiryHour: BASE_HOUR + hour, strike: BigInt(strike * 10_000) },
      quantity: BigInt(Math.round(contracts * 1e6)),
    })),
  );

const dollars = (value: number): bigint => BigInt(Math.round(value * 1e6));
const inDollars = (value: bigint): number => Number(value) / 1e6;

/** Least cash beside the moving collateral that covers the initial level, USD. */
function leastCash(legs: readonly Leg[], round: MarketRound, movingCollateral = 0n): number {
  const account = { legs, scale: SCALE, cash: 0n, movingCollateral };
  return -inDollars(exactSolvency(account, round, parameters, INITIAL_LEVEL).slack / (1_000_000n << 88n));
}

/** Ten coins at a haircut of 12 %, and of 34 % in accounts of other underlyings. */
const COINS = 10;
const [OWN_HAIRCUT, CROSS_HAIRCUT] = [0.12, 0.34];
const backing = (spot: number, haircut = OWN_HAIRCUT): bigint => dollars(COINS * spot * (1 - haircut));
/** At which slices are priced. */
const saleValue = (spot: number, haircut = OWN_HAIRCUT): bigint =>
  dollars(COINS * spot * (1 - haircut * Math.max(haircut, 0.25)));
const MONTH = 720;
const bitcoin = roundOf(1n, SPOT, [MONTH]);
const moving = backing(SPOT);
const held = inDollars(moving);

describe('collateral of another underlying', () => {
  const ether = roundOf(2n, 2_700, [MONTH]);
  // A leg so small that it asks for nothing, so that debts are not bare.
  const dust = (strike: number): readonly Leg[] => legsOf(['call', MONTH, strike, 0.001]);
  const own = -leastCash(dust(150_000), bitcoin, moving);
  const elsewhere = inDollars(backing(SPOT, CROSS_HAIRCUT)) - leastCash(dust(4_000), ether);

  it('is lent upon by the second haircut, as much as in an account of its own', () => {
    const [ofOwn, ofOther] = [own, elsewhere].map((debt) => debt / (COINS * SPOT));
    console.log('lent upon bitcoin, in an account of its own and of ether', ofOwn, ofOther);
    expect(ofOwn).toBeGreaterThan(0.66);
    expect(ofOwn).toBeLessThan(0.67);
    expect(ofOther).toBeLessThanOrEqual(ofOwn!);
    // By the first haircut alone a fall of 15 % would take all that lies behind the debt.
    expect(COINS * SPOT * 0.85 - held).toBeLessThan(-25_000);
    expect(COINS * SPOT * 0.85 - elsewhere).toBeGreaterThan(170_000);
  });

  it('backs no more short puts on itself when the cash comes by way of an account of ether', () => {
    const most = (movingCollateral: bigint, cash: number): number => {
      let [low, high] = [0, 200];
      while (high - low > 0.001) {
        const middle = (low + high) / 2;
        const legs = legsOf(['put', MONTH, 90_000, -middle]);
        const premium = -inDollars(exactMargin({ legs, scale: SCALE }, bitcoin, parameters).mark);
        if (leastCash(legs, bitcoin, movingCollateral) <= cash + premium) low = middle;
        else high = middle;
      }
      return low;
    };
    const [direct, around] = [most(moving, 0), most(0n, elsewhere)];
    console.log('short puts with ten coins', direct, 'by way of an account of ether', around);
    expect(around / direct).toBeLessThan(1.05);
  });
});

describe('a hedge that asks for nothing', () => {
  const hedged = legsOf(['linear', 0, 0, -COINS * 0.88]);

  it('pays out all that the haircut leaves, at any level: equity and requirement are 0', () => {
    const { mark, requirement } = exactMargin(
      { legs: hedged, scale: SCALE, movingCollateral: moving },
      bitcoin,
      parameters,
    );
    expect([requirement, moving + mark]).toEqual([0n, 0n]);
    expect(leastCash(hedged, bitcoin, moving)).toBeLessThan(0.001);
    // What it asked for without the offset.
    expect(
      inDollars(exactMargin({ legs: hedged, scale: SCALE }, bitcoin, parameters).requirement) / held,
    ).toBeGreaterThan(0.3);
  });

  it('is sold in part when a haircut rises, for what it is worth, and the fund pays nothing', () => {
    for (const [haircut, lacks, mostLost] of [
      [0.13, 10_000, 5_200],
      [0.17, 50_000, 22_100],
    ] as const) {
      const collateral = backing(SPOT, haircut);
      const { mark, requirement } = exactMargin(
        { legs: hedged, scale: SCALE, movingCollateral: collateral },
        bitcoin,
        parameters,
      );
      const saleCollateral = saleValue(SPOT, haircut);
      const state = { cash: 0n, collateral, saleCollateral, mark, requirement, scale: SCALE, reserved: 0n };
      expect(() => takeover(state, BUFFER, 600n, 600n)).toThrow(
        expect.objectContaining({ code: 'HAS_WORTH' }),
      );
      const { scaleTaken, proceeds, target } = sale(state, BUFFER, 9_500n);
      expect(inDollars(target) - inDollars(collateral + mark)).toBeGreaterThanOrEqual(lacks);
      // All that it is worth, whatever the rules count.
      const really = COINS * SPOT + inDollars(mark);
      expect(really).toBeCloseTo(120_000, 0);
      const part = Number(scaleTaken) / 2 ** 40;
      const lost = part * really - inDollars(proceeds);
      console.log(`haircut ${haircut}: sold`, part, 'for', inDollars(proceeds), 'lost', lost);
      expect(lost).toBeGreaterThan(0);
      expect(lost).toBeLessThan(mostLost);
    }
  });

  it('the same by a fall of one hundredth, where the collateral is of another underlying', () => {
    // Borrowed to the last unit against bitcoin in an account of ether, whose only leg is dust.
    const collateral = backing(SPOT * 0.99, CROSS_HAIRCUT);
    const saleCollateral = saleValue(SPOT * 0.99);
    const cash = -backing(SPOT, CROSS_HAIRCUT);
    const state = { cash, collateral, saleCollateral, mark: 0n, requirement: 0n, scale: SCALE, reserved: 0n };
    expect(inDollars(collateral + cash)).toBeCloseTo(-6_600, 0);
    const { scaleTaken, proceeds } = sale(state, BUFFER, 9_500n);
    const part = Number(scaleTaken) / 2 ** 40;
    expect(part).toBeLessThan(0.025);
    const really = COINS * SPOT * 0.99 + inDollars(cash);
    expect(part * really - inDollars(proceeds)).toBeLessThan(1_100);
  });
});

describe('the offset of options that expire in an hour', () => {
  it('lends 85 % on bitcoin for half a cent: long puts that cover falls of 3 %', () => {
    const hours = [2];
    const round = roundOf(1n, SPOT, hours, 1_800);
    const legs = legsOf(['put', 2, 97_000, 26.4]);
    const premium = inDollars(exactMargin({ legs, scale: SCALE }, round, parameters).mark);
    const lent = (-leastCash(legs, round, moving) - premium) / (COINS * SPOT);
    const plain = -leastCash(legsOf(['put', 2, 50_000, 0.001]), round, moving) / (COINS * SPOT);
    console.log('lent', { lent, plain, premium });
    expect(premium).toBeLessThan(0.01);
    expect(plain).toBeLessThan(0.68);
    expect(lent).toBeGreaterThan(0.8);
    expect(lent).toBeLessThan(0.88);
  });
});

describe('an account that borrowed against collateral while options offset its risk', () => {
  // Lent upon bitcoin while puts of the last hours cover the places of the grid from 5 % on; they expire worthless, and the price falls.
  const puts = legsOf(['put', 2, 97_000, 26.4]);
  const cash = dollars(leastCash(puts, roundOf(1n, SPOT, [2], 1_800), moving));
  const at = (later: number) => {
    const collateral = backing(later);
    const { mark, requirement, baseRequirement } = exactMargin(
      { legs: [], scale: SCALE, movingCollateral: collateral },
      roundOf(1n, later, [MONTH], 7_300),
      parameters,
    );
    const state = {
      cash,
      collateral,
      saleCollateral: saleValue(later),
      mark,
      requirement,
      scale: SCALE,
      reserved: 0n,
    };
    return { state, baseRequirement };
  };

  it('is sold while it is worth something: a fall of a hundredth brings no subsidy', () => {
    const { state } = at(SPOT * 0.99);
    expect(() => takeover(state, BUFFER, 600n, 600n)).toThrow(expect.objectContaining({ code: 'HAS_WORTH' }));
    const { worth, proceeds, worthTaken } = sale(state, BUFFER, 9_500n);
    expect(inDollars(worth)).toBeGreaterThan(80_000);
    expect(proceeds).toBeGreaterThan((worthTaken * 94n) / 100n);
  });

  it('has a subsidy that counts nothing of what the collateral adds, when that is worth less than the debt', () => {
    const { state, baseRequirement } = at(SPOT * 0.87);
    const { collateral, mark, requirement } = state;
    const paid = (required: bigint): number =>
      inDollars(takeover({ ...state, requirement: required }, BUFFER, 600n, 600n).subsidy);
    const [whole, counted] = [paid(requirement), paid(subsidisedRequirement(requirement, baseRequirement))];
    const lacks = -inDollars(cash + state.saleCollateral + mark);
    console.log('subsidy', counted, 'with what collateral adds', whole, 'of an account that lacks', lacks);
    expect(inDollars(collateral)).toBeGreaterThan(0);
    expect(lacks).toBeGreaterThan(0);
    expect(counted).toBeCloseTo(lacks, 4);
    expect(whole).toBeGreaterThan(counted + 150_000);
  });
});

describe('a vessel with collateral of its own', () => {
  // Short calls and puts, as much to lose by a rise as by a fall. The account has cash alone.
  const legs = legsOf(['call', MONTH, 110_000, -10], ['put', MONTH, 100_000, -15.5]);
  const margin = exactMargin({ legs, scale: SCALE }, bitcoin, parameters);
  // The worst scenario, which no refresh overrules, is the rise.
  const cash = (margin.requirement * 8n) / 10n - margin.mark;
  const slice = sale(
    {
      cash,
      collateral: 0n,
      saleCollateral: 0n,
      mark: margin.mark,
      requirement: margin.requirement,
      scale: SCALE,
      reserved: 0n,
    },
    BUFFER,
    9_500n,
  );
  // From an earlier slice, or a trade with the same salt.
  const before = slice.scaleTaken / 100n;
  const heldScale = before + slice.scaleTaken;

  it("that borrows against it must bring the slice's target beside it, and is safe by every scenario", () => {
    expect(margin.collateralSlope).toBeLessThan(0n);
    expect(slice.scaleTaken * 20n).toBeGreaterThan(before);
    for (const coins of [0.1, 1, 10, 100]) {
      const collateral = dollars(coins * SPOT * 0.88);
      const need = vesselNeed(
        { scale: SCALE, collateral: 0n, movingCollateral: 0n },
        { ...margin, scale: SCALE },
        BUFFER,
        slice,
        slice.proceeds,
        { scale: before, collateral, movingCollateral: collateral },
      );
      const held = { legs, scale: heldScale, movingCollateral: collateral };
      const { mark, requirement } = exactMargin(held, bitcoin, parameters);
      const equity = need.leastCash + slice.cashTaken - slice.proceeds + collateral + mark;
      expect(Number(equity) / Number(requirement)).toBeGreaterThan(1.09);
    }
  });
});

describe('what a taker gains', () => {
  it.each([
    ['a conversion', legsOf(['call', MONTH, 100_000, -8.8], ['put', MONTH, 100_000, 8.8]), 0.025],
    ['a collar', legsOf(['call', MONTH, 105_000, -8.8], ['put', MONTH, 95_000, 8.8]), 0.07],
    ['a covered call', legsOf(['call', MONTH, 100_000, -8.8]), 0.17],
    ['a naked call with cash', legsOf(['call', MONTH, 100_000, -8.8]), 0],
  ] as const)('of %s at nine tenths of its requirement', (name, legs, ofValue) => {
    const coins = ofValue === 0 ? 0 : COINS;
    const collateral = coins === 0 ? 0n : moving;
    const saleCollateral = coins === 0 ? 0n : saleValue(SPOT);
    const { mark, requirement } = exactMargin(
      { legs, scale: SCALE, movingCollateral: collateral },
      bitcoin,
      parameters,
    );
    const cash = (requirement * 9n) / 10n - collateral - mark;
    const state = { cash, collateral, saleCollateral, mark, requirement, scale: SCALE, reserved: 0n };
    const { scaleTaken, proceeds, target } = sale(state, BUFFER, 9_500n);
    const part = Number(scaleTaken) / 2 ** 40;
    const lost = part * (coins * SPOT + inDollars(cash + mark)) - inDollars(proceeds);
    const lacked = inDollars(target) - inDollars(cash + collateral + mark);
    console.log(name, { requirement: inDollars(requirement), lacked, part, paid: inDollars(proceeds), lost });
    if (coins > 0) expect(inDollars(requirement) / (coins * SPOT)).toBeLessThan(ofValue);
    // The discount, and a quarter of the haircut.
    expect(lost).toBeGreaterThan(0);
    expect(lost / lacked).toBeLessThan(0.36);
    expect(part).toBeLessThan(0.2);
  });
});

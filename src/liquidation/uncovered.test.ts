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

/** Ten coins at a haircut of 12 %. */
const COINS = 10;
const worth = (spot: number, haircut: number): bigint => dollars(COINS * spot * (1 - haircut));
const MONTH = 720;
const bitcoin = roundOf(1n, SPOT, [MONTH]);
const moving = worth(SPOT, 0.12);
const held = inDollars(moving);

describe('collateral of another underlying', () => {
  const ether = roundOf(2n, 2_700, [MONTH]);
  // A leg so small that it asks for nothing, so that debts are not bare.
  const dust = (strike: number): readonly Leg[] => legsOf(['call', MONTH, strike, 0.001]);
  const own = -leastCash(dust(150_000), bitcoin, moving);
  const elsewhere = held - leastCash(dust(4_000), ether);

  it('is lent upon by its haircut alone: bitcoin in an account of ether', () => {
    const [ofOwn, ofOther] = [own, elsewhere].map((debt) => debt / (COINS * SPOT));
    console.log('lent upon bitcoin, in an account of its own and of ether', ofOwn, ofOther);
    expect(ofOwn).toBeLessThan(0.68);
    expect(ofOther).toBeGreaterThan(0.879);
    expect(ofOther).toBeLessThan(0.881);
    // A fall of 15 % takes all that lies behind the debt, haircut included.
    expect(COINS * SPOT * 0.85 - elsewhere).toBeLessThan(-25_000);
    expect(COINS * SPOT * 0.85 - own).toBeGreaterThan(170_000);
  });

  it('backs a third more short puts on itself when the cash comes by way of an account of ether', () => {
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
    expect(around / direct).toBeGreaterThan(1.25);
    expect(around / direct).toBeLessThan(1.4);
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

  it('is bad debt at once when a haircut rises, and the fund pays for a haircut', () => {
    for (const [haircut, lacks] of [
      [0.13, 10_000],
      [0.17, 50_000],
    ] as const) {
      const collateral = worth(SPOT, haircut);
      const { mark, requirement } = exactMargin(
        { legs: hedged, scale: SCALE, movingCollateral: collateral },
        bitcoin,
        parameters,
      );
      const state = { cash: 0n, collateral, mark, requirement, scale: SCALE, reserved: 0n };
      expect(() => sale(state, BUFFER, 9_500n)).toThrow(expect.objectContaining({ code: 'BAD_DEBT' }));
      const { subsidy } = takeover(state, BUFFER, 600n, 600n);
      const really = COINS * SPOT + inDollars(mark);
      console.log(
        `haircut ${haircut}: subsidy`,
        inDollars(subsidy),
        'of an account that is really worth',
        really,
      );
      expect(inDollars(subsidy)).toBeGreaterThanOrEqual(lacks);
      expect(really).toBeCloseTo(120_000, 0);
    }
  });

  it('the same by a fall of one hundredth, where the collateral is of another underlying', () => {
    // Borrowed to the last unit against bitcoin in an account of ether, whose only leg is dust.
    const collateral = worth(SPOT * 0.99, 0.12);
    const state = { cash: -moving, collateral, mark: 0n, requirement: 0n, scale: SCALE, reserved: 0n };
    const { subsidy } = takeover(state, BUFFER, 600n, 600n);
    const really = COINS * SPOT * 0.99 - held;
    expect(inDollars(subsidy)).toBeCloseTo(8_800, 0);
    expect(really).toBeGreaterThan(100_000);
  });
});

describe('the offset of options that expire in an hour', () => {
  it('lends 87 % on bitcoin for half a cent: long puts between the places of the grid', () => {
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

describe('a subsidy for an account that borrowed against collateral', () => {
  it('counts nothing of what the collateral adds, though options that offset it have expired', () => {
    // Lent upon bitcoin while puts of the last hours cover every place of the grid; they expire worthless, and the price falls by a hundredth.
    const puts = legsOf(['put', 2, 97_000, 26.4]);
    const cash = dollars(leastCash(puts, roundOf(1n, SPOT, [2], 1_800), moving));
    const later = SPOT * 0.99;
    const collateral = worth(later, 0.12);
    const { mark, requirement, baseRequirement, collateralSlope } = exactMargin(
      { legs: [], scale: SCALE, movingCollateral: collateral },
      roundOf(1n, later, [MONTH], 7_300),
      parameters,
    );
    const state = { cash, collateral, mark, requirement, scale: SCALE, reserved: 0n };
    const paid = (required: bigint): number =>
      inDollars(takeover({ ...state, requirement: required }, BUFFER, 600n, 600n).subsidy);
    const [whole, counted] = [
      paid(requirement),
      paid(subsidisedRequirement({ baseRequirement, collateralSlope }, collateral)),
    ];
    const really = inDollars(cash) + COINS * later;
    console.log(
      'subsidy',
      counted,
      'with what collateral adds',
      whole,
      'of an account that is worth',
      really,
    );
    expect(whole).toBeGreaterThan(180_000);
    // Equity is below 0 by the rules alone: what haircuts take is not looked at.
    expect(counted).toBeLessThan(10_000);
    expect(really).toBeGreaterThan(110_000);
  });
});

describe('a vessel with collateral of its own', () => {
  // Short calls and puts, as much to lose by a rise as by a fall. The account has cash alone.
  const legs = legsOf(['call', MONTH, 110_000, -10], ['put', MONTH, 100_000, -15.5]);
  const margin = exactMargin({ legs, scale: SCALE }, bitcoin, parameters);
  // The worst scenario, which no refresh overrules, is the rise.
  const cash = (margin.requirement * 8n) / 10n - margin.mark;
  const slice = sale(
    { cash, collateral: 0n, mark: margin.mark, requirement: margin.requirement, scale: SCALE, reserved: 0n },
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

describe('what a taker gets for the haircut', () => {
  it.each([
    ['a conversion', legsOf(['call', MONTH, 100_000, -8.8], ['put', MONTH, 100_000, 8.8]), 0.025, 4],
    ['a collar', legsOf(['call', MONTH, 105_000, -8.8], ['put', MONTH, 95_000, 8.8]), 0.07, 1.5],
    ['a covered call', legsOf(['call', MONTH, 100_000, -8.8]), 0.17, 0.6],
    ['a naked call with cash', legsOf(['call', MONTH, 100_000, -8.8]), 0, 0],
  ] as const)('of %s at nine tenths of its requirement', (name, legs, ofValue, times) => {
    const coins = times === 0 ? 0 : COINS;
    const collateral = coins === 0 ? 0n : moving;
    const { mark, requirement } = exactMargin(
      { legs, scale: SCALE, movingCollateral: collateral },
      bitcoin,
      parameters,
    );
    const cash = (requirement * 9n) / 10n - collateral - mark;
    const state = { cash, collateral, mark, requirement, scale: SCALE, reserved: 0n };
    const { scaleTaken, equityTaken, proceeds, equity, target } = sale(state, BUFFER, 9_500n);
    const part = Number(scaleTaken) / 2 ** 40;
    const haircut = part * (coins * SPOT - inDollars(collateral));
    const lost = inDollars(equityTaken - proceeds) + haircut;
    const lacked = inDollars(target - equity);
    console.log(name, { requirement: inDollars(requirement), lacked, part, paid: inDollars(proceeds), lost });
    if (coins === 0) {
      expect(lost / lacked).toBeLessThan(0.1);
      return;
    }
    expect(inDollars(requirement) / (coins * SPOT)).toBeLessThan(ofValue);
    expect(lost / lacked).toBeGreaterThan(times);
    // The same part of the collateral is sold whatever the requirement is of it.
    expect(part).toBeLessThan(0.2);
  });
});

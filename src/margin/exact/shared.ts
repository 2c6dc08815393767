/**
 * The exact model for many accounts in one round: each distinct instrument is valued once and kept, and an account is
 * then a sum of products of integers. Same integers as `exactMargin`, since every sum in it is exact.
 */
import { requireBigint, ZkMarginError } from '../../errors.ts';
import { type Instrument, orderKey, validateLegs } from '../../market/instrument.ts';
import { type MarketRound, validateRound } from '../../market/words.ts';
import { PROBABILITY_ONE } from '../../math/fixed/primitives.ts';
import { type RiskParameters, type VolShock, validateParameters } from '../parameters.ts';
import { MAX_SCALE } from './bounds.ts';
import {
  type ExactExpiry,
  type ExactExpiryRisk,
  type ExactExpiryShock,
  exactExpiry,
  exactExpiryRisk,
  exactExpiryShock,
} from './expiry.ts';
import { exactLegSurface, forKind, legGreeks, markProbabilities, scenarioProbabilities } from './leg.ts';
import {
  type ExactAccount,
  type ExactMargin,
  isUnmoved,
  MAX_LEGS,
  priceFactor,
  requireMovingCollateral,
  scenarioMargin,
  worstOf,
} from './margin.ts';

/** What a quantity of 1 (1e-6 contracts) of an instrument adds to an account's sums. */
export interface ExactUnit {
  /** Forward part of the mark, 1e-12 USD at 2^-119: what the cash delta sums. */
  readonly forwardValue: bigint;
  /** Mark, likewise. */
  readonly markValue: bigint;
  /** Place of the option's expiry in the round, undefined for a linear leg. */
  readonly expiryIndex: number | undefined;
  /** As in `ExactChargeSums`. */
  readonly gammaValue: bigint;
  /** As in `ExactExpirySums`. */
  readonly vegaValue: bigint;
  /** Undamped loss by scenario, 1e-12 USD at 2^-145. */
  readonly lossValues: readonly bigint[];
}

interface SharedExpiry {
  readonly index: number;
  readonly expiry: ExactExpiry;
  readonly risk: ExactExpiryRisk;
  /** By vol shock plus 1. */
  readonly shocks: readonly ExactExpiryShock[];
}

/** One round and one set of parameters, with the instruments valued so far. */
export class ExactValuer {
  readonly round: MarketRound;
  readonly parameters: RiskParameters;
  private readonly expiries = new Map<number, SharedExpiry>();
  private readonly factors: readonly bigint[];
  private readonly units = new Map<bigint, ExactUnit>();

  /** @throws ZkMarginError of round and parameters; `EXPIRED_OPTION`, `OUT_OF_RANGE` for an expiry, as `exactMargin` */
  constructor(round: MarketRound, parameters: RiskParameters) {
    validateRound(round);
    validateParameters(parameters);
    this.round = round;
    this.parameters = parameters;
    this.factors = parameters.scenarios.map(({ priceMove }) => priceFactor(parameters.priceStep, priceMove));
    round.expiries.forEach((state, index) => {
      const expiry = exactExpiry(state, round.underlying.timestamp, `round.expiries[${index}]`);
      const risk = exactExpiryRisk(expiry, parameters);
      const shocks = ([-1, 0, 1] as readonly VolShock[]).map((volShock) =>
        exactExpiryShock(risk, parameters, { volShock }),
      );
      this.expiries.set(state.expiryHour, { index, expiry, risk, shocks });
    });
  }

  /**
   * What one unit of a valid instrument adds.
   *
   * @throws ZkMarginError `MISSING_EXPIRY`
   */
  unit(instrument: Instrument, field = 'instrument'): ExactUnit {
    const key = orderKey(instrument);
    let unit = this.units.get(key);
    if (unit === undefined) {
      unit = this.value(instrument, field);
      this.units.set(key, unit);
    }
    return unit;
  }

  /**
   * The account's maintenance margin: what `exactMargin` gives, to the bit.
   *
   * @throws ZkMarginError as `exactMargin`
   */
  margin(account: ExactAccount): ExactMargin {
    const { round, parameters } = this;
    validateLegs(account.legs, MAX_LEGS);
    requireBigint(account.scale, 1n, MAX_SCALE, 'scale');
    const movingCollateral = requireMovingCollateral(account);
    const lossValues = new Array<bigint>(parameters.scenarios.length).fill(0n);
    const sums = [...this.expiries.values()].map(({ risk }) => ({
      risk,
      forwardValue: 0n,
      markValue: 0n,
      vegaValue: 0n,
    }));
    let deltaValue = 0n;
    let markValue = 0n;
    let gammaValue = 0n;
    let shortContracts = 0n;
    let strikeSum = 0n;
    account.legs.forEach(({ instrument, quantity }, index) => {
      const unit = this.unit(instrument, `legs[${index}].instrument`);
      deltaValue += quantity * unit.forwardValue;
      markValue += quantity * unit.markValue;
      gammaValue += quantity * unit.gammaValue;
      if (unit.expiryIndex !== undefined) {
        const expiry = sums[unit.expiryIndex]!;
        expiry.forwardValue += quantity * unit.forwardValue;
        expiry.markValue += quantity * unit.markValue;
        expiry.vegaValue += quantity * unit.vegaValue;
      }
      for (let scenario = 0; scenario < lossValues.length; scenario++) {
        lossValues[scenario]! += quantity * unit.lossValues[scenario]!;
      }
      if (instrument.kind === 'linear') return;
      // Legs are in order, so the call and the put of a strike are neighbours.
      strikeSum += quantity;
      const next = account.legs[index + 1]?.instrument;
      if (next?.strike === instrument.strike && next.expiryHour === instrument.expiryHour) return;
      if (strikeSum < 0n) shortContracts -= strikeSum;
      strikeSum = 0n;
    });
    const totals = {
      scale: account.scale,
      movingCollateral,
      round,
      parameters,
      markValue,
      shortContracts,
      charges: { expiries: sums, deltaValue, gammaValue },
    };
    return worstOf(
      parameters.scenarios.map((scenario, index) =>
        scenarioMargin(totals, scenario, this.factors[index]!, lossValues[index]!),
      ),
    );
  }

  private value(instrument: Instrument, field: string): ExactUnit {
    const { scenarios } = this.parameters;
    if (instrument.kind === 'linear') {
      const value = (this.round.underlying.spot * PROBABILITY_ONE) << 21n;
      return {
        forwardValue: value,
        markValue: value,
        expiryIndex: undefined,
        gammaValue: 0n,
        vegaValue: 0n,
        lossValues: this.factors.map((factor) => (value << 26n) - factor * value),
      };
    }
    const shared = this.expiries.get(instrument.expiryHour);
    if (shared === undefined) {
      throw new ZkMarginError('MISSING_EXPIRY', 'Use expiries for which the round has volatilities.', {
        field: `${field}.expiryHour`,
      });
    }
    const { index: expiryIndex, expiry, risk, shocks } = shared;
    const isPut = instrument.kind === 'put';
    const surface = exactLegSurface(instrument.strike, expiry);
    const { density, deviation, stepSlope } = legGreeks(surface, risk);
    const forwardUnit = expiry.forward * expiry.discount;
    const strikeUnit = instrument.strike * 100n * expiry.discount;
    const mark = forKind(markProbabilities(surface), isPut);
    const forwardValue = forwardUnit * mark.forwardWeight;
    const markValue = forwardValue - strikeUnit * mark.strikeWeight;
    const lossValues = scenarios.map((scenario, index) => {
      if (isUnmoved(scenario)) return 0n;
      const { priceMove, volShock } = scenario;
      const weights = forKind(
        scenarioProbabilities(surface, stepSlope, shocks[volShock + 1]!, priceMove),
        isPut,
      );
      return (
        (markValue << 26n) -
        this.factors[index]! * forwardUnit * weights.forwardWeight +
        ((strikeUnit * weights.strikeWeight) << 26n)
      );
    });
    return {
      forwardValue,
      markValue,
      expiryIndex,
      gammaValue: forwardUnit * density * stepSlope,
      vegaValue: forwardUnit * density * deviation,
      lossValues,
    };
  }
}

/**
 * The exact integer margin model: what circuits prove and contracts settle. `docs/margin-model.md`, section 7.6.
 *
 * Slow next to the float model (some 20 µs a revaluation) and exact: same integers as the circuit, always.
 */
import { ZkMarginError } from '../../errors.ts';
import { type Leg, validateLegs } from '../../market/instrument.ts';
import { type MarketRound, validateRound } from '../../market/words.ts';
import { ceilDivide, exp2Precise, floorDivide, PROBABILITY_ONE } from '../../math/fixed/primitives.ts';
import { type RiskParameters, type Scenario, validateParameters } from '../parameters.ts';
import { chargesDown, type ExactChargeSums } from './charges.ts';
import {
  type ExactExpiry,
  type ExactExpiryRisk,
  exactExpiry,
  exactExpiryRisk,
  exactExpiryShock,
} from './expiry.ts';
import {
  type ExactLegGreeks,
  type ExactLegSurface,
  type ExactProbabilities,
  exactLegSurface,
  forKind,
  legGreeks,
  markProbabilities,
  scenarioProbabilities,
} from './leg.ts';

/** Legs beyond this do not fit any circuit. */
export const MAX_LEGS = 32;
/** Largest scale of an account, 2^-40. */
export const MAX_SCALE = 2n ** 64n - 1n;

/** What is margined: legs and the number of times they are held. Cash does not enter mark or requirement. */
export interface ExactAccount {
  readonly legs: readonly Leg[];
  /** 2^-40. */
  readonly scale: bigint;
}

/** Mark and requirement from one scenario, with their parts. Amounts in 1e-6 USD unless said otherwise. */
export interface ExactScenarioMargin {
  /** Value of the positions, rounded up: a prover of insolvency gains nothing by rounding. */
  readonly mark: bigint;
  /** Maintenance requirement as far as this scenario shows it, rounded down. */
  readonly requirement: bigint;
  /** Damped loss, at least 0, rounded down, for the account's scale. */
  readonly loss: bigint;
  /** Maintenance factor times loss. */
  readonly scanRequirement: bigint;
  readonly shortOptionMinimum: bigint;
  /** Of the delta, one deviation over the horizon. */
  readonly horizonBuffer: bigint;
  /** Of the forwards of all expiries against spot. */
  readonly basisCharge: bigint;
  /** Of the discount factors of all expiries. */
  readonly interestCharge: bigint;
  readonly gammaCharge: bigint;
  readonly vegaCharge: bigint;
}

/** The margin over all scenarios. */
export interface ExactMargin extends ExactScenarioMargin {
  /** Index of the scenario with the largest damped loss (the first of equals). */
  readonly worstScenario: number;
  readonly scenarios: readonly ExactScenarioMargin[];
}

interface PreparedLeg {
  readonly leg: Leg;
  readonly expiryIndex: number;
  readonly surface: ExactLegSurface;
  readonly greeks: ExactLegGreeks;
  readonly isPut: boolean;
  /** `quantity * forward * discount`: 1e-12 USD, 2^-21. */
  readonly forwardAmount: bigint;
  /** `quantity * strike * discount`, likewise. */
  readonly strikeAmount: bigint;
}

/** Sums over the legs of an account that no scenario changes. */
export interface AccountTotals {
  readonly scale: bigint;
  readonly round: MarketRound;
  readonly parameters: RiskParameters;
  /** Mark, 1e-12 USD at 2^-119. */
  readonly markValue: bigint;
  /** Net short contracts over strikes, 1e-6. */
  readonly shortContracts: bigint;
  readonly charges: ExactChargeSums;
}

/** An account at a round, ready for any scenario. */
export interface PreparedAccount extends AccountTotals {
  readonly expiries: readonly ExactExpiry[];
  readonly risks: readonly ExactExpiryRisk[];
  readonly options: readonly PreparedLeg[];
  /** Value of linear legs, 1e-12 USD at 2^-119. */
  readonly linearValue: bigint;
}

/**
 * Checks an account and does everything that does not depend on the scenario.
 *
 * @throws ZkMarginError of legs, round and parameters; `MISSING_EXPIRY` for a leg whose expiry the round lacks,
 * `EXPIRED_OPTION`
 */
export function prepareAccount(
  account: ExactAccount,
  round: MarketRound,
  parameters: RiskParameters,
): PreparedAccount {
  validateLegs(account.legs, MAX_LEGS);
  validateRound(round);
  validateParameters(parameters);
  if (typeof account.scale !== 'bigint' || account.scale <= 0n || account.scale > MAX_SCALE) {
    throw new ZkMarginError('OUT_OF_RANGE', 'Keep the scale within [1, 2^64).', { field: 'scale' });
  }
  const expiries = round.expiries.map((state, index) =>
    exactExpiry(state, round.underlying.timestamp, `round.expiries[${index}]`),
  );
  const risks = expiries.map((expiry) => exactExpiryRisk(expiry, parameters));
  const options: PreparedLeg[] = [];
  const sums = risks.map((risk) => ({ risk, forwardValue: 0n, markValue: 0n, vegaValue: 0n }));
  let linearValue = 0n;
  let gammaValue = 0n;
  const nets = new Map<string, bigint>();
  account.legs.forEach((leg, index) => {
    const { instrument, quantity } = leg;
    if (instrument.kind === 'linear') {
      linearValue += (quantity * round.underlying.spot * PROBABILITY_ONE) << 21n;
      return;
    }
    const expiryIndex = round.expiries.findIndex(({ expiryHour }) => expiryHour === instrument.expiryHour);
    const expiry = expiries[expiryIndex];
    if (expiry === undefined) {
      throw new ZkMarginError('MISSING_EXPIRY', 'Use expiries for which the round has volatilities.', {
        field: `legs[${index}].instrument.expiryHour`,
      });
    }
    const key = `${instrument.expiryHour}/${instrument.strike}`;
    nets.set(key, (nets.get(key) ?? 0n) + quantity);
    const surface = exactLegSurface(instrument.strike, expiry);
    const isPut = instrument.kind === 'put';
    const forwardAmount = quantity * expiry.forward * expiry.discount;
    const strikeAmount = quantity * instrument.strike * 100n * expiry.discount;
    const { forward, strike } = weigh({ isPut, forwardAmount, strikeAmount }, markProbabilities(surface));
    const greeks = legGreeks(surface, risks[expiryIndex]!);
    options.push({ leg, expiryIndex, surface, greeks, isPut, forwardAmount, strikeAmount });
    const sum = sums[expiryIndex]!;
    sum.forwardValue += forward;
    sum.markValue += forward - strike;
    sum.vegaValue += forwardAmount * greeks.density * greeks.deviation;
    gammaValue += forwardAmount * greeks.density * greeks.stepSlope;
  });
  let shortContracts = 0n;
  for (const net of nets.values()) if (net < 0n) shortContracts -= net;
  const sum = (of: 'forwardValue' | 'markValue'): bigint =>
    sums.reduce((total, expiry) => total + expiry[of], linearValue);
  return {
    scale: account.scale,
    round,
    parameters,
    expiries,
    risks,
    options,
    linearValue,
    markValue: sum('markValue'),
    shortContracts,
    charges: { expiries: sums, deltaValue: sum('forwardValue'), gammaValue },
  };
}

function weigh(
  leg: Pick<PreparedLeg, 'isPut' | 'forwardAmount' | 'strikeAmount'>,
  probabilities: ExactProbabilities,
): { forward: bigint; strike: bigint } {
  const weights = forKind(probabilities, leg.isPut);
  return {
    forward: leg.forwardAmount * weights.forwardWeight,
    strike: leg.strikeAmount * weights.strikeWeight,
  };
}

/** Price factor of a number of steps, `2^(priceMove * priceStep)`, 2^-26; exactly 1 for no step. */
export function priceFactor(priceStep: number, priceMove: number): bigint {
  if (priceMove === 0) return 1n << 26n;
  return exp2Precise(BigInt(priceStep) * BigInt(priceMove));
}

/** True of a scenario that is the mark itself: it shows no loss, whatever the roundings of its revaluation. */
export function isUnmoved({ priceMove, volShock }: Scenario): boolean {
  return priceMove === 0 && volShock === 0;
}

/** Undamped loss of a prepared account in a scenario (negative for a gain), 1e-12 USD at 2^-145, unrounded. */
export function scenarioLossValue(prepared: PreparedAccount, scenario: Scenario): bigint {
  const { parameters } = prepared;
  if (isUnmoved(scenario)) return 0n;
  const shocks = prepared.risks.map((risk) => exactExpiryShock(risk, parameters, scenario));
  let forwardValue = prepared.linearValue;
  let strikeValue = 0n;
  for (const option of prepared.options) {
    const { surface, greeks, expiryIndex } = option;
    const { forward, strike } = weigh(
      option,
      scenarioProbabilities(surface, greeks.stepSlope, shocks[expiryIndex]!, BigInt(scenario.priceMove)),
    );
    forwardValue += forward;
    strikeValue += strike;
  }
  const factor = priceFactor(parameters.priceStep, scenario.priceMove);
  return ((prepared.markValue + strikeValue) << 26n) - factor * forwardValue;
}

/** Evaluates one scenario of a prepared account. */
export function evaluateScenario(prepared: PreparedAccount, scenario: Scenario): ExactScenarioMargin {
  return scenarioMargin(prepared, scenario, scenarioLossValue(prepared, scenario));
}

/**
 * Mark and requirement from an account's totals and its loss in a scenario, the loss undamped in 1e-12 USD at 2^-145.
 */
export function scenarioMargin(
  totals: AccountTotals,
  scenario: Scenario,
  lossValue: bigint,
): ExactScenarioMargin {
  const { parameters, scale, round } = totals;
  const rawLoss = floorDivide(lossValue, 1n << 145n);
  const loss = (rawLoss > 0n ? rawLoss : 0n) * BigInt(scenario.damping);
  const scan = (loss * BigInt(parameters.maintenanceFactor)) << 8n;
  const short = (totals.shortContracts * round.underlying.spot * BigInt(parameters.shortOptionRate)) << 20n;
  const charges = chargesDown(totals.charges, round.underlying, parameters);
  const floorScaled = (value: bigint, places: bigint): bigint =>
    (scale * value) / (1_000_000n << (40n + places));
  return {
    mark: ceilDivide(scale * ceilDivide(totals.markValue, 1n << 119n), 1_000_000n << 40n),
    requirement: floorScaled(scan + short + charges.linear + charges.gamma + charges.vega, 36n),
    loss: floorScaled(loss, 16n),
    scanRequirement: floorScaled(scan, 36n),
    shortOptionMinimum: floorScaled(short, 36n),
    horizonBuffer: floorScaled(charges.horizon, 36n),
    basisCharge: floorScaled(charges.basis, 36n),
    interestCharge: floorScaled(charges.interest, 36n),
    gammaCharge: floorScaled(charges.gamma, 36n),
    vegaCharge: floorScaled(charges.vega, 36n),
  };
}

/**
 * Mark and requirement of an account from one scenario of the parameters.
 *
 * @throws ZkMarginError as {@link prepareAccount}; `OUT_OF_RANGE` for an index outside the scenario list
 */
export function exactScenario(
  account: ExactAccount,
  round: MarketRound,
  parameters: RiskParameters,
  scenarioIndex: number,
): ExactScenarioMargin {
  const prepared = prepareAccount(account, round, parameters);
  const scenario = parameters.scenarios[scenarioIndex];
  if (scenario === undefined) {
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      `Use a scenario within [0, ${parameters.scenarios.length - 1}].`,
      {
        field: 'scenarioIndex',
      },
    );
  }
  return evaluateScenario(prepared, scenario);
}

/**
 * The account's maintenance margin: every scenario, the worst of them decides.
 *
 * @throws ZkMarginError as {@link prepareAccount}
 */
export function exactMargin(
  account: ExactAccount,
  round: MarketRound,
  parameters: RiskParameters,
): ExactMargin {
  const prepared = prepareAccount(account, round, parameters);
  return worstOf(parameters.scenarios.map((scenario) => evaluateScenario(prepared, scenario)));
}

/** The margin over scenarios of which there is at least one. */
export function worstOf(scenarios: readonly ExactScenarioMargin[]): ExactMargin {
  let worstScenario = 0;
  scenarios.forEach((margin, index) => {
    if (margin.requirement > scenarios[worstScenario]!.requirement) worstScenario = index;
  });
  return { ...scenarios[worstScenario]!, worstScenario, scenarios };
}

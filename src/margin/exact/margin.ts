/**
 * The exact integer margin model: what circuits prove and contracts settle. `docs/margin-model.md`, section 7.6.
 *
 * Slow next to the float model (some 20 µs a revaluation) and exact: same integers as the circuit, always.
 */
import { requireBigint, ZkMarginError } from '../../errors.ts';
import { type Leg, validateLegs } from '../../market/instrument.ts';
import { type MarketRound, validateRound } from '../../market/words.ts';
import { ceilDivide, exp2Precise, floorDivide, PROBABILITY_ONE } from '../../math/fixed/primitives.ts';
import { type RiskParameters, type Scenario, validateParameters } from '../parameters.ts';
import { MAX_MONEY, MAX_SCALE } from './bounds.ts';
import { chargesDown, type ExactChargeSums, horizonRate } from './charges.ts';
import { requirementWith } from './collateral.ts';
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

/** What is margined: legs and the number of times they are held. Cash does not enter mark or requirement. */
export interface ExactAccount {
  readonly legs: readonly Leg[];
  /** 2^-40. */
  readonly scale: bigint;
  /** Value after haircuts of collateral that moves with the underlying, 1e-6 USD; 0 unless given. It enters the requirement, not the mark. */
  readonly movingCollateral?: bigint;
}

/** Mark and requirement from one scenario, with their parts. Amounts in 1e-6 USD unless said otherwise. */
export interface ExactScenarioMargin {
  /** Value of the positions, rounded up: a prover of insolvency gains nothing by rounding. */
  readonly mark: bigint;
  /** Maintenance requirement as far as this scenario shows it with the account's moving collateral, at least 0, rounded down. */
  readonly requirement: bigint;
  /** The same without collateral, for the choices below: what a proof shows. Signed, rounded down. */
  readonly baseRequirement: bigint;
  /** What a unit of moving collateral adds to it, 2^-54, signed. */
  readonly collateralSlope: bigint;
  /** Whether the scenario's loss counts: that of legs and collateral together is above 0. */
  readonly lossCounted: boolean;
  /** Sign by which the delta of legs and collateral together is charged. */
  readonly deltaSign: 1n | -1n;
  /** Damped loss, at least 0, rounded down, for the account's scale and collateral. */
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
  /** Index of the scenario that shows the largest requirement (the first of equals). */
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
  /** 1e-6 USD. */
  readonly movingCollateral: bigint;
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
  const movingCollateral = requireMovingCollateral(account);
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
    movingCollateral,
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

/**
 * An account's moving collateral, 1e-6 USD.
 *
 * @throws ZkMarginError `OUT_OF_RANGE`
 */
export function requireMovingCollateral({ movingCollateral = 0n }: ExactAccount): bigint {
  return requireBigint(movingCollateral, 0n, MAX_MONEY, 'movingCollateral');
}

/**
 * The account with so much more of the underlying, as another linear leg.
 *
 * @param quantity 1e-6 contracts for a scale of 1
 */
export function withLinearQuantity(prepared: PreparedAccount, quantity: bigint): PreparedAccount {
  const value = (quantity * prepared.round.underlying.spot * PROBABILITY_ONE) << 21n;
  return {
    ...prepared,
    linearValue: prepared.linearValue + value,
    markValue: prepared.markValue + value,
    charges: { ...prepared.charges, deltaValue: prepared.charges.deltaValue + value },
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

/** A price factor of 1, 2^-26. */
const PRICE_FACTOR_ONE = 1n << 26n;

/** Price factor of a number of steps, `2^(priceMove * priceStep)`, 2^-26; exactly 1 for no step. */
export function priceFactor(priceStep: number, priceMove: number): bigint {
  if (priceMove === 0) return PRICE_FACTOR_ONE;
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
      scenarioProbabilities(surface, greeks.stepSlope, shocks[expiryIndex]!, scenario.priceMove),
    );
    forwardValue += forward;
    strikeValue += strike;
  }
  const factor = priceFactor(parameters.priceStep, scenario.priceMove);
  return ((prepared.markValue + strikeValue) << 26n) - factor * forwardValue;
}

/** Evaluates one scenario of a prepared account. */
export function evaluateScenario(prepared: PreparedAccount, scenario: Scenario): ExactScenarioMargin {
  const factor = priceFactor(prepared.parameters.priceStep, scenario.priceMove);
  return scenarioMargin(prepared, scenario, factor, scenarioLossValue(prepared, scenario));
}

/** What a prover chooses beside the scenario. Any choice shows at most the true requirement. */
interface Choice {
  readonly lossCounted: boolean;
  readonly deltaSign: 1n | -1n;
}

/**
 * Mark and requirement from an account's totals and its loss in a scenario.
 *
 * @param factor price factor of the scenario, 2^-26
 * @param lossValue of the legs, undamped, 1e-12 USD at 2^-145
 */
export function scenarioMargin(
  totals: AccountTotals,
  scenario: Scenario,
  factor: bigint,
  lossValue: bigint,
): ExactScenarioMargin {
  const { parameters, scale, round, movingCollateral } = totals;
  const damping = BigInt(scenario.damping);
  const weight = damping * BigInt(parameters.maintenanceFactor);
  const legsLoss = floorDivide(lossValue, 1n << 145n);
  const short = (totals.shortContracts * round.underlying.spot * BigInt(parameters.shortOptionRate)) << 20n;
  const charges = chargesDown(totals.charges, round.underlying, parameters);
  const rate = horizonRate(round.underlying, parameters);
  const scaled = (value: bigint, places: bigint): bigint =>
    floorDivide(scale * value, 1_000_000n << (40n + places));
  const ofCollateral = (slope: bigint, places: bigint): bigint =>
    floorDivide(movingCollateral * slope, 1n << places);

  const show = ({ lossCounted, deltaSign }: Choice) => {
    const scan = lossCounted ? (legsLoss * weight) << 8n : 0n;
    const linear = (deltaSign * charges.horizonValue + charges.expiryValue) >> 119n;
    const baseRequirement = scaled(scan + short + linear + charges.gamma + charges.vega, 36n);
    const scanSlope = lossCounted ? (PRICE_FACTOR_ONE - factor) * weight : 0n;
    const collateralSlope = scanSlope + ((deltaSign * rate) << 18n);
    const requirement = requirementWith(baseRequirement, collateralSlope, movingCollateral);
    return { requirement, baseRequirement, collateralSlope, lossCounted, deltaSign, scan, scanSlope };
  };
  // Without collateral the signs of loss and delta decide; with it, what they come to together.
  const deltaSign = charges.horizonValue < 0n ? -1n : 1n;
  let shown = show({ lossCounted: legsLoss > 0n, deltaSign });
  if (movingCollateral > 0n) {
    for (const other of otherChoices(shown, isUnmoved(scenario))) {
      const candidate = show(other);
      if (candidate.requirement > shown.requirement) shown = candidate;
    }
  }
  const { scan, scanSlope, ...figures } = shown;
  const loss = figures.lossCounted
    ? scaled(legsLoss * damping, 16n) + ofCollateral((PRICE_FACTOR_ONE - factor) * damping, 42n)
    : 0n;
  return {
    mark: ceilDivide(scale * ceilDivide(totals.markValue, 1n << 119n), 1_000_000n << 40n),
    ...figures,
    loss,
    scanRequirement: scaled(scan, 36n) + ofCollateral(scanSlope, 54n),
    shortOptionMinimum: scaled(short, 36n),
    horizonBuffer:
      scaled((figures.deltaSign * charges.horizonValue) >> 119n, 36n) +
      ofCollateral(figures.deltaSign * rate, 36n),
    basisCharge: scaled(charges.basis, 36n),
    interestCharge: scaled(charges.interest, 36n),
    gammaCharge: scaled(charges.gamma, 36n),
    vegaCharge: scaled(charges.vega, 36n),
  };
}

/** The choices but one. In the mark itself no loss counts. */
function otherChoices({ lossCounted, deltaSign }: Choice, unmoved: boolean): Choice[] {
  const turned = deltaSign === 1n ? -1n : 1n;
  const choices: Choice[] = [{ lossCounted, deltaSign: turned }];
  if (!unmoved) {
    choices.push({ lossCounted: !lossCounted, deltaSign }, { lossCounted: !lossCounted, deltaSign: turned });
  }
  return choices;
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

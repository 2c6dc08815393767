/**
 * Risk parameters: the scenario grid and the constants of the margin formula.
 *
 * Implements section 4 of `docs/margin-model.md`. Every field is the integer that is proven; the section gives scales.
 */
import { requireBigint, requireInteger, ZkMarginError } from '../errors.ts';

/** Places for scenarios in the four words. */
export const SCENARIO_CAPACITY = 36;
/** Number of scenario words. */
export const SCENARIO_WORD_COUNT = 4;
/** Scenarios of one word. */
export const SCENARIOS_PER_WORD = 9;
/** Bits of a scenario. */
const SCENARIO_BITS = 26;
/** A damping of 1. */
export const DAMPING_ONE = 2 ** 16;
/** Largest absolute price move, in steps. */
export const MAX_PRICE_MOVE = 60;
/** Longest horizon, in seconds: 7 days. */
export const MAX_HORIZON_SECONDS = 604_800;
/** Step in which tenors enter {@link RiskParameters.basisPerTenor} and {@link RiskParameters.interestPerTenor}, in seconds. */
export const TENOR_UNIT_SECONDS = 16;
/** 30 days, the tenor at which vol shocks are quoted, in seconds. */
export const SHOCK_TENOR_SECONDS = 2_592_000;

/** Direction of a vol shock. */
export type VolShock = -1 | 0 | 1;

/** One state of the market for which an account's loss is measured. */
export interface Scenario {
  /** Whole price steps, within ±60. */
  readonly priceMove: number;
  /** Down, none or up. */
  readonly volShock: VolShock;
  /** Weight of the loss, in 2^-16, in `[1, 2^16]`. */
  readonly damping: number;
}

/** The parameters of the margin model, as integers in the scales of section 4. */
export interface RiskParameters {
  /** One price step is a factor `2^(priceStep 2^-20)`; below 2^18. */
  readonly priceStep: number;
  /** Relative vol shock up at 30 days, in 2^-14. */
  readonly volShockUp: number;
  /** Relative vol shock down at 30 days, in 2^-14. */
  readonly volShockDown: number;
  /** Power of the tenor multiplier up to 30 days, in 2^-8. */
  readonly tenorPowerShort: number;
  /** Power of the tenor multiplier beyond 30 days, in 2^-8. */
  readonly tenorPowerLong: number;
  /** Tenor below which vol shocks grow no further, in seconds. */
  readonly tenorFloor: number;
  /** Multiplies the scan risk, in 2^-12. */
  readonly maintenanceFactor: number;
  /** Of spot, for each net short option of a strike, in 2^-16. */
  readonly shortOptionRate: number;
  /** Expected length of a liquidation, in seconds. It enters the header as {@link horizonFactorOf}. */
  readonly horizonSeconds: number;
  /** Least move of an expiry's forward against spot, relative, in 2^-16. */
  readonly basisMinimum: number;
  /** By how much that move grows with every {@link TENOR_UNIT_SECONDS} to expiry, in 2^-36. */
  readonly basisPerTenor: number;
  /** Move of an expiry's discount factor for every {@link TENOR_UNIT_SECONDS} to expiry, relative, in 2^-36. */
  readonly interestPerTenor: number;
  /** Multiplies the loss from short gamma in a two-deviation move over the horizon, in 2^-12. */
  readonly gammaRate: number;
  /** Part of the first-order loss from one more vol shock, in 2^-16. */
  readonly vegaRate: number;
  /** Up to 36; the first is `(0, 0)` at damping 1. */
  readonly scenarios: readonly Scenario[];
}

/** Parameters as the words that are committed to. */
export interface PackedParameters {
  readonly header: bigint;
  /** Four words of nine scenarios. */
  readonly scenarioWords: readonly bigint[];
}

/** Header fields in order, with bits. */
const HEADER_FIELDS = [
  ['priceStep', 20n],
  ['volShockUp', 16n],
  ['volShockDown', 16n],
  ['tenorPowerShort', 8n],
  ['tenorPowerLong', 8n],
  ['tenorFloor', 24n],
  ['maintenanceFactor', 16n],
  ['shortOptionRate', 16n],
  ['horizonFactor', 24n],
  ['basisMinimum', 16n],
  ['basisPerTenor', 13n],
  ['interestPerTenor', 13n],
  ['gammaRate', 16n],
  ['vegaRate', 17n],
] as const;
/** Bits of all header fields. */
export const HEADER_BITS = HEADER_FIELDS.reduce((sum, [, bits]) => sum + bits, 0n);
/** Bits of a scenario word. */
const SCENARIO_WORD_BITS = BigInt(SCENARIO_BITS * SCENARIOS_PER_WORD);

/** `floor(sqrt(horizonSeconds 2^40 / 31,536,000))`: the root of the horizon in years, in 2^-20. */
export function horizonFactorOf(horizonSeconds: number): number {
  const square = (BigInt(horizonSeconds) << 40n) / 31_536_000n;
  let root = BigInt(Math.floor(Math.sqrt(Number(square))));
  while (root * root > square) root--;
  while ((root + 1n) * (root + 1n) <= square) root++;
  return Number(root);
}

/** The shortest horizon, in whole seconds, that has a factor; undefined when none has. */
function horizonSecondsOf(horizonFactor: number): number | undefined {
  const square = BigInt(horizonFactor) * BigInt(horizonFactor) * 31_536_000n;
  const seconds = Number((square + (1n << 40n) - 1n) >> 40n);
  return seconds <= MAX_HORIZON_SECONDS && horizonFactorOf(seconds) === horizonFactor ? seconds : undefined;
}

/**
 * Checks every bound of section 4.
 *
 * @throws ZkMarginError `MALFORMED`, `NOT_FINITE`, `OUT_OF_RANGE`, `TOO_MANY_SCENARIOS`, `FIRST_SCENARIO`, naming the
 * field
 */
export function validateParameters(parameters: RiskParameters, field = 'parameters'): void {
  if (typeof parameters !== 'object' || parameters === null) {
    throw new ZkMarginError('MALFORMED', `Give ${field} as an object.`, { field });
  }
  requireInteger(parameters.priceStep, 1, 2 ** 18 - 1, `${field}.priceStep`);
  requireInteger(parameters.volShockUp, 0, 2 ** 13, `${field}.volShockUp`);
  requireInteger(parameters.volShockDown, 0, 2 ** 13, `${field}.volShockDown`);
  requireInteger(parameters.tenorPowerShort, 0, 2 ** 7, `${field}.tenorPowerShort`);
  requireInteger(parameters.tenorPowerLong, 0, 2 ** 7, `${field}.tenorPowerLong`);
  requireInteger(parameters.tenorFloor, 86_400, 2_592_000, `${field}.tenorFloor`);
  requireInteger(parameters.maintenanceFactor, 2 ** 12, 2 ** 14, `${field}.maintenanceFactor`);
  requireInteger(parameters.shortOptionRate, 0, 2 ** 14, `${field}.shortOptionRate`);
  requireInteger(parameters.horizonSeconds, 0, MAX_HORIZON_SECONDS, `${field}.horizonSeconds`);
  requireInteger(parameters.basisMinimum, 0, 2 ** 12, `${field}.basisMinimum`);
  requireInteger(parameters.basisPerTenor, 0, 2 ** 12, `${field}.basisPerTenor`);
  requireInteger(parameters.interestPerTenor, 0, 2 ** 12, `${field}.interestPerTenor`);
  requireInteger(parameters.gammaRate, 0, 2 ** 14, `${field}.gammaRate`);
  requireInteger(parameters.vegaRate, 0, 2 ** 16, `${field}.vegaRate`);
  const { scenarios } = parameters;
  if (!Array.isArray(scenarios)) {
    throw new ZkMarginError('MALFORMED', 'Give the scenarios as a list.', { field: `${field}.scenarios` });
  }
  if (scenarios.length > SCENARIO_CAPACITY) {
    throw new ZkMarginError('TOO_MANY_SCENARIOS', `Give at most ${SCENARIO_CAPACITY} scenarios.`, {
      field: `${field}.scenarios`,
      details: { count: scenarios.length, capacity: SCENARIO_CAPACITY },
    });
  }
  scenarios.forEach((scenario: Scenario, index) => {
    const path = `${field}.scenarios[${index}]`;
    if (typeof scenario !== 'object' || scenario === null) {
      throw new ZkMarginError('MALFORMED', `Give ${path} as an object.`, { field: path });
    }
    requireInteger(scenario.priceMove, -MAX_PRICE_MOVE, MAX_PRICE_MOVE, `${path}.priceMove`);
    requireInteger(scenario.volShock, -1, 1, `${path}.volShock`);
    requireInteger(scenario.damping, 1, DAMPING_ONE, `${path}.damping`);
    if (Math.abs(scenario.priceMove) * parameters.priceStep > 2 ** 20) {
      throw new ZkMarginError('OUT_OF_RANGE', 'Keep the largest price move within a factor of 2.', {
        field: `${path}.priceMove`,
        details: { priceMove: scenario.priceMove, priceStep: parameters.priceStep },
      });
    }
  });
  const first = scenarios[0];
  if (first === undefined || first.priceMove !== 0 || first.volShock !== 0 || first.damping !== DAMPING_ONE) {
    throw new ZkMarginError(
      'FIRST_SCENARIO',
      'Let the first scenario be no move and no shock at damping 1.',
      {
        field: `${field}.scenarios[0]`,
      },
    );
  }
}

/**
 * The header and the four scenario words that {@link RiskParameters} are committed by.
 *
 * @throws ZkMarginError as {@link validateParameters}
 */
export function packParameters(parameters: RiskParameters, field = 'parameters'): PackedParameters {
  validateParameters(parameters, field);
  const horizonFactor = horizonFactorOf(parameters.horizonSeconds);
  let header = 0n;
  let shift = 0n;
  for (const [name, bits] of HEADER_FIELDS) {
    header |= BigInt(name === 'horizonFactor' ? horizonFactor : parameters[name]) << shift;
    shift += bits;
  }
  const scenarioWords: bigint[] = new Array<bigint>(SCENARIO_WORD_COUNT).fill(0n);
  parameters.scenarios.forEach((scenario, index) => {
    const word = Math.floor(index / SCENARIOS_PER_WORD);
    const position = BigInt(SCENARIO_BITS * (index % SCENARIOS_PER_WORD));
    scenarioWords[word] = scenarioWords[word]! | (packScenario(scenario) << position);
  });
  return { header, scenarioWords };
}

/** A scenario's 26 bits. The scenario must be valid. */
export function packScenario(scenario: Scenario): bigint {
  return BigInt(scenario.priceMove + 64 + ((scenario.volShock + 1) << 7)) | (BigInt(scenario.damping) << 9n);
}

/**
 * The parameters of packed words. The horizon comes back as the shortest one with the same factor, so packing again
 * gives the same words.
 *
 * @throws ZkMarginError `MALFORMED` for words that {@link packParameters} does not give; as {@link validateParameters}
 */
export function unpackParameters(packed: PackedParameters, field = 'parameters'): RiskParameters {
  requireBigint(packed.header, 0n, 2n ** HEADER_BITS - 1n, `${field}.header`);
  const values: Record<string, number> = {};
  let shift = 0n;
  for (const [name, bits] of HEADER_FIELDS) {
    values[name] = Number(BigInt.asUintN(Number(bits), packed.header >> shift));
    shift += bits;
  }
  const horizonSeconds = horizonSecondsOf(values.horizonFactor!);
  if (horizonSeconds === undefined) {
    throw new ZkMarginError('OUT_OF_RANGE', 'Use the factor of a horizon of whole seconds up to 7 days.', {
      field: `${field}.horizonFactor`,
    });
  }
  if (!Array.isArray(packed.scenarioWords) || packed.scenarioWords.length !== SCENARIO_WORD_COUNT) {
    throw new ZkMarginError('MALFORMED', `Give ${SCENARIO_WORD_COUNT} scenario words.`, {
      field: `${field}.scenarioWords`,
    });
  }
  const scenarios: Scenario[] = [];
  for (let index = 0; index < SCENARIO_CAPACITY; index++) {
    const word = Math.floor(index / SCENARIOS_PER_WORD);
    const path = `${field}.scenarioWords[${word}]`;
    const value = requireBigint(packed.scenarioWords[word], 0n, 2n ** SCENARIO_WORD_BITS - 1n, path);
    const position = BigInt(SCENARIO_BITS * (index % SCENARIOS_PER_WORD));
    const place = Number(BigInt.asUintN(SCENARIO_BITS, value >> position));
    if (place === 0) continue;
    if (scenarios.length !== index) {
      throw new ZkMarginError('MALFORMED', 'Put unused scenario places after used ones.', { field: path });
    }
    scenarios.push({
      priceMove: (place & 127) - 64,
      volShock: (((place >> 7) & 3) - 1) as VolShock,
      damping: place >> 9,
    });
  }
  const { horizonFactor: _horizonFactor, ...rest } = values;
  const parameters = { ...rest, horizonSeconds, scenarios } as unknown as RiskParameters;
  validateParameters(parameters, field);
  return parameters;
}

/**
 * The default grid: no move first, then price moves of -16 to 16 steps, every fourth, under each vol shock, then single and
 * double steps without a shock, then four damped tails. The tails shock vols up only downwards, where vols rise with a fall;
 * upwards they leave vols as they are.
 */
function defaultScenarios(): Scenario[] {
  const scenarios: Scenario[] = [{ priceMove: 0, volShock: 0, damping: DAMPING_ONE }];
  for (let row = -4; row <= 4; row++) {
    for (const volShock of [-1, 0, 1] as const) {
      const priceMove = 4 * row;
      if (row !== 0 || volShock !== 0) scenarios.push({ priceMove, volShock, damping: DAMPING_ONE });
    }
  }
  for (const priceMove of [-2, -1, 1, 2]) scenarios.push({ priceMove, volShock: 0, damping: DAMPING_ONE });
  scenarios.push(
    { priceMove: -32, volShock: 1, damping: 32_768 },
    { priceMove: 32, volShock: 0, damping: 32_768 },
    { priceMove: -48, volShock: 1, damping: 22_938 },
    { priceMove: 48, volShock: 0, damping: 22_938 },
  );
  return scenarios;
}

/**
 * Default parameters of the maintenance level, for BTC and ETH.
 *
 * - `priceStep`: 0.0125 in natural logarithm. Sixteen steps are -18 % and +22 %, near the range that portfolio margin of
 *   crypto options usually scans (Deribit ±16 %, Derive ±20 %). Every fourth, 5 % apart, finds the loss between the strikes of
 *   spreads; single and double steps find it where options of the last days cover a move of 5 % and none of 1 %.
 * - `volShockUp` 0.45 and `volShockDown` 0.25 at 30 days: with p = 0.3 the factors at one day are 2.25 and 0.5. Vols
 *   rise faster than they fall.
 * - `tenorPowerShort` 0.30 and `tenorPowerLong` 0.13: short vols move more than long ones, as in the published
 *   parameters of Derive's portfolio margin.
 * - `tenorFloor` one day: an hour's vol is mostly noise.
 * - `maintenanceFactor` 1.05: 5 % for what a grid of 5 % steps and parallel shocks do not see.
 * - `shortOptionRate` 1 % of spot for each net short option of a strike: the cost of buying back far out-of-the-money
 *   options, for which a scan shows next to nothing.
 * - `horizonSeconds` 30 minutes: an auction's length.
 * - `basisMinimum` 1 %: the least of Deribit's roll risk, and three deviations of the average of the last half hour from spot at
 *   a vol of 70 %. `basisPerTenor` 7.5 % a year, Deribit's rate of roll risk.
 * - `interestPerTenor` 5 % a year: what funding rates of the settlement asset move by when they do.
 * - `gammaRate` 2: two deviations over the horizon, twice, because hedges are late at both ends of it.
 * - `vegaRate` a quarter: vols that have moved by a shock may move by another, but spikes decay in hours.
 * - Tails of ±32 steps at one half, ±48 at 0.35: -33 %, +49 %, -45 %, +82 %, for shorts of far options and ratio
 *   spreads.
 */
export const DEFAULT_PARAMETERS: RiskParameters = Object.freeze({
  priceStep: 18_910,
  volShockUp: 7_373,
  volShockDown: 4_096,
  tenorPowerShort: 77,
  tenorPowerLong: 33,
  tenorFloor: 86_400,
  maintenanceFactor: 4_301,
  shortOptionRate: 655,
  horizonSeconds: 1_800,
  basisMinimum: 655,
  basisPerTenor: 2_615,
  interestPerTenor: 1_743,
  gammaRate: 8_192,
  vegaRate: 16_384,
  scenarios: Object.freeze(defaultScenarios()),
});

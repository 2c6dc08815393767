/** Circuit input of `insolvency` from an account, a round and the parameters. */
import { ZkMarginError } from '../../errors.ts';
import type { ExactExpirySums } from '../../margin/exact/charges.ts';
import { evaluateScenario, prepareAccount } from '../../margin/exact/margin.ts';
import { packParameters, type RiskParameters, SCENARIOS_PER_WORD } from '../../margin/parameters.ts';
import { KIND_CODES, type Leg, packLeg, validateLegs } from '../../market/instrument.ts';
import { EXPIRY_COUNT, type MarketRound, packRound } from '../../market/words.ts';
import { commitParameters, commitPositions } from '../commitment.ts';
import { fieldText } from '../field.ts';
import type { CircuitInput } from '../prover/backend.ts';

/** Everything an `insolvency` proof speaks of. */
export interface InsolvencyStatement {
  readonly legs: readonly Leg[];
  readonly salt: bigint;
  /** 2^-40. */
  readonly scale: bigint;
  readonly round: MarketRound;
  readonly parameters: RiskParameters;
  /** Index of the scenario that shows the requirement. */
  readonly scenarioIndex: number;
  /**
   * Value of the account's moving collateral, 1e-6 USD; 0 unless given. Insolvency proves nothing of it: it decides what is claimed. Solvency
   * proves it as a leg.
   */
  readonly movingCollateral?: bigint;
  /** Field element, see `contexts.ts`. */
  readonly context: bigint;
  /** Legs of the circuit: a multiple of eight. */
  readonly capacity: number;
}

/** The part of a statement that every margin circuit takes. */
export type AccountStatement = Omit<InsolvencyStatement, 'scenarioIndex'>;

/**
 * Inputs that every margin circuit takes: the account's opening, the oracle's words, the parameters and the context.
 *
 * @throws ZkMarginError of legs, round and parameters; `MISSING_EXPIRY`
 */
export async function accountInput(statement: AccountStatement): Promise<CircuitInput> {
  const { legs, salt, scale, round, parameters, context, capacity } = statement;
  validateLegs(legs, capacity);
  const words = packRound(round);
  const packed = packParameters(parameters);
  const places = Array.from({ length: capacity }, (_, index) => legs[index]);
  const select = places.map((leg, index) => {
    if (leg === undefined || leg.instrument.kind === 'linear')
      return new Array<string>(EXPIRY_COUNT - 1).fill('0');
    const row = round.expiries.findIndex(({ expiryHour }) => expiryHour === leg.instrument.expiryHour);
    if (row < 0) {
      throw new ZkMarginError('MISSING_EXPIRY', 'Use expiries for which the round has volatilities.', {
        field: `legs[${index}].instrument.expiryHour`,
      });
    }
    return Array.from({ length: EXPIRY_COUNT - 1 }, (_, e) => (e === row ? '1' : '0'));
  });
  return {
    commitment: String(await commitPositions({ legs, underlyingId: round.underlying.underlyingId, salt })),
    scale: String(scale),
    underlyingWord: String(words.underlyingWord),
    expiryWords: words.expiryWords.map(String),
    parametersCommitment: String(await commitParameters(parameters)),
    context: String(context),
    salt: String(salt),
    packed: places.map((leg) => String(leg ? packLeg(leg) : 0n)),
    strikes: places.map((leg) => String(leg?.instrument.strike ?? 0n)),
    quantities: places.map((leg) => fieldText(leg?.quantity ?? 0n)),
    kindBits: places.map((leg) => {
      const code = leg ? KIND_CODES[leg.instrument.kind] : 0n;
      return [String(code & 1n), String(code >> 1n)];
    }),
    select,
    header: String(packed.header),
    scenarioWords: packed.scenarioWords.map(String),
  };
}

/**
 * Inputs of the circuit, all as decimal strings.
 *
 * @throws ZkMarginError of legs, round and parameters; `MISSING_EXPIRY`, `OUT_OF_RANGE`
 */
export async function insolvencyInput(statement: InsolvencyStatement): Promise<CircuitInput> {
  const { scenarioIndex, parameters } = statement;
  const input = await accountInput(statement);
  if (!Number.isInteger(scenarioIndex) || parameters.scenarios[scenarioIndex] === undefined) {
    throw new ZkMarginError('OUT_OF_RANGE', 'Use the index of one of the scenarios.', {
      field: 'scenarioIndex',
    });
  }
  const prepared = prepareAccount(statement, statement.round, parameters);
  const { charges } = prepared;
  const { lossCounted, deltaSign } = evaluateScenario(prepared, parameters.scenarios[scenarioIndex]!);
  const flag = (value: boolean): string => (value ? '1' : '0');
  const signs = (of: (sums: ExactExpirySums) => bigint): string[] =>
    Array.from({ length: EXPIRY_COUNT }, (_, e) => {
      const sums = charges.expiries[e];
      return flag(sums === undefined || of(sums) >= 0n);
    });
  return {
    ...input,
    forwardSigns: signs(({ forwardValue }) => forwardValue),
    valueSigns: signs(({ markValue }) => markValue),
    deltaSign: flag(deltaSign === 1n),
    lossCounted: flag(lossCounted),
    shortGamma: flag(charges.gammaValue < 0n),
    vegaSigns: signs(({ vegaValue }) => vegaValue),
    scenarioIndex: scenarioPlace(scenarioIndex),
  };
}

/** Bits by which the circuit finds a scenario among the words: see `Scenario` in `circuits/lib/parameters.circom`. */
export function scenarioPlace(index: number): string[] {
  const word = Math.floor(index / SCENARIOS_PER_WORD);
  const place = index % SCENARIOS_PER_WORD;
  const isNinth = place === SCENARIOS_PER_WORD - 1;
  const bits = (value: number, count: number): number[] =>
    Array.from({ length: count }, (_, bit) => (value >> bit) & 1);
  return [...bits(isNinth ? 0 : place, 3), Number(isNinth), ...bits(word, 2)].map(String);
}

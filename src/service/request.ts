/** From the body of a request to the statement that is proven. Pure but for the hash's first use. */
import { createHash } from 'node:crypto';
import type { Groth16VerificationKey } from 'snarkjs';
import type { Hex } from 'viem';
import { requireBigint, requireInteger, ZkMarginError } from '../errors.ts';
import { exactMargin, exactScenario, MAX_SCALE } from '../margin/exact/margin.ts';
import {
  packParameters,
  type RiskParameters,
  unpackParameters,
  validateParameters,
} from '../margin/parameters.ts';
import {
  canonicalLegs,
  type InstrumentKind,
  type Leg,
  parseInstrument,
  SCALAR_FIELD,
  underlyingIdOf,
  validateLegs,
} from '../market/instrument.ts';
import { type MarketRound, unpackRound } from '../market/words.ts';
import type { CircuitInput } from '../proof/prover/backend.ts';
import { contextOf, insolvencyInput, type ProofContext } from '../proof/witness/insolvency.ts';
import { INSOLVENCY_CAPACITY, type ProofRequest } from './schemas.ts';

const MAX_UINT256 = 2n ** 256n - 1n;
const MAX_CASH = 2n ** 96n - 1n;

/** A checked request. It holds secrets: it is given to the prover and kept nowhere. */
export interface PreparedProof {
  readonly circuit: string;
  readonly input: CircuitInput;
  /** What the proof must state, in the order of `docs/margin-model.md`, section 5. */
  readonly publicSignals: readonly string[];
  readonly mark: bigint;
  readonly requirement: bigint;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly deadline: number | undefined;
}

/**
 * Checks a request that has the right shape, and evaluates the exact model.
 *
 * @param now milliseconds since 1970-01-01 UTC
 * @throws ZkMarginError naming the field; `NOT_LIQUIDATABLE` when cash is given and the account is healthy
 */
export async function prepareProof(body: ProofRequest, now: number): Promise<PreparedProof> {
  const deadline = readDeadline(body.deadline, now);
  const context = contextOf(readContext(body.context));
  const salt = readSalt(body.salt);
  const scale = requireBigint(BigInt(body.scale), 1n, MAX_SCALE, 'scale');
  const cash =
    body.cash === undefined ? undefined : requireBigint(BigInt(body.cash), -MAX_CASH, MAX_CASH, 'cash');
  const round = readRound(body);
  const parameters = readParameters(body.parameters);
  const legs = readLegs(body.legs, round);

  const account = { legs, scale };
  const { margin, scenarioIndex } = renamed(() => {
    if (body.scenarioIndex !== undefined) {
      const margin = exactScenario(account, round, parameters, body.scenarioIndex);
      return { margin, scenarioIndex: body.scenarioIndex };
    }
    const margin = exactMargin(account, round, parameters);
    return { margin, scenarioIndex: margin.worstScenario };
  });
  const { mark, requirement } = margin;
  if (cash !== undefined && cash + mark >= requirement) {
    throw new ZkMarginError(
      'NOT_LIQUIDATABLE',
      'Leave this account alone: its equity covers its requirement.',
      {
        field: 'cash',
        details: { equity: cash + mark, requirement },
      },
    );
  }
  const input = await insolvencyInput({
    legs,
    salt,
    scale,
    round,
    parameters,
    scenarioIndex,
    context,
    capacity: INSOLVENCY_CAPACITY,
  });
  const publicSignals = [
    String(mark < 0n ? mark + SCALAR_FIELD : mark),
    String(requirement),
    ...['commitment', 'scale', 'underlyingWord', 'expiryWords', 'parametersCommitment', 'context'].flatMap(
      (name) => input[name] as string | readonly string[],
    ),
  ];
  return { circuit: body.circuit, input, publicSignals, mark, requirement, deadline };
}

/** SHA-256 of a verification key's values, as hex digits. */
export function verificationKeyDigest(key: Groth16VerificationKey): string {
  const { protocol, curve, nPublic, vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, IC } = key;
  return sha256([protocol, curve, nPublic, vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, IC]);
}

/** The id of a job: the same statement under the same key is the same job. */
export function jobIdOf(circuit: string, keyDigest: string, publicSignals: readonly string[]): string {
  return sha256(['zkmargin-job-1', circuit, keyDigest, publicSignals]);
}

function sha256(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

function readDeadline(seconds: number | undefined, now: number): number | undefined {
  if (seconds === undefined) return undefined;
  const deadline = requireInteger(seconds, 1, 2 ** 40 - 1, 'deadline') * 1000;
  if (deadline <= now) {
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      'Give a deadline in the future, in seconds since 1970-01-01 UTC.',
      {
        field: 'deadline',
      },
    );
  }
  return deadline;
}

function readContext(context: ProofRequest['context']): ProofContext {
  const read = (name: 'chainId' | 'accountId' | 'nonce' | 'round') =>
    requireBigint(BigInt(context[name]), 0n, MAX_UINT256, `context.${name}`);
  return {
    chainId: read('chainId'),
    engine: context.engine.toLowerCase() as Hex,
    accountId: read('accountId'),
    nonce: read('nonce'),
    round: read('round'),
    keeper: context.keeper.toLowerCase() as Hex,
  };
}

function readSalt(text: string): bigint {
  const salt = BigInt(text);
  // No details: a salt is a secret.
  if (salt >= SCALAR_FIELD) {
    throw new ZkMarginError('OUT_OF_RANGE', "Keep the salt below the order of the circuits' field.", {
      field: 'salt',
    });
  }
  return salt;
}

function readRound(body: ProofRequest): MarketRound {
  return renamed(() =>
    unpackRound(
      { underlyingWord: BigInt(body.underlyingWord), expiryWords: body.expiryWords.map(BigInt) },
      'round',
    ),
  );
}

function readParameters(parameters: ProofRequest['parameters']): RiskParameters {
  if ('header' in parameters) {
    return unpackParameters({
      header: BigInt(parameters.header),
      scenarioWords: parameters.scenarioWords.map(BigInt),
    });
  }
  const read = parameters as RiskParameters;
  validateParameters(read);
  // Through the words, so that what is evaluated is what is committed to.
  return unpackParameters(packParameters(read));
}

function readLegs(items: ProofRequest['legs'], round: MarketRound): Leg[] {
  const legs = items.map(({ instrument, quantity }, index): Leg => {
    const field = `legs[${index}].instrument`;
    if (typeof instrument !== 'string') {
      const { kind, expiryHour, strike } = instrument;
      return {
        instrument: { kind: kind as InstrumentKind, expiryHour, strike: BigInt(strike) },
        quantity: BigInt(quantity),
      };
    }
    const named = parseInstrument(instrument, field);
    if (underlyingIdOf(named.underlying) !== round.underlying.underlyingId) {
      throw new ZkMarginError('UNDERLYING_MISMATCH', "Use instruments of the round's underlying.", { field });
    }
    return { instrument: named.instrument, quantity: BigInt(quantity) };
  });
  validateLegs(legs, INSOLVENCY_CAPACITY, { requireOrder: false });
  // Here rather than in the model, whose legs are in another order.
  legs.forEach(({ instrument: { kind, expiryHour } }, index) => {
    if (kind === 'linear') return;
    const named = typeof items[index]!.instrument === 'string';
    const field = `legs[${index}].instrument${named ? '' : '.expiryHour'}`;
    if (BigInt(expiryHour) * 3600n <= round.underlying.timestamp) {
      throw new ZkMarginError('EXPIRED_OPTION', 'Settle options that have expired before margining.', {
        field,
      });
    }
    if (!round.expiries.some((expiry) => expiry.expiryHour === expiryHour)) {
      throw new ZkMarginError('MISSING_EXPIRY', 'Use expiries for which the round has volatilities.', {
        field,
      });
    }
  });
  return canonicalLegs(legs);
}

/** Runs an action whose errors name fields of a round, and lets them name those of the request. */
function renamed<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof ZkMarginError) || error.field === undefined) throw error;
    const field = error.field
      .replace(/^round\./, '')
      .replace(/^expiries(?=\[|$)/, 'expiryWords')
      .replace(/^underlying(?=\.|$)/, 'underlyingWord');
    throw new ZkMarginError(error.code, error.message, { field, details: error.details, cause: error });
  }
}

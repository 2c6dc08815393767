/** Circuit input of `settlement`; `docs/transfer-settlement.md`. */
import { requireBigint } from '../../errors.ts';
import type { ExactAccount } from '../../margin/exact/margin.ts';
import {
  type ExactSettlement,
  exactSettlement,
  packSettlementWords,
  type SettlementPrice,
} from '../../margin/exact/settlement.ts';
import { KIND_CODES, type Leg, orderKey, packLeg, validateLegs } from '../../market/instrument.ts';
import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { commitPositions } from '../commitment.ts';
import { fieldText } from '../field.ts';
import type { CircuitInput } from '../prover/backend.ts';
import { spreadMoves } from './spread.ts';
import { requireCapacity } from './transfer.ts';

/** Everything a `settlement` proof speaks of. */
export interface SettlementStatement extends ExactAccount {
  /** Blinding of the old commitment, and of the new one. */
  readonly salt: bigint;
  readonly prices: readonly SettlementPrice[];
  readonly underlyingId: bigint;
  /** Field element that the verifier binds. */
  readonly context: bigint;
  /** Legs of the circuit: a multiple of eight. */
  readonly capacity: number;
}

/** A settlement with the commitment that the account has after it. */
export interface CommittedSettlement extends ExactSettlement {
  readonly newCommitment: bigint;
}

/**
 * What a settlement gives, leaves and commits to: the proof's outputs.
 *
 * @throws ZkMarginError as `exactSettlement` and `commitPositions`
 */
export async function committedSettlement(
  statement: Omit<SettlementStatement, 'context' | 'capacity'>,
): Promise<CommittedSettlement> {
  const { salt, underlyingId } = statement;
  const result = exactSettlement(statement, statement.prices);
  const newCommitment = await commitPositions({ legs: result.remaining, underlyingId, salt });
  return { ...result, newCommitment };
}

/**
 * Inputs of the circuit, all as decimal strings.
 *
 * @throws ZkMarginError as `exactSettlement`; `OUT_OF_RANGE` for salt, underlying, context and capacity; `TOO_MANY_LEGS`
 */
export async function settlementInput(statement: SettlementStatement): Promise<CircuitInput> {
  const { legs, salt, scale, prices, underlyingId, context, capacity } = statement;
  requireCapacity(capacity);
  requireBigint(context, 0n, SCALAR_MODULUS - 1n, 'context');
  validateLegs(legs, capacity);
  const { remaining } = exactSettlement({ legs, scale }, prices);
  const rowOf = new Map(legs.map(({ instrument }, index) => [orderKey(instrument), index]));
  const targets = remaining.map(({ instrument }) => rowOf.get(orderKey(instrument))!);
  const places = <T>(of: readonly Leg[], value: (leg: Leg) => T, empty: T): T[] =>
    Array.from({ length: capacity }, (_, index) => (of[index] ? value(of[index]) : empty));
  return {
    oldCommitment: String(await commitPositions({ legs, underlyingId, salt })),
    scale: String(scale),
    settlementWords: packSettlementWords(prices).map(String),
    underlyingId: String(underlyingId),
    context: String(context),
    salt: String(salt),
    strikes: places(legs, ({ instrument }) => String(instrument.strike), '0'),
    quantities: places(legs, ({ quantity }) => fieldText(quantity), '0'),
    hours: places(legs, ({ instrument }) => String(instrument.expiryHour), '0'),
    kindBits: places(
      legs,
      ({ instrument }) => {
        const code = KIND_CODES[instrument.kind];
        return [String(code & 1n), String(code >> 1n)];
      },
      ['0', '0'],
    ),
    newPacked: places(remaining, (leg) => String(packLeg(leg)), '0'),
    moves: spreadMoves(targets, capacity, capacity).map(String),
  };
}

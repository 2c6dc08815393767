/** Circuit input of `transfer`; `docs/transfer-settlement.md`. */
import { requireBigint, ZkMarginError } from '../../errors.ts';
import type { ExactAccount } from '../../margin/exact/margin.ts';
import { transferRemainders } from '../../margin/exact/transfer.ts';
import { type Instrument, type Leg, orderKey, packLeg } from '../../market/instrument.ts';
import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { CHUNK_SIZE, commitPositions } from '../commitment.ts';
import { fieldText } from '../field.ts';
import type { CircuitInput } from '../prover/backend.ts';
import { spreadMoves } from './spread.ts';

/** An account of a transfer with the salt of its commitment. */
export interface TransferAccount extends ExactAccount {
  /** Blinding, a field element. A new vector needs a new random one. */
  readonly salt: bigint;
}

/** Everything a `transfer` proof speaks of. */
export interface TransferStatement {
  readonly before: { readonly a: TransferAccount; readonly b: TransferAccount };
  readonly after: { readonly a: TransferAccount; readonly b: TransferAccount };
  readonly underlyingId: bigint;
  /** Field element that the verifier binds. */
  readonly context: bigint;
  /** Legs of the circuit: a multiple of eight. */
  readonly capacity: number;
  /**
   * Where the polynomials of the new openings are evaluated, field elements; 0 unless given. Give a point other than 0 only for an
   * opening that is published: the value would let anyone test guesses of the legs.
   */
  readonly points?: { readonly a?: bigint; readonly b?: bigint };
}

/**
 * Inputs of the circuit, all as decimal strings.
 *
 * @throws ZkMarginError as `transferRemainders` (the four vectors, the scales, and that nothing is created); `OUT_OF_RANGE`
 * for salts, underlying, context and capacity; `TOO_MANY_LEGS` for more instruments than the table has rows
 */
export async function transferInput(statement: TransferStatement): Promise<CircuitInput> {
  const { before, after, underlyingId, context, capacity, points = {} } = statement;
  requireCapacity(capacity);
  requireBigint(context, 0n, SCALAR_MODULUS - 1n, 'context');
  const [pointA, pointB] = [points.a ?? 0n, points.b ?? 0n];
  requireBigint(pointA, 0n, SCALAR_MODULUS - 1n, 'points.a');
  requireBigint(pointB, 0n, SCALAR_MODULUS - 1n, 'points.b');
  transferRemainders(before, after, capacity);
  const accounts = [before.a, before.b, after.a, after.b];
  const commitments = await Promise.all(
    accounts.map(({ legs, salt }) => commitPositions({ legs, underlyingId, salt })),
  );
  const options = tableOptions(
    accounts.flatMap(({ legs }) => legs),
    2 * capacity,
  );
  const rowOf = new Map(options.map((instrument, index) => [orderKey(instrument), index + 1]));
  const rows = options.length + 1;
  const targets = accounts.map(({ legs }) =>
    legs.map(({ instrument }) => (instrument.kind === 'linear' ? 0 : rowOf.get(orderKey(instrument))!)),
  );
  const padded = (legs: readonly Leg[], value: (leg: Leg) => bigint): string[] =>
    Array.from({ length: capacity }, (_, index) => fieldText(legs[index] ? value(legs[index]) : 0n));
  return {
    oldA: String(commitments[0]),
    oldB: String(commitments[1]),
    newA: String(commitments[2]),
    newB: String(commitments[3]),
    scaleOldA: String(before.a.scale),
    scaleOldB: String(before.b.scale),
    scaleNewA: String(after.a.scale),
    scaleNewB: String(after.b.scale),
    underlyingId: String(underlyingId),
    context: String(context),
    pointA: String(pointA),
    pointB: String(pointB),
    salts: accounts.map(({ salt }) => String(salt)),
    packed: accounts.map(({ legs }) => padded(legs, packLeg)),
    quantities: accounts.map(({ legs }) => padded(legs, ({ quantity }) => quantity)),
    holds: targets.map((held) => Array.from({ length: rows }, (_, row) => (held.includes(row) ? '1' : '0'))),
    moves: targets.map((held) => spreadMoves(held, capacity, rows).map(String)),
    hours: options.map(({ expiryHour }) => String(expiryHour)),
    strikes: options.map(({ strike }) => String(strike)),
    isPut: options.map(({ kind }) => (kind === 'put' ? '1' : '0')),
  };
}

/** @throws ZkMarginError `OUT_OF_RANGE` unless the capacity is a positive multiple of eight */
export function requireCapacity(capacity: number): void {
  if (Number.isInteger(capacity) && capacity > 0 && capacity % CHUNK_SIZE === 0) return;
  throw new ZkMarginError('OUT_OF_RANGE', `Use a positive multiple of ${CHUNK_SIZE} legs.`, {
    field: 'capacity',
  });
}

/** The options among the legs, filled up with others that nobody holds, in order. */
function tableOptions(legs: readonly Leg[], count: number): Instrument[] {
  const options = new Map<bigint, Instrument>();
  for (const { instrument } of legs) {
    if (instrument.kind !== 'linear') options.set(orderKey(instrument), instrument);
  }
  if (options.size > count) {
    throw new ZkMarginError('TOO_MANY_LEGS', `Trade fewer instruments: all accounts hold ${options.size}.`, {
      field: 'after',
      details: { count: options.size, capacity: count },
    });
  }
  for (let strike = 1n; options.size < count; strike++) {
    const unused: Instrument = { kind: 'call', expiryHour: 1, strike };
    if (!options.has(orderKey(unused))) options.set(orderKey(unused), unused);
  }
  return [...options].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, instrument]) => instrument);
}

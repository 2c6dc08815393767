import { beforeAll, describe, expect, it } from 'vitest';
import { exactSettlement, type SettlementPrice } from '../../margin/exact/settlement.ts';
import {
  canonicalLegs,
  type InstrumentKind,
  type Leg,
  LINEAR,
  MAX_QUANTITY,
  MAX_STRIKE,
} from '../../market/instrument.ts';
import { SCALAR_MODULUS, signedR } from '../../math/fixed/scalar-field.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { CircuitTester } from '../circuit-tester.ts';
import { commitPositions } from '../commitment.ts';
import { committedSettlement, type SettlementStatement, settlementInput } from './settlement.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 11);
const underlyingId = 0x425443n;
const SCALE_ONE = 1n << 40n;

const option = (kind: InstrumentKind, expiryHour: number, strike: bigint, quantity: bigint): Leg => ({
  instrument: { kind, expiryHour, strike },
  quantity,
});

/** An account, and prices for hours of which some have legs. */
function randomStatement(random: () => number, capacity: number): SettlementStatement {
  const below = (count: number): number => Math.floor(random() * count);
  const hours = Array.from({ length: 1 + below(6) }, () => 1 + below(random() < 0.5 ? 8 : 2 ** 20 - 1));
  const legs: Leg[] = random() < 0.4 ? [{ instrument: LINEAR, quantity: 1n + BigInt(below(1e9)) }] : [];
  const count = random() < 0.2 ? capacity : 1 + below(capacity);
  while (legs.length < count) {
    const strike = 1n + (random() < 0.3 ? BigInt(below(5)) : BigInt(below(Number(MAX_STRIKE))));
    const quantity =
      (random() < 0.5 ? -1n : 1n) *
      (random() < 0.1 ? MAX_QUANTITY : 1n + BigInt(below(10 ** (1 + below(11)))));
    const expiryHour = hours[below(hours.length)]!;
    const [kind, other] = random() < 0.5 ? (['call', 'put'] as const) : (['put', 'call'] as const);
    legs.push(option(kind, expiryHour, strike, quantity));
    if (random() < 0.3 && legs.length < count) legs.push(option(other, expiryHour, strike, -quantity));
  }
  const expiring = [...new Set(hours)].sort((a, b) => a - b).filter(() => random() < 0.7);
  const prices: SettlementPrice[] = expiring.slice(0, 4).map((expiryHour) => {
    const near = legs.find(({ instrument }) => instrument.expiryHour === expiryHour)?.instrument.strike ?? 1n;
    const price = [
      100n * near,
      100n * near + BigInt(below(3)) - 1n,
      BigInt(below(2 ** 44)),
      0n,
      2n ** 44n - 1n,
      (near * BigInt(50 + below(100))) % 2n ** 44n,
    ][below(6)]!;
    return { expiryHour, price };
  });
  return {
    legs: canonicalLegs(dedupe(legs)),
    scale: [SCALE_ONE, 0n, 1n, 2n ** 64n - 1n, BigInt(below(2 ** 45))][below(5)]!,
    salt: BigInt(below(2 ** 50)),
    prices,
    underlyingId,
    context: BigInt(below(2 ** 50)),
    capacity,
  };
}

/** One leg for each instrument: merging could leave the range. */
function dedupe(legs: readonly Leg[]): Leg[] {
  const byInstrument = new Map(
    legs.map((leg) => [`${leg.instrument.kind} ${leg.instrument.expiryHour} ${leg.instrument.strike}`, leg]),
  );
  return [...byInstrument.values()];
}

async function agrees(circuit: CircuitTester, statement: SettlementStatement, at: string): Promise<void> {
  const expected = await committedSettlement(statement);
  const witness = await circuit.witness(await settlementInput(statement));
  expect(signedR(circuit.signal(witness, 'main.cash')), at).toBe(expected.cash);
  expect(circuit.signal(witness, 'main.newCommitment'), at).toBe(expected.newCommitment);
}

let eight: CircuitTester;
let thirtyTwo: CircuitTester;
beforeAll(async () => {
  eight = await CircuitTester.fromFile('circuits/main/settlement-8.circom');
  thirtyTwo = await CircuitTester.fromFile('circuits/main/settlement-32.circom');
});

describe('settlement circuit', () => {
  it.each([
    [8, 400],
    [32, 120],
  ])('with %i legs agrees with the exact model on %i random accounts', async (capacity, accounts) => {
    const random = mulberry32(SEED + capacity);
    let settled = 0;
    for (let index = 0; index < accounts; index++) {
      const statement = randomStatement(random, capacity);
      const at = `seed ${SEED}, account ${index}`;
      const hours = new Set(statement.prices.map(({ expiryHour }) => expiryHour));
      if (!statement.legs.some(({ instrument }) => hours.has(instrument.expiryHour))) {
        const code = hours.size === 0 ? 'MALFORMED' : 'NO_LEGS';
        await expect(settlementInput(statement), at).rejects.toMatchObject({ code });
        continue;
      }
      settled++;
      await agrees(capacity === 8 ? eight : thirtyTwo, statement, at);
    }
    expect(settled).toBeGreaterThan(accounts / 2);
  });

  it('holds the extremes: 32 legs of the largest quantities, strike, price and scale, of either sign', async () => {
    for (const sign of [1n, -1n]) {
      for (const kind of ['call', 'put'] as const) {
        const legs = Array.from({ length: 32 }, (_, i) =>
          option(
            kind,
            7,
            kind === 'call' ? BigInt(i + 1) : MAX_STRIKE - 31n + BigInt(i),
            sign * MAX_QUANTITY,
          ),
        );
        const price = kind === 'call' ? 2n ** 44n - 1n : 0n;
        const statement = {
          legs,
          scale: 2n ** 64n - 1n,
          salt: SCALAR_MODULUS - 1n,
          prices: [{ expiryHour: 7, price }],
          underlyingId,
          context: SCALAR_MODULUS - 1n,
          capacity: 32,
        };
        const { cash } = exactSettlement(statement, statement.prices);
        expect(cash > 0n ? cash : -cash).toBeGreaterThan(2n ** 91n);
        await agrees(thirtyTwo, statement, `${sign} ${kind}`);
      }
    }
  });

  it('gives the same outputs with room for 8 and for 32 legs', async () => {
    const statement = {
      legs: [option('call', 5, 10n, 3n), option('put', 6, 10n, -3n)],
      scale: SCALE_ONE,
      salt: 1n,
      prices: [{ expiryHour: 5, price: 1_001n }],
      underlyingId,
      context: 1n,
    };
    await agrees(eight, { ...statement, capacity: 8 }, '8');
    await agrees(thirtyTwo, { ...statement, capacity: 32 }, '32');
  });

  it('leaves an account without legs when all expire', async () => {
    const legs = [option('call', 5, 10n, 3n)];
    const result = await committedSettlement({
      legs,
      scale: SCALE_ONE,
      salt: 9n,
      prices: [{ expiryHour: 5, price: 1_000n }],
      underlyingId,
    });
    expect(result).toMatchObject({ cash: 0n, remaining: [], settled: legs });
    expect(result.newCommitment).toBe(await commitPositions({ legs: [], underlyingId, salt: 9n }));
  });
});

describe('settlementInput', () => {
  const statement: SettlementStatement = {
    legs: [option('call', 5, 10n, 3n)],
    scale: SCALE_ONE,
    salt: 9n,
    prices: [{ expiryHour: 5, price: 1_000n }],
    underlyingId,
    context: 1n,
    capacity: 8,
  };
  it.each([
    ['capacity', { capacity: 12 }, 'OUT_OF_RANGE'],
    ['capacity', { capacity: 0 }, 'OUT_OF_RANGE'],
    ['context', { context: SCALAR_MODULUS }, 'OUT_OF_RANGE'],
    ['salt', { salt: -1n }, 'OUT_OF_RANGE'],
    ['scale', { scale: 2n ** 64n }, 'OUT_OF_RANGE'],
    ['underlyingId', { underlyingId: 2n ** 32n }, 'OUT_OF_RANGE'],
    [
      'legs',
      { legs: Array.from({ length: 9 }, (_, i) => option('call', 5, BigInt(i + 1), 1n)) },
      'TOO_MANY_LEGS',
    ],
    ['legs[0].quantity', { legs: [option('call', 5, 10n, 0n)] }, 'ZERO_QUANTITY'],
    ['prices', { prices: [{ expiryHour: 6, price: 1n }] }, 'NO_LEGS'],
  ])('names %s', async (field, change, code) => {
    await expect(settlementInput({ ...statement, ...change })).rejects.toMatchObject({ code, field });
  });
});

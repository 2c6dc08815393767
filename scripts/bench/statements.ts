/** Statements of every circuit about accounts that leave no leg unused, for measurements. */
import { POSITION_UNIT, tradeBetween } from '../../src/margin/exact/transfer.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import type { Leg } from '../../src/market/instrument.ts';
import type { MarketRound } from '../../src/market/words.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { insolvencyInput } from '../../src/proof/witness/insolvency.ts';
import { settlementInput } from '../../src/proof/witness/settlement.ts';
import { solvencyInput } from '../../src/proof/witness/solvency.ts';
import { transferInput } from '../../src/proof/witness/transfer.ts';
import { exampleCrash } from '../lib/example-crash.ts';
import { largeBook, listedChain } from './large-book.ts';

const SEED = 7;
/** More than any requirement of the book, 1e-6 USD. */
const AMPLE_CASH = 10n ** 15n;
const MOVING_COLLATERAL = 50_000_000_000n;
/** A requirement and a quarter, 2^-12. */
const INITIAL_LEVEL = 5_120n;

/** Inputs of a circuit; they differ from run to run by the context, and so do the proofs. */
export type StatementMaker = (circuit: string, run: number) => Promise<CircuitInput>;

type Statement = (capacity: number, context: bigint) => Promise<CircuitInput>;

/**
 * @returns a maker of inputs, of accounts of the example crash with as many legs as the circuit has room for. It throws for a
 * circuit of another kind
 */
export function statementMaker(): StatementMaker {
  const { opening, crashed } = exampleCrash();
  const chain = listedChain(opening);
  const accounts = (capacity: number) => largeBook(chain, 1, capacity, SEED)[0]!;
  const claim = (capacity: number, context: bigint) => ({
    ...accounts(capacity),
    salt: BigInt(SEED),
    round: crashed,
    parameters: DEFAULT_PARAMETERS,
    context,
    capacity,
  });
  const statements: Readonly<Record<string, Statement>> = {
    insolvency: (capacity, context) => insolvencyInput({ ...claim(capacity, context), scenarioIndex: 3 }),
    solvency: (capacity, context) =>
      solvencyInput({
        ...claim(capacity, context),
        cash: AMPLE_CASH,
        movingCollateral: MOVING_COLLATERAL,
        level: INITIAL_LEVEL,
      }),
    transfer: (capacity, context) => tradeOfHalf(accounts(capacity).legs, crashed, capacity, context),
    settlement: (capacity, context) => {
      const { legs, scale } = accounts(capacity);
      const { expiryHour } = legs.find(({ instrument }) => instrument.kind !== 'linear')!.instrument;
      const prices = [{ expiryHour, price: crashed.underlying.spot }];
      const { underlyingId } = crashed.underlying;
      return settlementInput({ legs, scale, salt: BigInt(SEED), prices, underlyingId, context, capacity });
    },
  };
  return (circuit, run) => {
    const [kind = '', capacity] = [circuit.replace(/-\d+$/, ''), Number(circuit.split('-').at(-1))];
    const statement = statements[kind];
    if (statement === undefined || !(capacity > 0)) {
      throw new Error(`There are no inputs to measure ${circuit} with.`);
    }
    return statement(capacity, BigInt(run));
  };
}

/** One account takes a part of a leg from another that holds the same instruments. */
function tradeOfHalf(
  legs: readonly Leg[],
  { underlying }: MarketRound,
  capacity: number,
  context: bigint,
): Promise<CircuitInput> {
  const side = { legs, scale: POSITION_UNIT };
  const before = { a: side, b: side };
  const [{ instrument, quantity }] = legs as [Leg];
  const after = tradeBetween(before, [{ instrument, quantity: quantity / 2n }]);
  return transferInput({
    before: { a: { ...before.a, salt: 1n }, b: { ...before.b, salt: 2n } },
    after: { a: { ...after.a, salt: 3n }, b: { ...after.b, salt: 4n } },
    underlyingId: underlying.underlyingId,
    context,
    capacity,
    // The first opening is published, the second one withheld.
    points: { a: 123_456_789n },
  });
}

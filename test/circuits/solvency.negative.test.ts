/** What `solvency` refuses: every single wire changed alone, and choices that a lying prover would like to make. */
import { beforeAll, describe, expect, it } from 'vitest';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { cashForSlack, exactSolvency } from '../../src/margin/exact/solvency.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { canonicalLegs, type Leg } from '../../src/market/instrument.ts';
import { SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { fieldText } from '../../src/proof/field.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { solvencyInput } from '../../src/proof/witness/solvency.ts';
import { type Accepted, expectRefused, liesAboutTheOpening, singleChanges } from './account-cases.ts';
import { far, legs, round } from './full-account.ts';

const scale = (1n << 40n) + 12_345n;
const COLLATERAL = 250_000_000_000n;

let circuit: CircuitTester;
let input: CircuitInput;
let witness: bigint[];

beforeAll(async () => {
  circuit = await CircuitTester.fromFile('circuits/main/solvency-8.circom');
  input = await solvencyInput({
    legs,
    scale,
    round,
    parameters: DEFAULT_PARAMETERS,
    cash: 900_000_000_000n,
    movingCollateral: COLLATERAL,
    level: 5120n,
    salt: 42n,
    context: 987_654_321n,
    capacity: 8,
  });
  witness = await circuit.witness(input);
});

const accepted = (): Accepted => ({ circuit, input, witness });

describe('single changes to a valid witness', () => singleChanges(accepted));

describe('a lying prover', () => {
  const refused = (change: Readonly<Record<string, unknown>>): Promise<void> =>
    expectRefused(accepted(), change);

  liesAboutTheOpening(accepted);
  it('cannot understate the worst loss, nor wrap it around the field', async () => {
    const worst = BigInt(input.worstLoss as string);
    await refused({ worstLoss: String(worst - 1n) });
    await refused({ worstLoss: '0' });
    await refused({ worstLoss: String(SCALAR_MODULUS - 1n) });
    await refused({ worstLoss: String(worst + (1n << 93n)) });
  });
  it('cannot leave any scenario out of the worst loss', { timeout: 300_000 }, async () => {
    const straddle = (quantity: bigint): readonly Leg[] =>
      canonicalLegs(
        (['call', 'put'] as const).map((kind) => ({
          instrument: { kind, expiryHour: far, strike: 960_000_000n },
          quantity,
        })),
      );
    // Short, it loses by moves and vols that rise; long, by vols that fall.
    const accounts = [straddle(-3_000_000n), straddle(3_000_000n)];
    const { scenarios } = DEFAULT_PARAMETERS;
    for (let counted = 1; counted < scenarios.length; counted++) {
      const parameters = {
        ...DEFAULT_PARAMETERS,
        scenarios: scenarios.map((scenario, place) => ({
          ...scenario,
          damping: place === 0 || place === counted ? 2 ** 16 : 1,
        })),
      };
      const worstOfAll = accounts.find(
        (held) => exactMargin({ legs: held, scale }, round, parameters).worstScenario === counted,
      );
      if (worstOfAll === undefined) throw new Error(`no account is worst off in scenario ${counted}`);
      const statement = { legs: worstOfAll, scale, round, parameters, cash: 10n ** 15n, level: 5120n };
      const honest = await solvencyInput({ ...statement, salt: 42n, context: 3n, capacity: 8 });
      await circuit.witness(honest);
      const less = BigInt(honest.worstLoss as string) - 1n;
      await expect(
        circuit.witness({ ...honest, worstLoss: String(less) }),
        `scenario ${counted}`,
      ).rejects.toMatchObject({ code: 'WITNESS_REJECTED' });
    }
  });
  it('may overstate it, which only costs him', async () => {
    await circuit.witness({ ...input, worstLoss: String(BigInt(input.worstLoss as string) + 1n) });
  });
  it('cannot claim a higher level, more scale or less debt than is public', async () => {
    await refused({ cash: String(SCALAR_MODULUS - 900_000_000_000n) });
    await refused({ level: '65535', cash: '1000000' });
  });
  it('cannot claim another quantity of collateral than is public', async () => {
    const statement = { legs, scale, round, parameters: DEFAULT_PARAMETERS, movingCollateral: COLLATERAL };
    const { slack } = exactSolvency({ ...statement, cash: 0n }, round, DEFAULT_PARAMETERS, 5120n);
    const least = cashForSlack(slack);
    const cash = fieldText(least);
    const quantity = BigInt(input.collateralQuantity as string);
    await circuit.witness({ ...input, cash });
    for (const lie of [0n, quantity / 2n, SCALAR_MODULUS - 1n, SCALAR_MODULUS - quantity]) {
      await refused({ cash, collateralQuantity: String(lie) });
    }
  });
});

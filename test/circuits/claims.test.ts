/**
 * What a prover of insolvency may choose: signs and scenario. No choice shows a requirement above the model's, or another mark.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { requirementWith } from '../../src/margin/exact/collateral.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { DEFAULT_PARAMETERS, type RiskParameters, SCENARIO_CAPACITY } from '../../src/margin/parameters.ts';
import { canonicalLegs, type Leg } from '../../src/market/instrument.ts';
import { SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { insolvencyInput, scenarioPlace } from '../../src/proof/witness/insolvency.ts';
import { figuresShown } from '../../src/proof/witness/testing.ts';
import { legs as fullLegs, round } from './full-account.ts';
import { expectRefused } from './tampering.ts';

const FILE = 'circuits/main/insolvency-8.circom';
const CHOICES = Number(process.env.ZKMARGIN_CHOICES ?? 24);
const SEED = Number(process.env.ZKMARGIN_SEED ?? 20261121);
const half = (SCALAR_MODULUS + 1n) / 2n;

/** Charges so high that a wrong sign costs more than everything else brings. */
const dear: RiskParameters = {
  ...DEFAULT_PARAMETERS,
  horizonSeconds: 604_800,
  basisMinimum: 2 ** 12,
  basisPerTenor: 2 ** 12,
  interestPerTenor: 2 ** 12,
  gammaRate: 2 ** 14,
  vegaRate: 2 ** 16,
};
const long = fullLegs.map((leg) => ({ ...leg, quantity: leg.quantity < 0n ? -leg.quantity : leg.quantity }));
// A synthetic forward against linear legs, far and near: nothing but charges.
const far = round.expiries[7]!;
const strike = (far.forward / 1_000_000n) * 10_000n;
const synthetic = canonicalLegs([
  { instrument: { kind: 'linear', expiryHour: 0, strike: 0n }, quantity: -5_000_000n },
  { instrument: { kind: 'call', expiryHour: far.expiryHour, strike }, quantity: 5_000_000n },
  { instrument: { kind: 'put', expiryHour: far.expiryHour, strike }, quantity: -5_000_000n },
]);
const accounts: readonly (readonly [string, readonly Leg[], RiskParameters])[] = [
  ['the full account', fullLegs, DEFAULT_PARAMETERS],
  ['the full account, dear', fullLegs, dear],
  ['all long, dear', long, dear],
  ['a synthetic forward, dear', synthetic, dear],
  ['nothing', [], dear],
];

let circuit: CircuitTester;
beforeAll(async () => {
  circuit = await CircuitTester.fromFile(FILE);
});

const inputOf = (
  legs: readonly Leg[],
  parameters: RiskParameters,
  scale = 1n << 40n,
): Promise<CircuitInput> =>
  insolvencyInput({ legs, scale, round, parameters, scenarioIndex: 0, salt: 42n, context: 1n, capacity: 8 });

describe('free choices', () => {
  it.each(accounts)('of %s show no more than the model', async (_, legs, parameters) => {
    const random = mulberry32(SEED);
    const bit = (): string => (random() < 0.5 ? '0' : '1');
    const scale = 2n ** 64n - 1n;
    const { mark } = exactMargin({ legs, scale }, round, parameters);
    const collaterals = [0n, 1_000_000n, 10n ** 12n, 10n ** 20n];
    const requirements = collaterals.map(
      (movingCollateral) => exactMargin({ legs, scale, movingCollateral }, round, parameters).requirement,
    );
    const honest = await inputOf(legs, parameters, scale);
    let shows = 0;
    for (let i = 0; i < CHOICES; i++) {
      const flip = (sign: string): string => (random() < 0.15 ? String(1 - Number(sign)) : sign);
      const of = (name: string): string[] => honest[name] as string[];
      const input = {
        ...honest,
        forwardSigns: i % 2 ? of('forwardSigns').map(bit) : of('forwardSigns').map(flip),
        valueSigns: i % 2 ? of('valueSigns').map(bit) : of('valueSigns').map(flip),
        deltaSign: i % 2 ? bit() : flip(honest.deltaSign as string),
        shortGamma: bit(),
        lossCounted: bit(),
        vegaSigns: i % 2 ? of('vegaSigns').map(bit) : of('vegaSigns').map(flip),
        scenarioIndex: scenarioPlace(Math.floor(random() * SCENARIO_CAPACITY)),
      };
      const witness = await circuit.witness(input).catch((error: { code?: string }) => {
        // An unused place beyond the range of price factors.
        expect(error.code).toBe('WITNESS_REJECTED');
        return undefined;
      });
      if (witness === undefined) continue;
      shows++;
      const shown = figuresShown(circuit, witness);
      expect(shown.mark).toBe(mark);
      collaterals.forEach((collateral, index) => {
        expect(requirementWith(shown.baseRequirement, shown.collateralSlope, collateral)).toBeLessThanOrEqual(
          requirements[index]!,
        );
      });
    }
    // Otherwise the choices were refused for something else, and nothing was compared.
    expect(shows, `of ${CHOICES}, seed ${SEED}`).toBeGreaterThanOrEqual(CHOICES / 2);
  });

  it('signs are booleans', async () => {
    const honest = await inputOf(fullLegs, DEFAULT_PARAMETERS);
    for (const lie of [2n, SCALAR_MODULUS - 1n, half, half + 1n].map(String)) {
      for (const name of ['deltaSign', 'shortGamma', 'lossCounted'])
        await expectRefused(circuit, { ...honest, [name]: lie });
      for (const name of ['forwardSigns', 'valueSigns', 'vegaSigns']) {
        for (const place of [0, 7]) {
          const signs = (honest[name] as string[]).map((old, e) => (e === place ? lie : old));
          await expectRefused(circuit, { ...honest, [name]: signs });
        }
      }
    }
  });
});

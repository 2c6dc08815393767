/**
 * Attacks on what `insolvency` shows since the requirement is a line in the moving collateral: quotients of negative dividends, figures
 * that reach into each other's bits, and any claim at legal extremes against the model at any collateral.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { requirementWith } from '../../src/margin/exact/collateral.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { DEFAULT_PARAMETERS, type RiskParameters, SCENARIO_CAPACITY } from '../../src/margin/parameters.ts';
import { canonicalLegs, type Leg } from '../../src/market/instrument.ts';
import { modR, SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { insolvencyInput, scenarioPlace } from '../../src/proof/witness/insolvency.ts';
import { figuresShown } from '../../src/proof/witness/testing.ts';
import { legs as fullLegs, round } from './full-account.ts';
import { type Lies, LyingTwin } from './tampering.ts';

const FILE = 'circuits/main/insolvency-8.circom';
const SEED = Number(process.env.ZKMARGIN_SEED ?? 20261122);
const CASES = Number(process.env.ZKMARGIN_ATTACKS ?? 40);

const divide = (lie: string): Lies => ({ divide: `if (divisor == 1000000) { ${lie} }` });
const inverse = '1 / divisor';
const LIES = {
  'a quotient one less': divide('q = q - 1;'),
  'a quotient one more': divide('q = q + 1;'),
  'a quotient rounded towards zero': divide('if (dividend < 0) { q = -((-dividend) \\ divisor); }'),
  'the quotient of the field': divide(`q = dividend * (${inverse});`),
  'a fraction of it': divide(`q = q + ${inverse};`),
  // The remainder takes what a turned low bit of the shift leaves: 2^-40 or 2^-76 of the field.
  'a turned bit of the shift of the mark': { shift: 'if (places == 40 && i == 39) { turned = 1; }' },
  'a turned bit of the shift of the requirement': { shift: 'if (places == 76 && i == 75) { turned = 1; }' },
  'a turned bit of the requirement that its quotient takes up': {
    shift: 'if (places == 76 && i == 75) { turned = 1; }',
    ...divide(`q = dividend * (${inverse});`),
  },
  'a turned bit of the mark that its quotient takes up': {
    shift: 'if (places == 40 && i == 39) { turned = 1; }',
    ...divide(`q = dividend * (${inverse});`),
  },
  'a requirement one place of the word higher': divide('q = q + (1 << 97);'),
} satisfies Readonly<Record<string, Lies>>;

const common = { scale: 2n ** 40n + 4_321n, round, salt: 42n, context: 1n, capacity: 8 };
let circuit: CircuitTester;
beforeAll(async () => {
  circuit = await CircuitTester.fromFile(FILE);
});

const gain: readonly Leg[] = fullLegs.map((leg) => ({
  ...leg,
  quantity: leg.quantity < 0n ? -leg.quantity : leg.quantity,
}));
/** A gain that is claimed to count, and a delta of the wrong sign: the requirement without collateral is below 0. */
async function negative(): Promise<CircuitInput> {
  const input = await insolvencyInput({
    ...common,
    legs: gain,
    parameters: DEFAULT_PARAMETERS,
    scenarioIndex: 34,
  });
  return { ...input, lossCounted: '1', deltaSign: input.deltaSign === '1' ? '0' : '1' };
}

describe('hints of a requirement below 0', () => {
  let twin: LyingTwin<keyof typeof LIES & string>;
  beforeAll(async () => {
    twin = await LyingTwin.compile('moving-attack', FILE, LIES);
  });

  it('is below 0', async () => {
    const shown = figuresShown(circuit, await circuit.witness(await negative()));
    expect(shown.baseRequirement).toBeLessThan(-1_000_000n);
    expect(shown.mark).toBeGreaterThan(0n);
  });

  it.each(Object.keys(LIES) as (keyof typeof LIES)[])('%s is refused', async (lie) => {
    let refused = 0;
    const liar = await twin.tells(lie);
    for (const input of [
      await negative(),
      await insolvencyInput({ ...common, legs: fullLegs, parameters: DEFAULT_PARAMETERS, scenarioIndex: 3 }),
    ]) {
      const honest = await (await twin.tells()).witness(input);
      const witness = await liar.witness(input).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'WITNESS_REJECTED' });
        return undefined;
      });
      // A hint that another rounding makes of a positive dividend is none that lies.
      if (witness?.every((value, wire) => value === honest[wire])) continue;
      refused++;
      if (witness !== undefined) expect(liar.violated(witness)).not.toEqual([]);
    }
    expect(refused).toBeGreaterThan(0);
  });
});

describe('the word of the figures', () => {
  it('moves with none of its parts alone, nor with two of them that keep it', async () => {
    const witness = await circuit.witness(await negative());
    const names = [
      'figures',
      'baseRequirement',
      'collateralSlope',
      'mark',
      'negatedMark',
      'requirementShift.out',
      'scaledRequirement',
      'scaledMark',
    ].filter((name) => circuit.symbols.wires.has(`main.${name}`));
    const at = (name: string): bigint => circuit.signal(witness, name);
    expect(names.length).toBeGreaterThan(2);
    for (const name of names) {
      for (const change of [1n, -1n, 1n << 96n, 1n << 97n, -(1n << 97n), SCALAR_MODULUS >> 1n]) {
        expect(
          circuit.violated(circuit.mutate(witness, { [name]: modR(at(name) + change) })),
          name,
        ).not.toEqual([]);
      }
    }
    for (const name of names) {
      for (const other of names) {
        if (name === other) continue;
        for (const [a, b] of [
          [1n << 97n, -1n],
          [-(1n << 97n), 1n],
          [1n, 1n],
          [1n, -1n],
        ] as const) {
          expect(
            circuit.violated(
              circuit.mutate(witness, { [name]: modR(at(name) + a), [other]: modR(at(other) + b) }),
            ),
            `${name} ${other}`,
          ).not.toEqual([]);
        }
      }
    }
  });
});

describe('any claim', () => {
  const dear: RiskParameters = {
    ...DEFAULT_PARAMETERS,
    horizonSeconds: 604_800,
    maintenanceFactor: 2 ** 14,
    priceStep: 21_845,
    shortOptionRate: 2 ** 14,
    basisMinimum: 2 ** 12,
    basisPerTenor: 2 ** 12,
    interestPerTenor: 2 ** 12,
    gammaRate: 2 ** 14,
    vegaRate: 2 ** 16,
    // With places that the layout does not have: a damped mark, vols alone, a place without a price move in the tail.
    scenarios: [...DEFAULT_PARAMETERS.scenarios.slice(0, 27), { priceMove: 0, volShock: 0, damping: 1 }],
  };
  it(`of ${CASES} (seed ${SEED}) shows at most the model's requirement at any collateral, and the model's mark`, {
    timeout: 600_000,
  }, async () => {
    const random = mulberry32(SEED);
    const bit = (): string => (random() < 0.5 ? '0' : '1');
    let negativeBases = 0;
    let unused = 0;
    for (let index = 0; index < CASES; index++) {
      const parameters = index % 3 === 0 ? DEFAULT_PARAMETERS : dear;
      const wild = {
        ...round,
        underlying: {
          ...round.underlying,
          realisedVolatility: index % 2 ? 2n ** 20n - 1n : round.underlying.realisedVolatility,
        },
      };
      const legs = canonicalLegs(
        (index % 4 === 0 ? gain : fullLegs)
          .filter(() => random() < 0.7)
          .map((leg) => ({
            ...leg,
            quantity: BigInt(Math.ceil(10 ** (random() * 12))) * (random() < 0.5 ? -1n : 1n),
          })),
      );
      const scale = index % 5 === 0 ? 2n ** 64n - 1n : 1n + BigInt(Math.floor(2 ** (random() * 62)));
      const honest = await insolvencyInput({
        ...common,
        scale,
        round: wild,
        legs,
        parameters,
        scenarioIndex: 0,
      });
      const of = (name: string): string[] => honest[name] as string[];
      const place = Math.floor(random() * SCENARIO_CAPACITY);
      if (place >= parameters.scenarios.length) unused++;
      const keep = random() < 0.6;
      const witness = await circuit.witness({
        ...honest,
        forwardSigns: keep ? of('forwardSigns') : of('forwardSigns').map(bit),
        valueSigns: keep ? of('valueSigns') : of('valueSigns').map(bit),
        vegaSigns: keep ? of('vegaSigns') : of('vegaSigns').map(bit),
        shortGamma: keep ? honest.shortGamma! : bit(),
        deltaSign: bit(),
        lossCounted: bit(),
        scenarioIndex: scenarioPlace(place),
      });
      const shown = figuresShown(circuit, witness);
      if (shown.baseRequirement < 0n) negativeBases++;
      const turning =
        shown.collateralSlope === 0n ? 0n : (-shown.baseRequirement << 54n) / shown.collateralSlope;
      for (const collateral of [
        0n,
        1n,
        10n ** 9n,
        10n ** 15n,
        2n ** 96n - 1n,
        turning - 1n,
        turning + 1n,
        2n * turning,
        10n * turning,
      ]) {
        if (collateral < 0n || collateral >= 2n ** 96n) continue;
        const model = exactMargin({ legs, scale, movingCollateral: collateral }, wild, parameters);
        expect(shown.mark).toBe(model.mark);
        expect(
          requirementWith(shown.baseRequirement, shown.collateralSlope, collateral) <= model.requirement,
          `case ${index}, place ${place}, collateral ${collateral}`,
        ).toBe(true);
      }
    }
    console.log({ negativeBases, unused });
  });
});

/** The contract of risk parameters and the model: what they accept, and what they commit to. */
import fc from 'fast-check';
import {
  type Address,
  createPublicClient,
  createWalletClient,
  type Hex,
  http,
  type PublicClient,
  type TransactionReceipt,
  type WalletClient,
} from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import {
  DEFAULT_LIQUIDATION_TERMS,
  type LiquidationTerms,
  liquidationTermsTuple,
  validateLiquidationTerms,
  validateTermsChange,
} from '../liquidation/terms.ts';
import {
  DEFAULT_PARAMETERS,
  packParameters,
  type RiskParameters,
  type Scenario,
  type VolShock,
  validateParameters,
} from '../margin/parameters.ts';
import { commitParameters } from '../proof/commitment.ts';
import { type Anvil, startAnvil } from './anvil.ts';
import { type ContractArtifact, linkedBytecode, loadArtifact } from './artifacts.ts';
import { buildContracts } from './build.ts';
import { includedReceipt } from './receipts.ts';
import { revertReason } from './reverts.ts';

/** What the contract says where the model names a field of the terms. */
const ERRORS: Readonly<Record<string, readonly string[]>> = {
  initialLevel: ['InitialLevelOutOfRange'],
  bufferBps: ['BufferOutOfRange'],
  penaltyBps: ['PenaltiesNotOrdered', 'PenaltyOutOfRange'],
  rewardShareBps: ['RewardShareOutOfRange'],
  backstopBps: ['BackstopOutOfRange'],
  feeBps: ['FeeOutOfRange'],
  tip: ['TipOutOfRange'],
  chipBps: ['ChipOutOfRange'],
  startFactorBps: ['StartFactorOutOfRange'],
  fastFactorBps: ['FactorsNotOrdered'],
  cuspFactorBps: ['FactorsNotOrdered', 'CuspFactorOutOfRange'],
  tailSeconds: ['TailOutOfRange'],
  fastSeconds: ['FastStageOutOfRange'],
  insolventSeconds: ['InsolventSecondsOutOfRange'],
  commitSeconds: ['SealedStageOutOfRange'],
  revealSeconds: ['SealedStageOutOfRange'],
  coolOffSeconds: ['CoolOffOutOfRange'],
  maxProofAge: ['MaxProofAgeOutOfRange'],
  minBidBps: ['MinBidOutOfRange'],
};

/** What the contract says where the model names a field of the parameters. */
const PARAMETER_ERRORS: Readonly<Record<string, string>> = {
  priceStep: 'PriceStepOutOfRange',
  volShockUp: 'VolShockUpOutOfRange',
  volShockDown: 'VolShockDownOutOfRange',
  tenorPowerShort: 'TenorPowerShortOutOfRange',
  tenorPowerLong: 'TenorPowerLongOutOfRange',
  tenorFloor: 'TenorFloorOutOfRange',
  maintenanceFactor: 'MaintenanceFactorOutOfRange',
  shortOptionRate: 'ShortOptionRateOutOfRange',
  horizonSeconds: 'HorizonOutOfRange',
  basisMinimum: 'BasisMinimumOutOfRange',
  basisPerTenor: 'BasisPerTenorOutOfRange',
  interestPerTenor: 'InterestPerTenorOutOfRange',
  gammaRate: 'GammaRateOutOfRange',
  vegaRate: 'VegaRateOutOfRange',
  'scenarios.priceMove': 'PriceMoveOutOfRange',
  'scenarios.volShock': 'VolShockOutOfRange',
  'scenarios.damping': 'DampingOutOfRange',
};

/** What the contract refuses beyond the model's bounds: solvency could not be proven, or a direction is wrong. */
const FURTHER_RULES = [
  'PriceStepTooSmall',
  'VolShocksSwapped',
  'TenorPowersSwapped',
  'ScenarioOutOfLayout',
  'DampingRises',
];

let anvil: Anvil;
let client: PublicClient;
let wallet: WalletClient;
let artifact: ContractArtifact;
let parameters: Address;

async function mined(hash: Hex): Promise<TransactionReceipt> {
  const receipt = await includedReceipt(client, hash);
  expect(receipt.status).toBe('success');
  return receipt;
}

async function deploy(
  contract: ContractArtifact,
  args: unknown[],
  libraries: Readonly<Record<string, Address>> = {},
): Promise<Address> {
  const bytecode = linkedBytecode(contract, libraries);
  const account = anvil.accounts[0]!;
  const hash = await wallet.deployContract({ abi: contract.abi, bytecode, args, account, chain: null });
  return (await mined(hash)).contractAddress!;
}

async function write(functionName: string, args: unknown[]): Promise<void> {
  const account = anvil.accounts[0]!;
  await mined(
    await wallet.writeContract({
      address: parameters,
      abi: artifact.abi,
      functionName,
      args,
      account,
      chain: null,
    }),
  );
}

/** The error with which the contract refuses a proposal, or `none`. */
async function proposed(
  underlyingId: number,
  terms: LiquidationTerms,
  model: RiskParameters = DEFAULT_PARAMETERS,
): Promise<string> {
  try {
    await client.simulateContract({
      address: parameters,
      abi: artifact.abi,
      functionName: 'propose',
      args: [underlyingId, model, terms],
      account: anvil.accounts[0]!,
    });
    return 'none';
  } catch (error) {
    const reason = revertReason(error);
    if (reason === undefined) throw error;
    return reason.name === 'StepTooLarge' ? `${reason.name} ${reason.args[0]}` : reason.name;
  }
}

/** The field that the model refuses, without index, or `none`. */
function refusedField(check: () => void): string {
  try {
    check();
    return 'none';
  } catch (error) {
    if (!isZkMarginError(error)) throw error;
    return error.field!.replace(/^\w+\./, '').replace(/\[\d+\]/, '');
  }
}

/** Numbers about a bound, for each field; what an ABI cannot carry is left out. */
const FIELDS: { readonly [Name in keyof LiquidationTerms]: fc.Arbitrary<LiquidationTerms[Name]> } = {
  initialLevel: fc.oneof(fc.integer({ min: 4_000, max: 7_000 }), fc.integer({ min: 16_000, max: 17_000 })),
  bufferBps: fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 9_000, max: 11_000 })),
  penaltyBps: fc
    .tuple(
      fc.integer({ min: 300, max: 1_000 }),
      fc.integer({ min: -10, max: 400 }),
      fc.integer({ min: -10, max: 400 }),
      fc.integer({ min: -10, max: 400 }),
    )
    .map(([a, b, c, d]) => [a, a + b, a + b + c, a + b + c + d] as const),
  volatilityThreshold: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  volatilityPenaltyBps: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 65_535 })),
  rewardShareBps: fc.integer({ min: 9_000, max: 11_000 }),
  atomicLimit: fc.bigInt(0n, 2n ** 96n - 1n),
  backstopBps: fc.integer({ min: 0, max: 600 }),
  feeBps: fc.integer({ min: 0, max: 400 }),
  tip: fc.oneof(fc.bigInt(0n, 510_000_000n), fc.bigInt(0n, 2n ** 64n - 1n)),
  chipBps: fc.integer({ min: 9_000, max: 11_000 }),
  startFactorBps: fc.integer({ min: 9_000, max: 10_500 }),
  fastFactorBps: fc.integer({ min: 7_000, max: 9_900 }),
  cuspFactorBps: fc.oneof(fc.integer({ min: 4_900, max: 5_100 }), fc.integer({ min: 7_900, max: 8_100 })),
  fastSeconds: fc.integer({ min: 0, max: 2_000 }),
  tailSeconds: fc.oneof(fc.integer({ min: 50, max: 3_000 }), fc.integer({ min: 86_000, max: 87_000 })),
  insolventSeconds: fc.oneof(fc.integer({ min: 50, max: 90 }), fc.integer({ min: 1_000, max: 87_000 })),
  commitSeconds: fc.oneof(fc.constant(0), fc.integer({ min: 5, max: 620 })),
  revealSeconds: fc.oneof(fc.constant(0), fc.integer({ min: 5, max: 620 })),
  coolOffSeconds: fc.integer({ min: 80_000, max: 90_000 }),
  maxProofAge: fc.oneof(fc.integer({ min: 5, max: 50 }), fc.integer({ min: 3_000, max: 3_700 })),
  minBidBps: fc.integer({ min: 4_000, max: 6_000 }),
};

/** Valid terms with a few fields drawn anew. */
const terms = fc
  .tuple(
    fc.record(FIELDS),
    fc.subarray(Object.keys(FIELDS) as (keyof LiquidationTerms)[], { minLength: 1, maxLength: 4 }),
  )
  .map(([drawn, names]) => {
    const chosen = Object.fromEntries(names.map((name) => [name, drawn[name]]));
    return { ...DEFAULT_LIQUIDATION_TERMS, ...chosen } as LiquidationTerms;
  });

type ParameterName = Exclude<keyof RiskParameters, 'scenarios'>;

/** Numbers about both bounds of a field, often the bounds themselves; what an ABI cannot carry is left out. */
function aboutBounds(least: number, largest: number): fc.Arbitrary<number> {
  return fc.oneof(
    fc.constantFrom(least, largest, largest + 1, Math.max(0, least - 1)),
    fc.integer({ min: least, max: largest }),
    fc.integer({ min: largest + 1, max: 2 ** 32 - 1 }),
  );
}

const PARAMETER_FIELDS: Readonly<Record<ParameterName, fc.Arbitrary<number>>> = {
  priceStep: fc.oneof(aboutBounds(1, 2 ** 18 - 1), fc.integer({ min: 3_750, max: 22_000 })),
  volShockUp: aboutBounds(0, 2 ** 13),
  volShockDown: aboutBounds(0, 2 ** 13),
  tenorPowerShort: aboutBounds(0, 2 ** 7),
  tenorPowerLong: aboutBounds(0, 2 ** 7),
  tenorFloor: aboutBounds(86_400, 2_592_000),
  maintenanceFactor: aboutBounds(2 ** 12, 2 ** 14),
  shortOptionRate: aboutBounds(0, 2 ** 14),
  horizonSeconds: aboutBounds(0, 604_800),
  basisMinimum: aboutBounds(0, 2 ** 12),
  basisPerTenor: aboutBounds(0, 2 ** 12),
  interestPerTenor: aboutBounds(0, 2 ** 12),
  gammaRate: aboutBounds(0, 2 ** 14),
  vegaRate: aboutBounds(0, 2 ** 16),
};
const PARAMETER_NAMES = Object.keys(PARAMETER_FIELDS) as ParameterName[];

/** A change of one of the default scenarios but the first. */
const scenarioChange = fc.tuple(
  fc.integer({ min: 1, max: 34 }),
  fc.oneof(
    fc.record({ priceMove: fc.integer({ min: -63, max: 63 }) }),
    fc.record({ volShock: fc.integer({ min: -3, max: 3 }).map((shock) => shock as VolShock) }),
    fc.record({ damping: aboutBounds(1, 2 ** 16) }),
  ),
);

/** The default parameters with up to two fields, and perhaps a scenario, drawn anew. */
const drawnParameters = fc
  .tuple(
    fc.record(PARAMETER_FIELDS),
    fc.subarray(PARAMETER_NAMES, { maxLength: 2 }),
    fc.option(scenarioChange, { freq: 3 }),
  )
  .map(([drawn, names, change]): RiskParameters => {
    // Not both the step and a scenario: the two name the first of several faults of a scenario in another order.
    const fields = names.filter((name) => change === null || name !== 'priceStep');
    const chosen = Object.fromEntries(fields.map((name) => [name, drawn[name]]));
    const scenarios = DEFAULT_PARAMETERS.scenarios.map(
      (scenario, index): Scenario =>
        change !== null && change[0] === index ? { ...scenario, ...change[1] } : scenario,
    );
    return { ...DEFAULT_PARAMETERS, ...chosen, scenarios };
  });

/** Parameters that the contract accepts, every field drawn anew. */
const acceptedParameters = fc
  .record({
    priceStep: fc.integer({ min: 3_764, max: 21_845 }),
    volShocks: fc.tuple(fc.integer({ min: 0, max: 2 ** 13 }), fc.integer({ min: 0, max: 2 ** 13 })),
    tenorPowers: fc.tuple(fc.integer({ min: 0, max: 2 ** 7 }), fc.integer({ min: 0, max: 2 ** 7 })),
    tenorFloor: fc.integer({ min: 86_400, max: 2_592_000 }),
    maintenanceFactor: fc.integer({ min: 2 ** 12, max: 2 ** 14 }),
    shortOptionRate: fc.integer({ min: 0, max: 2 ** 14 }),
    horizonSeconds: fc.integer({ min: 0, max: 604_800 }),
    basisMinimum: fc.integer({ min: 0, max: 2 ** 12 }),
    basisPerTenor: fc.integer({ min: 0, max: 2 ** 12 }),
    interestPerTenor: fc.integer({ min: 0, max: 2 ** 12 }),
    gammaRate: fc.integer({ min: 0, max: 2 ** 14 }),
    vegaRate: fc.integer({ min: 0, max: 2 ** 16 }),
    scenarioCount: fc.integer({ min: 31, max: 35 }),
    tailDamping: fc.integer({ min: 1, max: 2 ** 16 }),
  })
  .map(
    ({ volShocks, tenorPowers, scenarioCount, tailDamping, ...rest }): RiskParameters => ({
      ...rest,
      volShockUp: Math.max(...volShocks),
      volShockDown: Math.min(...volShocks),
      tenorPowerShort: Math.max(...tenorPowers),
      tenorPowerLong: Math.min(...tenorPowers),
      scenarios: DEFAULT_PARAMETERS.scenarios
        .slice(0, scenarioCount)
        .map((scenario, index) => (index < 31 ? scenario : { ...scenario, damping: tailDamping })),
    }),
  );

beforeAll(async () => {
  await buildContracts({ tests: true });
  anvil = await startAnvil();
  client = createPublicClient({ transport: http(anvil.url) });
  wallet = createWalletClient({ account: anvil.accounts[0]!, transport: http(anvil.url) });
  artifact = loadArtifact('RiskParameters');
  const poseidon = await deploy(loadArtifact('PoseidonT6'), []);
  parameters = await deploy(artifact, [anvil.accounts[0]!.address, 0n], { PoseidonT6: poseidon });
  const configuration = [1, DEFAULT_PARAMETERS, liquidationTermsTuple(DEFAULT_LIQUIDATION_TERMS)];
  await write('propose', configuration);
  await write('execute', configuration);
});

afterAll(async () => {
  await anvil?.stop();
});

describe('RiskParameters and the model', () => {
  it('pack and commit alike', async () => {
    const read = (functionName: string) =>
      client.readContract({ address: parameters, abi: artifact.abi, functionName, args: [1, 1n] });
    const { header, scenarioWords } = packParameters(DEFAULT_PARAMETERS);
    expect(await read('wordsAt')).toEqual([header, ...scenarioWords]);
    expect(await read('commitmentAt')).toBe(await commitParameters(DEFAULT_PARAMETERS));
    expect(await read('termsAt')).toEqual(DEFAULT_LIQUIDATION_TERMS);
  });

  it('pack and commit alike whatever the fields', async () => {
    let underlyingId = 10;
    await fc.assert(
      fc.asyncProperty(acceptedParameters, async (model) => {
        underlyingId++;
        const configuration = [underlyingId, model, liquidationTermsTuple(DEFAULT_LIQUIDATION_TERMS)];
        await write('propose', configuration);
        await write('execute', configuration);
        const read = (functionName: string) =>
          client.readContract({
            address: parameters,
            abi: artifact.abi,
            functionName,
            args: [underlyingId, 1n],
          });
        const { header, scenarioWords } = packParameters(model);
        expect(await read('wordsAt')).toEqual([header, ...scenarioWords]);
        expect(await read('commitmentAt')).toBe(await commitParameters(model));
      }),
      { numRuns: 25 },
    );
  });

  it('accept and refuse the same margin parameters', async () => {
    const seen = { accepted: 0, refused: 0, further: 0 };
    await fc.assert(
      fc.asyncProperty(drawnParameters, async (model) => {
        const field = refusedField(() => validateParameters(model));
        const error = await proposed(2, DEFAULT_LIQUIDATION_TERMS, model);
        if (field !== 'none') {
          expect(error).toBe(PARAMETER_ERRORS[field]);
          seen.refused++;
        } else if (error === 'none') {
          seen.accepted++;
        } else {
          expect(FURTHER_RULES).toContain(error);
          seen.further++;
        }
      }),
      { numRuns: 400 },
    );
    expect(Math.min(seen.accepted, seen.refused, seen.further)).toBeGreaterThan(20);
  });

  it('name the same field of the parameters at each bound', async () => {
    const seen = new Set<string>();
    const accepted = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.record(PARAMETER_FIELDS),
        fc.constantFrom(...PARAMETER_NAMES),
        async (drawn, name) => {
          const model = { ...DEFAULT_PARAMETERS, [name]: drawn[name] };
          const field = refusedField(() => validateParameters(model));
          const error = await proposed(2, DEFAULT_LIQUIDATION_TERMS, model);
          if (field !== 'none') {
            expect(error).toBe(PARAMETER_ERRORS[field]);
            seen.add(field);
          } else if (error === 'none') {
            accepted.add(name);
          } else {
            expect(FURTHER_RULES).toContain(error);
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(PARAMETER_NAMES.filter((name) => !seen.has(name))).toEqual([]);
    expect(PARAMETER_NAMES.filter((name) => !accepted.has(name))).toEqual([]);
  });

  it('accept and refuse the same terms', async () => {
    const seen = { accepted: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(terms, async (candidate) => {
        const field = refusedField(() => validateLiquidationTerms(candidate));
        // An underlying without a version, so that no step is limited.
        const error = await proposed(2, candidate);
        if (field === 'none') {
          expect(error).toBe('none');
          seen.accepted++;
        } else {
          expect(error).not.toBe('none');
          seen.refused++;
        }
      }),
      { numRuns: 400 },
    );
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(50);
  });

  it('name the same field when one alone is out of bounds', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.record(FIELDS),
        fc.constantFrom(...(Object.keys(FIELDS) as (keyof LiquidationTerms)[])),
        async (drawn, name) => {
          const candidate = { ...DEFAULT_LIQUIDATION_TERMS, [name]: drawn[name] } as LiquidationTerms;
          const field = refusedField(() => validateLiquidationTerms(candidate));
          if (field === 'none') return;
          const error = await proposed(2, candidate);
          expect(ERRORS[field]).toContain(error);
          seen.add(field);
        },
      ),
      { numRuns: 600 },
    );
    expect([...seen].sort()).toEqual(Object.keys(ERRORS).sort());
  });

  it('limit the same changes', async () => {
    const seen = { accepted: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(terms, async (candidate) => {
        if (refusedField(() => validateLiquidationTerms(candidate)) !== 'none') return;
        const field = refusedField(() => validateTermsChange(DEFAULT_LIQUIDATION_TERMS, candidate));
        expect(await proposed(1, candidate)).toBe(field === 'none' ? 'none' : `StepTooLarge ${field}`);
        if (field === 'none') seen.accepted++;
        else seen.refused++;
      }),
      { numRuns: 500 },
    );
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(20);
  });
});

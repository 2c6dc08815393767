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
import { DEFAULT_PARAMETERS, packParameters } from '../margin/parameters.ts';
import { commitParameters } from '../proof/commitment.ts';
import { type Anvil, startAnvil } from './anvil.ts';
import { type ContractArtifact, linkedBytecode, loadArtifact } from './artifacts.ts';
import { buildContracts } from './build.ts';
import { revertReason } from './reverts.ts';

/** What the contract says where the model names a field. */
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

let anvil: Anvil;
let client: PublicClient;
let wallet: WalletClient;
let artifact: ContractArtifact;
let parameters: Address;

async function mined(hash: Hex): Promise<TransactionReceipt> {
  const receipt = await client.waitForTransactionReceipt({ hash, pollingInterval: 20 });
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
async function proposed(underlyingId: number, terms: LiquidationTerms): Promise<string> {
  try {
    await client.simulateContract({
      address: parameters,
      abi: artifact.abi,
      functionName: 'propose',
      args: [underlyingId, DEFAULT_PARAMETERS, terms],
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
    return error.field!.replace('terms.', '').replace(/\[.*/, '');
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

import { type Address, createPublicClient, createWalletClient, http, type PublicClient } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LiquidationState, liquidationAmounts } from '../liquidation/amounts.ts';
import { DEFAULT_PARAMETERS, packParameters } from '../margin/parameters.ts';
import { type Anvil, startAnvil } from './anvil.ts';
import { linkedBytecode, loadArtifact, loadProtocolAbis, type ProtocolAbis } from './artifacts.ts';
import { buildContracts } from './build.ts';
import { type DeployerWallet, type Deployment, type DeployOptions, deployProtocol } from './deploy.ts';
import { ChainError, DevelopmentKeyError } from './errors.ts';
import { revertReason } from './reverts.ts';

/** One linear leg: the underlying itself, a quantity of 1. */
const LINEAR_LEG = (1n << 60n) + (3n << 36n);
const SETTINGS = { bufferBps: 1_000, penaltyBps: 500, rewardShareBps: 2_000 };

let anvil: Anvil;
let client: PublicClient;
let wallet: DeployerWallet;
let options: DeployOptions;
let deployment: Deployment;
let abis: ProtocolAbis;

async function write(
  address: Address,
  abi: ProtocolAbis['asset'],
  functionName: string,
  args: readonly unknown[],
) {
  const hash = await wallet.writeContract({
    address,
    abi,
    functionName,
    args,
    chain: null,
    account: wallet.account,
  });
  const receipt = await client.waitForTransactionReceipt({ hash, pollingInterval: 20 });
  expect(receipt.status).toBe('success');
}

beforeAll(async () => {
  await buildContracts({ tests: true });
  anvil = await startAnvil();
  client = createPublicClient({ transport: http(anvil.url) });
  wallet = createWalletClient({ account: anvil.accounts[0]!, transport: http(anvil.url) });
  options = {
    verifier: { contract: 'MockVerifier', keyOrigin: 'development' },
    settings: SETTINGS,
    treasury: anvil.accounts[1]!.address,
    settler: wallet.account.address,
    underlyings: [{ underlyingId: 1, reporter: wallet.account.address, maxAgeSeconds: 60 }],
  };
  deployment = await deployProtocol(wallet, options);
  abis = loadProtocolAbis();
});

afterAll(async () => {
  await anvil?.stop();
});

describe('deployProtocol', () => {
  it('wires the roles', async () => {
    const { clearingHouse, engine, oracle } = deployment;
    const read = (address: Address, abi: ProtocolAbis['asset'], functionName: string, args: unknown[] = []) =>
      client.readContract({ address, abi, functionName, args });
    expect(await read(clearingHouse, abis.clearingHouse, 'engine')).toBe(engine);
    expect(await read(clearingHouse, abis.clearingHouse, 'settler')).toBe(options.settler);
    expect(await read(oracle, abis.oracle, 'reporterOf', [1])).toBe(options.underlyings[0]!.reporter);
    expect(await read(engine, abis.engine, 'verifier')).toBe(deployment.verifier);
    expect(await read(engine, abis.engine, 'settings')).toEqual(SETTINGS);
    const fund = (await read(clearingHouse, abis.clearingHouse, 'getAccount', [
      deployment.fundAccountId,
    ])) as {
      owner: Address;
    };
    expect(fund.owner).toBe(options.treasury);
  });

  it('refuses a development key on a chain that is not local', async () => {
    const other = await startAnvil({ chainId: 1 });
    try {
      const foreign = createWalletClient({ account: anvil.accounts[0]!, transport: http(other.url) });
      const refusal = await deployProtocol(foreign, options).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(DevelopmentKeyError);
      expect(refusal).toMatchObject({ code: 'DEVELOPMENT_KEY_REFUSED', details: { chainId: 1 } });
      const ceremony = { ...options, verifier: { ...options.verifier, keyOrigin: 'ceremony' as const } };
      await expect(deployProtocol(foreign, ceremony)).resolves.toMatchObject({ chainId: 1 });
    } finally {
      await other.stop();
    }
  });

  it('names the contract that is missing', async () => {
    const missing = {
      ...options,
      verifier: { contract: 'NoSuchVerifier', keyOrigin: 'development' as const },
    };
    await expect(deployProtocol(wallet, missing)).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
    expect(() => linkedBytecode(loadArtifact('RiskParameters'))).toThrowError(
      expect.objectContaining({ code: 'LIBRARY_MISSING' }),
    );
    expect(() => linkedBytecode(loadArtifact('IRiskOracle'))).toThrowError(ChainError);
  });
});

describe('the contracts and the model', () => {
  it('pack the same parameters', async () => {
    await write(deployment.parameters, abis.parameters, 'setParameters', [1, DEFAULT_PARAMETERS]);
    const { header, scenarioWords } = packParameters(DEFAULT_PARAMETERS);
    const words = await client.readContract({
      address: deployment.parameters,
      abi: abis.parameters,
      functionName: 'wordsOf',
      args: [1],
    });
    expect(words).toEqual([header, ...scenarioWords]);
  });

  it('compute the same liquidations', async () => {
    const { clearingHouse, engine } = deployment;
    await write(clearingHouse, abis.clearingHouse, 'createAccount', [1]);
    const accountId = (await client.readContract({
      address: clearingHouse,
      abi: abis.clearingHouse,
      functionName: 'accountCount',
    })) as bigint;
    const random = generator(7);
    const seen = { liquidated: 0, healthy: 0, badDebt: 0, tooSmall: 0 };
    const { fundAccountId, asset } = deployment;
    await write(asset, abis.asset, 'mint', [wallet.account.address, 10n ** 12n]);
    await write(asset, abis.asset, 'approve', [clearingHouse, 10n ** 12n]);
    let cash = 0n;
    for (const [scaleBits, change] of [
      [1, 0n],
      [4, 7_654_321n],
      [40, -12_345_678_901n],
      [63, 98_765_432_109n],
    ] as const) {
      const scale = 2n ** BigInt(scaleBits) - 1n;
      await write(clearingHouse, abis.clearingHouse, 'attestPositions', [
        accountId,
        1n,
        scale,
        [LINEAR_LEG],
        2n,
      ]);
      if (change > 0n) await write(clearingHouse, abis.clearingHouse, 'deposit', [accountId, change]);
      if (change < 0n) {
        await write(clearingHouse, abis.clearingHouse, 'settleCash', [accountId, fundAccountId, -change]);
      }
      cash += change;
      const checks = Array.from({ length: 40 }, async () => {
        const requirement = 1n + random(2n ** (1n + random(94n)));
        const equity =
          random(16n) === 0n ? -random(requirement) : random(requirement + requirement / 8n + 1n);
        const mark = equity - cash;
        const state: LiquidationState = { cash, mark, requirement, scale };
        const [onChain, model] = await Promise.all([
          client
            .readContract({
              address: engine,
              abi: abis.engine,
              functionName: 'previewLiquidation',
              args: [accountId, mark, requirement],
            })
            .catch((error: unknown) => revertReason(error)?.name ?? error),
          Promise.resolve().then(() => amountsOrCode(state)),
        ]);
        if (typeof model === 'string') {
          expect(onChain).toBe(REVERTS[model]);
          if (model === 'NOT_LIQUIDATABLE') seen.healthy++;
          else if (model === 'BAD_DEBT') seen.badDebt++;
          else seen.tooSmall++;
        } else {
          expect(model).toMatchObject(onChain as object);
          seen.liquidated++;
        }
      });
      await Promise.all(checks);
    }
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(0);
  });

  it('name the errors of nested calls', async () => {
    const failure = await client
      .simulateContract({
        address: deployment.engine,
        abi: abis.engine,
        functionName: 'liquidate',
        args: [
          {
            accountId: 99n,
            round: 1n,
            mark: 0n,
            requirement: 0n,
            maxPayment: 0n,
            minScaleTaken: 0n,
            deadline: 2n ** 64n,
          },
          {
            a: [0n, 0n],
            b: [
              [0n, 0n],
              [0n, 0n],
            ],
            c: [0n, 0n],
          },
        ],
        account: wallet.account,
      })
      .catch((error: unknown) => error);
    expect(revertReason(failure)).toEqual({ name: 'UnknownAccount', args: [99n] });
    expect(revertReason(new Error('other'))).toBeUndefined();
  });
});

describe('startAnvil', () => {
  it('ends when told to, twice if need be', async () => {
    const other = await startAnvil({ chainId: 1_337, accounts: 2 });
    const otherClient = createPublicClient({ transport: http(other.url, { retryCount: 0 }) });
    expect(await otherClient.getChainId()).toBe(1_337);
    expect(other.accounts).toHaveLength(2);
    await other.stop();
    await other.stop();
    expect(() => process.kill(other.pid, 0)).toThrow();
  });
});

const REVERTS: Readonly<Record<string, string>> = {
  NOT_LIQUIDATABLE: 'AccountHealthy',
  BAD_DEBT: 'BadDebt',
  NOTHING_TO_LIQUIDATE: 'SliceTooSmall',
};

function amountsOrCode(state: LiquidationState) {
  try {
    return liquidationAmounts(state, {
      bufferBasisPoints: BigInt(SETTINGS.bufferBps),
      penaltyBasisPoints: BigInt(SETTINGS.penaltyBps),
      rewardBasisPoints: BigInt(SETTINGS.rewardShareBps),
    });
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Reproducible integers in `[0, limit)`. */
function generator(seed: number): (limit: bigint) => bigint {
  let state = BigInt(seed);
  return (limit) => {
    let value = 0n;
    for (let part = 0; part < 2; part++) {
      state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) % 2n ** 64n;
      value = (value << 48n) | (state >> 16n);
    }
    return value % limit;
  };
}

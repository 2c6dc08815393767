/** Deployment on a local chain: wiring, running it again, handing it over, refusals. */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type Address,
  createPublicClient,
  createWalletClient,
  http,
  type PublicClient,
  toFunctionSelector,
} from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INSTANCES } from '../proof/instances.ts';
import { type KeyManifest, loadManifest, verificationKeyPath } from '../proof/keys/artifacts.ts';
import { readAddressBook } from './address-book.ts';
import { type Anvil, startAnvil } from './anvil.ts';
import {
  ARTIFACT_DIRECTORY,
  linkedBytecode,
  loadArtifact,
  loadProtocolAbis,
  type ProtocolAbis,
  type ProtocolRole,
} from './artifacts.ts';
import { buildContracts } from './build.ts';
import {
  BATCH_CIRCUITS,
  type DeployerWallet,
  type Deployment,
  type DeployOptions,
  deployProtocol,
  FUND_ACCOUNT_ID,
} from './deploy.ts';
import type { DeploymentStep } from './deployer.ts';
import { ChainError } from './errors.ts';
import { NO_PROOF } from './requests/proofs.ts';
import { revertReason } from './reverts.ts';

let anvil: Anvil;
let client: PublicClient;
let wallet: DeployerWallet;
let options: DeployOptions;
let deployment: Deployment;
let abis: ProtocolAbis;
let directory: string;

function read<T>(role: ProtocolRole, functionName: string, args: readonly unknown[] = []): Promise<T> {
  const address = deployment[role];
  return client.readContract({ address, abi: abis[role], functionName, args }) as Promise<T>;
}

beforeAll(async () => {
  await buildContracts({ tests: true });
  directory = mkdtempSync(join(tmpdir(), 'zkmargin-deploy-'));
  anvil = await startAnvil();
  client = createPublicClient({ transport: http(anvil.url) });
  wallet = createWalletClient({ account: anvil.accounts[0]!, transport: http(anvil.url) });
  const sources = anvil.accounts.slice(1, 4).map(({ address }) => address);
  options = {
    parameterDelaySeconds: 0n,
    underlyings: [{ underlyingId: 1, sources }],
    fundCap: 1_000_000_000n,
    custodians: [anvil.accounts[5]!.address],
    fees: { flat: 1_000_000n, cashBps: 10 },
    addressBook: join(directory, 'local.json'),
  };
  deployment = await deployProtocol(wallet, options);
  abis = loadProtocolAbis();
});

afterAll(async () => {
  await anvil?.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('deployProtocol', () => {
  it('wires the contracts', async () => {
    const { clearingHouse, engine, auctionHouse, sealedBids, fund, owner } = deployment;
    expect(owner).toBe(wallet.account.address);
    expect(await read('clearingHouse', 'isEngine', [engine])).toBe(true);
    expect(await read('clearingHouse', 'isEngine', [auctionHouse])).toBe(true);
    expect(await read('clearingHouse', 'auctionHouse')).toBe(auctionHouse);
    expect(await read('clearingHouse', 'isCustodian', [options.custodians![0]])).toBe(true);
    expect(await read('clearingHouse', 'tradeFee')).toEqual([1_000_000n, 10]);
    expect(await read('auctionHouse', 'sealedBidStage')).toBe(sealedBids);
    expect(await read('vault', 'house')).toBe(clearingHouse);
    expect(await read('fund', 'clearingHouse')).toBe(clearingHouse);
    expect(await read<{ owner: Address }>('clearingHouse', 'getAccount', [FUND_ACCOUNT_ID])).toMatchObject({
      owner: fund,
    });
    expect([...(await read<Address[]>('oracle', 'sourcesOf', [1]))].sort()).toEqual(
      [...options.underlyings[0]!.sources].sort(),
    );
    expect(Object.keys(deployment.verifiers)).toHaveLength(INSTANCES.length + BATCH_CIRCUITS.length);
  });

  it('keeps what is done when it runs again, and does what is new', async () => {
    const steps: DeploymentStep[] = [];
    const again = await deployProtocol(wallet, { ...options, onStep: (step) => steps.push(step) });
    expect(again).toEqual({ ...deployment, gasUsed: 0n });
    expect(new Set(steps.map(({ action }) => action))).toEqual(new Set(['kept']));

    steps.length = 0;
    await deployProtocol(wallet, {
      ...options,
      underlyings: [...options.underlyings, { ...options.underlyings[0]!, underlyingId: 2 }],
      onStep: (step) => steps.push(step),
    });
    const done = steps.filter(({ action }) => action !== 'kept').map(({ name }) => name);
    expect(done).toHaveLength(5);
    expect(done.every((name) => name.includes('underlying 2'))).toBe(true);
  });

  it('lists collateral with the haircuts of both sorts of accounts, once', async () => {
    const steps: DeploymentStep[] = [];
    const { asset } = deployment;
    const kind = { token: asset, priceUnderlyingId: 1, haircutBps: 1_200, crossHaircutBps: 3_300, cap: 5n };
    for (const action of ['call', 'kept']) {
      steps.length = 0;
      await deployProtocol(wallet, {
        ...options,
        collateral: [kind],
        onStep: (step) => steps.push(step),
      });
      expect(steps.at(-1)).toMatchObject({ name: `collateral ${asset}`, action });
    }
    expect(await read('vault', 'collateralCount')).toBe(1n);
    expect(await read('vault', 'getCollateral', [1n])).toMatchObject({ ...kind, total: 0n });
  });

  it('writes an address book, and refuses one that is broken or of another chain', async () => {
    const book = readAddressBook(options.addressBook!)!;
    expect(book.chainId).toBe(31_337);
    expect(book.contracts.clearingHouse).toMatchObject({
      address: deployment.clearingHouse,
      contract: 'ClearingHouse',
    });
    const broken = join(directory, 'broken.json');
    writeFileSync(broken, readFileSync(options.addressBook!, 'utf8').slice(0, 100));
    await expect(deployProtocol(wallet, { ...options, addressBook: broken })).rejects.toMatchObject({
      code: 'ADDRESS_BOOK_MALFORMED',
    });
    const other = join(directory, 'other.json');
    writeFileSync(other, JSON.stringify({ ...book, chainId: 1 }));
    await expect(deployProtocol(wallet, { ...options, addressBook: other })).rejects.toMatchObject({
      code: 'WRONG_CHAIN',
    });
  });

  it('hands everything to a timelock, and can be told to do so again', async () => {
    const governance = { governors: [anvil.accounts[6]!.address], delaySeconds: 172_800n };
    const own = { ...options, addressBook: join(directory, 'governed.json') };
    const governed = await deployProtocol(wallet, { ...own, governance });
    expect(governed.owner).not.toBe(wallet.account.address);
    const { abi } = loadArtifact('Governance');
    const timelock = <T>(functionName: string, args: readonly unknown[] = []): Promise<T> =>
      client.readContract({ address: governed.owner, abi, functionName, args }) as Promise<T>;
    expect(await timelock('getMinDelay')).toBe(172_800n);
    const proposer = await timelock<`0x${string}`>('PROPOSER_ROLE');
    expect(await timelock('hasRole', [proposer, governance.governors[0]])).toBe(true);
    expect(await timelock('hasRole', [proposer, wallet.account.address])).toBe(false);
    for (const role of [
      'oracle',
      'parameters',
      'vault',
      'fund',
      'clearingHouse',
      'auctionHouse',
      'sealedBids',
    ] as const) {
      const owner = await client.readContract({
        address: governed[role],
        abi: abis[role],
        functionName: 'owner',
      });
      expect(owner, role).toBe(governed.owner);
    }
    expect(await deployProtocol(wallet, { ...own, governance })).toEqual({ ...governed, gasUsed: 0n });
  });

  it('refuses development keys on a chain that is not local', async () => {
    const other = await startAnvil({ chainId: 1 });
    try {
      const foreign = createWalletClient({ account: anvil.accounts[0]!, transport: http(other.url) });
      const { addressBook, ...fresh } = options;
      await expect(deployProtocol(foreign, fresh)).rejects.toMatchObject({
        code: 'DEVELOPMENT_KEY_REFUSED',
        details: { chainId: 1 },
      });
    } finally {
      await other.stop();
    }
  });

  it('wants governors and a settlement asset on a chain that is not local, before it deploys anything', async () => {
    const other = await startAnvil({ chainId: 1 });
    try {
      const foreign = createWalletClient({ account: anvil.accounts[0]!, transport: http(other.url) });
      const steps: DeploymentStep[] = [];
      const { addressBook, ...fresh } = options;
      const named = {
        ...fresh,
        keyDirectory: await ceremonyKeys(),
        onStep: (step: DeploymentStep) => steps.push(step),
      };
      const governance = { governors: [anvil.accounts[6]!.address], delaySeconds: 172_800n };
      const asset = deployment.asset;
      const refused = (given: Partial<DeployOptions>, code: string) =>
        expect(deployProtocol(foreign, { ...named, ...given }), code).rejects.toMatchObject({
          code,
          details: { chainId: 1 },
        });
      await refused({}, 'GOVERNANCE_MISSING');
      await refused({ asset }, 'GOVERNANCE_MISSING');
      await refused({ governance }, 'ASSET_MISSING');
      // The keys of the manifest in other contracts, all of them called those of a ceremony.
      const mismatch = { governance, asset };
      const verifiers = { 'insolvency-8': 'Insolvency16Verifier' };
      await refused({ ...mismatch, verifiers }, 'VERIFIER_MISMATCH');
      const batchVerifiers = { 'insolvency-8': 'Insolvency16BatchVerifier' };
      await refused({ ...mismatch, batchVerifiers }, 'VERIFIER_MISMATCH');
      const path = join(named.keyDirectory, 'ceremony', 'settlement-8.verification_key.json');
      writeFileSync(
        path,
        readFileSync(join(named.keyDirectory, 'ceremony', 'settlement-32.verification_key.json')),
      );
      await refused(mismatch, 'VERIFIER_MISMATCH');
      expect(steps).toEqual([]);
    } finally {
      await other.stop();
    }
  });

  /** Key files that call the development keys those of a ceremony, so that they pass on any chain. */
  async function ceremonyKeys(): Promise<string> {
    const keys = join(directory, 'ceremony-keys');
    mkdirSync(keys);
    const manifest: KeyManifest = structuredClone(await loadManifest());
    for (const entry of Object.values(manifest.circuits)) {
      Object.assign(entry, { provenance: 'ceremony', ceremony: { zkeySha256: '0'.repeat(64) } });
    }
    writeFileSync(join(keys, 'manifest.json'), JSON.stringify(manifest));
    cpSync(dirname(verificationKeyPath('insolvency-8')), join(keys, 'ceremony'), { recursive: true });
    return keys;
  }

  it.each([
    [
      'insolvency-8',
      { verifiers: { 'insolvency-8': 'AlwaysTrue' } },
      'verifyProof(uint256[2],uint256[2][2],uint256[2],uint256[14])',
    ],
    [
      'settlement-32',
      { verifiers: { 'settlement-32': 'AlwaysTrue' } },
      'verifyProof(uint256[2],uint256[2][2],uint256[2],uint256[10])',
    ],
    [
      'insolvency-32 batch',
      { batchVerifiers: { 'insolvency-32': 'AlwaysTrue' } },
      'verifyBatch((uint256[2],uint256[2][2],uint256[2])[],uint256[14][])',
    ],
  ])(
    'goes no further with a verifier of %s that anyone can forge for',
    async (role, verifiers, signature) => {
      const steps: DeploymentStep[] = [];
      const addressBook = join(directory, `${role}.json`);
      copyFileSync(options.addressBook!, addressBook);
      const failure = await deployProtocol(wallet, {
        ...options,
        ...verifiers,
        addressBook,
        artifactDirectory: artifactsWithAlwaysTrue(signature),
        onStep: (step) => steps.push(step),
      }).catch((error: unknown) => error);
      const { address } = readAddressBook(addressBook)!.contracts[`verifier ${role}`]!;
      expect(failure).toMatchObject({
        code: 'VERIFIER_FORGEABLE',
        message: `The verifier of ${role} accepts a forged proof.`,
        details: { address },
      });
      expect(steps.filter(({ action }) => action !== 'kept')).toEqual([
        { name: `verifier ${role}`, action: 'deploy' },
      ]);
      expect(steps.every(({ name }) => name.startsWith('verifier '))).toBe(true);
    },
  );

  /** The verifiers' artefacts, and that of a contract whose answer is true whenever this one function is called. */
  function artifactsWithAlwaysTrue(signature: string): string {
    const artifacts = join(directory, 'artifacts');
    for (const { contract } of Object.values(readAddressBook(options.addressBook!)!.contracts)) {
      const folder = `${contract}.sol`;
      if (/Verifier$/.test(contract)) {
        cpSync(join(ARTIFACT_DIRECTORY, folder), join(artifacts, folder), { recursive: true });
      }
    }
    mkdirSync(join(artifacts, 'AlwaysTrue.sol'), { recursive: true });
    // PUSH0, CALLDATALOAD, PUSH1 224, SHR, PUSH4 the selector, EQ; PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN.
    const runtime = `5f3560e01c63${toFunctionSelector(signature).slice(2)}145f5260205ff3`;
    const artifact = { abi: [], bytecode: { object: `0x70${runtime}5f526011600ff3` } };
    writeFileSync(join(artifacts, 'AlwaysTrue.sol', 'AlwaysTrue.json'), JSON.stringify(artifact));
    return artifacts;
  }

  it('names the contract that is missing', async () => {
    const { addressBook, ...fresh } = options;
    await expect(
      deployProtocol(wallet, { ...fresh, verifiers: { 'solvency-8': 'NoSuchVerifier' } }),
    ).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
    expect(() => linkedBytecode(loadArtifact('RiskParameters'))).toThrowError(
      expect.objectContaining({ code: 'LIBRARY_MISSING' }),
    );
    expect(() => linkedBytecode(loadArtifact('IRiskOracle'))).toThrowError(ChainError);
  });
});

describe('revertReason', () => {
  it('names the errors of nested calls', async () => {
    const failure = await client
      .simulateContract({
        address: deployment.engine,
        abi: abis.engine,
        functionName: 'liquidate',
        args: [
          {
            accountId: 99n,
            nonce: 0n,
            vesselId: 99n,
            round: 1n,
            mark: 0n,
            baseRequirement: 0n,
            collateralSlope: 0n,
            capacity: 8,
            maxPayment: 0n,
            minScaleTaken: 0n,
            deadline: 2n ** 64n,
          },
          NO_PROOF,
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

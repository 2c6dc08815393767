/** Deploys the protocol and wires its roles. */
import {
  type Account,
  type Address,
  type Chain,
  createPublicClient,
  custom,
  getAddress,
  type Hex,
  type PublicClient,
  type Transport,
  type WalletClient,
} from 'viem';
import { type ContractArtifact, linkedBytecode, loadArtifact } from './artifacts.ts';
import { ChainError, DevelopmentKeyError } from './errors.ts';

/** Chains on which a verifier of a development key may be deployed. */
export const LOCAL_CHAIN_IDS: readonly number[] = [31_337, 1_337];

/** Settings of liquidations, in basis points. */
export interface EngineSettings {
  /** Accounts are brought to the requirement and this part of it; at most 10,000. */
  readonly bufferBps: number;
  /** Part of the sold equity that the trader loses; at most 2,000. */
  readonly penaltyBps: number;
  /** The keeper's part of the penalty; at most 10,000. */
  readonly rewardShareBps: number;
}

/** Which verifier judges proofs. */
export interface VerifierChoice {
  /** Name of the verifier's contract. */
  readonly contract: string;
  /** Name of its source file without `.sol`, when it differs from the contract's. */
  readonly file?: string;
  /**
   * Where its key comes from. Anyone can forge proofs for a development key; a test ceremony's secrets may be known. On a
   * chain that is not local, both this and the manifest of keys must say `ceremony`.
   */
  readonly keyOrigin: 'development' | 'test ceremony' | 'ceremony';
}

/** An underlying to be set up in the oracle. */
export interface UnderlyingSetup {
  /** 32 bits. */
  readonly underlyingId: number;
  /** Who posts rounds. */
  readonly reporter: Address;
  /** For how many seconds a round is fresh, in [1, 86,400]. */
  readonly maxAgeSeconds: number;
}

/** What to deploy. The deploying wallet becomes the owner of all contracts. */
export interface DeployOptions {
  readonly verifier: VerifierChoice;
  readonly settings: EngineSettings;
  /** Owns the fund's account. */
  readonly treasury: Address;
  /** Attests positions and settles premiums. */
  readonly settler: Address;
  readonly underlyings: readonly UnderlyingSetup[];
  /** Settlement asset with 6 decimals; a test token that anyone can mint is deployed when absent. */
  readonly asset?: Address;
  /** Where the contracts' artefacts are. */
  readonly artifactDirectory?: string;
  /** Where the manifest of keys is; `proving-keys` unless given. */
  readonly keyDirectory?: string;
}

/** Where everything is. */
export interface Deployment {
  readonly chainId: number;
  readonly asset: Address;
  readonly oracle: Address;
  readonly parameters: Address;
  readonly clearingHouse: Address;
  readonly engine: Address;
  readonly verifier: Address;
  readonly poseidonT6: Address;
  /** Account of the treasury in the clearing house. */
  readonly fundAccountId: bigint;
  /** Gas used by the whole deployment, wiring included. */
  readonly gasUsed: bigint;
}

/** A wallet with an account, as `createWalletClient({ account, chain, transport })` makes it. */
export type DeployerWallet = WalletClient<Transport, Chain | undefined, Account>;

/**
 * Deploys the Poseidon library, oracle, parameters, clearing house, verifier and engine, and sets engine, settler and
 * reporters. Risk parameters are set separately.
 *
 * @throws DevelopmentKeyError for a key of no public ceremony on a chain that is not local
 * @throws ChainError `ARTIFACT_MISSING`, `DEPLOYMENT_FAILED`
 */
export async function deployProtocol(wallet: DeployerWallet, options: DeployOptions): Promise<Deployment> {
  const client = createPublicClient({ transport: custom({ request: wallet.request as never }) });
  const chainId = await client.getChainId();
  if (!LOCAL_CHAIN_IDS.includes(chainId)) {
    const { contract, keyOrigin } = options.verifier;
    const { keyOriginOf } = await import('../proof/ceremony/origin.ts');
    const recorded = await keyOriginOf(contract, options.keyDirectory);
    if (keyOrigin !== 'ceremony' || (recorded ?? 'ceremony') !== 'ceremony') {
      throw new DevelopmentKeyError(chainId, contract);
    }
  }
  const deployer = new Deployer(wallet, client, options.artifactDirectory);
  const owner = wallet.account.address;

  const verifier = await deployer.deploy(options.verifier.contract, [], { file: options.verifier.file });
  const poseidonT6 = await deployer.deploy('PoseidonT6');
  const asset = options.asset ?? (await deployer.deploy('TestUsd'));
  const oracle = await deployer.deploy('RiskOracle', [owner]);
  const parameters = await deployer.deploy('RiskParameters', [owner], {
    libraries: { PoseidonT6: poseidonT6 },
  });
  const clearingHouse = await deployer.deploy('ClearingHouse', [asset, owner, options.treasury]);
  const engine = await deployer.deploy('LiquidationEngine', [
    owner,
    oracle,
    parameters,
    clearingHouse,
    verifier,
    options.settings,
  ]);

  await deployer.call('ClearingHouse', clearingHouse, 'setEngine', [engine]);
  await deployer.call('ClearingHouse', clearingHouse, 'setSettler', [options.settler]);
  for (const { underlyingId, reporter, maxAgeSeconds } of options.underlyings) {
    await deployer.call('RiskOracle', oracle, 'configureUnderlying', [underlyingId, reporter, maxAgeSeconds]);
  }
  const fundAccountId = (await client.readContract({
    address: clearingHouse,
    abi: deployer.artifact('ClearingHouse').abi,
    functionName: 'FUND_ACCOUNT_ID',
  })) as bigint;
  return {
    chainId,
    asset,
    oracle,
    parameters,
    clearingHouse,
    engine,
    verifier,
    poseidonT6,
    fundAccountId,
    gasUsed: deployer.gasUsed,
  };
}

/** Sends the transactions of one deployment and waits for each. */
class Deployer {
  gasUsed = 0n;
  readonly #wallet: DeployerWallet;
  readonly #client: PublicClient;
  readonly #directory: string | undefined;

  constructor(wallet: DeployerWallet, client: PublicClient, directory: string | undefined) {
    this.#wallet = wallet;
    this.#client = client;
    this.#directory = directory;
  }

  artifact(name: string, file?: string): ContractArtifact {
    return loadArtifact(name, {
      ...(file === undefined ? {} : { file }),
      ...(this.#directory === undefined ? {} : { directory: this.#directory }),
    });
  }

  async deploy(
    name: string,
    args: readonly unknown[] = [],
    options: {
      readonly file?: string | undefined;
      readonly libraries?: Readonly<Record<string, Address>>;
    } = {},
  ): Promise<Address> {
    const artifact = this.artifact(name, options.file);
    const bytecode = linkedBytecode(artifact, options.libraries);
    const receipt = await this.#mined(`the deployment of ${name}`, () =>
      this.#wallet.deployContract({
        abi: artifact.abi,
        bytecode,
        args,
        chain: this.#wallet.chain ?? null,
        account: this.#wallet.account,
      }),
    );
    if (receipt.contractAddress === null || receipt.contractAddress === undefined) {
      throw new ChainError('DEPLOYMENT_FAILED', `The deployment of ${name} made no contract.`, {
        contract: name,
      });
    }
    return getAddress(receipt.contractAddress);
  }

  async call(
    contract: string,
    address: Address,
    functionName: string,
    args: readonly unknown[],
  ): Promise<void> {
    const { abi } = this.artifact(contract);
    await this.#mined(`${contract}.${functionName}`, () =>
      this.#wallet.writeContract({
        address,
        abi,
        functionName,
        args,
        chain: this.#wallet.chain ?? null,
        account: this.#wallet.account,
      }),
    );
  }

  async #mined(what: string, send: () => Promise<Hex>) {
    try {
      const hash = await send();
      const receipt = await this.#client.waitForTransactionReceipt({ hash, pollingInterval: 50 });
      if (receipt.status !== 'success') {
        throw new ChainError('DEPLOYMENT_FAILED', `The transaction of ${what} was reverted.`, { hash });
      }
      this.gasUsed += receipt.gasUsed;
      return receipt;
    } catch (cause) {
      if (cause instanceof ChainError) throw cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new ChainError('DEPLOYMENT_FAILED', `Sending ${what} failed: ${message}`, {}, { cause });
    }
  }
}

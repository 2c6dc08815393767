/** The whole protocol on a local chain, with real contracts and the real verifier; used by the demo and end-to-end tests. */
import {
  type Address,
  createPublicClient,
  createTestClient,
  createWalletClient,
  decodeEventLog,
  type Hex,
  http,
  type PublicClient,
  type TestClient,
  type TransactionReceipt,
} from 'viem';
import { type Anvil, startAnvil } from '../../src/chain/anvil.ts';
import { loadArtifact, loadProtocolAbis, type ProtocolAbis } from '../../src/chain/artifacts.ts';
import { buildContracts } from '../../src/chain/build.ts';
import { type DeployerWallet, type Deployment, deployProtocol } from '../../src/chain/deploy.ts';
import { DEFAULT_LIQUIDATION_SETTINGS, type LiquidationAmounts } from '../../src/liquidation/amounts.ts';
import type { ExampleAccount } from '../../src/margin/example-book.ts';
import type { RiskParameters } from '../../src/margin/parameters.ts';
import { packLeg } from '../../src/market/instrument.ts';
import { type MarketRound, packRound } from '../../src/market/words.ts';
import { commitPositions } from '../../src/proof/commitment.ts';
import type { ProofCalldata } from '../../src/proof/prover/backend.ts';

/** An account of the clearing house, as the contract gives it. */
export interface HouseAccount {
  readonly owner: Address;
  readonly nonce: bigint;
  readonly underlyingId: number;
  readonly commitment: bigint;
  readonly cash: bigint;
  readonly scale: bigint;
}

/** What a keeper sends beside the proof; see `LiquidationOrder` in the engine. */
export interface Order {
  readonly accountId: bigint;
  readonly round: bigint;
  readonly mark: bigint;
  readonly requirement: bigint;
  readonly maxPayment: bigint;
  readonly minScaleTaken: bigint;
  readonly deadline: bigint;
}

/** What a liquidation did, from its event and receipt. */
export interface LiquidationOutcome {
  readonly subAccountId: bigint;
  readonly amounts: Pick<
    LiquidationAmounts,
    | 'scaleTaken'
    | 'cashTaken'
    | 'equityTaken'
    | 'traderProceeds'
    | 'penalty'
    | 'reward'
    | 'fundFee'
    | 'sliceDeposit'
  >;
  readonly gasUsed: bigint;
  readonly transactionHash: Hex;
}

export interface LocalProtocolOptions {
  /** Chain time at the start, seconds. */
  readonly timestamp: bigint;
  readonly underlyingId: bigint;
  /** Rounds older than this cannot be liquidated by. */
  readonly maxAgeSeconds?: number;
  readonly chainId?: number;
}

const SETTINGS = {
  bufferBps: Number(DEFAULT_LIQUIDATION_SETTINGS.bufferBasisPoints),
  penaltyBps: Number(DEFAULT_LIQUIDATION_SETTINGS.penaltyBasisPoints),
  rewardShareBps: Number(DEFAULT_LIQUIDATION_SETTINGS.rewardBasisPoints),
};

/** A local chain with the protocol deployed. Call {@link LocalProtocol.stop} when done. */
export class LocalProtocol {
  readonly anvil: Anvil;
  readonly client: PublicClient;
  readonly deployment: Deployment;
  readonly abis: ProtocolAbis;
  readonly underlyingId: bigint;
  /** Deployer, oracle reporter and settler. */
  readonly operator: DeployerWallet;
  readonly keeper: DeployerWallet;
  readonly #test: TestClient;
  /** Each sender's next nonce, so that transactions can be sent without waiting for one another. */
  readonly #nonces = new Map<Address, number>();

  private constructor(
    parts: Pick<
      LocalProtocol,
      'anvil' | 'client' | 'deployment' | 'abis' | 'underlyingId' | 'operator' | 'keeper'
    >,
    test: TestClient,
  ) {
    this.anvil = parts.anvil;
    this.client = parts.client;
    this.deployment = parts.deployment;
    this.abis = parts.abis;
    this.underlyingId = parts.underlyingId;
    this.operator = parts.operator;
    this.keeper = parts.keeper;
    this.#test = test;
  }

  static async start(options: LocalProtocolOptions): Promise<LocalProtocol> {
    await buildContracts();
    const anvil = await startAnvil({
      timestamp: Number(options.timestamp),
      ...(options.chainId === undefined ? {} : { chainId: options.chainId }),
    });
    try {
      const transport = http(anvil.url);
      const client = createPublicClient({ transport, pollingInterval: 25 });
      const operator = createWalletClient({ account: anvil.accounts[0]!, transport });
      const keeper = createWalletClient({ account: anvil.accounts[2]!, transport });
      const deployment = await deployProtocol(operator, {
        verifier: { contract: 'Insolvency8Verifier', keyOrigin: 'development' },
        settings: SETTINGS,
        treasury: anvil.accounts[1]!.address,
        settler: operator.account.address,
        underlyings: [
          {
            underlyingId: Number(options.underlyingId),
            reporter: operator.account.address,
            maxAgeSeconds: options.maxAgeSeconds ?? 600,
          },
        ],
      });
      const protocol = new LocalProtocol(
        {
          anvil,
          client,
          deployment,
          abis: loadProtocolAbis(),
          underlyingId: options.underlyingId,
          operator,
          keeper,
        },
        createTestClient({ mode: 'anvil', transport }),
      );
      const { asset, clearingHouse } = deployment;
      for (const wallet of [operator, keeper]) {
        await protocol.write(wallet, asset, 'asset', 'mint', [wallet.account.address, 10n ** 15n]);
        await protocol.write(wallet, asset, 'asset', 'approve', [clearingHouse, 10n ** 15n]);
      }
      return protocol;
    } catch (error) {
      await anvil.stop();
      throw error;
    }
  }

  /** Sends a transaction without waiting for it. */
  async send(
    wallet: DeployerWallet,
    address: Address,
    contract: keyof ProtocolAbis,
    functionName: string,
    args: readonly unknown[],
    gas?: bigint,
  ): Promise<Hex> {
    const sender = wallet.account.address;
    const nonce =
      this.#nonces.get(sender) ??
      (await this.client.getTransactionCount({ address: sender, blockTag: 'pending' }));
    const hash = await wallet.writeContract({
      address,
      abi: this.abis[contract],
      functionName,
      args,
      nonce,
      chain: null,
      account: wallet.account,
      ...(gas === undefined ? {} : { gas }),
    });
    this.#nonces.set(sender, nonce + 1);
    return hash;
  }

  async receipt(hash: Hex): Promise<TransactionReceipt> {
    const receipt = await this.client.waitForTransactionReceipt({ hash, pollingInterval: 20 });
    if (receipt.status !== 'success') throw new Error(`Transaction ${hash} was reverted.`);
    return receipt;
  }

  async write(
    wallet: DeployerWallet,
    address: Address,
    contract: keyof ProtocolAbis,
    functionName: string,
    args: readonly unknown[],
  ): Promise<TransactionReceipt> {
    return this.receipt(await this.send(wallet, address, contract, functionName, args));
  }

  async setParameters(parameters: RiskParameters): Promise<void> {
    await this.write(this.operator, this.deployment.parameters, 'parameters', 'setParameters', [
      Number(this.underlyingId),
      parameters,
    ]);
  }

  /** Posts a round and returns its number and the gas it took. */
  async postRound(round: MarketRound): Promise<{ number: bigint; gasUsed: bigint }> {
    const { underlyingWord, expiryWords } = packRound(round);
    const receipt = await this.write(this.operator, this.deployment.oracle, 'oracle', 'postRound', [
      Number(this.underlyingId),
      underlyingWord,
      expiryWords,
    ]);
    const number = await this.client.readContract({
      address: this.deployment.oracle,
      abi: this.abis.oracle,
      functionName: 'latestRound',
      args: [Number(this.underlyingId)],
    });
    return { number: BigInt(number as bigint | number), gasUsed: receipt.gasUsed };
  }

  /** Opens accounts on chain: created, funded, and their positions attested. Returns their ids in order. */
  async openAccounts(
    accounts: readonly ExampleAccount[],
    onProgress?: (done: number) => void,
  ): Promise<bigint[]> {
    const { clearingHouse, fundAccountId } = this.deployment;
    const traders = this.anvil.accounts
      .slice(3, 9)
      .map((account) => createWalletClient({ account, transport: http(this.anvil.url) }));
    const house = (wallet: DeployerWallet, functionName: string, args: readonly unknown[]): Promise<Hex> =>
      this.send(wallet, clearingHouse, 'clearingHouse', functionName, args);
    const ids: bigint[] = [];
    for (const [index, account] of accounts.entries()) {
      await this.receipt(
        await house(traders[index % traders.length]!, 'createAccount', [Number(this.underlyingId)]),
      );
      const id = (await this.client.readContract({
        address: clearingHouse,
        abi: this.abis.clearingHouse,
        functionName: 'accountCount',
      })) as bigint;
      ids.push(id);
      if (account.cash > 0n) await house(this.operator, 'deposit', [id, account.cash]);
      const hash = await house(this.operator, 'attestPositions', [
        id,
        await commitPositions(account),
        account.scale,
        account.legs.map((leg) => packLeg(leg)),
        account.salt,
      ]);
      await this.receipt(hash);
      // An account that owes cash has paid it into the fund's account.
      if (account.cash < 0n) await house(this.operator, 'settleCash', [id, fundAccountId, -account.cash]);
      onProgress?.(index + 1);
    }
    return ids;
  }

  async account(accountId: bigint): Promise<HouseAccount> {
    return (await this.client.readContract({
      address: this.deployment.clearingHouse,
      abi: this.abis.clearingHouse,
      functionName: 'getAccount',
      args: [accountId],
    })) as HouseAccount;
  }

  /** Time of the next block at the earliest, in seconds. */
  async now(): Promise<bigint> {
    return (await this.client.getBlock()).timestamp;
  }

  /** Moves the chain's clock and mines a block. */
  async advance(seconds: number): Promise<void> {
    await this.#test.increaseTime({ seconds });
    await this.#test.mine({ blocks: 1 });
  }

  async snapshot(): Promise<Hex> {
    return this.#test.snapshot();
  }

  async revert(id: Hex): Promise<void> {
    await this.#test.revert({ id });
    this.#nonces.clear();
  }

  /** Calls `liquidate` without sending it: throws the contract's error when it would be refused. */
  async simulateLiquidation(order: Order, calldata: ProofCalldata, sender?: Address): Promise<void> {
    await this.client.simulateContract({
      address: this.deployment.engine,
      abi: this.abis.engine,
      functionName: 'liquidate',
      args: [order, proofArgument(calldata)],
      account: sender ?? this.keeper.account.address,
    });
  }

  async liquidate(order: Order, calldata: ProofCalldata): Promise<LiquidationOutcome> {
    const receipt = await this.write(this.keeper, this.deployment.engine, 'engine', 'liquidate', [
      order,
      proofArgument(calldata),
    ]);
    for (const log of receipt.logs) {
      if (log.address.toLowerCase() !== this.deployment.engine.toLowerCase()) continue;
      const event = decodeEventLog({ abi: this.abis.engine, data: log.data, topics: log.topics });
      if (event.eventName !== 'Liquidated') continue;
      const args = event.args as unknown as { subAccountId: bigint; amounts: LiquidationOutcome['amounts'] };
      return {
        subAccountId: args.subAccountId,
        amounts: args.amounts,
        gasUsed: receipt.gasUsed,
        transactionHash: receipt.transactionHash,
      };
    }
    throw new Error('The engine emitted no Liquidated event.');
  }

  /**
   * Gas of a transaction that does nothing but call the verifier. Sent with a fixed limit: the verifier answers false when its
   * precompiles run out of gas, so an estimate would find the least gas for a wrong answer.
   */
  async verificationGas(calldata: ProofCalldata, publicSignals: readonly string[]): Promise<bigint> {
    const { abi } = loadArtifact('Insolvency8Verifier');
    const { a, b, c } = proofArgument(calldata);
    const args = [a, b, c, publicSignals.map(BigInt)];
    const address = this.deployment.verifier;
    const valid = await this.client.readContract({ address, abi, functionName: 'verifyProof', args });
    if (valid !== true) throw new Error('The verifier refuses the proof.');
    const hash = await this.keeper.writeContract({
      address,
      abi,
      functionName: 'verifyProof',
      args,
      gas: 1_000_000n,
      chain: null,
      account: this.keeper.account,
    });
    this.#nonces.delete(this.keeper.account.address);
    return (await this.receipt(hash)).gasUsed;
  }

  async stop(): Promise<void> {
    await this.anvil.stop();
  }
}

function proofArgument({ a, b, c }: ProofCalldata): {
  a: bigint[];
  b: bigint[][];
  c: bigint[];
} {
  return { a: a.map(BigInt), b: b.map((row) => row.map(BigInt)), c: c.map(BigInt) };
}

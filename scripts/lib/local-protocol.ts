/** The whole protocol on a local chain, with real contracts and real verifiers; used by the demo and end-to-end tests. */
import { setTimeout } from 'node:timers/promises';
import {
  type Address,
  createPublicClient,
  createTestClient,
  createWalletClient,
  decodeEventLog,
  type Hex,
  http,
  type LocalAccount,
  type PublicClient,
  type TestClient,
  type TransactionReceipt,
} from 'viem';
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import type { AddressBook } from '../../src/chain/address-book.ts';
import { type Anvil, startAnvil } from '../../src/chain/anvil.ts';
import {
  loadProtocolAbis,
  PROTOCOL_CONTRACTS,
  type ProtocolAbis,
  type ProtocolRole,
} from '../../src/chain/artifacts.ts';
import { buildContracts } from '../../src/chain/build.ts';
import { signTradeConsent } from '../../src/chain/consent.ts';
import { type DeployerWallet, type Deployment, deployProtocol } from '../../src/chain/deploy.ts';
import {
  DEFAULT_ORACLE_CONFIGURATION,
  type OracleConfiguration,
} from '../../src/chain/deployment-options.ts';
import { postRoundArguments, signReport } from '../../src/chain/oracle-report.ts';
import { includedReceipt } from '../../src/chain/receipts.ts';
import type { MarketView } from '../../src/chain/requests/market.ts';
import type { Prover } from '../../src/chain/requests/proofs.ts';
import { type PreparedTrade, prepareTrade, type TradeParty } from '../../src/chain/requests/trade.ts';
import {
  DEFAULT_LIQUIDATION_TERMS,
  type LiquidationTerms,
  liquidationTermsTuple,
} from '../../src/liquidation/terms.ts';
import type { RiskParameters } from '../../src/margin/parameters.ts';
import { type MarketRound, packRound } from '../../src/market/words.ts';

/** An account of the clearing house, as the contract gives it. */
export interface HouseAccount {
  readonly owner: Address;
  readonly nonce: bigint;
  readonly underlyingId: number;
  readonly commitment: bigint;
  readonly cash: bigint;
  readonly scale: bigint;
  readonly inAuction: boolean;
}

/** What a local protocol starts with. */
export interface LocalProtocolOptions {
  /** Chain time at the start, seconds. */
  readonly timestamp: bigint;
  readonly underlyingId: bigint;
  readonly parameters: RiskParameters;
  readonly terms?: LiquidationTerms;
  readonly oracle?: Partial<OracleConfiguration>;
  /** Cap of the insurance fund's payments, 1e-6 units. */
  readonly fundCap?: bigint;
  readonly chainId?: number;
}

/** A round that the oracle has accepted. */
export interface AcceptedRound {
  readonly number: bigint;
  /** As accepted: its timestamp may be later than that of the round that was posted first. */
  readonly round: MarketRound;
  /** Gas of the last post. */
  readonly gasUsed: bigint;
  /** Whether the breaker asked for a second post. */
  readonly confirmed: boolean;
}

/** Keys of the local price sources: for local chains alone. */
const SOURCE_KEYS: readonly Hex[] = [1, 2, 3].map((index) => `0x${String(index).repeat(64)}` as Hex);
const PLENTY = 10n ** 15n;
const RECEIPT_POLL_MS = 20;
const RECEIPT_TIMEOUT_MS = 60_000;
const POOL_TIMEOUT_MS = 2_000;

/** A local chain with the protocol deployed. Call {@link LocalProtocol.stop} when done. */
export class LocalProtocol {
  readonly anvil: Anvil;
  readonly client: PublicClient;
  readonly deployment: Deployment;
  readonly abis: ProtocolAbis;
  readonly underlyingId: bigint;
  readonly parameters: RiskParameters;
  readonly terms: LiquidationTerms;
  readonly sources: readonly PrivateKeyAccount[];
  readonly #test: TestClient;
  readonly #wallets: readonly DeployerWallet[];
  /** Each sender's next nonce, so that transactions can be sent without waiting for one another. */
  readonly #nonces = new Map<Address, number>();
  #newest: AcceptedRound | undefined;

  private constructor(
    anvil: Anvil,
    client: PublicClient,
    deployment: Deployment,
    options: LocalProtocolOptions,
    sources: readonly PrivateKeyAccount[],
  ) {
    this.anvil = anvil;
    this.client = client;
    this.deployment = deployment;
    this.abis = loadProtocolAbis();
    this.underlyingId = options.underlyingId;
    this.parameters = options.parameters;
    this.terms = options.terms ?? DEFAULT_LIQUIDATION_TERMS;
    this.sources = sources;
    const transport = http(anvil.url);
    this.#test = createTestClient({ mode: 'anvil', transport });
    this.#wallets = anvil.accounts.map((account) => createWalletClient({ account, transport }));
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
      const sources = SOURCE_KEYS.map((key) => privateKeyToAccount(key));
      const deployment = await deployProtocol(operator, {
        parameterDelaySeconds: 0n,
        underlyings: [
          {
            underlyingId: Number(options.underlyingId),
            sources: sources.map(({ address }) => address),
            configuration: { ...DEFAULT_ORACLE_CONFIGURATION, maxRoundAge: 600, ...options.oracle },
          },
        ],
        fundCap: options.fundCap ?? PLENTY,
        nudge: () => createTestClient({ mode: 'anvil', transport }).mine({ blocks: 1 }),
      });
      const protocol = new LocalProtocol(anvil, client, deployment, options, sources);
      await protocol.fund(protocol.operator, protocol.keeper);
      await protocol.setParameters(options.parameters, protocol.terms);
      return protocol;
    } catch (error) {
      await anvil.stop();
      throw error;
    }
  }

  /** The deployment as an address book, for commands that read one. */
  addressBook(): AddressBook {
    const zero: Hex = `0x${'00'.repeat(32)}`;
    const contracts = Object.entries(PROTOCOL_CONTRACTS).map(([role, contract]) => [
      role,
      { address: this.deployment[role as ProtocolRole], contract, initHash: zero, transactionHash: zero },
    ]);
    return { schema: 1, chainId: this.anvil.chainId, contracts: Object.fromEntries(contracts) };
  }

  /** Wallet of a local account. */
  wallet(index: number): DeployerWallet {
    const wallet = this.#wallets[index];
    if (wallet === undefined) throw new RangeError(`There is no local account ${index}.`);
    return wallet;
  }

  /** Deployer and owner of the contracts. */
  get operator(): DeployerWallet {
    return this.wallet(0);
  }

  get keeper(): DeployerWallet {
    return this.wallet(1);
  }

  /** The newest round with the parameters in force. */
  get market(): MarketView {
    if (this.#newest === undefined) throw new Error('Post a round first.');
    const { number, round } = this.#newest;
    return {
      chainId: BigInt(this.anvil.chainId),
      number,
      round,
      parameters: this.parameters,
      initialLevel: BigInt(this.terms.initialLevel),
    };
  }

  /** Sends a transaction without waiting for it. */
  async send(
    wallet: DeployerWallet,
    role: ProtocolRole,
    functionName: string,
    args: readonly unknown[] = [],
    gas?: bigint,
  ): Promise<Hex> {
    return this.#inOrder(wallet, (nonce) =>
      wallet.writeContract({
        address: this.deployment[role],
        abi: this.abis[role],
        functionName,
        args,
        nonce,
        chain: null,
        account: wallet.account,
        ...(gas === undefined ? {} : { gas }),
      }),
    );
  }

  /** Sends calldata to any contract, or creates one, without waiting for it. */
  async sendData(wallet: DeployerWallet, data: Hex, to?: Address): Promise<Hex> {
    const { account } = wallet;
    const target = to === undefined ? {} : { to };
    return this.#inOrder(wallet, (nonce) =>
      wallet.sendTransaction({ ...target, data, nonce, chain: null, account }),
    );
  }

  /** Sends a wallet's next transaction. */
  async #inOrder(wallet: DeployerWallet, send: (nonce: number) => Promise<Hex>): Promise<Hex> {
    const sender = wallet.account.address;
    const nonce =
      this.#nonces.get(sender) ??
      (await this.client.getTransactionCount({ address: sender, blockTag: 'pending' }));
    const hash = await send(nonce);
    this.#nonces.set(sender, nonce + 1);
    return hash;
  }

  /** Asks until the receipt is there. @throws Error when the transaction was reverted */
  async receipt(hash: Hex): Promise<TransactionReceipt> {
    // Right after the chain was set back, anvil may leave a transaction lying until the next block.
    const nudge = () => this.#test.mine({ blocks: 1 });
    const receipt = await includedReceipt(this.client, hash, {
      pollMs: RECEIPT_POLL_MS,
      timeoutMs: RECEIPT_TIMEOUT_MS,
      nudge,
    });
    if (receipt.status !== 'success') throw new Error(`Transaction ${hash} was reverted.`);
    return receipt;
  }

  /** Sends a transaction and waits until it is included. */
  async write(
    wallet: DeployerWallet,
    role: ProtocolRole,
    functionName: string,
    args: readonly unknown[] = [],
    gas?: bigint,
  ): Promise<TransactionReceipt> {
    return this.receipt(await this.send(wallet, role, functionName, args, gas));
  }

  /** Calls without sending: throws the contract's error when the transaction would be refused. */
  async simulate(
    wallet: DeployerWallet,
    role: ProtocolRole,
    functionName: string,
    args: readonly unknown[] = [],
  ): Promise<unknown> {
    const { result } = await this.client.simulateContract({
      address: this.deployment[role],
      abi: this.abis[role],
      functionName,
      args,
      account: wallet.account,
    });
    return result;
  }

  read<T>(role: ProtocolRole, functionName: string, args: readonly unknown[] = []): Promise<T> {
    return this.client.readContract({
      address: this.deployment[role],
      abi: this.abis[role],
      functionName,
      args,
    }) as Promise<T>;
  }

  /** Arguments of the events of this name that a contract emitted in a transaction. */
  events<T>(receipt: TransactionReceipt, role: ProtocolRole, eventName: string): readonly T[] {
    return receipt.logs.flatMap((log) => {
      if (log.address.toLowerCase() !== this.deployment[role].toLowerCase()) return [];
      const event = decodeEventLog({ abi: this.abis[role], data: log.data, topics: log.topics });
      return event.eventName === eventName ? [event.args as unknown as T] : [];
    });
  }

  /** Arguments of the first event of this name that a contract emitted in a transaction. */
  event<T>(receipt: TransactionReceipt, role: ProtocolRole, eventName: string): T {
    const [first] = this.events<T>(receipt, role, eventName);
    if (first === undefined) throw new Error(`${role} emitted no ${eventName} event.`);
    return first;
  }

  /** Gives wallets test money, and lets the clearing house take it. */
  async fund(...wallets: readonly DeployerWallet[]): Promise<void> {
    for (const wallet of wallets) {
      await this.write(wallet, 'asset', 'mint', [wallet.account.address, PLENTY]);
      await this.write(wallet, 'asset', 'approve', [this.deployment.clearingHouse, PLENTY]);
    }
  }

  async setParameters(parameters: RiskParameters, terms: LiquidationTerms): Promise<void> {
    const args = [Number(this.underlyingId), parameters, liquidationTermsTuple(terms)];
    await this.write(this.operator, 'parameters', 'propose', args);
    await this.write(this.operator, 'parameters', 'execute', args);
  }

  /** Has all sources sign a round and posts it; a second time, a little later, when the breaker wants it confirmed. */
  async postRound(round: MarketRound): Promise<AcceptedRound> {
    const first = await this.post(round);
    if (first.accepted) return this.#accepted(round, first.gasUsed, false);
    await this.advance(2);
    const later: MarketRound = {
      ...round,
      underlying: { ...round.underlying, timestamp: round.underlying.timestamp + 1n },
    };
    const second = await this.post(later);
    if (!second.accepted) throw new Error('The oracle did not confirm the round.');
    return this.#accepted(later, second.gasUsed, true);
  }

  /** Posts a round once; it may be left waiting for a second one. */
  async post(round: MarketRound): Promise<{ accepted: boolean; gasUsed: bigint }> {
    const domain = { chainId: this.anvil.chainId, oracle: this.deployment.oracle };
    const words = packRound(round);
    const reports = await Promise.all(this.sources.map((source) => signReport(source, domain, words)));
    const before = await this.read<bigint>('oracle', 'latestRound', [Number(this.underlyingId)]);
    const receipt = await this.write(
      this.operator,
      'oracle',
      'postRound',
      postRoundArguments(Number(this.underlyingId), reports),
    );
    const after = await this.read<bigint>('oracle', 'latestRound', [Number(this.underlyingId)]);
    return { accepted: after !== before, gasUsed: receipt.gasUsed };
  }

  async #accepted(round: MarketRound, gasUsed: bigint, confirmed: boolean): Promise<AcceptedRound> {
    const number = await this.read<bigint>('oracle', 'latestRound', [Number(this.underlyingId)]);
    this.#newest = { number: BigInt(number), round, gasUsed, confirmed };
    return this.#newest;
  }

  /** Creates an account with cash. */
  async createFunded(wallet: DeployerWallet, amount: bigint): Promise<bigint> {
    const [id] = await this.createVessels(wallet, [amount]);
    return id!;
  }

  /** Creates accounts with cash, for a keeper's slices or for trading. */
  async createVessels(wallet: DeployerWallet, amounts: readonly bigint[]): Promise<bigint[]> {
    const receipt = await this.write(wallet, 'clearingHouse', 'createFundedAccounts', [
      Number(this.underlyingId),
      amounts,
    ]);
    const { accountId } = this.event<{ accountId: bigint }>(receipt, 'clearingHouse', 'AccountCreated');
    return amounts.map((_, index) => accountId + BigInt(index));
  }

  /** Proves a trade, has both owners consent, and sends it. */
  async trade(
    prover: Prover,
    a: TradeParty & { readonly wallet: DeployerWallet },
    b: TradeParty & { readonly wallet: DeployerWallet },
    cashToA: bigint,
  ): Promise<TransactionReceipt> {
    const prepared = await prepareTrade(prover, this.market, {
      clearingHouse: this.deployment.clearingHouse,
      underlyingId: this.underlyingId,
      a,
      b,
      cashToA,
    });
    return this.write(this.operator, 'clearingHouse', 'trade', await this.tradeArguments(prepared, a, b));
  }

  /** Arguments of `trade`, with the consents of both owners. */
  async tradeArguments(
    prepared: PreparedTrade,
    a: Pick<TradeParty, 'nonce'> & { readonly wallet: DeployerWallet },
    b: Pick<TradeParty, 'nonce'> & { readonly wallet: DeployerWallet },
  ): Promise<readonly unknown[]> {
    const deadline = (await this.now()) + 3_600n;
    const consent = async (side: 'a' | 'b') => {
      const [own, other] = side === 'a' ? [prepared.a, prepared.b] : [prepared.b, prepared.a];
      const { wallet, nonce } = side === 'a' ? a : b;
      const terms = { maxFee: PLENTY, deadline };
      const signature = await signTradeConsent(
        wallet.account as LocalAccount,
        { chainId: this.anvil.chainId, house: this.deployment.clearingHouse },
        {
          ...terms,
          accountId: own.accountId,
          counterpartyId: other.accountId,
          accountNonce: nonce,
          consentNonce: await this.read<bigint>('clearingHouse', 'consentNonceOf', [own.accountId]),
          newCommitment: own.newCommitment,
          newScale: own.newScale,
          custodian: own.opening.custodian,
          cashIn: side === 'a' ? prepared.cashToA : -prepared.cashToA,
        },
      );
      return { ...own, consent: { ...terms, signature } };
    };
    const { cashToA, round, proofs } = prepared;
    return [{ a: await consent('a'), b: await consent('b'), cashToA, round }, proofs];
  }

  async account(accountId: bigint): Promise<HouseAccount> {
    return this.read<HouseAccount>('clearingHouse', 'getAccount', [accountId]);
  }

  /** Time of the newest block, in seconds. */
  async now(): Promise<bigint> {
    return (await this.client.getBlock()).timestamp;
  }

  /** Moves the chain's clock and mines a block. */
  async advance(seconds: number): Promise<void> {
    await this.#test.increaseTime({ seconds });
    await this.#test.mine({ blocks: 1 });
  }

  /** Moves the chain's clock to a time that lies ahead. */
  async advanceTo(timestamp: bigint): Promise<void> {
    const seconds = Number(timestamp - (await this.now()));
    if (seconds > 0) await this.advance(seconds);
  }

  async snapshot(): Promise<{ readonly id: Hex; readonly newest: AcceptedRound | undefined }> {
    return { id: await this.#test.snapshot(), newest: this.#newest };
  }

  /** Sets the chain back, and drops what waits to be mined. */
  async revert({ id, newest }: Awaited<ReturnType<LocalProtocol['snapshot']>>): Promise<void> {
    if (!(await this.#poolEmpties())) {
      await this.#test.request({ method: 'anvil_dropAllTransactions' } as never);
    }
    await this.#test.revert({ id });
    this.#newest = newest;
    this.#nonces.clear();
  }

  /**
   * Waits a while until the pool has let go of what was mined. anvil shows a receipt before that, and would count the
   * transaction among the sender's again once the chain is set back: the next nonce would be too high, and what is sent with
   * it never mined.
   */
  async #poolEmpties(): Promise<boolean> {
    const began = performance.now();
    for (;;) {
      const { pending, queued } = await this.#test.getTxpoolStatus();
      if (pending + queued === 0) return true;
      if (performance.now() - began > POOL_TIMEOUT_MS) return false;
      await setTimeout(RECEIPT_POLL_MS);
    }
  }

  /** Puts as many empty blocks in the place of the newest ones; their transactions are gone. */
  async reorganise(depth: number): Promise<void> {
    // Whatever is left comes into the block below.
    await this.#poolEmpties();
    // No block is mined at the same time.
    await this.#test.setAutomine(false);
    try {
      await this.#test.request({ method: 'anvil_reorg', params: [depth, []] } as never);
    } finally {
      await this.#test.setAutomine(true);
    }
    // What has come in meanwhile would wait for the next transaction.
    if ((await this.#test.getTxpoolStatus()).pending > 0) await this.#test.mine({ blocks: 1 });
    this.#nonces.clear();
  }

  async stop(): Promise<void> {
    await this.anvil.stop();
  }
}

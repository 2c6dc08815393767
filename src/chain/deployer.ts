/** Deploys contracts step by step, and skips what an earlier run has done. */
import {
  type Abi,
  type Account,
  type Address,
  type Chain,
  createPublicClient,
  custom,
  encodeDeployData,
  getAddress,
  type Hex,
  keccak256,
  type PublicClient,
  type TransactionReceipt,
  type Transport,
  type WalletClient,
} from 'viem';
import { textOfError } from '../errors.ts';
import { type AddressBook, emptyAddressBook, readAddressBook, writeAddressBook } from './address-book.ts';
import { type ContractArtifact, linkedBytecode, loadArtifact } from './artifacts.ts';
import { ChainError } from './errors.ts';
import { includedReceipt, type ReceiptWait } from './receipts.ts';

/** A wallet with an account, as `createWalletClient({ account, chain, transport })` makes it. */
export type DeployerWallet = WalletClient<Transport, Chain | undefined, Account>;

/** How a {@link Deployer} works. */
export interface DeployerOptions extends Pick<ReceiptWait, 'nudge'> {
  /** File of the address book; nothing is kept without one. */
  readonly addressBook?: string;
  /** Where the contracts' artefacts are. */
  readonly artifactDirectory?: string;
  /** Told of each step before it is taken or skipped. */
  readonly onStep?: (step: DeploymentStep) => void;
}

/** A step of a deployment. */
export interface DeploymentStep {
  readonly name: string;
  /** `kept` when an earlier run has done it. */
  readonly action: 'deploy' | 'call' | 'kept';
}

/** Sends the transactions of one deployment and waits for each. */
export class Deployer {
  /** Gas of all transactions of this run. */
  gasUsed = 0n;
  readonly client: PublicClient;
  readonly #wallet: DeployerWallet;
  readonly #options: DeployerOptions;
  #book: AddressBook;

  private constructor(
    wallet: DeployerWallet,
    client: PublicClient,
    book: AddressBook,
    options: DeployerOptions,
  ) {
    this.#wallet = wallet;
    this.client = client;
    this.#book = book;
    this.#options = options;
  }

  /** @throws ChainError `ADDRESS_BOOK_MALFORMED`; `WRONG_CHAIN` for an address book of another chain */
  static async create(wallet: DeployerWallet, options: DeployerOptions = {}): Promise<Deployer> {
    const client = createPublicClient({ transport: custom({ request: wallet.request as never }) });
    const chainId = await client.getChainId();
    const kept = options.addressBook === undefined ? undefined : readAddressBook(options.addressBook);
    if (kept !== undefined && kept.chainId !== chainId) {
      throw new ChainError('WRONG_CHAIN', 'Use another address book: this one is of another chain.', {
        chainId,
        expected: kept.chainId,
      });
    }
    return new Deployer(wallet, client, kept ?? emptyAddressBook(chainId), options);
  }

  /** Who deploys. */
  get sender(): Address {
    return this.#wallet.account.address;
  }

  get chainId(): number {
    return this.#book.chainId;
  }

  artifact(name: string, file?: string): ContractArtifact {
    const { artifactDirectory } = this.#options;
    return loadArtifact(name, {
      ...(file === undefined ? {} : { file }),
      ...(artifactDirectory === undefined ? {} : { directory: artifactDirectory }),
    });
  }

  /**
   * Deploys a contract, unless the address book has the same code with the same arguments and the chain has it too.
   *
   * @param role name in the address book
   * @throws ChainError of the artefact; `DEPLOYMENT_FAILED`
   */
  async deploy(
    role: string,
    contract: string,
    args: readonly unknown[] = [],
    options: { readonly file?: string; readonly libraries?: Readonly<Record<string, Address>> } = {},
  ): Promise<Address> {
    const artifact = this.artifact(contract, options.file);
    const data = encodeDeployData({
      abi: artifact.abi,
      bytecode: linkedBytecode(artifact, options.libraries),
      args,
    });
    const initHash = keccak256(data);
    const kept = this.#book.contracts[role];
    if (kept?.initHash === initHash && (await this.client.getCode({ address: kept.address })) !== undefined) {
      this.#options.onStep?.({ name: role, action: 'kept' });
      return kept.address;
    }
    this.#options.onStep?.({ name: role, action: 'deploy' });
    const receipt = await this.#mined(`the deployment of ${contract}`, () =>
      this.#wallet.sendTransaction({
        data,
        chain: this.#wallet.chain ?? null,
        account: this.#wallet.account,
      }),
    );
    if (receipt.contractAddress === null || receipt.contractAddress === undefined) {
      throw new ChainError('DEPLOYMENT_FAILED', `The deployment of ${contract} made no contract.`, {
        contract,
      });
    }
    const address = getAddress(receipt.contractAddress);
    this.#book = {
      ...this.#book,
      contracts: {
        ...this.#book.contracts,
        [role]: { address, contract, initHash, transactionHash: receipt.transactionHash },
      },
    };
    if (this.#options.addressBook !== undefined) writeAddressBook(this.#options.addressBook, this.#book);
    return address;
  }

  /** Reads a view function. */
  read<T>(abi: Abi, address: Address, functionName: string, args: readonly unknown[] = []): Promise<T> {
    return this.client.readContract({ address, abi, functionName, args }) as Promise<T>;
  }

  /**
   * Sends a transaction unless what it is for is already so.
   *
   * @param done whether an earlier run has done it
   * @throws ChainError `DEPLOYMENT_FAILED`
   */
  async ensure(
    name: string,
    done: () => Promise<boolean>,
    call: {
      readonly abi: Abi;
      readonly address: Address;
      readonly functionName: string;
      readonly args?: readonly unknown[];
    },
  ): Promise<void> {
    if (await done()) {
      this.#options.onStep?.({ name, action: 'kept' });
      return;
    }
    this.#options.onStep?.({ name, action: 'call' });
    await this.#mined(name, () =>
      this.#wallet.writeContract({
        address: call.address,
        abi: call.abi,
        functionName: call.functionName,
        args: call.args ?? [],
        chain: this.#wallet.chain ?? null,
        account: this.#wallet.account,
      }),
    );
  }

  async #mined(what: string, send: () => Promise<Hex>): Promise<TransactionReceipt> {
    try {
      const hash = await send();
      const receipt = await includedReceipt(this.client, hash, { nudge: this.#options.nudge });
      if (receipt.status !== 'success') {
        throw new ChainError('DEPLOYMENT_FAILED', `The transaction of ${what} was reverted.`, { hash });
      }
      this.gasUsed += receipt.gasUsed;
      return receipt;
    } catch (cause) {
      if (cause instanceof ChainError) throw cause;
      throw new ChainError(
        'DEPLOYMENT_FAILED',
        `Sending ${what} failed: ${textOfError(cause)}`,
        {},
        { cause },
      );
    }
  }
}

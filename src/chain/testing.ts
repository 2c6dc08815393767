/** A harness contract on a local chain, for tests that compare a library with the model. */
import {
  type Abi,
  createPublicClient,
  createWalletClient,
  decodeErrorResult,
  decodeFunctionResult,
  encodeFunctionData,
  type Hex,
  http,
} from 'viem';
import { startAnvil } from './anvil.ts';
import { linkedBytecode, loadArtifact } from './artifacts.ts';
import { includedReceipt } from './receipts.ts';

/** A call of a function of the harness. */
export interface HarnessCall {
  readonly functionName: string;
  readonly args: readonly unknown[];
}

/** What a call gave: its result as viem decodes it, or the name of the error. */
export type HarnessOutcome = { readonly result: unknown } | { readonly error: string };

/** A deployed harness. */
export interface Harness {
  readonly address: Hex;
  readonly chainId: bigint;
  /** Makes many calls, hundreds of them in one request. */
  call(calls: readonly HarnessCall[]): Promise<HarnessOutcome[]>;
  stop(): Promise<void>;
}

const CALLS_PER_REQUEST = 500;

/**
 * Deploys a contract that has the function `batch(bytes[]) returns ((bool, bytes)[])` on a new local chain.
 *
 * @param name name of the contract
 * @throws ChainError
 */
export async function startHarness(name: string): Promise<Harness> {
  const artifact = loadArtifact(name);
  const { abi } = artifact;
  const anvil = await startAnvil();
  try {
    const client = createPublicClient({ transport: http(anvil.url) });
    const wallet = createWalletClient({ account: anvil.accounts[0]!, transport: http(anvil.url) });
    const hash = await wallet.deployContract({ abi, bytecode: linkedBytecode(artifact), chain: null });
    const { contractAddress } = await includedReceipt(client, hash);
    const address = contractAddress!;
    const request = async (calls: readonly HarnessCall[]): Promise<HarnessOutcome[]> => {
      const encoded = calls.map((call) => encodeFunctionData({ abi, ...call }));
      const outcomes = (await client.readContract({
        address,
        abi,
        functionName: 'batch',
        args: [encoded],
      })) as {
        success: boolean;
        data: Hex;
      }[];
      return outcomes.map(({ success, data }, index) =>
        success
          ? { result: decodeFunctionResult({ abi, data, functionName: calls[index]!.functionName }) }
          : { error: errorName(abi, data) },
      );
    };
    return {
      address,
      chainId: BigInt(anvil.chainId),
      async call(calls) {
        const outcomes: HarnessOutcome[] = [];
        for (let start = 0; start < calls.length; start += CALLS_PER_REQUEST) {
          outcomes.push(...(await request(calls.slice(start, start + CALLS_PER_REQUEST))));
        }
        return outcomes;
      },
      stop: anvil.stop,
    };
  } catch (error) {
    await anvil.stop();
    throw error;
  }
}

function errorName(abi: Abi, data: Hex): string {
  return decodeErrorResult({ abi, data }).errorName;
}

/** Calls that are tried before they are sent. */
import {
  type Abi,
  type Address,
  BaseError,
  decodeErrorResult,
  decodeFunctionData,
  type Hex,
  type PublicClient,
} from 'viem';
import { revertReason } from '../../chain/reverts.ts';

/** A call of a contract. */
export interface ContractCall {
  readonly to: Address;
  readonly data: Hex;
}

/** What a call would come to: its gas, or why it would be refused. */
export type Simulation =
  | { readonly ok: true; readonly gas: bigint }
  | {
      readonly ok: false;
      /** Name of the contract's error, as in `AccountHealthy`, or what the node says. */
      readonly reason: string;
      /** Of an order of a batch: which one. */
      readonly order?: number;
    };

/** ABIs of the contracts that are called, by address in lower case; each holds the errors of all. */
export type CallAbis = ReadonlyMap<string, Abi>;

/**
 * Tries a call at the newest block.
 *
 * @throws what the client throws when the node cannot be asked
 */
export async function simulate(
  client: PublicClient,
  abis: CallAbis,
  sender: Address,
  call: ContractCall,
): Promise<Simulation> {
  const abi = abis.get(call.to.toLowerCase());
  if (abi === undefined) throw new Error(`There is no ABI of ${call.to}.`);
  const { functionName, args = [] } = decodeFunctionData({ abi, data: call.data });
  try {
    await client.simulateContract({ address: call.to, abi, functionName, args, account: sender });
    // Some nodes would estimate on top of what lies in the mempool, the sender's own transaction included.
    const gas = await client.estimateGas({
      account: sender,
      to: call.to,
      data: call.data,
      blockTag: 'latest',
    });
    return { ok: true, gas };
  } catch (error) {
    const reason = revertReason(error);
    if (reason !== undefined) return { ok: false, ...nested(abi, reason) };
    const text = revertText(error);
    if (text === undefined) throw error;
    return { ok: false, reason: text };
  }
}

/** An order of a batch fails with the bytes of its own error. */
function nested(
  abi: Abi,
  { name, args }: { readonly name: string; readonly args: readonly unknown[] },
): { readonly reason: string; readonly order?: number } {
  const index = Number(args[0]);
  if (name === 'InvalidProofInBatch') return { reason: name, order: index };
  if (name !== 'OrderFailed') return { reason: name };
  try {
    return { reason: decodeErrorResult({ abi, data: args[1] as Hex }).errorName, order: index };
  } catch {
    return { reason: name, order: index };
  }
}

/** Names of viem's errors that say that the call itself failed, not the way to the node. */
const REFUSALS: readonly string[] = [
  'ContractFunctionRevertedError',
  'ContractFunctionZeroDataError',
  'ExecutionRevertedError',
  'InsufficientFundsError',
  'IntrinsicGasTooHighError',
  'FeeCapTooLowError',
];

function revertText(error: unknown): string | undefined {
  if (!(error instanceof BaseError)) return undefined;
  const refusal = error.walk((inner) => REFUSALS.includes((inner as Error).name));
  return refusal instanceof Error ? refusal.name.replace(/Error$/, '') : undefined;
}

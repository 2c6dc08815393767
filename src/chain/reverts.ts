/** Reasons of reverted calls. */
import { BaseError, ContractFunctionRevertedError } from 'viem';

/** A custom error of a contract. */
export interface RevertReason {
  /** Name of the error, as in `AccountHealthy`. */
  readonly name: string;
  readonly args: readonly unknown[];
}

/**
 * The custom error behind a failed simulation, read or write through viem; undefined when there is none. The call must
 * have been made with an ABI that holds the error: those of `loadProtocolAbis` hold all.
 */
export function revertReason(error: unknown): RevertReason | undefined {
  if (!(error instanceof BaseError)) return undefined;
  const reverted = error.walk((inner) => inner instanceof ContractFunctionRevertedError);
  if (!(reverted instanceof ContractFunctionRevertedError) || reverted.data === undefined) return undefined;
  return { name: reverted.data.errorName, args: reverted.data.args ?? [] };
}

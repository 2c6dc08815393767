/** Waits for transactions by asking for their receipts. */
import { setTimeout } from 'node:timers/promises';
import {
  type Hex,
  type PublicClient,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
  WaitForTransactionReceiptTimeoutError,
} from 'viem';

/** How {@link includedReceipt} waits. */
export interface ReceiptWait {
  /** Between two questions, in milliseconds; 50 unless given. */
  readonly pollMs?: number;
  /** 180,000 unless given. */
  readonly timeoutMs?: number;
  /** Called every three seconds while the transaction is not included: a local chain can mine a block then. */
  readonly nudge?: (() => Promise<unknown>) | undefined;
}

const NUDGE_MS = 3_000;

/**
 * The receipt of a transaction, as soon as it is included. viem's own wait asks again at the next block alone: a node that
 * numbers a block before it shows its receipts makes it wait for ever on a chain that only mines what is sent.
 *
 * @throws WaitForTransactionReceiptTimeoutError
 */
export async function includedReceipt(
  client: Pick<PublicClient, 'getTransactionReceipt'>,
  hash: Hex,
  { pollMs = 50, timeoutMs = 180_000, nudge }: ReceiptWait = {},
): Promise<TransactionReceipt> {
  const began = performance.now();
  let nudgeAt = NUDGE_MS;
  for (;;) {
    try {
      return await client.getTransactionReceipt({ hash });
    } catch (error) {
      if (!(error instanceof TransactionReceiptNotFoundError)) throw error;
    }
    const waited = performance.now() - began;
    if (waited > timeoutMs) throw new WaitForTransactionReceiptTimeoutError({ hash });
    if (nudge !== undefined && waited > nudgeAt) {
      nudgeAt = waited + NUDGE_MS;
      await nudge();
    }
    await setTimeout(pollMs);
  }
}

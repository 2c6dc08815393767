/** A journal for tests. */
import { type SealedBidKey, type SealedBidRecord, sealedBidKey } from '../sealed-bids/journal.ts';
import type { KeeperJournal, TransactionRecord } from './journal.ts';

/** A journal that is lost with the process. */
export class MemoryJournal implements KeeperJournal {
  readonly #records = new Map<string, TransactionRecord>();
  readonly #bids = new Map<string, SealedBidRecord>();

  async load(): Promise<readonly TransactionRecord[]> {
    return [...this.#records.values()];
  }

  async save(record: TransactionRecord): Promise<void> {
    this.#records.set(record.id, record);
  }

  async remove(id: string): Promise<void> {
    this.#records.delete(id);
  }

  sealedBids(): readonly SealedBidRecord[] {
    return [...this.#bids.values()];
  }

  async saveSealedBid(record: SealedBidRecord): Promise<void> {
    this.#bids.set(sealedBidKey(record), record);
  }

  async removeSealedBid(bid: SealedBidKey): Promise<void> {
    this.#bids.delete(sealedBidKey(bid));
  }

  async close(): Promise<void> {}
}

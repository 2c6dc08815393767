/** A journal in one file, written as a whole and flushed to the disk. For one keeper with some hundred transactions a day. */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { nameOf, STALE_MS, takeLock } from '../../file-lock.ts';
import { KeeperError } from '../errors.ts';
import { type SealedBidKey, type SealedBidRecord, sealedBidKey } from '../sealed-bids/journal.ts';
import type { KeeperJournal, TransactionRecord } from './journal.ts';
import { fromJson, toJson } from './json.ts';

/** What has ended is kept for so long, in milliseconds: the losses of a day are read from it. */
const KEPT_MS = 2 * 86_400_000;

/** Since 2, sealed bids tell their chain. Older programs refuse it, rather than to lose that. */
const SCHEMA = 2;

/** A journal in a file. */
export class FileJournal implements KeeperJournal {
  readonly #path: string;
  readonly #records: Map<string, TransactionRecord>;
  readonly #bids: Map<string, SealedBidRecord>;
  readonly #unlock: () => void;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, { records, sealedBids }: Content, unlock: () => void) {
    this.#path = path;
    this.#unlock = unlock;
    this.#records = new Map(records.map((record) => [record.id, record]));
    this.#bids = new Map(sealedBids.map((bid) => [sealedBidKey(bid), bid]));
  }

  /**
   * Opens a journal, or begins one. A lock file beside it tells which process uses it; that of a process which has ended is
   * taken over.
   *
   * @throws KeeperError `JOURNAL_LOCKED`, `JOURNAL_MALFORMED`
   */
  static async open(path: string): Promise<FileJournal> {
    await mkdir(dirname(path), { recursive: true });
    const unlock = lock(resolve(`${path}.lock`));
    try {
      return new FileJournal(path, await read(path), unlock);
    } catch (error) {
      unlock();
      throw error;
    }
  }

  async load(): Promise<readonly TransactionRecord[]> {
    return [...this.#records.values()];
  }

  save(record: TransactionRecord): Promise<void> {
    this.#records.set(record.id, record);
    return this.#write();
  }

  remove(id: string): Promise<void> {
    this.#records.delete(id);
    return this.#write();
  }

  /** Writes what is there already. */
  check(): Promise<void> {
    return this.#write();
  }

  sealedBids(): readonly SealedBidRecord[] {
    return [...this.#bids.values()];
  }

  saveSealedBid(record: SealedBidRecord): Promise<void> {
    this.#bids.set(sealedBidKey(record), record);
    return this.#write();
  }

  removeSealedBid(bid: SealedBidKey): Promise<void> {
    this.#bids.delete(sealedBidKey(bid));
    return this.#write();
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => {});
    this.#unlock();
  }

  /** One write after another: each holds all that was changed before it. */
  #write(): Promise<void> {
    const write = this.#writing.catch(() => {}).then(() => this.#flush());
    this.#writing = write;
    return write;
  }

  async #flush(): Promise<void> {
    const oldest = Date.now() - KEPT_MS;
    for (const [id, { endedAt }] of this.#records) {
      if (endedAt !== undefined && endedAt < oldest) this.#records.delete(id);
    }
    const draft = `${this.#path}.draft`;
    const file = await open(draft, 'w', 0o600);
    try {
      const content: Content = { records: [...this.#records.values()], sealedBids: this.sealedBids() };
      await file.writeFile(`${toJson({ schema: SCHEMA, ...content })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, this.#path);
    // The new name is on the disk only when its directory is.
    const directory = await open(dirname(this.#path), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}

/** What a file holds. */
interface Content {
  readonly records: readonly TransactionRecord[];
  readonly sealedBids: readonly SealedBidRecord[];
}

async function read(path: string): Promise<Content> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { records: [], sealedBids: [] };
    throw error;
  }
  const malformed = (cause?: unknown): KeeperError =>
    new KeeperError(
      'JOURNAL_MALFORMED',
      'Look at the journal before you move it away: its pending transactions and sealed bids would be forgotten.',
      { path },
      { cause },
    );
  let parsed: { schema?: unknown; records?: unknown; sealedBids?: unknown };
  try {
    parsed = fromJson(text) as typeof parsed;
  } catch (cause) {
    throw malformed(cause);
  }
  const schema = parsed?.schema;
  if ((schema !== 1 && schema !== SCHEMA) || !Array.isArray(parsed.records)) throw malformed();
  for (const record of parsed.records as Partial<TransactionRecord>[]) {
    if (
      typeof record?.id !== 'string' ||
      !Number.isSafeInteger(record.nonce) ||
      !Array.isArray(record.attempts)
    ) {
      throw malformed();
    }
  }
  // Journals of keepers without sealed bids have none.
  const { records, sealedBids = [] } = parsed as { records: TransactionRecord[]; sealedBids?: unknown };
  if (!Array.isArray(sealedBids)) throw malformed();
  const bids = (sealedBids as Partial<SealedBidRecord>[]).map((bid) => {
    // Former bids do not tell their chain: the hash of each tells whose it is (`SealedBids`).
    const { chainId = schema === 1 ? 0 : undefined } = bid ?? {};
    const { auctionNumber, salt, hash, stage, bidder } = bid ?? {};
    const texts = [salt, hash, stage, bidder];
    if (
      typeof auctionNumber !== 'bigint' ||
      !Number.isSafeInteger(chainId) ||
      texts.some((text) => typeof text !== 'string')
    ) {
      throw malformed();
    }
    return { ...bid, chainId } as SealedBidRecord;
  });
  return { records, sealedBids: bids };
}

function lock(path: string): () => void {
  const lock = takeLock(path);
  if (typeof lock === 'function') return lock;
  if (lock === undefined) {
    throw new KeeperError(
      'JOURNAL_LOCKED',
      'Try again: another process takes the journal at the same time.',
      { path },
    );
  }
  const { pid: holder, here, path: file } = lock;
  const stop = here ? 'Stop' : `Wait ${STALE_MS / 1000} s if it has ended, else stop`;
  throw new KeeperError(
    'JOURNAL_LOCKED',
    `${stop} the keeper that is ${nameOf(lock)}, or give this one a journal and a key of its own. If that is no keeper, remove ${file}.`,
    { path: file, ...(holder !== undefined && { holder }) },
  );
}

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { thisProcess } from '../../process-identity.ts';
import type { SealedBidRecord } from '../sealed-bids/journal.ts';
import { FileJournal } from './file-journal.ts';
import type { TransactionRecord } from './journal.ts';
import { toJson } from './json.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zkmargin-journal-'));
  path = join(directory, 'keeper', 'journal.json');
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function record(nonce: number, changes: Partial<TransactionRecord> = {}): TransactionRecord {
  return {
    id: `id-${nonce}`,
    kind: 'bid',
    nonce,
    to: '0x00000000000000000000000000000000000000aa',
    data: '0x1234',
    maxCost: 2n ** 80n,
    gain: -5n,
    notAfter: 7n,
    details: { accounts: '2' },
    attempts: [
      { hash: '0x01', raw: '0x02', maxFeePerGas: 3n, maxPriorityFeePerGas: 1n, gas: 21_000n, cancels: false },
    ],
    ...changes,
  };
}

function sealedBid(auctionNumber: bigint): SealedBidRecord {
  return {
    chainId: 31_337,
    auctionNumber,
    accountId: 2n,
    stage: '0x00000000000000000000000000000000000000aa',
    bidder: '0x00000000000000000000000000000000000000bb',
    vesselId: 3n,
    factorBps: 9_800n,
    maxScale: 2n ** 40n,
    salt: `0x${'12'.repeat(32)}`,
    hash: `0x${'34'.repeat(32)}`,
    commitEnd: 10n,
    revealEnd: 20n,
    publicStart: 30n,
    bond: 5n,
    notional: 6n,
  };
}

describe('a journal in a file', () => {
  it('gives back what was saved, and forgets what was removed', async () => {
    const journal = await FileJournal.open(path);
    await Promise.all(Array.from({ length: 20 }, (_, nonce) => journal.save(record(nonce))));
    await journal.save(record(3, { end: 'confirmed', endedAt: Date.now() }));
    await journal.remove('id-4');
    await journal.close();
    const again = await FileJournal.open(path);
    const records = await again.load();
    expect(records).toHaveLength(19);
    expect(records.find(({ nonce }) => nonce === 3)).toMatchObject({ end: 'confirmed' });
    expect(records.find(({ nonce }) => nonce === 5)).toEqual(record(5));
    await again.close();
  });

  it('keeps sealed bids with their secrets, one for each auction', async () => {
    const journal = await FileJournal.open(path);
    expect(journal.sealedBids()).toEqual([]);
    await journal.saveSealedBid(sealedBid(1n));
    await journal.saveSealedBid(sealedBid(2n));
    await journal.saveSealedBid({ ...sealedBid(1n), factorBps: 9_900n });
    await journal.save(record(1));
    await journal.removeSealedBid(sealedBid(2n));
    await journal.close();
    const again = await FileJournal.open(path);
    expect(again.sealedBids()).toEqual([{ ...sealedBid(1n), factorBps: 9_900n }]);
    expect(await again.load()).toEqual([record(1)]);
    await again.close();
  });

  it('may be of a keeper that made no sealed bids, but not with bids that cannot be revealed', async () => {
    const journal = await FileJournal.open(path);
    await journal.save(record(1));
    await journal.close();
    await writeFile(path, toJson({ schema: 1, records: [record(1)] }));
    const old = await FileJournal.open(path);
    expect(old.sealedBids()).toEqual([]);
    expect(await old.load()).toEqual([record(1)]);
    await old.close();
    const { salt: _, ...without } = sealedBid(1n);
    await writeFile(path, toJson({ schema: 1, records: [], sealedBids: [without] }));
    await expect(FileJournal.open(path)).rejects.toMatchObject({ code: 'JOURNAL_MALFORMED' });
  });

  it('of the former form keeps its bids, which did not tell their chain', async () => {
    const journal = await FileJournal.open(path);
    await journal.save(record(1));
    await journal.close();
    const { chainId: _, ...former } = sealedBid(1n);
    await writeFile(path, toJson({ schema: 1, records: [record(1)], sealedBids: [former] }));
    const read = await FileJournal.open(path);
    expect(read.sealedBids()).toEqual([{ ...former, chainId: 0 }]);
    expect(await read.load()).toEqual([record(1)]);
    await read.close();
    await writeFile(path, toJson({ schema: 2, records: [], sealedBids: [former] }));
    await expect(FileJournal.open(path)).rejects.toMatchObject({ code: 'JOURNAL_MALFORMED' });
  });

  it('used with several deployments mixes no bids, though their auctions have the same numbers', async () => {
    const journal = await FileJournal.open(path);
    const elsewhere = [
      { ...sealedBid(1n), chainId: 1 },
      { ...sealedBid(1n), stage: '0x00000000000000000000000000000000000000cc' } as const,
      { ...sealedBid(1n), bidder: '0x00000000000000000000000000000000000000dd' } as const,
    ];
    for (const bid of [sealedBid(1n), ...elsewhere]) await journal.saveSealedBid(bid);
    await journal.removeSealedBid(sealedBid(1n));
    await journal.close();
    const again = await FileJournal.open(path);
    expect(again.sealedBids()).toEqual(elsewhere);
    await again.close();
  });

  it('is for its owner alone', async () => {
    const journal = await FileJournal.open(path);
    await journal.save(record(1));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await journal.close();
  });

  it('drops what ended long ago, and nothing that is under way', async () => {
    const journal = await FileJournal.open(path);
    await journal.save(record(1, { end: 'confirmed', endedAt: Date.now() - 3 * 86_400_000 }));
    await journal.save(record(2, { notAfter: 0n }));
    await journal.close();
    const again = await FileJournal.open(path);
    expect((await again.load()).map(({ nonce }) => nonce)).toEqual([2]);
    await again.close();
  });

  it('is used by one process at a time, and taken over from a dead one', async () => {
    const journal = await FileJournal.open(path);
    await expect(FileJournal.open(path)).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' });
    await journal.save(record(1));
    await journal.close();
    const self = thisProcess();
    const leave = (holder: object, number: number) =>
      writeFile(`${path}.lock.${number}`, JSON.stringify({ ...self, ...holder }));
    const parent = { pid: process.ppid, started: '' };
    for (const alive of [parent, { place: 'elsewhere' }]) {
      await leave(alive, 2);
      await expect(FileJournal.open(path)).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' });
    }
    // No process has the first id: Linux gives none above 2^22. The others are of a process that began at another time: a killed one
    // before this one in its container, and one whose id somebody else has now.
    for (const [i, dead] of [
      { pid: 99_999_999 },
      { started: `${self.started}0` },
      { pid: process.ppid, started: '1' },
    ].entries()) {
      await leave(dead, 2 + 2 * i);
      const heir = await FileJournal.open(path);
      expect(await heir.load()).toHaveLength(1);
      await heir.close();
    }
  });

  it('that cannot be read is not overwritten', async () => {
    const journal = await FileJournal.open(path);
    await journal.save(record(1));
    await journal.close();
    for (const text of ['{', '{"schema":3,"records":[]}', '{"schema":1,"records":[{}]}']) {
      await writeFile(path, text);
      await expect(FileJournal.open(path)).rejects.toMatchObject({ code: 'JOURNAL_MALFORMED' });
      expect(await readFile(path, 'utf8')).toBe(text);
    }
  });
});

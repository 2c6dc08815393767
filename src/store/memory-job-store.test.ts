import { describe, expect, it } from 'vitest';
import type { JobRecord } from './job-store.ts';
import { MemoryJobStore } from './memory-job-store.ts';

const job = (id: string, change: Partial<JobRecord> = {}): JobRecord => ({
  id,
  circuit: 'c',
  state: 'queued',
  createdAt: 0,
  deadline: 1_000,
  ...change,
});

describe('MemoryJobStore', () => {
  it('keeps one job of an id, and replaces a failed one', async () => {
    const store = new MemoryJobStore({ now: () => 0 });
    expect((await store.create(job('a'))).created).toBe(true);
    expect((await store.create(job('a', { circuit: 'other' }))).record.circuit).toBe('c');
    await store.update('a', { state: 'failed', finishedAt: 0 });
    expect(await store.create(job('a', { circuit: 'other' }))).toMatchObject({ created: true });
    expect(await store.get('a')).toEqual(job('a', { circuit: 'other' }));
    expect([await store.delete('a'), await store.delete('a')]).toEqual([true, false]);
    await store.update('a', { state: 'done' });
    expect(await store.get('a')).toBeUndefined();
  });

  it('forgets finished jobs after a while, unfinished ones never', async () => {
    let now = 0;
    const store = new MemoryJobStore({ retentionMs: 10, now: () => now });
    await store.create(job('a'));
    await store.create(job('b'));
    await store.update('a', { state: 'done', finishedAt: 5 });
    now = 14;
    expect(await store.get('a')).toBeDefined();
    now = 15;
    expect(await store.get('a')).toBeUndefined();
    now = 1e9;
    expect(await store.size()).toBe(1);
  });

  it('makes room with the oldest finished job, and refuses when there is none', async () => {
    const store = new MemoryJobStore({ capacity: 2, now: () => 0 });
    await store.create(job('a'));
    await store.create(job('b'));
    await expect(store.create(job('c'))).rejects.toMatchObject({ code: 'BUSY' });
    await store.update('b', { state: 'done', finishedAt: 0 });
    await store.create(job('c'));
    expect(await store.get('b')).toBeUndefined();
    expect(await store.size()).toBe(2);
  });

  it('refuses bounds that are none', () => {
    expect(() => new MemoryJobStore({ capacity: 0 })).toThrow();
    expect(() => new MemoryJobStore({ retentionMs: Number.NaN })).toThrow();
  });
});

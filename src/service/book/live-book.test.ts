import { afterEach, expect, it } from 'vitest';
import { LiveBook } from './live-book.ts';
import { testChain, testChainStore } from './testing.ts';

let book: LiveBook;
afterEach(() => book.close());

it.each([
  [undefined, [8, 16, 16, 32, undefined]],
  [
    [8, 16],
    [8, 16, 16, undefined, undefined],
  ],
  [
    [8, 32],
    [8, 32, 32, 32, undefined],
  ],
  [[], [undefined, undefined, undefined, undefined, undefined]],
] as const)('names the smallest circuit that is served, of %j', (capacities, expected) => {
  book = new LiveBook({ store: testChainStore(testChain()), ...(capacities && { capacities }) });
  expect([8, 9, 16, 17, 33].map((legs) => book.capacity(legs))).toEqual(expected);
});

it('keeps telling of a round that it failed to margin, tries again, and takes it in when it can', async () => {
  // A store whose data never changes: what is read is at fault, as after a bad upgrade.
  const chain = testChain();
  const { rules } = chain;
  chain.rules = { ...rules, terms: {} };
  book = new LiveBook({ store: testChainStore(chain), pollMs: 10 });
  await book.start();
  const { turns } = book;
  await expect.poll(() => book.turns, { timeout: 20_000 }).toBeGreaterThan(turns + 3);
  expect(book.unmargined().map(({ number }) => number)).toEqual([5n]);
  expect(book.problem?.code).toBe('INTERNAL');
  expect(book.markets()).toEqual([]);

  chain.rules = rules;
  await expect
    .poll(() => book.markets().map(({ record }) => record.number), { timeout: 20_000 })
    .toEqual([5n]);
  expect(book.unmargined()).toEqual([]);
  expect(book.problem).toBeUndefined();
});

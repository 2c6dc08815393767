import { readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { DEFAULT_LIQUIDATION_TERMS } from '../../liquidation/terms.ts';
import { DEFAULT_PARAMETERS, packParameters } from '../../margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { packRound } from '../../market/words.ts';
import type { ParameterRecord, RoundRecord } from '../../store/chain-records.ts';
import type { ChainStore } from '../../store/chain-store.ts';
import { LiveBook } from './live-book.ts';

const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;
const market = exampleRound(surfaces, 'BTC', {});
const { header, scenarioWords } = packParameters(DEFAULT_PARAMETERS);
const { underlyingId, timestamp, spot } = market.underlying;
const round: RoundRecord = {
  underlyingId,
  number: 5n,
  block: 1n,
  timestamp,
  spot,
  volatility: 0n,
  ...packRound(market),
  woundDown: false,
};
const { atomicLimit, tip } = DEFAULT_LIQUIDATION_TERMS;
const rules: ParameterRecord = {
  underlyingId,
  version: 1n,
  block: 1n,
  commitment: 0n,
  words: [header, ...scenarioWords],
  terms: { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: String(atomicLimit), tip: String(tip) },
};

let book: LiveBook;
afterEach(() => book.close());

it('keeps telling of a round that it failed to margin, tries again, and takes it in when it can', async () => {
  // A store whose data never changes: what is read is at fault, as after a bad upgrade.
  let parameters: ParameterRecord = { ...rules, terms: {} };
  const store: Partial<ChainStore> = {
    revision: async () => ({ revision: 1n, rollbacks: 0n }),
    tip: async () => ({ number: 1n, hash: '0x', parentHash: '0x', timestamp }) as never,
    accounts: async () => [],
    presentOpenings: async () => new Map() as never,
    auctions: async () => [],
    newestRounds: async () => [round],
    parametersInForce: async () => [parameters],
    maxRoundAges: async () => new Map(),
    pendingRounds: async () => [],
    onChange: async () => async () => {},
  };
  book = new LiveBook({ store: store as ChainStore, pollMs: 10 });
  await book.start();
  const { turns } = book;
  await expect.poll(() => book.turns, { timeout: 20_000 }).toBeGreaterThan(turns + 3);
  expect(book.unmargined().map(({ number }) => number)).toEqual([5n]);
  expect(book.problem?.code).toBe('INTERNAL');
  expect(book.markets()).toEqual([]);

  parameters = rules;
  await expect
    .poll(() => book.markets().map(({ record }) => record.number), { timeout: 20_000 })
    .toEqual([5n]);
  expect(book.unmargined()).toEqual([]);
  expect(book.problem).toBeUndefined();
});

import { expect, it } from 'vitest';
import { readKeeperDocument, strategyOf } from './configuration.ts';

const document = {
  service: 'http://127.0.0.1:8080',
  rpc: 'http://127.0.0.1:8545',
  book: 'addresses.json',
  journal: 'journal.json',
  vessels: ['1'],
  nativePriceUsd: 2_500,
};

it('spreads have what selling collateral costs, 50 basis points unless given', () => {
  const spreads = { deltaBps: 1, vegaBps: 2, gammaBps: 3 };
  const read = (given: object) =>
    strategyOf(readKeeperDocument({ ...document, strategy: { spreads: given } })).spreads;
  expect(read(spreads)).toEqual({ ...spreads, collateralBps: 50 });
  expect(read({ ...spreads, collateralBps: 0.5 })).toEqual({ ...spreads, collateralBps: 0.5 });
  expect(strategyOf(readKeeperDocument(document)).spreads.collateralBps).toBe(50);
  for (const collateralBps of [-1, 10_001]) {
    expect(() => read({ ...spreads, collateralBps })).toThrowError(
      expect.objectContaining({ field: expect.stringContaining('collateralBps') }),
    );
  }
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { batchGas, DEFAULT_GAS } from './gas.ts';

/** An empty slot of the insurance fund's cash, which the measured state does not have. */
const FIRST_FEE = 17_100n;
const table = readFileSync(new URL('../../../docs/contracts.md', import.meta.url), 'utf8')
  .split('<!-- gas -->')[1]!
  .split('<!-- /gas -->')[0]!;

/** The largest figure of a row of the measured table. */
function measured(transaction: string, columns = 9): bigint {
  const row = table.split('\n').find((line) => line.startsWith(`| ${transaction} |`));
  if (row === undefined) throw new Error(`The table of docs/contracts.md has no row "${transaction}".`);
  const figures = row
    .split('|')
    .slice(2, 2 + columns)
    .filter((cell) => /\d/.test(cell))
    .map((cell) => BigInt(cell.replaceAll(',', '').trim()));
  return figures.sort((a, b) => (a < b ? -1 : 1)).at(-1)!;
}

describe('the gas by which profits are reckoned', () => {
  const commit = measured('sealed bid, first of an auction');
  const reveal = measured('sealed bid revealed');
  const fill = measured('two sealed bids executed');
  it.each([
    ['liquidate', DEFAULT_GAS.liquidate, measured('atomic liquidation') + FIRST_FEE],
    ['batch of 2', batchGas(DEFAULT_GAS, 2), measured('batch of 2', 1) + FIRST_FEE],
    ['batch of 4', batchGas(DEFAULT_GAS, 4), measured('batch of 4', 1) + FIRST_FEE],
    ['batch of 8', batchGas(DEFAULT_GAS, 8), measured('batch of 8', 1) + FIRST_FEE],
    ['start', DEFAULT_GAS.start, measured('start of an auction') + FIRST_FEE],
    ['bid', DEFAULT_GAS.bid, measured('first bid, into a fresh vessel')],
    ['takeOver', DEFAULT_GAS.takeOver, measured('takeover of a half of an insolvent account')],
    ['refresh', DEFAULT_GAS.refresh, measured('refresh that finds an account insolvent')],
    ['restart', DEFAULT_GAS.restart, measured('refresh that finds an account insolvent')],
    ['sealedBid', DEFAULT_GAS.sealedBid, commit + reveal + fill],
    ['reveal', DEFAULT_GAS.reveal, reveal],
    ['fill', DEFAULT_GAS.fill, fill],
  ])('covers the measured gas of %s with 3 to 10 %% to spare', (_, used, most) => {
    expect(used * 100n).toBeGreaterThanOrEqual(most * 103n);
    expect(used * 100n).toBeLessThanOrEqual(most * 110n);
  });
});

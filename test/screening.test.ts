/** The float model against the exact one: the stated bound holds, and no account lands on the wrong side outside it. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { exactMargin } from '../src/margin/exact/margin.ts';
import { exampleBook } from '../src/margin/example-book.ts';
import { SCREEN_ERROR_BOUND, screen } from '../src/margin/float/screen.ts';
import { DEFAULT_PARAMETERS } from '../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces, shockRound } from '../src/market/example-market.ts';

const surfaces = JSON.parse(
  readFileSync(new URL('../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;

it('screening stays within its bound of the exact model, and decides alike', () => {
  let worst = 0;
  let accounts = 0;
  for (const symbol of ['BTC', 'ETH']) {
    for (let seed = 1; seed <= 8; seed++) {
      const opening = exampleRound(surfaces, symbol);
      const shocked = shockRound(opening, {
        priceMove: -0.12,
        volMultiplierAt30d: 1.35,
        secondsLater: 3_600,
      });
      const book = exampleBook({ opening, shocked, parameters: DEFAULT_PARAMETERS, seed, count: 64 });
      for (const round of [opening, shocked]) {
        const rows = screen(book, round, DEFAULT_PARAMETERS);
        book.forEach((account, index) => {
          const row = rows[index]!;
          const exact = exactMargin(account, round, DEFAULT_PARAMETERS);
          const notional = row.components.grossNotional;
          const errors = [
            Math.abs(row.mark - Number(exact.mark) / 1e6),
            Math.abs(row.requirement - Number(exact.requirement) / 1e6),
          ];
          worst = Math.max(worst, ...errors.map((error) => error / notional));
          const liquidatable = account.cash + exact.mark < exact.requirement;
          if (!row.needsExact) expect(row.liquidatable).toBe(liquidatable);
          accounts++;
        });
      }
    }
  }
  console.log(`${accounts} accounts: largest difference ${worst.toExponential(2)} of gross notional`);
  expect(worst).toBeLessThan(SCREEN_ERROR_BOUND);
});

import { expect, it } from 'vitest';
import { exampleCrash } from '../../../scripts/lib/example-crash.ts';
import { SCALE_ONE } from '../../margin/exact/bounds.ts';
import { compileBook, screenBook } from '../../margin/float/screen.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import { boundPillars } from '../../market/surface.ts';
import type { MarketRound } from '../../market/words.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { AccountCurvature } from './curvature.ts';
import { movableRange, movedRound } from './moved-round.ts';
import { lastMinutes, randomLegs } from './testing.ts';

const SEED = Number(process.env.SEED ?? 20_250_219);
const CELLS = 3_000;
const { opening, crashed } = exampleCrash();
const ROUNDS = [opening, crashed, lastMinutes(opening)];

/** The round with smiles as rough as pillars may be, now and then. */
function roughened(round: MarketRound, random: () => number): MarketRound {
  const roughness = random() < 0.5 ? 0 : random() * 0.6;
  return {
    ...round,
    expiries: round.expiries.map((expiry) => ({
      ...expiry,
      vols: boundPillars(expiry.vols.map((vol) => Number(vol) * 2 ** (roughness * (2 * random() - 1)))),
    })),
  };
}

it(`equity less requirement bends no more than the bound says (${CELLS} cells, seed ${SEED})`, () => {
  const random = mulberry32(SEED);
  const used = { legs: { bend: 0, rise: 0 }, collateral: { bend: 0, rise: 0 } };
  for (let cell = 0; cell < CELLS; cell++) {
    const round = roughened(ROUNDS[cell % ROUNDS.length]!, random);
    const legs = randomLegs(random, round);
    const spot = Number(round.underlying.spot);
    // A third without collateral, the others with a thousandth of a coin to a hundred.
    const coins = cell % 3 === 0 ? 0 : 1e-3 * 1e5 ** random();
    const most = coins === 0 ? used.legs : used.collateral;
    const curvature = new AccountCurvature(legs, SCALE_ONE, (coins * spot) / 1e6, round, DEFAULT_PARAMETERS);
    const { low, high } = movableRange(round, 8n);
    const slack = (position: number) => {
      const wanted = BigInt(Math.round(spot * Math.exp(position)));
      const moved = wanted < low ? low : wanted > high ? high : wanted;
      const movingCollateral = BigInt(Math.floor(coins * Number(moved)));
      const book = compileBook([{ legs, scale: SCALE_ONE, cash: movingCollateral, movingCollateral }]);
      const { equity, requirement } = screenBook(book, movedRound(round, moved), DEFAULT_PARAMETERS);
      return equity[0]! - requirement[0]!;
    };
    // Cells near the spot are the most frequent, as strikes are.
    const start = (random() < 0.5 ? -1 : 1) * 1.9 * random() ** 2;
    const width = 1e-3 * 170 ** random();
    const factor = Math.exp(start + width);
    const [near, far] = [slack(start), slack(start + width)];
    const noise = curvature.noise(factor);
    const bend = (curvature.bend(factor) * width * width) / 8;
    const step = Math.sqrt((2 * noise) / curvature.bend(factor));
    const slope = curvature.slope(slack(start - step), near, step, noise, factor);
    for (let sample = 1; sample < 4; sample++) {
      const between = slack(start + (width * sample) / 4);
      const dip = near + ((far - near) * sample) / 4 - between;
      most.bend = Math.max(most.bend, (dip - noise) / bend);
      const way = (width * sample) / 4;
      const rise = between - near - slope * way - noise;
      most.rise = Math.max(most.rise, rise / ((curvature.bend(factor) * way * way) / 2));
    }
  }
  console.log(
    `most that was used of the bound on bend, beyond the model's own roughness: ${JSON.stringify(used)}`,
  );
  for (const { bend, rise } of Object.values(used)) {
    expect(bend).toBeLessThan(1);
    expect(bend).toBeGreaterThan(0.01);
    expect(rise).toBeLessThan(1);
  }
});

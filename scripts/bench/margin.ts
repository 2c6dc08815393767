/** Speed and memory of pricing and of margining a large book, on one core. */
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { ExactValuer } from '../../src/margin/exact/shared.ts';
import { decideBook } from '../../src/margin/float/decide.ts';
import {
  type FloatParameters,
  floatParameters,
  InstrumentValuer,
  type InstrumentValues,
  SENSITIVITY_COLUMNS,
  valueInstruments,
} from '../../src/margin/float/model.ts';
import { compileBook, type FloatBook, screenBook, screenValues } from '../../src/margin/float/screen.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../../src/market/example-market.ts';
import { shockRound } from '../../src/market/shock.ts';
import type { MarketRound } from '../../src/market/words.ts';
import { black76Into } from '../../src/math/float/black76.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import { largeBook, listedChain } from './large-book.ts';
import { type BenchResult, peakMemory, seconds } from './measure.ts';

const OPTIONS = 1_000_000;
const ACCOUNTS = 100_000;
const LEGS = 30;
const SEED = 7;

/**
 * @returns lines of the report
 * @throws Error when the two ways to margin the book disagree
 */
export function benchMargin(surfaces: SviSurfaces, runs: number): BenchResult[] {
  const results: BenchResult[] = [
    { what: 'Black-76 prices with all eight Greeks', value: OPTIONS / benchGreeks(runs), unit: '1/s' },
  ];
  const add = (what: string, value: number, unit: string) => results.push({ what, value, unit });

  const opening = exampleRound(surfaces, 'BTC');
  const chain = listedChain(opening);
  const accounts = largeBook(chain, ACCOUNTS, LEGS, SEED);
  const parameters = DEFAULT_PARAMETERS;
  const scenarioCount = parameters.scenarios.length;
  add('instruments of the book, distinct', chain.length, '');
  let book = compileBook(accounts);
  const compiling = seconds(runs, () => {
    book = compileBook(accounts);
  });
  // A new round every time, made beforehand.
  const rounds = Array.from({ length: runs + 1 }, (_, run) =>
    shockRound(opening, {
      priceMove: -0.12 + 0.03 * run,
      volMultiplierAt30d: 1.35 - 0.05 * run,
      secondsLater: 600 * (1 + run),
    }),
  );
  const floats = floatParameters(parameters);
  let requirements = new Float64Array(0);
  let undecided = 0;
  const valuing = seconds(runs, (run) => {
    valueInstruments(book.instruments, rounds[run]!, floats);
  });
  const cpu = process.cpuUsage();
  const shared = seconds(runs, (run) => {
    requirements = screenBook(book, rounds[run]!, parameters).requirement as Float64Array<ArrayBuffer>;
  });
  const busy = process.cpuUsage(cpu);
  const processor = (busy.user + busy.system) / 1e6 / (runs + 1);
  const deciding = seconds(runs, (run) => {
    undecided = decideBook(book, rounds[run]!, parameters).exactAccounts.length;
  });
  let unsharedRequirements = new Float64Array(0);
  const unshared = seconds(runs, (run) => {
    unsharedRequirements = marginWithoutSharing(book, rounds[run]!, floats);
  });
  for (let index = 0; index < ACCOUNTS; index++) {
    if (requirements[index] !== unsharedRequirements[index]) {
      throw new Error(`Account ${index} has another requirement without sharing.`);
    }
  }
  const size = `${ACCOUNTS.toLocaleString('en-US')} accounts x ${LEGS} legs x ${scenarioCount} scenarios`;
  add(`${size}: after a new round`, shared, 's');
  add('  of that, values of the instruments', valuing, 's');
  add('  processor time of all threads, collector too', processor, 's');
  add('  and decided, integers at thresholds', deciding, 's');
  add('  accounts left to the integers', undecided, '');
  add('  the same loop without sharing', unshared, 's');
  add('  times as fast with sharing', unshared / shared, '');
  add('  compiling the book, once per change of it', compiling, 's');
  add('peak memory up to here', peakMemory(), 'MiB');

  const some = accounts.slice(0, 50);
  const round = rounds[0]!;
  const alone = seconds(runs, () => {
    for (const account of some) exactMargin(account, round, parameters);
  });
  const valuer = new ExactValuer(round, parameters);
  const together = seconds(runs, () => {
    for (const account of some) valuer.margin(account);
  });
  add(`accounts of ${LEGS} legs margined exactly, each alone`, some.length / alone, '1/s');
  add(`accounts of ${LEGS} legs margined exactly, instruments shared`, some.length / together, '1/s');
  return results;
}

/** Seconds for {@link OPTIONS} random options. */
function benchGreeks(runs: number): number {
  const random = mulberry32(SEED);
  const column = (of: () => number) => Float64Array.from({ length: OPTIONS }, of);
  const forwards = column(() => 95_000 * (0.9 + 0.2 * random()));
  const strikes = column(() => 95_000 * Math.exp(1.2 * (random() - 0.5)));
  const years = column(() => (3_600 * 8_760 ** random()) / 31_536_000);
  const vols = column(() => 0.2 * 8 ** random());
  const discounts = Float64Array.from(years, (time) => Math.exp(-0.05 * time));
  const out = new Float64Array(16);
  let sum = 0;
  const time = seconds(runs, () => {
    for (let i = 0; i < OPTIONS; i++) {
      black76Into(out, 0, (i & 1) === 0, forwards[i]!, strikes[i]!, years[i]!, vols[i]!, discounts[i]!);
      sum += out[0]! + out[8]!;
    }
  });
  if (!Number.isFinite(sum)) throw new Error('A price is not finite.');
  return time;
}

/** What `screenBook` computes, with every leg of every account valued for itself. */
function marginWithoutSharing(
  book: FloatBook,
  round: MarketRound,
  parameters: FloatParameters,
): Float64Array<ArrayBuffer> {
  const { scenarioCount, stride } = parameters;
  const valuer = new InstrumentValuer(round, parameters);
  const arrays = {
    values: new Float64Array(LEGS * stride),
    sensitivities: new Float64Array(LEGS * SENSITIVITY_COLUMNS),
    expiries: new Uint8Array(LEGS),
  };
  const { basisRates, interestRates, vegaRatesUp, vegaRatesDown, gammaCost } = valuer;
  const values: InstrumentValues = {
    ...arrays,
    count: LEGS,
    scenarioCount,
    stride,
    basisRates,
    interestRates,
    vegaRatesUp,
    vegaRatesDown,
    gammaCost,
    problems: new Map(),
  };
  const legInstruments = Int32Array.from({ length: LEGS }, (_, leg) => leg);
  const requirements = new Float64Array(book.accountCount);
  for (let account = 0; account < book.accountCount; account++) {
    const from = book.offsets[account]!;
    const to = book.offsets[account + 1]!;
    for (let leg = from; leg < to; leg++) {
      valuer.value(book.instruments[book.legInstruments[leg]!]!, arrays, leg - from);
    }
    const alone: FloatBook = {
      ...book,
      accountCount: 1,
      offsets: Int32Array.of(0, to - from),
      legInstruments,
      legPositions: book.legPositions.subarray(from, to),
      netShorts: book.netShorts.subarray(account, account + 1),
    };
    requirements[account] = screenValues(alone, values, round, parameters).requirement[0]!;
  }
  return requirements;
}

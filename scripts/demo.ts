/**
 * The protocol on real input and a local chain: what happened, for risk managers and for Solidity engineers.
 *
 * Usage: npm run demo [-- --story short|full --json --underlying BTC|ETH --accounts 64 --seed 7 --move -0.12 --vols 1.35]
 */
import { parseArgs } from 'node:util';
import { fullStory } from './demo/full.ts';
import { Narrator } from './demo/narrator.ts';
import { shortStory } from './demo/short.ts';

const { values: options } = parseArgs({
  options: {
    story: { type: 'string', default: 'short' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    underlying: { type: 'string', default: 'BTC' },
    accounts: { type: 'string', default: '64' },
    seed: { type: 'string', default: '7' },
    move: { type: 'string', default: '-0.12' },
    vols: { type: 'string', default: '1.35' },
  },
});
if (options.help) {
  console.log(`Usage: npm run demo -- [options]

  --story short|full     short: a crash, a proof, a liquidation (default)
                         full: the whole life of accounts, from deposits to final withdrawals
  --underlying BTC|ETH   market (default BTC)
  --accounts N           accounts in the book that is screened, 8 to 1000 (default 64)
  --seed N               seed of the book (default 7)
  --move X               relative price move of the crash (default -0.12)
  --vols X               factor of 30-day vols in the crash (default 1.35)
  --json                 one JSON document on standard output; progress on standard error`);
  process.exit(0);
}

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}

function numberOption(name: 'accounts' | 'seed' | 'move' | 'vols', minimum: number, maximum: number): number {
  const value = Number(options[name]);
  if (!Number.isFinite(value) || value < minimum || value > maximum) {
    refuse(`--${name} must be a number from ${minimum} to ${maximum}.`);
  }
  return value;
}

const stories: Readonly<Record<string, typeof shortStory>> = { short: shortStory, full: fullStory };
const story = Object.hasOwn(stories, options.story) ? stories[options.story] : undefined;
if (story === undefined) refuse('--story must be short or full.');
if (options.underlying !== 'BTC' && options.underlying !== 'ETH') refuse('--underlying must be BTC or ETH.');

const narrator = new Narrator(options.json);
try {
  await story(narrator, {
    json: options.json,
    symbol: options.underlying,
    accounts: Math.floor(numberOption('accounts', 8, 1_000)),
    seed: Math.floor(numberOption('seed', 0, 2 ** 31)),
    move: numberOption('move', -0.9, 5),
    vols: numberOption('vols', 0.2, 5),
  });
} catch (error) {
  console.error(
    `\nThe demo failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
  process.exitCode = 1;
}

/** Starts keepers as processes of their own, and collects what they tell. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Hex } from 'viem';
import type { KeeperContracts } from '../../src/keeper/calls.ts';
import type { KeeperEvent } from '../../src/keeper/events.ts';
import type {
  FeedMarket,
  KeeperProof,
  LiquidationCandidate,
  PublishedOpening,
  RunningAuction,
} from '../../src/keeper/feed.ts';
import type { StrategyConfiguration } from '../../src/keeper/strategy/decide.ts';
import { fromJson, toJson } from '../../src/keeper/transactions/json.ts';

/** What the process is given. */
export interface KeeperProcessInput {
  readonly url: string;
  readonly chainId: number;
  readonly contracts: KeeperContracts;
  readonly vessels: readonly bigint[];
  readonly journal: string;
  readonly market: FeedMarket;
  /** What it may liquidate, for as long as the account is as it was, with the proof for that. */
  readonly candidate?: LiquidationCandidate;
  readonly proof?: KeeperProof;
  readonly auctions?: readonly RunningAuction[];
  /** Of the one account. */
  readonly opening: PublishedOpening;
  readonly strategy?: StrategyConfiguration;
}

/**
 * Starts a keeper as a process.
 *
 * @param file where its input is written
 * @param key of its account
 */
export async function startKeeperProcess(file: string, input: KeeperProcessInput, key: Hex) {
  await writeFile(file, toJson(input));
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('./keeper-main.ts', import.meta.url)), file],
    { env: { ...process.env, TEST_KEEPER_KEY: key }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const events: KeeperEvent[] = [];
  let output = '';
  child.stderr.on('data', (chunk) => {
    output += String(chunk);
  });
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    output += line;
    events.push(fromJson(line) as KeeperEvent);
  });
  const ended = once(child, 'exit');
  const until = async (accepts: (event: KeeperEvent) => boolean): Promise<void> => {
    while (!events.some(accepts)) {
      if (child.exitCode !== null) throw new Error(`The process ended: ${output.slice(-2_000)}`);
      await Promise.race([once(lines, 'line'), ended]);
    }
  };
  return { child, events, until, ended, output: () => output };
}

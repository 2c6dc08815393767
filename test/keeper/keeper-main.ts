/** A keeper as a process of its own, over a recorded feed: `keeper-main.ts <file>`. Tells its events as lines of JSON. */
import { readFileSync } from 'node:fs';
import { createPublicClient, http } from 'viem';
import { loadProtocolAbis } from '../../src/chain/artifacts.ts';
import type { KeeperFeed } from '../../src/keeper/feed.ts';
import { runKeeper } from '../../src/keeper/keeper.ts';
import { loadKeeperAccount } from '../../src/keeper/keys.ts';
import { FileJournal } from '../../src/keeper/transactions/file-journal.ts';
import { fromJson, toJson } from '../../src/keeper/transactions/json.ts';
import type { KeeperProcessInput } from './keeper-process.ts';
import { NATIVE_PRICE, TEST_STRATEGY } from './keepers.ts';

const input = fromJson(readFileSync(process.argv[2]!, 'utf8')) as KeeperProcessInput;
const client = createPublicClient({ transport: http(input.url), pollingInterval: 25, cacheTime: 0 });
const abis = loadProtocolAbis();

/** The recorded chance. */
const { candidate } = input;
const feed: KeeperFeed = {
  newestBlock: () => client.getBlockNumber(),
  market: async () => input.market,
  async liquidations() {
    if (candidate === undefined) return [];
    const account = (await client.readContract({
      address: input.contracts.clearingHouse,
      abi: abis.clearingHouse,
      functionName: 'getAccount',
      args: [candidate.accountId],
    })) as { nonce: bigint };
    return account.nonce === candidate.nonce ? [candidate] : [];
  },
  auctions: async () => input.auctions ?? [],
  opening: async () => input.opening,
  requestProof: async () => 'recorded',
  async waitForProof() {
    if (input.proof === undefined) throw new Error('No proof is recorded.');
    return input.proof;
  },
};

const keeper = await runKeeper({
  feed,
  client,
  abis,
  chainId: input.chainId,
  account: await loadKeeperAccount({ environment: 'TEST_KEEPER_KEY' }),
  contracts: input.contracts,
  vessels: input.vessels,
  strategy: input.strategy ?? { ...TEST_STRATEGY, kinds: ['liquidate'] },
  nativePrice: () => NATIVE_PRICE,
  journal: await FileJournal.open(input.journal),
  pollMs: 50,
  transactions: { confirmations: 2, pollMs: 50, bumpAfterMs: 600_000, bumpAfterBlocks: 1_000 },
  onEvent: (event) => process.stdout.write(`${toJson(event)}\n`),
});
process.once('SIGTERM', () => {
  void keeper.stop().then(() => process.exit(0));
});

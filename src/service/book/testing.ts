/** A store of one market for tests of the book: what it has is what the test says. */
import { readFileSync } from 'node:fs';
import { DEFAULT_LIQUIDATION_TERMS } from '../../liquidation/terms.ts';
import { DEFAULT_PARAMETERS, packParameters } from '../../margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { packRound } from '../../market/words.ts';
import type {
  AccountRecord,
  AuctionRecord,
  OpeningRecord,
  ParameterRecord,
  RoundRecord,
} from '../../store/chain-records.ts';
import type { ChainStore } from '../../store/chain-store.ts';

/** What the store has. */
export interface TestChain {
  revision: bigint;
  round: RoundRecord;
  rules: ParameterRecord;
  /** Accounts with their openings; none unless given. */
  accounts?: readonly { readonly account: AccountRecord; readonly opening: OpeningRecord }[];
  /** None unless given. */
  auctions?: readonly AuctionRecord[];
}

/** A chain with a round of BTC and its rules. */
export function testChain(): TestChain {
  const surfaces = JSON.parse(
    readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
  ) as SviSurfaces;
  const market = exampleRound(surfaces, 'BTC', {});
  const { header, scenarioWords } = packParameters(DEFAULT_PARAMETERS);
  const { underlyingId, timestamp, spot } = market.underlying;
  const { atomicLimit, tip } = DEFAULT_LIQUIDATION_TERMS;
  return {
    revision: 1n,
    round: {
      underlyingId,
      number: 5n,
      block: 1n,
      timestamp,
      spot,
      volatility: 0n,
      ...packRound(market),
      woundDown: false,
    },
    rules: {
      underlyingId,
      version: 1n,
      block: 1n,
      commitment: 0n,
      words: [header, ...scenarioWords],
      terms: { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: String(atomicLimit), tip: String(tip) },
    },
  };
}

/** A store that has what the chain has now. */
export function testChainStore(chain: TestChain): ChainStore {
  const store: Partial<ChainStore> = {
    revision: async () => ({ revision: chain.revision, rollbacks: 0n }),
    tip: async () =>
      ({ number: chain.revision, hash: '0x', parentHash: '0x', timestamp: chain.round.timestamp }) as never,
    accounts: async () => (chain.accounts ?? []).map(({ account }) => account),
    presentOpenings: async () =>
      new Map((chain.accounts ?? []).map(({ opening }) => [opening.commitment, opening])),
    auctions: async () => [...(chain.auctions ?? [])],
    sales: async () => [],
    newestRounds: async () => [chain.round],
    parametersInForce: async () => [chain.rules],
    maxRoundAges: async () => new Map(),
    pendingRounds: async () => [],
    onChange: async () => async () => {},
  };
  return store as ChainStore;
}

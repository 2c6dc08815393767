/** A local protocol whose verifiers accept anything: for tests of what comes after proofs. */
import { type Address, createTestClient, type Hex, http } from 'viem';
import { INDEXED_ROLES, type IndexedContracts } from '../../src/chain/indexer/index.ts';
import type { Prover } from '../../src/chain/requests/proofs.ts';
import { prepareTrade } from '../../src/chain/requests/trade.ts';
import { DEFAULT_LIQUIDATION_TERMS } from '../../src/liquidation/terms.ts';
import type { ExampleAccount } from '../../src/margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import type { MarketRound } from '../../src/market/words.ts';
import { crashBook, exampleCrash } from './example-crash.ts';
import { type OpenedPair, openPair } from './local-book.ts';
import { LocalProtocol } from './local-protocol.ts';
import { standInProof } from './stand-in-proof.ts';

/** Returns true to every call. */
const YES = '0x60015f5260205ff3';
/** Large accounts may be liquidated atomically, too. */
const TERMS = { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: 10n ** 13n };

/** Gives proofs that only a verifier that accepts anything accepts. */
export const UNPROVEN: Prover = { prove: async ({ circuit }) => standInProof(circuit, []) };

/**
 * Has verifiers accept anything.
 *
 * @param kept part of the names of circuits whose verifiers stay
 * @returns puts them back
 */
export async function setVerifiersAside(
  protocol: LocalProtocol,
  kept?: string,
): Promise<() => Promise<void>> {
  const test = createTestClient({ mode: 'anvil', transport: http(protocol.anvil.url) });
  const former = new Map<Address, Hex>();
  for (const [circuit, address] of Object.entries(protocol.deployment.verifiers)) {
    if (kept !== undefined && circuit.includes(kept)) continue;
    former.set(address, (await protocol.client.getCode({ address }))!);
    await test.setCode({ address, bytecode: YES });
  }
  return async () => {
    for (const [address, bytecode] of former) await test.setCode({ address, bytecode });
  };
}

/** A protocol at the opening round, and accounts of which some fail in the crash. */
export interface UnprovenWorld {
  readonly protocol: LocalProtocol;
  readonly opening: MarketRound;
  readonly crashed: MarketRound;
  /** Below the requirement after the crash, with equity. */
  readonly failing: readonly ExampleAccount[];
  /** Above it by far. */
  readonly healthy: ExampleAccount;
  /** Opens an account of the example book, with a market maker on the other side. */
  open(account: ExampleAccount): Promise<OpenedPair>;
  /** From here on proofs are verified: the verifiers are what was deployed. */
  restoreVerifiers(): Promise<void>;
  /** A trade of the healthy account's legs whose first party publishes an opening that is of the other's commitment. */
  tradeWithFalseOpening(): Promise<{ readonly mismatched: bigint; readonly honest: bigint }>;
}

/**
 * Deploys, sets the verifiers aside, and posts the opening round.
 *
 * @param kept part of the names of circuits whose verifiers stay
 */
export async function startUnprovenWorld(kept?: string): Promise<UnprovenWorld> {
  const { opening, crashed } = exampleCrash();
  const parameters = DEFAULT_PARAMETERS;
  const protocol = await LocalProtocol.start({
    timestamp: opening.underlying.timestamp,
    underlyingId: opening.underlying.underlyingId,
    parameters,
    terms: TERMS,
  });
  try {
    const restoreVerifiers = await setVerifiersAside(protocol, kept);
    await protocol.postRound(opening);
    const wallets = { trader: protocol.wallet(2), maker: protocol.wallet(3) };
    await protocol.fund(wallets.trader, wallets.maker);
    const { initialLevel } = protocol.market;
    const { failing, healthy } = crashBook({ opening, crashed }, parameters, initialLevel);
    return {
      protocol,
      opening,
      crashed,
      failing,
      healthy,
      open: (account) => openPair(protocol, UNPROVEN, account, wallets),
      restoreVerifiers,
      tradeWithFalseOpening: () => tradeWithFalseOpening(protocol, healthy),
    };
  } catch (error) {
    await protocol.stop();
    throw error;
  }
}

async function tradeWithFalseOpening(protocol: LocalProtocol, { legs, scale }: ExampleAccount) {
  const wallet = protocol.wallet(2);
  const cash = 10n ** 12n;
  const [mismatched, honest] = (await protocol.createVessels(wallet, [cash, cash])) as [bigint, bigint];
  const party = (accountId: bigint, its: ExampleAccount['legs']) => ({
    accountId,
    nonce: 0n,
    before: undefined,
    after: { legs: its, salt: accountId, scale },
    cash,
    wallet,
  });
  const mirrored = legs.map(({ instrument, quantity }) => ({ instrument, quantity: -quantity }));
  const [a, b] = [party(mismatched, legs), party(honest, mirrored)];
  const prepared = await prepareTrade(UNPROVEN, protocol.market, {
    clearingHouse: protocol.deployment.clearingHouse,
    underlyingId: protocol.underlyingId,
    a,
    b,
    cashToA: 0n,
  });
  const lying = { ...prepared, a: { ...prepared.a, opening: prepared.b.opening } };
  const parameters = await protocol.tradeArguments(lying, a, b);
  await protocol.write(protocol.operator, 'clearingHouse', 'trade', parameters);
  return { mismatched, honest };
}

/** Where the indexer finds the contracts. */
export function indexedContracts({ anvil, deployment }: LocalProtocol): IndexedContracts {
  return {
    chainId: anvil.chainId,
    addresses: Object.fromEntries(
      INDEXED_ROLES.map((role) => [role, deployment[role]]),
    ) as IndexedContracts['addresses'],
  };
}

/** A crashed market with accounts that were opened by trades: the state from which each end-to-end scene starts. */

import { crashBook, exampleCrash } from '../../scripts/lib/example-crash.ts';
import { type OpenedPair, openPair } from '../../scripts/lib/local-book.ts';
import { LocalProtocol } from '../../scripts/lib/local-protocol.ts';
import { setVerifiersAside, UNPROVEN } from '../../scripts/lib/unproven-protocol.ts';
import { type RevertReason, revertReason } from '../../src/chain/reverts.ts';
import { DEFAULT_LIQUIDATION_TERMS, type LiquidationTerms } from '../../src/liquidation/terms.ts';
import { type ExactMargin, exactMargin } from '../../src/margin/exact/margin.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { shockRound } from '../../src/market/shock.ts';
import type { MarketRound } from '../../src/market/words.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';

/** The BTC surface of 19 February 2025, and an hour later: -12 %, vols up. */
export const { opening, crashed } = exampleCrash();

/** What scenes share. */
export interface World {
  readonly protocol: LocalProtocol;
  readonly prover: CircuitProver;
  /** Accounts that are below their maintenance margin after the crash, and worth something. */
  readonly failing: readonly OpenedPair[];
  /** An account that stays healthy. */
  readonly healthy: OpenedPair;
}

/** Circuits of all scenes. */
const CIRCUITS = ['insolvency-8', 'solvency-8', 'transfer-16', 'settlement-8'];

/**
 * Deploys, opens accounts at the opening round, and posts the crash. The first account is opened by real proofs; the others, which
 * would only repeat it for minutes, while the verifiers are set aside. All that follows is judged by the real verifiers.
 */
export async function startWorld(
  failingCount: number,
  terms: LiquidationTerms = DEFAULT_LIQUIDATION_TERMS,
): Promise<World> {
  const parameters = DEFAULT_PARAMETERS;
  const prover = new CircuitProver(
    await Promise.all(CIRCUITS.map((name) => prepareDevelopmentCircuit(name))),
    { name: 'native' },
  );
  const protocol = await LocalProtocol.start({
    timestamp: opening.underlying.timestamp,
    underlyingId: opening.underlying.underlyingId,
    parameters,
    terms,
  });
  try {
    await protocol.postRound(opening);
    await protocol.fund(protocol.wallet(2), protocol.wallet(3), protocol.wallet(4), protocol.wallet(5));
    const { initialLevel } = protocol.market;
    const { failing, healthy } = crashBook({ opening, crashed }, parameters, initialLevel);
    if (failing.length < failingCount) throw new Error(`Only ${failing.length} accounts fail in the crash.`);
    const wallets = { trader: protocol.wallet(2), maker: protocol.wallet(3) };
    const pairs: OpenedPair[] = [];
    const [first, ...others] = failing.slice(0, failingCount);
    if (first !== undefined) pairs.push(await openPair(protocol, prover, first, wallets));
    const putVerifiersBack = await setVerifiersAside(protocol);
    for (const account of others) pairs.push(await openPair(protocol, UNPROVEN, account, wallets));
    const healthyPair = await openPair(protocol, UNPROVEN, healthy, wallets);
    await putVerifiersBack();
    await protocol.advanceTo(crashed.underlying.timestamp + 1n);
    await protocol.postRound(crashed);
    return { protocol, prover, failing: pairs, healthy: healthyPair };
  } catch (error) {
    await protocol.stop();
    await prover.close();
    throw error;
  }
}

/** Margin of positions at the newest round. */
export function marginNow(
  protocol: LocalProtocol,
  positions: Parameters<typeof exactMargin>[0],
): ExactMargin {
  const { round, parameters } = protocol.market;
  return exactMargin(positions, round, parameters);
}

/** The error with which a call is refused; its name is `accepted` if it is not. */
export async function refusalReason(call: Promise<unknown>): Promise<RevertReason> {
  try {
    await call;
  } catch (error) {
    return revertReason(error) ?? { name: String(error), args: [] };
  }
  return { name: 'accepted', args: [] };
}

/** Name of the error with which a call is refused, or `accepted`. */
export async function refusalOf(call: Promise<unknown>): Promise<string> {
  return (await refusalReason(call)).name;
}

/** Lets the crashed market stand until an hour has its settlement price, posting rounds in its last half hour and after it. */
export async function expire(protocol: LocalProtocol, expiryHour: number): Promise<void> {
  const expiry = expiryHour * 3_600;
  for (const seconds of [expiry - 1_500, expiry - 1_000, expiry - 500, expiry + 5]) {
    await protocol.advanceTo(BigInt(seconds) + 1n);
    await protocol.postRound(later(crashed, seconds - Number(crashed.underlying.timestamp)));
  }
}

/** The next round of a market that stands still, or whose price alone moves. */
export function later(round: MarketRound, secondsLater: number, priceMove = 0): MarketRound {
  return shockRound(round, { priceMove, volMultiplierAt30d: 1, secondsLater });
}

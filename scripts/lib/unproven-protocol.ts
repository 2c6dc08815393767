/** A local protocol whose verifiers accept anything: for tests of what comes after proofs. */
import { createTestClient, http } from 'viem';
import type { Prover } from '../../src/chain/requests/proofs.ts';
import { DEFAULT_LIQUIDATION_TERMS } from '../../src/liquidation/terms.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { exactSolvency } from '../../src/margin/exact/solvency.ts';
import { type ExampleAccount, exampleBook } from '../../src/margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import type { MarketRound } from '../../src/market/words.ts';
import { exampleCrash } from './example-crash.ts';
import { type OpenedPair, openPair } from './local-book.ts';
import { LocalProtocol } from './local-protocol.ts';

/** Returns true to every call. */
const YES = '0x60015f5260205ff3';
/** Large accounts may be liquidated atomically, too. */
const TERMS = { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: 10n ** 13n };
const SEED = 7;

/** Gives proofs that only a verifier that accepts anything accepts. */
export const UNPROVEN: Prover = {
  prove: async () => ({
    calldata: {
      a: ['0', '0'],
      b: [
        ['0', '0'],
        ['0', '0'],
      ],
      c: ['0', '0'],
    },
    publicSignals: [],
  }),
};

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
}

/** Deploys, sets the verifiers aside, and posts the opening round. */
export async function startUnprovenWorld(): Promise<UnprovenWorld> {
  const { opening, crashed } = exampleCrash();
  const parameters = DEFAULT_PARAMETERS;
  const protocol = await LocalProtocol.start({
    timestamp: opening.underlying.timestamp,
    underlyingId: opening.underlying.underlyingId,
    parameters,
    terms: TERMS,
  });
  try {
    const test = createTestClient({ mode: 'anvil', transport: http(protocol.anvil.url) });
    for (const address of Object.values(protocol.deployment.verifiers)) {
      await test.setCode({ address, bytecode: YES });
    }
    await protocol.postRound(opening);
    const wallets = { trader: protocol.wallet(2), maker: protocol.wallet(3) };
    await protocol.fund(wallets.trader, wallets.maker);
    const { initialLevel } = protocol.market;
    const book = exampleBook({
      opening,
      shocked: crashed,
      parameters,
      seed: SEED,
      count: 64,
      failing: 0.8,
      minimumRatio: 1.4,
    }).filter(
      (account) =>
        account.legs.length <= 8 && exactSolvency(account, opening, parameters, initialLevel).solvent,
    );
    const after = (account: ExampleAccount) => {
      const { mark, requirement } = exactMargin(account, crashed, parameters);
      return { equity: account.cash + mark, requirement };
    };
    const failing = book.filter((account) => {
      const { equity, requirement } = after(account);
      return equity > 0n && equity < requirement;
    });
    const healthy = book.find((account) => {
      const { equity, requirement } = after(account);
      return equity > 2n * requirement;
    });
    if (healthy === undefined) throw new Error('No account of the example book stays healthy.');
    return {
      protocol,
      opening,
      crashed,
      failing,
      healthy,
      open: (account) => openPair(protocol, UNPROVEN, account, wallets),
    };
  } catch (error) {
    await protocol.stop();
    throw error;
  }
}

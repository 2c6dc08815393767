/** Where a demonstration takes place: circuits with keys, a local chain with the protocol, and a market that moves. */
import { buildContracts } from '../../src/chain/build.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import type { ExampleAccount } from '../../src/margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { shockRound } from '../../src/market/shock.ts';
import type { MarketRound } from '../../src/market/words.ts';
import { type BackendConfiguration, backendFromEnvironment } from '../../src/proof/prover/backends.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import type { ProverCircuit } from '../../src/proof/prover/protocol.ts';
import { type ExampleCrash, exampleCrash } from '../lib/example-crash.ts';
import { dollars, gas } from '../lib/format.ts';
import type { OpenedPair } from '../lib/local-book.ts';
import { type AcceptedRound, LocalProtocol } from '../lib/local-protocol.ts';
import type { Narrator } from './narrator.ts';
import type { DemoOptions } from './options.ts';

/** Accounts have at least this ratio of equity to requirement at first: trades ask for 1.25. */
export const OPENING_RATIO = 1.3;

/** Everything that a story needs. */
export interface Setting extends ExampleCrash {
  readonly narrator: Narrator;
  readonly options: DemoOptions;
  readonly protocol: LocalProtocol;
  /** Proves in this process. */
  readonly prover: CircuitProver;
  readonly circuits: Readonly<Record<string, ProverCircuit>>;
}

/** What makes the proofs: this project's own prover unless the environment names another. */
export function demoBackend(): BackendConfiguration {
  return process.env.ZKMARGIN_PROVER || process.env.ZKMARGIN_RAPIDSNARK
    ? backendFromEnvironment()
    : { name: 'native' };
}

/** Makes what is missing, starts the chain, and hands all of it to a story; ends it afterwards. */
export async function withSetting(
  narrator: Narrator,
  options: DemoOptions,
  circuitNames: readonly string[],
  story: (setting: Setting) => Promise<void>,
): Promise<void> {
  const market = exampleCrash(options);
  narrator.chapter('Setting up');
  // Solc has one thread, as the circuit compiler: side by side they use two cores.
  const contracts = buildContracts();
  // Its failure is reported where it is waited for.
  contracts.catch(() => {});
  const circuits: Record<string, ProverCircuit> = {};
  for (const name of circuitNames) {
    circuits[name] = await narrator.timed(`circuit ${name} with its development key`, () =>
      prepareDevelopmentCircuit(name),
    );
  }
  await narrator.timed('contracts built', () => contracts);
  const { timestamp, underlyingId } = market.opening.underlying;
  const protocol = await narrator.timed('local chain started, protocol deployed, parameters set', () =>
    LocalProtocol.start({ timestamp, underlyingId, parameters: DEFAULT_PARAMETERS }),
  );
  const prover = new CircuitProver(Object.values(circuits), demoBackend());
  try {
    await story({ narrator, options, ...market, protocol, prover, circuits });
  } finally {
    await prover.close();
    await protocol.stop();
  }
}

/** Equity and requirement of an example account in a round, 1e-6 USD. */
export function standing(
  account: Pick<ExampleAccount, 'legs' | 'scale' | 'cash'>,
  round: MarketRound,
): { readonly equity: bigint; readonly requirement: bigint } {
  const { mark, requirement } = exactMargin(account, round, DEFAULT_PARAMETERS);
  return { equity: account.cash + mark, requirement };
}

/** Posts the market as it stands, or moved, with the time of the chain. */
export async function tick(
  protocol: LocalProtocol,
  move: { readonly price?: number; readonly vols?: number } = {},
): Promise<AcceptedRound> {
  const { round } = protocol.market;
  const { timestamp } = round.underlying;
  // Rounds keep a distance, lest each void the proofs that were made for the one before.
  await protocol.advanceTo(timestamp + 12n);
  const secondsLater = Number((await protocol.now()) - timestamp);
  return protocol.postRound(
    shockRound(round, { priceMove: move.price ?? 0, volMultiplierAt30d: move.vols ?? 1, secondsLater }),
  );
}

/** A table of the accounts that trades have opened. */
export function tellOpened(
  narrator: Narrator,
  opened: Iterable<readonly [ExampleAccount, OpenedPair]>,
  round: MarketRound,
): void {
  narrator.table(
    ['account', 'strategy', 'legs', 'cash', 'equity', 'maintenance', 'gas of the trade'],
    [...opened].map(([account, { trader, receipt }]) => {
      const { equity, requirement } = standing(account, round);
      return [
        String(trader.accountId),
        account.name,
        String(account.legs.length),
        dollars(account.cash),
        dollars(equity),
        dollars(requirement),
        gas(receipt.gasUsed),
      ];
    }),
  );
}

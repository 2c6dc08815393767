/** Measures the gas of whole transactions on a local chain with the real contracts and real proofs. */
import { keccak256, type TransactionReceipt, toHex } from 'viem';
import type { ProtocolRole } from '../../src/chain/artifacts.ts';
import type { DeployerWallet } from '../../src/chain/deploy.ts';
import { type ProvenMargin, proveInsolvency } from '../../src/chain/requests/insolvency.ts';
import { NO_PROOF, type Prover } from '../../src/chain/requests/proofs.ts';
import { proveSolvency } from '../../src/chain/requests/solvency.ts';
import { DEFAULT_LIQUIDATION_TERMS, liquidationTermsTuple } from '../../src/liquidation/terms.ts';
import { MAX_SCALE } from '../../src/margin/exact/bounds.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { shockRound } from '../../src/market/shock.ts';
import { commitPositions } from '../../src/proof/commitment.ts';
import { INSTANCES } from '../../src/proof/instances.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { contextOf } from '../../src/proof/witness/contexts.ts';
import {
  auctionOf,
  bidOrder,
  claimOf,
  type KnownAccount,
  liquidationOrder,
  proveForAuction,
  proveForEngine,
  quoteBid,
  recoveryOf,
  takeOverOrder,
} from '../lib/local-auction.ts';
import { type OpenedPair, openPair, settlementOf } from '../lib/local-book.ts';
import { LocalProtocol } from '../lib/local-protocol.ts';
import { verificationGasIn } from '../lib/verification-gas.ts';
import { crashed, failingAccount, opening, positionsOf } from './world.ts';

/** Gas of a transaction, calldata and base fee included. */
export interface GasFigure {
  readonly what: string;
  /** Legs of the account; undefined where they do not matter. */
  readonly legs?: number;
  readonly gas: number;
}

const BATCHES = [2, 4, 8] as const;
/** A verifier that is short of gas says false: nothing is estimated. */
const GAS_LIMIT = 15_000_000n;
const VESSEL_CASH = 50_000_000_000_000n;
const NO_LIMIT = 10n ** 15n;
/** What orders hold for, so that their calldata is the same in every run. */
const UNLIMITED = { maxPayment: NO_LIMIT, deadline: NO_LIMIT };
const ROUND_SECONDS = 600n;
/** Every account may be liquidated at the fixed penalty, and figures stay young while proofs are made. */
const TERMS = { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: 10n ** 13n, maxProofAge: 3_600 };

/** How {@link measureGas} runs. */
export interface MeasureOptions {
  /** Told of what is being done. */
  readonly onStep?: (step: string) => void;
  /** Puts something before the prover, such as a memory of proofs. */
  readonly decorate?: (prover: Prover) => Prover;
}

/** Runs all scenes. */
export async function measureGas(options: MeasureOptions = {}): Promise<GasFigure[]> {
  const { onStep = () => {}, decorate = (prover) => prover } = options;
  onStep('circuits and chain');
  const prover = new CircuitProver(
    await Promise.all(INSTANCES.map((name) => prepareDevelopmentCircuit(name))),
    { name: 'native' },
  );
  const protocol = await LocalProtocol.start({
    timestamp: opening.underlying.timestamp,
    underlyingId: opening.underlying.underlyingId,
    parameters: DEFAULT_PARAMETERS,
    terms: TERMS,
    oracle: { maxRoundAge: 1_800 },
  });
  try {
    return await new Measurement(protocol, decorate(prover), onStep).run();
  } finally {
    await prover.close();
    await protocol.stop();
  }
}

class Measurement {
  readonly #figures: GasFigure[] = [];
  readonly #protocol: LocalProtocol;
  readonly #prover: Prover;
  readonly #onStep: (step: string) => void;

  constructor(protocol: LocalProtocol, prover: Prover, onStep: (step: string) => void) {
    this.#protocol = protocol;
    this.#prover = prover;
    this.#onStep = onStep;
  }

  async run(): Promise<GasFigure[]> {
    const protocol = this.#protocol;
    await protocol.postRound(opening);
    await protocol.fund(...[2, 3, 4, 5].map((index) => protocol.wallet(index)));
    // The fund has cash already, as it has for ever after its first fee.
    await this.#write(protocol.operator, 'clearingHouse', 'deposit', [1n, 1_000_000n]);
    const pairs = new Map<number, OpenedPair>();
    const batch: OpenedPair[] = [];
    for (let index = 0; index < 8; index++) {
      this.#onStep(`account ${index + 1} of 10`);
      batch.push(await this.#open(8, index));
    }
    pairs.set(8, batch[0]!);
    this.#record('trade, both accounts without positions before', batch[0]!.receipt.gasUsed, 8);
    for (const legs of [1, 16]) {
      this.#onStep(`account with ${legs} legs`);
      const pair = await this.#open(legs, 0);
      pairs.set(legs, pair);
      this.#record('trade, both accounts without positions before', pair.receipt.gasUsed, legs);
    }
    await this.#scene('parameters', () => this.#parameters());
    await this.#scene('accounts', () => this.#accounts());
    for (const [legs, pair] of pairs) {
      await this.#scene(`trade and withdrawal, ${legs} legs`, () => this.#solventScenes(legs, pair));
      await this.#scene(`settlement, ${legs} legs`, () => this.#settlement(legs, pair));
    }
    await protocol.advanceTo(crashed.underlying.timestamp + 1n);
    const { gasUsed } = await protocol.postRound(crashed);
    this.#record('round that confirms a jump', gasUsed);
    await this.#scene('rounds', () => this.#rounds());
    for (const legs of [1, 8, 16, 32]) await this.#scene(`check, ${legs} legs`, () => this.#checks(legs));
    await this.#scene('batches', () => this.#batches(batch));
    for (const [legs, pair] of pairs) {
      if (legs !== 8) await this.#scene(`liquidation, ${legs} legs`, () => this.#liquidation(legs, pair));
      await this.#scene(`auction, ${legs} legs`, () => this.#auction(legs, pair));
    }
    await this.#scene('sealed bids', () => this.#sealedBids(batch[0]!));
    return this.#figures;
  }

  #record(what: string, gas: bigint, legs?: number): void {
    this.#figures.push({ what, gas: Number(gas), ...(legs === undefined ? {} : { legs }) });
  }

  /** Runs a scene, and leaves the chain as it was. */
  async #scene(name: string, play: () => Promise<void>): Promise<void> {
    this.#onStep(name);
    const snapshot = await this.#protocol.snapshot();
    await play();
    await this.#protocol.revert(snapshot);
  }

  async #write(
    wallet: DeployerWallet,
    role: ProtocolRole,
    functionName: string,
    args: readonly unknown[],
  ): Promise<TransactionReceipt> {
    return this.#protocol.receipt(await this.#protocol.send(wallet, role, functionName, args, GAS_LIMIT));
  }

  /** Sends a transaction and records its gas. */
  async #measure(
    what: string,
    legs: number | undefined,
    ...call: [DeployerWallet, ProtocolRole, string, readonly unknown[]]
  ): Promise<TransactionReceipt> {
    const receipt = await this.#write(...call);
    this.#record(what, receipt.gasUsed, legs);
    return receipt;
  }

  #open(legs: number, skip: number): Promise<OpenedPair> {
    const protocol = this.#protocol;
    const account = failingAccount(legs, protocol.market.initialLevel, skip);
    return openPair(protocol, this.#prover, account, {
      trader: protocol.wallet(2),
      maker: protocol.wallet(3),
    });
  }

  /** A round at the next full ten minutes: the same ones in every run, however long proofs take. */
  async #nextRound(priceMove: number): Promise<bigint> {
    const protocol = this.#protocol;
    const { round } = protocol.market;
    const timestamp = ((await protocol.now()) / ROUND_SECONDS + 1n) * ROUND_SECONDS;
    await protocol.advanceTo(timestamp + 1n);
    const secondsLater = Number(timestamp - round.underlying.timestamp);
    const { gasUsed } = await protocol.postRound(
      shockRound(round, { priceMove, volMultiplierAt30d: 1, secondsLater }),
    );
    return gasUsed;
  }

  async #rounds(): Promise<void> {
    await this.#nextRound(0.001);
    this.#record('round of 3 sources, 8 expiries', await this.#nextRound(-0.002));
  }

  async #parameters(): Promise<void> {
    const { protocol, args } = {
      protocol: this.#protocol,
      args: [
        Number(this.#protocol.underlyingId),
        { ...DEFAULT_PARAMETERS, maintenanceFactor: DEFAULT_PARAMETERS.maintenanceFactor + 1 },
        liquidationTermsTuple(TERMS),
      ],
    };
    await this.#measure(
      'risk parameters proposed',
      undefined,
      protocol.operator,
      'parameters',
      'propose',
      args,
    );
    await this.#measure(
      'risk parameters executed',
      undefined,
      protocol.operator,
      'parameters',
      'execute',
      args,
    );
  }

  async #accounts(): Promise<void> {
    const protocol = this.#protocol;
    const { keeper } = protocol;
    const id = Number(protocol.underlyingId);
    const amounts = Array.from({ length: 8 }, () => VESSEL_CASH);
    await this.#measure('account created', undefined, keeper, 'clearingHouse', 'createAccount', [id]);
    await this.#measure(
      '8 accounts created with cash',
      undefined,
      keeper,
      'clearingHouse',
      'createFundedAccounts',
      [id, amounts],
    );
    const vesselId = await protocol.read<bigint>('clearingHouse', 'accountCount');
    const paid = [vesselId, 1_000_000n];
    await this.#measure('deposit', undefined, keeper, 'clearingHouse', 'deposit', paid);
    const request = {
      accountId: vesselId,
      toAccountId: 0n,
      amount: 1_000_000n,
      minPaid: 0n,
      provenCash: 0n,
      round: 0n,
      capacity: 0,
    };
    await this.#measure('withdrawal without positions', undefined, keeper, 'clearingHouse', 'withdraw', [
      request,
      NO_PROOF,
    ]);
  }

  /** A withdrawal from an account with positions, and a trade that changes those of both sides. */
  async #solventScenes(legs: number, { trader, maker }: OpenedPair): Promise<void> {
    const protocol = this.#protocol;
    const extra = 1_000_000_000n;
    await this.#write(trader.wallet, 'clearingHouse', 'deposit', [trader.accountId, extra]);
    const account = await protocol.account(trader.accountId);
    const provenCash = account.cash - extra / 2n;
    const { capacity, proof } = await proveSolvency(this.#prover, protocol.market, {
      consumer: protocol.deployment.clearingHouse,
      purpose: 'withdrawal',
      accountId: trader.accountId,
      nonce: account.nonce,
      positions: trader,
      cash: provenCash,
      level: protocol.market.initialLevel,
    });
    const request = {
      accountId: trader.accountId,
      toAccountId: 0n,
      amount: extra / 2n,
      minPaid: 0n,
      provenCash,
      round: protocol.market.number,
      capacity,
    };
    await this.#measure('withdrawal with proof', legs, trader.wallet, 'clearingHouse', 'withdraw', [
      request,
      proof,
    ]);

    // Both sides halve their positions against each other, at their mark.
    const cashToTrader = exactMargin(trader, protocol.market.round, protocol.market.parameters).mark / 2n;
    const side = async ({ accountId, wallet, ...positions }: typeof trader, cashIn: bigint) => {
      const { cash, nonce } = await protocol.account(accountId);
      return {
        accountId,
        nonce,
        before: positions,
        after: { ...positions, scale: positions.scale / 2n, salt: positions.salt + 1n },
        cash: cash + cashIn,
        wallet,
      };
    };
    const { gasUsed } = await protocol.trade(
      this.#prover,
      await side(trader, cashToTrader),
      await side(maker, -cashToTrader),
      cashToTrader,
    );
    this.#record('trade, both accounts with positions', gasUsed, legs);
  }

  async #settlement(legs: number, { trader }: OpenedPair): Promise<void> {
    const protocol = this.#protocol;
    const hours = trader.legs.flatMap(({ instrument }) =>
      'expiryHour' in instrument && instrument.expiryHour > 0 ? [instrument.expiryHour] : [],
    );
    const expiryHour = Math.min(...hours);
    await protocol.advanceTo(BigInt(expiryHour) * 3_600n + 60n);
    await this.#nextRound(0.01);
    const { request, proof } = await settlementOf(protocol, this.#prover, trader, expiryHour);
    await this.#measure('settlement', legs, protocol.keeper, 'clearingHouse', 'settle', [request, proof]);
  }

  /** A proof checked alone: no account is needed. */
  async #checks(legs: number): Promise<void> {
    const protocol = this.#protocol;
    const { market, deployment, underlyingId } = protocol;
    const positions = positionsOf(legs);
    const binding = { accountId: 0n, nonce: 0n, keeper: protocol.keeper.account.address };
    const proven = await proveInsolvency(this.#prover, market, {
      ...binding,
      consumer: deployment.engine,
      positions,
    });
    const claim = {
      ...proven,
      commitment: await commitPositions({ ...positions, underlyingId }),
      scale: positions.scale,
      underlyingId: Number(underlyingId),
      version: 1n,
      context: contextOf({
        ...binding,
        chainId: market.chainId,
        engine: deployment.engine,
        round: market.number,
      }),
    };
    const signals = await protocol.read<readonly bigint[]>('gate', 'insolvencySignals', [claim]);
    const circuit = `insolvency-${proven.capacity}`;
    this.#record(
      'verification alone',
      await verificationGasIn(protocol, circuit, proven.proof, signals),
      legs,
    );
    await this.#measure('insolvency check', legs, protocol.keeper, 'gate', 'requireInsolvency', [
      claim,
      proven.proof,
    ]);
  }

  /** What the engine takes for an account, and its proof. */
  async #order(account: KnownAccount, vesselId: bigint) {
    const protocol = this.#protocol;
    const proven = await proveForEngine(protocol, this.#prover, account, protocol.keeper);
    const order = await liquidationOrder(protocol, account.accountId, vesselId, proven);
    return { order: { ...order, ...UNLIMITED }, proof: proven.proof };
  }

  #vessels(count: number, wallet = this.#protocol.keeper): Promise<bigint[]> {
    return this.#protocol.createVessels(
      wallet,
      Array.from({ length: count }, () => VESSEL_CASH),
    );
  }

  async #liquidation(legs: number, { trader }: OpenedPair): Promise<void> {
    const [vesselId] = await this.#vessels(1);
    const { order, proof } = await this.#order(trader, vesselId!);
    await this.#measure('atomic liquidation', legs, this.#protocol.keeper, 'engine', 'liquidate', [
      order,
      proof,
    ]);
  }

  /** Eight liquidations one by one, and the same in batches. */
  async #batches(pairs: readonly OpenedPair[]): Promise<void> {
    const { keeper } = this.#protocol;
    const vessels = await this.#vessels(pairs.length);
    const orders: {
      readonly order: { readonly accountId: bigint };
      readonly proof: ProvenMargin['proof'];
    }[] = [];
    for (const [index, { trader }] of pairs.entries())
      orders.push(await this.#order(trader, vessels[index]!));
    await this.#scene('single liquidations', async () => {
      let sum = 0n;
      for (const [index, { order, proof }] of orders.entries()) {
        const { gasUsed } = await this.#write(keeper, 'engine', 'liquidate', [order, proof]);
        if (index === 0) this.#record('atomic liquidation', gasUsed, 8);
        sum += gasUsed;
      }
      this.#record('8 single liquidations', sum);
    });
    for (const size of BATCHES) {
      await this.#scene(`batch of ${size}`, async () => {
        const taken = orders.slice(0, size);
        await this.#measure(`batch of ${size}`, undefined, keeper, 'engine', 'liquidateBatch', [
          taken.map(({ order }) => order),
          taken.map(({ proof }) => proof),
        ]);
      });
    }
  }

  /** What the auction house takes of an account: a claim and its proof. */
  async #auctionClaim(account: KnownAccount) {
    const proven = await proveForAuction(this.#protocol, this.#prover, account, this.#protocol.keeper);
    return { claim: claimOf(account.accountId, proven), proof: proven.proof };
  }

  async #start(legs: number | undefined, { trader }: OpenedPair): Promise<void> {
    const { protocol, vessels } = { protocol: this.#protocol, vessels: await this.#vessels(1) };
    const { claim, proof } = await this.#auctionClaim(trader);
    const args = [claim, vessels[0], proof];
    if (legs === undefined) await this.#write(protocol.keeper, 'auctionHouse', 'start', args);
    else await this.#measure('start of an auction', legs, protocol.keeper, 'auctionHouse', 'start', args);
  }

  async #auction(legs: number, pair: OpenedPair): Promise<void> {
    const protocol = this.#protocol;
    const { keeper } = protocol;
    const { trader } = pair;
    const { accountId } = trader;
    await this.#start(legs, pair);
    const [first, second, third] = await this.#vessels(3);
    const bid = async (what: string, vesselId: bigint, part: bigint): Promise<void> => {
      const { sale } = await quoteBid(protocol, accountId);
      const wish = part === 1n ? {} : { maxScale: sale.maxScale / part };
      const order = { ...(await bidOrder(protocol, accountId, vesselId, wish)), ...UNLIMITED };
      await this.#measure(what, legs, keeper, 'auctionHouse', 'bid', [order]);
    };
    await this.#scene(`bids, ${legs} legs`, async () => {
      await bid('first bid, into a fresh vessel', first!, 4n);
      await bid('further bid, into the same vessel', first!, 4n);
      await bid('further bid, into another fresh vessel', second!, 4n);
      await protocol.advance(1_200);
      await bid('last bid, which ends the auction', third!, 1n);
    });

    await this.#scene(`recovery, ${legs} legs`, async () => {
      await this.#write(keeper, 'clearingHouse', 'deposit', [accountId, VESSEL_CASH]);
      const recovery = await recoveryOf(protocol, this.#prover, trader);
      await this.#measure('cancellation of an auction', legs, keeper, 'auctionHouse', 'cancel', recovery);
    });

    await this.#scene(`refresh, ${legs} legs`, async () => {
      await this.#nextRound(-0.002);
      const { claim, proof } = await this.#auctionClaim(trader);
      await this.#measure('refresh of an auction', legs, keeper, 'auctionHouse', 'refresh', [claim, proof]);
    });

    await this.#fallToInsolvency(trader);
    const { claim, proof } = await this.#auctionClaim(trader);
    await this.#measure('refresh that finds an account insolvent', legs, keeper, 'auctionHouse', 'refresh', [
      claim,
      proof,
    ]);
    await protocol.advance(60);
    const takeover = async (what: string, vesselId: bigint, maxScale: bigint): Promise<void> => {
      const wish = await takeOverOrder(protocol, accountId, vesselId, { maxScale });
      const order = { ...wish, deadline: NO_LIMIT };
      await this.#measure(what, legs, keeper, 'auctionHouse', 'takeOver', [order]);
    };
    await takeover('takeover of a half of an insolvent account', first!, trader.scale / 2n);
    await takeover('takeover of the rest', second!, MAX_SCALE);
  }

  /** Moves the market until the account has no equity. */
  async #fallToInsolvency(account: KnownAccount): Promise<void> {
    const protocol = this.#protocol;
    const { cash } = await protocol.account(account.accountId);
    const { round, parameters } = protocol.market;
    for (const size of [0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8]) {
      for (const priceMove of [-size, size]) {
        const shocked = shockRound(round, { priceMove, volMultiplierAt30d: 1, secondsLater: 60 });
        if (cash + exactMargin(account, shocked, parameters).mark < 0n) {
          await this.#nextRound(priceMove);
          return;
        }
      }
    }
    throw new Error('No move of the market makes the account insolvent.');
  }

  async #sealedBids(pair: OpenedPair): Promise<void> {
    const protocol = this.#protocol;
    const { accountId } = pair.trader;
    const { operator, deployment } = protocol;
    const bidders = [protocol.wallet(4), protocol.wallet(5)];
    for (const bidder of bidders) {
      await this.#write(operator, 'sealedBids', 'setLiquidator', [bidder.account.address, true]);
      await this.#write(bidder, 'asset', 'approve', [deployment.sealedBids, NO_LIMIT]);
      await this.#write(bidder, 'sealedBids', 'addStake', [20_000_000_000n]);
    }
    await this.#start(undefined, pair);
    const { number } = await auctionOf(protocol, accountId);
    const salt = keccak256(toHex('salt'));
    const { scale } = await protocol.account(accountId);
    const bids = [];
    for (const [index, bidder] of bidders.entries()) {
      const [vesselId] = await this.#vessels(1, bidder);
      const bid = [vesselId!, 9_900n + BigInt(index), scale / 50n] as const;
      const hash = await protocol.read('sealedBids', 'hashOf', [
        number,
        bidder.account.address,
        ...bid,
        salt,
      ]);
      const what = index === 0 ? 'sealed bid, first of an auction' : 'sealed bid, further';
      await this.#measure(what, undefined, bidder, 'sealedBids', 'commit', [accountId, hash]);
      bids.push(bid);
    }
    await protocol.advance(TERMS.commitSeconds + 1);
    for (const [index, bidder] of bidders.entries()) {
      const args = [number, ...bids[index]!, salt];
      if (index === 0)
        await this.#measure('sealed bid revealed', undefined, bidder, 'sealedBids', 'reveal', args);
      else await this.#write(bidder, 'sealedBids', 'reveal', args);
    }
    await protocol.advance(TERMS.revealSeconds + 1);
    await this.#measure('two sealed bids executed', undefined, operator, 'sealedBids', 'fill', [accountId]);
  }
}

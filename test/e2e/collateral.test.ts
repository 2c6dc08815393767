/**
 * Collateral that moves with the positions, by real proofs on a real EVM: where it offsets their risk, where it adds to it, and what it is sold
 * for.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  auctionOf,
  bid,
  bidOrder,
  claimOf,
  collateralOf,
  type KnownAccount,
  liquidationOrder,
  proveForAuction,
  proveForEngine,
  quoteBid,
  refreshAuction,
  startAuction,
} from '../../scripts/lib/local-auction.ts';
import {
  addCollateral,
  collateralValue,
  giveCollateral,
  type LocalCollateral,
  saleCollateralValue,
  WHOLE_TOKEN,
} from '../../scripts/lib/local-collateral.ts';
import { LocalFeed } from '../../scripts/lib/local-feed.ts';
import { LocalProtocol } from '../../scripts/lib/local-protocol.ts';
import { setVerifiersAside, UNPROVEN } from '../../scripts/lib/unproven-protocol.ts';
import type { DeployerWallet } from '../../src/chain/deploy.ts';
import { provenRequirement } from '../../src/chain/requests/insolvency.ts';
import type { Positions } from '../../src/chain/requests/market.ts';
import type { ProofArgument, Prover } from '../../src/chain/requests/proofs.ts';
import { availableCash, leastCash, proveSolvency } from '../../src/chain/requests/solvency.ts';
import type { Sale } from '../../src/liquidation/amounts.ts';
import { atomicLiquidation, equityOf, targetOf, worthOf } from '../../src/liquidation/amounts.ts';
import { bidQuote, startFee } from '../../src/liquidation/auction.ts';
import { DEFAULT_LIQUIDATION_TERMS, integerTerms } from '../../src/liquidation/terms.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { exactSolvency } from '../../src/margin/exact/solvency.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { LINEAR } from '../../src/market/instrument.ts';
import { shockRound } from '../../src/market/shock.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { finished, startKeeper, TEST_STRATEGY } from '../keeper/keepers.ts';
import { revertAfterEach } from './hooks.ts';
import { crashed, opening, refusalOf } from './world.ts';

const SCALE_ONE = 2n ** 40n;
const DOLLAR = 1_000_000n;
const SPOT = opening.underlying.spot;
const EXPIRY = opening.expiries[4]!;

/** One contract sold, at a strike of so many per cent of spot, in thousands of dollars. */
function sold(kind: 'call' | 'put', percent: bigint, salt: bigint): Positions {
  const strike = ((SPOT * percent) / 100_000_000_000n) * 10_000_000n;
  const instrument = { kind, expiryHour: EXPIRY.expiryHour, strike };
  return { legs: [{ instrument, quantity: -1_000_000n }], salt, scale: SCALE_ONE };
}

/** A call that is nearly covered: 0.4 tokens of a price of 0.9 count against a delta of 0.8. */
const CALL = sold('call', 90n, 71n);
const CALL_TOKENS = 400_000n;
/** A put at the money behind which stands what falls with it. */
const PUT = sold('put', 100n, 72n);
const PUT_TOKENS = 390_000n;
/** Linear contracts sold against tokens that hedge them to the dollar: 5 of a price of 0.9 count against a delta of 4.5. */
const SHORT: Positions = {
  legs: [{ instrument: LINEAR, quantity: -4_500_000n }],
  salt: 73n,
  scale: SCALE_ONE,
};
const SHORT_TOKENS = 5_000_000n;
const FUND = 1n;

let protocol: LocalProtocol;
let circuits: CircuitProver;
/** Transfers are not what is shown here. */
let prover: Prover;
let bitcoin: LocalCollateral;
let callWriter: bigint;
let putWriter: KnownAccount;

beforeAll(async () => {
  circuits = new CircuitProver(
    await Promise.all(['insolvency-8', 'solvency-8'].map((name) => prepareDevelopmentCircuit(name))),
    { name: 'native' },
  );
  prover = {
    prove: (job) => (job.circuit.startsWith('transfer') ? UNPROVEN : circuits).prove(job),
  };
  protocol = await LocalProtocol.start({
    timestamp: opening.underlying.timestamp,
    underlyingId: opening.underlying.underlyingId,
    parameters: DEFAULT_PARAMETERS,
    terms: { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: 10n ** 13n },
  });
  bitcoin = await addCollateral(protocol, 1_000n);
  await protocol.postRound(opening);
  await protocol.fund(protocol.wallet(2), protocol.wallet(3));
  const putVerifiersBack = await setVerifiersAside(protocol);
  putWriter = { ...PUT, accountId: await sell(UNPROVEN, PUT, PUT_TOKENS) };
  await putVerifiersBack();
  // Verifiers of solvency and insolvency stay.
  await setVerifiersAside(protocol, 'solvency-8');
}, 300_000);

afterAll(async () => {
  await circuits?.close();
  await protocol?.stop();
});

const markOf = (positions: Positions) =>
  exactMargin(positions, protocol.market.round, DEFAULT_PARAMETERS).mark;

/** Has an account with a dollar and tokens sell to a market maker at the mark. */
async function sell(by: Prover, positions: Positions, tokens: bigint): Promise<bigint> {
  const [trader, maker] = [protocol.wallet(2), protocol.wallet(3)];
  const accountId = await protocol.createFunded(trader, DOLLAR);
  const makerCash = 1_000_000n * DOLLAR;
  const makerId = await protocol.createFunded(maker, makerCash);
  await giveCollateral(protocol, trader, accountId, bitcoin, tokens);
  const bought = positions.legs.map(({ instrument, quantity }) => ({ instrument, quantity: -quantity }));
  const premium = -markOf(positions);
  const party = { nonce: 0n, before: undefined };
  await protocol.trade(
    by,
    {
      ...party,
      accountId,
      after: positions,
      cash: DOLLAR + premium,
      movingCollateral: collateralValue(bitcoin, tokens, protocol.market.round.underlying.spot),
      wallet: trader,
    },
    {
      ...party,
      accountId: makerId,
      after: { legs: bought, salt: positions.salt + 100n, scale: positions.scale },
      cash: makerCash - premium,
      wallet: maker,
    },
    premium,
  );
  return accountId;
}

/** An account as it stands, by the model. */
async function standing(positions: Positions, accountId: bigint) {
  const { cash, scale } = await protocol.account(accountId);
  const { value, moving, saleValue } = await collateralOf(protocol, accountId, false);
  const { round, parameters } = protocol.market;
  const margin = exactMargin({ ...positions, scale, movingCollateral: moving }, round, parameters);
  const alone = exactMargin({ ...positions, scale }, round, parameters);
  const collateral = { collateral: value, movingCollateral: moving, saleCollateral: saleValue };
  const state = { cash, ...collateral, mark: margin.mark, scale };
  return { state, margin, alone, moving, equity: equityOf(state), worth: worthOf(state) };
}

/** Whether the call is covered at the initial level by cash, and tokens that move or dollars of their value. */
function covers(tokens: bigint, moving: boolean): boolean {
  const value = collateralValue(bitcoin, tokens, SPOT);
  const cash = DOLLAR - markOf(CALL) + (moving ? 0n : value);
  const account = { ...CALL, cash, movingCollateral: moving ? value : 0n };
  return exactSolvency(account, opening, DEFAULT_PARAMETERS, protocol.market.initialLevel).solvent;
}

describe('a call that is covered by collateral', () => {
  it('is sold by a proof that counts the collateral with the call, and would not be without', async () => {
    expect(covers(CALL_TOKENS, true)).toBe(true);
    expect(covers(CALL_TOKENS, false)).toBe(false);
    callWriter = await sell(prover, CALL, CALL_TOKENS);
    const { scale, cash } = await protocol.account(callWriter);
    const collateral = await collateralOf(protocol, callWriter, true);
    expect(scale).toBe(SCALE_ONE);
    const value = collateralValue(bitcoin, CALL_TOKENS, SPOT);
    // A slice is priced less a quarter of the haircut: 2.5 %.
    const saleValue = saleCollateralValue(bitcoin, CALL_TOKENS, SPOT);
    expect(saleValue).toBe((CALL_TOKENS * SPOT * 975n) / 1_000_000_000n);
    expect(collateral).toEqual({ value, moving: value, saleValue });
    expect(availableCash(cash, collateral)).toBe(cash);
  });

  it('gives collateral back down to what is proven, and not a token beyond', async () => {
    const wallet = protocol.wallet(2);
    const extra = 100_000n;
    await giveCollateral(protocol, wallet, callWriter, bitcoin, extra);
    const held = CALL_TOKENS + extra;
    let least = 1n;
    for (let high = held; least < high; ) {
      const middle = (least + high) / 2n;
      if (covers(middle, true)) high = middle;
      else least = middle + 1n;
    }
    expect(covers(least, false)).toBe(false);
    const neededAt = (tokens: bigint) =>
      leastCash(protocol.market, {
        positions: CALL,
        movingCollateral: collateralValue(bitcoin, tokens, SPOT),
        level: protocol.market.initialLevel,
      });
    const { nonce, cash } = await protocol.account(callWriter);
    const prove = (tokens: bigint) =>
      proveSolvency(prover, protocol.market, {
        consumer: protocol.deployment.clearingHouse,
        purpose: 'withdrawal',
        accountId: callWriter,
        nonce,
        positions: CALL,
        cash,
        movingCollateral: collateralValue(bitcoin, tokens, SPOT),
        level: protocol.market.initialLevel,
      });
    expect(neededAt(least)).toBeLessThanOrEqual(cash);
    expect(neededAt(least - 1n)).toBeGreaterThan(cash);
    await expect(prove(least - 1n)).rejects.toMatchObject({ code: 'WITNESS_FAILED' });
    const { capacity, proof } = await prove(least);
    const withdrawal = (left: bigint, provenCash = cash): readonly [object, ProofArgument] => [
      {
        accountId: callWriter,
        collateralId: bitcoin.collateralId,
        amount: held - left,
        provenCash,
        round: protocol.market.number,
        capacity,
      },
      proof,
    ];
    const attempt = (...of: Parameters<typeof withdrawal>) =>
      refusalOf(protocol.simulate(wallet, 'clearingHouse', 'withdrawCollateral', withdrawal(...of)));
    // A proof is for what the account has afterwards: neither for more, nor for less.
    expect(await attempt(least - 1_000n)).toBe('InvalidProof');
    expect(await attempt(least + 1_000n)).toBe('InvalidProof');
    // As cash it would count twice.
    const value = collateralValue(bitcoin, least, SPOT);
    expect(await attempt(least, cash + value)).toBe('ProvenCashTooHigh');
    expect(await attempt(least, cash + 1n)).toBe('ProvenCashTooHigh');
    await protocol.write(wallet, 'clearingHouse', 'withdrawCollateral', withdrawal(least));
    expect((await collateralOf(protocol, callWriter, true)).moving).toBe(value);
  });
});

describe('a put whose collateral falls with it', () => {
  const keeper = (): DeployerWallet => protocol.keeper;
  let vesselId: bigint;

  beforeAll(async () => {
    await protocol.advanceTo(crashed.underlying.timestamp + 1n);
    await protocol.postRound(crashed);
    vesselId = await protocol.createFunded(keeper(), 100_000n * DOLLAR);
  });
  revertAfterEach(() => protocol);

  it('is liquidatable by what the collateral itself may lose, and a deposit does not void the proof', async () => {
    const before = await standing(PUT, putWriter.accountId);
    expect(before.margin.collateralSlope).toBeGreaterThan(0n);
    expect(before.equity).toBeGreaterThan(before.alone.requirement);
    expect(before.equity).toBeLessThan(before.margin.requirement);

    const proven = await proveForEngine(protocol, prover, putWriter, keeper());
    expect(provenRequirement(proven, before.moving)).toBe(before.margin.requirement);
    await giveCollateral(protocol, protocol.wallet(2), putWriter.accountId, bitcoin, 5_000n);
    const after = await standing(PUT, putWriter.accountId);
    expect(after.moving).toBeGreaterThan(before.moving);
    const order = await liquidationOrder(protocol, putWriter.accountId, vesselId, proven);
    for (const lie of [
      { baseRequirement: proven.baseRequirement + 1n },
      { collateralSlope: proven.collateralSlope + 1n },
      { mark: proven.mark - 1n },
    ]) {
      const claim = { ...order, ...claimOf(putWriter.accountId, { ...proven, ...lie }) };
      const call = protocol.simulate(keeper(), 'engine', 'liquidate', [claim, proven.proof]);
      expect(await refusalOf(call)).toBe('InvalidProof');
    }
    const receipt = await protocol.write(keeper(), 'engine', 'liquidate', [order, proven.proof]);
    const { state } = protocol.event<{
      readonly state: Readonly<
        Record<'movingCollateral' | 'collateral' | 'saleCollateral' | 'requirement' | 'mark', bigint>
      >;
    }>(receipt, 'engine', 'Liquidated');
    expect(state).toMatchObject({
      movingCollateral: after.moving,
      collateral: after.moving,
      saleCollateral: saleCollateralValue(bitcoin, PUT_TOKENS + 5_000n, crashed.underlying.spot),
      mark: proven.mark,
      requirement: provenRequirement(proven, after.moving),
    });
    // The same scenario is the worst for so little more.
    expect(state.requirement).toBe(after.margin.requirement);
  });

  it('is sold in an auction at the requirement of the collateral that is there, to the unit of the model', async () => {
    const { accountId } = putWriter;
    const proven = await proveForAuction(protocol, prover, putWriter, keeper());
    await startAuction(protocol, keeper(), accountId, proven, vesselId);
    await giveCollateral(protocol, protocol.wallet(2), accountId, bitcoin, 5_000n);
    await protocol.advance(60);
    const auction = await auctionOf(protocol, accountId);
    const { state: account, moving } = await standing(PUT, accountId);
    const state = {
      ...account,
      reserved: auction.reserved,
      proven: { ...auction, scale: auction.baseScale },
      publicStart: BigInt(auction.publicStart),
    };
    const terms = integerTerms(protocol.terms);
    const now = await protocol.now();
    const quote = bidQuote(state, terms, now);
    if (quote.kind !== 'sale') throw new Error('It is worth nothing.');
    const { sale, factorBps } = await quoteBid(protocol, accountId);
    expect(factorBps).toBe(quote.factorBps);
    for (const [name, amount] of Object.entries(sale))
      expect([name, amount]).toEqual([name, quote[name as 'worth']]);
    expect(quote.target).toBe(targetOf(provenRequirement(proven, moving), BigInt(protocol.terms.bufferBps)));

    // What an empty vessel needs for a part. A block later its price is hardly lower.
    const wish = { maxScale: quote.maxScale / 2n };
    const part = bidQuote(state, terms, now, wish);
    // Less than the smallest unit of the token may be lost on the way.
    const unit = collateralValue(bitcoin, 1n, crashed.underlying.spot);
    const bidBy = async (amount: bigint) => {
      const poor = await protocol.createFunded(keeper(), amount);
      const order = await bidOrder(protocol, accountId, poor, wish);
      return refusalOf(protocol.simulate(keeper(), 'auctionHouse', 'bid', [order]));
    };
    expect(await bidBy(part.leastCash + 2n * unit)).toBe('accepted');
    expect(await bidBy(part.leastCash - part.payment / 100n)).toBe('VesselUnderfunded');

    // What collateral does outweighs the requirement, so bids wait for figures of the newest round.
    await protocol.advance(60);
    await protocol.postRound(
      shockRound(crashed, { priceMove: -0.005, volMultiplierAt30d: 1, secondsLater: 100 }),
    );
    expect(await bidBy(part.leastCash * 2n)).toBe('ProofTooOld');
    await refreshAuction(
      protocol,
      keeper(),
      accountId,
      await proveForAuction(protocol, prover, putWriter, keeper()),
    );
    await bid(protocol, keeper(), accountId, vesselId);
    const [writer, vessel] = [await standing(PUT, accountId), await standing(PUT, vesselId)];
    expect(writer.equity).toBeGreaterThanOrEqual(writer.margin.requirement);
    expect(vessel.equity).toBeGreaterThanOrEqual(vessel.margin.requirement);
  });

  it.each([
    ['whose legs are public', true],
    ['whose legs are not', false],
  ])(
    'is liquidated by a keeper, %s, and both sides cover what they hold with their collateral',
    async (_, isPublic) => {
      const before = await collateralOf(protocol, putWriter.accountId, false);
      const feed = new LocalFeed(protocol, prover, [putWriter], () => isPublic);
      const hidden = { hedgeBps: 1n, notionalMultiple: 10n };
      const { keeper: running, until } = await startKeeper(protocol, feed, 1, [vesselId], {
        strategy: { ...TEST_STRATEGY, kinds: ['liquidate'], hidden },
      });
      try {
        const { end } = await until(finished('liquidate'), 45_000);
        expect(end).toBe('confirmed');
      } finally {
        await running.stop();
      }
      expect(feed.proofsMade).toBe(1);
      const [writer, vessel] = [await standing(PUT, putWriter.accountId), await standing(PUT, vesselId)];
      expect(writer.equity).toBeGreaterThanOrEqual(writer.margin.requirement);
      expect(vessel.moving).toBeGreaterThan(0n);
      expect(vessel.equity).toBeGreaterThanOrEqual(vessel.margin.requirement);
      const moved = before.moving - writer.moving - vessel.moving;
      // Of two balances each value is rounded down.
      expect(moved >= 0n && moved <= 1n).toBe(true);
    },
  );
});

describe('linear contracts that are hedged by collateral', () => {
  const keeper = (): DeployerWallet => protocol.keeper;
  const VESSEL_CASH = 100_000n * DOLLAR;
  let hedged: KnownAccount;
  let vesselId: bigint;

  beforeAll(async () => {
    await protocol.advance(60);
    const seconds = (await protocol.now()) - crashed.underlying.timestamp;
    await protocol.postRound(
      shockRound(crashed, { priceMove: 0, volMultiplierAt30d: 1, secondsLater: Number(seconds) }),
    );
    hedged = { ...SHORT, accountId: await sell(prover, SHORT, SHORT_TOKENS) };
    await withdrawProceeds();
    vesselId = await protocol.createFunded(keeper(), VESSEL_CASH);
  });
  revertAfterEach(() => protocol);

  /** Has the owner take out what the sale has brought, but for what the initial level asks for. */
  async function withdrawProceeds(): Promise<void> {
    const { accountId } = hedged;
    const { market } = protocol;
    const { nonce, cash } = await protocol.account(accountId);
    const { moving: movingCollateral } = await collateralOf(protocol, accountId, true);
    const needed = { positions: SHORT, movingCollateral, level: market.initialLevel };
    const provenCash = leastCash(market, needed);
    const { capacity, proof } = await proveSolvency(prover, market, {
      ...needed,
      consumer: protocol.deployment.clearingHouse,
      purpose: 'withdrawal',
      accountId,
      nonce,
      cash: provenCash,
    });
    const amount = cash - provenCash;
    const order = {
      accountId,
      amount,
      toAccountId: 0n,
      minPaid: amount,
      provenCash,
      round: market.number,
      capacity,
    };
    await protocol.write(protocol.wallet(2), 'clearingHouse', 'withdraw', [order, proof]);
  }

  const raiseHaircut = (own: bigint) =>
    protocol.write(protocol.operator, 'vault', 'raiseHaircuts', [
      bitcoin.collateralId,
      { own: Number(own), cross: Number(bitcoin.crossHaircutBps) },
    ]);

  /** The fund's cash, and what the house or the fund would have to pay. */
  async function fundAndDeficits() {
    const { cash } = await protocol.account(FUND);
    const { openDeficit, pendingDeficit, uncoveredDeficit } = await protocol.read<
      Readonly<Record<'openDeficit' | 'pendingDeficit' | 'uncoveredDeficit', bigint>>
    >('clearingHouse', 'totals');
    return { cash, deficits: [openDeficit, pendingDeficit, uncoveredDeficit] };
  }

  /** Checks every figure that an event gives of a sale. */
  function expectSale(sale: Sale, expected: Sale): void {
    expect(Object.keys(sale)).toContain('worthTaken');
    for (const [name, amount] of Object.entries(sale)) {
      expect([name, amount]).toEqual([name, expected[name as keyof Sale]]);
    }
  }

  /** Whether a side has won so much, to some units of rounding, and a token's smallest unit that may stay with the owner. */
  function expectWon(won: bigint, expected: bigint, side: 'owner' | 'taker'): void {
    const { spot } = protocol.market.round.underlying;
    const unit = spot / WHOLE_TOKEN + 1n;
    const [least, most] = side === 'owner' ? [0n, unit] : [-unit, 0n];
    expect(won - expected).toBeGreaterThanOrEqual(least - 5n);
    expect(won - expected).toBeLessThanOrEqual(most + 5n);
  }

  /** What an owner loses by a sale is the discount; of the rest nothing is missing. */
  async function expectKept(before: Awaited<ReturnType<typeof standing>>, loss: bigint): Promise<void> {
    const after = await standing(SHORT, hedged.accountId);
    expectWon(after.worth - before.worth, -loss, 'owner');
    expect(after.equity).toBeGreaterThanOrEqual(after.margin.requirement);
    expect(after.state.scale * 5n).toBeGreaterThan(before.state.scale * 4n);
  }

  it('require nothing, so that the owner has taken out all that they were sold for', async () => {
    const { margin, equity, state } = await standing(SHORT, hedged.accountId);
    expect(margin.requirement).toBe(0n);
    expect(state.cash).toBeLessThan(10n * DOLLAR);
    expect(equity - state.cash).toBeLessThan(DOLLAR);
    const proven = await proveForEngine(protocol, prover, hedged, keeper());
    const order = await liquidationOrder(protocol, hedged.accountId, vesselId, proven);
    expect(await refusalOf(protocol.simulate(keeper(), 'engine', 'liquidate', [order, proven.proof]))).toBe(
      'AccountHealthy',
    );
  });

  it('are sold for a small part by worth when the haircut rises by a point: no debt, though equity is below 0', async () => {
    const { accountId } = hedged;
    await raiseHaircut(1_100n);
    const before = await standing(SHORT, accountId);
    expect(before.equity).toBeLessThan(0n);
    const { cash, mark } = before.state;
    const { spot } = protocol.market.round.underlying;
    const sold = saleCollateralValue({ ...bitcoin, haircutBps: 1_100n }, SHORT_TOKENS, spot);
    expect(before.worth).toBe(cash + sold + mark);
    // The tokens are a ninth more than what was sold: after a quarter of the haircut, a twelfth.
    expect(before.worth).toBeGreaterThan(-mark / 13n);
    const fund = await fundAndDeficits();
    const proven = await proveForEngine(protocol, prover, hedged, keeper());
    const volatility = await protocol.read<bigint>('oracle', 'volatilityIndex', [
      Number(protocol.underlyingId),
    ]);
    const expected = atomicLiquidation(
      { ...before.state, ...proven },
      integerTerms(protocol.terms),
      volatility,
    );
    const order = await liquidationOrder(protocol, accountId, vesselId, proven);
    const receipt = await protocol.write(keeper(), 'engine', 'liquidate', [
      { ...order, maxPayment: expected.payment, minScaleTaken: expected.scaleTaken },
      proven.proof,
    ]);
    const { liquidation } = protocol.event<{
      readonly liquidation: { readonly sale: Sale } & Readonly<
        Record<'penaltyBps' | 'reward' | 'fundFee' | 'payment', bigint>
      >;
    }>(receipt, 'engine', 'Liquidated');
    const { sale, penaltyBps, reward, fundFee, payment } = liquidation;
    expectSale(sale, expected);
    expect([penaltyBps, reward, fundFee, payment]).toEqual([
      expected.penaltyBps,
      expected.reward,
      expected.fundFee,
      expected.payment,
    ]);
    await expectKept(before, expected.penalty);
    expect(await fundAndDeficits()).toEqual({ cash: fund.cash + fundFee, deficits: [0n, 0n, 0n] });
    // The taker gains its reward, not the haircut.
    const vessel = await standing(SHORT, vesselId);
    expectWon(vessel.worth - VESSEL_CASH, reward, 'taker');
    expect(vessel.equity).toBeLessThan(VESSEL_CASH);
  });

  it('are sold likewise in an auction, and are nobody’s to take over', async () => {
    const { accountId } = hedged;
    await raiseHaircut(1_100n);
    const before = await standing(SHORT, accountId);
    const fund = await fundAndDeficits();
    const proven = await proveForAuction(protocol, prover, hedged, keeper());
    const terms = integerTerms(protocol.terms);
    const state = {
      ...before.state,
      mark: proven.mark,
      requirement: before.margin.requirement,
      reserved: 0n,
    };
    const volatility = await protocol.read<bigint>('oracle', 'volatilityIndex', [
      Number(protocol.underlyingId),
    ]);
    const { fee, reward } = startFee(state, terms, volatility);
    const rewardId = await protocol.createFunded(keeper(), DOLLAR);
    const started = await startAuction(protocol, keeper(), accountId, proven, rewardId);
    expect(protocol.event(started, 'auctionHouse', 'AuctionStarted')).toMatchObject({ fee, reward });
    expect(protocol.events(started, 'auctionHouse', 'InsolvencyMarked')).toEqual([]);
    // Figures must have stood for a while before they end an auction.
    await protocol.advance(protocol.terms.maxProofAge / 4);
    const auction = await auctionOf(protocol, accountId);
    expect(auction.insolventSince).toBe(0);
    const takeOver = protocol.read('auctionHouse', 'quoteTakeOver', [accountId, SCALE_ONE, false]);
    expect(await refusalOf(takeOver)).toBe('HasWorth');

    const charged = await standing(SHORT, accountId);
    expect(charged.worth).toBe(before.worth - fee);
    const receipt = await bid(protocol, keeper(), accountId, vesselId);
    const { timestamp } = await protocol.client.getBlock({ blockNumber: receipt.blockNumber });
    const expected = bidQuote(
      {
        ...charged.state,
        reserved: 0n,
        proven: { ...proven, scale: auction.baseScale },
        publicStart: BigInt(auction.publicStart),
      },
      terms,
      timestamp,
    );
    if (expected.kind !== 'sale') throw new Error('It is worth nothing.');
    const { sale, factorBps } = protocol.event<{ readonly sale: Sale; readonly factorBps: bigint }>(
      receipt,
      'auctionHouse',
      'BidExecuted',
    );
    expect(factorBps).toBe(expected.factorBps);
    expectSale(sale, expected);
    await expectKept(charged, expected.worthTaken - expected.proceeds);
    expect((await protocol.account(accountId)).inAuction).toBe(false);
    expect(await fundAndDeficits()).toEqual({ cash: fund.cash + fee - reward, deficits: [0n, 0n, 0n] });
  });

  it('are liquidated by a keeper that gains what it has reckoned, at worth', async () => {
    await raiseHaircut(1_200n);
    const feed = new LocalFeed(protocol, prover, [hedged]);
    const { keeper: running, until } = await startKeeper(protocol, feed, 1, [vesselId], {
      strategy: { ...TEST_STRATEGY, kinds: ['liquidate'] },
    });
    const { end, profit } = await until(finished('liquidate'), 45_000).finally(() => running.stop());
    expect(end).toBe('confirmed');
    const vessel = await standing(SHORT, vesselId);
    // It has reckoned with what the tokens sell for: their full value less the cost that is set, not less a quarter of the haircut.
    const { spot } = protocol.market.round.underlying;
    const tokens = await protocol.read<bigint>('vault', 'balanceOf', [vesselId, bitcoin.collateralId]);
    const full = (tokens * spot) / WHOLE_TOKEN;
    const resale =
      full - full / 1_000_000n - saleCollateralValue({ ...bitcoin, haircutBps: 1_200n }, tokens, spot);
    expect(resale).toBeGreaterThan(0n);
    expectWon(vessel.worth + resale - VESSEL_CASH, profit.gross, 'taker');
    expect(vessel.equity).toBeGreaterThanOrEqual(vessel.margin.requirement);
    expect((await fundAndDeficits()).deficits).toEqual([0n, 0n, 0n]);
  });
});

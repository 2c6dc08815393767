/** Collateral that moves with the positions, by real proofs on a real EVM: where it offsets their risk, and where it adds to it. */
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
} from '../../scripts/lib/local-collateral.ts';
import { LocalFeed } from '../../scripts/lib/local-feed.ts';
import { LocalProtocol } from '../../scripts/lib/local-protocol.ts';
import { setVerifiersAside, UNPROVEN } from '../../scripts/lib/unproven-protocol.ts';
import type { DeployerWallet } from '../../src/chain/deploy.ts';
import { provenRequirement } from '../../src/chain/requests/insolvency.ts';
import type { Positions } from '../../src/chain/requests/market.ts';
import type { ProofArgument, Prover } from '../../src/chain/requests/proofs.ts';
import { availableCash, leastCash, proveSolvency } from '../../src/chain/requests/solvency.ts';
import { targetOf } from '../../src/liquidation/amounts.ts';
import { bidQuote } from '../../src/liquidation/auction.ts';
import { DEFAULT_LIQUIDATION_TERMS, integerTerms } from '../../src/liquidation/terms.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { exactSolvency } from '../../src/margin/exact/solvency.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { shockRound } from '../../src/market/example-market.ts';
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

const markOf = (positions: Positions) => exactMargin(positions, opening, DEFAULT_PARAMETERS).mark;

/** Has an account with a dollar and tokens sell to a market maker at the mark. */
async function sell(by: Prover, positions: Positions, tokens: bigint): Promise<bigint> {
  const [trader, maker] = [protocol.wallet(2), protocol.wallet(3)];
  const accountId = await protocol.createFunded(trader, DOLLAR);
  const makerCash = 200_000n * DOLLAR;
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
      movingCollateral: collateralValue(bitcoin, tokens, SPOT),
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
    expect(collateral).toEqual({ value, moving: value });
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

  /** The writer as it stands. */
  async function standing(accountId: bigint) {
    const { cash, scale } = await protocol.account(accountId);
    const { value, moving } = await collateralOf(protocol, accountId, false);
    const { round, parameters } = protocol.market;
    const margin = exactMargin({ ...PUT, scale, movingCollateral: moving }, round, parameters);
    const alone = exactMargin({ ...PUT, scale }, round, parameters);
    return { margin, alone, moving, equity: cash + value + margin.mark };
  }

  it('is liquidatable by what the collateral itself may lose, and a deposit does not void the proof', async () => {
    const before = await standing(putWriter.accountId);
    expect(before.margin.collateralSlope).toBeGreaterThan(0n);
    expect(before.equity).toBeGreaterThan(before.alone.requirement);
    expect(before.equity).toBeLessThan(before.margin.requirement);

    const proven = await proveForEngine(protocol, prover, putWriter, keeper());
    expect(provenRequirement(proven, before.moving)).toBe(before.margin.requirement);
    await giveCollateral(protocol, protocol.wallet(2), putWriter.accountId, bitcoin, 5_000n);
    const after = await standing(putWriter.accountId);
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
      readonly state: Readonly<Record<'movingCollateral' | 'collateral' | 'requirement' | 'mark', bigint>>;
    }>(receipt, 'engine', 'Liquidated');
    expect(state).toMatchObject({
      movingCollateral: after.moving,
      collateral: after.moving,
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
    const { cash, scale } = await protocol.account(accountId);
    const { value, moving } = await collateralOf(protocol, accountId, false);
    const state = {
      cash,
      collateral: value,
      movingCollateral: moving,
      scale,
      reserved: auction.reserved,
      proven: { ...auction, scale: auction.baseScale },
      publicStart: BigInt(auction.publicStart),
    };
    const terms = integerTerms(protocol.terms);
    const now = await protocol.now();
    const quote = bidQuote(state, terms, now);
    if (quote.kind !== 'sale') throw new Error('It has no equity.');
    const { sale, factorBps } = await quoteBid(protocol, accountId);
    expect(factorBps).toBe(quote.factorBps);
    for (const [name, amount] of Object.entries(sale))
      expect([name, amount]).toEqual([name, quote[name as 'equity']]);
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
    const [writer, vessel] = [await standing(accountId), await standing(vesselId)];
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
      const [writer, vessel] = [await standing(putWriter.accountId), await standing(vesselId)];
      expect(writer.equity).toBeGreaterThanOrEqual(writer.margin.requirement);
      expect(vessel.moving).toBeGreaterThan(0n);
      expect(vessel.equity).toBeGreaterThanOrEqual(vessel.margin.requirement);
      const moved = before.moving - writer.moving - vessel.moving;
      // Of two balances each value is rounded down.
      expect(moved >= 0n && moved <= 1n).toBe(true);
    },
  );
});

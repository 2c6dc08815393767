/** An account's life on a real EVM with real proofs: withdrawals, auctions, sealed bids, batches, insolvency, expiry. */
import { encodeAbiParameters, type Hex, keccak256 } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  auctionOf,
  type BidWish,
  bidOrder,
  claimOf,
  liquidationOrder,
  proveForAuction,
  proveForEngine,
  recoveryOf,
  startAuction as sendStart,
  takeOverOrder,
} from '../../scripts/lib/local-auction.ts';
import { type OpenAccount, settlementOf } from '../../scripts/lib/local-book.ts';
import type { LocalProtocol } from '../../scripts/lib/local-protocol.ts';
import type { DeployerWallet } from '../../src/chain/deploy.ts';
import type { ProvenMargin } from '../../src/chain/requests/insolvency.ts';
import { NO_PROOF } from '../../src/chain/requests/proofs.ts';
import { proveSolvency } from '../../src/chain/requests/solvency.ts';
import { bidQuote } from '../../src/liquidation/auction.ts';
import { DEFAULT_LIQUIDATION_TERMS, integerTerms } from '../../src/liquidation/terms.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import type { Leg } from '../../src/market/instrument.ts';
import { shockRound } from '../../src/market/shock.ts';
import type { MarketRound } from '../../src/market/words.ts';
import { revertAfterEach } from './hooks.ts';
import { crashed, expire, later, marginNow, refusalOf, startWorld, type World } from './world.ts';

const TERMS = { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: 10n ** 13n };
const VESSEL_CASH = 5_000_000_000_000n;
const PLENTY = 10n ** 15n;
const FUND = 1n;

let world: World;
let protocol: LocalProtocol;

beforeAll(async () => {
  world = await startWorld(8, TERMS);
  ({ protocol } = world);
}, 600_000);

afterAll(async () => {
  await world?.prover.close();
  await protocol?.stop();
});

revertAfterEach(() => protocol);

/** Proves what the auction house asks of an account, for this keeper. */
function provenFor(keeper: DeployerWallet, account: OpenAccount, scenario?: number): Promise<ProvenMargin> {
  return proveForAuction(protocol, world.prover, account, keeper, scenario);
}

async function startAuction(keeper: DeployerWallet, account: OpenAccount, rewardAccountId: bigint) {
  const proven = await provenFor(keeper, account);
  return sendStart(protocol, keeper, account.accountId, proven, rewardAccountId);
}

/** A round in which an account is worse off than in the crash, but worth something. */
async function worseRound(account: OpenAccount, seconds: number): Promise<MarketRound> {
  const { cash, scale } = await protocol.account(account.accountId);
  const { parameters } = protocol.market;
  for (const move of [-0.02, 0.02, -0.04, 0.04, -0.06, 0.06, -0.08, 0.08, -0.1, 0.1]) {
    const round = later(crashed, seconds, move);
    const { mark, requirement } = exactMargin({ legs: account.legs, scale }, round, parameters);
    if (cash + mark < (requirement * 19n) / 20n && cash + mark > 0n) return round;
  }
  throw new Error(`No small move makes ${account.name} worse.`);
}

describe('withdrawals of an account with positions', () => {
  it('are refused without a proof, beyond what is proven, and allowed up to the initial requirement', async () => {
    const { trader } = world.healthy;
    const { nonce, cash } = await protocol.account(trader.accountId);
    const { mark, requirement } = marginNow(protocol, trader);
    const initial = (requirement * protocol.market.initialLevel) / 4_096n;
    const free = cash + mark - initial;
    expect(free).toBeGreaterThan(1_000_000n);
    const prove = (left: bigint) =>
      proveSolvency(world.prover, protocol.market, {
        consumer: protocol.deployment.clearingHouse,
        purpose: 'withdrawal',
        accountId: trader.accountId,
        nonce,
        positions: trader,
        cash: left,
        level: protocol.market.initialLevel,
      });
    // No proof exists of what is not so.
    await expect(prove(cash - free - 1_000_000n)).rejects.toMatchObject({ code: 'WITNESS_FAILED' });

    const amount = free - 1_000_000n;
    const { proof, capacity } = await prove(cash - amount);
    const request = {
      accountId: trader.accountId,
      amount,
      toAccountId: 0n,
      minPaid: amount,
      provenCash: cash - amount,
      round: protocol.market.number,
      capacity,
    };
    const withdraw = (changed: Partial<typeof request>, given = proof, sender = trader.wallet) =>
      refusalOf(protocol.simulate(sender, 'clearingHouse', 'withdraw', [{ ...request, ...changed }, given]));
    expect(await withdraw({}, NO_PROOF)).toBe('InvalidProof');
    expect(await withdraw({ amount: amount + 1n })).toBe('ProvenCashTooHigh');
    expect(await withdraw({ amount: amount + 1n, provenCash: cash - amount - 1n })).toBe('InvalidProof');
    expect(await withdraw({ round: protocol.market.number - 1n })).toBe('NotLatestRound');
    expect(await withdraw({}, proof, world.failing[0]!.maker.wallet)).toBe('NotAccountOwner');
    // A stranger's deposit does not void the proof.
    await protocol.write(protocol.keeper, 'clearingHouse', 'deposit', [trader.accountId, 1n]);
    const receipt = await protocol.write(trader.wallet, 'clearingHouse', 'withdraw', [request, proof]);
    console.log(`gas of a withdrawal with a proof: ${receipt.gasUsed}`);
    expect((await protocol.account(trader.accountId)).cash).toBe(cash - amount + 1n);
  });
});

describe('an auction', () => {
  it('sells to three bidders, goes on with a newer proof, and ends when the account is covered', async () => {
    const { trader } = world.failing[0]!;
    const bidders = [protocol.keeper, protocol.wallet(4), protocol.wallet(5)];
    const vessels = await Promise.all(bidders.map((bidder) => protocol.createFunded(bidder, VESSEL_CASH)));
    const before = await protocol.account(trader.accountId);
    const started = await startAuction(protocol.keeper, trader, vessels[0]!);
    const { fee, reward } = protocol.event<{ fee: bigint; reward: bigint }>(
      started,
      'auctionHouse',
      'AuctionStarted',
    );
    expect(reward).toBeLessThanOrEqual(fee);
    expect((await protocol.account(trader.accountId)).cash).toBe(before.cash - fee);
    expect((await protocol.account(FUND)).cash).toBe(fee - reward);
    // Nothing leaves the account while it is auctioned.
    expect(
      await refusalOf(
        protocol.simulate(trader.wallet, 'clearingHouse', 'withdraw', [
          {
            accountId: trader.accountId,
            amount: 1n,
            toAccountId: 0n,
            minPaid: 0n,
            provenCash: 0n,
            round: 0n,
            capacity: 8,
          },
          NO_PROOF,
        ]),
      ),
    ).toBe('AccountInAuction');

    const bid = async (index: number, wish: BidWish = {}) => {
      const order = await bidOrder(protocol, trader.accountId, vessels[index]!, wish);
      const receipt = await protocol.write(bidders[index]!, 'auctionHouse', 'bid', [order]);
      console.log(`gas of bid ${index + 1}: ${receipt.gasUsed}`);
      return receipt;
    };
    const quoteNow = async () => {
      const auction = await auctionOf(protocol, trader.accountId);
      const { cash, scale } = await protocol.account(trader.accountId);
      return bidQuote(
        {
          cash,
          collateral: 0n,
          movingCollateral: 0n,
          saleCollateral: 0n,
          scale,
          reserved: auction.reserved,
          proven: { ...auction, scale: auction.baseScale },
          publicStart: BigInt(auction.publicStart),
          insolventSince: BigInt(auction.insolventSince),
        },
        integerTerms(TERMS),
        await protocol.now(),
      );
    };
    const first = await quoteNow();
    if (first?.kind !== 'sale') throw new Error('Nothing is for sale.');
    await bid(0, { maxScale: first.maxScale / 4n });
    expect((await protocol.account(vessels[0]!)).scale).toBe(first.maxScale / 4n);

    await protocol.advance(40);
    const slices = (await protocol.account(trader.accountId)).scale;
    await bid(1, { maxScale: slices / 10n });

    // A little later prices have moved on: a newer round, a newer proof, at the scale with which the auction began.
    await protocol.advance(20);
    await protocol.postRound(await worseRound(trader, 62));
    const stale = await bidOrder(protocol, trader.accountId, vessels[2]!);
    const proven = await provenFor(bidders[2]!, trader);
    await protocol.write(bidders[2]!, 'auctionHouse', 'refresh', [
      claimOf(trader.accountId, proven),
      proven.proof,
    ]);
    expect(await refusalOf(protocol.simulate(bidders[2]!, 'auctionHouse', 'bid', [stale]))).toBe(
      'AuctionChanged',
    );
    // Figures end an auction only when they have stood for a while, and anyone could have brought worse ones.
    await protocol.advance(TERMS.maxProofAge / 4);

    const quote = await quoteNow();
    if (quote?.kind !== 'sale') throw new Error('Nothing is for sale.');
    const receipt = await bid(2);
    const { sale } = protocol.event<{ sale: { proceeds: bigint; scaleTaken: bigint } }>(
      receipt,
      'auctionHouse',
      'BidExecuted',
    );
    // The block of the bid is at most a second or two later than the quote: the price has fallen by a few basis points at most.
    expect(sale.proceeds).toBeLessThanOrEqual((quote.proceeds * 101n) / 100n);
    expect((await auctionOf(protocol, trader.accountId)).number).toBe(0n);
    const after = await protocol.account(trader.accountId);
    expect(after.inAuction).toBe(false);
    const held = await Promise.all(vessels.map((id) => protocol.account(id)));
    expect(held.reduce((sum, { scale }) => sum + scale, after.scale)).toBe(before.scale);
    const remaining = marginNow(protocol, { legs: trader.legs, scale: after.scale });
    expect(after.cash + remaining.mark).toBeGreaterThanOrEqual(remaining.requirement);
    for (const vessel of held) {
      const slice = marginNow(protocol, { legs: trader.legs, scale: vessel.scale });
      expect(vessel.cash + slice.mark).toBeGreaterThanOrEqual(slice.requirement);
    }
  });

  it('takes only a worse scenario at the same round, and no proof of another keeper', async () => {
    const { trader } = world.failing[0]!;
    const vessel = await protocol.createFunded(protocol.keeper, VESSEL_CASH);
    const { scenarios, worstScenario } = marginNow(protocol, trader);
    const { cash } = await protocol.account(trader.accountId);
    const mild = scenarios.findIndex(
      ({ mark, requirement }, index) =>
        index !== worstScenario &&
        cash + mark < requirement &&
        requirement < scenarios[worstScenario]!.requirement,
    );
    expect(mild).toBeGreaterThan(0);
    const proven = await provenFor(protocol.keeper, trader, mild);
    await protocol.write(protocol.keeper, 'auctionHouse', 'start', [
      claimOf(trader.accountId, proven),
      vessel,
      proven.proof,
    ]);
    const refresh = (wallet: DeployerWallet, given: ProvenMargin) =>
      refusalOf(
        protocol.simulate(wallet, 'auctionHouse', 'refresh', [claimOf(trader.accountId, given), given.proof]),
      );
    const worse = await provenFor(protocol.wallet(4), trader);
    expect(await refresh(protocol.keeper, worse)).toBe('InvalidProof');
    expect(await refresh(protocol.wallet(4), worse)).toBe('accepted');
    await protocol.write(protocol.wallet(4), 'auctionHouse', 'refresh', [
      claimOf(trader.accountId, worse),
      worse.proof,
    ]);
    const again = await provenFor(protocol.keeper, trader, mild);
    expect(await refresh(protocol.keeper, again)).toBe('NotWorse');
  });

  it('is cancelled by a proof of solvency once the trader has paid in', async () => {
    const { trader } = world.failing[1]!;
    const vessel = await protocol.createFunded(protocol.keeper, VESSEL_CASH);
    await startAuction(protocol.keeper, trader, vessel);
    const { requirement } = marginNow(protocol, trader);
    const cancellation = () => recoveryOf(protocol, world.prover, trader);
    await expect(cancellation()).rejects.toMatchObject({ code: 'WITNESS_FAILED' });
    await protocol.write(trader.wallet, 'clearingHouse', 'deposit', [trader.accountId, requirement]);
    const [request, proof] = await cancellation();
    expect(
      await refusalOf(
        protocol.simulate(trader.wallet, 'auctionHouse', 'cancel', [
          { ...request, provenCash: request.provenCash + 1n },
          proof,
        ]),
      ),
    ).toBe('ProvenCashTooHigh');
    await protocol.write(trader.wallet, 'auctionHouse', 'cancel', [request, proof]);
    expect((await protocol.account(trader.accountId)).inAuction).toBe(false);
  });
});

describe('the sealed-bid stage', () => {
  it('sells to the best revealed bid, and slashes who does not reveal', async () => {
    const { trader } = world.failing[2]!;
    const liquidators = [protocol.wallet(4), protocol.wallet(5)];
    const { sealedBids } = protocol.deployment;
    for (const wallet of liquidators) {
      await protocol.write(wallet, 'asset', 'approve', [sealedBids, PLENTY]);
      await protocol.write(protocol.operator, 'sealedBids', 'setLiquidator', [wallet.account.address, true]);
      await protocol.write(wallet, 'sealedBids', 'addStake', [20_000_000_000n]);
    }
    const vessels = await Promise.all(
      liquidators.map((wallet) => protocol.createFunded(wallet, VESSEL_CASH)),
    );
    const reward = await protocol.createFunded(protocol.keeper, VESSEL_CASH);
    await startAuction(protocol.keeper, trader, reward);
    const { number } = await auctionOf(protocol, trader.accountId);
    const outsider = await bidOrder(protocol, trader.accountId, reward);
    expect(await refusalOf(protocol.simulate(protocol.keeper, 'auctionHouse', 'bid', [outsider]))).toBe(
      'PublicBiddingNotOpen',
    );
    const bids = liquidators.map(({ account }, index) => ({
      bidder: account.address,
      vesselId: vessels[index]!,
      factorBps: [10_050n, 9_900n][index]!,
      maxScale: 2n ** 63n,
      salt: `0x${String(index + 1).repeat(64)}` as Hex,
    }));
    for (const [index, { bidder, vesselId, factorBps, maxScale, salt }] of bids.entries()) {
      const hash = await protocol.read<Hex>('sealedBids', 'hashOf', [
        number,
        bidder,
        vesselId,
        factorBps,
        maxScale,
        salt,
      ]);
      expect(hash).toBe(
        keccak256(
          encodeAbiParameters(
            ['uint256', 'address', 'uint64', 'address', 'uint256', 'uint256', 'uint256', 'bytes32'].map(
              (type) => ({
                type,
              }),
            ),
            [BigInt(protocol.anvil.chainId), sealedBids, number, bidder, vesselId, factorBps, maxScale, salt],
          ),
        ),
      );
      await protocol.write(liquidators[index]!, 'sealedBids', 'commit', [trader.accountId, hash]);
    }
    await protocol.advance(TERMS.commitSeconds + 1);
    const [best] = bids;
    await protocol.write(liquidators[0]!, 'sealedBids', 'reveal', [
      number,
      best!.vesselId,
      best!.factorBps,
      best!.maxScale,
      best!.salt,
    ]);
    await protocol.advance(TERMS.revealSeconds);
    const filled = await protocol.write(protocol.keeper, 'sealedBids', 'fill', [trader.accountId]);
    const { scaleTaken } = protocol.event<{ scaleTaken: bigint }>(filled, 'sealedBids', 'BidFilled');
    expect((await protocol.account(vessels[0]!)).scale).toBe(scaleTaken);
    const { factorBps } = protocol.event<{ factorBps: bigint }>(filled, 'auctionHouse', 'BidExecuted');
    expect(factorBps).toBe(10_050n);
    // The proof was the winner's to choose, so that its figures must stand for a while before they end the auction.
    expect(
      await refusalOf(protocol.simulate(protocol.keeper, 'auctionHouse', 'close', [trader.accountId])),
    ).toBe('FiguresTooNew');
    await protocol.advance(TERMS.maxProofAge / 4);
    await protocol.write(protocol.keeper, 'auctionHouse', 'close', [trader.accountId]);
    expect((await protocol.account(trader.accountId)).inAuction).toBe(false);

    const fund = (await protocol.account(FUND)).cash;
    await protocol.write(protocol.keeper, 'sealedBids', 'slash', [number, liquidators[1]!.account.address]);
    expect((await protocol.account(FUND)).cash).toBe(fund + 1_000_000_000n);
  });
});

describe('a batch', () => {
  it('liquidates eight accounts for at most 60 % of the gas of eight transactions, and names a bad proof', async () => {
    const { keeper } = protocol;
    const accounts = world.failing.map(({ trader }) => trader);
    const vessels = await protocol.createVessels(
      keeper,
      accounts.map(() => VESSEL_CASH),
    );
    const orders: Record<string, unknown>[] = [];
    const proofs: ProvenMargin['proof'][] = [];
    for (const [index, account] of accounts.entries()) {
      const proven = await proveForEngine(protocol, world.prover, account, keeper);
      orders.push(await liquidationOrder(protocol, account.accountId, vessels[index]!, proven));
      proofs.push(proven.proof);
    }
    const swapped = [proofs[1]!, proofs[0]!, ...proofs.slice(2)];
    expect(await refusalOf(protocol.simulate(keeper, 'engine', 'liquidateBatch', [orders, swapped]))).toBe(
      'InvalidProofInBatch',
    );

    const start = await protocol.snapshot();
    let singly = 0n;
    for (const [index, order] of orders.entries()) {
      singly += (await protocol.write(keeper, 'engine', 'liquidate', [order, proofs[index]])).gasUsed;
    }
    await protocol.revert(start);
    const { gasUsed } = await protocol.write(keeper, 'engine', 'liquidateBatch', [orders, proofs]);
    console.log(
      `eight accounts: ${gasUsed} gas in a batch, ${singly} singly: ${((100 * Number(gasUsed)) / Number(singly)).toFixed(1)} %`,
    );
    expect(gasUsed * 100n).toBeLessThanOrEqual(singly * 60n);
    for (const account of accounts) {
      const { cash, scale } = await protocol.account(account.accountId);
      const { mark, requirement } = marginNow(protocol, { legs: account.legs, scale });
      expect(cash + mark).toBeGreaterThanOrEqual(requirement);
    }
  });
});

describe('an account that is worth nothing', () => {
  it('is taken over for a subsidy of the fund, then of everybody, who then withdraw at a ratio', async () => {
    await protocol.advance(600);
    const deeper = shockRound(crashed, { priceMove: -0.35, volMultiplierAt30d: 1.3, secondsLater: 600 });
    await protocol.postRound(deeper);
    const { keeper } = protocol;
    const margins = world.failing.map(({ trader }) => ({ trader, margin: marginNow(protocol, trader) }));
    const equities = await Promise.all(
      margins.map(async ({ trader, margin }) => ({
        trader,
        equity: (await protocol.account(trader.accountId)).cash + margin.mark,
      })),
    );
    const { trader, equity } = equities.reduce((worst, next) => (next.equity < worst.equity ? next : worst));
    expect(equity).toBeLessThan(0n);
    const saver = protocol.wallet(5);
    const savings = await protocol.createFunded(saver, 10_000_000_000n);
    await protocol.write(keeper, 'clearingHouse', 'deposit', [FUND, 1_000_000n]);
    const vessel = await protocol.createFunded(keeper, VESSEL_CASH);
    await startAuction(keeper, trader, vessel);
    const withdrawal = {
      accountId: savings,
      amount: 1_000_000_000n,
      toAccountId: 0n,
      minPaid: 0n,
      provenCash: 0n,
      round: 0n,
      capacity: 0,
    };
    const withdraw = () => protocol.simulate(saver, 'clearingHouse', 'withdraw', [withdrawal, NO_PROOF]);
    expect(await refusalOf(withdraw())).toBe('WithdrawalsGated');

    await protocol.advance(TERMS.insolventSeconds);
    await protocol.postRound(later(deeper, TERMS.insolventSeconds));
    const proven = await provenFor(keeper, trader);
    await protocol.write(keeper, 'auctionHouse', 'refresh', [
      claimOf(trader.accountId, proven),
      proven.proof,
    ]);
    const order = await takeOverOrder(protocol, trader.accountId, vessel);
    const receipt = await protocol.write(keeper, 'auctionHouse', 'takeOver', [{ ...order, minSubsidy: 1n }]);
    const { takeover, coverage } = protocol.event<{
      takeover: { subsidy: bigint; scaleTaken: bigint };
      coverage: { fromFund: bigint; fromReserve: bigint; socialised: bigint };
    }>(receipt, 'auctionHouse', 'TakenOver');
    expect(coverage.fromFund).toBe(1_000_000n);
    expect(coverage.fromFund + coverage.fromReserve + coverage.socialised).toBe(takeover.subsidy);
    expect(coverage.socialised).toBeGreaterThan(0n);
    const gone = await protocol.account(trader.accountId);
    expect([gone.scale, gone.commitment, gone.cash, gone.inAuction]).toEqual([0n, 0n, 0n, false]);
    const taken = await protocol.account(vessel);
    const margin = marginNow(protocol, { legs: trader.legs, scale: taken.scale });
    expect(taken.cash + margin.mark).toBeGreaterThanOrEqual(margin.requirement);

    const balance = () => protocol.read<bigint>('asset', 'balanceOf', [saver.account.address]);
    const before = await balance();
    await protocol.write(saver, 'clearingHouse', 'withdraw', [withdrawal, NO_PROOF]);
    const paid = (await balance()) - before;
    expect(paid).toBeLessThan(withdrawal.amount);
    expect(paid).toBeGreaterThan((withdrawal.amount * 9n) / 10n);
    // What a withdrawal leaves lowers the loss of those who stay.
    const { openDeficit } = await protocol.read<{ openDeficit: bigint }>('clearingHouse', 'totals');
    expect(openDeficit).toBe(coverage.socialised - (withdrawal.amount - paid));
  });
});

describe('expiry', () => {
  it('pays both sides by proof at the settlement price, the winner first, and lets them leave', async () => {
    const expiryHour = crashed.expiries[0]!.expiryHour;
    const paysOut = ({ instrument }: Leg): boolean =>
      instrument.expiryHour === expiryHour &&
      (instrument.kind === 'call'
        ? instrument.strike * 100n < crashed.underlying.spot
        : instrument.strike * 100n > crashed.underlying.spot);
    const pair = [...world.failing, world.healthy].find(({ trader }) => trader.legs.some(paysOut));
    if (pair === undefined) throw new Error('No account holds an option of the first expiry that pays out.');
    await expire(protocol, expiryHour);
    const settlements: { account: OpenAccount; prepared: Awaited<ReturnType<typeof settlementOf>> }[] = [];
    for (const account of [pair.trader, pair.maker]) {
      const prepared = await settlementOf(protocol, world.prover, account, expiryHour);
      expect(prepared.price).toBe(crashed.underlying.spot);
      settlements.push({ account, prepared });
    }
    settlements.sort((a, b) => Number(b.prepared.request.cash - a.prepared.request.cash));
    const float = async () =>
      (await protocol.read<{ settlementFloat: bigint }>('clearingHouse', 'totals')).settlementFloat;
    let sum = 0n;
    for (const [index, { account, prepared }] of settlements.entries()) {
      const { request, proof, remaining } = prepared;
      const { cash } = await protocol.account(account.accountId);
      expect(
        await refusalOf(
          protocol.simulate(protocol.keeper, 'clearingHouse', 'settle', [
            { ...request, cash: request.cash + 1n },
            proof,
          ]),
        ),
      ).toBe('InvalidProof');
      const receipt = await protocol.write(protocol.keeper, 'clearingHouse', 'settle', [request, proof]);
      console.log(`gas of a settlement: ${receipt.gasUsed}`);
      const after = await protocol.account(account.accountId);
      expect(after.cash).toBe(cash + request.cash);
      expect(after.commitment).toBe(request.newCommitment);
      expect(remaining.length).toBeLessThan(account.legs.length);
      sum += request.cash;
      // The winner is credited before the loser has paid, and the books say so.
      expect(await float()).toBe(sum);
      if (index === 0) expect(request.cash).toBeGreaterThan(0n);
    }
    // Zero sum but for two roundings against the accounts.
    expect(sum).toBeLessThanOrEqual(0n);
    expect(sum).toBeGreaterThanOrEqual(-2n);

    for (const { account, prepared } of settlements) {
      const { cash, nonce, scale } = await protocol.account(account.accountId);
      const positions = { ...account, legs: prepared.remaining, scale };
      const { mark, requirement } = marginNow(protocol, positions);
      const needed = (requirement * protocol.market.initialLevel) / 4_096n - mark + 1_000_000n;
      const amount = cash - (needed > 0n ? needed : 0n);
      expect(amount).toBeGreaterThan(0n);
      const { proof, capacity } = await proveSolvency(world.prover, protocol.market, {
        consumer: protocol.deployment.clearingHouse,
        purpose: 'withdrawal',
        accountId: account.accountId,
        nonce,
        positions,
        cash: cash - amount,
        level: protocol.market.initialLevel,
      });
      const request = {
        accountId: account.accountId,
        amount,
        toAccountId: 0n,
        minPaid: amount,
        provenCash: cash - amount,
        round: protocol.market.number,
        capacity,
      };
      await protocol.write(account.wallet, 'clearingHouse', 'withdraw', [request, proof]);
      expect((await protocol.account(account.accountId)).cash).toBe(cash - amount);
    }
  });
});

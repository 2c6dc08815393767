/** The service over a real chain with collateral that moves with positions: what it shows, and what its proofs show to the contracts. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { exampleCrash } from '../../scripts/lib/example-crash.ts';
import {
  claimOf,
  collateralOf,
  liquidationOrder,
  quoteBid,
  startAuction,
} from '../../scripts/lib/local-auction.ts';
import type { OpenedPair } from '../../scripts/lib/local-book.ts';
import {
  addCollateral,
  crossCollateralValue,
  giveCollateral,
  type LocalCollateral,
  postOtherRound,
  saleCollateralValue,
  WHOLE_TOKEN,
} from '../../scripts/lib/local-collateral.ts';
import {
  indexedContracts,
  startUnprovenWorld,
  type UnprovenWorld,
} from '../../scripts/lib/unproven-protocol.ts';
import { provenRequirement } from '../../src/chain/requests/insolvency.ts';
import { ServiceClient } from '../../src/client/index.ts';
import { ServiceFeed } from '../../src/keeper/service-feed.ts';
import { targetOf } from '../../src/liquidation/amounts.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { type RunningService, startService } from '../../src/service/index.ts';

/** Tokens of six decimals: so many dollars are not enough to save an account. */
const GIVEN_DOLLARS = 5_000n;

let world: UnprovenWorld;
let service: RunningService;
let client: ServiceClient;
let pair: OpenedPair;
let bitcoin: LocalCollateral;
let vessel: bigint;

beforeAll(async () => {
  // Insolvency is verified as it is.
  world = await startUnprovenWorld('insolvency-8');
  const { protocol } = world;
  bitcoin = await addCollateral(protocol, 1_000n);
  pair = await world.open(world.failing[0]!);
  vessel = await protocol.createFunded(protocol.keeper, 10n ** 12n);
  service = await startService({
    port: 0,
    chain: { rpc: [protocol.anvil.url], book: indexedContracts(protocol), pollMs: 50 },
  });
  client = new ServiceClient({ url: service.url });
}, 600_000);
afterAll(async () => {
  await service?.close();
  await world?.protocol.stop();
});

async function caughtUp(): Promise<void> {
  const height = (await world.protocol.client.getBlock()).number;
  await vi.waitFor(
    async () => expect(BigInt((await client.markets()).block)).toBeGreaterThanOrEqual(height),
    { timeout: 20_000, interval: 20 },
  );
}

/** The account as contracts and exact model have it. */
async function truth() {
  const { protocol } = world;
  const { accountId, legs, wallet } = pair.trader;
  const { cash, scale } = await protocol.account(accountId);
  const { value, moving, saleValue } = await collateralOf(protocol, accountId, false);
  const { round, parameters } = protocol.market;
  const margin = exactMargin({ legs, scale, movingCollateral: moving }, round, parameters);
  const equity = cash + value + margin.mark;
  const worth = cash + saleValue + margin.mark;
  return { accountId, wallet, cash, scale, value, moving, saleValue, margin, equity, worth };
}

/** Raises haircuts at once. */
async function raise({ collateralId }: LocalCollateral, own: number, cross: number): Promise<void> {
  const { protocol } = world;
  await protocol.write(protocol.operator, 'vault', 'raiseHaircuts', [Number(collateralId), { own, cross }]);
}

describe('moving collateral', () => {
  it('is shown with the account, follows the price and the haircut, and enters the margin', async () => {
    const { protocol, crashed } = world;
    const { accountId, wallet } = pair.trader;
    await caughtUp();
    expect(await client.account(accountId)).toMatchObject({
      collateral: '0',
      movingCollateral: '0',
      saleCollateral: '0',
    });
    const tokens = (GIVEN_DOLLARS * 10n ** 12n) / protocol.market.round.underlying.spot;
    await giveCollateral(protocol, wallet, accountId, bitcoin, tokens);
    await protocol.advanceTo(crashed.underlying.timestamp + 1n);
    await protocol.postRound(crashed);
    const before = await truth();
    await caughtUp();
    const { spot } = crashed.underlying;
    expect(before.saleValue).toBe(saleCollateralValue(bitcoin, tokens, spot));
    expect(await client.account(accountId)).toMatchObject({
      movingCollateral: String(before.moving),
      saleCollateral: String(before.saleValue),
    });
    await raise(bitcoin, 1_500, 3_500);
    await caughtUp();
    const { value, moving, saleValue, margin, equity, worth } = await truth();
    expect(moving).toBeLessThan(before.moving);
    expect(value).toBe(moving);
    // Less a quarter of the haircut: 3.75 %.
    expect(saleValue).toBe((tokens * spot * 9_625n) / (10_000n * WHOLE_TOKEN));
    expect(saleValue).toBeLessThan(before.saleValue);
    expect(await client.account(accountId)).toMatchObject({
      collateral: String(value),
      movingCollateral: String(moving),
      saleCollateral: String(saleValue),
      risk: {
        requirement: String(margin.requirement),
        equity: String(equity),
        worth: String(worth),
        tier: 'liquidatable',
      },
    });
    const shown = await client.margin(accountId);
    expect(shown).toMatchObject({
      movingCollateral: String(moving),
      requirement: String(margin.requirement),
      baseRequirement: String(margin.baseRequirement),
      collateralSlope: String(margin.collateralSlope),
      lossCounted: margin.lossCounted,
      deltaSign: String(margin.deltaSign),
      saleCollateral: String(saleValue),
      equity: String(equity),
      worth: String(worth),
    });
    expect(shown.scenarios.map((scenario) => BigInt(scenario.collateralSlope))).toEqual(
      margin.scenarios.map(({ collateralSlope }) => collateralSlope),
    );
    // Without it something else would be required.
    expect(margin.baseRequirement).not.toBe(margin.requirement);
    const [listed] = await client.allLiquidations();
    expect(listed).toMatchObject({
      accountId: String(accountId),
      movingCollateral: String(moving),
      saleCollateral: String(saleValue),
      requirement: String(margin.requirement),
      baseRequirement: String(margin.baseRequirement),
      collateralSlope: String(margin.collateralSlope),
      equity: String(equity),
      worth: String(worth),
    });
  });

  it('decides what is proven, and the house comes to the same requirement', async () => {
    const { protocol } = world;
    const { accountId, moving, margin } = await truth();
    const keeper = protocol.keeper.account.address;
    const feed = new ServiceFeed(client);
    const ask = { accountId, purpose: 'liquidate', keeper, round: protocol.market.number } as const;
    const id = await feed.requestProof(ask);
    const proof = await feed.waitForProof(id, AbortSignal.timeout(60_000));
    const { mark, baseRequirement, collateralSlope } = margin;
    expect(proof).toMatchObject({ mark, baseRequirement, collateralSlope });
    expect((await client.job(id)).result).toMatchObject({
      mark: String(mark),
      baseRequirement: String(baseRequirement),
      collateralSlope: String(collateralSlope),
      requirement: String(margin.requirement),
    });
    const { nonce } = await protocol.account(accountId);
    const order = await liquidationOrder(protocol, accountId, vessel, { ...proof, nonce });
    const { sale } = (await protocol.simulate(protocol.keeper, 'engine', 'liquidate', [
      order,
      proof.proof,
    ])) as { readonly sale: { readonly target: bigint } };
    expect(sale.target).toBe(targetOf(provenRequirement(proof, moving), BigInt(protocol.terms.bufferBps)));
    expect(provenRequirement(proof, moving)).toBe(margin.requirement);
    // The same statement is the same job for whoever has other collateral, while it is the worst for both.
    expect(await feed.requestProof(ask)).toBe(id);
  });

  it('stands beside the figures of an auction', async () => {
    const { protocol } = world;
    const { accountId, wallet } = await truth();
    const keeper = protocol.keeper.account.address;
    const feed = new ServiceFeed(client);
    const id = await feed.requestProof({
      accountId,
      purpose: 'auction',
      keeper,
      round: protocol.market.number,
    });
    const proof = await feed.waitForProof(id, AbortSignal.timeout(60_000));
    const { nonce } = await protocol.account(accountId);
    await startAuction(protocol, protocol.keeper, accountId, { ...proof, nonce }, vessel);
    // What the owner gives now counts at once, by the recorded figures.
    await giveCollateral(protocol, wallet, accountId, bitcoin, 1_000n);
    await caughtUp();
    const { moving, saleValue, equity, worth } = await truth();
    const { baseRequirement, collateralSlope } = claimOf(accountId, { ...proof, nonce });
    const { auctions } = await client.auctions({ running: true });
    expect(auctions).toMatchObject([
      {
        accountId: String(accountId),
        movingCollateral: String(moving),
        saleCollateral: String(saleValue),
        requirement: String(provenRequirement(proof, moving)),
        // The proof is of the newest round.
        equity: String(equity),
        worth: String(worth),
        proven: { baseRequirement: String(baseRequirement), collateralSlope: String(collateralSlope) },
      },
    ]);
    const { sale } = await quoteBid(protocol, accountId);
    const [auction] = auctions;
    expect(sale.target).toBe(targetOf(BigInt(auction!.requirement), BigInt(protocol.terms.bufferBps)));
    expect(sale.worth).toBe(BigInt(auction!.worth));
    expect(await feed.auctions()).toMatchObject([
      {
        accountId,
        movingCollateral: moving,
        saleCollateral: saleValue,
        proven: { baseRequirement, collateralSlope, scale: proof.scale },
      },
    ]);
  });

  it('of another underlying stays what it was: value beside the cash, by the larger haircut', async () => {
    const { protocol } = world;
    const before = await truth();
    const { opening: ether } = exampleCrash({ symbol: 'ETH' });
    await postOtherRound(protocol, ether);
    const { underlyingId, spot } = ether.underlying;
    const kind = await addCollateral(protocol, 800n, { priceUnderlyingId: underlyingId });
    await giveCollateral(protocol, before.wallet, before.accountId, kind, 2_000n);
    await caughtUp();
    const { value, moving, saleValue } = await truth();
    expect(moving).toBe(before.moving);
    expect(value - before.value).toBe(crossCollateralValue(kind, 2_000n, spot));
    // Who buys it may hold it where its own haircut counts.
    expect(saleValue - before.saleValue).toBe(saleCollateralValue(kind, 2_000n, spot));
    expect(await client.account(before.accountId)).toMatchObject({
      collateral: String(value),
      movingCollateral: String(moving),
      saleCollateral: String(saleValue),
    });
    // The haircut of other underlyings' accounts by itself, too, has the account read again.
    await raise(kind, 800, 5_000);
    await caughtUp();
    const half = (2_000n * spot) / (2n * WHOLE_TOKEN);
    expect(await client.account(before.accountId)).toMatchObject({
      collateral: String(before.value + half),
      saleCollateral: String(saleValue),
    });
  });

  it('counts by the larger haircut in an account of another underlying, and moves with nothing there', async () => {
    const { protocol } = world;
    const { opening: ether } = exampleCrash({ symbol: 'ETH' });
    const wallet = protocol.wallet(2);
    const receipt = await protocol.write(wallet, 'clearingHouse', 'createAccount', [
      Number(ether.underlying.underlyingId),
    ]);
    const { accountId } = protocol.event<{ accountId: bigint }>(receipt, 'clearingHouse', 'AccountCreated');
    await giveCollateral(protocol, wallet, accountId, bitcoin, 3_000n);
    await caughtUp();
    const { spot } = world.crashed.underlying;
    const raised = { ...bitcoin, haircutBps: 1_500n, crossHaircutBps: 3_500n };
    expect(await client.account(accountId)).toMatchObject({
      underlying: 'ETH',
      collateral: String(crossCollateralValue(raised, 3_000n, spot)),
      movingCollateral: '0',
      saleCollateral: String(saleCollateralValue(raised, 3_000n, spot)),
    });
    // What counts for nothing in this account is still worth something to others, and is followed.
    await raise(bitcoin, 1_500, 10_000);
    await caughtUp();
    await raise(bitcoin, 2_000, 10_000);
    await caughtUp();
    expect(await client.account(accountId)).toMatchObject({
      collateral: '0',
      saleCollateral: String(saleCollateralValue({ ...bitcoin, haircutBps: 2_000n }, 3_000n, spot)),
    });
  });

  it('that was retired counts again when its haircuts fall', async () => {
    const { protocol } = world;
    const wallet = protocol.wallet(3);
    const accountId = await protocol.createFunded(wallet, 1n);
    await giveCollateral(protocol, wallet, accountId, bitcoin, 3_000n);
    await raise(bitcoin, 10_000, 10_000);
    await caughtUp();
    const nothing = { collateral: '0', saleCollateral: '0' };
    expect(await client.account(accountId)).toMatchObject(nothing);
    const kind = Number(bitcoin.collateralId);
    await protocol.write(protocol.operator, 'vault', 'scheduleHaircuts', [
      kind,
      { own: 2_000, cross: 4_000 },
    ]);
    const { timestamp } = await protocol.client.getBlock();
    await protocol.advanceTo(timestamp + 2n * 86_400n);
    await protocol.write(protocol.operator, 'vault', 'applyHaircuts', [kind]);
    await caughtUp();
    const { value, moving, saleValue } = await collateralOf(protocol, accountId, false);
    expect(value).toBeGreaterThan(0n);
    expect(await client.account(accountId)).toMatchObject({
      collateral: String(value),
      movingCollateral: String(moving),
      saleCollateral: String(saleValue),
    });
  });
});

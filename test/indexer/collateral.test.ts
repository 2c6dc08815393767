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
  collateralValue,
  giveCollateral,
  type LocalCollateral,
  postOtherRound,
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
  const { value, moving } = await collateralOf(protocol, accountId, false);
  const { round, parameters } = protocol.market;
  const margin = exactMargin({ legs, scale, movingCollateral: moving }, round, parameters);
  return { accountId, wallet, cash, scale, value, moving, margin, equity: cash + value + margin.mark };
}

describe('moving collateral', () => {
  it('is shown with the account, follows the price and the haircut, and enters the margin', async () => {
    const { protocol, crashed } = world;
    const { accountId, wallet } = pair.trader;
    await caughtUp();
    expect(await client.account(accountId)).toMatchObject({ collateral: '0', movingCollateral: '0' });
    const { spot } = protocol.market.round.underlying;
    await giveCollateral(protocol, wallet, accountId, bitcoin, (GIVEN_DOLLARS * 10n ** 12n) / spot);
    await protocol.advanceTo(crashed.underlying.timestamp + 1n);
    await protocol.postRound(crashed);
    const before = await truth();
    await caughtUp();
    expect(await client.account(accountId)).toMatchObject({ movingCollateral: String(before.moving) });
    await protocol.write(protocol.operator, 'vault', 'raiseHaircut', [Number(bitcoin.collateralId), 1_500]);
    await caughtUp();
    const { value, moving, margin, equity } = await truth();
    expect(moving).toBeLessThan(before.moving);
    expect(value).toBe(moving);
    expect(await client.account(accountId)).toMatchObject({
      collateral: String(value),
      movingCollateral: String(moving),
      risk: { requirement: String(margin.requirement), equity: String(equity), tier: 'liquidatable' },
    });
    const shown = await client.margin(accountId);
    expect(shown).toMatchObject({
      movingCollateral: String(moving),
      requirement: String(margin.requirement),
      baseRequirement: String(margin.baseRequirement),
      collateralSlope: String(margin.collateralSlope),
      lossCounted: margin.lossCounted,
      deltaSign: String(margin.deltaSign),
      equity: String(equity),
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
      requirement: String(margin.requirement),
      baseRequirement: String(margin.baseRequirement),
      collateralSlope: String(margin.collateralSlope),
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
    const { moving } = await truth();
    const { baseRequirement, collateralSlope } = claimOf(accountId, { ...proof, nonce });
    const { auctions } = await client.auctions({ running: true });
    expect(auctions).toMatchObject([
      {
        accountId: String(accountId),
        movingCollateral: String(moving),
        requirement: String(provenRequirement(proof, moving)),
        proven: { baseRequirement: String(baseRequirement), collateralSlope: String(collateralSlope) },
      },
    ]);
    const { sale } = await quoteBid(protocol, accountId);
    const [auction] = auctions;
    expect(sale.target).toBe(targetOf(BigInt(auction!.requirement), BigInt(protocol.terms.bufferBps)));
    expect(await feed.auctions()).toMatchObject([
      {
        accountId,
        movingCollateral: moving,
        proven: { baseRequirement, collateralSlope, scale: proof.scale },
      },
    ]);
  });

  it('of another underlying stays what it was: value beside the cash', async () => {
    const { protocol } = world;
    const before = await truth();
    const { opening: ether } = exampleCrash({ symbol: 'ETH' });
    await postOtherRound(protocol, ether);
    const kind = await addCollateral(protocol, 0n, ether.underlying.underlyingId);
    await giveCollateral(protocol, before.wallet, before.accountId, kind, 2_000n);
    await caughtUp();
    const { value, moving } = await truth();
    expect(moving).toBe(before.moving);
    expect(value - before.value).toBe(collateralValue(kind, 2_000n, ether.underlying.spot));
    expect(await client.account(before.accountId)).toMatchObject({
      collateral: String(value),
      movingCollateral: String(moving),
    });
  });
});

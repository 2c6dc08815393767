/** Atomic liquidations by real proofs on a real EVM: what is accepted, and everything that is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LocalProtocol } from '../../scripts/lib/local-protocol.ts';
import { proveInsolvency } from '../../src/chain/requests/insolvency.ts';
import { NO_PROOF, type ProofArgument, proofArgument } from '../../src/chain/requests/proofs.ts';
import { atomicLiquidation } from '../../src/liquidation/amounts.ts';
import { DEFAULT_LIQUIDATION_TERMS, integerTerms } from '../../src/liquidation/terms.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { shockRound } from '../../src/market/shock.ts';
import { contextOf, type ProofContext } from '../../src/proof/witness/contexts.ts';
import { insolvencyInput } from '../../src/proof/witness/insolvency.ts';
import { revertAfterEach } from './hooks.ts';
import { crashed, marginNow, refusalOf, startWorld, type World } from './world.ts';

/** An order as the engine takes it. */
interface Order {
  readonly accountId: bigint;
  readonly nonce: bigint;
  readonly vesselId: bigint;
  readonly round: bigint;
  readonly mark: bigint;
  readonly baseRequirement: bigint;
  readonly collateralSlope: bigint;
  readonly capacity: number;
  readonly maxPayment: bigint;
  readonly minScaleTaken: bigint;
  readonly deadline: bigint;
}

const VESSEL_CASH = 5_000_000_000_000n;

let world: World;
let protocol: LocalProtocol;
let order: Order;
let proof: ProofArgument;
let context: ProofContext;

beforeAll(async () => {
  world = await startWorld(1, { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: 10n ** 13n });
  ({ protocol } = world);
  const failing = world.failing[0]!.trader;
  const keeper = protocol.keeper.account.address;
  const vesselId = await protocol.createFunded(protocol.keeper, VESSEL_CASH);
  const { nonce } = await protocol.account(failing.accountId);
  const proven = await proveInsolvency(world.prover, protocol.market, {
    consumer: protocol.deployment.engine,
    accountId: failing.accountId,
    nonce,
    positions: failing,
    keeper,
  });
  proof = proven.proof;
  order = {
    accountId: failing.accountId,
    nonce,
    vesselId,
    round: proven.round,
    mark: proven.mark,
    baseRequirement: proven.baseRequirement,
    collateralSlope: proven.collateralSlope,
    capacity: proven.capacity,
    maxPayment: 10n ** 15n,
    minScaleTaken: 1n,
    deadline: (await protocol.now()) + 100_000n,
  };
  context = {
    chainId: BigInt(protocol.anvil.chainId),
    engine: protocol.deployment.engine,
    accountId: failing.accountId,
    nonce,
    round: proven.round,
    keeper,
  };
}, 300_000);

afterAll(async () => {
  await world?.prover.close();
  await protocol?.stop();
});

revertAfterEach(() => protocol);

function refusal(changed: Partial<Order> = {}, given = proof, sender = protocol.keeper): Promise<string> {
  return refusalOf(protocol.simulate(sender, 'engine', 'liquidate', [{ ...order, ...changed }, given]));
}

async function proofFor(change: Partial<ProofContext>): Promise<ProofArgument> {
  const { legs, salt, scale } = world.failing[0]!.trader;
  const { calldata } = await world.prover.prove({
    circuit: 'insolvency-8',
    input: await insolvencyInput({
      legs,
      salt,
      scale,
      round: protocol.market.round,
      parameters: DEFAULT_PARAMETERS,
      scenarioIndex: marginNow(protocol, world.failing[0]!.trader).worstScenario,
      context: contextOf({ ...context, ...change }),
      capacity: 8,
    }),
  });
  return proofArgument(calldata);
}

describe('a liquidation backed by a proof', () => {
  it('goes through, to the unit of the model', async () => {
    const { trader } = world.failing[0]!;
    const before = await protocol.account(trader.accountId);
    const volatilityIndex = await protocol.read<bigint>('oracle', 'volatilityIndex', [
      Number(protocol.underlyingId),
    ]);
    const expected = atomicLiquidation(
      {
        cash: before.cash,
        collateral: 0n,
        movingCollateral: 0n,
        saleCollateral: 0n,
        mark: order.mark,
        baseRequirement: order.baseRequirement,
        collateralSlope: order.collateralSlope,
        scale: before.scale,
      },
      integerTerms(protocol.terms),
      volatilityIndex,
    );
    const receipt = await protocol.write(protocol.keeper, 'engine', 'liquidate', [
      { ...order, maxPayment: expected.payment, minScaleTaken: expected.scaleTaken },
      proof,
    ]);
    console.log(`gas of an atomic liquidation: ${receipt.gasUsed}`);
    const after = await protocol.account(trader.accountId);
    const vessel = await protocol.account(order.vesselId);
    expect(vessel.scale).toBe(expected.scaleTaken);
    expect(after.scale + vessel.scale).toBe(before.scale);
    expect(after.commitment).toBe(before.commitment);
    expect(vessel.commitment).toBe(before.commitment);
    expect(after.cash).toBe(before.cash - expected.cashTaken + expected.proceeds);
    expect(vessel.cash).toBe(VESSEL_CASH + expected.cashTaken - expected.payment);
    expect((await protocol.account(1n)).cash).toBe(expected.fundFee);
    expect(after.nonce).toBe(before.nonce + 1n);
    const remaining = marginNow(protocol, { legs: trader.legs, scale: after.scale });
    expect(after.cash + remaining.mark).toBeGreaterThanOrEqual(remaining.requirement);
    // The same proof does not serve twice: the account's nonce has moved on, and the proof names the one before.
    expect(await refusal()).toBe('AccountChanged');
    expect(await refusal({ nonce: after.nonce })).toBe('InvalidProof');
  });

  it('is refused for another account', async () => {
    const { accountId } = world.healthy.trader;
    const { nonce } = await protocol.account(accountId);
    expect(await refusal({ accountId, nonce })).toBe('InvalidProof');
  });

  it('is refused from another keeper, even with a vessel of its own', async () => {
    const thief = protocol.wallet(4);
    const vesselId = await protocol.createFunded(thief, VESSEL_CASH);
    expect(await refusal({ vesselId }, proof, thief)).toBe('InvalidProof');
  });

  it.each([
    ['chain id', { chainId: 1n }],
    ['contract', { engine: '0x00000000000000000000000000000000000000aa' as const }],
    ['account', { accountId: 999n }],
    ['nonce', { nonce: 77n }],
    ['round', { round: 1n }],
    ['keeper', { keeper: '0x00000000000000000000000000000000000000bb' as const }],
  ])('is refused when the proof was made for another %s', async (_, change) => {
    expect(await refusal({}, await proofFor(change))).toBe('InvalidProof');
  });

  it('is refused under another version of the parameters', async () => {
    await protocol.setParameters(
      { ...DEFAULT_PARAMETERS, maintenanceFactor: DEFAULT_PARAMETERS.maintenanceFactor + 1 },
      protocol.terms,
    );
    expect(await refusal()).toBe('InvalidProof');
  });

  it('is refused when a newer round exists, and for an old or unknown round', async () => {
    expect(await refusal({ round: 1n })).toBe('NotLatestRound');
    expect(await refusal({ round: order.round + 1n })).toBe('NotLatestRound');
    await protocol.advance(30);
    await protocol.postRound(shockRound(crashed, { priceMove: 0, volMultiplierAt30d: 1, secondsLater: 20 }));
    expect(await refusal()).toBe('NotLatestRound');
  });

  it('is refused at a stale round', async () => {
    await protocol.advance(3_600);
    expect(await refusal()).toBe('StaleRound');
  });

  it('is refused after its deadline, above the payment limit, and below the wanted scale', async () => {
    expect(await refusal({ deadline: 1n })).toBe('DeadlinePassed');
    expect(await refusal({ maxPayment: 1n })).toBe('PaymentAboveLimit');
    expect(await refusal({ minScaleTaken: 2n ** 63n })).toBe('ScaleBelowLimit');
  });

  it('is refused for a healthy account, though its proof is valid', async () => {
    const { trader } = world.healthy;
    const { nonce } = await protocol.account(trader.accountId);
    const proven = await proveInsolvency(world.prover, protocol.market, {
      consumer: protocol.deployment.engine,
      accountId: trader.accountId,
      nonce,
      positions: trader,
      keeper: protocol.keeper.account.address,
    });
    const changed = {
      accountId: trader.accountId,
      mark: proven.mark,
      baseRequirement: proven.baseRequirement,
      collateralSlope: proven.collateralSlope,
      capacity: proven.capacity,
    };
    expect(await refusal(changed, proven.proof)).toBe('AccountHealthy');
  });

  it('is refused for a mark, requirement or slope other than the proven one, and for a spoilt proof', async () => {
    expect(await refusal({ baseRequirement: order.baseRequirement + 1n })).toBe('InvalidProof');
    expect(await refusal({ collateralSlope: order.collateralSlope + 1n })).toBe('InvalidProof');
    expect(await refusal({ mark: order.mark - 1n })).toBe('InvalidProof');
    const [x, y] = proof.a as [bigint, bigint];
    expect(await refusal({}, { ...proof, a: [y, x] })).toBe('InvalidProof');
    expect(await refusal({}, NO_PROOF)).toBe('InvalidProof');
    expect(await refusal({ capacity: 32 })).toBe('InvalidProof');
    expect(await refusal({ capacity: 9 })).toBe('UnknownCapacity');
  });

  it('is refused for an account that is too large for a fixed price', async () => {
    await protocol.setParameters(DEFAULT_PARAMETERS, {
      ...protocol.terms,
      atomicLimit: order.baseRequirement - 1n,
    });
    expect(await refusal()).toBe('AboveAtomicLimit');
  });

  it("is refused with somebody else's vessel, one with other positions, and one with too little cash", async () => {
    const { maker } = world.failing[0]!;
    expect(await refusal({ vesselId: maker.accountId })).toBe('NotAccountOwner');
    const poor = await protocol.createFunded(protocol.keeper, 1n);
    expect(await refusal({ vesselId: poor })).toBe('VesselUnderfunded');
  });

  it('accepts the same proof from the same state (control)', async () => {
    expect(await refusal()).toBe('accepted');
  });
});

/** A real proof against the real contracts on a real EVM: what is accepted, and everything that is refused. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LocalProtocol, type Order } from '../../scripts/lib/local-protocol.ts';
import { revertReason } from '../../src/chain/reverts.ts';
import { DEFAULT_LIQUIDATION_SETTINGS, liquidationAmounts } from '../../src/liquidation/amounts.ts';
import { type ExactMargin, exactMargin } from '../../src/margin/exact/margin.ts';
import { type ExampleAccount, exampleBook } from '../../src/margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces, shockRound } from '../../src/market/example-market.ts';
import { packLeg } from '../../src/market/instrument.ts';
import type { ProofCalldata } from '../../src/proof/prover/backend.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { contextOf, insolvencyInput, type ProofContext } from '../../src/proof/witness/insolvency.ts';

const SEED = 7;
const surfaces = JSON.parse(
  readFileSync(new URL('../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;
const opening = exampleRound(surfaces, 'BTC');
const shocked = shockRound(opening, { priceMove: -0.12, volMultiplierAt30d: 1.35, secondsLater: 3_600 });
const book = exampleBook({ opening, shocked, parameters: DEFAULT_PARAMETERS, seed: SEED, count: 64 });

let protocol: LocalProtocol;
let prover: CircuitProver;
let snapshot: `0x${string}`;
let failing: ExampleAccount;
let margin: ExactMargin;
let failingId: bigint;
let healthyId: bigint;
let healthy: ExampleAccount;
let round: bigint;
let order: Order;
let calldata: ProofCalldata;
let context: ProofContext;

async function proveJob(account: ExampleAccount, scenarioIndex: number, bound: ProofContext) {
  const input = await insolvencyInput({
    legs: account.legs,
    salt: account.salt,
    scale: account.scale,
    round: shocked,
    parameters: DEFAULT_PARAMETERS,
    scenarioIndex,
    context: contextOf(bound),
    capacity: 8,
  });
  return prover.prove({ circuit: 'insolvency-8', input });
}

async function prove(...job: Parameters<typeof proveJob>): Promise<ProofCalldata> {
  return (await proveJob(...job)).calldata;
}

async function refusal(
  changed: Partial<Order> = {},
  proof = calldata,
  sender?: `0x${string}`,
): Promise<string> {
  try {
    await protocol.simulateLiquidation({ ...order, ...changed }, proof, sender);
  } catch (error) {
    return revertReason(error)?.name ?? String(error);
  }
  return 'accepted';
}

beforeAll(async () => {
  const margins = book.map((account) => exactMargin(account, shocked, DEFAULT_PARAMETERS));
  const index = book.findIndex((account, i) => {
    const equity = account.cash + margins[i]!.mark;
    return equity > 0n && equity < margins[i]!.requirement;
  });
  const healthyIndex = book.findIndex(
    (account, i) => account.cash + margins[i]!.mark >= margins[i]!.requirement,
  );
  failing = book[index]!;
  margin = margins[index]!;
  healthy = book[healthyIndex]!;
  prover = new CircuitProver([await prepareDevelopmentCircuit('insolvency-8')]);
  protocol = await LocalProtocol.start({
    timestamp: opening.underlying.timestamp,
    underlyingId: opening.underlying.underlyingId,
  });
  await protocol.setParameters(DEFAULT_PARAMETERS);
  await protocol.postRound(opening);
  [failingId, healthyId] = (await protocol.openAccounts([failing, healthy])) as [bigint, bigint];
  await protocol.advance(3_600);
  round = (await protocol.postRound(shocked)).number;
  context = {
    chainId: BigInt(protocol.anvil.chainId),
    engine: protocol.deployment.engine,
    accountId: failingId,
    nonce: (await protocol.account(failingId)).nonce,
    round,
    keeper: protocol.keeper.account.address,
  };
  order = {
    accountId: failingId,
    round,
    mark: margin.mark,
    requirement: margin.requirement,
    maxPayment: 10n ** 15n,
    minScaleTaken: 1n,
    deadline: (await protocol.now()) + 100_000n,
  };
  calldata = await prove(failing, margin.worstScenario, context);
});

afterAll(async () => {
  await prover?.close();
  await protocol?.stop();
});

beforeEach(async () => {
  snapshot = await protocol.snapshot();
});
afterEach(async () => {
  await protocol.revert(snapshot);
});

describe('a liquidation backed by a proof', () => {
  it('goes through, to the wei of the model', async () => {
    const before = await protocol.account(failingId);
    const expected = liquidationAmounts(
      { cash: before.cash, mark: margin.mark, requirement: margin.requirement, scale: before.scale },
      DEFAULT_LIQUIDATION_SETTINGS,
    );
    const outcome = await protocol.liquidate(order, calldata);
    expect(outcome.amounts.scaleTaken).toBe(expected.scaleTaken);
    expect(outcome.amounts.reward).toBe(expected.reward);
    const after = await protocol.account(failingId);
    const slice = await protocol.account(outcome.subAccountId);
    expect(after.scale + slice.scale).toBe(before.scale);
    expect(after.commitment).toBe(before.commitment);
    expect(slice.commitment).toBe(before.commitment);
    expect(slice.owner).toBe(protocol.keeper.account.address);
    expect(after.cash).toBe(before.cash - expected.cashTaken + expected.traderProceeds);
    expect(after.nonce).toBe(before.nonce + 1n);
    const remaining = exactMargin({ legs: failing.legs, scale: after.scale }, shocked, DEFAULT_PARAMETERS);
    expect(after.cash + remaining.mark).toBeGreaterThanOrEqual(remaining.requirement);
    // The same proof does not serve twice: the account's nonce has moved on.
    expect(await refusal()).toBe('InvalidProof');
  });

  it('costs at most 350k gas to check, whole transaction', async () => {
    const { calldata: proof, publicSignals } = await proveJob(failing, margin.worstScenario, context);
    const gas = await protocol.verificationGas(proof, publicSignals);
    console.log(`gas of checking the proof: ${gas}`);
    expect(gas).toBeLessThanOrEqual(350_000n);
    expect(gas).toBeGreaterThan(250_000n);
  });

  it('is refused for another account', async () => {
    expect(await refusal({ accountId: healthyId })).toBe('InvalidProof');
  });

  it('is refused from another keeper', async () => {
    expect(await refusal({}, calldata, protocol.anvil.accounts[5]!.address)).toBe('InvalidProof');
  });

  it.each([
    ['chain id', { chainId: 1n }],
    ['contract', { engine: '0x00000000000000000000000000000000000000aa' as const }],
    ['account', { accountId: 999n }],
    ['nonce', { nonce: 77n }],
    ['round', { round: 1n }],
    ['keeper', { keeper: '0x00000000000000000000000000000000000000bb' as const }],
  ])('is refused when the proof was made for another %s', async (_, change) => {
    const foreign = await prove(failing, margin.worstScenario, { ...context, ...change });
    expect(await refusal({}, foreign)).toBe('InvalidProof');
  });

  it('is refused once the account has changed', async () => {
    const { clearingHouse } = protocol.deployment;
    await protocol.write(protocol.operator, clearingHouse, 'clearingHouse', 'attestPositions', [
      failingId,
      (await protocol.account(failingId)).commitment,
      (await protocol.account(failingId)).scale,
      failing.legs.map((leg) => packLeg(leg)),
      failing.salt,
    ]);
    expect(await refusal()).toBe('InvalidProof');
  });

  it('is refused under another parameter set', async () => {
    await protocol.setParameters({
      ...DEFAULT_PARAMETERS,
      maintenanceFactor: DEFAULT_PARAMETERS.maintenanceFactor + 1,
    });
    expect(await refusal()).toBe('InvalidProof');
  });

  it('is refused when a newer round exists, and for an old or unknown round', async () => {
    expect(await refusal({ round: 1n })).toBe('NotLatestRound');
    expect(await refusal({ round: round + 1n })).toBe('NotLatestRound');
    await protocol.advance(30);
    await protocol.postRound(shockRound(shocked, { priceMove: 0, volMultiplierAt30d: 1, secondsLater: 20 }));
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
    const healthyMargin = exactMargin(healthy, shocked, DEFAULT_PARAMETERS);
    const bound = { ...context, accountId: healthyId, nonce: (await protocol.account(healthyId)).nonce };
    const proof = await prove(healthy, healthyMargin.worstScenario, bound);
    const changed = {
      accountId: healthyId,
      mark: healthyMargin.mark,
      requirement: healthyMargin.requirement,
    };
    expect(await refusal(changed, proof)).toBe('AccountHealthy');
  });

  it('is refused with a changed public input', async () => {
    expect(await refusal({ mark: order.mark - 1n })).toBe('InvalidProof');
    expect(await refusal({ requirement: order.requirement + 1n })).toBe('InvalidProof');
  });

  it('is refused with a forged proof', async () => {
    const swapped: ProofCalldata = { ...calldata, a: calldata.c, c: calldata.a };
    expect(await refusal({}, swapped)).toBe('InvalidProof');
    const zero: ProofCalldata = {
      a: ['0', '0'],
      b: [
        ['0', '0'],
        ['0', '0'],
      ],
      c: ['0', '0'],
    };
    expect(await refusal({}, zero)).toBe('InvalidProof');
  });

  it('accepts the same proof from the same state (control)', async () => {
    expect(await refusal()).toBe('accepted');
  });
});

/**
 * Real proofs of solvency, transfer and settlement, made for what they are not brought for. Each differs from an accepted
 * proof in the context alone. Those of insolvency are in `liquidation.test.ts`.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { proveForAuction, recoveryOf, startAuction } from '../../scripts/lib/local-auction.ts';
import { settlementOf } from '../../scripts/lib/local-book.ts';
import type { LocalProtocol } from '../../scripts/lib/local-protocol.ts';
import { type ProofArgument, type Prover, proofArgument } from '../../src/chain/requests/proofs.ts';
import { leastCash, proveSolvency } from '../../src/chain/requests/solvency.ts';
import { prepareTrade } from '../../src/chain/requests/trade.ts';
import { tradeBetween } from '../../src/margin/exact/transfer.ts';
import {
  type SettlementContext,
  type SolvencyContext,
  settlementContext,
  solvencyContext,
  type TransferContext,
  transferContext,
} from '../../src/proof/witness/contexts.ts';
import { revertAfterEach } from './hooks.ts';
import { crashed, expire, marginNow, refusalReason, startWorld, type World } from './world.ts';

type Job = Parameters<Prover['prove']>[0];

/** Circuits as `InvalidProof` numbers them. */
const CIRCUITS = ['insolvency', 'solvency', 'transfer', 'settlement'];
const ELSEWHERE = '0x00000000000000000000000000000000000000aa';
const CENT = 10_000n;

let world: World;
let protocol: LocalProtocol;
/** What was proven last, in order. */
let jobs: Job[] = [];
const recorder: Prover = {
  prove: (job) => {
    jobs.push(job);
    return world.prover.prove(job);
  },
};

beforeAll(async () => {
  world = await startWorld(1);
  ({ protocol } = world);
}, 300_000);
afterAll(async () => {
  await world?.prover.close();
  await protocol?.stop();
});

revertAfterEach(() => protocol);

/** The same statement in another context. */
async function provenIn(job: Job, context: bigint): Promise<ProofArgument> {
  const { calldata } = await world.prover.prove({
    ...job,
    input: { ...job.input, context: String(context) },
  });
  return proofArgument(calldata);
}

/** `accepted`, or the circuit whose proof is refused, or the name of another error. */
async function judgement(call: Promise<unknown>): Promise<string> {
  const { name, args } = await refusalReason(call);
  return name === 'InvalidProof' ? CIRCUITS[Number(args[0])]! : name;
}

/** Contexts that differ from that of an accepted proof in one thing. */
function solvencyCases(honest: SolvencyContext): Record<string, SolvencyContext> {
  const cases: Record<string, SolvencyContext> = {
    'chain id': { ...honest, chainId: 1n },
    contract: { ...honest, consumer: ELSEWHERE },
    'purpose, withdrawal': { ...honest, purpose: 'withdrawal' },
    'purpose, trade': { ...honest, purpose: 'trade' },
    'purpose, recovery': { ...honest, purpose: 'recovery' },
    account: { ...honest, accountId: honest.accountId + 1n },
    nonce: { ...honest, nonce: honest.nonce + 1n },
    round: { ...honest, round: honest.round - 1n },
  };
  delete cases[`purpose, ${honest.purpose}`];
  return cases;
}

/** Proves a statement in each of these contexts, and has the circuit's proof refused in all. Keys tell what was changed. */
async function expectRefused<Context>(
  circuit: string,
  cases: Record<string, Context>,
  job: Job,
  hash: (context: Context) => bigint,
  simulate: (proof: ProofArgument) => Promise<unknown>,
): Promise<void> {
  for (const [changed, context] of Object.entries(cases)) {
    expect(await judgement(simulate(await provenIn(job, hash(context)))), changed).toBe(circuit);
  }
}

// Some forty proofs.
describe('a proof is accepted in its own context alone', { timeout: 300_000 }, () => {
  it('solvency, for a withdrawal', async () => {
    const { trader } = world.healthy;
    const { accountId } = trader;
    const { nonce, cash } = await protocol.account(accountId);
    const { market } = protocol;
    const consumer = protocol.deployment.clearingHouse;
    const left = leastCash(market, { positions: trader, level: market.initialLevel }) + CENT;
    const honest: SolvencyContext = {
      chainId: market.chainId,
      consumer,
      purpose: 'withdrawal',
      accountId,
      nonce,
      round: market.number,
    };
    jobs = [];
    const { proof, capacity } = await proveSolvency(recorder, market, {
      ...honest,
      positions: trader,
      cash: left,
      level: market.initialLevel,
    });
    const request = {
      accountId,
      amount: cash - left,
      toAccountId: 0n,
      minPaid: cash - left,
      provenCash: left,
      round: market.number,
      capacity,
    };
    const simulate = (given: ProofArgument) =>
      protocol.simulate(trader.wallet, 'clearingHouse', 'withdraw', [request, given]);
    expect(await judgement(simulate(proof))).toBe('accepted');
    const [job] = jobs;
    // Proofs are randomised: another one of the same statement is as good.
    expect(await judgement(simulate(await provenIn(job!, solvencyContext(honest))))).toBe('accepted');
    await expectRefused('solvency', solvencyCases(honest), job!, solvencyContext, simulate);
  });

  it('transfer and solvency, for a trade', async () => {
    const { trader, maker } = world.healthy;
    const { market } = protocol;
    const consumer = protocol.deployment.clearingHouse;
    const [first] = trader.legs;
    // The maker takes half of the trader's first leg for nothing.
    const quantity = -((first!.quantity * trader.scale) >> 41n);
    const after = tradeBetween({ a: trader, b: maker }, [{ instrument: first!.instrument, quantity }]);
    const party = async (side: 'a' | 'b') => {
      const { accountId, legs, salt, scale, wallet } = side === 'a' ? trader : maker;
      const { nonce, cash } = await protocol.account(accountId);
      const positions = { ...after[side], salt: salt + 1n };
      const needed = leastCash(market, { positions, level: market.initialLevel }) + CENT;
      if (needed > cash) await protocol.write(wallet, 'clearingHouse', 'deposit', [accountId, needed - cash]);
      return {
        accountId,
        nonce,
        before: { legs, salt, scale },
        after: positions,
        cash: needed,
        wallet,
      };
    };
    const a = await party('a');
    const b = await party('b');
    jobs = [];
    const { underlyingId } = protocol;
    const terms = { clearingHouse: consumer, underlyingId, a, b, cashToA: 0n };
    const [sides, proofs] = await protocol.tradeArguments(await prepareTrade(recorder, market, terms), a, b);
    const simulate = (changed: Record<string, ProofArgument>) =>
      protocol.simulate(protocol.operator, 'clearingHouse', 'trade', [
        sides,
        { ...(proofs as object), ...changed },
      ]);
    expect(await judgement(simulate({}))).toBe('accepted');

    const [transfer, solvencyA, solvencyB] = jobs;
    const exchanged: TransferContext = {
      chainId: market.chainId,
      consumer,
      accountA: a.accountId,
      nonceA: a.nonce,
      accountB: b.accountId,
      nonceB: b.nonce,
      cashToA: 0n,
    };
    expect(transfer!.input.context).toBe(String(transferContext(exchanged)));
    const transfers: Record<string, TransferContext> = {
      'chain id': { ...exchanged, chainId: 1n },
      contract: { ...exchanged, consumer: ELSEWHERE },
      'first account': { ...exchanged, accountA: 999n },
      'nonce of the first': { ...exchanged, nonceA: a.nonce + 1n },
      'second account': { ...exchanged, accountB: 999n },
      'nonce of the second': { ...exchanged, nonceB: b.nonce + 1n },
      'cash that changes hands': { ...exchanged, cashToA: -1n },
    };
    const asTransfer = (proof: ProofArgument) => simulate({ transfer: proof });
    await expectRefused('transfer', transfers, transfer!, transferContext, asTransfer);

    const honest = ({ accountId, nonce }: { accountId: bigint; nonce: bigint }): SolvencyContext => ({
      chainId: market.chainId,
      consumer,
      purpose: 'trade',
      accountId,
      nonce,
      round: market.number,
    });
    expect(solvencyA!.input.context).toBe(String(solvencyContext(honest(a))));
    expect(solvencyB!.input.context).toBe(String(solvencyContext(honest(b))));
    const asFirst = (proof: ProofArgument) => simulate({ solvencyA: proof });
    await expectRefused('solvency', solvencyCases(honest(a)), solvencyA!, solvencyContext, asFirst);
    const swapped = { 'first account': honest(a) };
    const asSecond = (proof: ProofArgument) => simulate({ solvencyB: proof });
    await expectRefused('solvency', swapped, solvencyB!, solvencyContext, asSecond);
  });

  it('solvency, for the end of an auction', async () => {
    const { trader } = world.failing[0]!;
    const { keeper, market } = protocol;
    const rewardAccountId = await protocol.createFunded(keeper, CENT);
    const insolvent = await proveForAuction(protocol, world.prover, trader, keeper);
    await startAuction(protocol, keeper, trader.accountId, insolvent, rewardAccountId);
    const { requirement } = marginNow(protocol, trader);
    await protocol.write(trader.wallet, 'clearingHouse', 'deposit', [trader.accountId, requirement]);
    jobs = [];
    const [request, proof] = await recoveryOf(protocol, recorder, trader);
    const simulate = (given: ProofArgument) =>
      protocol.simulate(trader.wallet, 'auctionHouse', 'cancel', [request, given]);
    expect(await judgement(simulate(proof))).toBe('accepted');
    const honest: SolvencyContext = {
      chainId: market.chainId,
      consumer: protocol.deployment.auctionHouse,
      purpose: 'recovery',
      accountId: trader.accountId,
      nonce: request.nonce,
      round: market.number,
    };
    expect(jobs[0]!.input.context).toBe(String(solvencyContext(honest)));
    await expectRefused('solvency', solvencyCases(honest), jobs[0]!, solvencyContext, simulate);
  });

  it('settlement', async () => {
    const { trader } = world.failing[0]!;
    const { expiryHour } = crashed.expiries[0]!;
    expect(trader.legs.some(({ instrument }) => instrument.expiryHour === expiryHour)).toBe(true);
    await expire(protocol, expiryHour);
    jobs = [];
    const { request, proof } = await settlementOf(protocol, recorder, trader, expiryHour);
    const simulate = (given: ProofArgument) =>
      protocol.simulate(protocol.keeper, 'clearingHouse', 'settle', [request, given]);
    expect(await judgement(simulate(proof))).toBe('accepted');
    const { accountId } = trader;
    const { nonce } = await protocol.account(accountId);
    const honest: SettlementContext = {
      chainId: BigInt(protocol.anvil.chainId),
      consumer: protocol.deployment.clearingHouse,
      accountId,
      nonce,
    };
    expect(jobs[0]!.input.context).toBe(String(settlementContext(honest)));
    const cases: Record<string, SettlementContext> = {
      'chain id': { ...honest, chainId: 1n },
      contract: { ...honest, consumer: ELSEWHERE },
      account: { ...honest, accountId: accountId + 1n },
      nonce: { ...honest, nonce: nonce + 1n },
    };
    await expectRefused('settlement', cases, jobs[0]!, settlementContext, simulate);
  });
});

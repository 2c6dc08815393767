/**
 * All processes together, of which any may end at any moment, on a chain that reorganises behind an endpoint that fails.
 * Part of `npm run test:slow`: ZKMARGIN_CRASHES gives the number of rounds, ZKMARGIN_SEED other moments.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import { loadVerificationKey } from '../../src/proof/keys/artifacts.ts';
import { fromCalldata, type ProofCalldata } from '../../src/proof/prover/backend.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { verifyProof } from '../../src/proof/prover/verify.ts';
import type { Database } from '../../src/store/database.ts';
import { NO_POSTGRES, postgresBinaries } from '../../src/store/testing.ts';
import type { Behaviour } from '../indexer/proxies.ts';
import { ask, expectedSignals, killAll } from './processes.ts';
import { CIRCUITS, PROCESSES, Whole } from './whole.ts';

const ROUNDS = Number(process.env.ZKMARGIN_CRASHES ?? 4);
const SEED = Number(process.env.ZKMARGIN_SEED ?? 20_250_219);
/** Rounds on one chain: anvil loses blocks when one of some 600 is reorganised. */
const MAX_ROUNDS = 100;
/** Rounds after which all comes to rest and is compared. */
const REST_EVERY = 10;
const FAULTS: readonly Behaviour[] = ['fail', 'hang', 'cutOff', 'leaveOutLogs', 'leaveOutResults'];
const METHODS = ['eth_getLogs', 'eth_getBlockByNumber', 'eth_call', 'eth_sendRawTransaction'] as const;

const wanted = process.env.ZKMARGIN_CRASHES !== undefined;
const present = postgresBinaries() !== undefined;
if (wanted && !present) console.warn(`left out: ${NO_POSTGRES}`);
const folder = mkdtempSync(join(tmpdir(), 'zkmargin-whole-'));

afterAll(() => {
  killAll();
  rmSync(folder, { recursive: true, force: true });
});

describe.runIf(wanted && present).each([
  ...Array.from({ length: Math.ceil(ROUNDS / MAX_ROUNDS) }, (_, index) => ({
    proofs: 'made-up',
    real: false,
    rounds: Math.min(MAX_ROUNDS, ROUNDS - index * MAX_ROUNDS),
    seed: SEED + index,
  })),
  // Proofs take seconds: fewer rounds show the same of them.
  {
    proofs: 'real',
    real: true,
    rounds: Math.min(ROUNDS, Math.max(2, Math.ceil(ROUNDS / 20))),
    seed: SEED,
  },
])('everything, with $proofs proofs, seed $seed', ({ real, rounds, seed }) => {
  let whole: Whole;
  let database: Database;
  const acknowledged = new Map<string, number>();

  beforeAll(async () => {
    for (const circuit of CIRCUITS) await prepareDevelopmentCircuit(circuit);
    whole = await Whole.start({ folder: mkdtempSync(join(folder, 'run-')), real });
    database = await whole.database();
  }, 600_000);
  afterAll(async () => {
    await database?.close();
    await whole?.stop();
  });

  /** Nothing that was acknowledged is lost or has failed, and nobody was liquidated twice. */
  async function expectNothingLost(): Promise<void> {
    const jobs = await database.query<{ id: string; state: string; signals: readonly string[] | null }>(
      "select id, state, result->'publicSignals' as signals from jobs where id = any($1::text[])",
      [[...acknowledged.keys()]],
    );
    expect(jobs.map(({ id }) => id).sort()).toEqual([...acknowledged.keys()].sort());
    for (const { id, state, signals } of jobs) {
      expect(['queued', 'proving', 'done']).toContain(state);
      if (state === 'done') expect(signals).toEqual(await expectedSignals(acknowledged.get(id)!));
    }
    const liquidated = await whole.liquidated();
    expect(new Set(liquidated).size).toBe(liquidated.length);
  }

  /** Lets all come to rest, and compares it with the chain. */
  async function expectTruth(round: number): Promise<void> {
    whole.proxy.behaviour = 'pass';
    const { protocol } = whole.world;
    const latest = performance.now() + 300_000;
    for (let quiet = 0, looks = 0; quiet < 2; looks++) {
      whole.keepRunning();
      await whole.refreshRound();
      const unrest = await whole.unrest();
      quiet = unrest.length === 0 ? quiet + 1 : 0;
      if (performance.now() > latest) {
        throw new Error(
          `It does not come to rest after round ${round}: ${unrest.join('; ')}\n${whole.outputs()}`,
        );
      }
      // What waits for confirmations needs blocks.
      if (unrest.length > 0 && looks % 3 === 2) await whole.mine();
      await sleep(quiet === 0 ? 300 : 100);
    }
    const { kept, anew } = await whole.tables(database);
    expect(kept).toEqual(anew);
    // All nonces are used, each by a transaction of the journal, and none waits.
    const used = await whole.keeperNonce('latest');
    expect(await whole.keeperNonce('pending')).toBe(used);
    const journal = whole.journal();
    const first = Math.min(used, ...journal.map(({ nonce }) => nonce));
    expect(new Set(journal.map(({ nonce }) => nonce).filter((nonce) => nonce < used))).toEqual(
      new Set(Array.from({ length: used - first }, (_, index) => first + index)),
    );
    // A reorganisation below the keeper's confirmations takes ended transactions back; the next ones have their nonces.
    for (const { nonce, inclusion } of journal.filter((record) => record.nonce >= used)) {
      const block = await protocol.client.getBlock({ blockNumber: inclusion?.blockNumber ?? 0n });
      expect([nonce, inclusion !== undefined && block.hash !== inclusion.blockHash]).toEqual([nonce, true]);
    }
    expect(journal.every(({ end }) => end !== undefined)).toBe(true);
    // Whoever was liquidated is above the requirement now.
    const { market } = protocol;
    const { legs } = whole.world.healthy;
    for (const accountId of await whole.liquidated()) {
      const { scale, cash } = await protocol.account(accountId);
      if (scale === 0n) continue;
      const { mark, requirement } = exactMargin({ legs, scale }, market.round, market.parameters);
      expect([accountId, cash + mark >= requirement]).toEqual([accountId, true]);
    }
  }

  it(
    `loses nothing, does nothing twice, and agrees with the chain (${rounds} rounds, seed ${seed})`,
    async () => {
      const random = mulberry32(seed);
      const chosen = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
      const { protocol } = whole.world;
      const counts = { server: 0, prover: 0, keeper: 0, worker: 0, postgres: 0, endpoint: 0, reorganised: 0 };
      const targets = [...PROCESSES, 'worker', 'postgres', 'endpoint'] as const;
      let salt = real ? 1_000_000 : 0;
      const began = performance.now();
      await expectTruth(0);
      for (let round = 1; round <= rounds; round++) {
        await whole.refreshRound();
        // On a slow machine processes would be killed before they have begun to do anything.
        if (random() < 0.6) await whole.answering();
        const asking = (async () => {
          for (let asked = 0; asked < 2; asked++) {
            const mine = salt++;
            const job = await ask(whole.url, mine);
            if (job !== undefined) acknowledged.set(job.id, mine);
          }
        })();
        await whole.openFailing();
        if (random() < 0.3) await whole.liquidating();
        else await sleep(random() * 1_000);
        const target = chosen(targets);
        if (target === 'postgres') {
          await whole.postgres.kill();
          await sleep(random() * 500);
          await whole.postgres.restart();
        } else if (target === 'endpoint') {
          whole.proxy.behaviour = chosen(FAULTS);
          whole.proxy.from = chosen(METHODS);
        } else if (target === 'worker') {
          const owner = chosen(['server', 'prover'] as const);
          if (!whole.killChildren(owner)) await whole.kill('prover');
        } else await whole.kill(target);
        counts[target]++;
        if (random() < 0.3) {
          await protocol.reorganise(1 + Math.floor(random() * 5));
          counts.reorganised++;
        }
        await sleep(random() * 400);
        whole.keepRunning();
        await asking;
        await expectNothingLost();
        if (target !== 'endpoint') whole.proxy.behaviour = 'pass';
        if (round % REST_EVERY === 0 || round === rounds) {
          await expectTruth(round);
          await expectNothingLost();
        }
      }
      // All jobs come to their end, with the right proofs.
      await expect
        .poll(
          async () =>
            (
              await database.query("select id from jobs where id = any($1::text[]) and state <> 'done'", [
                [...acknowledged.keys()],
              ])
            ).length,
          { timeout: 600_000, interval: 500 },
        )
        .toBe(0);
      await expectNothingLost();
      if (real) {
        const key = await loadVerificationKey('settlement-8');
        const proven = await database.query<{
          result: { readonly publicSignals: readonly string[]; readonly calldata: ProofCalldata };
        }>('select result from jobs where id = any($1::text[])', [[...acknowledged.keys()]]);
        for (const { result } of proven) {
          expect(await verifyProof(key, [...result.publicSignals], fromCalldata(result.calldata))).toBe(true);
        }
      }
      const liquidated = await whole.liquidated();
      expect(liquidated.length).toBeGreaterThan(0);
      const seconds = Math.round((performance.now() - began) / 1_000);
      console.log(
        `${rounds} rounds in ${seconds} s: ${acknowledged.size} jobs acknowledged and done, ${liquidated.length} accounts liquidated once, ${whole.journal().length} transactions; killed ${JSON.stringify(counts)}; ended by themselves ${JSON.stringify(whole.ends)}`,
      );
    },
    600_000 + rounds * 60_000,
  );
});

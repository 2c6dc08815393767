import { describe, expect, it, vi } from 'vitest';
import { DEFAULT_PARAMETERS as parameters } from '../../margin/parameters.ts';
import { canonicalLegs } from '../../market/instrument.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { CircuitProver } from '../../proof/prover/circuit-prover.ts';
import type { ProverCircuit } from '../../proof/prover/protocol.ts';
import { WorkerPool } from '../../proof/prover/worker-pool.ts';
import { randomRound } from '../../proof/witness/testing.ts';
import { proveInsolvency } from './insolvency.ts';
import type { MarketView, Positions } from './market.ts';
import { type Prover, servedInstance } from './proofs.ts';
import { prepareSettlement } from './settlement.ts';
import { proveSolvency } from './solvency.ts';
import { prepareTrade } from './trade.ts';

const servedOf = (...names: string[]) => ({ served: new Set(names) });

describe('the instance of a request', () => {
  it.each([
    [0, undefined, 'insolvency-8'],
    [8, undefined, 'insolvency-8'],
    [9, undefined, 'insolvency-16'],
    [32, undefined, 'insolvency-32'],
    [8, ['insolvency-32', 'insolvency-8'], 'insolvency-8'],
    [9, ['insolvency-8', 'insolvency-32'], 'insolvency-32'],
    [16, ['insolvency-8', 'insolvency-32'], 'insolvency-32'],
    [1, ['insolvency-32', 'solvency-8'], 'insolvency-32'],
  ] as const)('for %i legs, of %j, is %s', (legs, names, circuit) => {
    const prover = names === undefined ? {} : servedOf(...names);
    expect(servedInstance(prover, 'insolvency', legs)).toEqual({
      circuit,
      capacity: Number(circuit.split('-')[1]),
    });
  });

  it('is told to be missing, with those that would do', () => {
    expect(() => servedInstance(servedOf('insolvency-8', 'solvency-16'), 'insolvency', 12)).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        field: 'prover.served',
        message: expect.stringContaining('insolvency-16 or insolvency-32'),
        details: { legs: 12, needed: ['insolvency-16', 'insolvency-32'], served: ['insolvency-8'] },
      }),
    );
    expect(() => servedInstance(servedOf(), 'transfer', 1)).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        details: { legs: 1, needed: ['transfer-16'], served: [] },
      }),
    );
    // Whatever is served.
    for (const prover of [{}, servedOf('insolvency-8')]) {
      expect(() => servedInstance(prover, 'insolvency', 33)).toThrow(
        expect.objectContaining({
          code: 'TOO_MANY_LEGS',
          field: 'positions.legs',
          details: { legs: 33, limit: 32 },
        }),
      );
    }
  });

  it('is one of those that a pool or a prover of this process has', async () => {
    const circuits = ['insolvency-8', 'insolvency-32'].map(
      (name) => ({ name, wasmPath: '', zkeyPath: '', verificationKey: {} }) as ProverCircuit,
    );
    const pool = new WorkerPool({ circuits });
    for (const prover of [pool, new CircuitProver(circuits)] satisfies Prover[]) {
      expect(servedInstance(prover, 'insolvency', 9).circuit).toBe('insolvency-32');
      expect(() => servedInstance(prover, 'solvency', 1)).toThrow(/solvency-8 or solvency-16/);
    }
    await pool.close();
  });
});

describe('a request of twelve legs', () => {
  const round = randomRound(mulberry32(7));
  const { expiryHour } = round.expiries[0]!;
  const legs = canonicalLegs(
    Array.from({ length: 12 }, (_, index) => ({
      instrument: { kind: 'call', expiryHour, strike: 50_000n + BigInt(index) } as const,
      quantity: 1n,
    })),
  );
  const positions: Positions = { legs, salt: 1n, scale: 2n ** 40n };
  const address = `0x${'01'.repeat(20)}` as const;
  const market: MarketView = { chainId: 1n, number: 1n, round, parameters, initialLevel: 5_120n };
  const account = { consumer: address, accountId: 1n, nonce: 0n, positions };

  /** The circuits that are asked for, of a prover that proves nothing. */
  async function asked(served: readonly string[], request: (prover: Prover) => Promise<unknown>) {
    const names: string[] = [];
    const prover: Prover = {
      served: new Set(served),
      prove: ({ circuit }) => {
        names.push(circuit);
        return Promise.reject(new Error('nothing is proven'));
      },
    };
    await expect(request(prover)).rejects.toThrow('nothing is proven');
    return names;
  }

  const insolvency = (prover: Prover) => proveInsolvency(prover, market, { ...account, keeper: address });
  const solvency = (prover: Prover) =>
    proveSolvency(prover, market, { ...account, purpose: 'withdrawal', cash: 10n ** 15n, level: 4_096n });
  const settlement = (prover: Prover) =>
    prepareSettlement(prover, {
      chainId: 1n,
      clearingHouse: address,
      underlyingId: 1n,
      accountId: 1n,
      nonce: 0n,
      positions,
      prices: [{ expiryHour, price: 1_000_000n }],
    });
  const party = (accountId: bigint, before?: Positions, after?: Positions) => ({
    accountId,
    nonce: 0n,
    before,
    after,
    cash: 0n,
  });
  const trade = (prover: Prover) =>
    prepareTrade(prover, market, {
      clearingHouse: address,
      underlyingId: 1n,
      a: party(1n, positions),
      b: party(2n, undefined, positions),
      cashToA: 0n,
    });

  it.each([
    ['insolvency', insolvency, ['insolvency-8', 'insolvency-32'], 'insolvency-32'],
    ['insolvency', insolvency, ['insolvency-8', 'insolvency-16', 'insolvency-32'], 'insolvency-16'],
    ['solvency', solvency, ['solvency-8', 'solvency-16'], 'solvency-16'],
    ['settlement', settlement, ['settlement-8', 'settlement-32'], 'settlement-32'],
    ['trade', trade, ['transfer-16', 'solvency-8', 'solvency-16'], 'transfer-16'],
  ] as const)('for %s goes to the smallest that is served', async (_statement, request, served, circuit) => {
    expect(await asked(served, request)).toEqual([circuit]);
  });

  it.each([
    ['insolvency', insolvency, 'insolvency-8'],
    ['solvency', solvency, 'solvency-8'],
    ['settlement', settlement, 'settlement-8'],
    // Before the transfer is proven, for nothing.
    ['trade', trade, 'transfer-16'],
  ] as const)('for %s is refused when none has room', async (_statement, request, served) => {
    const prove = vi.fn();
    await expect(request({ served: new Set([served]), prove })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    expect(prove).not.toHaveBeenCalled();
  });
});

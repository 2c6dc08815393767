import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exampleCrash } from '../../../scripts/lib/example-crash.ts';
import { DEFAULT_LIQUIDATION_TERMS } from '../../liquidation/terms.ts';
import { SCALE_ONE } from '../../margin/exact/bounds.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import type { InstrumentKind } from '../../market/instrument.ts';
import { RiskMonitor } from '../../risk/monitor/monitor.ts';
import { type LikelyProof, nextInTurn, statementKey } from './plan.ts';

const proof = (client: string, name: string): LikelyProof =>
  ({ client, keeper: name }) as Partial<LikelyProof> as LikelyProof;
const proofs = (client: string, count: number): LikelyProof[] =>
  Array.from({ length: count }, (_, index) => proof(client, `${client}${index}`));

/** A round whose proofs are made one after the other, until there is nothing to be made. */
class Round {
  readonly made = new Set<LikelyProof>();
  readonly use = new Map<string, number>();

  readonly #maxPerRound: number;

  constructor(maxPerRound: number) {
    this.#maxPerRound = maxPerRound;
  }

  make(wanted: readonly LikelyProof[][]): string {
    const before = this.made.size;
    const byClient = new Map(wanted.map((list) => [list[0]!.client, list]));
    for (;;) {
      const next = nextInTurn(
        byClient,
        (item) => !this.made.has(item),
        () => this.use,
        this.#maxPerRound,
      );
      if (next === undefined) break;
      this.made.add(next);
      this.use.set(next.client, (this.use.get(next.client) ?? 0) + 1);
    }
    return [...this.made]
      .slice(before)
      .map(({ keeper }) => keeper)
      .join(' ');
  }
}

describe('speculative proofs of a round', () => {
  it('are made in turn for each client, whatever each wants', () => {
    const round = new Round(7);
    expect(round.make([proofs('a', 50), proofs('b', 2), proofs('c', 50)])).toBe('a0 b0 c0 a1 b1 c1 a2');
  });

  it('are all for one client while nobody else wants any, and a part is left for whoever comes later', () => {
    const round = new Round(6);
    const a = proofs('a', 50);
    expect(round.make([a])).toBe('a0 a1 a2 a3 a4 a5');
    expect(round.make([a, proofs('b', 50)])).toBe('b0 b1 b2');
    expect(round.make([a, proofs('c', 50)])).toBe('c0 c1');
    expect(round.make([a])).toBe('');
  });

  it('give each client what it wants or its part, and no more in all than a round has', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 }),
        (maxPerRound, counts) => {
          const round = new Round(maxPerRound);
          round.make(counts.map((count, index) => proofs(`client${index}`, count)));
          const wanted = counts.reduce((sum, count) => sum + count, 0);
          expect(round.made.size).toBe(Math.min(maxPerRound, wanted));
          const part = Math.floor(maxPerRound / counts.length);
          counts.forEach((count, index) => {
            const had = round.use.get(`client${index}`) ?? 0;
            expect(had).toBeGreaterThanOrEqual(Math.min(part, count));
          });
        },
      ),
    );
  });
});

describe('the statement of a likely proof', () => {
  const { opening } = exampleCrash();
  const { expiryHour, forward } = opening.expiries[2]!;
  const { underlyingId } = opening.underlying;
  const option = (kind: InstrumentKind, percent: bigint, quantity: bigint) => ({
    instrument: { kind, expiryHour, strike: ((forward / 100n) * (percent * 100n)) / 10_000n },
    quantity,
  });
  // As much to lose by a rise as by a fall, or nearly.
  const legs = [option('put', 95n, -1_000_000n), option('call', 105n, -1_000_000n)];

  /** The proof for an account with so much collateral that moves with its legs. */
  function likely(movingCollateral: bigint): LikelyProof {
    const monitor = new RiskMonitor(underlyingId, {
      parameters: DEFAULT_PARAMETERS,
      terms: DEFAULT_LIQUIDATION_TERMS,
    });
    const account = {
      accountId: 7n,
      nonce: 3n,
      scale: SCALE_ONE,
      commitment: 11n,
      collateral: movingCollateral,
    };
    monitor.setAccount({
      id: 7n,
      legs,
      scale: SCALE_ONE,
      cash: 0n,
      collateral: movingCollateral,
      movingCollateral,
      nonce: 3n,
      inAuction: false,
    });
    monitor.atRound(1n, opening);
    return {
      market: {
        monitor,
        record: { underlyingId, number: 1n, block: 5n },
        parametersRecord: { version: 1n, block: 2n },
      },
      account,
      purpose: 'liquidate',
      keeper: '0x01',
      client: 'a',
    } as unknown as LikelyProof;
  }

  it('is another when collateral changes the worst scenario, and the same while it does not', () => {
    const scenario = ({ market }: LikelyProof) => market.monitor.snapshot!.byId.get(7n)!.worstScenario;
    const coin = opening.underlying.spot;
    const [none, little, much] = [likely(0n), likely(coin / 10_000n), likely((coin * 9n) / 10n)];
    expect(scenario(little)).toBe(scenario(none));
    expect(scenario(much)).not.toBe(scenario(none));
    expect(statementKey(little)).toBe(statementKey(none));
    expect(statementKey(much)).not.toBe(statementKey(none));
  });

  it('is another for all else that a proof binds, and for a round that a reorganisation replaced', () => {
    const proof = likely(0n);
    const { market, account } = proof;
    const others: LikelyProof[] = [
      { ...proof, purpose: 'auction' },
      { ...proof, keeper: '0x02' },
      ...[{ accountId: 8n }, { nonce: 4n }, { scale: 1n }, { commitment: 12n }].map((change) => ({
        ...proof,
        account: { ...account, ...change },
      })),
      ...[{ number: 2n }, { block: 6n }, { underlyingId: 9n }].map((change) => ({
        ...proof,
        market: { ...market, record: { ...market.record, ...change } } as LikelyProof['market'],
      })),
      ...[{ version: 2n }, { block: 3n }].map((change) => ({
        ...proof,
        market: {
          ...market,
          parametersRecord: { ...market.parametersRecord, ...change },
        } as LikelyProof['market'],
      })),
    ];
    expect(new Set([proof, ...others].map(statementKey)).size).toBe(others.length + 1);
    // Whoever wants it, and whatever it has, it is the same.
    expect(statementKey({ ...proof, client: 'b' })).toBe(statementKey(proof));
  });
});

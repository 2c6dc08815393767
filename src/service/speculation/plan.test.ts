import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LikelyProof, nextInTurn } from './plan.ts';

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

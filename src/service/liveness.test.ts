import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Liveness, type LoopState } from './liveness.ts';

let liveness: Liveness;
afterEach(() => liveness.close());

/** Keeps the event loop for a while. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Reasons apart from the event loop: a loaded machine may block that for as short a bound as these. */
const ofLoops = () => liveness.reasons().filter((reason) => !reason.includes('event loop'));

describe('liveness', () => {
  it('tells of the loop that stands still, for how long, and no more when it turns again', async () => {
    liveness = new Liveness({ boundMs: 200 });
    const loops: { name: string; turns: number }[] = [
      { name: 'first', turns: 0 },
      { name: 'second', turns: 0 },
    ];
    liveness.watch(() => loops);
    liveness.start();
    const turning = setInterval(() => loops[0]!.turns++, 10);
    try {
      await expect.poll(() => ofLoops(), { timeout: 20_000, interval: 5 }).not.toEqual([]);
      expect(ofLoops()).toEqual([expect.stringMatching(/^the second has made no progress for \d/)]);
      const still = liveness.standstills().find(({ name }) => name === 'second');
      expect(still!.seconds).toBeGreaterThanOrEqual(0.2);
      loops[1]!.turns++;
      await expect.poll(() => ofLoops(), { timeout: 20_000, interval: 5 }).toEqual([]);
    } finally {
      clearInterval(turning);
    }
  });

  it('excuses who has reason to take long, and forgets who is gone', async () => {
    liveness = new Liveness({ boundMs: 100 });
    let loops: LoopState[] = [{ name: 'prover', turns: 0, excused: true }];
    let looks = 0;
    liveness.watch(() => {
      looks++;
      return loops;
    });
    liveness.start();
    await expect.poll(() => looks, { timeout: 20_000 }).toBeGreaterThan(20);
    expect(ofLoops()).toEqual([]);
    loops = [{ name: 'round', turns: 0, complaint: 'round 5 has waited' }];
    await expect
      .poll(() => ofLoops(), { timeout: 20_000 })
      .toEqual([expect.stringMatching(/^round 5 has waited for/)]);
    loops = [];
    await expect.poll(() => ofLoops(), { timeout: 20_000 }).toEqual([]);
  });

  it('tells of a single stall of the event loop in its figures alone, and holds it against no loop', async () => {
    liveness = new Liveness({ boundMs: 400, beatMs: 20 });
    liveness.watch(() => [{ name: 'idle', turns: 0 }]);
    liveness.start();
    await sleep(60);
    block(600);
    await sleep(30);
    expect(liveness.delays().longest).toBeGreaterThan(0.5);
    expect(liveness.reasons()).toEqual([]);
    expect(liveness.standstills()[0]!.seconds).toBeLessThan(0.4);
  });

  it('tells of an event loop that is blocked again and again', async () => {
    liveness = new Liveness({ boundMs: 1_000, beatMs: 20 });
    liveness.start();
    const end = performance.now() + 20_000;
    while (liveness.reasons().length === 0 && performance.now() < end) {
      block(300);
      // The timers get one turn.
      await sleep(1);
    }
    expect(liveness.reasons()).toEqual([
      expect.stringMatching(/^the event loop was blocked for \d+ % of the/),
    ]);
    await expect.poll(() => liveness.reasons(), { timeout: 20_000 }).toEqual([]);
  });
});

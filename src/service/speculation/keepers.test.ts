import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InterestedKeepers } from './keepers.ts';

const address = (index: number): string => `0x${index.toString(16).padStart(40, '0')}`;
const BOTH = ['liquidate', 'auction'] as const;

describe('keepers of interest', () => {
  it('are those who register or ask, the latest first, until their time is over', () => {
    let now = 1_000;
    let changes = 0;
    const keepers = new InterestedKeepers(
      { keeperLifetimeMs: 100 },
      () => now,
      () => changes++,
    );
    expect(keepers.register(address(0xab).toUpperCase().replace('0X', '0x'), ['auction'], '')).toMatchObject({
      address: address(0xab),
      purposes: ['auction'],
      expires: 1_100,
    });
    now = 1_050;
    keepers.learn(address(2), 'liquidate', '');
    expect(keepers.all().map((keeper) => keeper.address)).toEqual([address(2), address(0xab)]);
    keepers.learn(address(0xab), 'liquidate', '');
    expect(keepers.all()[0]).toMatchObject({ address: address(0xab), purposes: BOTH, expires: 1_150 });
    expect(keepers.register(address(0xab), ['liquidate'], '').purposes).toEqual(['liquidate']);
    now = 1_150;
    expect(keepers.all()).toEqual([]);
    expect(changes).toBe(4);
  });

  it('leave the places and wishes of other API keys alone', () => {
    const keepers = new InterestedKeepers({ maxKeepers: 4, keepersPerClient: 2 });
    keepers.register(address(1), ['liquidate'], 'a');
    keepers.register(address(2), ['liquidate'], 'a');
    keepers.register(address(3), ['liquidate'], 'a');
    expect(keepers.all().map((keeper) => keeper.address)).toEqual([address(3), address(2)]);
    // Another one that speaks of the same keeper before it takes nothing from it, and gives it nothing.
    expect(keepers.register(address(3), ['auction'], 'b').purposes).toEqual(['auction']);
    keepers.register(address(4), ['auction'], 'b');
    expect([keepers.all().length, keepers.size]).toEqual([4, 3]);
    expect(() => keepers.register(address(5), BOTH, 'c')).toThrow(expect.objectContaining({ code: 'BUSY' }));
    keepers.learn(address(5), 'auction', 'c');
    expect(keepers.all()).toHaveLength(4);
    expect(keepers.remove(address(3), 'a')).toBe(true);
    expect(keepers.all()).toContainEqual(expect.objectContaining({ address: address(3), client: 'b' }));
    expect([keepers.remove(address(3), 'a'), keepers.remove(address(2), 'b')]).toEqual([false, false]);
  });

  it('keep to their bounds whatever happens', () => {
    const step = fc.record({
      kind: fc.constantFrom('register', 'learn', 'remove', 'wait'),
      keeper: fc.integer({ min: 1, max: 8 }),
      client: fc.constantFrom('a', 'b', 'c'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0;
        const keepers = new InterestedKeepers(
          { maxKeepers: 4, keepersPerClient: 2, keeperLifetimeMs: 10 },
          () => now,
        );
        for (const { kind, keeper, client } of steps) {
          const before = keepers.all().map((item) => `${item.client} ${item.address}`);
          try {
            if (kind === 'register') keepers.register(address(keeper), BOTH, client);
            else if (kind === 'learn') keepers.learn(address(keeper), 'auction', client);
            else if (kind === 'remove') keepers.remove(address(keeper), client);
            else now += 3;
          } catch (error) {
            expect(error).toMatchObject({ code: 'BUSY' });
            expect(keepers.all()).toHaveLength(4);
            expect(before).not.toContain(`${client} ${address(keeper)}`);
          }
          expect(keepers.all().length).toBeLessThanOrEqual(4);
          for (const { expires, purposes } of keepers.all()) {
            expect(expires).toBeGreaterThan(now);
            expect(purposes.length).toBeGreaterThan(0);
          }
        }
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import {
  DEFAULT_PARAMETERS,
  HEADER_BITS,
  horizonFactorOf,
  packParameters,
  type RiskParameters,
  unpackParameters,
  type VolShock,
  validateParameters,
} from './parameters.ts';

function failure(change: Partial<RiskParameters>): string {
  try {
    validateParameters({ ...DEFAULT_PARAMETERS, ...change });
  } catch (error) {
    if (isZkMarginError(error)) return `${error.code} ${error.field}`;
    throw error;
  }
  return 'none';
}

const FIRST = { priceMove: 0, volShock: 0 as VolShock, damping: 65_536 };

describe('risk parameters', () => {
  it('have valid defaults of 35 scenarios that come back from their words', () => {
    validateParameters(DEFAULT_PARAMETERS);
    expect(DEFAULT_PARAMETERS.scenarios).toHaveLength(35);
    const keys = DEFAULT_PARAMETERS.scenarios.map(({ priceMove, volShock }) => `${priceMove},${volShock}`);
    expect(new Set(keys).size).toBe(35);
    const packed = packParameters(DEFAULT_PARAMETERS);
    const back = unpackParameters(packed);
    expect(packParameters(back)).toEqual(packed);
    expect({ ...back, horizonSeconds: 0 }).toEqual({ ...DEFAULT_PARAMETERS, horizonSeconds: 0 });
  });

  it('round-trip by words', () => {
    const arbitrary = fc.record({
      priceStep: fc.integer({ min: 1, max: 17_476 }),
      volShockUp: fc.integer({ min: 0, max: 8192 }),
      volShockDown: fc.integer({ min: 0, max: 8192 }),
      tenorPowerShort: fc.integer({ min: 0, max: 128 }),
      tenorPowerLong: fc.integer({ min: 0, max: 128 }),
      tenorFloor: fc.integer({ min: 86_400, max: 2_592_000 }),
      maintenanceFactor: fc.integer({ min: 4096, max: 16_384 }),
      shortOptionRate: fc.integer({ min: 0, max: 16_384 }),
      horizonSeconds: fc.integer({ min: 0, max: 604_800 }),
      basisMinimum: fc.integer({ min: 0, max: 4096 }),
      basisPerTenor: fc.integer({ min: 0, max: 4096 }),
      interestPerTenor: fc.integer({ min: 0, max: 4096 }),
      gammaRate: fc.integer({ min: 0, max: 16_384 }),
      vegaRate: fc.integer({ min: 0, max: 65_536 }),
      scenarios: fc
        .array(
          fc.record({
            priceMove: fc.integer({ min: -60, max: 60 }),
            volShock: fc.constantFrom<VolShock>(-1, 0, 1),
            damping: fc.integer({ min: 1, max: 65_536 }),
          }),
          { maxLength: 35 },
        )
        .map((rest) => [FIRST, ...rest]),
    });
    fc.assert(
      fc.property(arbitrary, (parameters) => {
        const packed = packParameters(parameters);
        expect(packed.header < 2n ** HEADER_BITS).toBe(true);
        expect(packed.scenarioWords).toHaveLength(4);
        for (const word of packed.scenarioWords) expect(word < 2n ** 234n).toBe(true);
        const back = unpackParameters(packed);
        expect(packParameters(back)).toEqual(packed);
        expect({ ...back, horizonSeconds: 0 }).toEqual({ ...parameters, horizonSeconds: 0 });
        expect(horizonFactorOf(back.horizonSeconds)).toBe(horizonFactorOf(parameters.horizonSeconds));
      }),
    );
  });

  it('lay fields out as specified', () => {
    const { header, scenarioWords } = packParameters({ ...DEFAULT_PARAMETERS, horizonSeconds: 1_800 });
    expect(header & (2n ** 20n - 1n)).toBe(18_910n);
    expect((header >> 20n) & 0xffffn).toBe(7_373n);
    expect((header >> 68n) & 0xffffffn).toBe(86_400n);
    expect((header >> 124n) & 0xffffffn).toBe(BigInt(Math.floor(Math.sqrt((1_800 / 31_536_000) * 2 ** 40))));
    expect((header >> 148n) & 0xffffn).toBe(655n);
    expect((header >> 164n) & 0x1fffn).toBe(2_615n);
    expect((header >> 177n) & 0x1fffn).toBe(1_743n);
    expect((header >> 190n) & 0xffffn).toBe(8_192n);
    expect(header >> 206n).toBe(16_384n);
    expect(HEADER_BITS).toBe(223n);
    expect(scenarioWords[0]! & (2n ** 26n - 1n)).toBe(64n + (1n << 7n) + (65_536n << 9n));
    expect(scenarioWords[3]! >> 208n).toBe(0n);
  });

  it('are accepted at each bound and refused beyond it', () => {
    const bounds: readonly (readonly [Exclude<keyof RiskParameters, 'scenarios'>, number, number])[] = [
      // 48 steps are a factor of 2 at most.
      ['priceStep', 1, 21_845],
      ['volShockUp', 0, 8_192],
      ['volShockDown', 0, 8_192],
      ['tenorPowerShort', 0, 128],
      ['tenorPowerLong', 0, 128],
      ['tenorFloor', 86_400, 2_592_000],
      ['maintenanceFactor', 4_096, 16_384],
      ['shortOptionRate', 0, 16_384],
      ['horizonSeconds', 0, 604_800],
      ['basisMinimum', 0, 4_096],
      ['basisPerTenor', 0, 4_096],
      ['interestPerTenor', 0, 4_096],
      ['gammaRate', 0, 16_384],
      ['vegaRate', 0, 65_536],
    ];
    expect(bounds.map(([name]) => name).sort()).toEqual(
      Object.keys(DEFAULT_PARAMETERS)
        .filter((name) => name !== 'scenarios')
        .sort(),
    );
    for (const [name, least, largest] of bounds) {
      expect(failure({ [name]: least })).toBe('none');
      expect(failure({ [name]: largest })).toBe('none');
      expect(failure({ [name]: least - 1 })).toBe(`OUT_OF_RANGE parameters.${name}`);
      const beyond = name === 'priceStep' ? 'scenarios[33].priceMove' : name;
      expect(failure({ [name]: largest + 1 })).toBe(`OUT_OF_RANGE parameters.${beyond}`);
    }
    expect(failure({ priceStep: 2 ** 18 })).toBe('OUT_OF_RANGE parameters.priceStep');
  });

  it('are refused in headers with a field out of bounds or bits beyond the last', () => {
    const { header, scenarioWords } = packParameters(DEFAULT_PARAMETERS);
    const refused = (changed: bigint) => {
      try {
        unpackParameters({ header: changed, scenarioWords });
        return 'none';
      } catch (error) {
        if (isZkMarginError(error)) return `${error.code} ${error.field}`;
        throw error;
      }
    };
    expect(refused(header)).toBe('none');
    expect(refused(header | (1n << 223n))).toBe('OUT_OF_RANGE parameters.header');
    expect(refused((header >> 20n) << 20n)).toBe('OUT_OF_RANGE parameters.priceStep');
    expect(refused(header | (0xffffn << 148n))).toBe('OUT_OF_RANGE parameters.basisMinimum');
    expect(refused(header | (0x1fffn << 164n))).toBe('OUT_OF_RANGE parameters.basisPerTenor');
    expect(refused(header | (0x1fffn << 177n))).toBe('OUT_OF_RANGE parameters.interestPerTenor');
    expect(refused(header | (0xffffn << 190n))).toBe('OUT_OF_RANGE parameters.gammaRate');
    expect(refused(header | (0x1ffffn << 206n))).toBe('OUT_OF_RANGE parameters.vegaRate');
  });

  it('are refused with the field named', () => {
    expect(failure({})).toBe('none');
    expect(failure({ priceStep: 0.5 })).toBe('OUT_OF_RANGE parameters.priceStep');
    expect(failure({ priceStep: Number.NaN })).toBe('NOT_FINITE parameters.priceStep');
    expect(failure({ scenarios: [] })).toBe('FIRST_SCENARIO parameters.scenarios[0]');
    expect(failure({ scenarios: [{ ...FIRST, damping: 65_535 }] })).toBe(
      'FIRST_SCENARIO parameters.scenarios[0]',
    );
    expect(failure({ scenarios: [FIRST, { ...FIRST, damping: 0 }] })).toBe(
      'OUT_OF_RANGE parameters.scenarios[1].damping',
    );
    expect(failure({ scenarios: [FIRST, { ...FIRST, priceMove: 61 }] })).toBe(
      'OUT_OF_RANGE parameters.scenarios[1].priceMove',
    );
    expect(failure({ scenarios: new Array(37).fill(FIRST) })).toBe('TOO_MANY_SCENARIOS parameters.scenarios');
  });
});

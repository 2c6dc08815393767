import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import {
  DEFAULT_PARAMETERS,
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
  it('have valid defaults of 31 scenarios that come back from their words', () => {
    validateParameters(DEFAULT_PARAMETERS);
    expect(DEFAULT_PARAMETERS.scenarios).toHaveLength(31);
    const keys = DEFAULT_PARAMETERS.scenarios.map(({ priceMove, volShock }) => `${priceMove},${volShock}`);
    expect(new Set(keys).size).toBe(31);
    const packed = packParameters(DEFAULT_PARAMETERS);
    const back = unpackParameters(packed);
    expect(packParameters(back)).toEqual(packed);
    expect({ ...back, horizonSeconds: 0 }).toEqual({ ...DEFAULT_PARAMETERS, horizonSeconds: 0 });
  });

  it('round-trip by words', () => {
    const arbitrary = fc.record({
      priceStep: fc.integer({ min: 0, max: 69_905 }),
      volShockUp: fc.integer({ min: 0, max: 8192 }),
      volShockDown: fc.integer({ min: 0, max: 8192 }),
      tenorPowerShort: fc.integer({ min: 0, max: 128 }),
      tenorPowerLong: fc.integer({ min: 0, max: 128 }),
      tenorFloor: fc.integer({ min: 86_400, max: 2_592_000 }),
      maintenanceFactor: fc.integer({ min: 4096, max: 16_384 }),
      shortOptionRate: fc.integer({ min: 0, max: 16_384 }),
      horizonSeconds: fc.integer({ min: 0, max: 604_800 }),
      scenarios: fc
        .array(
          fc.record({
            priceMove: fc.integer({ min: -15, max: 15 }),
            volShock: fc.constantFrom<VolShock>(-1, 0, 1),
            damping: fc.integer({ min: 1, max: 65_536 }),
          }),
          { maxLength: 31 },
        )
        .map((rest) => [FIRST, ...rest]),
    });
    fc.assert(
      fc.property(arbitrary, (parameters) => {
        const packed = packParameters(parameters);
        expect(packed.header < 2n ** 148n).toBe(true);
        expect(packed.scenarioWords).toHaveLength(4);
        for (const word of packed.scenarioWords) expect(word < 2n ** 248n).toBe(true);
        const back = unpackParameters(packed);
        expect(packParameters(back)).toEqual(packed);
        expect(back.scenarios).toEqual(parameters.scenarios);
        expect(horizonFactorOf(back.horizonSeconds)).toBe(horizonFactorOf(parameters.horizonSeconds));
      }),
    );
  });

  it('lay fields out as specified', () => {
    const { header, scenarioWords } = packParameters({ ...DEFAULT_PARAMETERS, horizonSeconds: 1_800 });
    expect(header & (2n ** 20n - 1n)).toBe(75_639n);
    expect((header >> 20n) & 0xffffn).toBe(7_373n);
    expect((header >> 68n) & 0xffffffn).toBe(86_400n);
    expect(header >> 124n).toBe(BigInt(Math.floor(Math.sqrt((1_800 / 31_536_000) * 2 ** 40))));
    expect(scenarioWords[0]! & (2n ** 31n - 1n)).toBe(32n + (1n << 6n) + (65_536n << 8n));
    expect(scenarioWords[3]! >> 217n).toBe(0n);
  });

  it('are refused out of bounds, with the field named', () => {
    expect(failure({})).toBe('none');
    expect(failure({ volShockUp: 8193 })).toBe('OUT_OF_RANGE parameters.volShockUp');
    expect(failure({ tenorPowerLong: 129 })).toBe('OUT_OF_RANGE parameters.tenorPowerLong');
    expect(failure({ tenorFloor: 86_399 })).toBe('OUT_OF_RANGE parameters.tenorFloor');
    expect(failure({ maintenanceFactor: 4095 })).toBe('OUT_OF_RANGE parameters.maintenanceFactor');
    expect(failure({ shortOptionRate: 16_385 })).toBe('OUT_OF_RANGE parameters.shortOptionRate');
    expect(failure({ horizonSeconds: 604_801 })).toBe('OUT_OF_RANGE parameters.horizonSeconds');
    expect(failure({ priceStep: 0.5 })).toBe('OUT_OF_RANGE parameters.priceStep');
    expect(failure({ priceStep: Number.NaN })).toBe('NOT_FINITE parameters.priceStep');
    expect(failure({ priceStep: 87_382 })).toBe('OUT_OF_RANGE parameters.scenarios[29].priceMove');
    expect(failure({ scenarios: [] })).toBe('FIRST_SCENARIO parameters.scenarios[0]');
    expect(failure({ scenarios: [{ ...FIRST, damping: 65_535 }] })).toBe(
      'FIRST_SCENARIO parameters.scenarios[0]',
    );
    expect(failure({ scenarios: [FIRST, { ...FIRST, damping: 0 }] })).toBe(
      'OUT_OF_RANGE parameters.scenarios[1].damping',
    );
    expect(failure({ scenarios: [FIRST, { ...FIRST, priceMove: 16 }] })).toBe(
      'OUT_OF_RANGE parameters.scenarios[1].priceMove',
    );
    expect(failure({ scenarios: new Array(33).fill(FIRST) })).toBe('TOO_MANY_SCENARIOS parameters.scenarios');
  });
});

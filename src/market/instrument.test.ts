import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorFromData, errorToData, isZkMarginError, ZkMarginError } from '../errors.ts';
import { modR, SCALAR_MODULUS } from '../math/fixed/scalar-field.ts';
import {
  canonicalLegs,
  formatInstrument,
  type Instrument,
  instrumentFromId,
  instrumentId,
  type Leg,
  LINEAR,
  MAX_QUANTITY,
  orderKey,
  packLeg,
  parseInstrument,
  underlyingIdOf,
  underlyingSymbolOf,
  unpackLeg,
  validateLegs,
} from './instrument.ts';

const option: fc.Arbitrary<Instrument> = fc.record({
  kind: fc.constantFrom('call' as const, 'put' as const),
  expiryHour: fc.integer({ min: 1, max: 2 ** 20 - 1 }),
  strike: fc.bigInt(1n, 2n ** 36n - 1n),
});
const instrument = fc.oneof({ weight: 9, arbitrary: option }, { weight: 1, arbitrary: fc.constant(LINEAR) });
const quantity = fc.bigInt(-MAX_QUANTITY, MAX_QUANTITY).filter((value) => value !== 0n);
const leg: fc.Arbitrary<Leg> = fc.record({ instrument, quantity });

const CALL: Instrument = { kind: 'call', expiryHour: 483_536, strike: 960_000_000n };

function failure(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isZkMarginError(error)) return `${error.code} ${error.field}`;
    throw error;
  }
  return 'none';
}

describe('instruments', () => {
  it('have ids and keys as specified, and come back from ids', () => {
    expect(instrumentId(CALL)).toBe(960_000_000n + 2n ** 36n + 2n ** 38n * 483_536n);
    expect(orderKey(CALL)).toBe(1n + 4n * 960_000_000n + 2n ** 38n * 483_536n);
    expect(instrumentId(LINEAR)).toBe(3n * 2n ** 36n);
    fc.assert(
      fc.property(instrument, (value) => {
        expect(instrumentFromId(instrumentId(value))).toEqual(value);
        expect(instrumentId(value) < 2n ** 58n).toBe(true);
      }),
    );
    for (const id of [0n, 1n, 2n ** 36n, 2n ** 58n, 3n * 2n ** 36n + 1n]) {
      expect(failure(() => instrumentFromId(id))).toBe('UNKNOWN_INSTRUMENT instrumentId');
    }
  });

  it('have names that read back', () => {
    expect(parseInstrument('BTC-28FEB25-96000-C')).toEqual({ underlying: 'BTC', instrument: CALL });
    expect(parseInstrument('ETH-7MAR25-2750-P').instrument.strike).toBe(27_500_000n);
    expect(parseInstrument('XRP-28FEB25-2d55-C').instrument.strike).toBe(25_500n);
    expect(parseInstrument('BTC-SPOT')).toEqual({ underlying: 'BTC', instrument: LINEAR });
    expect(formatInstrument('BTC', CALL)).toBe('BTC-28FEB25-96000-C');
    fc.assert(
      fc.property(instrument, (value) => {
        expect(parseInstrument(formatInstrument('ETH', value))).toEqual({
          underlying: 'ETH',
          instrument: value,
        });
      }),
    );
    for (const name of [
      '',
      'BTC',
      'BTC-31FEB25-1-C',
      'BTC-28FEB25-0-C',
      'BTC-28FEB25-96000-X',
      'btc-SPOT',
      'BTC-28FEB25-9999999999-C',
    ]) {
      expect(
        failure(() => parseInstrument(name)),
        name,
      ).toBe('UNKNOWN_INSTRUMENT instrument');
    }
    expect(underlyingIdOf('BTC')).toBe(0x425443n);
    expect(underlyingSymbolOf(0x425443n)).toBe('BTC');
    expect(underlyingSymbolOf(1n)).toBeUndefined();
  });
});

describe('legs', () => {
  it('pack into one field element and come back', () => {
    fc.assert(
      fc.property(leg, (value) => {
        const packed = packLeg(value);
        expect(packed >= 0n && packed < SCALAR_MODULUS).toBe(true);
        expect(unpackLeg(packed)).toEqual(value);
        const integer = instrumentId(value.instrument) + value.quantity * 2n ** 60n;
        expect(modR(packed - integer)).toBe(0n);
      }),
    );
    for (const element of [0n, -1n, SCALAR_MODULUS, SCALAR_MODULUS / 2n, 2n ** 59n + 2n ** 60n]) {
      expect(failure(() => unpackLeg(element))).not.toBe('none');
    }
  });

  it('are sorted and merged by canonicalLegs', () => {
    fc.assert(
      fc.property(fc.array(leg, { maxLength: 12 }), (legs) => {
        const small = legs.map((value) => ({ ...value, quantity: value.quantity / 16n || 1n }));
        const canonical = canonicalLegs([...small, ...small]);
        validateLegs(canonical, 24);
        const total = (list: readonly Leg[], id: bigint) =>
          list
            .filter((item) => instrumentId(item.instrument) === id)
            .reduce((sum, item) => sum + item.quantity, 0n);
        for (const item of small) {
          const id = instrumentId(item.instrument);
          expect(total(canonical, id)).toBe(2n * total(small, id));
        }
      }),
    );
    expect(
      canonicalLegs([
        { instrument: CALL, quantity: 5n },
        { instrument: CALL, quantity: -5n },
      ]),
    ).toEqual([]);
  });

  it('are refused with the field named', () => {
    const good: Leg = { instrument: CALL, quantity: 1n };
    const check = (legs: unknown[], capacity = 8) => failure(() => validateLegs(legs as Leg[], capacity));
    expect(check([good])).toBe('none');
    expect(check([good, good])).toBe('DUPLICATE_LEG legs[1].instrument');
    expect(check([{ ...good, quantity: 0n }])).toBe('ZERO_QUANTITY legs[0].quantity');
    expect(check([{ ...good, quantity: 2n ** 40n }])).toBe('QUANTITY_OUT_OF_RANGE legs[0].quantity');
    expect(check([{ ...good, quantity: Number.NaN }])).toBe('MALFORMED legs[0].quantity');
    expect(check([good], 0)).toBe('TOO_MANY_LEGS legs');
    expect(check([{ ...good, instrument: { ...CALL, kind: 'swap' } }])).toBe(
      'UNKNOWN_INSTRUMENT legs[0].instrument.kind',
    );
    expect(check([{ ...good, instrument: { ...CALL, kind: 'toString' } }])).toBe(
      'UNKNOWN_INSTRUMENT legs[0].instrument.kind',
    );
    expect(check([{ ...good, instrument: { ...CALL, strike: 0n } }])).toBe(
      'OUT_OF_RANGE legs[0].instrument.strike',
    );
    expect(check([{ ...good, instrument: { ...CALL, kind: 'linear' } }])).toBe(
      'UNKNOWN_INSTRUMENT legs[0].instrument',
    );
    expect(check([good, { instrument: LINEAR, quantity: 1n }])).toBe('LEGS_NOT_SORTED legs[1]');
    expect(
      failure(() => validateLegs([good, { instrument: LINEAR, quantity: 1n }], 8, { requireOrder: false })),
    ).toBe('none');
    expect(check([null])).toBe('MALFORMED legs[0]');
    expect(failure(() => validateLegs('x' as never, 8))).toBe('MALFORMED legs');
  });
});

describe('errors', () => {
  it('survive JSON and structured clones', () => {
    const error = new ZkMarginError('OUT_OF_RANGE', 'Keep it small.', {
      field: 'legs[3].quantity',
      details: { value: 7n },
    });
    for (const data of [structuredClone(errorToData(error)), JSON.parse(JSON.stringify(error))]) {
      const copy = errorFromData(data);
      expect(copy).toBeInstanceOf(ZkMarginError);
      expect(copy.toJSON()).toEqual({
        name: 'ZkMarginError',
        code: 'OUT_OF_RANGE',
        message: 'Keep it small.',
        field: 'legs[3].quantity',
        details: { value: '7' },
      });
    }
    expect(errorToData(new Error('boom'))).toMatchObject({ code: 'INTERNAL', message: 'boom' });
    for (const junk of [undefined, null, 3, {}, { name: 'ZkMarginError', code: 'NO_SUCH', message: '' }]) {
      expect(errorFromData(junk).code).toBe('INTERNAL');
    }
    expect(error.under('accounts[1]').field).toBe('accounts[1].legs[3].quantity');
  });
});

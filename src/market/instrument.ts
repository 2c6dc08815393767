/**
 * Instruments, legs, their ids, order, packing and names.
 *
 * Implements section 2 of `docs/margin-model.md`.
 */
import { requireBigint, requireInteger, ZkMarginError } from '../errors.ts';
import { modR, SCALAR_MODULUS, signedR } from '../math/fixed/scalar-field.ts';

/** What an instrument pays. */
export type InstrumentKind = 'call' | 'put' | 'linear';

/** Codes of the kinds inside ids. */
export const KIND_CODES: Readonly<Record<InstrumentKind, bigint>> = { call: 1n, put: 2n, linear: 3n };

const KINDS_BY_CODE: readonly (InstrumentKind | undefined)[] = [undefined, 'call', 'put', 'linear'];

/** Largest strike, in 1e-4 USD. */
export const MAX_STRIKE = 2n ** 36n - 1n;
/** Largest expiry, in hours since 1970-01-01 UTC. */
export const MAX_EXPIRY_HOUR = 2 ** 20 - 1;
/** Largest absolute quantity, in 1e-6 contracts. */
export const MAX_QUANTITY = 2n ** 40n - 1n;
/** A strike of 1 USD. */
export const STRIKE_UNIT = 10_000n;
/** A quantity of one contract, that is of one unit of the underlying. */
export const QUANTITY_UNIT = 1_000_000n;

/** An instrument of one underlying. A linear instrument has `expiryHour` 0 and `strike` 0. */
export interface Instrument {
  readonly kind: InstrumentKind;
  /** Whole hours since 1970-01-01 UTC. */
  readonly expiryHour: number;
  /** In 1e-4 USD. */
  readonly strike: bigint;
}

/** A signed amount of an instrument. */
export interface Leg {
  readonly instrument: Instrument;
  /** In 1e-6 contracts; negative when sold. Multiplied by the account's scale it is the position. */
  readonly quantity: bigint;
}

/** The underlying itself, held or owed. */
export const LINEAR: Instrument = Object.freeze({ kind: 'linear', expiryHour: 0, strike: 0n });

/**
 * Checks one instrument.
 *
 * @param field path that errors name
 * @throws ZkMarginError `UNKNOWN_INSTRUMENT` for another kind or a linear instrument with a strike or an expiry,
 * `OUT_OF_RANGE` or `MALFORMED` for a strike or expiry that is none
 */
export function validateInstrument(instrument: Instrument, field = 'instrument'): void {
  if (typeof instrument !== 'object' || instrument === null) {
    throw new ZkMarginError('MALFORMED', `Give ${field} as an object of kind, expiryHour and strike.`, {
      field,
    });
  }
  if (!Object.hasOwn(KIND_CODES, instrument.kind)) {
    throw new ZkMarginError('UNKNOWN_INSTRUMENT', 'Use one of the kinds call, put and linear.', {
      field: `${field}.kind`,
    });
  }
  if (instrument.kind === 'linear') {
    if (instrument.expiryHour !== 0 || instrument.strike !== 0n) {
      throw new ZkMarginError('UNKNOWN_INSTRUMENT', 'Give a linear instrument expiryHour 0 and strike 0.', {
        field,
      });
    }
    return;
  }
  requireInteger(instrument.expiryHour, 1, MAX_EXPIRY_HOUR, `${field}.expiryHour`);
  requireBigint(instrument.strike, 1n, MAX_STRIKE, `${field}.strike`);
}

/** The 58-bit id of an instrument: `strike + 2^36 kind + 2^38 expiryHour`. The instrument must be valid. */
export function instrumentId(instrument: Instrument): bigint {
  return instrument.strike + (KIND_CODES[instrument.kind] << 36n) + (BigInt(instrument.expiryHour) << 38n);
}

/**
 * The instrument of an id.
 *
 * @throws ZkMarginError `UNKNOWN_INSTRUMENT` when no instrument has the id
 */
export function instrumentFromId(id: bigint, field = 'instrumentId'): Instrument {
  const kind =
    typeof id === 'bigint' && id >= 0n && id < 1n << 58n
      ? KINDS_BY_CODE[Number((id >> 36n) & 3n)]
      : undefined;
  if (kind === undefined) {
    throw new ZkMarginError('UNKNOWN_INSTRUMENT', 'Use the id of an existing instrument.', { field });
  }
  const instrument: Instrument = { kind, expiryHour: Number(id >> 38n), strike: id & MAX_STRIKE };
  try {
    validateInstrument(instrument, field);
  } catch (cause) {
    throw new ZkMarginError('UNKNOWN_INSTRUMENT', 'Use the id of an existing instrument.', { field, cause });
  }
  return instrument;
}

/** The key by which legs are ordered, `kind + 4 strike + 2^38 expiryHour`: by expiry, strike, then kind. */
export function orderKey(instrument: Instrument): bigint {
  return KIND_CODES[instrument.kind] + 4n * instrument.strike + (BigInt(instrument.expiryHour) << 38n);
}

/**
 * Checks the instrument and quantity of one leg.
 *
 * @throws ZkMarginError as {@link validateInstrument}; `ZERO_QUANTITY`, `QUANTITY_OUT_OF_RANGE`, `MALFORMED`
 */
function validateLeg(leg: Leg, field = 'leg'): void {
  if (typeof leg !== 'object' || leg === null) {
    throw new ZkMarginError('MALFORMED', `Give ${field} as an object of instrument and quantity.`, { field });
  }
  validateInstrument(leg.instrument, `${field}.instrument`);
  const quantityField = `${field}.quantity`;
  if (typeof leg.quantity !== 'bigint') {
    throw new ZkMarginError('MALFORMED', `Give ${quantityField} as a whole number of 1e-6 contracts.`, {
      field: quantityField,
    });
  }
  if (leg.quantity === 0n) {
    throw new ZkMarginError('ZERO_QUANTITY', 'Leave out legs of quantity 0.', { field: quantityField });
  }
  if (leg.quantity > MAX_QUANTITY || leg.quantity < -MAX_QUANTITY) {
    throw new ZkMarginError(
      'QUANTITY_OUT_OF_RANGE',
      `Keep quantities within ±${MAX_QUANTITY} (1e-6 contracts).`,
      {
        field: quantityField,
        details: { value: leg.quantity.toString(), maximum: MAX_QUANTITY.toString() },
      },
    );
  }
}

/** How {@link validateLegs} checks. */
export interface LegsValidation {
  /** Path that errors name; `legs` unless given. */
  readonly field?: string;
  /** Whether legs must stand in strictly increasing order, as a commitment needs; true unless given. */
  readonly requireOrder?: boolean;
}

/**
 * Checks a vector of legs against section 2: each leg valid, no instrument twice, in order, no more than fit.
 * To bring legs into order, or to merge them, use {@link canonicalLegs}.
 *
 * @param capacity number of legs that the circuit has room for
 * @throws ZkMarginError `TOO_MANY_LEGS`, `DUPLICATE_LEG`, `LEGS_NOT_SORTED`, or as {@link validateLeg}
 */
export function validateLegs(legs: readonly Leg[], capacity: number, options: LegsValidation = {}): void {
  const field = options.field ?? 'legs';
  if (!Array.isArray(legs)) {
    throw new ZkMarginError('MALFORMED', `Give ${field} as a list of legs.`, { field });
  }
  if (legs.length > capacity) {
    throw new ZkMarginError('TOO_MANY_LEGS', `Give at most ${capacity} legs, or split the account.`, {
      field,
      details: { count: legs.length, capacity },
    });
  }
  const seen = new Map<bigint, number>();
  let unsorted = -1;
  let previous = -1n;
  for (let index = 0; index < legs.length; index++) {
    const leg = legs[index]!;
    validateLeg(leg, `${field}[${index}]`);
    const key = orderKey(leg.instrument);
    const first = seen.get(key);
    if (first !== undefined) {
      throw new ZkMarginError('DUPLICATE_LEG', `Merge ${field}[${index}] into ${field}[${first}].`, {
        field: `${field}[${index}].instrument`,
        details: { first, second: index },
      });
    }
    seen.set(key, index);
    if (key < previous && unsorted < 0) unsorted = index;
    previous = key;
  }
  if (unsorted >= 0 && options.requireOrder !== false) {
    throw new ZkMarginError('LEGS_NOT_SORTED', 'Order legs by expiry, strike and kind.', {
      field: `${field}[${unsorted}]`,
    });
  }
}

/**
 * Legs in the order of section 2, those of one instrument merged, and sums of zero left out.
 *
 * @throws ZkMarginError as {@link validateLeg}; `QUANTITY_OUT_OF_RANGE` when a sum leaves the range
 */
export function canonicalLegs(legs: readonly Leg[], field = 'legs'): Leg[] {
  const merged = new Map<bigint, { instrument: Instrument; quantity: bigint }>();
  for (let index = 0; index < legs.length; index++) {
    const leg = legs[index]!;
    validateLeg(leg, `${field}[${index}]`);
    const key = orderKey(leg.instrument);
    const present = merged.get(key);
    if (present === undefined) {
      merged.set(key, { instrument: leg.instrument, quantity: leg.quantity });
      continue;
    }
    present.quantity += leg.quantity;
    if (present.quantity > MAX_QUANTITY || present.quantity < -MAX_QUANTITY) {
      throw new ZkMarginError(
        'QUANTITY_OUT_OF_RANGE',
        'The merged quantity of this instrument is too large.',
        {
          field: `${field}[${index}].quantity`,
        },
      );
    }
  }
  return [...merged.entries()]
    .filter(([, leg]) => leg.quantity !== 0n)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, leg]) => leg);
}

/**
 * A leg as one canonical element of the scalar field, `instrumentId + 2^60 quantity mod r`.
 *
 * @throws ZkMarginError as {@link validateLeg}
 */
export function packLeg(leg: Leg, field = 'leg'): bigint {
  validateLeg(leg, field);
  return modR(instrumentId(leg.instrument) + (leg.quantity << 60n));
}

/**
 * The leg of a field element, as {@link packLeg} gives it.
 *
 * @throws ZkMarginError `MALFORMED` for what is no canonical field element, and as {@link validateLeg}
 */
export function unpackLeg(element: bigint, field = 'leg'): Leg {
  if (typeof element !== 'bigint' || element < 0n || element >= SCALAR_MODULUS) {
    throw new ZkMarginError('MALFORMED', 'Give a packed leg as an element of the scalar field.', { field });
  }
  const packed = signedR(element);
  const leg: Leg = {
    instrument: instrumentFromId(BigInt.asUintN(60, packed), `${field}.instrument`),
    quantity: packed >> 60n,
  };
  validateLeg(leg, field);
  return leg;
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'] as const;
const SYMBOL = /^[A-Z0-9]{1,4}$/;
const OPTION_NAME =
  /^([A-Z0-9]{1,4})-(\d{1,2})([A-Z]{3})(\d{2}|\d{4})(?:T(\d{2}))?-(\d{1,8})(?:[d.](\d{1,4}))?-([CP])$/;
const LINEAR_NAME = /^([A-Z0-9]{1,4})-SPOT$/;

/** Hour of the day (UTC) at which options expire unless their name says otherwise. */
export const EXPIRY_HOUR_OF_DAY = 8;

/** An instrument with its underlying's symbol. */
export interface NamedInstrument {
  readonly underlying: string;
  readonly instrument: Instrument;
}

/**
 * Reads a name such as `BTC-28FEB25-96000-C`, `ETH-7MAR25-2750-P`, `XRP-28FEB25-2d55-C` (a strike of 2.55) or
 * `BTC-SPOT`. Options expire at 08:00 UTC unless an hour is given, as in `BTC-28FEB25T16-96000-C`.
 *
 * @throws ZkMarginError `UNKNOWN_INSTRUMENT`
 */
export function parseInstrument(name: string, field = 'instrument'): NamedInstrument {
  const unknown = (cause?: unknown) =>
    new ZkMarginError('UNKNOWN_INSTRUMENT', 'Use a name such as BTC-28FEB25-96000-C or BTC-SPOT.', {
      field,
      details: { name: String(name).slice(0, 64) },
      cause,
    });
  if (typeof name !== 'string') throw unknown();
  const linear = LINEAR_NAME.exec(name);
  if (linear !== null) return { underlying: linear[1]!, instrument: LINEAR };
  const match = OPTION_NAME.exec(name);
  if (match === null) throw unknown();
  const [, underlying, dayText, monthText, yearText, hourText, whole, fraction, side] = match;
  const day = Number(dayText);
  const month = MONTHS.indexOf(monthText as (typeof MONTHS)[number]);
  const year = yearText!.length === 2 ? 2000 + Number(yearText) : Number(yearText);
  const hour = hourText === undefined ? EXPIRY_HOUR_OF_DAY : Number(hourText);
  if (month < 0 || hour > 23) throw unknown();
  const milliseconds = Date.UTC(year, month, day, hour);
  const date = new Date(milliseconds);
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month || date.getUTCDate() !== day)
    throw unknown();
  const instrument: Instrument = {
    kind: side === 'C' ? 'call' : 'put',
    expiryHour: milliseconds / 3_600_000,
    strike: BigInt(whole!) * STRIKE_UNIT + BigInt((fraction ?? '').padEnd(4, '0')),
  };
  try {
    validateInstrument(instrument, field);
  } catch (cause) {
    throw unknown(cause);
  }
  return { underlying: underlying!, instrument };
}

/** Date part of an instrument's name, as in `28FEB25`, or `28FEB25T16` when it does not expire at 08:00 UTC. */
export function formatExpiry(expiryHour: number): string {
  const date = new Date(expiryHour * 3_600_000);
  const year = date.getUTCFullYear();
  const hour = date.getUTCHours();
  const yearText = year >= 2000 && year < 2100 ? String(year % 100).padStart(2, '0') : String(year);
  const hourText = hour === EXPIRY_HOUR_OF_DAY ? '' : `T${String(hour).padStart(2, '0')}`;
  return `${date.getUTCDate()}${MONTHS[date.getUTCMonth()]}${yearText}${hourText}`;
}

/**
 * The name that {@link parseInstrument} reads back to the same instrument.
 *
 * @throws ZkMarginError as {@link validateInstrument}; `MALFORMED` for a symbol that is no name of an underlying
 */
export function formatInstrument(underlying: string, instrument: Instrument): string {
  requireSymbol(underlying, 'underlying');
  validateInstrument(instrument);
  if (instrument.kind === 'linear') return `${underlying}-SPOT`;
  const fraction = (instrument.strike % STRIKE_UNIT).toString().padStart(4, '0').replace(/0+$/, '');
  const strike = `${instrument.strike / STRIKE_UNIT}${fraction === '' ? '' : `d${fraction}`}`;
  return `${underlying}-${formatExpiry(instrument.expiryHour)}-${strike}-${instrument.kind === 'call' ? 'C' : 'P'}`;
}

/**
 * The 32-bit id of an underlying: its symbol's ASCII bytes, the first most significant. `BTC` is 0x425443.
 *
 * @throws ZkMarginError `MALFORMED` unless the symbol is 1 to 4 capital letters and digits
 */
export function underlyingIdOf(symbol: string): bigint {
  requireSymbol(symbol, 'underlying');
  let id = 0n;
  for (const character of symbol) id = (id << 8n) | BigInt(character.charCodeAt(0));
  return id;
}

/** The symbol of an id of {@link underlyingIdOf}, or undefined. */
export function underlyingSymbolOf(id: bigint): string | undefined {
  let symbol = '';
  for (let rest = id; rest > 0n; rest >>= 8n) symbol = String.fromCharCode(Number(rest & 255n)) + symbol;
  return SYMBOL.test(symbol) ? symbol : undefined;
}

function requireSymbol(symbol: string, field: string): void {
  if (typeof symbol !== 'string' || !SYMBOL.test(symbol)) {
    throw new ZkMarginError(
      'MALFORMED',
      'Name an underlying by 1 to 4 capital letters or digits, as in BTC.',
      {
        field,
      },
    );
  }
}

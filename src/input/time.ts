/** Times in documents. */
import { ZkMarginError } from '../errors.ts';
import { EXPIRY_HOUR_OF_DAY, parseInstrument } from '../market/instrument.ts';

const ISO_TIME = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:\d{2}))?$/;
const EXPIRY_NAME = /^(?:[A-Z0-9.]+-)?(\d{1,2}[A-Z]{3}\d{2}(?:\d{2})?(?:T\d{2})?)$/;

/**
 * A time in seconds since 1970-01-01 UTC: given as such, as an ISO time, or as an expiry's name such as `28FEB25` or
 * `28FEB25T16`. A date alone, and a name without an hour, mean 08:00 UTC, when options expire.
 *
 * @throws ZkMarginError `MALFORMED`, `NOT_FINITE`, `OUT_OF_RANGE`
 */
export function secondsOf(when: string | number, field: string): number {
  if (typeof when === 'number') {
    if (!Number.isFinite(when)) {
      throw new ZkMarginError('NOT_FINITE', `Give ${field} as a finite number.`, { field });
    }
    if (when < 1e8 || when > 1e11) {
      throw new ZkMarginError('OUT_OF_RANGE', `Give ${field} as a date, or in seconds since 1970.`, {
        field,
        details: { value: when },
      });
    }
    return when;
  }
  const name = EXPIRY_NAME.exec(when);
  if (name !== null) {
    try {
      return parseInstrument(`X-${name[1]}-1-C`).instrument.expiryHour * 3_600;
    } catch {
      // Told below.
    }
  }
  const time = ISO_TIME.exec(when);
  if (time !== null) {
    const hour = `T${String(EXPIRY_HOUR_OF_DAY).padStart(2, '0')}:00Z`;
    const milliseconds = Date.parse(time[2] === undefined ? `${time[1]}${hour}` : when);
    if (Number.isFinite(milliseconds)) return milliseconds / 1_000;
  }
  throw new ZkMarginError('MALFORMED', `Give ${field} as 2025-02-28T08:00:00Z, or 28FEB25.`, { field });
}

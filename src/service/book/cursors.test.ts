import { describe, expect, it } from 'vitest';
import { cursorOf, readCursor } from './cursors.ts';

describe('cursors', () => {
  it('hold numbers of the store, and no greater ones', () => {
    const most = 2n ** 63n - 1n;
    expect(readCursor(cursorOf(7, most), 2)).toEqual([7n, most]);
    expect(readCursor(undefined, 2)).toBeUndefined();
    const wrong = ['', 'AAAA', cursorOf(7), cursorOf(7, most + 1n), cursorOf(7, 10n ** 77n)];
    for (const text of wrong) {
      expect(() => readCursor(text, 2)).toThrowError(
        expect.objectContaining({ code: 'MALFORMED', field: 'cursor' }),
      );
    }
  });
});

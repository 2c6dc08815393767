import { describe, expect, it } from 'vitest';
import { storePlace } from './place.ts';

describe('the place of the store', () => {
  it.each([
    [{}, {}, { directory: 'zkmargin-data' }],
    [{}, { ZKMARGIN_STORE: 'x' }, { directory: 'x' }],
    [{ store: 'y' }, { ZKMARGIN_STORE: 'x' }, { directory: 'y' }],
    [{ store: 'memory' }, {}, {}],
    [{}, { DATABASE_URL: 'postgres://a/b', ZKMARGIN_STORE: 'x' }, { url: 'postgres://a/b' }],
    [{}, { DATABASE_URL: '' }, { directory: 'zkmargin-data' }],
  ])('of %j and %j is %j', (flags, environment, place) => {
    expect(storePlace(flags, environment)).toEqual(place);
  });

  it('is one alone', () => {
    expect(() => storePlace({ store: 'x' }, { DATABASE_URL: 'postgres://a/b' })).toThrow(
      expect.objectContaining({ code: 'CONFLICT', field: 'store' }),
    );
  });
});

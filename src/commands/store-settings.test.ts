import { describe, expect, it } from 'vitest';
import { resolveSettings, serveConfiguration } from '../configuration/index.ts';
import { storeOf } from './store-settings.ts';

const URL = 'postgres://a/b';
const placeOf = (
  flags: Record<string, unknown>,
  environment: Record<string, string>,
  document: Record<string, unknown> = {},
) => storeOf(resolveSettings(serveConfiguration, { flags, environment, file: { name: 'f.json', document } }));

describe('the place of the store', () => {
  it.each([
    [{}, {}, {}, { directory: 'zkmargin-data' }],
    [{}, { ZKMARGIN_STORE: 'x' }, {}, { directory: 'x' }],
    [{ store: 'y' }, { ZKMARGIN_STORE: 'x' }, {}, { directory: 'y' }],
    [{ store: 'memory' }, {}, {}, {}],
    [{}, { DATABASE_URL: URL, ZKMARGIN_STORE: 'x' }, {}, { url: URL }],
    [{}, { DATABASE_URL: URL }, { store: 'x' }, { url: URL }],
    [{}, { DATABASE_URL: '' }, {}, { directory: 'zkmargin-data' }],
  ])('of flags %j, variables %j and file %j is %j', (flags, environment, document, place) => {
    expect(placeOf(flags, environment, document)).toEqual(place);
  });

  it.each([
    [{ store: 'x' }, { DATABASE_URL: URL }, {}],
    [{}, { ZKMARGIN_STORE: 'x' }, { databaseUrl: URL }],
  ])('is one alone: flags %j, variables %j, file %j', (flags, environment, document) => {
    expect(() => placeOf(flags, environment, document)).toThrow(
      expect.objectContaining({ code: 'CONFLICT', field: 'store' }),
    );
  });
});

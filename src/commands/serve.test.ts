import { expect, it } from 'vitest';
import { openWarning } from './serve.ts';

it.each([
  ['127.0.0.1', undefined, false],
  ['127.8.0.1', undefined, false],
  ['localhost', undefined, false],
  ['::1', undefined, false],
  ['0.0.0.0', undefined, true],
  ['::', undefined, true],
  ['127.0.0.1.example', undefined, true],
  ['0.0.0.0', 'a read 0123456789abcdef', false],
])('a service on %s with the keys %s warns: %s', (host, apiKeys, warns) => {
  const warning = openWarning({ host, apiKeys });
  expect(warning?.includes(host) ?? false).toBe(warns);
  expect(warning ?? '').not.toContain('\n');
});

import { readFileSync } from 'node:fs';

/** The example document of the README. */
export function example(): unknown {
  return JSON.parse(
    readFileSync(new URL('../../examples/margin-btc-eth.json', import.meta.url), 'utf8'),
  ) as unknown;
}

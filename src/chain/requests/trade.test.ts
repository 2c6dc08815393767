import { describe, expect, it } from 'vitest';
import { exampleCrash } from '../../../scripts/lib/example-crash.ts';
import { mulberry32 } from '../../margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import { randomLegs } from '../../risk/monitor/testing.ts';
import { LEAST_TRADED_SCALE, prepareTrade } from './trade.ts';

const { opening } = exampleCrash();
const { underlyingId } = opening.underlying;
const clearingHouse = `0x${'11'.repeat(20)}` as const;
const market = {
  chainId: 31_337n,
  round: opening,
  number: 1n,
  parameters: DEFAULT_PARAMETERS,
  initialLevel: 5_120n,
};
const legs = randomLegs(mulberry32(5), opening);

/** What becomes of a trade that leaves positions at these scales, of a prover that only says that it was asked. */
async function refusal(scaleA: bigint, scaleB: bigint): Promise<unknown> {
  const prove = () => Promise.reject(new Error('proven'));
  const party = (accountId: bigint, scale: bigint) => {
    const positions = { legs, salt: 1n, scale };
    return { accountId, nonce: 0n, before: positions, after: positions, cash: 0n };
  };
  const terms = { clearingHouse, underlyingId, a: party(2n, scaleA), b: party(3n, scaleB), cashToA: 0n };
  return prepareTrade({ prove }, market, terms).then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('a trade', () => {
  it('is refused before anything is proven when a scale is one that the house does not take', async () => {
    const one = 2n ** 40n;
    expect(await refusal(LEAST_TRADED_SCALE - 1n, one)).toMatchObject({
      code: 'OUT_OF_RANGE',
      field: 'a.after.scale',
    });
    expect(await refusal(one, LEAST_TRADED_SCALE - 1n)).toMatchObject({
      code: 'OUT_OF_RANGE',
      field: 'b.after.scale',
    });
    expect(await refusal(one, 2n ** 64n)).toMatchObject({ code: 'OUT_OF_RANGE', field: 'b.after.scale' });
    expect(await refusal(LEAST_TRADED_SCALE, LEAST_TRADED_SCALE)).toMatchObject({ message: 'proven' });
  });
});

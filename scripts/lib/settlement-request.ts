/** Cheap statements for tests and measurements of the queue. */
import type { SettlementRequest } from '../../src/service/schemas.ts';

/** A settlement whose job is its own: every salt makes another one. */
export function settlementRequest(salt: number): SettlementRequest {
  return {
    circuit: 'settlement',
    legs: [
      { instrument: { kind: 'call', expiryHour: 483_488, strike: '960000000' }, quantity: '-2000000' },
      { instrument: { kind: 'put', expiryHour: 484_000, strike: '900000000' }, quantity: '1000000' },
    ],
    salt: String(salt),
    scale: String(2n ** 40n),
    underlying: 'BTC',
    prices: [{ expiryHour: 483_488, price: '97000000000' }],
    context: { chainId: '31337', consumer: `0x${'c1'.repeat(20)}`, accountId: '7', nonce: String(salt) },
  };
}

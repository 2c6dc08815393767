/** An account that leaves no part of an 8-leg circuit idle: every place used, and legs of many expiries. */
import { readFileSync } from 'node:fs';
import { exampleRound, type SviSurfaces } from '../../src/market/example-market.ts';
import { canonicalLegs, type Leg } from '../../src/market/instrument.ts';

const surfaces = JSON.parse(
  readFileSync(new URL('../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;
/** The round of the account. */
export const round = exampleRound(surfaces, 'BTC');
/** Expiries of its legs. */
export const [near, far] = [round.expiries[0]!.expiryHour, round.expiries[4]!.expiryHour];
const option = (kind: 'call' | 'put', expiryHour: number, usd: number, contracts: number): Leg => ({
  instrument: { kind, expiryHour, strike: BigInt(usd * 10_000) },
  quantity: BigInt(Math.round(contracts * 1e6)),
});
/** Eight legs: linear, calls and puts, long and short, two at one strike. */
export const legs = canonicalLegs([
  { instrument: { kind: 'linear', expiryHour: 0, strike: 0n }, quantity: 1_250_000n },
  option('call', near, 96_000, -2),
  option('put', near, 96_000, -1.5),
  option('put', near, 88_000, 1),
  option('call', far, 120_000, -3),
  option('put', far, 80_000, -1),
  option('call', round.expiries[2]!.expiryHour, 100_000, 2),
  option('put', round.expiries[7]!.expiryHour, 70_000, -0.25),
]);

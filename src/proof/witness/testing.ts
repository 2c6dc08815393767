/** Random accounts for the tests of margin circuits. */
import { readFileSync } from 'node:fs';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { canonicalLegs, type Leg } from '../../market/instrument.ts';
import { shockRound } from '../../market/shock.ts';
import type { MarketRound } from '../../market/words.ts';
import type { CircuitTester } from '../circuit-tester.ts';
import { type ShownFigures, unpackFigures } from './figures.ts';

const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;

/** A round of either example underlying after a random shock. */
export function randomRound(random: () => number): MarketRound {
  const base = exampleRound(surfaces, random() < 0.5 ? 'BTC' : 'ETH', {});
  return shockRound(base, {
    priceMove: random() * 0.6 - 0.3,
    volMultiplierAt30d: 0.7 + random(),
    secondsLater: Math.floor(random() * 86_400),
  });
}

/** One to `capacity` legs of any size, strike and kind, often a call and a put of one strike. */
export function randomLegs(random: () => number, round: MarketRound, capacity = 8): Leg[] {
  const legs: Leg[] = [];
  const count = 1 + Math.floor(random() * capacity);
  for (let i = 0; i < count; i++) {
    const quantity = BigInt(Math.ceil(10 ** (random() * 11))) * (random() < 0.5 ? -1n : 1n);
    if (random() < 0.1) {
      legs.push({ instrument: { kind: 'linear', expiryHour: 0, strike: 0n }, quantity });
      continue;
    }
    const expiry = round.expiries[Math.floor(random() * round.expiries.length)]!;
    const strike = BigInt(Math.floor((Number(expiry.forward) / 100) * 0.05 * 400 ** random())) + 1n;
    legs.push({
      instrument: { kind: random() < 0.5 ? 'call' : 'put', expiryHour: expiry.expiryHour, strike },
      quantity,
    });
    if (random() < 0.3 && i + 1 < count) {
      const kind = legs.at(-1)!.instrument.kind === 'call' ? 'put' : 'call';
      legs.push({
        instrument: { kind, expiryHour: expiry.expiryHour, strike },
        quantity: -quantity / 2n || 1n,
      });
      i++;
    }
  }
  return canonicalLegs(legs);
}

/** What a witness of `insolvency` shows. */
export function figuresShown(circuit: CircuitTester, witness: readonly bigint[]): ShownFigures {
  return unpackFigures(circuit.signal(witness, 'main.figures'));
}

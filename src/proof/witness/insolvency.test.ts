import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { exactScenario } from '../../margin/exact/margin.ts';
import { mulberry32 } from '../../margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import { exampleRound, type SviSurfaces, shockRound } from '../../market/example-market.ts';
import { canonicalLegs, type Leg, SCALAR_FIELD } from '../../market/instrument.ts';
import type { MarketRound } from '../../market/words.ts';
import { CircuitTester } from '../circuit-tester.ts';
import { insolvencyInput } from './insolvency.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 7);
const ACCOUNTS = 220;
const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;

function randomLegs(random: () => number, round: MarketRound): Leg[] {
  const legs: Leg[] = [];
  const count = 1 + Math.floor(random() * 8);
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

function signed(value: bigint): bigint {
  return value > SCALAR_FIELD / 2n ? value - SCALAR_FIELD : value;
}

describe('insolvency circuit at 8 legs', () => {
  let circuit: CircuitTester;
  beforeAll(async () => {
    circuit = await CircuitTester.fromFile('circuits/main/insolvency-8.circom');
  });

  it(`agrees with the exact model to the bit on ${ACCOUNTS} random accounts (seed ${SEED})`, async () => {
    const random = mulberry32(SEED);
    for (let index = 0; index < ACCOUNTS; index++) {
      const base = exampleRound(surfaces, random() < 0.5 ? 'BTC' : 'ETH', {});
      const round = shockRound(base, {
        priceMove: random() * 0.6 - 0.3,
        volMultiplierAt30d: 0.7 + random(),
        secondsLater: Math.floor(random() * 86_400),
      });
      const legs = randomLegs(random, round);
      const scale = 1n + BigInt(Math.floor(random() * 2 ** 42));
      const scenarioIndex = Math.floor(random() * DEFAULT_PARAMETERS.scenarios.length);
      const expected = exactScenario({ legs, scale }, round, DEFAULT_PARAMETERS, scenarioIndex);
      const input = await insolvencyInput({
        legs,
        scale,
        round,
        parameters: DEFAULT_PARAMETERS,
        scenarioIndex,
        salt: BigInt(index),
        context: 12345n,
        capacity: 8,
      });
      const witness = await circuit.witness(input);
      const at = `account ${index}`;
      expect(signed(circuit.signal(witness, 'main.mark')), at).toBe(expected.mark);
      expect(circuit.signal(witness, 'main.requirement'), at).toBe(expected.requirement);
    }
  });
});

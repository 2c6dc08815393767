/**
 * CME SPAN as a {@link MarginModel}: sixteen scenarios over a price and a vol range, look-ahead of one day, calendar-spread
 * charge, short-option minimum. Ranges differ by product; set `priceRanges` and `volShock` to those of a SPAN file.
 */
import type { MarginModel, ModelScenario } from '../engine/model.ts';

/** Price moves of scenarios 1 to 14, in units of the price range; each comes with vols up and down. */
const PAIRED_MOVES = [0, 1 / 3, -1 / 3, 2 / 3, -2 / 3, 1, -1];
/** Extreme moves in units of the price range, and the part of the loss that is covered. */
const EXTREME_MOVE = 3;
const COVERED_FRACTION = 0.33;

/**
 * SPAN's sixteen scenarios in the order of risk arrays (L. G. McMillan, "Options as a Strategic Investment", chapter 34;
 * CME risk array pages). The extreme pair's multiple and covered part are those of a CBT file of 2025-06-20.
 */
function spanScenarios(extremeMove = EXTREME_MOVE, coveredFraction = COVERED_FRACTION): ModelScenario[] {
  const scenarios: ModelScenario[] = [];
  for (const rangeFraction of PAIRED_MOVES) {
    for (const volatility of ['up', 'down'] as const) {
      scenarios.push({
        id: `${scenarios.length + 1}: ${Math.round(3 * rangeFraction)}/3 ${volatility}`,
        role: 'grid',
        rangeFraction,
        volatility,
        damping: 1,
      });
    }
  }
  for (const rangeFraction of [extremeMove, -extremeMove]) {
    scenarios.push({
      id: `${scenarios.length + 1}: extreme ${rangeFraction > 0 ? 'up' : 'down'}`,
      role: 'tail',
      rangeFraction,
      volatility: 'none',
      damping: coveredFraction,
    });
  }
  return scenarios;
}

/** SPAN with ranges for crypto underlyings: 15 % of price and 25 % of volatility unless a product says otherwise. */
export function spanModel(version = 'cme-2025-06'): MarginModel {
  return {
    name: 'span',
    version,
    numeraire: 'usd',
    pricing: {
      minimumTenorSeconds: 0,
      settlementWindowSeconds: 0,
      lookAheadSeconds: 86_400,
      rateFloor: null,
      largestTotalVariance: 1e6,
    },
    scenarios: spanScenarios(),
    priceRange: { value: 0.15, unit: 'relative' },
    volShock: {
      unit: 'relative',
      up: 0.25,
      down: 0.25,
      pivotDays: 30,
      tenorFloorDays: 1,
      shortPower: 0,
      longPower: 0,
      minimumShockedUp: 0,
      minimumMultiplier: 0,
    },
    gainFactor: 1,
    reliefFraction: 0,
    scan: { maintenance: 1, initial: 1.1 },
    collateral: {
      classes: {
        stable: { maintenance: 0, initial: 0 },
        volatile: { maintenance: 0.3, initial: 0.3 },
        staked: { maintenance: 0.1, initial: 0.1 },
        bridged: { maintenance: 0.1, initial: 0.1 },
      },
      deduct: 'equity',
    },
    addOns: [
      { kind: 'calendarSpread', maintenance: 0.0175, initial: 0.01925 },
      { kind: 'shortOption', maintenance: 0.01, initial: 0.011, combine: 'floor' },
    ],
    tiers: { soft: 1, warning: 1 },
  };
}

/**
 * Deribit's segregated portfolio margin as a {@link MarginModel}: nine price moves by three vol moves, an extended table,
 * and the roll and delta shocks. Results are in coin.
 *
 * Source: the exchange's description and the worked example of its `private/pme/simulate` page (BTC, June 2024). Not
 * modelled: the extended table's dampener in USD, whose formula is not published; leaving it out never lowers margin.
 * The delta shock's ramp above its threshold is our reading; below the threshold it is zero, as published.
 */
import type { MarginModel, ModelScenario } from '../engine/model.ts';

/** What differs between Deribit's currencies and dates. */
export interface DeribitParameters {
  readonly priceRange: number;
  readonly bucketsPerSide: number;
  readonly volUp: number;
  readonly volDown: number;
  readonly minimumVolUp: number;
  readonly shortTermVegaPower: number;
  readonly longTermVegaPower: number;
  readonly maximumDeltaShock: number;
  readonly deltaShockThresholdUsd: number;
  readonly annualisedMoveRisk: number;
  readonly minimumAnnualisedMove: number;
  readonly pnlOffset: number;
  readonly maintenanceFactor: number;
}

/** BTC, June 2024. */
const DERIBIT_BTC_2024_06: DeribitParameters = {
  priceRange: 0.16,
  bucketsPerSide: 4,
  volUp: 0.5,
  volDown: 0.25,
  minimumVolUp: 0.5,
  shortTermVegaPower: 0.3,
  longTermVegaPower: 0.13,
  maximumDeltaShock: 0.1,
  deltaShockThresholdUsd: 20_000_000,
  annualisedMoveRisk: 0.075,
  minimumAnnualisedMove: 0.01,
  pnlOffset: 0,
  maintenanceFactor: 0.8,
};

const EXTENDED_MOVES = [-0.66, -0.33, 0.5, 1, 2, 3, 4, 5];

/** Deribit's model with given parameters. */
export function deribitModel(
  parameters: DeribitParameters = DERIBIT_BTC_2024_06,
  version = 'btc-2024-06',
): MarginModel {
  const { priceRange, bucketsPerSide, maintenanceFactor } = parameters;
  const scenarios: ModelScenario[] = [];
  for (let bucket = -bucketsPerSide; bucket <= bucketsPerSide; bucket++) {
    const move = (priceRange * bucket) / bucketsPerSide;
    for (const volatility of ['down', 'none', 'up'] as const) {
      scenarios.push({
        id: `${move >= 0 ? '+' : ''}${(100 * move).toFixed(1)} % ${volatility}`,
        role: 'grid',
        priceFactor: 1 + move,
        volatility,
        damping: 1,
      });
    }
  }
  for (const move of EXTENDED_MOVES) {
    scenarios.push({
      id: `${move >= 0 ? '+' : ''}${100 * move} % extended`,
      role: 'tail',
      priceFactor: 1 + move,
      // Futures keep the profit at the end of the standard range, undamped.
      linearPriceFactor: 1 + Math.sign(move) * priceRange,
      linearDamping: 1,
      volatility: 'up',
      damping: Math.min(1, priceRange / Math.abs(move)),
    });
  }
  return {
    name: 'deribit',
    version,
    numeraire: 'coin',
    pricing: {
      minimumTenorSeconds: 0,
      settlementWindowSeconds: 1800,
      lookAheadSeconds: 0,
      rateFloor: null,
      largestTotalVariance: 1e6,
    },
    scenarios,
    volShock: {
      unit: 'relative',
      up: parameters.volUp,
      down: parameters.volDown,
      pivotDays: 30,
      tenorFloorDays: 1,
      shortPower: parameters.shortTermVegaPower,
      longPower: parameters.longTermVegaPower,
      minimumShockedUp: parameters.minimumVolUp,
      minimumMultiplier: 0,
    },
    gainFactor: parameters.pnlOffset,
    reliefFraction: 0,
    scan: { maintenance: maintenanceFactor, initial: 1 },
    collateral: {
      classes: {
        stable: { maintenance: 0.05, initial: 0.05 },
        volatile: { maintenance: 0.2, initial: 0.2 },
        staked: { maintenance: 0.05, initial: 0.05 },
        bridged: { maintenance: 0.05, initial: 0.05 },
      },
      deduct: 'equity',
    },
    addOns: [
      {
        kind: 'roll',
        maintenance: maintenanceFactor,
        initial: 1,
        annualRate: parameters.annualisedMoveRisk,
        minimumRate: parameters.minimumAnnualisedMove,
      },
      {
        kind: 'deltaConcentration',
        maintenance: maintenanceFactor,
        initial: 1,
        thresholdUsd: parameters.deltaShockThresholdUsd,
        maximumRate: parameters.maximumDeltaShock,
      },
    ],
    tiers: { soft: 1, warning: 1 },
  };
}

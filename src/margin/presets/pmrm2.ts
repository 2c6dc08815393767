/**
 * Derive's PMRM2 as a {@link MarginModel}. Parameters come with each account's universe; the defaults are the published
 * set for BTC of December 2025.
 */
import { DERIVE_MAX_TOTAL_VARIANCE } from '../../market/surface.ts';
import type { MarginModel, ModelScenario, VolatilityMove } from '../engine/model.ts';

/** Parameters of PMRM2 by their published names (Derive v2 core, `IPMRMLib_2`). */
export interface Pmrm2Parameters {
  readonly BasisContingency: {
    readonly BASIS_CONT_ADD_FACTOR: number;
    readonly BASIS_CONT_MULT_FACTOR: number;
    readonly SCENARIO_SPOT_DOWN: number;
    readonly SCENARIO_SPOT_UP: number;
  };
  readonly Margin: {
    readonly BASE_STATIC_DISCOUNT: number;
    readonly BASE_STATIC_DISCOUNT_NEG: number;
    readonly IM_LOSS_FACTOR: number;
    readonly MM_LOSS_FACTOR: number;
    readonly LONG_RATE_ADDSCALE: number;
    readonly LONG_RATE_MULTSCALE: number;
    readonly SHORT_RATE_ADDSCALE: number;
    readonly SHORT_RATE_MULTSCALE: number;
  };
  readonly OtherContingency: {
    readonly CONF_MARGIN: number;
    readonly CONF_THRESHOLD: number;
    readonly IM_OPTION_PERCENT: number;
    readonly IM_PERP_PERCENT: number;
    readonly MM_OPTION_PERCENT: number;
    readonly MM_PERP_PERCENT: number;
    readonly PEG_LOSS_FACTOR: number;
    readonly PEG_LOSS_THRESHOLD: number;
  };
  readonly Scenarios: readonly {
    readonly DampeningFactor: number;
    readonly SpotShock: number;
    readonly VolShockDirection: string;
  }[];
  readonly SkewShock: {
    readonly ABS_CBASE: number;
    readonly ABS_SCALE_CAP: number;
    readonly LINEAR_CBASE: number;
    readonly LINEAR_SCALE_CAP: number;
    readonly MIN_K_STAR: number;
    readonly MIN_WIDTH_SCALE: number;
    readonly VOL_PARAM_SCALE: number;
    readonly VOL_PARAM_STATIC: number;
  };
  readonly VolShock: {
    readonly DTE_FLOOR: number;
    readonly LONGTERMPOWER: number;
    readonly MIN_VOL_EVAL_SHOCKED: number;
    readonly SHORTTERMPOWER: number;
    readonly VOLRANGEDOWN: number;
    readonly VOLRANGEUP: number;
  };
}

const DIRECTIONS: Readonly<Record<string, VolatilityMove>> = {
  up: 'up',
  down: 'down',
  none: 'none',
  linear: 'linearSkew',
  abs: 'absoluteSkew',
};

/** The vol move of a published direction, or undefined for an unknown one. */
export function pmrm2Direction(name: string): VolatilityMove | undefined {
  return DIRECTIONS[name.toLowerCase()];
}

/** PMRM2 with given parameters. Directions must be known to {@link pmrm2Direction}. */
export function pmrm2Model(
  parameters: Pmrm2Parameters = PMRM2_DEFAULTS,
  version = 'btc-2025-12',
): MarginModel {
  const {
    Margin: margin,
    OtherContingency: other,
    BasisContingency: basis,
    SkewShock: skew,
    VolShock: vol,
  } = parameters;
  return {
    name: 'pmrm2',
    version,
    numeraire: 'usd',
    pricing: {
      minimumTenorSeconds: 0,
      settlementWindowSeconds: 1800,
      lookAheadSeconds: 0,
      rateFloor: 0,
      largestTotalVariance: DERIVE_MAX_TOTAL_VARIANCE,
    },
    scenarios: parameters.Scenarios.map((scenario, index) => scenarioOf(scenario, index)),
    volShock: {
      unit: 'relative',
      up: vol.VOLRANGEUP,
      down: vol.VOLRANGEDOWN,
      pivotDays: 30,
      tenorFloorDays: vol.DTE_FLOOR,
      shortPower: vol.SHORTTERMPOWER,
      longPower: vol.LONGTERMPOWER,
      minimumShockedUp: vol.MIN_VOL_EVAL_SHOCKED,
      minimumMultiplier: 0,
    },
    skewShock: {
      linear: { capPerRoot: skew.LINEAR_CBASE, cap: skew.LINEAR_SCALE_CAP },
      absolute: { capPerRoot: skew.ABS_CBASE, cap: skew.ABS_SCALE_CAP },
      minimumWidth: skew.MIN_K_STAR,
      widthScale: skew.MIN_WIDTH_SCALE,
      volatility: skew.VOL_PARAM_STATIC,
      volatilityPerRoot: skew.VOL_PARAM_SCALE,
    },
    staticDiscount: {
      positive: {
        base: margin.BASE_STATIC_DISCOUNT,
        rateScale: margin.LONG_RATE_MULTSCALE,
        rateAdd: margin.LONG_RATE_ADDSCALE,
      },
      negative: {
        base: margin.BASE_STATIC_DISCOUNT_NEG,
        rateScale: margin.SHORT_RATE_MULTSCALE,
        rateAdd: margin.SHORT_RATE_ADDSCALE,
      },
    },
    gainFactor: 1,
    reliefFraction: 0,
    scan: {
      maintenance: margin.MM_LOSS_FACTOR,
      initial: margin.IM_LOSS_FACTOR,
      pegLoss: { threshold: other.PEG_LOSS_THRESHOLD, factor: other.PEG_LOSS_FACTOR },
    },
    collateral: {
      classes: {
        stable: { maintenance: 0.02, initial: 0.04 },
        volatile: { maintenance: 0.15, initial: 0.2 },
        staked: { maintenance: 0.05, initial: 0.1 },
        bridged: { maintenance: 0.02, initial: 0.04 },
      },
      deduct: 'requirement',
    },
    addOns: [
      {
        kind: 'basis',
        maintenance: 1,
        initial: 1,
        upFactor: basis.SCENARIO_SPOT_UP,
        downFactor: basis.SCENARIO_SPOT_DOWN,
        constant: basis.BASIS_CONT_ADD_FACTOR,
        perYear: basis.BASIS_CONT_MULT_FACTOR,
        combine: 'worst',
      },
      {
        kind: 'perpetual',
        maintenance: other.MM_PERP_PERCENT,
        initial: other.MM_PERP_PERCENT + other.IM_PERP_PERCENT,
      },
      {
        kind: 'shortOption',
        maintenance: other.MM_OPTION_PERCENT,
        initial: other.MM_OPTION_PERCENT + other.IM_OPTION_PERCENT,
        combine: 'add',
      },
      {
        kind: 'oracleConfidence',
        maintenance: 0,
        initial: other.CONF_MARGIN,
        threshold: other.CONF_THRESHOLD,
      },
    ],
    tiers: { soft: 1, warning: 1 },
  };
}

function scenarioOf(
  { DampeningFactor, SpotShock, VolShockDirection }: Pmrm2Parameters['Scenarios'][number],
  index: number,
): ModelScenario {
  const volatility = pmrm2Direction(VolShockDirection) ?? 'none';
  const skew = volatility === 'linearSkew' || volatility === 'absoluteSkew';
  return {
    id: `${index}: ${SpotShock} ${VolShockDirection}`,
    role: skew ? 'skew' : DampeningFactor < 1 ? 'tail' : 'grid',
    priceFactor: SpotShock,
    volatility,
    damping: DampeningFactor,
  };
}

/** The 23 regular scenarios, eight tails and two skews of the published set. */
function defaultScenarios(): Pmrm2Parameters['Scenarios'] {
  const scenarios: Pmrm2Parameters['Scenarios'][number][] = [
    { DampeningFactor: 1, SpotShock: 1.18, VolShockDirection: 'Up' },
  ];
  for (const SpotShock of [1.135, 1.09, 1.045, 1, 0.955, 0.91, 0.865]) {
    for (const VolShockDirection of ['Down', 'None', 'Up']) {
      scenarios.push({ DampeningFactor: 1, SpotShock, VolShockDirection });
    }
  }
  scenarios.push({ DampeningFactor: 1, SpotShock: 0.82, VolShockDirection: 'Up' });
  const tails: readonly (readonly [number, number])[] = [
    [0.34, 0.21],
    [0.67, 0.42],
    [1.5, 0.2772],
    [2, 0.1386],
    [3, 0.0693],
    [4, 0.0462],
    [5, 0.03465],
    [6, 0.02772],
  ];
  for (const [SpotShock, DampeningFactor] of tails) {
    scenarios.push({ DampeningFactor, SpotShock, VolShockDirection: 'Up' });
  }
  scenarios.push(
    { DampeningFactor: 1, SpotShock: 1, VolShockDirection: 'Linear' },
    { DampeningFactor: 1, SpotShock: 1, VolShockDirection: 'Abs' },
  );
  return scenarios;
}

/** Published parameters for BTC (derivexyz/v2-scripts, `data/mainnet/BTC_PM2Params.json`, December 2025). */
export const PMRM2_DEFAULTS: Pmrm2Parameters = {
  BasisContingency: {
    BASIS_CONT_ADD_FACTOR: 0.5,
    BASIS_CONT_MULT_FACTOR: 2,
    SCENARIO_SPOT_DOWN: 0.955,
    SCENARIO_SPOT_UP: 1.045,
  },
  Margin: {
    BASE_STATIC_DISCOUNT: 0.95,
    BASE_STATIC_DISCOUNT_NEG: 1.04,
    IM_LOSS_FACTOR: 1,
    MM_LOSS_FACTOR: 0.8,
    LONG_RATE_ADDSCALE: 0.08,
    LONG_RATE_MULTSCALE: 1,
    SHORT_RATE_ADDSCALE: 0.08,
    SHORT_RATE_MULTSCALE: 0.5,
  },
  OtherContingency: {
    CONF_MARGIN: 0.4,
    CONF_THRESHOLD: 0.55,
    IM_OPTION_PERCENT: 0.002,
    IM_PERP_PERCENT: 0.01,
    MM_OPTION_PERCENT: 0.003,
    MM_PERP_PERCENT: 0.03,
    PEG_LOSS_FACTOR: 4,
    PEG_LOSS_THRESHOLD: 0.99,
  },
  Scenarios: defaultScenarios(),
  SkewShock: {
    ABS_CBASE: -0.1,
    ABS_SCALE_CAP: 0.25,
    LINEAR_CBASE: -0.1,
    LINEAR_SCALE_CAP: 0.25,
    MIN_K_STAR: 0.01,
    MIN_WIDTH_SCALE: 4,
    VOL_PARAM_SCALE: -0.1,
    VOL_PARAM_STATIC: 0.6,
  },
  VolShock: {
    DTE_FLOOR: 1,
    LONGTERMPOWER: 0.13,
    MIN_VOL_EVAL_SHOCKED: 0.4,
    SHORTTERMPOWER: 0.3,
    VOLRANGEDOWN: 0.3,
    VOLRANGEUP: 0.5,
  },
};

/**
 * RAMM, the project's own model. Its core is what the exact integer model computes and the circuits prove: scan,
 * short-option minimum, and the charges for delta over the horizon, basis, interest, gamma and vega. The full preset adds
 * an initial level, joint scenarios of several underlyings, and terms that only it reads.
 */
import { YEAR_SECONDS } from '../../market/words.ts';
import type { AddOn, MarginModel, ModelScenario } from '../engine/model.ts';
import {
  DAMPING_ONE,
  DEFAULT_PARAMETERS,
  horizonFactorOf,
  type RiskParameters,
  TENOR_UNIT_SECONDS,
} from '../parameters.ts';

/**
 * The proven core of RAMM under given parameters: maintenance and initial levels are the same.
 *
 * @param parameters valid, as `validateParameters` says
 */
export function rammCoreModel(
  parameters: RiskParameters = DEFAULT_PARAMETERS,
  version = 'default-1',
): MarginModel {
  // The horizon as it is committed to: by the root in years, in 2^-20.
  const horizonSeconds = (horizonFactorOf(parameters.horizonSeconds) / 2 ** 20) ** 2 * YEAR_SECONDS;
  const logStep = (parameters.priceStep / 2 ** 20) * Math.LN2;
  const maintenanceFactor = parameters.maintenanceFactor / 4096;
  const shortOptionRate = parameters.shortOptionRate / 65_536;
  const gammaRate = parameters.gammaRate / 4096;
  const vegaRate = parameters.vegaRate / 65_536;
  const perYear = (perTenor: number): number => (perTenor / 2 ** 36) * (YEAR_SECONDS / TENOR_UNIT_SECONDS);
  return {
    name: 'ramm-core',
    version,
    numeraire: 'usd',
    pricing: {
      minimumTenorSeconds: 3600,
      settlementWindowSeconds: 0,
      lookAheadSeconds: 0,
      rateFloor: null,
      largestTotalVariance: 1e6,
    },
    scenarios: parameters.scenarios.map((scenario): ModelScenario => {
      const volatility = scenario.volShock > 0 ? 'up' : scenario.volShock < 0 ? 'down' : 'none';
      const priceFactor = Math.exp(scenario.priceMove * logStep);
      const damping = scenario.damping / DAMPING_ONE;
      const percent = (100 * (priceFactor - 1)).toFixed(1);
      return {
        id: `${priceFactor >= 1 ? '+' : ''}${percent} % ${volatility}`,
        role: damping < 1 ? 'tail' : 'grid',
        priceFactor,
        volatility,
        damping,
      };
    }),
    volShock: {
      unit: 'relative',
      up: parameters.volShockUp / 2 ** 14,
      down: parameters.volShockDown / 2 ** 14,
      pivotDays: 30,
      tenorFloorDays: parameters.tenorFloor / 86_400,
      shortPower: parameters.tenorPowerShort / 256,
      longPower: parameters.tenorPowerLong / 256,
      minimumShockedUp: 0,
      minimumMultiplier: 0.5,
    },
    gainFactor: 1,
    reliefFraction: 0,
    scan: { maintenance: maintenanceFactor, initial: maintenanceFactor },
    collateral: {
      classes: {
        stable: { maintenance: 0.01, initial: 0.02 },
        volatile: { maintenance: 0.12, initial: 0.18 },
        staked: { maintenance: 0.04, initial: 0.07 },
        bridged: { maintenance: 0.03, initial: 0.06 },
      },
      deduct: 'equity',
    },
    addOns: [
      {
        kind: 'shortOption',
        maintenance: shortOptionRate,
        initial: shortOptionRate,
        combine: 'add',
      },
      { kind: 'horizon', maintenance: 1, initial: 1, seconds: horizonSeconds },
      {
        kind: 'expiryBasis',
        maintenance: 1,
        initial: 1,
        minimum: parameters.basisMinimum / 65_536,
        perYear: perYear(parameters.basisPerTenor),
      },
      {
        kind: 'expiryInterest',
        maintenance: 1,
        initial: 1,
        perYear: perYear(parameters.interestPerTenor),
      },
      {
        kind: 'gamma',
        maintenance: gammaRate,
        initial: gammaRate,
        deviations: 2,
        windowSeconds: horizonSeconds,
      },
      { kind: 'vegaShock', maintenance: vegaRate, initial: vegaRate },
    ],
    tiers: { soft: 1.1, warning: 1.25 },
  };
}

/** How much more of the core's terms counts at the initial level. */
const INITIAL_SCALE = 1.25;

/** The full preset: the core under given parameters, the further terms, and a larger initial level. */
export function rammModel(
  parameters: RiskParameters = DEFAULT_PARAMETERS,
  version = 'default-1',
): MarginModel {
  const core = rammCoreModel(parameters, version);
  const coreAddOns = core.addOns.map(
    (addOn): AddOn => ({
      ...addOn,
      initial: addOn.maintenance * INITIAL_SCALE,
    }),
  );
  return {
    ...core,
    name: 'ramm',
    // Two underlyings have fallen together in every crash: half of what joint scenarios show is granted.
    reliefFraction: 0.5,
    scan: {
      maintenance: core.scan.maintenance,
      initial: core.scan.maintenance * INITIAL_SCALE,
      pegLoss: { threshold: 0.99, factor: 4 },
    },
    addOns: [
      ...coreAddOns,
      { kind: 'oracleConfidence', maintenance: 0, initial: 0.4, threshold: 0.55 },
      // Four hours ahead at a yearly vol of vol of 150 %, near what short BTC vols show in calm times.
      {
        kind: 'predictive',
        maintenance: 0,
        initial: 1,
        horizonSeconds: 14_400,
        lookbackSeconds: 172_800,
        priceDeviations: 2,
        maximumDrift: 0.5,
        volOfVol: 1.5,
      },
    ],
  };
}

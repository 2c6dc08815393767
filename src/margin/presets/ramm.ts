/**
 * RAMM, the project's own model. Its core (scan, short-option minimum, horizon buffer) is what the exact integer model
 * computes and the circuits prove; the full preset adds the terms of `docs/margin-model.md`, section 10.
 */
import type { AddOn, MarginModel, ModelScenario } from '../engine/model.ts';
import { DAMPING_ONE, DEFAULT_PARAMETERS, horizonFactorOf, type RiskParameters } from '../parameters.ts';

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
  const horizonSeconds = (horizonFactorOf(parameters.horizonSeconds) / 2 ** 20) ** 2 * 31_536_000;
  const logStep = (parameters.priceStep / 2 ** 20) * Math.LN2;
  const maintenanceFactor = parameters.maintenanceFactor / 4096;
  const shortOptionRate = parameters.shortOptionRate / 65_536;
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
  const step = Math.exp((parameters.priceStep / 2 ** 20) * Math.LN2);
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
      // Two deviations over the liquidation window, twice: hedges are rebalanced late at both ends of it.
      {
        kind: 'gamma',
        maintenance: 2,
        initial: 2.5,
        deviations: 2,
        windowSeconds: parameters.horizonSeconds,
      },
      // The grid's vol move doubled; a quarter of what lies beyond the grid counts, for the spike decays in hours.
      {
        kind: 'vegaStress',
        maintenance: 0.25,
        initial: 0.5,
        spike: 2 * core.volShock.up,
        crush: Math.min(0.5, 2 * core.volShock.down),
      },
      // A forward's basis moves by a few percent of the spot's move, more for later expiries.
      {
        kind: 'basis',
        maintenance: 1,
        initial: 1.5,
        upFactor: step,
        downFactor: 1 / step,
        constant: 0.02,
        perYear: 0.1,
        combine: 'add',
      },
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

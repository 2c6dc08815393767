/** Settings of a deployment that the contracts keep: sources of prices, and collateral. */
import type { Address } from 'viem';

/** How an underlying's rounds are agreed on; see `OracleConfiguration` of the oracle. */
export interface OracleConfiguration {
  /** Fewest reports of a round. */
  readonly minSources: number;
  /** Seconds up to which a report may be used. */
  readonly maxReportAge: number;
  /** Seconds for which a round is fresh. */
  readonly maxRoundAge: number;
  /** Multiple of the median absolute deviation up to which a value is kept, in tenths. */
  readonly outlierMultipleTenths: number;
  readonly outlierFloorBps: number;
  readonly outlierCapBps: number;
  /** Largest move of spot between rounds that needs no confirmation. */
  readonly spotMoveBps: number;
  /** Largest relative move of the volatility index that needs none. */
  readonly volatilityMoveBps: number;
  /** Seconds of silence after which anyone may wind the underlying down. */
  readonly windDownDelay: number;
  /** Seconds between rounds that move little: each round makes proofs void that were made for the one before. */
  readonly minInterval: number;
}

/** Settings for production: a breaker at 5 % of spot, and half of the volatility index. */
export const DEFAULT_ORACLE_CONFIGURATION: OracleConfiguration = Object.freeze({
  minSources: 3,
  maxReportAge: 60,
  maxRoundAge: 120,
  outlierMultipleTenths: 50,
  outlierFloorBps: 20,
  outlierCapBps: 500,
  spotMoveBps: 500,
  volatilityMoveBps: 5_000,
  windDownDelay: 7 * 86_400,
  minInterval: 10,
});

/** An underlying of the oracle. */
export interface OracleSetup {
  /** 32 bits. */
  readonly underlyingId: number;
  /** Who signs reports; at least `minSources`. */
  readonly sources: readonly Address[];
  /** {@link DEFAULT_ORACLE_CONFIGURATION} unless given, field by field. */
  readonly configuration?: Partial<OracleConfiguration>;
}

/** A token that accounts may give beside cash. */
export interface CollateralSetup {
  readonly token: Address;
  /** Its spot is the value of a whole token. */
  readonly priceUnderlyingId: number;
  /** Part of the value that does not count in accounts of that underlying. */
  readonly haircutBps: number;
  /** The same in accounts of other underlyings, at least `haircutBps`: their proofs do not know what a fall of the price does to the collateral. */
  readonly crossHaircutBps: number;
  /** Most of all accounts together, in the token's smallest unit. */
  readonly cap: bigint;
}

/** A setup's configuration with the defaults for what it leaves out. */
export function oracleConfiguration({ configuration }: OracleSetup): OracleConfiguration {
  return { ...DEFAULT_ORACLE_CONFIGURATION, ...configuration };
}

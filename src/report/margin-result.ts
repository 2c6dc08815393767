/** The result of `zkmargin margin` as data: what `--json` prints and the readable report is written from. */
import { ZkMarginError } from '../errors.ts';
import type { MarginRequest } from '../input/margin.ts';
import { readReturns } from '../input/returns.ts';
import { type Breakdown, breakdownOf, neighboursOf } from '../margin/engine/breakdown.ts';
import { incrementalMargin } from '../margin/engine/incremental.ts';
import { greeksLadder, type LadderRung, type RiskMatrix, riskMatrices } from '../margin/engine/ladder.ts';
import { computeMargin, type Equity, type Margin, type Tier } from '../margin/engine/margin.ts';
import { revaluationOf, revaluationParts } from '../margin/engine/revaluation.ts';
import { type Shock, shockedMargin } from '../margin/engine/shock.ts';
import { type TailRiskReport, tailRisk } from '../risk/index.ts';

/** A requirement and what is left above it, in the model's numeraire. */
export interface LevelResult {
  readonly requirement: number;
  /** Equity less requirement. */
  readonly margin: number;
  /** The requirement in integers, taken apart. */
  readonly breakdown: Breakdown;
}

/** The worst joint scenario, by name. */
export interface WorstScenario {
  readonly kind: 'common' | 'own' | 'against';
  readonly scenarios: readonly { readonly underlying: string; readonly scenario: string }[];
  readonly loss: number;
}

/** What a candidate trade does. */
export interface TradeResult {
  readonly name: string;
  readonly cash: number;
  readonly maintenanceRequirement: number;
  readonly initialRequirement: number;
  readonly equity: number;
  readonly maintenanceMarginAfter: number;
  readonly initialMarginAfter: number;
  readonly tierAfter: Tier;
  readonly allowed: boolean;
}

/** The margin after a shock. */
export interface ShockResult {
  readonly name: string;
  readonly priceMove: number;
  readonly volMultiplier: number;
  readonly volShift: number;
  readonly hours: number;
  /** Underlyings that move. */
  readonly underlyings: readonly string[];
  /** Change of equity. */
  readonly profit: number;
  readonly equity: number;
  readonly maintenanceRequirement: number;
  readonly maintenanceMargin: number;
  readonly initialRequirement: number;
  readonly initialMargin: number;
  readonly tier: Tier;
  /** Parts of the requirements. */
  readonly components: readonly {
    readonly id: string;
    readonly maintenance: number;
    readonly initial: number;
  }[];
}

/** The result for one portfolio. */
export interface MarginResult {
  readonly portfolio: string;
  /** ISO time of the market. */
  readonly asOf: string;
  readonly model: { readonly name: string; readonly version: string };
  readonly numeraire: 'usd' | 'coin';
  readonly tier: Tier;
  readonly equity: Equity;
  readonly maintenance: LevelResult;
  readonly initial: LevelResult;
  readonly scan: {
    readonly loss: number;
    readonly relief: number;
    readonly worst: WorstScenario | null;
    readonly byUnderlying: readonly {
      readonly underlying: string;
      readonly loss: number;
      readonly worst: string | null;
    }[];
  };
  readonly scenarioPnl: Readonly<Record<string, readonly number[]>>;
  readonly riskMatrices: readonly RiskMatrix[];
  readonly greeks: readonly LadderRung[];
  readonly trades: readonly TradeResult[];
  readonly shocks: readonly ShockResult[];
  readonly tailRisk: readonly TailRiskReport[];
}

/**
 * Computes everything that a request asks for.
 *
 * @param maxMarginal most positions for which each is also margined alone, and the portfolio without it; 1,000 unless given
 * @throws ZkMarginError as `readReturns` and `tailRisk`, under `history` or `tailRisk`, when a history is given
 */
export function marginResult(request: MarginRequest, maxMarginal?: number): MarginResult {
  const margin = computeMargin(request.portfolio, request.market, request.model);
  const { market, model, scan } = margin;
  const neighbours = neighboursOf(margin, maxMarginal);
  return {
    portfolio: request.portfolio.id,
    asOf: new Date(market.asOf * 1000).toISOString(),
    model: { name: model.name, version: model.version },
    numeraire: model.numeraire,
    tier: margin.tier,
    equity: margin.equity,
    maintenance: {
      requirement: margin.maintenanceRequirement,
      margin: margin.maintenanceMargin,
      breakdown: breakdownOf(margin, 'maintenance', neighbours),
    },
    initial: {
      requirement: margin.initialRequirement,
      margin: margin.initialMargin,
      breakdown: breakdownOf(margin, 'initial', neighbours),
    },
    scan: {
      loss: scan.loss,
      relief: scan.relief,
      worst:
        scan.jointLoss > 0
          ? {
              kind: scan.joint.kind,
              scenarios: scan.joint.scenarios.flatMap((scenario, index) =>
                scenario < 0
                  ? []
                  : [
                      {
                        underlying: market.underlyings[index]!.symbol,
                        scenario: scenarioName(margin, scenario),
                      },
                    ],
              ),
              loss: scan.jointLoss,
            }
          : null,
      byUnderlying: market.underlyings.map(({ symbol }, index) => ({
        underlying: symbol,
        loss: scan.ownLosses[index]!,
        worst: scan.ownWorst[index]! < 0 ? null : scenarioName(margin, scan.ownWorst[index]!),
      })),
    },
    scenarioPnl: Object.fromEntries(
      market.underlyings.map(({ symbol }, index) => [
        symbol,
        [...scan.profits[index]!.subarray(0, margin.plan.scenarioCount)],
      ]),
    ),
    riskMatrices: riskMatrices(margin),
    greeks: greeksLadder(margin),
    trades: request.trades.map((trade): TradeResult => {
      const { after, ...change } = incrementalMargin(margin, trade);
      return {
        ...change,
        maintenanceMarginAfter: after.maintenanceMargin,
        initialMarginAfter: after.initialMargin,
        tierAfter: after.tier,
      };
    }),
    shocks: request.shocks.map((shock) => shockResult(margin, shock)),
    tailRisk: request.history === undefined ? [] : tailRiskOf(request, margin),
  };
}

function shockResult(margin: Margin, shock: Shock): ShockResult {
  const { profit, after } = shockedMargin(margin, shock);
  const { underlyings } = margin.market;
  return {
    name: shock.name,
    priceMove: shock.priceMove,
    volMultiplier: shock.volatilityFactor,
    volShift: shock.volatilityShift,
    hours: shock.seconds / 3_600,
    underlyings: underlyings
      .filter((_, index) => shock.underlyings?.includes(index) ?? true)
      .map(({ symbol }) => symbol),
    profit,
    equity: after.equity.total,
    maintenanceRequirement: after.maintenanceRequirement,
    maintenanceMargin: after.maintenanceMargin,
    initialRequirement: after.initialRequirement,
    initialMargin: after.initialMargin,
    tier: after.tier,
    components: after.components.map(({ id, maintenance, initial }) => ({ id, maintenance, initial })),
  };
}

/** Name of a scenario; the index beyond the last is the basis move. */
function scenarioName(margin: Margin, scenario: number): string {
  return margin.model.scenarios[scenario]?.id ?? 'basis move';
}

function tailRiskOf(request: MarginRequest, margin: Margin): TailRiskReport[] {
  const symbols = margin.market.underlyings.map(({ symbol }) => symbol);
  const { levels, horizonDays, seed, paths } = request.tailRisk;
  const usdPerUnit = margin.model.numeraire === 'coin' ? margin.market.underlyings[0]!.spot : 1;
  return tailRisk({
    history: under('history', () => readReturns(request.history, { symbols })),
    underlyings: symbols,
    revalue: revaluationOf(margin),
    parts: revaluationParts(margin),
    scanRisk: margin.scan.loss * usdPerUnit,
    level: levels ?? [0.975, 0.99],
    ...(horizonDays === undefined ? {} : { horizonDays }),
    ...(seed === undefined ? {} : { seed }),
    ...(paths === undefined ? {} : { paths }),
  });
}

function under<Result>(prefix: string, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw error instanceof ZkMarginError ? error.under(prefix) : error;
  }
}

/** Greeks of a portfolio by expiry and strike, and the risk matrix of price by volatility: what a risk manager looks at. */
import type { Margin } from './margin.ts';
import type { VolatilityMove } from './model.ts';

/** Sums of Greeks in USD terms. */
export interface GreekSums {
  /** Units of the underlying. */
  readonly delta: number;
  /** Change of delta, in units, for a move of 1 %. */
  readonly gammaPerPercent: number;
  /** USD for one vol point. */
  readonly vegaPerPoint: number;
  /** USD for one day. */
  readonly thetaPerDay: number;
  /** USD for a move of 1 % with one vol point. */
  readonly vannaPerPercentPoint: number;
  /** USD for one vol point squared. */
  readonly volgaPerPointSquared: number;
}

const NO_GREEKS = {
  delta: 0,
  gammaPerPercent: 0,
  vegaPerPoint: 0,
  thetaPerDay: 0,
  vannaPerPercentPoint: 0,
  volgaPerPointSquared: 0,
};

/** One rung of the ladder: what is held at a strike, or outside options of an expiry. */
export interface LadderRung extends GreekSums {
  readonly underlying: string;
  /** Null for spot, perpetuals and arrays. */
  readonly expiry: string | null;
  /** Null for futures and what has no expiry. */
  readonly strike: number | null;
  readonly calls: number;
  readonly puts: number;
  /** Futures, perpetuals or spot. */
  readonly linear: number;
  /** Implied volatility at the strike. */
  readonly volatility: number | null;
  readonly value: number;
}

/** The ladder, in order of underlying, expiry and strike. */
export function greeksLadder(margin: Margin): LadderRung[] {
  const rungs = new Map<string, { -readonly [Key in keyof LadderRung]: LadderRung[Key] }>();
  for (const { position, expiry, greeks, forward, volatility, value } of margin.valued) {
    const underlying = margin.market.underlyings[position.underlying]!;
    const strike = position.kind === 'option' ? position.strike : null;
    const key = `${position.underlying}/${expiry}/${strike}`;
    let rung = rungs.get(key);
    if (rung === undefined) {
      rung = {
        underlying: underlying.symbol,
        expiry: expiry < 0 ? null : underlying.expiries[expiry]!.name,
        strike,
        calls: 0,
        puts: 0,
        linear: 0,
        volatility: position.kind === 'option' ? volatility : null,
        value: 0,
        ...NO_GREEKS,
      };
      rungs.set(key, rung);
    }
    if (position.kind !== 'option') rung.linear += position.quantity;
    else if (position.isCall) rung.calls += position.quantity;
    else rung.puts += position.quantity;
    rung.value += value;
    rung.delta += greeks.delta;
    rung.gammaPerPercent += greeks.gamma * forward * 0.01;
    rung.vegaPerPoint += greeks.vega * 0.01;
    rung.thetaPerDay += greeks.theta / 365;
    rung.vannaPerPercentPoint += greeks.vanna * forward * 1e-4;
    rung.volgaPerPointSquared += greeks.volga * 1e-4;
  }
  return [...rungs.values()];
}

/** Sums of rungs. */
export function sumGreeks(rungs: readonly GreekSums[]): GreekSums {
  const total = { ...NO_GREEKS };
  for (const rung of rungs) {
    for (const name of Object.keys(total) as (keyof GreekSums)[]) total[name] += rung[name];
  }
  return total;
}

/** One cell of the risk matrix. */
export interface MatrixCell {
  /** Index of the scenario in the model. */
  readonly scenario: number;
  readonly id: string;
  /** Relative price move. */
  readonly move: number;
  readonly volatility: VolatilityMove;
  readonly damping: number;
  /** Damped profit in the numeraire. */
  readonly profit: number;
}

/** The scenarios of one underlying with their profits, and the worst of them. */
export interface RiskMatrix {
  readonly underlying: string;
  /** Grid cells, by price move and then by vol move. */
  readonly grid: readonly MatrixCell[];
  /** Tails and skews. */
  readonly others: readonly MatrixCell[];
  /** Index of the scenario with the worst loss; -1 when none loses, the number of scenarios for the basis move. */
  readonly worst: number;
  /** Profit of the basis move, where the model counts it as a scenario. */
  readonly basisProfit: number | null;
}

const VOL_ORDER: readonly VolatilityMove[] = ['down', 'none', 'up', 'linearSkew', 'absoluteSkew'];

/** Risk matrices of all underlyings. */
export function riskMatrices(margin: Margin): RiskMatrix[] {
  const { model, market, scan, plan } = margin;
  return market.underlyings.map((underlying, index) => {
    const profits = scan.profits[index]!;
    const cells = model.scenarios.map((scenario, at): MatrixCell & { role: string } => ({
      scenario: at,
      id: scenario.id,
      move: plan.probes[at]!.priceFactors[index]! - 1,
      volatility: scenario.volatility,
      damping: scenario.damping,
      profit: profits[at]!,
      role: scenario.role,
    }));
    const order = (a: MatrixCell, b: MatrixCell): number =>
      a.move - b.move || VOL_ORDER.indexOf(a.volatility) - VOL_ORDER.indexOf(b.volatility);
    const plain = ({ role: _role, ...cell }: MatrixCell & { role: string }): MatrixCell => cell;
    return {
      underlying: underlying.symbol,
      grid: cells
        .filter(({ role }) => role === 'grid')
        .sort(order)
        .map(plain),
      others: cells
        .filter(({ role }) => role !== 'grid')
        .sort(order)
        .map(plain),
      worst: scan.ownWorst[index]!,
      basisProfit: profits.length > plan.scenarioCount ? profits[plan.scenarioCount]! : null,
    };
  });
}

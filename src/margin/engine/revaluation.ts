/**
 * Full revaluation of a portfolio under an arbitrary market move: what tail-risk measures ask of the engine. Options are
 * priced at the moved forward with the vol of their strike, moved in proportion; those that expire within the horizon are
 * worth their intrinsic value at its end.
 */

import type { MarketMove, PortfolioParts, Revalue } from '../../market/move.ts';
import { DAY_SECONDS, YEAR_SECONDS } from '../../market/words.ts';
import { black76Price } from '../../math/float/black76.ts';
import { inverseValue } from '../../math/float/linear.ts';
import type { Margin } from './margin.ts';
import { discountOf, type ValuedPosition } from './valuation.ts';

/** The change of a portfolio's value in USD under a move, collateral that moves with an underlying included. */
export function revaluationOf(margin: Margin): Revalue {
  const { revalue } = revaluationParts(margin);
  return (move) => revalue(move).reduce((sum, change) => sum + change, 0);
}

/** The same by position, for an allocation of the shortfall. */
export function revaluationParts(margin: Margin): PortfolioParts {
  const held = margin.portfolio.collateral.filter((item) => item.offsets !== undefined);
  return {
    names: [...margin.valued.map(({ position }) => position.id), ...held.map(({ asset }) => asset)],
    revalue: (move) => [
      ...margin.valued.map((item) => positionChange(item, move, margin)),
      ...held.map((item) => {
        const { underlying, fraction } = item.offsets!;
        const growth = Math.expm1(move.logReturns[underlying] ?? 0);
        return item.value * fraction * growth * usdPer(margin, underlying);
      }),
    ],
  };
}

/** USD for one unit of the numeraire. */
function usdPer(margin: Margin, underlying: number): number {
  return margin.model.numeraire === 'coin' ? margin.market.underlyings[underlying]!.spot : 1;
}

function positionChange(item: ValuedPosition, move: MarketMove, margin: Margin): number {
  const { position } = item;
  const { underlying: own, quantity } = position;
  const logReturn = move.logReturns[own] ?? 0;
  const factor = Math.exp(logReturn);
  const underlying = margin.market.underlyings[own]!;
  if (position.kind === 'array') {
    // A published array says nothing between its scenarios.
    return 0;
  }
  // A linear contract gains the difference of prices; an inverse one the same in coin, at the later price.
  if (position.kind === 'spot') return quantity * underlying.spot * (factor - 1);
  if (position.kind !== 'option') {
    return position.inverse
      ? quantity *
          inverseValue({
            size: item.forward,
            entry: item.forward,
            mark: item.forward * factor,
            index: underlying.spot * factor,
          }).profitUsd
      : quantity * item.forward * (factor - 1);
  }
  const expiry = underlying.expiries[position.expiry]!;
  const left = expiry.secondsToExpiry - move.days * DAY_SECONDS;
  const { minimumTenorSeconds } = margin.model.pricing;
  const years = left > 0 ? Math.max(left, minimumTenorSeconds) / YEAR_SECONDS : 0;
  const kind = position.isCall ? 'call' : 'put';
  const volatility = item.volatility * (1 + (move.volShifts[own] ?? 0));
  const later = black76Price(
    kind,
    expiry.forward * factor,
    position.strike,
    years,
    volatility,
    discountOf(expiry, margin.model, years),
  );
  // The Greeks hold the whole position's present value, in USD.
  return quantity * later - item.greeks.price;
}

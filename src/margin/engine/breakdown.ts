/**
 * A requirement taken apart: by component, by expiry, and by position. All three are integers that add up to the
 * requirement exactly, so that a report can be checked with a pencil.
 *
 * The requirement is rounded up to a whole unit; its parts are rounded by the largest-remainder method (A. Hamilton,
 * 1792), so no part is off by a unit or more.
 */
import { type Margin, type MarginComponent, marginOfValued, scanFactor } from './margin.ts';
import type { MarginLevel } from './model.ts';
import type { Portfolio } from './state.ts';
import { requireFiniteResult, type ValuedPosition } from './valuation.ts';

/** Units per numeraire: millionths of a USD, or hundred-millionths of a coin. */
function breakdownScale(margin: Pick<Margin, 'model'>): number {
  return margin.model.numeraire === 'usd' ? 1e6 : 1e8;
}

/** One named part of a requirement. */
export interface ComponentAmount {
  /** As in `scan.delta`, `horizon`, `collateralHaircut`. */
  readonly id: string;
  readonly amount: bigint;
}

/** The part of one expiry, or of what has none. */
export interface ExpiryAmount {
  readonly underlying: string;
  /** Name of the expiry; null for spot, perpetuals and arrays. */
  readonly expiry: string | null;
  readonly amount: bigint;
}

/** The part of one position. */
export interface PositionAmount {
  readonly id: string;
  /** Part of the requirement that the position accounts for. Parts of all positions and the rest sum to it. */
  readonly contribution: bigint;
  /** The requirement if this were the only position; null when there are too many to tell. */
  readonly standalone: bigint | null;
  /** The requirement less the one without this position; null when there are too many to tell. */
  readonly marginal: bigint | null;
}

/** A requirement and its parts, in units of {@link breakdownScale}. */
export interface Breakdown {
  readonly level: MarginLevel;
  readonly unitsPerNumeraire: number;
  readonly requirement: bigint;
  /** They sum to the requirement. */
  readonly components: readonly ComponentAmount[];
  /** With `other` they sum to the requirement. */
  readonly expiries: readonly ExpiryAmount[];
  /** Contributions; with `other` they sum to the requirement. */
  readonly positions: readonly PositionAmount[];
  /** Collateral, reservations and the floor: what belongs to no position. */
  readonly other: bigint;
}

/** Most positions for which standalone and marginal requirements are computed: they take a margin call each. */
const MAX_MARGINAL_POSITIONS = 1_000;

/** Requirements at both levels. */
type Requirements = Pick<Margin, 'model' | 'maintenanceRequirement' | 'initialRequirement'>;

/** What would be required of one position alone, and of the portfolio without it. */
export interface Neighbour {
  readonly alone: Requirements;
  readonly without: Requirements;
}

/** The neighbours of a margin, by position; null when there are more positions than `most`: it takes the square of their number. */
export function neighboursOf(margin: Margin, most = MAX_MARGINAL_POSITIONS): Neighbour[] | null {
  const { valued, plan, market, model, portfolio } = margin;
  if (valued.length > most) return null;
  const requirements = (items: readonly ValuedPosition[], holder: Portfolio): Requirements => {
    const { maintenanceRequirement, initialRequirement } = marginOfValued(items, plan, holder, market, model);
    return { model, maintenanceRequirement, initialRequirement };
  };
  return valued.map((item, index) => ({
    alone: requirements([item], {
      id: portfolio.id,
      cash: 0,
      positions: [item.position],
      collateral: [],
      reservations: [],
    }),
    without: requirements(
      valued.filter((_, other) => other !== index),
      portfolio,
    ),
  }));
}

/**
 * Takes a requirement apart.
 *
 * @param neighbours as {@link neighboursOf} gives them; they serve both levels
 * @throws ZkMarginError `ARITHMETIC_OVERFLOW` where a part is no finite number
 */
export function breakdownOf(
  margin: Margin,
  level: MarginLevel,
  neighbours: readonly Neighbour[] | null = neighboursOf(margin),
): Breakdown {
  const { valued, components } = margin;
  const scale = breakdownScale(margin);
  const requirement = roundedRequirement(margin, level);

  const named: { id: string; amount: number }[] = [];
  for (const component of components) {
    if (component.id !== 'scan') {
      named.push({ id: component.id, amount: component[level] });
      continue;
    }
    const factor = scanFactor(margin.model, margin.market, level);
    const [delta, gamma, vega] = (['delta', 'gamma', 'vega'] as const).map(
      (name) => factor * sum(margin.scan[name]),
    ) as [number, number, number];
    const collateral = factor * sum(margin.scan.collateral);
    named.push(
      { id: 'scan.delta', amount: delta + collateral },
      { id: 'scan.gamma', amount: gamma },
      { id: 'scan.vega', amount: vega },
      { id: 'scan.residual', amount: component[level] - delta - gamma - vega - collateral },
    );
  }
  for (const { id, amount } of named) requireFiniteResult(amount * scale, id);
  const amounts = apportion(
    requirement,
    named.map(({ amount }) => amount * scale),
  );

  const byPosition = new Float64Array(valued.length);
  let other = 0;
  for (const component of components) {
    const parts = positionsAt(component, level);
    for (let index = 0; index < byPosition.length; index++) byPosition[index]! += parts[index]!;
    other += component[level] - sum(parts);
  }
  const contributions = apportion(requirement, [...byPosition.map((part) => part * scale), other * scale]);
  const otherAmount = contributions.pop()!;
  return {
    level,
    unitsPerNumeraire: scale,
    requirement,
    components: named.map(({ id }, index) => ({ id, amount: amounts[index]! })),
    expiries: sumByExpiry(margin, contributions),
    positions: valued.map(({ position }, index) => {
      const neighbour = neighbours?.[index];
      return {
        id: position.id,
        contribution: contributions[index]!,
        standalone: neighbour ? roundedRequirement(neighbour.alone, level) : null,
        marginal: neighbour ? requirement - roundedRequirement(neighbour.without, level) : null,
      };
    }),
    other: otherAmount,
  };
}

/** The requirement in whole units, rounded up. */
export function roundedRequirement(margin: Requirements, level: MarginLevel): bigint {
  const requirement = level === 'maintenance' ? margin.maintenanceRequirement : margin.initialRequirement;
  const units = requirement * breakdownScale(margin);
  requireFiniteResult(units, 'requirement');
  return BigInt(Math.ceil(units));
}

/** What each position contributes to a component at a level. */
function positionsAt(component: MarginComponent, level: MarginLevel): Float64Array {
  const rate = component.base > 0 ? component[level] / component.base : 0;
  return component.positions.map((part) => part * rate);
}

function sumByExpiry(margin: Margin, contributions: readonly bigint[]): ExpiryAmount[] {
  const sums = new Map<string, { underlying: string; expiry: string | null; amount: bigint }>();
  margin.valued.forEach(({ position, expiry }, index) => {
    const underlying = margin.market.underlyings[position.underlying]!;
    const name = expiry < 0 ? null : underlying.expiries[expiry]!.name;
    const key = `${position.underlying}/${expiry}`;
    const entry = sums.get(key);
    if (entry === undefined) {
      sums.set(key, { underlying: underlying.symbol, expiry: name, amount: contributions[index]! });
    } else entry.amount += contributions[index]!;
  });
  return [...sums.values()];
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/**
 * Integers that are close to given parts and sum to a total: each part is rounded down and the units that are left go
 * to the largest remainders. What exceeds one unit each (parts that do not sum to the total) goes to the largest part.
 */
function apportion(total: bigint, parts: readonly number[]): bigint[] {
  if (parts.length === 0) return [];
  const floors = parts.map((part) => BigInt(Math.floor(part)));
  let left = total - floors.reduce((all, part) => all + part, 0n);
  const count = BigInt(parts.length);
  if (left < 0n || left > count) {
    let largest = 0;
    for (let index = 1; index < parts.length; index++) {
      if (Math.abs(parts[index]!) > Math.abs(parts[largest]!)) largest = index;
    }
    floors[largest]! += left;
    left = 0n;
  }
  const order = parts
    .map((part, index) => ({ index, remainder: part - Math.floor(part) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (let place = 0; left > 0n; place++, left--) floors[order[place]!.index]! += 1n;
  return floors;
}

/** Instances of the circuits, by their statements. */

/** Legs of the instances of each statement, increasing. */
export const CAPACITIES = Object.freeze({
  insolvency: [8, 16, 32],
  solvency: [8, 16],
  transfer: [16],
  settlement: [8, 32],
} as const);

/** What circuits prove. */
export type Statement = keyof typeof CAPACITIES;

/** Name of an instance, as `insolvency-8`. */
export type Instance<Of extends Statement = Statement> = {
  [Each in Of]: `${Each}-${(typeof CAPACITIES)[Each][number]}`;
}[Of];

/** Names of a statement's instances, increasing. */
export function instancesOf<Of extends Statement>(statement: Of): readonly Instance<Of>[] {
  return CAPACITIES[statement].map((capacity) => `${statement}-${capacity}` as Instance<Of>);
}

/** All instances. */
export const INSTANCES: readonly Instance[] = (Object.keys(CAPACITIES) as Statement[]).flatMap(instancesOf);

/** Instances that prove any account of the house insolvent: a trade takes no more legs than a transfer has room for. */
export const LIQUIDATION_INSTANCES: readonly Instance<'insolvency'>[] = instancesOf('insolvency').slice(
  0,
  1 + CAPACITIES.insolvency.findIndex((capacity) => capacity >= CAPACITIES.transfer[0]),
);

/** Legs of a statement's instances that are among some names, increasing. */
export function capacitiesAmong(statement: Statement, names: ReadonlySet<string>): number[] {
  return CAPACITIES[statement].filter((capacity) => names.has(`${statement}-${capacity}`));
}

/**
 * The smallest instance with room for so many legs.
 *
 * @param capacities increasing
 * @returns undefined when none has room
 */
export function capacityFor(legs: number, capacities: readonly number[]): number | undefined {
  return capacities.find((capacity) => legs <= capacity);
}

/** Bounds of what an account holds, in integers. */

/** A scale of 1: scales are in 2^-40. */
export const SCALE_ONE = 2n ** 40n;
/** Largest scale of an account, 2^-40. */
export const MAX_SCALE = 2n ** 64n - 1n;
/** Largest amount of cash, collateral or mark in size, 1e-6 USD: what lies beyond does not fit the circuits. */
export const MAX_MONEY = 2n ** 96n - 1n;

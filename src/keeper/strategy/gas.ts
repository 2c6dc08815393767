/** What transactions cost, in money. */
import type { ACTION_KINDS } from '../../input/keeper.ts';
import { ceilDivide } from '../../math/fixed/primitives.ts';

/** What follows from a sealed bid, whatever a keeper is told to do: without it the bond would be lost, or the slice. */
const OBLIGATIONS = ['reveal', 'fill', 'release'] as const;
/** What a keeper sends. */
export type ActionKind = (typeof ACTION_KINDS)[number] | (typeof OBLIGATIONS)[number];

/** Gas of whole transactions by kind. */
export interface GasTable {
  readonly liquidate: bigint;
  /** Of a batch, before its orders. */
  readonly batchBase: bigint;
  /** Of each order of a batch. */
  readonly batchOrder: bigint;
  readonly start: bigint;
  readonly bid: bigint;
  readonly takeOver: bigint;
  readonly refresh: bigint;
  readonly restart: bigint;
  /** Of a sealed bid altogether: commitment, reveal and its part of the fill. */
  readonly sealedBid: bigint;
  readonly reveal: bigint;
  readonly fill: bigint;
  readonly release: bigint;
  readonly poke: bigint;
  readonly close: bigint;
}

/**
 * By what profits are reckoned. Limits of transactions do not come from here: those are estimated for each.
 *
 * Largest figures of the table in `docs/contracts.md` (`npm run gas`), 17,100 more where the insurance fund may have no cash yet
 * (its first fee fills an empty slot), and 5 % on top, rounded up. None depends on the number of legs. `fill` is for two bids: who
 * executes them pays for all. `release`, `poke` and `close` are not in the table: they prove nothing and move no positions.
 */
export const DEFAULT_GAS: GasTable = Object.freeze({
  liquidate: 540_000n,
  batchBase: 393_000n,
  batchOrder: 188_000n,
  start: 665_000n,
  bid: 157_000n,
  takeOver: 231_000n,
  refresh: 640_000n,
  restart: 640_000n,
  sealedBid: 579_000n,
  reveal: 65_000n,
  fill: 328_000n,
  release: 60_000n,
  poke: 120_000n,
  close: 120_000n,
});

/** What gas costs now. */
export interface GasPrice {
  /** Of the newest block, wei per gas. */
  readonly baseFee: bigint;
  /** What is offered to the block's builder, wei per gas. */
  readonly priorityFee: bigint;
  /** A whole native token (1e18 wei) in 1e-6 USD. */
  readonly nativePrice: bigint;
}

/** Wei of a native token. */
const NATIVE_UNIT = 10n ** 18n;

/** Gas of a batch of so many orders. */
export function batchGas(table: GasTable, orders: number): bigint {
  return table.batchBase + table.batchOrder * BigInt(orders);
}

/** Cost of gas in 1e-6 USD, rounded up. */
export function gasCost(gas: bigint, price: GasPrice): bigint {
  return weiToMoney(gas * (price.baseFee + price.priorityFee), price.nativePrice);
}

/** Wei in 1e-6 USD, rounded up. */
export function weiToMoney(wei: bigint, nativePrice: bigint): bigint {
  return ceilDivide(wei * nativePrice, NATIVE_UNIT);
}

/** 1e-6 USD in wei, rounded down; nothing for debts. */
export function moneyToWei(money: bigint, nativePrice: bigint): bigint {
  return money <= 0n ? 0n : (money * NATIVE_UNIT) / nativePrice;
}

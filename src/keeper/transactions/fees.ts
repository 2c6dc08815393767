/** What transactions offer for gas (EIP-1559), in wei per gas. */
import { BASIS } from '../../liquidation/amounts.ts';
import { ceilDivide } from '../../math/fixed/primitives.ts';

/** How much is offered. */
export interface FeePolicy {
  /** Offered to the builder; what the node suggests unless given. */
  readonly priorityFee?: bigint;
  /** The first offer outlives base fees that rise to this multiple, in per cent. */
  readonly headroomPercent: bigint;
  /** Each replacement raises both fees by this, in basis points; nodes ask for 10 %, some for 12.5 %. */
  readonly bumpBps: bigint;
  /** No offer exceeds it, whatever the profit. */
  readonly maxFeePerGas: bigint;
}

/** Twice the base fee, which six full blocks do not reach; replacements by an eighth; never above 500 gwei. */
export const DEFAULT_FEES: FeePolicy = Object.freeze({
  headroomPercent: 200n,
  bumpBps: 1_250n,
  maxFeePerGas: 500_000_000_000n,
});

/** An offer. */
export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/** Fees of the present moment. */
export interface FeeMarket {
  /** Of the newest block. */
  readonly baseFee: bigint;
  readonly priorityFee: bigint;
}

/**
 * The offer for a new transaction.
 *
 * @param gas limit of the transaction
 * @param maxCost most that all its gas may cost, in wei
 * @returns undefined when not even the present base fee can be paid
 */
export function firstFees(
  market: FeeMarket,
  policy: FeePolicy,
  gas: bigint,
  maxCost: bigint,
): Fees | undefined {
  const maxFeePerGas = least(askedBy(market, policy), boundOf(policy, gas, maxCost));
  // The next block's base fee may be an eighth higher.
  if (maxFeePerGas < ceilDivide(market.baseFee * 9n, 8n)) return undefined;
  return { maxFeePerGas, maxPriorityFeePerGas: least(market.priorityFee, maxFeePerGas) };
}

/**
 * The offer that replaces another: both fees higher by the policy's bump, and at least what the market asks.
 *
 * @returns undefined when the bump would exceed what gas may cost, or what it may cost does not reach the base fee
 */
export function bumpedFees(
  previous: Fees,
  market: FeeMarket,
  policy: FeePolicy,
  gas: bigint,
  maxCost: bigint,
): Fees | undefined {
  const bound = boundOf(policy, gas, maxCost);
  const raise = (fee: bigint): bigint => ceilDivide(fee * (BASIS + policy.bumpBps), BASIS) + 1n;
  const maxFeePerGas = raise(previous.maxFeePerGas);
  const maxPriorityFeePerGas = raise(previous.maxPriorityFeePerGas);
  if (maxFeePerGas > bound) return undefined;
  const fee = most(maxFeePerGas, least(askedBy(market, policy), bound));
  // No block takes it: it is better to wait with the old offer for the base fee to fall.
  if (fee < market.baseFee) return undefined;
  return {
    maxFeePerGas: fee,
    maxPriorityFeePerGas: least(most(maxPriorityFeePerGas, market.priorityFee), fee),
  };
}

/** What the market asks of an offer that is to hold for some blocks. */
function askedBy(market: FeeMarket, policy: FeePolicy): bigint {
  return (market.baseFee * policy.headroomPercent) / 100n + market.priorityFee;
}

function boundOf(policy: FeePolicy, gas: bigint, maxCost: bigint): bigint {
  return least(policy.maxFeePerGas, maxCost / gas);
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function most(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

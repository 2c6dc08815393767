/**
 * What proofs are bound to: section 5 of `docs/margin-model.md`. `ProofContext.sol` computes the same.
 *
 * A context says nothing about the account. It makes a proof useless for any other chain, contract, purpose, state of the
 * account, round and sender.
 */

import { encodeAbiParameters, type Hex, keccak256 } from 'viem';
import { requireBigint } from '../../errors.ts';
import { MAX_MONEY } from '../../margin/exact/bounds.ts';
import { modR, SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';

/** What an insolvency proof is bound to. */
export interface ProofContext {
  readonly chainId: bigint;
  /** Contract that takes the proof: the liquidation engine, or the auction house. */
  readonly engine: Hex;
  readonly accountId: bigint;
  /** Of the account; in an auction, the nonce with which it began. */
  readonly nonce: bigint;
  readonly round: bigint;
  /** Sender of the transaction. */
  readonly keeper: Hex;
}

/** What solvency proofs are for, with the numbers that tell them apart. Transfers are 4, settlements 5. */
export const SOLVENCY_PURPOSES = Object.freeze({
  /** The account is solvent after a withdrawal. */
  withdrawal: 1n,
  /** It is solvent after a trade. */
  trade: 2n,
  /** It is solvent again: its auction ends. */
  recovery: 3n,
});
/** What a solvency proof is for. */
export type SolvencyPurpose = keyof typeof SOLVENCY_PURPOSES;

/** What a solvency proof is bound to. */
export interface SolvencyContext {
  readonly chainId: bigint;
  /** Contract that takes the proof. */
  readonly consumer: Hex;
  readonly purpose: SolvencyPurpose;
  readonly accountId: bigint;
  readonly nonce: bigint;
  readonly round: bigint;
}

/** What a transfer proof is bound to. */
export interface TransferContext {
  readonly chainId: bigint;
  /** Contract that takes the proof. */
  readonly consumer: Hex;
  readonly accountA: bigint;
  readonly nonceA: bigint;
  readonly accountB: bigint;
  readonly nonceB: bigint;
  /** What B pays to A, in 1e-6 USD, signed. */
  readonly cashToA: bigint;
}

/** What a settlement proof, which anyone may bring, is bound to. */
export interface SettlementContext {
  readonly chainId: bigint;
  /** Contract that takes the proof. */
  readonly consumer: Hex;
  readonly accountId: bigint;
  readonly nonce: bigint;
}

const TRANSFER = 4n;
const SETTLEMENT = 5n;

/** The field element that an insolvency proof binds. */
export function contextOf(context: ProofContext): bigint {
  const { chainId, engine, accountId, nonce, round, keeper } = context;
  return hashed(
    ['uint256', 'address', 'uint256', 'uint256', 'uint256', 'address'],
    [chainId, engine, accountId, nonce, round, keeper],
  );
}

/** The field element that a solvency proof binds. */
export function solvencyContext(context: SolvencyContext): bigint {
  const { chainId, consumer, purpose, accountId, nonce, round } = context;
  return hashed(
    ['uint256', 'address', 'uint256', 'uint256', 'uint256', 'uint256', 'uint256'],
    // Ends in a 0 so that it has seven words: with six, it could be what an insolvency proof binds.
    [chainId, consumer, SOLVENCY_PURPOSES[purpose], accountId, nonce, round, 0n],
  );
}

/** The field element that a transfer proof binds. */
export function transferContext(context: TransferContext): bigint {
  const { chainId, consumer, accountA, nonceA, accountB, nonceB, cashToA } = context;
  return hashed(
    ['uint256', 'address', 'uint256', 'uint256', 'uint256', 'uint256', 'uint256', 'int256'],
    [chainId, consumer, TRANSFER, accountA, nonceA, accountB, nonceB, cashToA],
  );
}

/** The field element that a settlement proof binds. */
export function settlementContext(context: SettlementContext): bigint {
  const { chainId, consumer, accountId, nonce } = context;
  return hashed(
    ['uint256', 'address', 'uint256', 'uint256', 'uint256'],
    [chainId, consumer, SETTLEMENT, accountId, nonce],
  );
}

/**
 * A signed number as a field element: negative ones are taken from the order of the field.
 *
 * @throws ZkMarginError `OUT_OF_RANGE` unless its absolute value is below 2^96
 */
export function fromSigned(value: bigint): bigint {
  requireBigint(value, -MAX_MONEY, MAX_MONEY, 'value');
  return modR(value);
}

function hashed(types: readonly string[], values: readonly unknown[]): bigint {
  return (
    BigInt(
      keccak256(
        encodeAbiParameters(
          types.map((type) => ({ type })),
          [...values],
        ),
      ),
    ) % SCALAR_MODULUS
  );
}

/** Solvency proofs for withdrawals, trades and the end of auctions. */
import type { Address } from 'viem';
import { cashForSlack, exactSolvency } from '../../margin/exact/solvency.ts';
import { type SolvencyPurpose, solvencyContext } from '../../proof/witness/contexts.ts';
import { solvencyInput } from '../../proof/witness/solvency.ts';
import type { HouseCollateral } from '../house-records.ts';
import type { MarketView, Positions } from './market.ts';
import { type ProofArgument, type Prover, proofArgument, servedInstance } from './proofs.ts';

/** What a solvency proof is to show. */
export interface SolvencyRequest {
  /** Contract that takes the proof. */
  readonly consumer: Address;
  readonly purpose: SolvencyPurpose;
  readonly accountId: bigint;
  /** Of the account, before the transaction. */
  readonly nonce: bigint;
  /** Positions after the transaction. */
  readonly positions: Positions;
  /** Cash that is assumed, 1e-6 USD: at most `availableCash` after the transaction. */
  readonly cash: bigint;
  /**
   * Value of fresh collateral that moves with the underlying after the transaction, 1e-6 USD; 0 unless given. The contract counts exactly what the
   * account has then, so that a proof for another value fails.
   */
  readonly movingCollateral?: bigint;
  /** Factor on the maintenance requirement, 2^-12. */
  readonly level: bigint;
}

/** What an account has at fresh prices. */
export type FreshCollateral = Pick<HouseCollateral, 'value' | 'moving'>;

/** Most cash that a solvency proof may assume: cash and collateral of other underlyings. What moves with the positions is a leg of the proof. */
export function availableCash(cash: bigint, { value, moving }: FreshCollateral): bigint {
  return cash + value - moving;
}

/**
 * Least cash with which a proof of solvency exists, 1e-6 USD: what is above it up to {@link availableCash} is free.
 *
 * @throws ZkMarginError of the account and the round; `OUT_OF_RANGE` for more collateral than a leg holds
 */
export function leastCash(
  { round, parameters }: Pick<MarketView, 'round' | 'parameters'>,
  {
    positions,
    movingCollateral = 0n,
    level,
  }: Pick<SolvencyRequest, 'positions' | 'movingCollateral' | 'level'>,
): bigint {
  const { slack } = exactSolvency({ ...positions, movingCollateral, cash: 0n }, round, parameters, level);
  return cashForSlack(slack);
}

/** A proof with the size of its circuit. */
export interface SizedProof {
  readonly capacity: number;
  readonly proof: ProofArgument;
}

/**
 * Proves solvency at the market's round.
 *
 * @throws ZkMarginError `WITNESS_FAILED` when the account is not solvent; `OUT_OF_RANGE` for more collateral than a leg holds; as
 * {@link servedInstance}
 */
export async function proveSolvency(
  prover: Prover,
  market: MarketView,
  request: SolvencyRequest,
): Promise<SizedProof> {
  const { consumer, purpose, accountId, nonce, positions, cash, level } = request;
  const { movingCollateral = 0n } = request;
  const { circuit, capacity } = servedInstance(prover, 'solvency', positions.legs.length);
  const { calldata } = await prover.prove({
    circuit,
    input: await solvencyInput({
      ...positions,
      cash,
      movingCollateral,
      level,
      round: market.round,
      parameters: market.parameters,
      capacity,
      context: solvencyContext({
        chainId: market.chainId,
        consumer,
        purpose,
        accountId,
        nonce,
        round: market.number,
      }),
    }),
  });
  return { capacity, proof: proofArgument(calldata) };
}

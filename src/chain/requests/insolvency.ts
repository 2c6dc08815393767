/** Insolvency proofs for liquidations and auctions. */
import type { Address } from 'viem';
import { ZkMarginError } from '../../errors.ts';
import { requirementWith } from '../../margin/exact/collateral.ts';
import { exactMargin } from '../../margin/exact/margin.ts';
import { contextOf } from '../../proof/witness/contexts.ts';
import type { ShownFigures } from '../../proof/witness/figures.ts';
import { insolvencyInput } from '../../proof/witness/insolvency.ts';
import type { MarketView, Positions } from './market.ts';
import { type ProofArgument, type Prover, proofArgument, servedInstance } from './proofs.ts';

/** What an insolvency proof is to show. */
export interface InsolvencyRequest {
  /** Contract that takes the proof: the liquidation engine, or the auction house. */
  readonly consumer: Address;
  readonly accountId: bigint;
  /** Of the account; in an auction, the nonce with which it began. */
  readonly nonce: bigint;
  /** At the scale that the contract will name; in an auction, the one with which it began. */
  readonly positions: Positions;
  /** Sender of the transaction. */
  readonly keeper: Address;
  /**
   * Value of collateral that moves with the underlying, at the scale of `positions`, 1e-6 USD; 0 unless given. It is no part of what is proven: it
   * decides which scenario is the worst, and what of it to show.
   */
  readonly movingCollateral?: bigint;
  /** Scenario that shows the requirement; the worst unless given. */
  readonly scenario?: number;
}

/** What a proof shows; {@link provenRequirement} is what that requires. */
export interface ProvenMargin extends ShownFigures {
  /** Of the account, as the proof binds it. */
  readonly nonce: bigint;
  readonly round: bigint;
  readonly capacity: number;
  readonly proof: ProofArgument;
}

/** What a proof requires of an account with so much moving collateral, 1e-6 USD. */
export function provenRequirement(
  { baseRequirement, collateralSlope }: Pick<ProvenMargin, 'baseRequirement' | 'collateralSlope'>,
  movingCollateral = 0n,
): bigint {
  return requirementWith(baseRequirement, collateralSlope, movingCollateral);
}

/** @throws ZkMarginError of the account and the round; as {@link servedInstance} */
export async function proveInsolvency(
  prover: Prover,
  market: MarketView,
  request: InsolvencyRequest,
): Promise<ProvenMargin> {
  const { positions, consumer, accountId, nonce, keeper } = request;
  const { circuit, capacity } = servedInstance(prover, 'insolvency', positions.legs.length);
  const { movingCollateral = 0n } = request;
  const margin = exactMargin({ ...positions, movingCollateral }, market.round, market.parameters);
  const scenarioIndex = request.scenario ?? margin.worstScenario;
  const shown = margin.scenarios[scenarioIndex];
  if (shown === undefined) {
    throw new ZkMarginError('OUT_OF_RANGE', 'Use the index of one of the scenarios.', { field: 'scenario' });
  }
  const { calldata } = await prover.prove({
    circuit,
    input: await insolvencyInput({
      ...positions,
      movingCollateral,
      round: market.round,
      parameters: market.parameters,
      scenarioIndex,
      capacity,
      context: contextOf({
        chainId: market.chainId,
        engine: consumer,
        accountId,
        nonce,
        round: market.number,
        keeper,
      }),
    }),
  });
  return {
    nonce,
    round: market.number,
    mark: shown.mark,
    baseRequirement: shown.baseRequirement,
    collateralSlope: shown.collateralSlope,
    capacity,
    proof: proofArgument(calldata),
  };
}

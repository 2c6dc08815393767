/** Actions as calls of the contracts. */
import { type Abi, type Address, encodeFunctionData } from 'viem';
import type { ProtocolAbis } from '../chain/artifacts.ts';
import type { KeeperProof } from './feed.ts';
import type { Action, LiquidateAction, SealedBidAction } from './strategy/actions.ts';
import type { CallAbis, ContractCall } from './transactions/simulation.ts';

/** Contracts that keepers call, and read. */
export interface KeeperContracts {
  readonly oracle: Address;
  readonly parameters: Address;
  readonly clearingHouse: Address;
  readonly vault: Address;
  readonly engine: Address;
  readonly auctionHouse: Address;
  /** Where registered liquidators bid under seal; keepers make no sealed bids without it. */
  readonly sealedBids?: Address;
}

/** ABIs by address, as simulations look them up. */
export function callAbis(contracts: KeeperContracts, abis: ProtocolAbis): CallAbis {
  return new Map<string, Abi>([
    [contracts.engine.toLowerCase(), abis.engine],
    [contracts.auctionHouse.toLowerCase(), abis.auctionHouse],
    ...(contracts.sealedBids === undefined
      ? []
      : [[contracts.sealedBids.toLowerCase(), abis.sealedBids] as const]),
  ]);
}

/** Accounts of an action that need a proof, in the order of its orders; none for bids, takeovers and what follows from them. */
export function provenAccounts(action: Action): readonly bigint[] {
  switch (action.kind) {
    case 'liquidateBatch':
      return action.orders.map(({ accountId }) => accountId);
    case 'liquidate':
    case 'start':
    case 'refresh':
    case 'restart':
      return [action.accountId];
    default:
      return [];
  }
}

/** Vessels that an action fills. */
export function vesselsOf(action: Action): readonly bigint[] {
  switch (action.kind) {
    case 'liquidateBatch':
      return action.orders.map(({ vesselId }) => vesselId);
    case 'liquidate':
    case 'bid':
    case 'takeOver':
    case 'sealedBid':
    case 'fill':
      return [action.vesselId];
    default:
      return [];
  }
}

/**
 * The call that carries an action out. That of a sealed bid holds a secret, which `SealedBids` keeps.
 *
 * @param proofs one for each of {@link provenAccounts}
 * @param deadline last second at which the order may be executed
 */
export function callOf(
  action: Exclude<Action, SealedBidAction>,
  proofs: readonly KeeperProof[],
  deadline: bigint,
  contracts: KeeperContracts,
  abis: ProtocolAbis,
): ContractCall {
  const engine = (functionName: string, args: readonly unknown[]): ContractCall => ({
    to: contracts.engine,
    data: encodeFunctionData({ abi: abis.engine, functionName, args }),
  });
  const auctionHouse = (functionName: string, args: readonly unknown[]): ContractCall => ({
    to: contracts.auctionHouse,
    data: encodeFunctionData({ abi: abis.auctionHouse, functionName, args }),
  });
  const sealedBids = (functionName: string, args: readonly unknown[]): ContractCall => ({
    to: contracts.sealedBids!,
    data: encodeFunctionData({ abi: abis.sealedBids, functionName, args }),
  });
  const [first] = proofs;
  switch (action.kind) {
    case 'liquidate':
      return engine('liquidate', [liquidationOrder(action, first!, deadline), first!.proof]);
    case 'liquidateBatch':
      return engine('liquidateBatch', [
        action.orders.map((order, index) => liquidationOrder(order, proofs[index]!, deadline)),
        proofs.map(({ proof }) => proof),
      ]);
    case 'start':
      return auctionHouse('start', [claim(action, first!), action.rewardAccountId, first!.proof]);
    case 'refresh':
    case 'restart':
      return auctionHouse(action.kind, [claim(action, first!), first!.proof]);
    case 'bid':
      return auctionHouse('bid', [
        { ...auctionOrder(action, deadline), maxPayment: action.maxPayment, asBackstop: false },
      ]);
    case 'takeOver':
      return auctionHouse('takeOver', [
        { ...auctionOrder(action, deadline), minSubsidy: action.minSubsidy, asBackstop: false },
      ]);
    case 'fill':
      return sealedBids('fill', [action.accountId]);
    case 'poke':
    case 'close':
      return auctionHouse(action.kind, [action.accountId]);
  }
}

/** The nonce is that of the decision: a proof of the account after a change would be for another decision. */
function claim(
  { nonce }: { readonly nonce: bigint },
  { accountId, round, mark, baseRequirement, collateralSlope, capacity }: KeeperProof,
) {
  return { accountId, nonce, round, mark, baseRequirement, collateralSlope, capacity };
}

function liquidationOrder(action: LiquidateAction, proof: KeeperProof, deadline: bigint) {
  return {
    ...claim(action, proof),
    vesselId: action.vesselId,
    maxPayment: action.maxPayment,
    minScaleTaken: action.minScale,
    deadline,
  };
}

function auctionOrder(action: Extract<Action, { kind: 'bid' | 'takeOver' }>, deadline: bigint) {
  const { accountId, vesselId, auctionNumber, round, maxScale, minScale } = action;
  return { accountId, vesselId, auctionNumber, round, maxScale, minScale, deadline };
}

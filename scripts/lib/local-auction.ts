/** What keepers and bidders do on a local protocol: prove, start auctions, bid, take over, refresh, recover. */
import { type Address, type Hex, pad, type TransactionReceipt, toHex } from 'viem';
import type { DeployerWallet } from '../../src/chain/deploy.ts';
import type { HouseAuction, HouseCollateral } from '../../src/chain/house-records.ts';
import { type ProvenMargin, proveInsolvency } from '../../src/chain/requests/insolvency.ts';
import type { Positions } from '../../src/chain/requests/market.ts';
import type { Prover } from '../../src/chain/requests/proofs.ts';
import { availableCash, proveSolvency } from '../../src/chain/requests/solvency.ts';
import type { Sale, Takeover } from '../../src/liquidation/amounts.ts';
import { MAX_SCALE } from '../../src/margin/exact/bounds.ts';
import { MAINTENANCE_LEVEL } from '../../src/margin/exact/solvency.ts';
import type { LocalProtocol } from './local-protocol.ts';

/** No limit of a payment. */
const NO_LIMIT = 2n ** 95n;
/** Seconds for which orders hold. */
const ORDER_SECONDS = 3_600n;

/** An account with what opens its positions, at the scale of its opening. */
export interface KnownAccount extends Positions {
  readonly accountId: bigint;
}

/** What a bid would come to. */
export interface BidQuoteRecord {
  readonly factorBps: bigint;
  readonly leastScale: bigint;
  readonly sale: Sale;
}

/** What a bidder wants. */
export interface BidWish {
  /** Most that is wanted; all that is for sale unless given. */
  readonly maxScale?: bigint;
  readonly asBackstop?: boolean;
}

export function auctionOf(protocol: LocalProtocol, accountId: bigint): Promise<HouseAuction> {
  return protocol.read<HouseAuction>('auctionHouse', 'auctionOf', [accountId]);
}

/** Proves an account's figures for the liquidation engine, at its present scale and nonce, for its present collateral. */
export async function proveForEngine(
  protocol: LocalProtocol,
  prover: Prover,
  account: KnownAccount,
  keeper: DeployerWallet,
): Promise<ProvenMargin> {
  const { nonce, scale } = await protocol.account(account.accountId);
  const { moving } = await collateralOf(protocol, account.accountId, false);
  return proveAt(protocol, prover, account, keeper, {
    consumer: protocol.deployment.engine,
    nonce,
    scale,
    movingCollateral: moving,
  });
}

/**
 * Proves an account's figures for the auction house: as they stand, or as they stood when the running auction began.
 *
 * @param scenario shows the requirement; the worst unless given
 */
export async function proveForAuction(
  protocol: LocalProtocol,
  prover: Prover,
  account: KnownAccount,
  keeper: DeployerWallet,
  scenario?: number,
): Promise<ProvenMargin> {
  const auction = await auctionOf(protocol, account.accountId);
  const present = await protocol.account(account.accountId);
  const running = auction.number !== 0n;
  const scale = running ? auction.baseScale : present.scale;
  const { moving } = await collateralOf(protocol, account.accountId, false);
  return proveAt(protocol, prover, account, keeper, {
    consumer: protocol.deployment.auctionHouse,
    nonce: running ? auction.startNonce : present.nonce,
    scale,
    // In proportion, so that the worst scenario is that of the account as it stands.
    movingCollateral: present.scale === 0n ? 0n : (moving * scale) / present.scale,
    ...(scenario === undefined ? {} : { scenario }),
  });
}

function proveAt(
  protocol: LocalProtocol,
  prover: Prover,
  account: KnownAccount,
  keeper: DeployerWallet,
  {
    scale,
    ...binding
  }: {
    readonly consumer: Address;
    readonly nonce: bigint;
    readonly scale: bigint;
    readonly movingCollateral: bigint;
    readonly scenario?: number;
  },
): Promise<ProvenMargin> {
  return proveInsolvency(prover, protocol.market, {
    ...binding,
    accountId: account.accountId,
    positions: { ...account, scale },
    keeper: keeper.account.address,
  });
}

/** What a proof says of an account, as engine and auction house take it. */
export function claimOf(accountId: bigint, proven: ProvenMargin) {
  const { nonce, round, mark, baseRequirement, collateralSlope, capacity } = proven;
  return { accountId, nonce, round, mark, baseRequirement, collateralSlope, capacity };
}

/** @param onlyFresh whether collateral with a stale price counts as nothing; otherwise its last price counts */
export function collateralOf(
  protocol: LocalProtocol,
  accountId: bigint,
  onlyFresh: boolean,
): Promise<HouseCollateral> {
  return protocol.read<HouseCollateral>('clearingHouse', 'collateralValueOf', [accountId, onlyFresh]);
}

/** Arguments of an atomic liquidation without limits of payment and scale. */
export async function liquidationOrder(
  protocol: LocalProtocol,
  accountId: bigint,
  vesselId: bigint,
  proven: ProvenMargin,
) {
  return {
    ...claimOf(accountId, proven),
    vesselId,
    maxPayment: NO_LIMIT,
    minScaleTaken: 1n,
    deadline: (await protocol.now()) + ORDER_SECONDS,
  };
}

/** Starts an auction with a proof. */
export async function startAuction(
  protocol: LocalProtocol,
  keeper: DeployerWallet,
  accountId: bigint,
  proven: ProvenMargin,
  rewardAccountId: bigint,
): Promise<TransactionReceipt> {
  return protocol.write(keeper, 'auctionHouse', 'start', [
    claimOf(accountId, proven),
    rewardAccountId,
    proven.proof,
  ]);
}

/** Replaces the figures of a running auction by those of a proof at a newer round. */
export async function refreshAuction(
  protocol: LocalProtocol,
  keeper: DeployerWallet,
  accountId: bigint,
  proven: ProvenMargin,
): Promise<TransactionReceipt> {
  return protocol.write(keeper, 'auctionHouse', 'refresh', [claimOf(accountId, proven), proven.proof]);
}

export function quoteBid(
  protocol: LocalProtocol,
  accountId: bigint,
  { maxScale = MAX_SCALE, asBackstop = false }: BidWish = {},
): Promise<BidQuoteRecord> {
  return protocol.read<BidQuoteRecord>('auctionHouse', 'quoteBid', [accountId, maxScale, asBackstop]);
}

export async function quoteTakeOver(
  protocol: LocalProtocol,
  accountId: bigint,
  maxScale = MAX_SCALE,
): Promise<Takeover> {
  const [takeover] = await protocol.read<[Takeover, bigint]>('auctionHouse', 'quoteTakeOver', [
    accountId,
    maxScale,
    false,
  ]);
  return takeover;
}

/** Cash that an empty vessel needs for a slice without moving collateral: what it pays, and the margin of what it takes. At least a dollar. */
export async function vesselCashFor(
  protocol: LocalProtocol,
  accountId: bigint,
  slice: { readonly scaleTaken: bigint; readonly cashTaken: bigint },
  payment: bigint,
): Promise<bigint> {
  const floor = await protocol.read<bigint>('auctionHouse', 'vesselFloorOf', [
    accountId,
    slice.scaleTaken,
    0n,
  ]);
  const needed = floor + payment - slice.cashTaken;
  return needed < 1_000_000n ? 1_000_000n : needed;
}

/** What every order of a running auction names, for the figures that are recorded now. */
async function orderOf(
  protocol: LocalProtocol,
  accountId: bigint,
  vesselId: bigint,
  { maxScale = MAX_SCALE, asBackstop = false }: BidWish,
) {
  const { number, round } = await auctionOf(protocol, accountId);
  return {
    accountId,
    vesselId,
    auctionNumber: number,
    round,
    maxScale,
    minScale: 1n,
    deadline: (await protocol.now()) + ORDER_SECONDS,
    asBackstop,
  };
}

/** A bid without a limit of payment. */
export async function bidOrder(
  protocol: LocalProtocol,
  accountId: bigint,
  vesselId: bigint,
  wish: BidWish = {},
) {
  return { ...(await orderOf(protocol, accountId, vesselId, wish)), maxPayment: NO_LIMIT };
}

/** A takeover for any subsidy. */
export async function takeOverOrder(
  protocol: LocalProtocol,
  accountId: bigint,
  vesselId: bigint,
  wish: BidWish = {},
) {
  return { ...(await orderOf(protocol, accountId, vesselId, wish)), minSubsidy: 0n };
}

/** Bids at the present price of the curve. */
export async function bid(
  protocol: LocalProtocol,
  bidder: DeployerWallet,
  accountId: bigint,
  vesselId: bigint,
  wish: BidWish = {},
): Promise<TransactionReceipt> {
  return protocol.write(bidder, 'auctionHouse', 'bid', [await bidOrder(protocol, accountId, vesselId, wish)]);
}

/** Takes an insolvent account over for the present subsidy. */
export async function takeOver(
  protocol: LocalProtocol,
  taker: DeployerWallet,
  accountId: bigint,
  vesselId: bigint,
): Promise<TransactionReceipt> {
  return protocol.write(taker, 'auctionHouse', 'takeOver', [
    await takeOverOrder(protocol, accountId, vesselId),
  ]);
}

/** Arguments of `cancel`: the account covers its maintenance requirement with the cash and the fresh collateral that it has. */
export async function recoveryOf(protocol: LocalProtocol, prover: Prover, account: KnownAccount) {
  const { accountId } = account;
  const { nonce, scale, cash } = await protocol.account(accountId);
  const { version } = await auctionOf(protocol, accountId);
  const collateral = await collateralOf(protocol, accountId, true);
  const provenCash = availableCash(cash, collateral);
  const { capacity, proof } = await proveSolvency(prover, protocol.market, {
    consumer: protocol.deployment.auctionHouse,
    purpose: 'recovery',
    accountId,
    nonce,
    positions: { ...account, scale },
    cash: provenCash,
    movingCollateral: collateral.moving,
    level: MAINTENANCE_LEVEL,
  });
  const { number: round } = protocol.market;
  return [{ accountId, nonce, round, version, provenCash, capacity }, proof] as const;
}

/** Ends an auction with a proof that the account covers its maintenance requirement again. */
export async function cancelAuction(
  protocol: LocalProtocol,
  prover: Prover,
  sender: DeployerWallet,
  account: KnownAccount,
): Promise<TransactionReceipt> {
  return protocol.write(sender, 'auctionHouse', 'cancel', await recoveryOf(protocol, prover, account));
}

/** Registers a liquidator, whose wallet stakes what bids need. */
export async function registerLiquidator(protocol: LocalProtocol, wallet: DeployerWallet): Promise<bigint> {
  const stake = await protocol.read<bigint>('sealedBids', 'minimumStake');
  await protocol.fund(wallet);
  await protocol.write(wallet, 'asset', 'approve', [protocol.deployment.sealedBids, stake]);
  await protocol.write(wallet, 'sealedBids', 'addStake', [stake]);
  await protocol.write(protocol.operator, 'sealedBids', 'setLiquidator', [wallet.account.address, true]);
  return stake;
}

/** A bid that its bidder keeps secret until it is revealed. */
export interface SecretBid {
  readonly wallet: DeployerWallet;
  readonly vesselId: bigint;
  readonly factorBps: bigint;
  readonly maxScale: bigint;
  readonly salt: Hex;
}

/** A secret bid with a salt from a seed: good enough for a local chain alone. */
export function secretBid(bid: Omit<SecretBid, 'salt'>, seed: number): SecretBid {
  return { ...bid, salt: pad(toHex(seed), { size: 32 }) };
}

/** Commits to a sealed bid. */
export async function commitBid(
  protocol: LocalProtocol,
  accountId: bigint,
  secret: SecretBid,
): Promise<TransactionReceipt> {
  const { wallet, vesselId, factorBps, maxScale, salt } = secret;
  const { number } = await auctionOf(protocol, accountId);
  const hash = await protocol.read<Hex>('sealedBids', 'hashOf', [
    number,
    wallet.account.address,
    vesselId,
    factorBps,
    maxScale,
    salt,
  ]);
  return protocol.write(wallet, 'sealedBids', 'commit', [accountId, hash]);
}

/** Reveals a sealed bid. */
export async function revealBid(
  protocol: LocalProtocol,
  auctionNumber: bigint,
  { wallet, vesselId, factorBps, maxScale, salt }: SecretBid,
): Promise<TransactionReceipt> {
  return protocol.write(wallet, 'sealedBids', 'reveal', [auctionNumber, vesselId, factorBps, maxScale, salt]);
}

/** Tokens as collateral on a local protocol. */
import { type Address, encodeFunctionData } from 'viem';
import { linkedBytecode, loadArtifact } from '../../src/chain/artifacts.ts';
import type { DeployerWallet } from '../../src/chain/deploy.ts';
import { postRoundArguments, signReport } from '../../src/chain/oracle-report.ts';
import { type MarketRound, packRound } from '../../src/market/words.ts';
import type { LocalProtocol } from './local-protocol.ts';

/** Tokens have six decimals. */
export const WHOLE_TOKEN = 1_000_000n;
/** No cap that matters. */
const PLENTY = 10n ** 18n;
/** 100 %. */
const BASIS = 10_000n;
/** Least part of a haircut that is taken from the value at which slices are priced. */
const SALE_SHARE_BPS = 2_500n;
/** What proofs of other underlyings need, which know nothing of a fall of the price. */
const CROSS_HAIRCUT_BPS = 3_400n;

/** A kind of collateral whose token anyone can mint. */
export interface LocalCollateral {
  readonly collateralId: bigint;
  readonly token: Address;
  /** In accounts of the underlying that prices it. */
  readonly haircutBps: bigint;
  /** In accounts of other underlyings. */
  readonly crossHaircutBps: bigint;
}

/** Options of {@link addCollateral}. */
export interface LocalCollateralOptions {
  /** In accounts of other underlyings; 34 % unless given, or the own haircut if that is larger. */
  readonly crossHaircutBps?: bigint;
  /** Its spot is the value of a whole token; the protocol's own unless given. */
  readonly priceUnderlyingId?: bigint;
}

/**
 * Lists a new token whose price is that of an underlying.
 *
 * @param haircutBps in accounts of that underlying
 */
export async function addCollateral(
  protocol: LocalProtocol,
  haircutBps: bigint,
  options: LocalCollateralOptions = {},
): Promise<LocalCollateral> {
  const { priceUnderlyingId = protocol.underlyingId } = options;
  const { crossHaircutBps = haircutBps > CROSS_HAIRCUT_BPS ? haircutBps : CROSS_HAIRCUT_BPS } = options;
  const { operator } = protocol;
  const data = linkedBytecode(loadArtifact('TestUsd'));
  const { contractAddress } = await protocol.receipt(await protocol.sendData(operator, data));
  const token = contractAddress!;
  const receipt = await protocol.write(operator, 'vault', 'addCollateral', [
    token,
    Number(priceUnderlyingId),
    { own: Number(haircutBps), cross: Number(crossHaircutBps) },
    PLENTY,
  ]);
  const { collateralId } = protocol.event<{ collateralId: bigint }>(receipt, 'vault', 'CollateralAdded');
  return { collateralId, token, haircutBps, crossHaircutBps };
}

/** Has an account's owner give collateral. */
export async function giveCollateral(
  protocol: LocalProtocol,
  wallet: DeployerWallet,
  accountId: bigint,
  { collateralId, token }: LocalCollateral,
  amount: bigint,
): Promise<void> {
  const { abi } = loadArtifact('TestUsd');
  const call = async (functionName: string, args: readonly unknown[]) =>
    protocol.receipt(await protocol.sendData(wallet, encodeFunctionData({ abi, functionName, args }), token));
  await call('mint', [wallet.account.address, amount]);
  await call('approve', [protocol.deployment.vault, amount]);
  await protocol.write(wallet, 'clearingHouse', 'depositCollateral', [accountId, collateralId, amount]);
}

/** Value of tokens after the haircut at a spot, 1e-6 USD, as the vault has it in accounts of the underlying that prices them. */
export function collateralValue({ haircutBps }: LocalCollateral, amount: bigint, spot: bigint): bigint {
  return (amount * spot * (BASIS - haircutBps)) / (BASIS * WHOLE_TOKEN);
}

/** The same in accounts of other underlyings. */
export function crossCollateralValue(
  { crossHaircutBps }: LocalCollateral,
  amount: bigint,
  spot: bigint,
): bigint {
  return (amount * spot * (BASIS - crossHaircutBps)) / (BASIS * WHOLE_TOKEN);
}

/** Value of tokens at which slices are priced, 1e-6 USD, as the vault has it in any account. */
export function saleCollateralValue({ haircutBps }: LocalCollateral, amount: bigint, spot: bigint): bigint {
  const taken = haircutBps * (haircutBps > SALE_SHARE_BPS ? haircutBps : SALE_SHARE_BPS);
  return (amount * spot * (BASIS ** 2n - taken)) / (BASIS ** 2n * WHOLE_TOKEN);
}

/** Has the oracle accept a round of another underlying, as of now, and take it from the same sources as the protocol's own. */
export async function postOtherRound(protocol: LocalProtocol, round: MarketRound): Promise<void> {
  const { operator, sources, anvil, deployment } = protocol;
  const underlyingId = Number(round.underlying.underlyingId);
  const own = await protocol.read('oracle', 'configurationOf', [Number(protocol.underlyingId)]);
  await protocol.write(operator, 'oracle', 'configureUnderlying', [underlyingId, own]);
  for (const { address } of sources) {
    await protocol.write(operator, 'oracle', 'setSource', [underlyingId, address, true]);
  }
  const words = packRound({
    ...round,
    underlying: { ...round.underlying, timestamp: await protocol.now() },
  });
  const domain = { chainId: anvil.chainId, oracle: deployment.oracle };
  const reports = await Promise.all(sources.map((source) => signReport(source, domain, words)));
  await protocol.write(operator, 'oracle', 'postRound', postRoundArguments(underlyingId, reports));
}

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

/** A kind of collateral whose token anyone can mint. */
export interface LocalCollateral {
  readonly collateralId: bigint;
  readonly token: Address;
  readonly haircutBps: bigint;
}

/** Lists a new token whose price is that of an underlying; the protocol's own unless given. */
export async function addCollateral(
  protocol: LocalProtocol,
  haircutBps: bigint,
  priceUnderlyingId = protocol.underlyingId,
): Promise<LocalCollateral> {
  const { operator } = protocol;
  const data = linkedBytecode(loadArtifact('TestUsd'));
  const { contractAddress } = await protocol.receipt(await protocol.sendData(operator, data));
  const token = contractAddress!;
  const receipt = await protocol.write(operator, 'vault', 'addCollateral', [
    token,
    Number(priceUnderlyingId),
    Number(haircutBps),
    PLENTY,
  ]);
  const { collateralId } = protocol.event<{ collateralId: bigint }>(receipt, 'vault', 'CollateralAdded');
  return { collateralId, token, haircutBps };
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

/** Value of tokens after the haircut at a spot, 1e-6 USD, as the vault has it. */
export function collateralValue({ haircutBps }: LocalCollateral, amount: bigint, spot: bigint): bigint {
  return (amount * spot * (10_000n - haircutBps)) / (10_000n * WHOLE_TOKEN);
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

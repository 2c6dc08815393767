/** Opens accounts of the example book on a local protocol, by real trades with a market maker. */
import type { TransactionReceipt } from 'viem';
import type { DeployerWallet } from '../../src/chain/deploy.ts';
import type { Positions } from '../../src/chain/requests/market.ts';
import type { Prover } from '../../src/chain/requests/proofs.ts';
import { type PreparedSettlement, prepareSettlement } from '../../src/chain/requests/settlement.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import type { ExampleAccount } from '../../src/margin/example-book.ts';
import type { Leg } from '../../src/market/instrument.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import type { LocalProtocol } from './local-protocol.ts';

/** An account on chain with what opens its positions. */
export interface OpenAccount extends Positions {
  readonly name: string;
  readonly accountId: bigint;
  readonly wallet: DeployerWallet;
}

/** A trader's account, and the market maker's on the other side. */
export interface OpenedPair {
  readonly trader: OpenAccount;
  readonly maker: OpenAccount;
  /** Of the trade. */
  readonly receipt: TransactionReceipt;
}

/**
 * Opens an account with the legs and the cash of an example: the trader deposits its equity, and buys and sells the legs at their mark
 * from an account of the market maker, which deposits enough for its initial margin.
 *
 * @param makerMargin the maker's equity as a multiple of its initial requirement
 */
export async function openPair(
  protocol: LocalProtocol,
  prover: Prover,
  account: ExampleAccount,
  wallets: { readonly trader: DeployerWallet; readonly maker: DeployerWallet },
  makerMargin = 1.5,
): Promise<OpenedPair> {
  const { market } = protocol;
  const { legs, scale, salt } = account;
  const mirrored = legs.map(({ instrument, quantity }): Leg => ({ instrument, quantity: -quantity }));
  const mark = exactMargin(account, market.round, market.parameters).mark;
  const cashToTrader = -mark;
  const traderDeposit = account.cash - cashToTrader;
  const makerRequirement = exactMargin(
    { legs: mirrored, scale },
    market.round,
    market.parameters,
  ).requirement;
  const makerDeposit =
    (makerRequirement * market.initialLevel * BigInt(Math.round(makerMargin * 100))) / 409_600n + 1_000_000n;
  const traderId = await protocol.createFunded(wallets.trader, traderDeposit);
  const makerId = await protocol.createFunded(wallets.maker, makerDeposit);
  const makerSalt = BigInt(Math.floor(mulberry32(Number(traderId))() * 2 ** 48)) + 1n;
  const trader = { legs, salt, scale };
  const maker = { legs: mirrored, salt: makerSalt, scale };
  const receipt = await protocol.trade(
    prover,
    {
      accountId: traderId,
      nonce: 0n,
      before: undefined,
      after: trader,
      cash: traderDeposit + cashToTrader,
      wallet: wallets.trader,
    },
    {
      accountId: makerId,
      nonce: 0n,
      before: undefined,
      after: maker,
      cash: makerDeposit - cashToTrader,
      wallet: wallets.maker,
    },
    cashToTrader,
  );
  return {
    trader: { ...trader, name: account.name, accountId: traderId, wallet: wallets.trader },
    maker: {
      ...maker,
      name: `market maker against ${account.name}`,
      accountId: makerId,
      wallet: wallets.maker,
    },
    receipt,
  };
}

/** A settlement of the options of an hour that has a price, with that price. */
export async function settlementOf(
  protocol: LocalProtocol,
  prover: Prover,
  account: Positions & { readonly accountId: bigint },
  expiryHour: number,
): Promise<PreparedSettlement & { readonly price: bigint }> {
  const word = await protocol.read<bigint>('oracle', 'settlementWord', [
    Number(protocol.underlyingId),
    expiryHour,
  ]);
  const price = word >> 20n;
  const { nonce, scale } = await protocol.account(account.accountId);
  const prepared = await prepareSettlement(prover, {
    chainId: BigInt(protocol.anvil.chainId),
    clearingHouse: protocol.deployment.clearingHouse,
    underlyingId: protocol.underlyingId,
    accountId: account.accountId,
    nonce,
    positions: { ...account, scale },
    prices: [{ expiryHour, price }],
  });
  return { ...prepared, price };
}

/** What is proven of an account of the book. */
import type { IndexedContracts } from '../../chain/indexer/index.ts';
import { MAX_MONEY } from '../../margin/exact/bounds.ts';
import type { AccountRecord } from '../../store/chain-records.ts';
import type { ProofRequest } from '../schemas.ts';
import type { BookMarket, LiveBook } from './live-book.ts';
import { auctionView, marketView } from './views.ts';

/** The statement that an account is insolvent, as the contract that takes the proof wants it. */
export function accountProofRequest(
  book: LiveBook,
  contracts: IndexedContracts,
  account: AccountRecord,
  market: BookMarket,
  { auction, keeper }: { readonly auction: boolean; readonly keeper: string },
): ProofRequest {
  const present = auction ? book.auction(account.accountId) : undefined;
  // One that a settlement has superseded is started anew, with the account as it stands.
  const running =
    present === undefined || auctionView(book, present).superseded ? undefined : present.figures;
  const { salt } = book.opening(account)!;
  const legs = book.legs(account)!;
  const { header, ...rest } = marketView(market).parameters;
  // Proofs for a running auction are at the scale and the nonce with which it began.
  const scale = running === undefined ? account.scale : BigInt(String(running.baseScale));
  return {
    circuit: 'insolvency',
    legs: legs.map(({ instrument, quantity }) => ({
      instrument: { ...instrument, strike: String(instrument.strike) },
      quantity: String(quantity),
    })),
    salt: String(salt),
    scale: String(scale),
    movingCollateral: String(collateralAt(account, scale)),
    underlyingWord: String(market.record.underlyingWord),
    expiryWords: market.record.expiryWords.map(String),
    parameters: { header, ...rest },
    context: {
      chainId: String(contracts.chainId),
      engine: contracts.addresses[auction ? 'auctionHouse' : 'engine'],
      accountId: String(account.accountId),
      nonce: running === undefined ? String(account.nonce) : String(running.startNonce),
      round: String(market.record.number),
      keeper,
    },
    // In an auction the recorded scale is another one than that of the cash; the contract judges there.
    ...(running === undefined && { cash: String(account.cash + account.collateral) }),
  };
}

/** An account's moving collateral in proportion to another scale of its legs: then the worst scenario is that of the account as it stands. */
function collateralAt({ movingCollateral, scale }: AccountRecord, wanted: bigint): bigint {
  const value = (movingCollateral * wanted) / scale;
  if (value > MAX_MONEY) return MAX_MONEY;
  return value;
}

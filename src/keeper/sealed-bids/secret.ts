/**
 * Secrets of sealed bids that the key alone can make again, so that a bond does not hang on one file.
 *
 * A commitment's calldata ends in a copy of its bid: a random nonce, and the bid under a pad. The contract does not read that far. Salt and
 * pad come from one signature of the key over chain, stage contract, auction, bidder and nonce, each by a hash of its own. So:
 *
 * - Whoever has the key, and the chain, has the bid. Nothing has to be tried.
 * - Others need the signature, which is as hard to guess as the key; a random salt is no better against them.
 * - The nonce makes salt and pad of each commitment new, also when two are signed for one auction of which one is never included: a revealed
 *   salt opens no other bid, and no pad is used twice.
 * - The signature is of typed data of its own kind, which nothing else signs. It never leaves this module; no transaction can be made of it.
 *
 * Signatures are the same each time (RFC 6979), as those of viem's local accounts are.
 */
import {
  type Address,
  concat,
  encodeAbiParameters,
  encodePacked,
  type Hex,
  hexToBigInt,
  keccak256,
  type LocalAccount,
  numberToHex,
  size,
  slice,
} from 'viem';
import type { SealedBidRecord } from './journal.ts';

/** What a bid is for. */
export interface BidPlace {
  readonly chainId: number;
  readonly stage: Address;
  readonly auctionNumber: bigint;
}

/** What is bid, as the copy holds it. */
export type BidContent = Pick<SealedBidRecord, 'vesselId' | 'factorBps' | 'maxScale' | 'notional'>;

/** A bid with its salt, as the key gives it back. */
export interface OpenedBid extends BidContent {
  readonly salt: Hex;
}

const NONCE_BYTES = 32;
const COPY_BYTES = NONCE_BYTES + 32;
/** Bits of a copy's fields, from the highest: vessel, factor, scale, notional. */
const FIELDS = [64n, 16n, 64n, 112n] as const;

const TYPES = {
  BidSecret: [
    { name: 'warning', type: 'string' },
    { name: 'bidder', type: 'address' },
    { name: 'auctionNumber', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const;
/** For people who are asked to sign it. */
const WARNING = 'Whoever has this signature knows a sealed bid before it is revealed.';

/** The hash that a bid is committed by, as the contract reckons it. */
export function sealedBidHash(
  chainId: number,
  bid: Pick<
    SealedBidRecord,
    'stage' | 'auctionNumber' | 'bidder' | 'vesselId' | 'factorBps' | 'maxScale' | 'salt'
  >,
): Hex {
  const types = ['uint256', 'address', 'uint64', 'address', 'uint256', 'uint256', 'uint256', 'bytes32'];
  return keccak256(
    encodeAbiParameters(
      types.map((type) => ({ type })),
      [
        BigInt(chainId),
        bid.stage,
        bid.auctionNumber,
        bid.bidder,
        bid.vesselId,
        bid.factorBps,
        bid.maxScale,
        bid.salt,
      ],
    ),
  );
}

/**
 * Salt of a bid, and the copy that ends its commitment's calldata.
 *
 * @param nonce 32 random bytes, used for no other commitment
 */
export async function sealBid(
  account: LocalAccount,
  place: BidPlace,
  content: BidContent,
  nonce: Hex,
): Promise<{ readonly salt: Hex; readonly copy: Hex }> {
  const { salt, pad } = await secretsOf(account, place, nonce);
  return { salt, copy: concat([nonce, numberToHex(packed(content) ^ pad, { size: 32 })]) };
}

/**
 * The bid that a commitment's calldata ends in.
 *
 * @param data of the whole call
 * @param hash that the chain has for the bid
 * @returns undefined when there is no copy, or one that another key made, or not for this bid
 */
export async function openBid(
  account: LocalAccount,
  place: BidPlace,
  data: Hex,
  hash: Hex,
): Promise<OpenedBid | undefined> {
  // Selector, account and hash come before it.
  if (size(data) !== 4 + 64 + COPY_BYTES) return undefined;
  const nonce = slice(data, -COPY_BYTES, -32);
  const { salt, pad } = await secretsOf(account, place, nonce);
  const bid = { ...unpacked(hexToBigInt(slice(data, -32)) ^ pad), salt };
  const committed = sealedBidHash(place.chainId, { ...place, ...bid, bidder: account.address });
  return committed === hash ? bid : undefined;
}

async function secretsOf(
  account: LocalAccount,
  { chainId, stage, auctionNumber }: BidPlace,
  nonce: Hex,
): Promise<{ readonly salt: Hex; readonly pad: bigint }> {
  const signature = await account.signTypedData({
    domain: {
      name: 'zkmargin sealed bid',
      version: '1',
      chainId,
      verifyingContract: stage.toLowerCase() as Address,
    },
    types: TYPES,
    primaryType: 'BidSecret',
    message: { warning: WARNING, bidder: account.address, auctionNumber, nonce },
  });
  const secret = (purpose: string): Hex => keccak256(encodePacked(['string', 'bytes'], [purpose, signature]));
  return { salt: secret('salt'), pad: hexToBigInt(secret('pad')) };
}

function packed({ vesselId, factorBps, maxScale, notional }: BidContent): bigint {
  const [, factorBits, scaleBits, notionalBits] = FIELDS;
  // It is for the keeper's own limits: one that does not fit is as good as the largest.
  const largest = (1n << notionalBits) - 1n;
  const shown = notional > largest ? largest : notional;
  return (((((vesselId << factorBits) | factorBps) << scaleBits) | maxScale) << notionalBits) | shown;
}

function unpacked(word: bigint): BidContent {
  let rest = word;
  const [notional, maxScale, factorBps, vesselId] = FIELDS.toReversed().map((bits) => {
    const field = rest & ((1n << bits) - 1n);
    rest >>= bits;
    return field;
  }) as [bigint, bigint, bigint, bigint];
  return { vesselId, factorBps, maxScale, notional };
}

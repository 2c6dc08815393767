/** Requests for settlement proofs. */
import type { Hex } from 'viem';
import { validateSettlementPrices } from '../../margin/exact/settlement.ts';
import { underlyingIdOf } from '../../market/instrument.ts';
import { settlementContext } from '../../proof/witness/contexts.ts';
import { committedSettlement, settlementInput } from '../../proof/witness/settlement.ts';
import type { SettlementRequest } from '../schemas.ts';
import { readJob, readLegs, readNumbers, readSalt, readScale } from './account.ts';
import { type PreparedProof, publicSignalsOf, type RequestSetting } from './prepared.ts';

/** Public inputs in order, after cash and the new commitment. */
const PUBLIC = ['oldCommitment', 'scale', 'settlementWords', 'underlyingId', 'context'];

/** @throws ZkMarginError naming the field */
export async function prepareSettlement(
  body: SettlementRequest,
  setting: RequestSetting,
): Promise<PreparedProof> {
  const { capacity, ...job } = readJob(body, body.legs.length, 'solvency', setting);
  const { context } = body;
  const underlyingId = underlyingIdOf(body.underlying);
  const prices = body.prices.map(({ expiryHour, price }) => ({ expiryHour, price: BigInt(price) }));
  validateSettlementPrices(prices);
  const statement = {
    legs: readLegs(body.legs, underlyingId, capacity),
    salt: readSalt(body.salt),
    scale: readScale(body.scale, 0n),
    prices,
    underlyingId,
    capacity,
    context: settlementContext({
      ...readNumbers(context, 'chainId', 'accountId', 'nonce'),
      consumer: context.consumer.toLowerCase() as Hex,
    }),
  };
  const [input, { cash, newCommitment }] = await Promise.all([
    settlementInput(statement),
    committedSettlement(statement),
  ]);
  return {
    ...job,
    input,
    publicSignals: publicSignalsOf([cash, newCommitment], input, PUBLIC),
    figures: { cash: String(cash), newCommitment: String(newCommitment) },
  };
}

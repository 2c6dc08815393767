/** Requests for transfer proofs. */

import type { Hex } from 'viem';
import { requireBigint } from '../../errors.ts';
import { MAX_MONEY } from '../../margin/exact/bounds.ts';
import { packLeg, underlyingIdOf } from '../../market/instrument.ts';
import { commitPositions } from '../../proof/commitment.ts';
import { openingEvaluation, openingPoint } from '../../proof/opening.ts';
import { transferContext } from '../../proof/witness/contexts.ts';
import { type TransferAccount, transferInput } from '../../proof/witness/transfer.ts';
import type { TransferRequest } from '../schemas.ts';
import { readJob, readLegs, readNumbers, readSalt, readScale } from './account.ts';
import { type PreparedProof, publicSignalsOf, type RequestSetting } from './prepared.ts';

/** Public inputs in order, after the values of the new openings. */
const PUBLIC = [
  'oldA',
  'oldB',
  'newA',
  'newB',
  'scaleOldA',
  'scaleOldB',
  'scaleNewA',
  'scaleNewB',
  'underlyingId',
  'context',
  'pointA',
  'pointB',
];

/** @throws ZkMarginError naming the field */
export async function prepareTransfer(
  body: TransferRequest,
  setting: RequestSetting,
): Promise<PreparedProof> {
  const sides = [body.before.a, body.before.b, body.after.a, body.after.b];
  const largest = Math.max(...sides.map(({ legs }) => legs.length));
  const { capacity, ...job } = readJob(body, largest, 'solvency', setting);
  const { context } = body;
  const underlyingId = underlyingIdOf(body.underlying);
  const account = (when: 'before' | 'after', side: 'a' | 'b'): TransferAccount => {
    const { legs, salt, scale } = body[when][side];
    const field = `${when}.${side}`;
    return {
      legs: readLegs(legs, underlyingId, capacity, `${field}.legs`),
      salt: readSalt(salt, `${field}.salt`),
      scale: readScale(scale, 0n, `${field}.scale`),
    };
  };
  const before = { a: account('before', 'a'), b: account('before', 'b') };
  const after = { a: account('after', 'a'), b: account('after', 'b') };
  const [a, b] = await Promise.all(
    (['a', 'b'] as const).map(async (side) => {
      const { legs, salt } = after[side];
      const opening = { legs: legs.map((leg) => packLeg(leg)), salt };
      const commitment = await commitPositions({ legs, underlyingId, salt });
      // Other points would let anyone test guesses of legs that are not published.
      const point = body.publish?.[side] ? openingPoint(commitment, opening) : 0n;
      return { commitment, point, evaluation: openingEvaluation(point, opening) };
    }),
  );
  const input = await transferInput({
    before,
    after,
    underlyingId,
    capacity,
    points: { a: a!.point, b: b!.point },
    context: transferContext({
      ...readNumbers(context, 'chainId', 'accountA', 'nonceA', 'accountB', 'nonceB'),
      consumer: context.consumer.toLowerCase() as Hex,
      cashToA: requireBigint(BigInt(context.cashToA), -MAX_MONEY, MAX_MONEY, 'context.cashToA'),
    }),
  });
  return {
    ...job,
    input,
    publicSignals: publicSignalsOf([a!.evaluation, b!.evaluation], input, PUBLIC),
    figures: { newA: String(a!.commitment), newB: String(b!.commitment) },
  };
}

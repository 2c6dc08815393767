/** Requests for solvency proofs. */

import type { Hex } from 'viem';
import { requireBigint, ZkMarginError } from '../../errors.ts';
import { MAX_MONEY } from '../../margin/exact/bounds.ts';
import { MAINTENANCE_LEVEL } from '../../margin/exact/solvency.ts';
import { solvencyContext } from '../../proof/witness/contexts.ts';
import { solvencyInput } from '../../proof/witness/solvency.ts';
import type { SolvencyRequest } from '../schemas.ts';
import {
  readJob,
  readMarketLegs,
  readMovingCollateral,
  readNumbers,
  readParameters,
  readRound,
  readSalt,
  readScale,
} from './account.ts';
import { type PreparedProof, publicSignalsOf, type RequestSetting } from './prepared.ts';

/** Public inputs in order. */
const PUBLIC = [
  'commitment',
  'scale',
  'cash',
  'collateralQuantity',
  'level',
  'underlyingWord',
  'expiryWords',
  'parametersCommitment',
  'context',
];

/** @throws ZkMarginError naming the field; `WITNESS_FAILED` for an account that is not solvent at the level */
export async function prepareSolvency(
  body: SolvencyRequest,
  setting: RequestSetting,
): Promise<PreparedProof> {
  const { capacity, ...job } = readJob(body, body.legs.length, 'solvency', setting);
  const { context } = body;
  const salt = readSalt(body.salt);
  const scale = readScale(body.scale);
  const cash = requireBigint(BigInt(body.cash), -MAX_MONEY, MAX_MONEY, 'cash');
  const movingCollateral = readMovingCollateral(body.movingCollateral);
  const level =
    body.level === undefined ? MAINTENANCE_LEVEL : requireBigint(BigInt(body.level), 0n, 65_535n, 'level');
  const round = readRound(body);
  const parameters = readParameters(body.parameters);
  const legs = readMarketLegs(body.legs, round, capacity);
  const statement = {
    legs,
    salt,
    scale,
    cash,
    movingCollateral,
    level,
    round,
    parameters,
    capacity,
    context: solvencyContext({
      ...readNumbers(context, 'chainId', 'accountId', 'nonce', 'round'),
      consumer: context.consumer.toLowerCase() as Hex,
      purpose: context.purpose,
    }),
  };
  const input = await solvencyInput(statement).catch((error: unknown) => {
    if (!(error instanceof ZkMarginError) || error.code !== 'WITNESS_FAILED') throw error;
    throw new ZkMarginError(error.code, error.message, { field: 'cash', details: error.details });
  });
  return {
    ...job,
    input,
    publicSignals: publicSignalsOf([], input, PUBLIC),
    figures: { cash: String(cash), movingCollateral: String(movingCollateral), level: String(level) },
  };
}

/** Requests for insolvency proofs. */

import type { Hex } from 'viem';
import { requireBigint, ZkMarginError } from '../../errors.ts';
import { MAX_MONEY } from '../../margin/exact/bounds.ts';
import { exactMargin, exactScenario } from '../../margin/exact/margin.ts';
import { contextOf, type ProofContext } from '../../proof/witness/contexts.ts';
import { packFigures } from '../../proof/witness/figures.ts';
import { insolvencyInput } from '../../proof/witness/insolvency.ts';
import type { InsolvencyRequest } from '../schemas.ts';
import {
  readJob,
  readMarketLegs,
  readMovingCollateral,
  readNumbers,
  readParameters,
  readRound,
  readSalt,
  readScale,
  renamed,
} from './account.ts';
import { type PreparedProof, publicSignalsOf, type RequestSetting } from './prepared.ts';

/** Public inputs in order, after the figures. */
const PUBLIC = ['commitment', 'scale', 'underlyingWord', 'expiryWords', 'parametersCommitment', 'context'];

/**
 * Checks a request that has the right shape, and evaluates the exact model.
 *
 * @throws ZkMarginError naming the field; `NOT_LIQUIDATABLE` when cash is given and the account is healthy
 */
export async function prepareInsolvency(
  body: InsolvencyRequest,
  setting: RequestSetting,
): Promise<PreparedProof> {
  const { capacity, ...job } = readJob(body, body.legs.length, 'liquidation', setting);
  const context = contextOf(readContext(body.context));
  const salt = readSalt(body.salt);
  const scale = readScale(body.scale);
  const cash =
    body.cash === undefined ? undefined : requireBigint(BigInt(body.cash), -MAX_MONEY, MAX_MONEY, 'cash');
  const round = readRound(body);
  const parameters = readParameters(body.parameters);
  const legs = readMarketLegs(body.legs, round, capacity);

  const movingCollateral = readMovingCollateral(body.movingCollateral);
  const account = { legs, scale, movingCollateral };
  const { margin, scenarioIndex } = renamed(() => {
    if (body.scenarioIndex !== undefined) {
      const margin = exactScenario(account, round, parameters, body.scenarioIndex);
      return { margin, scenarioIndex: body.scenarioIndex };
    }
    const margin = exactMargin(account, round, parameters);
    return { margin, scenarioIndex: margin.worstScenario };
  });
  const { mark, baseRequirement, collateralSlope, requirement } = margin;
  if (cash !== undefined && cash + mark >= requirement) {
    throw new ZkMarginError(
      'NOT_LIQUIDATABLE',
      'Leave this account alone: its equity covers its requirement.',
      { field: 'cash', details: { equity: cash + mark, requirement } },
    );
  }
  const input = await insolvencyInput({
    legs,
    salt,
    scale,
    round,
    parameters,
    movingCollateral,
    scenarioIndex,
    context,
    capacity,
  });
  return {
    ...job,
    input,
    publicSignals: publicSignalsOf([packFigures(margin)], input, PUBLIC),
    figures: {
      mark: String(mark),
      baseRequirement: String(baseRequirement),
      collateralSlope: String(collateralSlope),
      requirement: String(requirement),
    },
  };
}

function readContext(context: InsolvencyRequest['context']): ProofContext {
  return {
    ...readNumbers(context, 'chainId', 'accountId', 'nonce', 'round'),
    engine: context.engine.toLowerCase() as Hex,
    keeper: context.keeper.toLowerCase() as Hex,
  };
}

/** Circuit input of `solvency` from an account, a round and the parameters. */
import { ZkMarginError } from '../../errors.ts';
import { collateralQuantity } from '../../margin/exact/collateral.ts';
import { exactSolvency, MAINTENANCE_LEVEL } from '../../margin/exact/solvency.ts';
import { fieldText } from '../field.ts';
import type { CircuitInput } from '../prover/backend.ts';
import { accountInput, type InsolvencyStatement } from './insolvency.ts';

/** Everything a `solvency` proof speaks of. */
export interface SolvencyStatement extends Omit<InsolvencyStatement, 'scenarioIndex'> {
  /** 1e-6 USD, negative when owed; with other collateral, without the moving one. */
  readonly cash: bigint;
  /** Factor on the maintenance requirement, 2^-12; 4096 (maintenance) unless given. */
  readonly level?: bigint;
}

/**
 * Inputs of the circuit, all as decimal strings.
 *
 * @throws ZkMarginError of legs, round and parameters; `MISSING_EXPIRY`, `OUT_OF_RANGE`, `UNSUPPORTED`;
 * `WITNESS_FAILED` for an account that is not solvent at the level
 */
export async function solvencyInput(statement: SolvencyStatement): Promise<CircuitInput> {
  const { scale, cash, round, parameters, movingCollateral = 0n, level = MAINTENANCE_LEVEL } = statement;
  const { solvent, worstLoss, worstScenario } = exactSolvency(statement, round, parameters, level);
  if (!solvent) {
    throw new ZkMarginError('WITNESS_FAILED', 'The account does not cover this level; no proof exists.', {
      details: { worstScenario, level: level.toString() },
    });
  }
  return {
    ...(await accountInput(statement)),
    cash: fieldText(cash),
    collateralQuantity: String(collateralQuantity(movingCollateral, scale, round.underlying.spot)),
    level: String(level),
    worstLoss: String(worstLoss),
  };
}

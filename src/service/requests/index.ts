/** From the body of a request to the statement that is proven. Pure but for the hash's first use. */
import type { ProofRequest } from '../schemas.ts';
import { prepareInsolvency } from './insolvency.ts';
import type { PreparedProof, RequestSetting } from './prepared.ts';
import { prepareSettlement } from './settlement.ts';
import { prepareSolvency } from './solvency.ts';
import { prepareTransfer } from './transfer.ts';

export type { PreparedProof, RequestSetting } from './prepared.ts';

/**
 * Checks a request that has the right shape, and computes what its proof will state.
 *
 * @throws ZkMarginError naming the field
 */
export function prepareProof(body: ProofRequest, setting: RequestSetting): Promise<PreparedProof> {
  switch (body.circuit) {
    case 'solvency':
    case 'solvency-8':
    case 'solvency-16':
      return prepareSolvency(body, setting);
    case 'settlement':
    case 'settlement-8':
    case 'settlement-32':
      return prepareSettlement(body, setting);
    case 'transfer':
    case 'transfer-16':
      return prepareTransfer(body, setting);
    default:
      return prepareInsolvency(body, setting);
  }
}

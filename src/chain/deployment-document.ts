/** What to deploy, from a document. */
import { getAddress, isAddress } from 'viem';
import { checkShape } from '../check-shape.ts';
import { ZkMarginError } from '../errors.ts';
import { type DeploymentDocument, DeploymentDocumentSchema } from '../input/deployment.ts';
import { underlyingIdOf } from '../market/instrument.ts';
import type { DeployOptions } from './deploy.ts';
import type { CollateralSetup } from './deployment-options.ts';

/**
 * Options of a deployment from a document.
 *
 * @throws ZkMarginError `MALFORMED`, `OUT_OF_RANGE`, `TOO_LARGE` with the path
 */
export function deploymentOptions(document: unknown): DeployOptions {
  const given: DeploymentDocument = checkShape(DeploymentDocumentSchema, document);
  const { collateral, custodians, fees, sealedBids, governance } = given;
  const options = {
    parameterDelaySeconds: BigInt(given.parameterDelaySeconds),
    underlyings: given.underlyings.map(({ symbol, sources, configuration }, index) => ({
      underlyingId: Number(underlyingIdOf(symbol)),
      sources: addresses(sources, `underlyings[${index}].sources`),
      configuration,
    })),
    asset: given.asset === undefined ? undefined : addressOf(given.asset, 'asset'),
    collateral: collateral?.map((kind, index) => collateralOf(kind, `collateral[${index}]`)),
    fundCap: given.fundCap === undefined ? undefined : BigInt(given.fundCap),
    custodians: custodians === undefined ? undefined : addresses(custodians, 'custodians'),
    fees: fees === undefined ? undefined : { flat: BigInt(fees.flat), cashBps: fees.cashBps },
    sealedBids:
      sealedBids === undefined
        ? undefined
        : { minimumStake: BigInt(sealedBids.minimumStake), bond: BigInt(sealedBids.bond) },
    governance:
      governance === undefined
        ? undefined
        : {
            governors: addresses(governance.governors, 'governance.governors'),
            delaySeconds: BigInt(governance.delaySeconds),
          },
    verifiers: given.verifiers,
    batchVerifiers: given.batchVerifiers,
  };
  return withoutUndefined(options) as unknown as DeployOptions;
}

function collateralOf(
  { token, symbol, haircutBps, crossHaircutBps, cap }: NonNullable<DeploymentDocument['collateral']>[number],
  field: string,
): CollateralSetup {
  if (crossHaircutBps < haircutBps) {
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      `Give ${field}.crossHaircutBps as at least haircutBps, ${haircutBps}: accounts of other underlyings need the larger haircut.`,
      { field: `${field}.crossHaircutBps`, details: { value: crossHaircutBps, minimum: haircutBps } },
    );
  }
  return {
    token: addressOf(token, `${field}.token`),
    priceUnderlyingId: Number(underlyingIdOf(symbol)),
    haircutBps,
    crossHaircutBps,
    cap: BigInt(cap),
  };
}

function addresses(list: readonly string[], field: string) {
  return list.map((text, index) => addressOf(text, `${field}[${index}]`));
}

/** An address with mixed case carries a checksum, which must be right. */
function addressOf(text: string, field: string) {
  if (!isAddress(text, { strict: text !== text.toLowerCase() })) {
    throw new ZkMarginError('MALFORMED', 'Check this address: its checksum is wrong.', { field });
  }
  return getAddress(text);
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .map(([name, entry]) => [name, withoutUndefined(entry)]),
  );
}

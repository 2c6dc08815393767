/** Openings as events tell them, checked against the commitment. What does not fit is unknown, never guessed. */
import { isZkMarginError } from '../../errors.ts';
import { packLeg, unpackLeg } from '../../market/instrument.ts';
import { commitPositions } from '../../proof/commitment.ts';
import type { OpeningRecord } from '../../store/chain-records.ts';

/** What identifies an opening. */
export type OpeningPlace = Pick<
  OpeningRecord,
  'block' | 'logIndex' | 'accountId' | 'underlyingId' | 'nonce' | 'commitment'
>;

/** The record of an opening that a trade published. */
export async function publishedOpening(
  place: OpeningPlace,
  legs: readonly bigint[],
  salt: bigint,
): Promise<OpeningRecord> {
  const problem = await mismatch(place, legs, salt);
  if (problem === undefined) return { ...place, source: 'trade', status: 'known', legs, salt };
  return { ...place, source: 'trade', status: 'mismatch', reason: problem };
}

/** The record of an opening that a custodian has. */
export function withheldOpening(place: OpeningPlace, custodian: string): OpeningRecord {
  return {
    ...place,
    source: 'trade',
    status: 'withheld',
    reason: 'a custodian has the legs',
    custodian,
  };
}

/**
 * The record of what a settlement leaves: the legs of other hours, with the same salt.
 *
 * @param before opening of the settled commitment
 */
export async function settledOpening(
  place: OpeningPlace,
  before: OpeningRecord | undefined,
  expiryHours: readonly number[],
): Promise<OpeningRecord> {
  if (before?.status !== 'known' || before.legs === undefined || before.salt === undefined) {
    return {
      ...place,
      source: 'settlement',
      status: 'underivable',
      reason: 'the legs before the settlement are not known',
    };
  }
  const legs = before.legs.filter((leg) => !expiryHours.includes(unpackLeg(leg).instrument.expiryHour));
  const problem = await mismatch(place, legs, before.salt);
  if (problem === undefined) {
    return { ...place, source: 'settlement', status: 'known', legs, salt: before.salt };
  }
  return { ...place, source: 'settlement', status: 'mismatch', reason: problem };
}

async function mismatch(
  { commitment, underlyingId }: OpeningPlace,
  packed: readonly bigint[],
  salt: bigint,
): Promise<string | undefined> {
  try {
    const legs = packed.map((leg, index) => unpackLeg(leg, `legs[${index}]`));
    // Other forms of the same leg would be another commitment.
    if (legs.some((leg, index) => packLeg(leg) !== packed[index]))
      return 'a leg is not in its canonical form';
    if ((await commitPositions({ legs, underlyingId, salt })) === commitment) return undefined;
    return 'legs and salt are of another commitment';
  } catch (error) {
    // No figures: what was meant to be published may not have been.
    if (isZkMarginError(error)) return `the legs cannot be read (${error.code})`;
    throw error;
  }
}

/** Reports of the oracle's sources: what a source signs, and what a poster sends. */
import {
  type Address,
  type Hex,
  hashTypedData,
  isAddressEqual,
  type LocalAccount,
  recoverTypedDataAddress,
  type TypedDataDefinition,
} from 'viem';
import { ZkMarginError } from '../errors.ts';
import { MAX_REPORTS, structureOf } from '../market/oracle-median.ts';
import { type RoundWords, unpackRound } from '../market/words.ts';

/** EIP-712 types of a report. The underlying and the time are inside the word. */
const REPORT_TYPES = {
  Report: [
    { name: 'underlyingWord', type: 'uint256' },
    { name: 'expiryWords', type: 'uint256[8]' },
  ],
} as const;

/** For which oracle a report is. */
export interface OracleDomain {
  readonly chainId: number;
  /** The contract `RiskOracle`. */
  readonly oracle: Address;
}

/** A report with its signature. */
export interface SignedReport {
  readonly words: RoundWords;
  readonly signer: Address;
  /** 65 bytes. */
  readonly signature: Hex;
}

/** A report as the contract takes it. */
export interface ReportArgument {
  readonly underlyingWord: bigint;
  readonly expiryWords: readonly bigint[];
  readonly signature: Hex;
}

/** What a source signs. */
function reportTypedData(
  domain: OracleDomain,
  words: RoundWords,
): TypedDataDefinition<typeof REPORT_TYPES, 'Report'> {
  return {
    domain: {
      name: 'zkmargin oracle',
      version: '1',
      chainId: domain.chainId,
      verifyingContract: domain.oracle,
    },
    types: REPORT_TYPES,
    primaryType: 'Report',
    message: {
      underlyingWord: words.underlyingWord,
      expiryWords: words.expiryWords as never,
    },
  };
}

/** The hash that is signed; the contract's `reportDigest` gives the same. */
export function reportDigest(domain: OracleDomain, words: RoundWords): Hex {
  return hashTypedData(reportTypedData(domain, words));
}

/**
 * Signs a report. A report out of bounds is refused, because the oracle would refuse it.
 *
 * @param account of a source, as `privateKeyToAccount` gives it
 * @throws ZkMarginError as `unpackRound`
 */
export async function signReport(
  account: LocalAccount,
  domain: OracleDomain,
  words: RoundWords,
): Promise<SignedReport> {
  unpackRound(words);
  const signature = await account.signTypedData(reportTypedData(domain, words));
  return { words, signer: account.address, signature };
}

/** Whether the report carries a signature of the signer that it names. */
export async function isSignedBySigner(domain: OracleDomain, report: SignedReport): Promise<boolean> {
  try {
    const address = await recoverTypedDataAddress({
      ...reportTypedData(domain, report.words),
      signature: report.signature,
    });
    return isAddressEqual(address, report.signer);
  } catch {
    // A malformed signature is nobody's.
    return false;
  }
}

/**
 * The largest set of reports that name the same expiries with the same spacings; of sets of one size, that of the newest report. Of a signer's
 * reports the newest counts. The newest report comes first. Empty when there are none.
 *
 * @throws ZkMarginError as `unpackRound`
 */
export function agreeingReports(reports: readonly SignedReport[]): readonly SignedReport[] {
  const newestFirst = reports
    .map((report) => ({ report, timestamp: unpackRound(report.words).underlying.timestamp }))
    .sort((a, b) => Number(b.timestamp - a.timestamp))
    .map(({ report }) => report);
  const signers = new Set<string>();
  const sets = new Map<string, SignedReport[]>();
  for (const report of newestFirst) {
    const signer = report.signer.toLowerCase();
    if (signers.has(signer)) continue;
    signers.add(signer);
    const structure = structureOf(report.words);
    const set = sets.get(structure);
    if (set === undefined) sets.set(structure, [report]);
    else set.push(report);
  }
  return [...sets.values()].sort((a, b) => b.length - a.length)[0] ?? [];
}

/**
 * The arguments of `postRound`: reports in the order of their signers.
 *
 * @throws ZkMarginError `MALFORMED` for no reports, too many, or two of one signer; `UNDERLYING_MISMATCH`; as `unpackRound`
 */
export function postRoundArguments(
  underlyingId: number,
  reports: readonly SignedReport[],
): readonly [underlyingId: number, reports: readonly ReportArgument[]] {
  if (reports.length === 0 || reports.length > MAX_REPORTS) {
    throw new ZkMarginError('MALFORMED', `Give at least one and at most ${MAX_REPORTS} reports.`, {
      field: 'reports',
      details: { count: reports.length },
    });
  }
  const ordered = [...reports].sort((a, b) => (BigInt(a.signer) < BigInt(b.signer) ? -1 : 1));
  ordered.forEach((report, index) => {
    if (index > 0 && isAddressEqual(report.signer, ordered[index - 1]!.signer)) {
      throw new ZkMarginError('MALFORMED', 'Give one report of each signer.', {
        field: 'reports',
        details: { signer: report.signer },
      });
    }
    if (unpackRound(report.words).underlying.underlyingId !== BigInt(underlyingId)) {
      throw new ZkMarginError('UNDERLYING_MISMATCH', 'Give reports on the underlying of the round.', {
        field: 'reports',
        details: { signer: report.signer, underlyingId },
      });
    }
  });
  return [
    underlyingId,
    ordered.map(({ words, signature }) => ({
      underlyingWord: words.underlyingWord,
      expiryWords: words.expiryWords,
      signature,
    })),
  ];
}

/** Which proofs keepers are likely to ask for next. */
import { isAtRisk } from '../../risk/monitor/index.ts';
import type { AccountRecord } from '../../store/chain-records.ts';
import type { BookMarket, LiveBook } from '../book/live-book.ts';
import type { InterestedKeeper, ProofPurpose } from './keepers.ts';

/** A proof that may be asked for. */
export interface LikelyProof {
  readonly market: BookMarket;
  readonly account: AccountRecord;
  readonly purpose: ProofPurpose;
  readonly keeper: string;
  /** Name of the API key that wants it. */
  readonly client: string;
}

/**
 * Proofs that would be of use now, the most urgent account first: for accounts below their requirement that can be sold at once or
 * by a new auction, then for auctions whose figures are too old to bid by.
 *
 * An account that is only near its threshold has none: a proof holds for one round alone, in which the account is healthy.
 */
export function likelyProofs(book: LiveBook, keepers: readonly InterestedKeeper[]): LikelyProof[] {
  const found: LikelyProof[] = [];
  const add = (market: BookMarket, account: AccountRecord, open: readonly ProofPurpose[]) => {
    for (const { address, client, purposes } of keepers) {
      // The first that is open and wanted; a keeper takes one way.
      const purpose = open.find((item) => purposes.includes(item));
      if (purpose !== undefined) found.push({ market, account, purpose, keeper: address, client });
    }
  };
  for (const { market, account, risk } of book.candidates()) {
    // Without a plan it is far down the ranking.
    if (risk.plan === undefined || book.timestamp > market.proofExpiry) continue;
    const { atomic, backstop, auction } = risk.plan;
    const open: ProofPurpose[] = [];
    if (atomic.open || backstop.open) open.push('liquidate');
    if (auction.open) open.push('auction');
    add(market, account, open);
  }
  for (const market of book.markets()) {
    if (book.timestamp > market.proofExpiry) continue;
    for (const { id, tier, inAuction } of market.monitor.snapshot?.ranking ?? []) {
      if (tier !== 'liquidatable' && tier !== 'badDebt') break;
      const account = inAuction ? book.account(id) : undefined;
      const auction = inAuction ? book.auction(id) : undefined;
      if (account === undefined || auction === undefined) continue;
      const { round = '0', provenAt = '0', terms } = auction.figures;
      const { maxProofAge = '0' } = (terms ?? {}) as { readonly maxProofAge?: string };
      const old = book.timestamp > BigInt(String(provenAt)) + BigInt(maxProofAge);
      if (old && market.record.number > BigInt(String(round))) add(market, account, ['auction']);
    }
  }
  return found;
}

/** All that the statement of a likely proof depends on: another key, another proof. */
export function statementKey({ market, account, purpose, keeper }: LikelyProof): string {
  const { accountId, nonce, scale, commitment } = account;
  const { record, parametersRecord, monitor } = market;
  return [
    accountId,
    purpose,
    keeper,
    nonce,
    scale,
    commitment,
    // Collateral that comes or goes decides by it what is shown, and by nothing else.
    monitor.snapshot?.byId.get(accountId)?.worstScenario,
    roundKey(record),
    parametersRecord.version,
    parametersRecord.block,
  ].join('/');
}

/** Names a round, also of one that a reorganisation has replaced. */
export function roundKey({ underlyingId, number, block }: LikelyProof['market']['record']): string {
  return [underlyingId, number, block].join('-');
}

/** How many of a round's proofs each client has had. */
export type RoundUse = ReadonlyMap<string, number>;

/**
 * Which of the proofs that clients want is made next: the most urgent one of the client that has had least of its round.
 *
 * A client may use all that a round has while nobody else wants anything. Whoever comes later still finds its part, as if all had
 * been there from the beginning.
 *
 * @param wanted by client, the most urgent first
 * @param isOpen whether a proof is still to be made
 * @returns undefined when there is none, or nobody may have any more
 */
export function nextInTurn(
  wanted: ReadonlyMap<string, readonly LikelyProof[]>,
  isOpen: (proof: LikelyProof) => boolean,
  useOf: (proof: LikelyProof) => RoundUse | undefined,
  maxPerRound: number,
): LikelyProof | undefined {
  let next: { readonly proof: LikelyProof; readonly had: number } | undefined;
  for (const [client, proofs] of wanted) {
    for (const proof of proofs) {
      if (!isOpen(proof)) continue;
      const use: RoundUse = useOf(proof) ?? new Map();
      const total = [...use.values()].reduce((sum, count) => sum + count, 0);
      const had = use.get(client) ?? 0;
      const clients = new Set([...wanted.keys(), ...use.keys()]).size;
      // Rounds of other underlyings may have something left.
      if (total >= maxPerRound && had >= Math.floor(maxPerRound / clients)) continue;
      if (next === undefined || had < next.had) next = { proof, had };
      break;
    }
  }
  return next?.proof;
}

/** Whether an account is below its requirement, soft, or a few deviations away: then a proof may be wanted soon. */
export function anyNear(book: LiveBook): boolean {
  return book
    .markets()
    .some(({ monitor }) =>
      monitor.snapshot?.ranking.some(({ tier, nearness }) => isAtRisk(tier) || nearness !== undefined),
    );
}

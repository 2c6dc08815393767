/** The chain's data in the store: written by ranges of blocks, taken back to a block, read as it stands. */
import { ZkMarginError } from '../errors.ts';
import type {
  AccountRecord,
  AuctionRecord,
  BlockRecord,
  ChainChanges,
  Figures,
  OpeningRecord,
  OpeningStatus,
  ParameterRecord,
  PendingRoundRecord,
  RoundRecord,
  SaleRecord,
} from './chain-records.ts';
import type { Database, Queryable, Row, StopListening } from './database.ts';

/** Of which chain and contracts a store is. */
export interface ChainIdentity {
  readonly chainId: bigint;
  /** Digest of the contracts' addresses. */
  readonly deployment: string;
  /** First block to look at. */
  readonly startBlock: bigint;
}

/** How often the data changed. */
export interface ChainRevision {
  readonly revision: bigint;
  readonly rollbacks: bigint;
}

/** Tables whose rows are replaced by later ones. */
const REPLACED = ['account_states', 'auction_states', 'pending_rounds'] as const;
/** Tables whose rows come from one block and stay. */
const FIXED = ['openings', 'rounds', 'oracle_settings', 'parameter_versions', 'sales'] as const;

/** The repository of the chain's data. */
export class ChainStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Says of which chain the store is; the first time, it becomes so.
   *
   * @throws ZkMarginError `STORE_MISMATCH` when it is of another
   */
  async claim({ chainId, deployment, startBlock }: ChainIdentity): Promise<ChainIdentity> {
    await this.#database.query(
      'insert into chain_index (chain_id, deployment, start_block) values ($1, $2, $3) on conflict do nothing',
      [chainId, deployment, startBlock],
    );
    return (await this.requireIdentity({ chainId, deployment }))!;
  }

  /**
   * Of which chain the store is, if of any.
   *
   * @throws ZkMarginError `STORE_MISMATCH` when it is of another
   */
  async requireIdentity({
    chainId,
    deployment,
  }: Omit<ChainIdentity, 'startBlock'>): Promise<ChainIdentity | undefined> {
    const [row] = await this.#database.query<{ chain_id: bigint; deployment: string; start_block: bigint }>(
      'select chain_id, deployment, start_block from chain_index',
    );
    if (row === undefined) return undefined;
    if (row.chain_id !== chainId || row.deployment !== deployment) {
      throw new ZkMarginError(
        'STORE_MISMATCH',
        'Use another store: this one holds the data of another chain or of other contracts.',
        { field: 'store', details: { chainId: row.chain_id } },
      );
    }
    return { chainId, deployment, startBlock: row.start_block };
  }

  /** Undefined before a chain was claimed. */
  async revision(): Promise<ChainRevision | undefined> {
    const [row] = await this.#database.query<{ revision: bigint; rollbacks: bigint }>(
      'select revision, rollbacks from chain_index',
    );
    return row && { revision: row.revision, rollbacks: row.rollbacks };
  }

  /** Calls back when the data may have changed: a hint, as `Database.listen`. */
  onChange(callback: () => void): Promise<StopListening> {
    return this.#database.listen('zkmargin_chain', callback);
  }

  /** The newest block that was looked at. */
  async tip(): Promise<BlockRecord | undefined> {
    return (await this.blocksBelow(undefined, 1))[0];
  }

  /** The oldest block that is kept. */
  async oldestBlock(): Promise<BlockRecord | undefined> {
    const [row] = await this.#database.query<BlockRow>('select * from blocks order by number limit 1');
    return row && toBlock(row);
  }

  /** Kept blocks up to a number, the newest first. */
  async blocksBelow(number: bigint | undefined, limit: number): Promise<BlockRecord[]> {
    return this.#list(
      toBlock,
      'select * from blocks where $1::int8 is null or number <= $1::int8 order by number desc limit $2::int4',
      [number, limit],
    );
  }

  /**
   * Writes what a range of blocks says, all of it or nothing.
   *
   * @param after the block before the range, as it was when the range was read; undefined for the first
   * @throws ZkMarginError `CONFLICT` when another process has written meanwhile
   */
  async apply(after: BlockRecord | undefined, changes: ChainChanges): Promise<void> {
    await this.#database.transaction(async (tx) => {
      await tx.query('select 1 from chain_index for update');
      const [tip] = await tx.query<BlockRow>('select * from blocks order by number desc limit 1');
      if (tip?.hash !== after?.hash || tip?.number !== after?.number) {
        throw new ZkMarginError(
          'CONFLICT',
          'Read again: another process has written to the store meanwhile.',
          {
            field: 'store',
          },
        );
      }
      for (const block of changes.blocks) {
        await tx.query('insert into blocks (number, hash, parent_hash, timestamp) values ($1, $2, $3, $4)', [
          block.number,
          block.hash,
          block.parentHash,
          block.timestamp,
        ]);
      }
      for (const account of changes.accounts) await putAccount(tx, account);
      for (const opening of changes.openings) await putOpening(tx, opening);
      for (const round of changes.rounds) await putRound(tx, round);
      for (const { block, logIndex, underlyingId, timestamp, spot } of changes.pendingRounds) {
        await tx.query(
          'update pending_rounds set replaced_at = $2 where underlying_id = $1 and replaced_at is null',
          [underlyingId, block],
        );
        await tx.query(
          'insert into pending_rounds (block, log_index, underlying_id, timestamp, spot) values ($1, $2, $3, $4, $5)',
          [block, logIndex, underlyingId, timestamp, spot],
        );
      }
      for (const { underlyingId, block } of changes.resolvedRounds) {
        await tx.query(
          'update pending_rounds set replaced_at = $2 where underlying_id = $1 and replaced_at is null and block <= $2',
          [underlyingId, block],
        );
      }
      for (const { block, logIndex, underlyingId, maxRoundAge } of changes.oracleSettings) {
        await tx.query(
          'insert into oracle_settings (block, log_index, underlying_id, max_round_age) values ($1, $2, $3, $4)',
          [block, logIndex, underlyingId, maxRoundAge],
        );
      }
      for (const item of changes.parameters) {
        await tx.query(
          'insert into parameter_versions (underlying_id, version, block, commitment, words, terms) values ($1, $2, $3, $4, $5, $6)',
          [
            item.underlyingId,
            item.version,
            item.block,
            item.commitment,
            jsonOf(item.words),
            jsonOf(item.terms),
          ],
        );
      }
      for (const auction of changes.auctions) await putAuction(tx, auction);
      for (const sale of changes.sales) {
        await tx.query(
          `insert into sales (block, log_index, kind, account_id, vessel_id, taker, auction_number, round, transaction_hash, figures)
          values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
          [
            sale.block,
            sale.logIndex,
            sale.kind,
            sale.accountId,
            sale.vesselId,
            sale.taker,
            sale.auctionNumber,
            sale.round,
            sale.transactionHash,
            jsonOf(sale.figures),
          ],
        );
      }
      await tx.query('update chain_index set revision = revision + 1');
    });
  }

  /** Takes everything back that comes from later blocks: former states come back. */
  async rollback(block: bigint): Promise<void> {
    await this.#database.transaction(async (tx) => {
      await tx.query('select 1 from chain_index for update');
      for (const table of [...REPLACED, ...FIXED]) {
        await tx.query(`delete from ${table} where block > $1`, [block]);
      }
      for (const table of REPLACED) {
        await tx.query(`update ${table} set replaced_at = null where replaced_at > $1`, [block]);
      }
      await tx.query('delete from blocks where number > $1', [block]);
      await tx.query('update chain_index set revision = revision + 1, rollbacks = rollbacks + 1');
    });
  }

  /** Forgets all that the chain has said, so that it is read anew from the start. */
  async clear(): Promise<void> {
    await this.#database.transaction(async (tx) => {
      await tx.query('select 1 from chain_index for update');
      for (const table of [...REPLACED, ...FIXED, 'blocks']) await tx.query(`delete from ${table}`);
      await tx.query('update chain_index set revision = revision + 1, rollbacks = rollbacks + 1');
    });
  }

  /** Forgets blocks and replaced states that no rollback will ask for. The oldest block of all stays. */
  async prune(block: bigint): Promise<void> {
    await this.#database.query(
      'delete from blocks where number < $1 and number > (select min(number) from blocks)',
      [block],
    );
    for (const table of ['account_states', 'pending_rounds']) {
      await this.#database.query(`delete from ${table} where replaced_at < $1`, [block]);
    }
  }

  /** One account as it stands. */
  async account(accountId: bigint): Promise<AccountRecord | undefined> {
    const [row] = await this.#database.query<AccountRow>(
      'select * from account_states where account_id = $1 and replaced_at is null',
      [accountId],
    );
    return row && toAccount(row);
  }

  /**
   * Accounts as they stand, by id.
   *
   * @param options.after ids above this alone
   * @param options.sinceBlock states from later blocks alone
   * @param options.withCollateral those alone whose collateral is worth anything to anybody; in their own account it may count for nothing
   */
  async accounts(
    options: {
      readonly after?: bigint | undefined;
      readonly limit?: number | undefined;
      readonly sinceBlock?: bigint | undefined;
      readonly withCollateral?: boolean | undefined;
    } = {},
  ): Promise<AccountRecord[]> {
    const { after, limit, sinceBlock, withCollateral = false } = options;
    return this.#list(
      toAccount,
      `select * from account_states where replaced_at is null and ($1::numeric is null or account_id > $1::numeric)
      and ($2::int8 is null or block > $2::int8) and (not $3::bool or sale_collateral > 0)
      order by account_id limit $4::int8`,
      [after, sinceBlock, withCollateral, limit],
    );
  }

  /** The opening of a commitment when it is known, else the newest that tells why it is not. */
  async opening(commitment: bigint): Promise<OpeningRecord | undefined> {
    const [row] = await this.#database.query<OpeningRow>(
      "select * from openings where commitment = $1 order by (status = 'known') desc, block desc, log_index desc limit 1",
      [commitment],
    );
    return row && toOpening(row);
  }

  /** Openings of all present commitments, as {@link opening}, by commitment. */
  async presentOpenings(sinceBlock?: bigint): Promise<Map<bigint, OpeningRecord>> {
    const rows = await this.#database.query<OpeningRow>(
      `select distinct on (commitment) * from openings where commitment in (select commitment from account_states
        where replaced_at is null and commitment <> 0 and ($1::int8 is null or block > $1::int8))
      order by commitment, (status = 'known') desc, block desc, log_index desc`,
      [sinceBlock],
    );
    return new Map(rows.map((row) => [row.commitment, toOpening(row)]));
  }

  /** Accounts with positions whose legs are not known. */
  async unknownOpenings(): Promise<
    { accountId: bigint; commitment: bigint; status: OpeningStatus | null }[]
  > {
    const rows = await this.#database.query<{
      account_id: bigint;
      commitment: bigint;
      status: OpeningStatus | null;
    }>(
      `select s.account_id, s.commitment, (select status from openings o where o.commitment = s.commitment
        order by o.block desc, o.log_index desc limit 1) as status
      from account_states s where s.replaced_at is null and s.scale > 0 and not exists
        (select 1 from openings o where o.commitment = s.commitment and o.status = 'known') order by s.account_id`,
    );
    return rows.map(({ account_id, commitment, status }) => ({ accountId: account_id, commitment, status }));
  }

  /** Rounds of an underlying, the newest first. */
  async rounds(
    underlyingId: bigint,
    { before, limit = 100 }: { readonly before?: bigint | undefined; readonly limit?: number } = {},
  ): Promise<RoundRecord[]> {
    return this.#list(
      toRound,
      `select * from rounds where underlying_id = $1 and ($2::int8 is null or number < $2::int8)
      order by number desc limit $3::int4`,
      [underlyingId, before, limit],
    );
  }

  /** The newest round of each underlying. */
  async newestRounds(): Promise<RoundRecord[]> {
    return this.#list(
      toRound,
      'select distinct on (underlying_id) * from rounds order by underlying_id, number desc',
    );
  }

  /** Rounds that the breaker holds back now. */
  async pendingRounds(): Promise<PendingRoundRecord[]> {
    const rows = await this.#database.query<{
      block: bigint;
      log_index: number;
      underlying_id: bigint;
      timestamp: bigint;
      spot: bigint;
    }>('select * from pending_rounds where replaced_at is null');
    return rows.map((row) => ({
      block: row.block,
      logIndex: row.log_index,
      underlyingId: row.underlying_id,
      timestamp: row.timestamp,
      spot: row.spot,
    }));
  }

  /** Age up to which rounds may be proven by, by underlying, in seconds. */
  async maxRoundAges(): Promise<Map<bigint, bigint>> {
    const rows = await this.#database.query<{ underlying_id: bigint; max_round_age: bigint }>(
      'select distinct on (underlying_id) underlying_id, max_round_age from oracle_settings order by underlying_id, block desc, log_index desc',
    );
    return new Map(rows.map((row) => [row.underlying_id, row.max_round_age]));
  }

  /** The version of parameters in force of each underlying. */
  async parametersInForce(): Promise<ParameterRecord[]> {
    const rows = await this.#database.query<{
      underlying_id: bigint;
      version: bigint;
      block: bigint;
      commitment: bigint;
      words: string[];
      terms: Record<string, unknown>;
    }>('select distinct on (underlying_id) * from parameter_versions order by underlying_id, version desc');
    return rows.map(({ underlying_id, words, ...rest }) => ({
      underlyingId: underlying_id,
      words: words.map(BigInt),
      ...rest,
    }));
  }

  /**
   * Auctions as they stand, the newest first.
   *
   * @param options.before numbers below this alone
   */
  async auctions(
    options: {
      readonly running?: boolean | undefined;
      readonly accountId?: bigint | undefined;
      readonly before?: bigint | undefined;
      readonly limit?: number | undefined;
    } = {},
  ): Promise<AuctionRecord[]> {
    const { running, accountId, before, limit } = options;
    return this.#list(
      toAuction,
      `select * from auction_states where replaced_at is null and ($1::bool is null or running = $1::bool)
      and ($2::numeric is null or account_id = $2::numeric) and ($3::int8 is null or number < $3::int8)
      order by number desc limit $4::int8`,
      [running, accountId, before, limit],
    );
  }

  /** Sales in order, of one auction or of one account. */
  async sales(
    of: { readonly auctionNumber: bigint } | { readonly accountId: bigint },
  ): Promise<SaleRecord[]> {
    const [column, value] =
      'auctionNumber' in of ? ['auction_number', of.auctionNumber] : ['account_id', of.accountId];
    return this.#list(toSale, `select * from sales where ${column} = $1 order by block, log_index`, [value]);
  }

  async #list<R extends Row, T>(
    read: (row: R) => T,
    sql: string,
    parameters: readonly unknown[] = [],
  ): Promise<T[]> {
    return (await this.#database.query<R>(sql, parameters)).map(read);
  }
}

async function putAccount(tx: Queryable, account: AccountRecord): Promise<void> {
  await tx.query(
    'update account_states set replaced_at = $2 where account_id = $1 and replaced_at is null and block < $2',
    [account.accountId, account.block],
  );
  await tx.query(
    `insert into account_states (account_id, block, owner, underlying_id, commitment, scale, cash, collateral, moving_collateral, sale_collateral,
      nonce, in_auction, fee_charged_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      account.accountId,
      account.block,
      account.owner,
      account.underlyingId,
      account.commitment,
      account.scale,
      account.cash,
      account.collateral,
      account.movingCollateral,
      account.saleCollateral,
      account.nonce,
      account.inAuction,
      account.feeChargedAt,
    ],
  );
}

async function putOpening(tx: Queryable, opening: OpeningRecord): Promise<void> {
  await tx.query(
    `insert into openings (block, log_index, account_id, underlying_id, nonce, commitment, source, status, reason, custodian, legs, salt)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      opening.block,
      opening.logIndex,
      opening.accountId,
      opening.underlyingId,
      opening.nonce,
      opening.commitment,
      opening.source,
      opening.status,
      opening.reason,
      opening.custodian,
      opening.legs && jsonOf(opening.legs),
      opening.salt,
    ],
  );
}

async function putRound(tx: Queryable, round: RoundRecord): Promise<void> {
  await tx.query(
    `insert into rounds (underlying_id, number, block, timestamp, spot, volatility, underlying_word, expiry_words, wound_down)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      round.underlyingId,
      round.number,
      round.block,
      round.timestamp,
      round.spot,
      round.volatility,
      round.underlyingWord,
      jsonOf(round.expiryWords),
      round.woundDown,
    ],
  );
}

async function putAuction(tx: Queryable, auction: AuctionRecord): Promise<void> {
  const { accountId, number, block, running, endReason, keeper, figures } = auction;
  await tx.query(
    'update auction_states set replaced_at = $3 where account_id = $1 and number = $2 and replaced_at is null and block < $3',
    [accountId, number, block],
  );
  await tx.query(
    `insert into auction_states (account_id, number, block, running, end_reason, keeper, figures)
    values ($1, $2, $3, $4, $5, $6, $7)`,
    [accountId, number, block, running, endReason, keeper, jsonOf(figures)],
  );
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_name, item: unknown) => (typeof item === 'bigint' ? String(item) : item));
}

interface BlockRow extends Row {
  number: bigint;
  hash: string;
  parent_hash: string;
  timestamp: bigint;
}
function toBlock({ number, hash, parent_hash, timestamp }: BlockRow): BlockRecord {
  return { number, hash, parentHash: parent_hash, timestamp };
}

interface AccountRow extends Row {
  account_id: bigint;
  block: bigint;
  owner: string;
  underlying_id: bigint;
  commitment: bigint;
  scale: bigint;
  cash: bigint;
  collateral: bigint;
  moving_collateral: bigint;
  sale_collateral: bigint;
  nonce: bigint;
  in_auction: boolean;
  fee_charged_at: bigint;
}
function toAccount(row: AccountRow): AccountRecord {
  const { block, owner, commitment, scale, cash, collateral, nonce } = row;
  return {
    accountId: row.account_id,
    block,
    owner,
    underlyingId: row.underlying_id,
    commitment,
    scale,
    cash,
    collateral,
    movingCollateral: row.moving_collateral,
    saleCollateral: row.sale_collateral,
    nonce,
    inAuction: row.in_auction,
    feeChargedAt: row.fee_charged_at,
  };
}

interface OpeningRow extends Row {
  block: bigint;
  log_index: number;
  account_id: bigint;
  underlying_id: bigint;
  nonce: bigint;
  commitment: bigint;
  source: 'trade' | 'settlement';
  status: OpeningStatus;
  reason: string | null;
  custodian: string | null;
  legs: string[] | null;
  salt: bigint | null;
}
function toOpening(row: OpeningRow): OpeningRecord {
  const { block, nonce, commitment, source, status, reason, custodian, legs, salt } = row;
  return {
    block,
    logIndex: row.log_index,
    accountId: row.account_id,
    underlyingId: row.underlying_id,
    nonce,
    commitment,
    source,
    status,
    reason: reason ?? undefined,
    custodian: custodian ?? undefined,
    legs: legs?.map(BigInt),
    salt: salt ?? undefined,
  };
}

interface RoundRow extends Row {
  underlying_id: bigint;
  number: bigint;
  block: bigint;
  timestamp: bigint;
  spot: bigint;
  volatility: bigint;
  underlying_word: bigint;
  expiry_words: string[];
  wound_down: boolean;
}
function toRound(row: RoundRow): RoundRecord {
  const { number, block, timestamp, spot, volatility } = row;
  return {
    underlyingId: row.underlying_id,
    number,
    block,
    timestamp,
    spot,
    volatility,
    underlyingWord: row.underlying_word,
    expiryWords: row.expiry_words.map(BigInt),
    woundDown: row.wound_down,
  };
}

interface AuctionRow extends Row {
  account_id: bigint;
  number: bigint;
  block: bigint;
  running: boolean;
  end_reason: string | null;
  keeper: string | null;
  figures: Figures;
}
function toAuction(row: AuctionRow): AuctionRecord {
  const { number, block, running, figures } = row;
  return {
    accountId: row.account_id,
    number,
    block,
    running,
    endReason: row.end_reason ?? undefined,
    keeper: row.keeper ?? undefined,
    figures,
  };
}

interface SaleRow extends Row {
  block: bigint;
  log_index: number;
  kind: SaleRecord['kind'];
  account_id: bigint;
  vessel_id: bigint;
  taker: string;
  auction_number: bigint;
  round: bigint;
  transaction_hash: string;
  figures: Figures;
}
function toSale(row: SaleRow): SaleRecord {
  const { block, kind, taker, round, figures } = row;
  return {
    block,
    logIndex: row.log_index,
    kind,
    accountId: row.account_id,
    vesselId: row.vessel_id,
    taker,
    auctionNumber: row.auction_number,
    round,
    transactionHash: row.transaction_hash,
    figures,
  };
}

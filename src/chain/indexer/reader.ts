/** What a range of blocks says of the protocol: events, and the contracts' state where events do not suffice. */
import {
  type Address,
  BaseError,
  ContractFunctionZeroDataError,
  decodeEventLog,
  type Hex,
  type Log,
  type PublicClient,
  RpcRequestError,
} from 'viem';
import type {
  AccountRecord,
  AuctionRecord,
  BlockRecord,
  ChainChanges,
  Figures,
  OpeningRecord,
  OracleSettingsRecord,
  ParameterRecord,
  PendingRoundRecord,
  RoundRecord,
  SaleRecord,
} from '../../store/chain-records.ts';
import type { ProtocolAbis } from '../artifacts.ts';
import type { HouseCollateral } from '../house-records.ts';
import { mayHaveLogged } from './bloom.ts';
import { INDEXED_ROLES, type IndexedContracts, type IndexedRole } from './contracts.ts';
import { ChainMoved, EndpointFault } from './endpoints.ts';
import { type OpeningPlace, publishedOpening, settledOpening, withheldOpening } from './openings.ts';

/** What the reader asks of what was read before. */
export interface KnownState {
  account(accountId: bigint): Promise<AccountRecord | undefined>;
  opening(commitment: bigint): Promise<OpeningRecord | undefined>;
  accounts(): Promise<readonly bigint[]>;
  /** Those whose collateral is worth something. */
  accountsWithCollateral(): Promise<readonly bigint[]>;
  runningAuctions(): Promise<readonly AuctionRecord[]>;
  newestRound(underlyingId: bigint): Promise<RoundRecord | undefined>;
}

/** A range of blocks. */
export interface BlockRange {
  readonly from: bigint;
  readonly to: bigint;
  /** From this block on every block is looked at by itself, so that a reorganisation takes back no more than it has to. */
  readonly closeFrom: bigint;
  /** The block before; undefined for the first range. */
  readonly before: BlockRecord | undefined;
}

interface ChainEvent {
  readonly role: IndexedRole;
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly block: bigint;
  readonly logIndex: number;
  readonly transactionHash: string;
}

/** Arguments of events that name accounts whose state they change. */
const ACCOUNT_ARGUMENTS = ['accountId', 'vesselId', 'accountA', 'accountB', 'from', 'to', 'rewardAccountId'];
/** The insurance fund's account, which payments reach without being named. */
const FUND_ACCOUNT = 1n;
/** Events of these contracts change the accounts that they name. */
const ACCOUNT_ROLES: readonly IndexedRole[] = ['clearingHouse', 'vault', 'auctionHouse'];
/** What the house says of an account without collateral. */
const NO_COLLATERAL: HouseCollateral = { value: 0n, moving: 0n, saleValue: 0n };
const END_REASONS = ['sold', 'takenOver', 'recovered', 'covered', 'superseded', 'released'];

/** Reads ranges of blocks through one endpoint. */
export class ChainReader {
  readonly #contracts: IndexedContracts;
  readonly #abis: ProtocolAbis;
  readonly #roles: ReadonlyMap<string, IndexedRole>;

  constructor(contracts: IndexedContracts, abis: ProtocolAbis) {
    this.#contracts = contracts;
    this.#abis = abis;
    this.#roles = new Map(INDEXED_ROLES.map((role) => [contracts.addresses[role].toLowerCase(), role]));
  }

  /**
   * Everything that a range says.
   *
   * @throws ChainMoved when the endpoint's blocks do not fit together; EndpointFault when logs are missing; errors of viem
   */
  async read(client: PublicClient, range: BlockRange, known: KnownState): Promise<ChainChanges> {
    const addresses = Object.values(this.#contracts.addresses);
    const logs = await logsOf(client, addresses, range.from, range.to);
    const headers = await headersOf(client, range, logs);
    const blocks = headers.map(({ logsBloom: _bloom, ...block }) => block);
    const hashes = new Map(blocks.map(({ number, hash }) => [number, hash]));
    for (const log of logs) if (hashes.get(log.blockNumber!) !== log.blockHash) throw new ChainMoved();
    await requireAllLogs(client, addresses, headers, logs);
    const events = logs.flatMap((log) => this.#decode(log));

    const changes = {
      blocks,
      accounts: [] as AccountRecord[],
      openings: [] as OpeningRecord[],
      rounds: [] as RoundRecord[],
      pendingRounds: [] as PendingRoundRecord[],
      resolvedRounds: [] as { underlyingId: bigint; block: bigint }[],
      oracleSettings: [] as OracleSettingsRecord[],
      parameters: [] as ParameterRecord[],
      auctions: [] as AuctionRecord[],
      sales: [] as SaleRecord[],
    };
    const timestamps = new Map(blocks.map(({ number, timestamp }) => [number, timestamp]));
    await this.#market(events, changes, timestamps, known);
    await this.#accounts(client, events, range, changes, known);
    await this.#openings(events, changes, known);
    await this.#auctions(client, events, range, changes, known);
    for (const event of events) {
      const sale = saleOf(event);
      if (sale !== undefined) changes.sales.push(sale);
    }
    // What was read by number was read of these blocks, if the last one is still there.
    const last = await client.getBlock({ blockNumber: range.to });
    if (last.hash !== blocks.at(-1)!.hash) throw new ChainMoved();
    return changes;
  }

  #decode(log: Log): ChainEvent[] {
    const role = this.#roles.get(log.address.toLowerCase());
    if (role === undefined) return [];
    try {
      const event: { eventName?: string; args?: unknown } = decodeEventLog({
        abi: this.#abis[role],
        data: log.data,
        topics: log.topics,
      });
      return [
        {
          role,
          name: event.eventName ?? '',
          args: (event.args ?? {}) as Readonly<Record<string, unknown>>,
          block: log.blockNumber!,
          logIndex: log.logIndex!,
          transactionHash: log.transactionHash!,
        },
      ];
    } catch {
      // An event that is not in the ABI, such as one of a base contract, says nothing here.
      return [];
    }
  }

  async #market(
    events: readonly ChainEvent[],
    changes: {
      rounds: RoundRecord[];
      pendingRounds: PendingRoundRecord[];
      resolvedRounds: { underlyingId: bigint; block: bigint }[];
      oracleSettings: OracleSettingsRecord[];
      parameters: ParameterRecord[];
    },
    timestamps: ReadonlyMap<bigint, bigint>,
    known: KnownState,
  ): Promise<void> {
    for (const event of events) {
      const { role, name, args, block, logIndex } = event;
      if (role === 'parameters' && name === 'ConfigurationSet') {
        changes.parameters.push({
          underlyingId: integer(args.underlyingId),
          version: integer(args.version),
          block,
          commitment: integer(args.commitment),
          words: (args.words as readonly bigint[]).map(integer),
          terms: args.terms as Record<string, unknown>,
        });
      }
      if (role !== 'oracle' || args.underlyingId === undefined) continue;
      const underlyingId = integer(args.underlyingId);
      if (name === 'RoundAccepted') {
        changes.rounds.push({
          underlyingId,
          number: integer(args.round),
          block,
          timestamp: integer(args.timestamp),
          spot: integer(args.spot),
          volatility: integer(args.volatility),
          underlyingWord: integer(args.underlyingWord),
          expiryWords: (args.expiryWords as readonly bigint[]).map(integer),
          woundDown: false,
        });
      } else if (name === 'WoundDown') {
        // The last round's prices stay under a new number, its expiries go.
        const last =
          changes.rounds.findLast((round) => round.underlyingId === underlyingId) ??
          (await known.newestRound(underlyingId));
        changes.rounds.push({
          underlyingId,
          number: integer(args.round),
          block,
          timestamp: last?.timestamp ?? timestamps.get(block)!,
          spot: integer(args.spot),
          volatility: 0n,
          underlyingWord: last?.underlyingWord ?? 0n,
          expiryWords: Array.from({ length: 8 }, () => 0n),
          woundDown: true,
        });
      } else if (name === 'RoundPending') {
        changes.pendingRounds.push({
          block,
          logIndex,
          underlyingId,
          timestamp: integer(args.timestamp),
          spot: integer(args.spot),
        });
      } else if (name === 'PendingResolved') {
        changes.resolvedRounds.push({ underlyingId, block });
      } else if (name === 'UnderlyingConfigured') {
        const { maxRoundAge } = args.configuration as { maxRoundAge: number };
        changes.oracleSettings.push({ block, logIndex, underlyingId, maxRoundAge: BigInt(maxRoundAge) });
      }
    }
  }

  async #accounts(
    client: PublicClient,
    events: readonly ChainEvent[],
    range: BlockRange,
    changes: { accounts: AccountRecord[]; rounds: readonly RoundRecord[] },
    known: KnownState,
  ): Promise<void> {
    // By account the blocks at which its state is read.
    const touched = new Map<bigint, Set<bigint>>();
    const touch = (id: bigint, block: bigint) => {
      if (id === 0n) return;
      const at = block < range.closeFrom ? lastFar(range) : block;
      touched.set(id, (touched.get(id) ?? new Set()).add(at));
    };
    for (const { role, name, args, block } of events) {
      if (!ACCOUNT_ROLES.includes(role)) continue;
      for (const argument of ACCOUNT_ARGUMENTS) {
        const value = args[argument];
        if (typeof value === 'bigint') touch(value, block);
      }
      if (role === 'clearingHouse' && (name === 'FundPaid' || name === 'SliceMoved' || name === 'FeeCharged'))
        touch(FUND_ACCOUNT, block);
    }
    // Prices move the value of collateral, and so do haircuts. What was worth nothing comes to something by a haircut or by a first price:
    // then nobody can be left out.
    const priced = new Set(changes.rounds.map(({ block }) => block));
    let anybody = false;
    for (const { role, name, block } of events) {
      if (role !== 'vault' || name !== 'HaircutsSet') continue;
      priced.add(block);
      anybody = true;
    }
    for (const underlyingId of new Set(changes.rounds.map((round) => round.underlyingId)))
      anybody ||= (await known.newestRound(underlyingId)) === undefined;
    if (priced.size > 0) {
      const rich = new Set(await (anybody ? known.accounts() : known.accountsWithCollateral()));
      for (const { role, args } of events) {
        if (role !== 'vault') continue;
        for (const name of ['accountId', 'from', 'to']) {
          if (typeof args[name] === 'bigint') rich.add(args[name]);
        }
      }
      for (const id of rich) for (const block of priced) touch(id, block);
    }
    const reads = [...touched].flatMap(([accountId, blocks]) =>
      [...blocks].map((block) => this.#account(client, accountId, block)),
    );
    const read = await Promise.all(reads);
    changes.accounts.push(
      ...read
        .filter((account) => account !== undefined)
        .sort((a, b) => (a.block < b.block ? -1 : a.block > b.block ? 1 : 0)),
    );
  }

  async #account(client: PublicClient, accountId: bigint, block: bigint): Promise<AccountRecord | undefined> {
    const read = <T>(role: IndexedRole, functionName: string, ...further: readonly unknown[]) =>
      client.readContract({
        address: this.#contracts.addresses[role],
        abi: this.#abis[role],
        functionName,
        args: [accountId, ...further],
        blockNumber: block,
      }) as Promise<T>;
    const [account, collateral, feeChargedAt] = await Promise.all([
      read<{
        owner: Address;
        nonce: bigint;
        underlyingId: number;
        commitment: bigint;
        cash: bigint;
        scale: bigint;
        inAuction: boolean;
      }>('clearingHouse', 'getAccount'),
      read<HouseCollateral>('clearingHouse', 'collateralValueOf', false).catch(
        insteadOfNothing(NO_COLLATERAL),
      ),
      read<bigint>('auctionHouse', 'feeChargedAt').catch(insteadOfNothing(0n)),
    ]);
    if (/^0x0{40}$/.test(account.owner)) return undefined;
    return {
      ...account,
      accountId,
      block,
      underlyingId: BigInt(account.underlyingId),
      collateral: collateral.value,
      movingCollateral: collateral.moving,
      saleCollateral: collateral.saleValue,
      feeChargedAt,
    };
  }

  async #openings(
    events: readonly ChainEvent[],
    changes: { openings: OpeningRecord[]; accounts: readonly AccountRecord[] },
    known: KnownState,
  ): Promise<void> {
    const underlyings = new Map<bigint, bigint>();
    const underlyingOf = async (accountId: bigint): Promise<bigint> => {
      const present =
        underlyings.get(accountId) ??
        changes.accounts.find((account) => account.accountId === accountId)?.underlyingId ??
        (await known.account(accountId))?.underlyingId;
      if (present === undefined) throw new ChainMoved();
      underlyings.set(accountId, present);
      return present;
    };
    // Commitments within the range, of accounts that settle.
    const commitments = new Map<bigint, bigint>();
    const openingOf = async (commitment: bigint) =>
      changes.openings.find((opening) => opening.commitment === commitment && opening.status === 'known') ??
      (await known.opening(commitment));
    for (const { role, name, args, block, logIndex } of events) {
      if (role !== 'clearingHouse') continue;
      const accountId = args.accountId as bigint;
      if (name === 'SliceMoved') {
        const vessel = args.vesselId as bigint;
        const commitment = commitments.get(accountId) ?? (await known.account(accountId))?.commitment;
        if (commitment !== undefined) commitments.set(vessel, commitment);
        continue;
      }
      const isTrade = name === 'PositionsPublished' || name === 'PositionsWithheld';
      if (!isTrade && name !== 'Settled') continue;
      const commitment = (isTrade ? args.commitment : args.newCommitment) as bigint;
      const place: OpeningPlace = {
        block,
        logIndex,
        accountId,
        underlyingId: await underlyingOf(accountId),
        nonce: integer(args.nonce),
        commitment,
      };
      if (name === 'PositionsPublished') {
        changes.openings.push(
          await publishedOpening(place, args.legs as readonly bigint[], args.salt as bigint),
        );
      } else if (name === 'PositionsWithheld') {
        changes.openings.push(withheldOpening(place, args.custodian as string));
      } else {
        const earlier = commitments.get(accountId) ?? (await known.account(accountId))?.commitment;
        const before = earlier === undefined ? undefined : await openingOf(earlier);
        changes.openings.push(await settledOpening(place, before, args.expiryHours as readonly number[]));
      }
      commitments.set(accountId, commitment);
    }
  }

  async #auctions(
    client: PublicClient,
    events: readonly ChainEvent[],
    range: BlockRange,
    changes: { auctions: AuctionRecord[] },
    known: KnownState,
  ): Promise<void> {
    const own = events.filter(({ role, args }) => role === 'auctionHouse' && args.accountId !== undefined);
    // Slices and settlements move an account in auction along, too; its figures are those of the auction house.
    if (own.length === 0) return;
    const states = new Map<bigint, AuctionRecord>();
    for (const auction of await known.runningAuctions()) states.set(auction.accountId, auction);
    const written = new Map<string, AuctionRecord>();
    const put = (auction: AuctionRecord) => {
      states.set(auction.accountId, auction);
      written.set(`${auction.accountId}/${auction.number}/${auction.block}`, auction);
    };
    const groups = new Map<string, { accountId: bigint; block: bigint }>();
    for (const { name, args, block } of own) {
      const at = block < range.closeFrom ? lastFar(range) : block;
      const accountId = args.accountId as bigint;
      groups.set(`${accountId}/${at}`, { accountId, block: at });
      if (name === 'AuctionStarted') {
        put({
          accountId,
          number: integer(args.auctionNumber),
          block: at,
          running: true,
          keeper: args.keeper as string,
          figures: figuresOf(args.figures),
        });
      } else if (name === 'AuctionEnded') {
        const present = states.get(accountId);
        if (present === undefined || present.number !== integer(args.auctionNumber)) continue;
        put({ ...present, block: at, running: false, endReason: END_REASONS[Number(args.reason)] });
      }
    }
    await Promise.all(
      [...groups.values()].map(async ({ accountId, block }) => {
        const state = [...written.values()].findLast(
          (auction) => auction.accountId === accountId && auction.block <= block,
        );
        const present = state ?? (await known.runningAuctions()).find((item) => item.accountId === accountId);
        if (present === undefined || !present.running) return;
        const figures = (await client.readContract({
          address: this.#contracts.addresses.auctionHouse,
          abi: this.#abis.auctionHouse,
          functionName: 'auctionOf',
          args: [accountId],
          blockNumber: block,
        })) as { number: bigint };
        if (figures.number !== present.number) return;
        written.set(`${accountId}/${present.number}/${block}`, {
          ...present,
          block,
          figures: figuresOf(figures),
        });
      }),
    );
    changes.auctions.push(...[...written.values()].sort((a, b) => (a.block < b.block ? -1 : 1)));
  }
}

/** While the contracts are being deployed, the first account is there before the last contract is. */
function insteadOfNothing<T>(value: T): (error: unknown) => T {
  const none = (inner: unknown) => inner instanceof ContractFunctionZeroDataError;
  return (error) => {
    if (error instanceof BaseError && error.walk(none) !== null) return value;
    throw error;
  };
}

/** Far from the newest block, states are read at the end of the part of the range that is far. */
function lastFar({ to, closeFrom }: BlockRange): bigint {
  return to < closeFrom ? to : closeFrom - 1n;
}

function saleOf(event: ChainEvent): SaleRecord | undefined {
  const { role, name, args, block, logIndex, transactionHash } = event;
  const kind =
    role === 'engine' && name === 'Liquidated'
      ? 'liquidation'
      : role === 'auctionHouse' && name === 'BidExecuted'
        ? 'bid'
        : role === 'auctionHouse' && name === 'TakenOver'
          ? 'takeover'
          : undefined;
  if (kind === undefined) return undefined;
  const { accountId, vesselId, keeper, bidder, taker, auctionNumber = 0n, round, ...figures } = args;
  return {
    block,
    logIndex,
    kind,
    accountId: integer(accountId),
    vesselId: integer(vesselId),
    taker: (keeper ?? bidder ?? taker) as string,
    auctionNumber: integer(auctionNumber),
    round: integer(round),
    transactionHash,
    figures: figuresOf(figures),
  };
}

/** Logs of a range; a range that an endpoint finds too large is asked for in halves. */
async function logsOf(
  client: PublicClient,
  address: readonly Address[],
  from: bigint,
  to: bigint,
): Promise<Log[]> {
  try {
    return await client.getLogs({ address: [...address], fromBlock: from, toBlock: to });
  } catch (error) {
    const refused =
      error instanceof BaseError && error.walk((inner) => inner instanceof RpcRequestError) !== null;
    if (!refused || from === to) throw error;
    const middle = (from + to) / 2n;
    return [
      ...(await logsOf(client, address, from, middle)),
      ...(await logsOf(client, address, middle + 1n, to)),
    ];
  }
}

/** The range's blocks that are kept: all of the near part, else those with events and the last one. */
async function headersOf(
  client: PublicClient,
  { from, to, closeFrom, before }: BlockRange,
  logs: readonly Log[],
): Promise<Header[]> {
  const numbers = new Set<bigint>([to]);
  if (closeFrom > from && closeFrom <= to) numbers.add(closeFrom - 1n);
  for (const log of logs) numbers.add(log.blockNumber!);
  for (let number = closeFrom > from ? closeFrom : from; number <= to; number++) numbers.add(number);
  const sorted = [...numbers].sort((a, b) => (a < b ? -1 : 1));
  const blocks = await Promise.all(sorted.map((number) => client.getBlock({ blockNumber: number })));
  const records = blocks.map(({ number, hash, parentHash, timestamp, logsBloom }) => ({
    number: number!,
    hash: hash!,
    parentHash,
    timestamp,
    logsBloom,
  }));
  let previous = before;
  for (const block of records) {
    if (previous?.number === block.number - 1n && previous.hash !== block.parentHash) throw new ChainMoved();
    previous = block;
  }
  return records;
}

interface Header extends BlockRecord {
  readonly logsBloom: Hex | null;
}

/**
 * Some endpoints leave logs out without a word: beyond a number of their own, or while they still index a block. Blocks whose
 * header speaks of a contract that no log is of, and the block of the last log, are asked for by themselves.
 *
 * @throws EndpointFault when there is more than was told
 */
async function requireAllLogs(
  client: PublicClient,
  addresses: readonly Address[],
  headers: readonly Header[],
  logs: readonly Log[],
): Promise<void> {
  const told = new Map<bigint, Log[]>();
  for (const log of logs) told.set(log.blockNumber!, [...(told.get(log.blockNumber!) ?? []), log]);
  const last = logs.at(-1)?.blockNumber;
  const doubtful = headers.filter(({ number, logsBloom }) => {
    const found = new Set((told.get(number) ?? []).map(({ address }) => address.toLowerCase()));
    return (
      number === last ||
      addresses.some((address) => !found.has(address.toLowerCase()) && mayHaveLogged(logsBloom, address))
    );
  });
  await Promise.all(
    doubtful.map(async ({ number, hash }) => {
      const all = await client.getLogs({ address: [...addresses], blockHash: hash as Hex });
      if (all.length !== (told.get(number)?.length ?? 0)) {
        throw new EndpointFault(`it left out logs of block ${number}`);
      }
    }),
  );
}

function integer(value: unknown): bigint {
  return BigInt(value as bigint | number);
}

/** A decoded struct as plain figures. */
function figuresOf(value: unknown): Figures {
  const plain = (item: unknown): string | boolean | Figures => {
    if (typeof item === 'object' && item !== null) return figuresOf(item);
    return typeof item === 'boolean' ? item : String(item);
  };
  return Object.fromEntries(
    Object.entries(value as Record<string, unknown>).map(([name, item]) => [name, plain(item)]),
  );
}

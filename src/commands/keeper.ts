/** `zkmargin keeper`: liquidates at a profit. */
import type { Command } from 'commander';
import type { PrivateKeyAccount } from 'viem/accounts';
import { KEEPER_KEY_SETTINGS, type KeeperKeySettings, keeperConfiguration } from '../configuration/index.ts';
import { ZkMarginError } from '../errors.ts';
import type { KeeperDocument } from '../input/keeper.ts';
import type { KeeperEvent } from '../keeper/events.ts';
import type { RunningKeeper } from '../keeper/index.ts';
import { readDocument, writeLine } from './io.ts';
import { runUntilSignal } from './process.ts';
import { addSettings, readSettings } from './settings.ts';

const HELP = `
The key is one of ZKMARGIN_KEEPER_KEY, ZKMARGIN_KEEPER_KEY_FILE (--key-file) and ZKMARGIN_KEEPER_KEYSTORE (--keystore), and never printed.
docs/keeper.md says what the keeper decides, docs/configuration.md has all settings; zkmargin schema keeper prints the schema of the
document.

Example:
  $ ZKMARGIN_KEEPER_KEY_FILE=keeper.key zkmargin keeper keeper.json --dry-run`;

/** What is being sent has so long to end, in milliseconds. */
const KEEPER_CLOSE_MS = 45_000;

/** An event as text: what is done and what is left alone. Passes say nothing unless something is chosen. */
function lineOf(event: KeeperEvent): string | undefined {
  const usd = (amount: bigint): string => `${(Number(amount) / 1e6).toFixed(2)} USD`;
  switch (event.type) {
    case 'pass':
      return undefined;
    case 'declined':
      return `leaves account ${event.declined.accountId} alone: ${event.declined.reason}`;
    case 'chosen':
      return `${event.kind} of account ${event.accountId}, ${usd(event.profit.net)} expected`;
    case 'proven':
      return `${event.kind} of account ${event.accountId} proven in ${(event.ms / 1000).toFixed(1)} s`;
    case 'wouldSend':
      return `would send ${event.kind} of account ${event.accountId}${event.refused ? `; refused: ${event.refused}` : ''}`;
    case 'abandoned':
      return `gives ${event.kind} of account ${event.accountId} up: ${event.reason}`;
    case 'finished':
      return `${event.kind} of account ${event.accountId} ${event.end}, gas ${usd(event.gasCost)}`;
    case 'sealedBid':
      return `sealed bid for account ${event.accountId} ${event.state}`;
    case 'sealedBidUnknown':
      return `cannot open its sealed bid for account ${event.accountId}: put the journal back that it was made with before ${new Date(Number(event.revealEnd) * 1_000).toISOString()}, or its bond of ${usd(event.bond)} is lost`;
    case 'passFailed':
      return `${event.loop === 'feed' ? 'cannot look' : 'cannot follow sealed bids'}: ${event.reason}`;
    case 'stopped':
      return 'stopped';
    case 'transaction': {
      const { event: inner } = event;
      const why = 'reason' in inner && inner.reason !== '' ? `: ${inner.reason}` : '';
      return `transaction ${'hash' in inner ? `${inner.hash} ` : ''}${inner.type}${why}`;
    }
  }
}

/** What is said at the start. Of the service's URL, the host: the rest may hold credentials. */
export function startLine(
  keeper: string,
  chainId: number,
  { service }: Pick<KeeperDocument, 'service'>,
): string {
  return `keeper ${keeper} works on chain ${chainId} with ${new URL(service).host}`;
}

/** The document of a keeper: what its settings say of its fields. @throws ZkMarginError of its shape */
async function documentOf(values: Readonly<Record<string, unknown>>): Promise<KeeperDocument> {
  const { readKeeperDocument } = await import('../keeper/configuration.ts');
  const keys: readonly string[] = KEEPER_KEY_SETTINGS;
  const fields = Object.entries(values).filter(
    ([name, value]) => value !== undefined && !keys.includes(name),
  );
  return readKeeperDocument(Object.fromEntries(fields));
}

/** The key that settings name. @throws KeeperError as `loadKeeperAccount` */
async function accountOf(values: KeeperKeySettings): Promise<PrivateKeyAccount> {
  const { keySourceFromEnvironment, loadKeeperAccount } = await import('../keeper/keys.ts');
  const environment = {
    ZKMARGIN_KEEPER_KEY: values.key,
    ZKMARGIN_KEEPER_KEY_FILE: values.keyFile,
    ZKMARGIN_KEEPER_KEYSTORE: values.keystore,
    ZKMARGIN_KEEPER_KEYSTORE_PASSWORD: values.keystorePassword,
    ZKMARGIN_KEEPER_KEYSTORE_PASSWORD_FILE: values.keystorePasswordFile,
  };
  return loadKeeperAccount(keySourceFromEnvironment(environment), environment);
}

/** Adds the command to a program. */
export function registerKeeper(program: Command): void {
  const command = program
    .command('keeper')
    .description('liquidate accounts at a profit, by proofs of the service')
    .argument('[file]', 'how the keeper works, as JSON, or - for standard input; the same as --config')
    .addHelpText('after', HELP);
  addSettings(command, keeperConfiguration, 'print every event, or the settings, as JSON');
  command.action(async (file: string | undefined, options: { config?: string; json?: boolean }) => {
    if (file !== undefined && options.config !== undefined) {
      throw new ZkMarginError('CONFLICT', 'Name one file: as the argument or by --config.', {
        field: 'config',
      });
    }
    const read = file === undefined ? undefined : { name: file, document: await readDocument(file) };
    const settings = readSettings(command, keeperConfiguration, read);
    if (settings === undefined) return;
    const { values } = settings;
    // Checked as a whole as well, before anything is begun.
    const document = await documentOf(values);
    await runUntilSignal(async () => {
      const keeper = await startKeeper(document, values, options.json === true);
      return { close: () => keeper.stop() };
    }, KEEPER_CLOSE_MS);
  });
}

async function startKeeper(
  document: KeeperDocument,
  keys: KeeperKeySettings,
  json: boolean,
): Promise<RunningKeeper> {
  const [
    { createPublicClient, http },
    { readAddressBook },
    { contractsOfBook },
    { loadProtocolAbis },
    { ServiceClient },
    { ServiceFeed },
    { runKeeper },
    { DEFAULT_FEES },
    { FileJournal },
    { metricsOf, strategyOf },
  ] = await Promise.all([
    import('viem'),
    import('../chain/address-book.ts'),
    import('../chain/indexer/contracts.ts'),
    import('../chain/artifacts.ts'),
    import('../client/index.ts'),
    import('../keeper/service-feed.ts'),
    import('../keeper/index.ts'),
    import('../keeper/transactions/fees.ts'),
    import('../keeper/transactions/file-journal.ts'),
    import('../keeper/configuration.ts'),
  ]);
  const account = await accountOf(keys);
  const book = readAddressBook(document.book);
  if (book === undefined) {
    throw new ZkMarginError('NOT_FOUND', `Deploy first: there is no address book ${document.book}.`, {
      field: 'book',
    });
  }
  const { chainId, addresses: contracts } = contractsOfBook(book);
  const sealedBids = book.contracts.sealedBids?.address;
  const metrics = metricsOf(document);
  const keeper = await runKeeper({
    feed: new ServiceFeed(new ServiceClient({ url: document.service, token: keys.apiKey }), {
      keeper: account.address,
    }),
    client: createPublicClient({ transport: http(document.rpc) }),
    chainId,
    account,
    contracts: { ...contracts, ...(sealedBids && { sealedBids }) },
    abis: loadProtocolAbis(),
    vessels: document.vessels.map(BigInt),
    strategy: strategyOf(document),
    nativePrice: () => BigInt(Math.round(document.nativePriceUsd * 1e6)),
    journal: await FileJournal.open(document.journal),
    dryRun: document.dryRun ?? false,
    ...(metrics && { metrics }),
    ...(document.maxFeedAgeSeconds !== undefined && {
      maxFeedAgeSeconds: BigInt(document.maxFeedAgeSeconds),
    }),
    ...(document.concurrency !== undefined && { concurrency: document.concurrency }),
    ...(document.pollMs !== undefined && { pollMs: document.pollMs }),
    transactions: {
      ...(document.relay !== undefined && { relayUrl: document.relay }),
      ...(document.confirmations !== undefined && { confirmations: document.confirmations }),
      ...(document.maxFeeGwei !== undefined && {
        fees: { ...DEFAULT_FEES, maxFeePerGas: BigInt(Math.round(document.maxFeeGwei * 1e9)) },
      }),
    },
    onEvent: (event) => {
      if (json) {
        const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
        writeLine(JSON.stringify({ time: new Date().toISOString(), ...event }, plain));
        return;
      }
      const line = lineOf(event);
      if (line !== undefined) writeLine(`${new Date().toISOString()} ${line}`);
    },
  });
  if (!json) {
    writeLine(startLine(account.address, chainId, document));
    if (keeper.metricsUrl !== undefined) writeLine(`its metrics are at ${keeper.metricsUrl}/metrics`);
  }
  return keeper;
}

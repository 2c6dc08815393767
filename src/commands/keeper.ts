/** `zkmargin keeper`: liquidates at a profit. */
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';
import type { KeeperEvent } from '../keeper/events.ts';
import { readDocument, writeLine } from './io.ts';

const HELP = `
The key is read from one of ZKMARGIN_KEEPER_KEY, ZKMARGIN_KEEPER_KEY_FILE and ZKMARGIN_KEEPER_KEYSTORE, and never printed.
docs/keeper.md says what the keeper decides; zkmargin schema keeper prints the schema of the document.

Example:
  $ ZKMARGIN_KEEPER_KEY_FILE=keeper.key zkmargin keeper keeper.json --dry-run
`;

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
    case 'passFailed':
      return `cannot look: ${event.reason}`;
    case 'stopped':
      return 'stopped';
    case 'transaction': {
      const { event: inner } = event;
      const why = 'reason' in inner && inner.reason !== '' ? `: ${inner.reason}` : '';
      return `transaction ${'hash' in inner ? `${inner.hash} ` : ''}${inner.type}${why}`;
    }
  }
}

/** Adds the command to a program. */
export function registerKeeper(program: Command): void {
  program
    .command('keeper')
    .description('liquidate accounts at a profit, by proofs of the service')
    .argument('<file>', 'how the keeper works, as JSON, or - for standard input')
    .option('--dry-run', 'decide, prove and simulate, but send nothing')
    .option('--json', 'print every event as one line of JSON')
    .addHelpText('after', HELP)
    .action(async (file: string, options: { dryRun?: boolean; json?: boolean }) => {
      const [
        { readKeeperDocument, strategyOf },
        { loadKeeperAccount, keySourceFromEnvironment },
        { FileJournal },
      ] = await Promise.all([
        import('../keeper/configuration.ts'),
        import('../keeper/keys.ts'),
        import('../keeper/transactions/file-journal.ts'),
      ]);
      const document = readKeeperDocument(await readDocument(file));
      const account = await loadKeeperAccount(keySourceFromEnvironment());
      const [
        { createPublicClient, http },
        { readAddressBook },
        { contractsOfBook },
        { loadProtocolAbis },
        { ServiceClient },
        { ServiceFeed },
        { runKeeper },
        { DEFAULT_FEES },
      ] = await Promise.all([
        import('viem'),
        import('../chain/address-book.ts'),
        import('../chain/indexer/contracts.ts'),
        import('../chain/artifacts.ts'),
        import('../client/index.ts'),
        import('../keeper/service-feed.ts'),
        import('../keeper/index.ts'),
        import('../keeper/transactions/fees.ts'),
      ]);
      const book = readAddressBook(document.book);
      if (book === undefined) {
        throw new ZkMarginError('NOT_FOUND', `Deploy first: there is no address book ${document.book}.`, {
          field: 'book',
        });
      }
      const { chainId, addresses: contracts } = contractsOfBook(book);
      const apiKey = process.env.ZKMARGIN_API_KEY || undefined;
      const keeper = await runKeeper({
        feed: new ServiceFeed(new ServiceClient({ url: document.service, token: apiKey })),
        client: createPublicClient({ transport: http(document.rpc) }),
        chainId,
        account,
        contracts,
        abis: loadProtocolAbis(),
        vessels: document.vessels.map(BigInt),
        strategy: strategyOf(document),
        nativePrice: () => BigInt(Math.round(document.nativePriceUsd * 1e6)),
        journal: await FileJournal.open(document.journal),
        dryRun: options.dryRun ?? document.dryRun ?? false,
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
          if (options.json) {
            const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
            writeLine(JSON.stringify({ time: new Date().toISOString(), ...event }, plain));
            return;
          }
          const line = lineOf(event);
          if (line !== undefined) writeLine(`${new Date().toISOString()} ${line}`);
        },
      });
      if (!options.json) {
        writeLine(`keeper ${account.address} works on chain ${chainId} with ${document.service}`);
      }
      const stop = (): void => {
        void keeper.stop().then(
          () => process.exit(0),
          (error: unknown) => {
            console.error(error instanceof ZkMarginError ? error.message : 'the keeper did not stop cleanly');
            process.exit(1);
          },
        );
      };
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
    });
}

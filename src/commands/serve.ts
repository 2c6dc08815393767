/** `zkmargin serve`: the service: prover, and with a chain the indexer, the risk monitor and the API over them. */
import type { Command } from 'commander';
import { type Resolved, type ServeSettings, serveConfiguration } from '../configuration/index.ts';
import { ZkMarginError } from '../errors.ts';
import type { StartOptions } from '../service/index.ts';
import { writeLine } from './io.ts';
import { runUntilSignal } from './process.ts';
import { addSettings, readSettings } from './settings.ts';
import { storeOf } from './store-settings.ts';
import { warn } from './warn.ts';

const HELP = `
Settings come from flags, variables, and a JSON file (--config), in this order: docs/configuration.md has them all, zkmargin schema serve
the schema of the file.

Jobs are kept in a directory (--store), or in PostgreSQL when DATABASE_URL is set; what was accepted survives the end of any process.
With PostgreSQL, zkmargin prover proves on other machines, and --workers 0 leaves all proofs to them.

With --rpc and --book it follows the chain: accounts, rounds and auctions go into the store, every round margins all accounts, and
the API tells of them. Several endpoints stand in for one another. Catching up with an old chain takes an endpoint that
keeps old states.

Secrets have no flags: DATABASE_URL, ZKMARGIN_API_KEYS and ZKMARGIN_ALERT_SECRET, or files that variables with _FILE name.

Examples:
  $ zkmargin serve                                      (proves what it is asked for, on 127.0.0.1:8080)
  $ zkmargin serve --rpc http://127.0.0.1:8545 --book addresses.json
  $ zkmargin serve --config serve.json --print-config   (what is in force, and where it comes from)`;

type Serve = Resolved<(typeof serveConfiguration)['settings']>;

/** The chain to follow; undefined for none. @throws ZkMarginError `MALFORMED` for endpoints without contracts, or the other way */
function chainOf({ rpc, book, ...values }: ServeSettings): StartOptions['chain'] {
  if (rpc === undefined && book === undefined) return undefined;
  if (rpc === undefined || book === undefined) {
    throw new ZkMarginError('MALFORMED', 'Give rpc and book together, or neither.', {
      field: rpc === undefined ? 'rpc' : 'book',
    });
  }
  return {
    rpc,
    book,
    startBlock: values.startBlock === undefined ? undefined : BigInt(values.startBlock),
    confirmations: values.confirmations,
    pollMs: values.rpcPollMs,
    maxLagBlocks: values.maxLagBlocks,
    rpcTimeoutMs: values.rpcTimeoutMs,
  };
}

/** What {@link startService} is given. */
async function startOptionsOf(resolved: Serve): Promise<StartOptions> {
  const { values } = resolved;
  const [{ apiKeysOf }, { circuitNames, keyPlacesOf }, { backendOf }] = await Promise.all([
    import('../service/access.ts'),
    import('../service/circuits.ts'),
    import('../proof/prover/backends.ts'),
  ]);
  const store = storeOf(resolved);
  if (values.workers === 0 && store.url === undefined) {
    throw new ZkMarginError('UNSUPPORTED', 'Use a process at least: nobody else proves jobs of this store.', {
      field: 'workers',
    });
  }
  const chain = chainOf(values);
  const keys = keyPlacesOf(values);
  return {
    host: values.host,
    port: values.port,
    store,
    circuits: await circuitNames(values.circuits, keys),
    keys,
    workers: values.workers,
    backend: backendOf(values),
    queue: { capacity: values.capacity, maxJobsPerClient: values.maxJobsPerClient },
    maxJobMs: values.maxJobSeconds * 1000,
    maxWaiting: values.maxWaiting,
    maxWaitingPerClient: values.maxWaitingPerClient,
    maxListenersPerClient: values.maxListenersPerClient,
    closeGraceMs: values.closeSeconds * 1000,
    stallMs: values.stallSeconds * 1000,
    access: {
      keys: values.apiKeys === undefined ? undefined : apiKeysOf(values.apiKeys),
      requestsPerMinute: values.rateLimit,
    },
    ...(chain && { chain }),
    speculation: values.speculation,
    alerts: {
      webhooks: values.alertWebhooks,
      secret: values.alertSecret,
      minimumSeverity: values.alertSeverity,
      reminderSeconds: values.alertReminderSeconds,
    },
    onWarning: warn,
  };
}

/** What is said of a service that others than this machine may reach while nobody needs a key; undefined for any other. */
export function openWarning({ host, apiKeys }: Pick<ServeSettings, 'host' | 'apiKeys'>): string | undefined {
  const loopback = /^(localhost|127(\.\d+){3}|::1|::ffff:127(\.\d+){3})$/i.test(host);
  if (apiKeys !== undefined || loopback) return undefined;
  return `Whoever reaches ${host} may do everything: set API keys (ZKMARGIN_API_KEYS_FILE), or guard the port otherwise.`;
}

/** Adds the command to a program. */
export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('start the service: proofs, and with a chain its accounts, risk and liquidations')
    .addHelpText('after', HELP);
  addSettings(command, serveConfiguration, 'with --print-config, print JSON; tell an error as JSON');
  command.action(async () => {
    const settings = readSettings(command, serveConfiguration);
    if (settings === undefined) return;
    const warning = openWarning(settings.values);
    if (warning !== undefined) process.stderr.write(`${warning}\n`);
    await runUntilSignal(async (signal) => {
      const options = await startOptionsOf(settings);
      const { startService } = await import('../service/index.ts');
      const service = await startService({ ...options, signal });
      const who =
        settings.values.workers === 0 ? 'other processes prove' : `it proves with ${service.backend.name}`;
      writeLine(
        `zkmargin serves on ${service.url}; ${who}; its description is at ${service.url}/openapi.json`,
      );
      return service;
    }, settings.values.closeSeconds * 1000);
  });
}

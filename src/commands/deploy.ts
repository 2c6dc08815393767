/** `zkmargin deploy`: the contracts of a protocol. */
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';
import { printJson, readDocument, writeLine } from './io.ts';

/** Name of the environment variable with the deployer's key. */
const KEY_VARIABLE = 'ZKMARGIN_DEPLOYER_KEY';

const HELP = `
The deployer's private key is read from ${KEY_VARIABLE} and never printed. What an earlier run has done, by the address
book, is kept: run the same command again after an interruption. On chains other than local ones (31337, 1337) verifiers must
be those of a public ceremony, and a timelock with named governors takes over all contracts.

Amounts are whole digits in 1e-6 units, shares in basis points (1200 is 12 %), delays in seconds.

A document (zkmargin schema deployment prints its schema):
  {"parameterDelaySeconds": 172800,
   "underlyings": [{"symbol": "BTC", "sources": ["0x...", "0x...", "0x..."]}],
   "asset": "0x...", "fundCap": "1000000000000",
   "collateral": [{"token": "0x...", "symbol": "BTC", "haircutBps": 1200, "crossHaircutBps": 3400, "cap": "500000000"}],
   "governance": {"governors": ["0x..."], "delaySeconds": 172800}}

Example:
  $ ${KEY_VARIABLE}=0x... zkmargin deploy deployment.json --rpc http://127.0.0.1:8545 --book addresses.json`;

/** Adds the command to a program. */
export function registerDeploy(program: Command): void {
  program
    .command('deploy')
    .description('deploy and wire the contracts, and hand them to their governors')
    .argument('<file>', 'what to deploy, as JSON, or - for standard input')
    .requiredOption('--rpc <url>', 'JSON-RPC of the chain, over HTTP')
    .requiredOption('--book <file>', 'address book; made when absent')
    .option('--json', 'print the addresses as JSON, and progress on standard error')
    .addHelpText('after', HELP)
    .action(async (file: string, options: { rpc: string; book: string; json?: boolean }) => {
      const key = process.env[KEY_VARIABLE];
      if (key === undefined || !/^0x[0-9a-fA-F]{64}$/.test(key)) {
        throw new ZkMarginError(
          'MALFORMED',
          `Give the deployer's private key in ${KEY_VARIABLE}, as 0x and 64 digits.`,
        );
      }
      if (!URL.canParse(options.rpc) || !/^https?:/i.test(options.rpc)) {
        // Not repeated: it may hold a key.
        throw new ZkMarginError(
          'MALFORMED',
          'Give the URL of a JSON-RPC endpoint: http://... or https://...',
          {
            field: 'rpc',
          },
        );
      }
      const [{ createWalletClient, http }, { privateKeyToAccount }, { deploymentOptions }] =
        await Promise.all([
          import('viem'),
          import('viem/accounts'),
          import('../chain/deployment-document.ts'),
        ]);
      const wanted = deploymentOptions(await readDocument(file));
      const [{ buildContracts }, { deployProtocol }] = await Promise.all([
        import('../chain/build.ts'),
        import('../chain/deploy.ts'),
      ]);
      const say = (line: string): void => {
        if (options.json) process.stderr.write(`${line}\n`);
        else writeLine(line);
      };
      say('building the contracts');
      await buildContracts();
      const wallet = createWalletClient({
        account: privateKeyToAccount(key as `0x${string}`),
        transport: http(options.rpc),
      });
      const deployment = await deployProtocol(wallet, {
        ...wanted,
        addressBook: options.book,
        onStep: ({ name, action }) => say(`  ${action.padEnd(6)} ${name}`),
      });
      const { gasUsed, verifiers, ...addresses } = deployment;
      if (options.json) {
        printJson({ ...addresses, verifiers, gasUsed: String(gasUsed) });
        return;
      }
      writeLine('');
      for (const [role, place] of Object.entries({ ...addresses, ...verifiers }))
        writeLine(`${role.padEnd(22)} ${place}`);
      writeLine(`\n${gasUsed.toLocaleString('en-US')} gas; the address book is ${options.book}`);
    });
}

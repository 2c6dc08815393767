/** `zkmargin serve`: the prover service. */
import { type Command, InvalidArgumentError } from 'commander';
import { writeLine } from './io.ts';

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new InvalidArgumentError('Use a port from 0 to 65535.');
  }
  return value;
}

/** Adds the command to a program. */
export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('start the prover service')
    .option('--host <address>', 'address to listen on; there is no authentication', '127.0.0.1')
    .option('--port <number>', 'port, 0 for a free one', port, 8080)
    .action(async (options: { host: string; port: number }) => {
      const { startService } = await import('../service/index.ts');
      const service = await startService(options);
      writeLine(`zkmargin serves on ${service.url}; its description is at ${service.url}/openapi.json`);
      const stop = (): void => {
        void service.close().then(() => process.exit(0));
      };
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
    });
}

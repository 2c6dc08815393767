/** A local chain for demonstrations and tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type HDAccount, mnemonicToAccount } from 'viem/accounts';
import { foundryBinary } from './binaries.ts';
import { ChainError } from './errors.ts';

/** The mnemonic of the funded accounts, known to everybody: for local chains alone. */
const LOCAL_MNEMONIC = 'test test test test test test test test test test test junk';

/** How a local chain starts. */
export interface AnvilOptions {
  /** 31337 unless given. */
  readonly chainId?: number;
  /** Number of funded accounts; 10 unless given. */
  readonly accounts?: number;
  /** Time of the first block, in seconds since 1970-01-01 UTC; now unless given. */
  readonly timestamp?: number | bigint;
  /** How long the start may take, in milliseconds; 20,000 unless given. */
  readonly timeoutMs?: number;
}

/** A running local chain. */
export interface Anvil {
  /** JSON-RPC over HTTP, on the loopback interface. */
  readonly url: string;
  readonly port: number;
  readonly chainId: number;
  /** Each has 10,000 ether. */
  readonly accounts: readonly HDAccount[];
  /** Id of the process. */
  readonly pid: number;
  /** Ends the process, and resolves when it has ended. Calling again does no harm. */
  stop(): Promise<void>;
}

/**
 * Starts anvil on a free port and waits until it accepts requests. It ends with {@link Anvil.stop}, and with this
 * process at the latest.
 *
 * @throws ChainError `ANVIL_FAILED`, `BINARY_MISSING`
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { chainId = 31_337, accounts = 10, timestamp, timeoutMs = 20_000 } = options;
  const parameters = ['--host', '127.0.0.1', '--port', '0', '--chain-id', String(chainId)];
  parameters.push(
    '--accounts',
    String(accounts),
    '--mnemonic',
    LOCAL_MNEMONIC,
    '--hardfork',
    'prague',
    '--disable-code-size-limit',
  );
  if (timestamp !== undefined) parameters.push('--timestamp', String(timestamp));
  const child = spawn(foundryBinary('anvil'), parameters, { stdio: ['ignore', 'pipe', 'pipe'] });

  const release = endWithThisProcess(child);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  }).then(release);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 3_000);
      await ended;
      clearTimeout(late);
    }
    await ended;
  };

  try {
    const port = await listeningPort(child, timeoutMs);
    // The pipes stay open for the life of the process: read and drop what comes.
    child.stdout.resume();
    child.stderr.resume();
    return {
      url: `http://127.0.0.1:${port}`,
      port,
      chainId,
      accounts: Array.from({ length: accounts }, (_, addressIndex) =>
        mnemonicToAccount(LOCAL_MNEMONIC, { addressIndex }),
      ),
      pid: child.pid!,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The port that anvil reports once it listens. */
function listeningPort(
  child: ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream },
  timeoutMs: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (message: string, cause?: unknown): void => {
      clearTimeout(timer);
      reject(new ChainError('ANVIL_FAILED', message, { output: output.slice(-2_000) }, { cause }));
    };
    const timer = setTimeout(() => fail(`anvil did not listen within ${timeoutMs} ms.`), timeoutMs);
    const onData = (chunk: Buffer | string): void => {
      output += String(chunk);
      const match = /Listening on 127\.0\.0\.1:(\d+)\b[^\n]*\n/.exec(output);
      if (match === null) return;
      clearTimeout(timer);
      child.stdout.off('data', onData);
      child.stderr.off('data', onData);
      resolve(Number(match[1]));
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.once('error', (error) => fail(`anvil could not be run: ${error.message}`, error));
    child.once('exit', (code, signal) => fail(`anvil ended with ${code ?? signal} before it listened.`));
  });
}

/** Kills the child when this process ends, on its own account or by a signal. Returns the undoing. */
function endWithThisProcess(child: ChildProcess): () => void {
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const onSignal = (signal: NodeJS.Signals): void => {
    kill();
    release();
    // Without another listener the signal must still do what it does by default.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  const release = (): void => {
    process.off('exit', kill);
    for (const signal of signals) process.off(signal, onSignal);
  };
  process.on('exit', kill);
  for (const signal of signals) process.on(signal, onSignal);
  return release;
}

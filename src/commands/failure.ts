/** How commands tell of a failure: as text, or with `--json` as one line of JSON. Both go to standard error. */
import { type Command, CommanderError } from 'commander';
import { ChainError } from '../chain/errors.ts';
import { type ErrorDetail, errorToData, ZkMarginError } from '../errors.ts';
import { KeeperError } from '../keeper/errors.ts';
import { ProofError } from '../proof/errors.ts';

/** What is printed of a failure with `--json`. */
export interface Failure {
  /** Stable: one of the project's codes, or that of the operating system or Node, as `ENOENT`. */
  readonly code: string;
  /** For people; it may change. */
  readonly message: string;
  /** Path in the document, name of the setting, or the argument or flag. */
  readonly field?: string;
  /** Figures of the error, by its code. */
  readonly details?: Readonly<Record<string, ErrorDetail>>;
}

/** Codes as the project, Node and the operating system have them; a node's answers have numbers, which say little. */
const CODE = /^[A-Z][A-Z0-9_]*$/;

/** Whether this process was called with `--json`. It belongs to the process, as its standard error does. */
let asJson = false;

/** True for arguments that ask for JSON. What follows `--` are no options. */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).includes('--json');
}

/**
 * Lets a program and the commands that are added to it tell of wrong usage as {@link tellFailure} does. Errors of usage come as
 * `CommanderError`, for {@link exitCodeOf}.
 *
 * @param args what follows the program's name
 */
export function tellFailuresOf(program: Command, args: readonly string[]): void {
  asJson = asksForJson(args);
  program.exitOverride().configureOutput({
    // Help after an error, and in place of a missing command.
    writeErr: (text) => {
      if (!asJson) process.stderr.write(text);
    },
    outputError: (text, write) => write(withoutValue(text)),
  });
  // The word may have been the value of another option.
  program.hook('preAction', (_program, command) => {
    asJson = (command.opts() as { json?: boolean }).json === true;
  });
}

/**
 * Writes what was thrown to standard error: text, or one line of JSON when the process was called with `--json`.
 *
 * @param text in place of code, field and message; JSON has these always
 */
export function tellFailure(error: unknown, text = textOf(error)): void {
  process.stderr.write(`${asJson ? JSON.stringify(failureOf(error)) : text}\n`);
}

/**
 * Tells of what a program threw, unless it has been told, and gives the exit code of the process: 0 after help and version.
 */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof CommanderError)) {
    tellFailure(error);
    return 1;
  }
  // As text, the parser has told it.
  if (error.exitCode !== 0 && asJson) tellFailure(error);
  return error.exitCode;
}

/** A failure as plain data. Of what others throw, the code and {@link textOfError} alone: the rest may hold a key. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) return usageFailure(error);
  const { name, ...data } = errorToData(error);
  if (error instanceof ZkMarginError) return data;
  const { code } = (error ?? {}) as { code?: unknown };
  return {
    code:
      typeof code === 'string' && CODE.test(code) ? code : isOfNode(error) ? 'CHAIN_UNAVAILABLE' : data.code,
    message: data.message,
    ...layerDetails(error),
  };
}

/** Names of viem's errors of requests: a node that is not reached, is slow, or refuses what it was asked. */
const OF_NODE = new Set(['HttpRequestError', 'WebSocketRequestError', 'RpcRequestError', 'TimeoutError']);

/** True for an error of a request to a node, also where others were made of it. */
function isOfNode(error: unknown): boolean {
  let cause = error;
  for (let depth = 0; depth < 8 && cause instanceof Error; depth++, cause = cause.cause) {
    if ('shortMessage' in cause && OF_NODE.has(cause.name)) return true;
  }
  return false;
}

/** Details of a layer's own error. Those of clients of nodes have details as well, which may quote a URL. */
function layerDetails(error: unknown): Pick<Failure, 'field' | 'details'> {
  if (!(error instanceof ProofError || error instanceof ChainError || error instanceof KeeperError))
    return {};
  const { field, ...details } = error.details;
  return {
    ...(typeof field === 'string' && { field }),
    ...(Object.keys(details).length > 0 && { details }),
  };
}

/** Wrong usage. The parser's reason, as `unknownOption`, is a detail; the option or argument is the field. */
function usageFailure({ code, message }: CommanderError): Failure {
  const reason = code.replace(/^commander\./, '');
  const text = withoutValue(message)
    .replace(/^error: /, '')
    .replace(/\s+/g, ' ');
  const quoted = /'([^']*)'/.exec(text)?.[1];
  // An option is quoted with its value's name, as in --circuit <name>.
  const field = /--[^\s=,]+/.exec(quoted ?? '')?.[0] ?? (reason === 'missingArgument' ? quoted : undefined);
  return { code: 'MALFORMED', message: text, ...(field !== undefined && { field }), details: { reason } };
}

/** A message of the parser without the value of an option that it does not know: it may be a key. */
function withoutValue(text: string): string {
  return text.replace(/^(error: unknown option '[^'=]+)=[\s\S]*'/, "$1=…'");
}

function textOf(error: unknown): string {
  const { code, message } = failureOf(error);
  const field = error instanceof ZkMarginError ? error.field : undefined;
  return `${code}${field ? ` (${field})` : ''}: ${message}`;
}

import { join } from 'node:path';
import { includeFolders, runCli } from '../compile.ts';
import { ProofError } from '../errors.ts';
import { exists, projectRoot } from '../files.ts';
import type { InspectAllowance } from './report.ts';

/** A warning of `circom --inspect`: signals that no constraint of their template mentions. */
export interface InspectWarning {
  /** Code of the compiler, such as CA01. */
  readonly code: string;
  /** Template with its parameters. */
  readonly template: string;
  /** The signal, indices of components as `[*]`; the whole message when it has an unknown form. */
  readonly signal: string;
  /** How many signals the warning speaks of. */
  readonly unused: number;
  /** The compiler's message. */
  readonly message: string;
}

/**
 * Run the compiler's inspection over `circuits/main/<name>.circom`.
 *
 * @throws {ProofError} `CIRCUIT_NOT_FOUND`, or `CIRCUIT_COMPILE_FAILED` with the compiler's text.
 */
export async function inspectCircuit(name: string, signal?: AbortSignal): Promise<InspectWarning[]> {
  const source = `circuits/main/${name}.circom`;
  if (!/^[A-Za-z0-9_-]+$/.test(name) || !(await exists(join(projectRoot, source)))) {
    throw new ProofError('CIRCUIT_NOT_FOUND', `no circuit source ${source}`, { circuit: name });
  }
  return inspectFile(source, signal);
}

/** As {@link inspectCircuit}, for any source below the project's root; the path is relative to it. */
export async function inspectFile(path: string, signal?: AbortSignal): Promise<InspectWarning[]> {
  const { code, output } = await runCli(
    [path, '--inspect', ...includeFolders.flatMap((folder) => ['-l', folder])],
    signal,
  );
  if (signal?.aborted) throw new ProofError('CANCELLED', `inspection of ${path} was cancelled`);
  // The WASM build ends with 0 after some errors too; its last line tells.
  if (code !== 0 || !output.includes('Everything went okay')) {
    throw new ProofError('CIRCUIT_COMPILE_FAILED', `${path} does not compile:\n${output.trim()}`, { output });
  }
  return parseWarnings(output);
}

/** Warnings in the compiler's output, in its order. */
export function parseWarnings(output: string): InspectWarning[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colour codes start with ESC
  const plain = output.replace(/\u001b\[[0-9;]*m/g, '');
  return [...plain.matchAll(/^warning\[([^\]]+)\]: (.*)$/gm)].map(([, code, message]) => {
    const [, template, rest] = /^In template "([^"]*)": (.*)$/.exec(message!) ?? ['', '', message!];
    const array =
      /^Array of (?:local|subcomponent input\/output) signals (\S+) contains a total of (\d+) signals/;
    const single = /^(?:Local|Subcomponent input\/output) signal (\S+) does not appear/;
    const [, arrayName, count] = array.exec(rest!) ?? [];
    const [, singleName] = single.exec(rest!) ?? [];
    return {
      code: code!,
      template: template!,
      signal: (arrayName ?? singleName)?.replace(/\[\d+\](?=\.)/g, '[*]') ?? rest!,
      unused: count === undefined ? 1 : Number(count),
      message: message!,
    };
  });
}

/** True when an allowance speaks of a warning. */
export function allows(allowance: InspectAllowance, warning: InspectWarning): boolean {
  const parts = allowance.template.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return (
    new RegExp(`^${parts.join('.*')}$`).test(warning.template) &&
    allowance.signal === warning.signal &&
    (allowance.unused === undefined || allowance.unused === warning.unused)
  );
}

/** Warnings that no allowance speaks of, and allowances that no warning needs. */
export function compareWarnings(
  warnings: readonly InspectWarning[],
  allowances: readonly InspectAllowance[],
): { fresh: InspectWarning[]; stale: InspectAllowance[] } {
  return {
    fresh: warnings.filter((warning) => !allowances.some((allowance) => allows(allowance, warning))),
    stale: allowances.filter((allowance) => !warnings.some((warning) => allows(allowance, warning))),
  };
}

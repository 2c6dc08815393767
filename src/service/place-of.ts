/** Errors in words that hold none of their inputs. */
import { ZkMarginError } from '../errors.ts';
import { ProofError } from '../proof/errors.ts';

/** Kind and place of an error, without its message: that could hold inputs. */
export function placeOf(error: unknown): { name: string; place: string[] } {
  if (!(error instanceof Error)) return { name: typeof error, place: [] };
  const lines = (error.stack ?? '').split('\n').map((line) => line.trim());
  return { name: error.name, place: lines.filter((line) => /^at .*:\d+:\d+\)?$/.test(line)).slice(0, 8) };
}

/** Longest part of a warning that a program outside this project wrote. */
const MAX_DETAIL = 500;

/** A warning as one line: code and message of a typed error, and the details of one of proofs, which hold no inputs; kind and place of any other, also of one that a typed error wraps. */
export function warningText(error: unknown, what: string): string {
  if (error instanceof ZkMarginError && error.code !== 'INTERNAL') {
    return `${what} (${error.code}): ${error.message}`;
  }
  if (error instanceof ProofError && error.code !== 'INTERNAL') {
    const details = Object.entries(error.details).map(
      ([name, value]) => `${name} ${JSON.stringify(value).slice(0, MAX_DETAIL)}`,
    );
    const told = [error.message, ...details].join('; ').replace(/\s+/g, ' ');
    return `${what} (${error.code}): ${told}`;
  }
  const wrapped = error instanceof ZkMarginError && error.cause instanceof Error ? error.cause : error;
  const { name, place } = placeOf(wrapped);
  return `${what} (INTERNAL): ${[name, ...place.slice(0, 3)].join(' ')}`;
}

/** Checks of untrusted documents against their schemas: one typed error that names the path of what is wrong. */
import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { ZkMarginError } from '../errors.ts';

// biome-ignore lint/suspicious/noExplicitAny: validators of every schema share one cache.
const validators = new WeakMap<TSchema, Validator<any, any>>();

/** A JSON pointer as a field path: `/legs/3/quantity` is `legs[3].quantity`. */
export function fieldOfPointer(pointer: string, root = ''): string {
  let field = root;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    field += /^\d+$/.test(name) ? `[${name}]` : field === '' ? name : `.${name}`;
  }
  return field;
}

/**
 * The value, checked against a schema.
 *
 * @param root path of the value within its document
 * @throws ZkMarginError `NOT_FINITE` for a NaN or an infinity where a number belongs, `OUT_OF_RANGE` for a number outside
 * its bounds, `TOO_LARGE` for too long a list or text, `MALFORMED` for any other difference; always with the path
 */
export function checkShape<Schema extends TSchema>(
  schema: Schema,
  value: unknown,
  root = '',
): Static<Schema> {
  let validator = validators.get(schema);
  if (validator === undefined) {
    validator = Compile(schema);
    validators.set(schema, validator);
  }
  if (validator.Check(value)) return value as Static<Schema>;
  throw shapeError(validator.Errors(value), value, root);
}

interface SchemaProblem {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: object;
}

function shapeError(problems: readonly SchemaProblem[], value: unknown, root: string): ZkMarginError {
  // The deepest problem says most: the first of those, so that a union reports the branch that came nearest.
  let chosen: SchemaProblem | undefined;
  let depth = -1;
  for (const problem of problems) {
    if (problem.keyword === 'boolean') continue;
    const own = problem.instancePath.split('/').length;
    if (own > depth) {
      chosen = problem;
      depth = own;
    }
  }
  if (chosen === undefined) {
    return new ZkMarginError('MALFORMED', 'The document does not have the expected shape.', { field: root });
  }
  const field = fieldOfPointer(chosen.instancePath, root);
  const shown = field === '' ? 'the document' : field;
  const received = valueAt(value, chosen.instancePath);
  const { params } = chosen as { params: Record<string, unknown> };
  switch (chosen.keyword) {
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
    case 'multipleOf':
      return new ZkMarginError('OUT_OF_RANGE', `Keep ${shown} within its range: it ${chosen.message}.`, {
        field,
        details: { value: Number(received) },
      });
    case 'maxItems':
    case 'maxLength':
    case 'maxProperties':
      return new ZkMarginError('TOO_LARGE', `Make ${shown} smaller: it ${chosen.message}.`, { field });
    case 'required': {
      const missing = (params.requiredProperties as string[] | undefined)?.[0] ?? '';
      const path = field === '' ? missing : `${field}.${missing}`;
      return new ZkMarginError('MALFORMED', `Give ${path}.`, { field: path });
    }
    case 'additionalProperties': {
      const extra = (params.additionalProperties as string[] | undefined)?.[0] ?? '';
      const path = field === '' ? extra : `${field}.${extra}`;
      return new ZkMarginError('MALFORMED', `Leave out ${path}: nothing of that name is known here.`, {
        field: path,
      });
    }
    default:
      if (typeof received === 'number' && !Number.isFinite(received)) {
        return new ZkMarginError('NOT_FINITE', `Give ${shown} as a finite number.`, { field });
      }
      return new ZkMarginError('MALFORMED', `Check ${shown}: it ${chosen.message}.`, { field });
  }
}

function valueAt(value: unknown, pointer: string): unknown {
  let current = value;
  for (const part of pointer.split('/').slice(1)) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = (current as Record<string, unknown>)[part.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return current;
}

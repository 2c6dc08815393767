/** Checks of untrusted documents against their schemas: one typed error that names the path of what is wrong. */
import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { Check, Errors } from 'typebox/value';
import { ZkMarginError } from './errors.ts';

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
  const place = narrow(schema, value);
  const choices = choicesOf(place.schema);
  if (choices !== undefined) {
    const field = fieldOfPointer(place.pointer, root);
    throw new ZkMarginError(
      'MALFORMED',
      `Give ${field || 'the document'} as one of: ${choices.join(', ')}.`,
      {
        field,
      },
    );
  }
  throw shapeError(Errors(place.schema, place.value), place.value, fieldOfPointer(place.pointer, root));
}

/** What a union of constants allows; undefined for any other schema. */
export function choicesOf({ anyOf }: SchemaShape): readonly string[] | undefined {
  if (anyOf === undefined || anyOf.length === 0) return undefined;
  return anyOf.every((branch) => 'const' in branch) ? anyOf.map((branch) => String(branch.const)) : undefined;
}

/** A schema as JSON Schema writes it, as far as {@link narrow} reads it. */
interface SchemaShape {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly (TSchema & SchemaShape)[];
  readonly properties?: Readonly<Record<string, TSchema & SchemaShape>>;
  readonly required?: readonly string[];
  readonly items?: TSchema & SchemaShape;
  readonly maxItems?: number;
}

interface Place {
  readonly schema: TSchema & SchemaShape;
  readonly value: unknown;
  readonly pointer: string;
}

/**
 * The innermost part of a value that differs from its schema. Of a union, the branch that the value is meant for is
 * followed, so that an error is about that branch and not about another.
 */
function narrow(schema: TSchema, value: unknown): Place {
  let place: Place = { schema, value, pointer: '' };
  for (;;) {
    const next = inner(place);
    if (next === undefined) return place;
    place = next;
  }
}

function inner({ schema, value, pointer }: Place): Place | undefined {
  if (schema.anyOf !== undefined) {
    const branch = intendedBranch(schema.anyOf, value);
    return branch === undefined ? undefined : { schema: branch, value, pointer };
  }
  if (schema.type === 'object' && isObject(value)) {
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      if (!Object.hasOwn(value, key) || Check(property, value[key])) continue;
      const escaped = key.replaceAll('~', '~0').replaceAll('/', '~1');
      return { schema: property, value: value[key], pointer: `${pointer}/${escaped}` };
    }
  }
  const { items } = schema;
  if (schema.type === 'array' && Array.isArray(value) && items !== undefined) {
    if (value.length > (schema.maxItems ?? Number.POSITIVE_INFINITY)) return undefined;
    const index = value.findIndex((item) => !Check(items, item));
    if (index >= 0) return { schema: items, value: value[index], pointer: `${pointer}/${index}` };
  }
  return undefined;
}

/** The branch of a union that an object is meant for: no constant differs, and it has most of the fields. */
function intendedBranch(
  branches: readonly (TSchema & SchemaShape)[],
  value: unknown,
): (TSchema & SchemaShape) | undefined {
  if (!isObject(value)) return undefined;
  let chosen: (TSchema & SchemaShape) | undefined;
  let best = Number.NEGATIVE_INFINITY;
  for (const branch of branches) {
    const { properties } = branch;
    if (branch.type !== 'object' || properties === undefined) continue;
    const keys = Object.keys(value);
    const differs = Object.entries(properties).some(
      ([key, property]) => 'const' in property && value[key] !== property.const,
    );
    if (differs) continue;
    const score =
      (branch.required ?? []).filter((key) => Object.hasOwn(value, key)).length -
      keys.filter((key) => !Object.hasOwn(properties, key)).length;
    if (score > best) {
      best = score;
      chosen = branch;
    }
  }
  return chosen;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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

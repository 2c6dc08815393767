/** Parts that requests for proofs have in common, read from their texts. */
import { requireBigint, requireInteger, ZkMarginError } from '../../errors.ts';
import { MAX_MONEY, MAX_SCALE } from '../../margin/exact/bounds.ts';
import {
  packParameters,
  type RiskParameters,
  unpackParameters,
  validateParameters,
} from '../../margin/parameters.ts';
import {
  canonicalLegs,
  type InstrumentKind,
  type Leg,
  parseInstrument,
  underlyingIdOf,
  validateLegs,
} from '../../market/instrument.ts';
import { type MarketRound, unpackRound } from '../../market/words.ts';
import { capacitiesAmong, capacityFor, type Statement } from '../../proof/instances.ts';
import { requireSalt } from '../../proof/salt.ts';
import { JOB_PRIORITIES, type JobPriority } from '../../store/job.ts';
import type { InsolvencyRequest, LegRequest } from '../schemas.ts';
import type { PreparedProof, RequestSetting } from './prepared.ts';

const MAX_UINT256 = 2n ** 256n - 1n;

/**
 * What every request tells of its job: the circuit that it means, until when, and how urgent it is.
 *
 * @param legs for which the circuit needs room
 * @param natural how urgent such a statement is at most
 * @throws ZkMarginError `UNSUPPORTED`, `OUT_OF_RANGE` for a deadline that has passed
 */
export function readJob(
  { circuit, deadline, priority }: Pick<InsolvencyRequest, 'deadline' | 'priority'> & { circuit: string },
  legs: number,
  natural: JobPriority,
  setting: RequestSetting,
): Pick<PreparedProof, 'circuit' | 'deadline' | 'priority'> & { readonly capacity: number } {
  return {
    ...chooseCircuit(circuit, legs, setting),
    deadline: readDeadline(deadline, setting.now),
    priority: readPriority(priority, natural),
  };
}

function readDeadline(seconds: number | undefined, now: number): number | undefined {
  if (seconds === undefined) return undefined;
  const deadline = requireInteger(seconds, 1, 2 ** 40 - 1, 'deadline') * 1000;
  if (deadline <= now) {
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      'Give a deadline in the future, in seconds since 1970-01-01 UTC.',
      { field: 'deadline' },
    );
  }
  return deadline;
}

/** How urgent a request is: as its statement, or less when it says so. */
function readPriority(asked: JobPriority | undefined, natural: JobPriority): JobPriority {
  const index = Math.max(JOB_PRIORITIES.indexOf(asked ?? natural), JOB_PRIORITIES.indexOf(natural));
  return JOB_PRIORITIES[index]!;
}

/**
 * Numbers of a request's context.
 *
 * @throws ZkMarginError `OUT_OF_RANGE`
 */
export function readNumbers<Name extends string>(
  context: Readonly<Record<Name, string>>,
  ...names: readonly Name[]
): Record<Name, bigint> {
  const read = (name: Name) => requireBigint(BigInt(context[name]), 0n, MAX_UINT256, `context.${name}`);
  return Object.fromEntries(names.map((name) => [name, read(name)])) as Record<Name, bigint>;
}

/** @throws ZkMarginError `OUT_OF_RANGE` */
export function readSalt(text: string, field = 'salt'): bigint {
  return requireSalt(BigInt(text), field);
}

/** @throws ZkMarginError `OUT_OF_RANGE` */
export function readScale(text: string, minimum = 1n, field = 'scale'): bigint {
  return requireBigint(BigInt(text), minimum, MAX_SCALE, field);
}

/** @throws ZkMarginError `OUT_OF_RANGE` */
export function readMovingCollateral(text = '0'): bigint {
  return requireBigint(BigInt(text), 0n, MAX_MONEY, 'movingCollateral');
}

/** @throws ZkMarginError of the words, with fields of the request */
export function readRound(body: Pick<InsolvencyRequest, 'underlyingWord' | 'expiryWords'>): MarketRound {
  return renamed(() =>
    unpackRound(
      { underlyingWord: BigInt(body.underlyingWord), expiryWords: body.expiryWords.map(BigInt) },
      'round',
    ),
  );
}

/** @throws ZkMarginError of the parameters */
export function readParameters(parameters: InsolvencyRequest['parameters']): RiskParameters {
  if ('header' in parameters) {
    return unpackParameters({
      header: BigInt(parameters.header),
      scenarioWords: parameters.scenarioWords.map(BigInt),
    });
  }
  const read = parameters as RiskParameters;
  validateParameters(read);
  // Through the words, so that what is evaluated is what is committed to.
  return unpackParameters(packParameters(read));
}

/**
 * Legs in canonical order.
 *
 * @param underlyingId that named instruments must have
 * @throws ZkMarginError naming the place in the request
 */
export function readLegs(
  items: readonly LegRequest[],
  underlyingId: bigint,
  capacity: number,
  field = 'legs',
): Leg[] {
  const legs = items.map(({ instrument, quantity }, index): Leg => {
    if (typeof instrument !== 'string') {
      const { kind, expiryHour, strike } = instrument;
      return {
        instrument: { kind: kind as InstrumentKind, expiryHour, strike: BigInt(strike) },
        quantity: BigInt(quantity),
      };
    }
    const place = `${field}[${index}].instrument`;
    const named = parseInstrument(instrument, place);
    if (underlyingIdOf(named.underlying) !== underlyingId) {
      throw new ZkMarginError('UNDERLYING_MISMATCH', "Use instruments of the account's underlying.", {
        field: place,
      });
    }
    return { instrument: named.instrument, quantity: BigInt(quantity) };
  });
  validateLegs(legs, capacity, { requireOrder: false, field });
  return canonicalLegs(legs, field);
}

/**
 * Legs that a round has prices for, in canonical order.
 *
 * @throws ZkMarginError as {@link readLegs}; `EXPIRED_OPTION`, `MISSING_EXPIRY`
 */
export function readMarketLegs(items: readonly LegRequest[], round: MarketRound, capacity: number): Leg[] {
  const { underlyingId, timestamp } = round.underlying;
  const legs = readLegs(items, underlyingId, capacity);
  // Here rather than in the model, whose legs are in another order.
  items.forEach(({ instrument }, index) => {
    const named = typeof instrument === 'string';
    const { kind, expiryHour } = named ? parseInstrument(instrument).instrument : instrument;
    if (kind === 'linear') return;
    const field = `legs[${index}].instrument${named ? '' : '.expiryHour'}`;
    if (BigInt(expiryHour) * 3600n <= timestamp) {
      throw new ZkMarginError('EXPIRED_OPTION', 'Settle options that have expired before margining.', {
        field,
      });
    }
    if (!round.expiries.some((expiry) => expiry.expiryHour === expiryHour)) {
      throw new ZkMarginError('MISSING_EXPIRY', 'Use expiries for which the round has volatilities.', {
        field,
      });
    }
  });
  return legs;
}

/**
 * The circuit that a request means: the one that it names, or of a statement the smallest with room.
 *
 * @param named as in `insolvency` or `insolvency-8`
 * @throws ZkMarginError `UNSUPPORTED`, `TOO_MANY_LEGS`
 */
function chooseCircuit(
  named: string,
  legs: number,
  { served }: RequestSetting,
): { readonly circuit: string; readonly capacity: number } {
  const [statement, size] = named.split('-') as [Statement, string?];
  const offered = capacitiesAmong(statement, served).filter(
    (capacity) => size === undefined || size === String(capacity),
  );
  const largest = offered.at(-1);
  if (largest === undefined) {
    throw new ZkMarginError('UNSUPPORTED', `Use a circuit that is served: ${[...served].join(', ')}.`, {
      field: 'circuit',
    });
  }
  // Too many legs are told where the legs are read.
  const capacity = capacityFor(legs, offered) ?? largest;
  return { circuit: `${statement}-${capacity}`, capacity };
}

/** Runs an action whose errors name fields of a round, and lets them name those of the request. */
export function renamed<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof ZkMarginError) || error.field === undefined) throw error;
    const field = error.field
      .replace(/^round\./, '')
      .replace(/^expiries(?=\[|$)/, 'expiryWords')
      .replace(/^underlying(?=\.|$)/, 'underlyingWord');
    throw new ZkMarginError(error.code, error.message, { field, details: error.details, cause: error });
  }
}

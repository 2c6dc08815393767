/**
 * The transcript of a ceremony, `transcript.json` in its directory. It holds nothing secret, and nothing that
 * verification cannot compute anew but two free texts: what beacon was announced, and where its value came from.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { checkShape } from '../../check-shape.ts';
import { ZkMarginError } from '../../errors.ts';
import { exists, writeFileAtomic } from '../files.ts';
import { readBytes } from './files.ts';

/** Fewest and most iterations of a beacon, as powers of two. snarkjs sets the lower bound; 2^30 take about half an hour. */
export const BEACON_ITERATIONS = { least: 10, most: 30 } as const;

const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Blake2b = Type.String({ pattern: '^[0-9a-f]{128}$' });
const FileName = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' });
const MAX_FREE_TEXT = 500;
const FreeText = Type.String({ minLength: 1, maxLength: MAX_FREE_TEXT });

/** One step: who, what, and the file that it gave. */
export const TranscriptContribution = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64 }),
    type: Type.Union([Type.Literal('contribution'), Type.Literal('beacon')]),
    hash: Blake2b,
    file: FileName,
    sha256: Sha256,
    beacon: Type.Optional(
      Type.Object(
        {
          hash: Type.String({ pattern: '^([0-9a-f]{2}){32,255}$' }),
          iterationsExponent: Type.Integer({
            minimum: BEACON_ITERATIONS.least,
            maximum: BEACON_ITERATIONS.most,
          }),
          source: Type.Optional(FreeText),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

/** The file `transcript.json`. */
export const Transcript = Type.Object(
  {
    schema: Type.Literal(1),
    circuit: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
    /** Path of the circuit below the project's root. */
    source: Type.String({ minLength: 1, maxLength: 300 }),
    compiler: Type.String({ maxLength: 100 }),
    sourceHash: Sha256,
    r1csHash: Sha256,
    /** A test ceremony rests on powers of tau that are no public file, or is for a circuit outside `circuits/main`. */
    provenance: Type.Union([Type.Literal('ceremony'), Type.Literal('test ceremony')]),
    ptau: Type.Object(
      { file: FileName, power: Type.Integer({ minimum: 1, maximum: 28 }), blake2b: Blake2b },
      { additionalProperties: false },
    ),
    beaconPlan: Type.Optional(FreeText),
    initial: Type.Object(
      { file: FileName, sha256: Sha256, circuitHash: Blake2b },
      { additionalProperties: false },
    ),
    contributions: Type.Array(TranscriptContribution, { maxItems: 10_000 }),
  },
  { additionalProperties: false },
);

export type Transcript = Static<typeof Transcript>;
export type TranscriptContribution = Static<typeof TranscriptContribution>;

/** Path of a directory's transcript. */
export function transcriptPath(directory: string): string {
  return join(directory, 'transcript.json');
}

/** File name of the key after `index` steps; the beacon's key is the final one. */
export function keyFileName(circuit: string, index: number, type?: TranscriptContribution['type']): string {
  return type === 'beacon' ? `${circuit}_final.zkey` : `${circuit}_${String(index).padStart(4, '0')}.zkey`;
}

/** File name of the constraint system that a ceremony is for. */
export function r1csFileName(circuit: string): string {
  return `${circuit}.r1cs`;
}

/** The newest key's file name and hash. */
export function currentKey(transcript: Transcript): { file: string; sha256: string } {
  return transcript.contributions.at(-1) ?? transcript.initial;
}

/** True when the beacon has been applied: nothing may follow. */
export function isClosed(transcript: Transcript): boolean {
  return transcript.contributions.at(-1)?.type === 'beacon';
}

/**
 * A contributor's name: 1 to 64 characters, without control characters and without spaces at its ends.
 *
 * @throws {ZkMarginError} `MALFORMED`
 */
export function requireName(name: string, field = 'name'): string {
  if (name.length > 64 || !/^[^\p{C}\p{Z}](?:[^\p{C}]*[^\p{C}\p{Z}])?$/u.test(name)) {
    throw new ZkMarginError('MALFORMED', `Give ${field} as 1 to 64 characters of plain text.`, { field });
  }
  return name;
}

/**
 * A free text of the transcript: 1 to 500 characters without control characters. Asked before a step: a transcript that
 * holds another cannot be read again.
 *
 * @throws {ZkMarginError} `MALFORMED`
 */
export function requireFreeText(text: string, field: string): string {
  if (text.length > MAX_FREE_TEXT || !/^\P{Cc}+$/u.test(text)) {
    throw new ZkMarginError(
      'MALFORMED',
      `Give ${field} as 1 to ${MAX_FREE_TEXT} characters of plain text, or leave it out.`,
      { field },
    );
  }
  return text;
}

/**
 * Read and check a ceremony's transcript.
 *
 * @throws {ZkMarginError} `NOT_FOUND` without a transcript, `FORBIDDEN` for one that may not be read, and those of
 * {@link checkTranscript}
 */
export async function loadTranscript(directory: string): Promise<Transcript> {
  const bytes = await readBytes(
    transcriptPath(directory),
    'dir',
    `Begin with ceremony init: ${directory} holds no transcript.json.`,
  );
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new ZkMarginError('MALFORMED', `Restore transcript.json: it is no JSON.`, {
      field: 'transcript',
      cause,
    });
  }
  return checkTranscript(value);
}

/**
 * A transcript that every command can read again.
 *
 * @throws {ZkMarginError} `MALFORMED` and others of {@link checkShape}
 */
export function checkTranscript(value: unknown): Transcript {
  const transcript = checkShape(Transcript, value, 'transcript');
  const wrong = (field: string, expected: string): never => {
    throw new ZkMarginError('MALFORMED', `Restore transcript.json: ${field} should be ${expected}.`, {
      field,
    });
  };
  if (transcript.initial.file !== keyFileName(transcript.circuit, 0)) {
    wrong('transcript.initial.file', keyFileName(transcript.circuit, 0));
  }
  transcript.contributions.forEach((entry, i) => {
    const field = `transcript.contributions[${i}]`;
    requireName(entry.name, `${field}.name`);
    const file = keyFileName(transcript.circuit, i + 1, entry.type);
    if (entry.file !== file) wrong(`${field}.file`, file);
    if ((entry.beacon !== undefined) !== (entry.type === 'beacon')) {
      wrong(`${field}.beacon`, 'there for a beacon alone');
    }
  });
  return transcript;
}

/**
 * Write a transcript: old or new, never a part, and never one that cannot be read again.
 *
 * @param requireHeld throws when others have the directory's lock by now
 * @throws {ZkMarginError} of {@link checkTranscript}, before anything is written
 */
export async function saveTranscript(
  directory: string,
  transcript: Transcript,
  requireHeld?: () => void,
): Promise<void> {
  const text = `${JSON.stringify(transcript, null, 2)}\n`;
  // What is read again is the text: a field that is undefined is not in it.
  checkTranscript(JSON.parse(text));
  await writeFileAtomic(transcriptPath(directory), text, requireHeld);
}

/** Remove what interrupted writes left behind. Call while holding the directory's lock. */
export async function removeTemporaryFiles(directory: string): Promise<void> {
  for (const file of await readdir(directory)) {
    if (/\.[0-9]+\.[0-9a-f]{8}\.tmp$/.test(file)) await rm(join(directory, file), { force: true });
  }
}

/**
 * Refuse a file that the transcript does not know: an interrupted run left it, or another transcript belongs here.
 *
 * @throws {ZkMarginError} `CONFLICT`
 */
export async function refuseExisting(directory: string, file: string): Promise<void> {
  if (!(await exists(join(directory, file)))) return;
  throw new ZkMarginError(
    'CONFLICT',
    `Remove ${file} and run again: it is there, but the transcript does not name it. A run was interrupted before it ` +
      'recorded its step, or the transcript is an older one.',
    { field: 'dir', details: { file } },
  );
}

/** Forms of text in requests, each with the words that tell a client what is wanted. */

/** A form. */
export interface TextPattern {
  /** Regular expression of JSON Schema. */
  readonly pattern: string;
  /** Ends the sentence `Give <field> as ...`. */
  readonly wanted: string;
}

/** All forms that requests use. */
export const PATTERNS = {
  unsigned: { pattern: '^(0|[1-9][0-9]{0,77})$', wanted: 'a decimal integer in a string' },
  signed: { pattern: '^(0|-?[1-9][0-9]{0,77})$', wanted: 'a decimal integer in a string' },
  address: { pattern: '^0x[0-9a-fA-F]{40}$', wanted: '0x and 40 hex digits' },
  accountId: { pattern: '^(0|[1-9][0-9]{0,19})$', wanted: 'the number of an account' },
  jobId: { pattern: '^[0-9a-f]{64}$', wanted: 'the id of a job: 64 hex digits' },
  round: { pattern: '^[1-9][0-9]{0,19}$', wanted: 'the number of a round, in a string' },
  underlying: {
    pattern: '^[A-Z0-9]{1,4}$',
    wanted: 'up to four capital letters and digits, such as BTC',
  },
  limit: { pattern: '^([1-9][0-9]?|[1-4][0-9]{2}|500)$', wanted: 'a whole number from 1 to 500' },
  waitSeconds: { pattern: '^([0-9]|[1-5][0-9]|60)$', wanted: 'a whole number of seconds, at most 60' },
  cursor: { pattern: '^[A-Za-z0-9_-]{1,200}$', wanted: 'the cursor that came with the page before' },
} as const satisfies Record<string, TextPattern>;

/** What a text of that form is, in words. */
export function wantedBy(pattern: unknown): string | undefined {
  return Object.values(PATTERNS).find((item) => item.pattern === pattern)?.wanted;
}

/** The table of gas, for the terminal and for the documentation. */
import { table } from '../lib/format.ts';
import type { GasFigure } from './measure.ts';

/** Where the table stands in a document. */
export const MARKERS = Object.freeze({ begin: '<!-- gas -->', end: '<!-- /gas -->' });

/** Gas of Derive's PMRM2, as published, and what does the same here. */
const INCUMBENT: readonly { readonly what: string; readonly gas: number; readonly ours: string }[] = [
  { what: 'full check of initial margin, 16 options', gas: 5_400_000, ours: 'insolvency check' },
  { what: 'full check of initial margin, 64 options', gas: 20_700_000, ours: 'insolvency check' },
  { what: 'full check of initial margin, 128 options', gas: 41_900_000, ours: 'insolvency check' },
  { what: 'one scenario, 64 options', gas: 3_700_000, ours: 'insolvency check' },
  { what: 'bid in an auction, 64 options', gas: 15_400_000, ours: 'first bid, into a fresh vessel' },
];
const BATCHES = [2, 4, 8];

interface Tables {
  readonly byLegs: readonly (readonly string[])[];
  readonly others: readonly (readonly string[])[];
  readonly batches: readonly (readonly string[])[];
  readonly incumbent: readonly (readonly string[])[];
}

const HEADS = {
  byLegs: ['transaction', '1 leg', '8 legs', '16 legs', '32 legs'],
  others: ['transaction', 'gas'],
  batches: ['atomic liquidations', 'gas', 'per account', 'of single ones'],
  incumbent: ['Derive PMRM2, published', 'gas', 'here', 'gas here, most legs', 'times'],
} as const;

/** Both forms of the table. */
export function renderGas(figures: readonly GasFigure[]): {
  readonly text: string;
  readonly markdown: string;
} {
  const tables = tablesOf(figures);
  const sections = (Object.keys(HEADS) as (keyof typeof HEADS)[]).map((name) => ({
    head: HEADS[name],
    rows: tables[name],
  }));
  return {
    text: sections.map(({ head, rows }) => table(head, rows)).join('\n\n'),
    markdown: sections.map(({ head, rows }) => markdownTable(head, rows)).join('\n\n'),
  };
}

/**
 * Puts the table between the markers of a document.
 *
 * @throws Error when the document has no markers
 */
export function insertGas(document: string, markdown: string): string {
  const begin = document.indexOf(MARKERS.begin);
  const end = document.indexOf(MARKERS.end);
  if (begin < 0 || end < begin) throw new Error(`The document has no ${MARKERS.begin} and ${MARKERS.end}.`);
  return `${document.slice(0, begin + MARKERS.begin.length)}\n${markdown}\n${document.slice(end)}`;
}

function tablesOf(figures: readonly GasFigure[]): Tables {
  const gasOf = (what: string, legs?: number): number | undefined =>
    figures.find((figure) => figure.what === what && (legs === undefined || figure.legs === legs))?.gas;
  const known = (what: string): number => {
    const gas = gasOf(what);
    if (gas === undefined) throw new Error(`Nothing was measured of: ${what}.`);
    return gas;
  };
  const largest = (what: string): number => gasOf(what, 32) ?? gasOf(what, 16) ?? known(what);
  const names = (withLegs: boolean): string[] => [
    ...new Set(figures.filter(({ legs }) => (legs !== undefined) === withLegs).map(({ what }) => what)),
  ];
  const singles = known('8 single liquidations');
  return {
    byLegs: names(true).map((what) => [
      what,
      ...[1, 8, 16, 32].map((legs) => gasOf(what, legs)?.toLocaleString('en-US') ?? ''),
    ]),
    others: names(false)
      .filter((what) => !what.startsWith('batch of') && what !== '8 single liquidations')
      .map((what) => [what, number(known(what))]),
    batches: [
      ['8 one by one', number(singles), number(singles / 8), '100.0 %'],
      ...BATCHES.map((size) => {
        const gas = known(`batch of ${size}`);
        const share = (100 * gas) / size / (singles / 8);
        return [`batch of ${size}`, number(gas), number(gas / size), `${share.toFixed(1)} %`];
      }),
    ],
    incumbent: INCUMBENT.map(({ what, gas, ours }) => [
      what,
      number(gas),
      ours,
      number(largest(ours)),
      (gas / largest(ours)).toFixed(1),
    ]),
  };
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const isFigure = (column: number): boolean => rows.every((row) => /^[\d.,]*( %)?$/.test(row[column] ?? ''));
  return [
    line(head),
    `|${head.map((_, column) => (isFigure(column) ? '---:' : '---')).join('|')}|`,
    ...rows.map(line),
  ].join('\n');
}

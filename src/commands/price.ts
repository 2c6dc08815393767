/** `zkmargin price`: prices, sensitivities and implied volatilities of European options. */
import { once } from 'node:events';
import type { Command } from 'commander';
import type { PriceResult } from '../input/price.ts';
import { readDocument } from './io.ts';

const HELP = `
FILE holds JSON: one row, a list of rows, or {"vectors": [rows]}. A row:
  type   C or P (call, put)
  model  BLACK76 with F, K, T and discount or r; BSM with S, K, T, r and q; GBS with S, K, T, r and b.
         Without model: F means BLACK76, S with b GBS, S otherwise BSM.
  vol    volatility per square root of a year, or
  price  (or price_undiscounted) without vol: the volatility is implied. With both, both are given.
  greek  and unit (such as "per day", "per 1% vol"): that sensitivity is given as value too.
Prices are in the currency of F, S and K; vol is a fraction (0.55 is 55 %); T is in years; rates are continuous. Results: sensitivities to the spot (BLACK76: to the forward), theta and charm
per year of calendar time, vega and rho per 1.00.

Example:
  $ echo '{"type":"C","F":65000,"K":70000,"T":0.25,"vol":0.55}' | zkmargin price --json -
  $ echo '{"type":"P","S":110,"K":100,"T":0.5,"r":0.1,"q":0.08,"price":0.505650275}' | zkmargin price -`;

/** Adds the command to a program. */
export function registerPrice(program: Command): void {
  program
    .command('price')
    .description('price European options, with sensitivities and implied volatilities')
    .argument('<file>', 'JSON document, or - for standard input')
    .option('--json', 'print JSON: a list, one object a row, in order')
    .addHelpText('after', HELP)
    .action(async (file: string, options: { json?: boolean }) => {
      const { priceDocument } = await import('../input/price.ts');
      const results = priceDocument(await readDocument(file));
      await write(options.json ? jsonLines(results) : priceTable(results));
    });
}

/** The results as the lines of one JSON list, a row each. */
export function* jsonLines(results: readonly PriceResult[]): Generator<string> {
  yield '[';
  for (const [position, result] of results.entries()) {
    yield JSON.stringify(result) + (position + 1 < results.length ? ',' : '');
  }
  yield ']';
}

/** Writes lines in pieces: the text of a million rows is longer than a string may be. */
async function write(lines: Iterable<string>): Promise<void> {
  let piece = '';
  for (const line of lines) {
    piece += `${line}\n`;
    if (piece.length < 2 ** 20) continue;
    if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
    piece = '';
  }
  process.stdout.write(piece);
}

const COLUMNS = [
  'id',
  'model',
  'type',
  'vol',
  'impliedVolatility',
  'price',
  'delta',
  'gamma',
  'vega',
  'theta',
  'rho',
  'vanna',
  'volga',
  'greek',
  'value',
] as const satisfies readonly (keyof PriceResult)[];

const HEADINGS: Partial<Record<(typeof COLUMNS)[number], string>> = { impliedVolatility: 'implied vol' };

/** The results as the lines of an aligned table; columns that no row fills are left out. */
export function* priceTable(results: readonly PriceResult[]): Generator<string> {
  const columns = COLUMNS.filter(
    (name) =>
      results.length === 0 ||
      results.some((result) => result[name] !== undefined && (name !== 'id' || result.id !== null)),
  );
  const headings = columns.map((name) => HEADINGS[name] ?? name);
  const widths = headings.map((heading) => heading.length);
  for (const result of results) {
    for (const [column, name] of columns.entries()) {
      widths[column] = Math.max(widths[column]!, cell(result[name]).length);
    }
  }
  const isText = columns.map(
    (name) => name === 'id' || name === 'model' || name === 'type' || name === 'greek',
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((text, column) => (isText[column] ? text.padEnd(widths[column]!) : text.padStart(widths[column]!)))
      .join('  ')
      .trimEnd();
  yield line(headings);
  for (const result of results) yield line(columns.map((name) => cell(result[name])));
}

function cell(value: string | number | null | undefined): string {
  if (value === undefined || value === null) return '-';
  // Text of a document may hold anything; what would break a line of the table is shown escaped.
  if (typeof value === 'string')
    return value.replace(/\p{Cc}/gu, (sign) => JSON.stringify(sign).slice(1, -1));
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size >= 1e-4 && size < 1e12 ? String(Number(value.toPrecision(10))) : value.toExponential(6);
}

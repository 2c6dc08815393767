/** Plain-text tables and amounts. */

/** One column of a table. */
export interface Column {
  readonly title: string;
  /** Figures stand to the right, which is the default; text to the left. */
  readonly align?: 'left' | 'right';
}

/** A table, with a rule below its head unless told otherwise; rows of one cell `---` are drawn as a rule. */
export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: { readonly rule?: boolean } = {},
): string {
  const widths = columns.map(({ title }, index) =>
    rows.reduce(
      (width, row) => (row[0] === RULE ? width : Math.max(width, (row[index] ?? '').length)),
      title.length,
    ),
  );
  const line = (cells: readonly string[]): string =>
    `  ${columns
      .map(({ align }, index) => {
        const cell = cells[index] ?? '';
        return align === 'left' ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!);
      })
      .join('  ')}`.trimEnd();
  const rule = `  ${widths.map((width) => '-'.repeat(width)).join('  ')}`;
  return [
    line(columns.map(({ title }) => title)),
    ...(options.rule === false ? [] : [rule]),
    ...rows.map((row) => (row[0] === RULE ? rule : line(row))),
  ].join('\n');
}

/** First cell of a row that is drawn as a rule. */
export const RULE = '---';

/** A number with thousands separated and a fixed number of decimals; no minus before a rounded zero. */
export function decimal(value: number, decimals = 2): string {
  const text = value.toLocaleString('en-US', {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
  return /^-[0,.]*$/.test(text) ? text.slice(1) : text;
}

/** A whole number of units as a decimal number with all its digits. */
export function exactAmount(amount: bigint, unitsPerOne: number): string {
  const digits = Math.round(Math.log10(unitsPerOne));
  const negative = amount < 0n;
  const text = (negative ? -amount : amount).toString().padStart(digits + 1, '0');
  const whole = BigInt(text.slice(0, -digits)).toLocaleString('en-US');
  return `${negative ? '-' : ''}${whole}.${text.slice(-digits)}`;
}

/** A fraction as a percentage. */
export function percentage(value: number, decimals = 1): string {
  return `${decimal(100 * value, decimals)} %`;
}

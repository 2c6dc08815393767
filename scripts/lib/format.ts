/** Plain-text tables and figures for reports on a terminal. */

const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;

export function bold(text: string): string {
  return colour ? `\u001b[1m${text}\u001b[0m` : text;
}

/** An amount in 1e-6 USD as dollars and cents. */
export function dollars(amount: bigint): string {
  const negative = amount < 0n;
  const cents = ((negative ? -amount : amount) + 5_000n) / 10_000n;
  const whole = (cents / 100n).toLocaleString('en-US');
  return `${negative ? '-' : ''}$${whole}.${String(cents % 100n).padStart(2, '0')}`;
}

/** Gas with separators. */
export function gas(amount: bigint): string {
  return amount.toLocaleString('en-US');
}

export function percent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : 'none';
}

/** A scale in 2^-40 as a number. */
export function scaleOf(scale: bigint): string {
  return (Number(scale) / 2 ** 40).toFixed(6);
}

/** A table with a rule below its head; every column but the first two of text is right-aligned when it holds figures. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const figures = head.map((_, column) =>
    rows.every((row) => /^-?\$?[\d.,]+( %)?$/.test(row[column] ?? '') || row[column] === 'none'),
  );
  const line = (cells: readonly string[]): string =>
    `  ${cells
      .map((cell, column) =>
        figures[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd()}`;
  return [line(head), `  ${widths.map((width) => '-'.repeat(width)).join('  ')}`, ...rows.map(line)].join(
    '\n',
  );
}

/** Reads coverage reports in LCOV's format. */

/** How many of so many. */
export interface Reached {
  readonly hit: number;
  readonly found: number;
}

/** Coverage of a source file. */
export interface FileCoverage {
  readonly path: string;
  readonly lines: Reached;
  readonly branches: Reached;
  readonly functions: Reached;
  /** Numbers of lines that were not reached. */
  readonly missed: readonly number[];
}

/** The files of a report, in its order. */
export function lcovFiles(report: string): FileCoverage[] {
  return report
    .split('end_of_record')
    .filter((record) => record.includes('SF:'))
    .map((record) => {
      const entries = record
        .trim()
        .split('\n')
        .map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
        });
      const text = (key: string): string => entries.find(([name]) => name === key)?.[1] ?? '';
      const reached = (prefix: string): Reached => ({
        hit: Number(text(`${prefix}H`)),
        found: Number(text(`${prefix}F`)),
      });
      const missed = entries
        .filter(([name, value]) => name === 'DA' && value.split(',')[1] === '0')
        .map(([, value]) => Number(value.split(',')[0]));
      return {
        path: text('SF'),
        lines: reached('L'),
        branches: reached('BR'),
        functions: reached('FN'),
        missed,
      };
    });
}

/** All files together, under one name. */
export function sumOf(files: readonly FileCoverage[], path: string): FileCoverage {
  const add = (key: 'lines' | 'branches' | 'functions'): Reached => ({
    hit: files.reduce((sum, file) => sum + file[key].hit, 0),
    found: files.reduce((sum, file) => sum + file[key].found, 0),
  });
  return { path, lines: add('lines'), branches: add('branches'), functions: add('functions'), missed: [] };
}

/** In percent with one decimal, rounded down; all of nothing is 100. */
export function percent({ hit, found }: Reached): string {
  return (found === 0 ? 100 : Math.floor((hit * 1_000) / found) / 10).toFixed(1);
}

/** Whether lines or branches are below a number of percent. */
export function isBelow({ lines, branches }: FileCoverage, minimum: number): boolean {
  return [lines, branches].some(({ hit, found }) => hit * 100 < found * minimum);
}

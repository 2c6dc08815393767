/** `zkmargin surface`: a volatility surface from quotes, or values of SVI. */
import { type Command, Option } from 'commander';
import type { SviValue } from '../input/surface.ts';
import type { ArbitrageRange } from '../market/arbitrage.ts';
import type { BuiltExpiry, BuiltSurface, SurfaceLoss } from '../market/build-surface.ts';
import { textTable } from '../plain-text.ts';
import { printJson, readDocument, writeLine } from './io.ts';

const HELP = `
FILE is a JSON document, or - for standard input, and one of
  quotes  {"underlying", "asOf", "spot"?, "expiries": [{"expiry", "forward", "discount"?, "priceUnit"?, "quotes"}]}
          expiry: 2025-02-28T08:00:00Z, 28FEB25 (08:00 UTC), seconds since 1970, or years up to 100
          quotes: {"strike", "type": "C" or "P", "bidVol", "askVol", "markVol", or prices "bid", "ask", "mark"}
          prices are in USD, or with "priceUnit": "coin" in coins of the underlying; svi may stand in place of quotes
  chain   {"timestamp", "columns": ["strike", "C|P", "markIv", ...], "expiries": [{"expiry", "forward", "rows"}]}
  SVI     one row, a list, or {"vectors": [...]}: {"a", "b", "rho", "m", "sigma"} with "k", or with "K", "F" and "T"

Errors are in vol points: 1 is 0.01 of volatility. rms is weighted with squared vega.

Example:
  $ cat quotes.json
  {"underlying": "BTC", "asOf": "2025-02-19T03:00:00Z", "expiries": [{"expiry": "28FEB25", "forward": 95777, "quotes": [
    {"strike": 85000, "type": "P", "bidVol": 0.575, "askVol": 0.585}, {"strike": 90000, "type": "P", "markVol": 0.521},
    {"strike": 95000, "type": "P", "bid": 1910, "ask": 1960}, {"strike": 100000, "type": "C", "markVol": 0.473},
    {"strike": 105000, "type": "C", "bidVol": 0.478, "askVol": 0.492}, {"strike": 110000, "type": "C", "markVol": 0.51}]}]}
  $ zkmargin surface quotes.json`;

/** Adds the command to a program. */
export function registerSurface(program: Command): void {
  program
    .command('surface')
    .description('fit SVI and oracle pillars to option quotes and report their errors, or evaluate SVI')
    .argument('<file>', 'JSON document, - for standard input')
    .option('--json', 'print JSON')
    .addOption(
      new Option('--target <what>', 'fit the middle of bid and ask, or the mark')
        .choices(['mid', 'mark'])
        .default('mid'),
    )
    .option('--keep-arbitrage', 'do not draw fits away from static arbitrage')
    .addHelpText('after', HELP)
    .action(
      async (file: string, options: { json?: boolean; target: 'mid' | 'mark'; keepArbitrage?: boolean }) => {
        const { evaluateSurfaceDocument } = await import('../input/surface.ts');
        const answer = evaluateSurfaceDocument(await readDocument(file), {
          target: options.target,
          arbitrageFree: options.keepArbitrage !== true,
          clock: () => performance.now(),
        });
        if (options.json) printJson(answer.kind === 'svi' ? answer.values : answer.surface);
        else if (answer.kind === 'svi') writeLine(sviReport(answer.values));
        else writeLine(surfaceReport(answer.surface, options.target));
      },
    );
}

/** SVI values as a table. */
function sviReport(values: readonly SviValue[]): string {
  return table(
    ['id', 'k', 'total variance', 'volatility', ''],
    values.map(({ id, k, w, vol, kcapped }, index) => [
      String(id ?? index),
      k.toFixed(6),
      w.toPrecision(10),
      vol === undefined ? '-' : vol.toPrecision(10),
      kcapped ? 'capped' : '',
    ]),
  );
}

/** A surface as text: fits, pillars, losses, what was left out, and places of arbitrage. */
function surfaceReport(surface: BuiltSurface, target: 'mid' | 'mark' = 'mid'): string {
  const { expiries, arbitrage, loss } = surface;
  const time = surface.asOf > 0 ? ` at ${new Date(surface.asOf * 1000).toISOString()}` : '';
  const parts = [
    `${surface.underlying ?? 'surface'}${time}: ${expiries.length} expiries, ${loss.pillars.count} strikes used, ` +
      `fitted to ${target === 'mark' ? 'marks' : 'the middle of bid and ask'}`,
    '',
    'SVI (total variance; rms and largest error in vol points)',
    table(
      [
        'expiry',
        'days',
        'forward',
        'strikes',
        'a',
        'b',
        'rho',
        'm',
        'sigma',
        'rms',
        'max',
        'at strike',
        'ms',
        '',
      ],
      expiries.map((expiry) => {
        const { svi } = expiry;
        return [
          expiry.name,
          (expiry.years * 365).toFixed(2),
          expiry.forward.toFixed(2),
          String(expiry.residuals.length),
          ...[svi.a, svi.b, svi.rho, svi.m, svi.sigma].map((value) => value.toPrecision(5)),
          points(expiry.loss.svi.rms),
          points(expiry.loss.svi.max),
          shortNumber(expiry.loss.svi.maxStrike),
          expiry.milliseconds === undefined ? '-' : expiry.milliseconds.svi.toFixed(1),
          fitNote(expiry),
        ];
      }),
    ),
    '',
    'Pillars of the oracle word: volatilities in per cent at ln(K/F)/sqrt(T) = -4h .. 3h',
    table(
      ['expiry', 'h', ...[-4, -3, -2, -1, 0, 1, 2, 3].map((pillar) => (pillar === 0 ? '0' : `${pillar}h`))],
      expiries.map(({ name, pillars, pillarVolatilities }) => [
        name,
        String(2 ** (pillars.spacingExponent - 2)),
        ...pillarVolatilities.map((value) => (100 * value).toFixed(2)),
      ]),
    ),
    '',
    'Loss of the pillars against the quotes, in vol points (near: within 2.5 standard deviations; inside: of bid and ask)',
    table(
      ['expiry', 'rms', 'median', 'near', 'max', 'at strike', 'ln(K/F)', 'inside', 'rms to marks'],
      [
        ...expiries.map(({ name, loss }) => lossRow(name, loss.pillars, loss.pillarsToMarks)),
        lossRow('whole', loss.pillars, loss.pillarsToMarks, true),
      ],
    ),
    `SVI, whole: rms ${points(loss.svi.rms)}, median ${points(loss.svi.median)}, max ${points(loss.svi.max)} at ` +
      `${loss.svi.maxExpiry} ${shortNumber(loss.svi.maxStrike)}` +
      (loss.sviToMarks === undefined ? '' : `, rms to marks ${points(loss.sviToMarks.rms)}`),
    '',
    ...arbitrageLines('SVI', arbitrage.svi),
    ...arbitrageLines('pillars', arbitrage.pillars),
  ];
  const left = expiries.flatMap(leftOutLine);
  if (left.length > 0) parts.push('', 'Quotes left out', ...left);
  return parts.join('\n');
}

function fitNote({ fit }: BuiltExpiry): string {
  if (fit === undefined) return 'given';
  if (fit.arbitrage === 'removed') return `arbitrage removed, rms was ${points(fit.unpenalisedRms)}`;
  return fit.arbitrage === 'kept' ? 'admits arbitrage' : '';
}

function lossRow(name: string, loss: SurfaceLoss, marks: SurfaceLoss | undefined, whole = false): string[] {
  return [
    name,
    points(loss.rms),
    points(loss.median),
    points(loss.maxNear),
    points(loss.max),
    `${whole ? `${loss.maxExpiry} ` : ''}${shortNumber(loss.maxStrike)}`,
    loss.maxLogMoneyness.toFixed(3),
    loss.insideSpread === undefined ? '-' : `${(100 * loss.insideSpread).toFixed(0)}%`,
    marks === undefined ? '-' : points(marks.rms),
  ];
}

function arbitrageLines(what: string, ranges: readonly ArbitrageRange[]): string[] {
  if (ranges.length === 0) return [`Static arbitrage of ${what}: none`];
  return [
    `Static arbitrage of ${what}: ${ranges.length} ranges`,
    table(
      ['expiry', 'kind', 'ln(K/F) from', 'to', 'worst at', 'strike', 'value'],
      ranges.map(({ name, kind, from, to, logMoneyness, strike, value }) => [
        name,
        kind,
        from.toFixed(4),
        to.toFixed(4),
        logMoneyness.toFixed(4),
        shortNumber(strike),
        value.toExponential(2),
      ]),
    ),
  ];
}

function leftOutLine({ name, leftOut }: BuiltExpiry): string[] {
  const counts = new Map<string, number>();
  for (const { reason, side } of leftOut) {
    const key = side === undefined ? reason : `${side} ${reason}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  if (counts.size === 0) return [];
  return [`  ${name}: ${[...counts].map(([reason, count]) => `${count} ${reason}`).join(', ')}`];
}

function points(value: number): string {
  return (100 * value).toFixed(3);
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(7)));
}

/** Columns aligned to the right, but the first and an untitled last one. */
function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const last = titles.length - 1;
  return textTable(
    titles.map((title, index) => ({
      title,
      align: index === 0 || (index === last && title === '') ? ('left' as const) : ('right' as const),
    })),
    rows,
    { rule: false },
  );
}

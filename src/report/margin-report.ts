/** The readable margin report: waterfall, risk matrix, Greeks ladder, positions, trades and tail risk. */
import type { Breakdown } from '../margin/engine/breakdown.ts';
import { type LadderRung, type RiskMatrix, sumGreeks } from '../margin/engine/ladder.ts';
import type { Tier } from '../margin/engine/margin.ts';
import { decimal, exactAmount, percentage, RULE, textTable } from '../plain-text.ts';
import type { TailRiskReport } from '../risk/index.ts';
import type { MarginResult } from './margin-result.ts';

const TIERS: Readonly<Record<Tier, string>> = {
  healthy: 'healthy',
  warning: 'warning: equity is near the initial requirement',
  softLiquidation: 'soft liquidation: equity is near the maintenance requirement',
  liquidation: 'liquidation: equity is below the maintenance requirement',
  badDebt: 'bad debt: nothing is left of equity',
};

const COMPONENTS: Readonly<Record<string, string>> = {
  'scan.delta': 'scan: delta at the worst scenario',
  'scan.gamma': 'scan: gamma',
  'scan.vega': 'scan: vega',
  'scan.residual': 'scan: residual (cross and higher orders)',
  gamma: 'short gamma over the horizon',
  vegaShock: 'vega at one more vol shock',
  expiryBasis: 'basis of each expiry',
  expiryInterest: 'interest of each expiry',
  horizon: 'liquidation-horizon buffer',
  shortOption: 'short-option minimum',
  basis: 'basis contingency',
  perpetual: 'perpetual contingency',
  calendarSpread: 'calendar-spread charge',
  roll: 'roll shock',
  deltaConcentration: 'delta concentration',
  oracleConfidence: 'oracle confidence',
  predictive: 'predictive vol charge',
  collateralHaircut: 'collateral haircut',
  reservation: 'reserved',
  floor: 'short-option minimum, to its floor',
};

/** Most positions, and most rungs of the ladder, that are listed; the JSON holds all. */
const MAX_ROWS = 200;

/** Writes the report of a result. */
export function marginReport(result: MarginResult): string {
  const unit = result.numeraire === 'usd' ? 'USD' : 'coin';
  const stamp = `${result.model.name} ${result.model.version}, ${result.asOf}`;
  const sections: [string, string][] = [
    [`Margin waterfall, ${unit}`, waterfall(result)],
    ...result.riskMatrices.map((matrix): [string, string] => [
      `Risk matrix ${matrix.underlying}, profit in ${unit}`,
      riskMatrix(matrix, result),
    ]),
    ['Greeks ladder', ladder(result.greeks)],
    [`Maintenance requirement by expiry, ${unit}`, byExpiry(result.maintenance.breakdown)],
    [`Maintenance requirement by position, ${unit}`, byPosition(result.maintenance.breakdown)],
  ];
  if (result.trades.length > 0) sections.push([`Candidate trades, change in ${unit}`, trades(result)]);
  if (result.shocks.length > 0) sections.push([`Shocks, ${unit}`, shocks(result)]);
  if (result.tailRisk.length > 0) sections.push(['Tail risk, USD', tailRisk(result.tailRisk)]);
  return [
    `Portfolio ${result.portfolio}: ${TIERS[result.tier]}`,
    ...sections.map(([title, text]) => `\n${title}   [${stamp}]\n\n${text}`),
  ].join('\n');
}

function waterfall(result: MarginResult): string {
  const { equity, maintenance, initial } = result;
  const decimals = result.numeraire === 'usd' ? 2 : 8;
  const amount = (value: number): string => decimal(value, decimals);
  const rows: string[][] = [
    ['cash', amount(equity.cash), amount(equity.cash)],
    ['options at mark', amount(equity.options), amount(equity.options)],
    ['spot, futures and perpetuals', amount(equity.linear), amount(equity.linear)],
    ['collateral', amount(equity.collateral), amount(equity.collateral)],
  ];
  if (equity.haircut !== 0)
    rows.push(['maintenance haircut', amount(-equity.haircut), amount(-equity.haircut)]);
  rows.push([RULE], ['equity', amount(equity.total), amount(equity.total)], [RULE]);
  maintenance.breakdown.components.forEach(({ id, amount: part }, index) => {
    const larger = initial.breakdown.components[index]!.amount;
    if (part === 0n && larger === 0n) return;
    const scale = maintenance.breakdown.unitsPerNumeraire;
    rows.push([COMPONENTS[id] ?? id, exactAmount(-part, scale), exactAmount(-larger, scale)]);
  });
  rows.push(
    [RULE],
    [
      'requirement',
      exactAmount(maintenance.breakdown.requirement, maintenance.breakdown.unitsPerNumeraire),
      exactAmount(initial.breakdown.requirement, initial.breakdown.unitsPerNumeraire),
    ],
    ['equity less requirement', amount(maintenance.margin), amount(initial.margin)],
  );
  const { worst, relief, byUnderlying } = result.scan;
  const notes = byUnderlying.map(
    ({ underlying, loss, worst: own }) =>
      `  ${underlying}: worst scenario ${own ?? 'none'}, loss ${amount(loss)}`,
  );
  if (byUnderlying.length > 1) {
    const names = worst?.scenarios.map(({ underlying, scenario }) => `${underlying} ${scenario}`).join('; ');
    notes.push(
      `  together: ${names ?? 'no scenario loses'}, loss ${amount(worst?.loss ?? 0)}; relief granted ${amount(relief)}`,
    );
  }
  return `${textTable(
    [{ title: '', align: 'left' }, { title: 'maintenance' }, { title: 'initial' }],
    rows,
  )}\n${notes.join('\n')}`;
}

function shocks(result: MarginResult): string {
  const decimals = result.numeraire === 'usd' ? 2 : 8;
  const amount = (value: number): string => decimal(value, decimals);
  return textTable(
    [
      { title: 'shock', align: 'left' },
      { title: 'price' },
      { title: 'vols' },
      { title: 'hours' },
      { title: 'profit' },
      { title: 'equity' },
      { title: 'maintenance left' },
      { title: 'initial left' },
      { title: 'then', align: 'left' },
    ],
    result.shocks.map((shock) => [
      shock.name,
      `${shock.priceMove >= 0 ? '+' : ''}${percentage(shock.priceMove)}`,
      `x ${decimal(shock.volMultiplier, 2)}${shock.volShift === 0 ? '' : ` ${shock.volShift > 0 ? '+' : ''}${percentage(shock.volShift)}`}`,
      decimal(shock.hours, 1),
      amount(shock.profit),
      amount(shock.equity),
      amount(shock.maintenanceMargin),
      amount(shock.initialMargin),
      shock.tier,
    ]),
  );
}

function riskMatrix(matrix: RiskMatrix, result: MarginResult): string {
  const decimals = result.numeraire === 'usd' ? 0 : 6;
  const moves = [...new Set(matrix.grid.map(({ move }) => move))].sort((a, b) => a - b);
  const volatilities = (['down', 'none', 'up'] as const).filter((volatility) =>
    matrix.grid.some((cell) => cell.volatility === volatility),
  );
  const show = (scenario: number, profit: number): string =>
    `${scenario === matrix.worst ? '>> ' : ''}${decimal(profit, decimals)}`;
  const rows = moves.map((move) => [
    `${move >= 0 ? '+' : ''}${percentage(move)}`,
    ...volatilities.map((volatility) => {
      const cells = matrix.grid.filter((cell) => cell.move === move && cell.volatility === volatility);
      if (cells.length === 0) return '';
      const cell = cells.find(({ scenario }) => scenario === matrix.worst) ?? cells[0]!;
      return show(cell.scenario, cell.profit);
    }),
  ]);
  const parts = [
    textTable([{ title: 'price' }, ...volatilities.map((title) => ({ title: `vols ${title}` }))], rows),
  ];
  if (matrix.others.length > 0) {
    parts.push(
      textTable(
        [
          { title: 'tails and skews', align: 'left' },
          { title: 'price' },
          { title: 'damping' },
          { title: 'profit' },
        ],
        matrix.others.map(({ id, move, damping, profit, scenario }) => [
          id,
          `${move >= 0 ? '+' : ''}${percentage(move)}`,
          decimal(damping, 3),
          show(scenario, profit),
        ]),
      ),
    );
  }
  if (matrix.basisProfit !== null) {
    const worst = matrix.worst === result.scenarioPnl[matrix.underlying]!.length;
    parts.push(`  basis move: ${worst ? '>> ' : ''}${decimal(matrix.basisProfit, decimals)}`);
  }
  parts.push('  >> marks the worst scenario.');
  return parts.join('\n\n');
}

function ladder(rungs: readonly LadderRung[]): string {
  if (rungs.length === 0) return '  no positions';
  const figures = (sums: ReturnType<typeof sumGreeks>): string[] => [
    decimal(sums.delta, 4),
    decimal(sums.gammaPerPercent, 4),
    decimal(sums.vegaPerPoint),
    decimal(sums.thetaPerDay),
    decimal(sums.vannaPerPercentPoint),
    decimal(sums.volgaPerPointSquared),
  ];
  const rows: string[][] = [];
  const blank = (value: number): string => (value === 0 ? '' : decimal(value, 4));
  let group: LadderRung[] = [];
  const close = (): void => {
    if (group.length > 1) {
      const { underlying, expiry } = group[0]!;
      rows.push([`${underlying} ${expiry ?? 'linear'}`, 'sum', '', '', '', '', ...figures(sumGreeks(group))]);
    }
    group = [];
  };
  for (const rung of rungs.slice(0, MAX_ROWS)) {
    const first = group[0];
    if (first !== undefined && (first.underlying !== rung.underlying || first.expiry !== rung.expiry))
      close();
    group.push(rung);
    rows.push([
      `${rung.underlying} ${rung.expiry ?? 'linear'}`,
      rung.strike === null ? '' : rung.strike.toLocaleString('en-US', { maximumFractionDigits: 6 }),
      blank(rung.calls),
      blank(rung.puts),
      blank(rung.linear),
      rung.volatility === null ? '' : percentage(rung.volatility),
      ...figures(rung),
    ]);
  }
  close();
  rows.push([RULE]);
  for (const underlying of new Set(rungs.map((rung) => rung.underlying))) {
    const own = rungs.filter((rung) => rung.underlying === underlying);
    rows.push([`${underlying} all`, '', '', '', '', '', ...figures(sumGreeks(own))]);
  }
  return `${textTable(
    [
      { title: 'expiry', align: 'left' },
      { title: 'strike' },
      { title: 'calls' },
      { title: 'puts' },
      { title: 'linear' },
      { title: 'vol' },
      { title: 'delta' },
      { title: 'gamma' },
      { title: 'vega' },
      { title: 'theta' },
      { title: 'vanna' },
      { title: 'volga' },
    ],
    rows,
  )}
  delta: units; gamma: units for 1 %; vega: USD for a vol point; theta: USD a day; vanna: USD for 1 % and a vol point;
  volga: USD for a vol point squared${rungs.length > MAX_ROWS ? `; ${rungs.length - MAX_ROWS} further rows in --json` : ''}`;
}

function byExpiry({ expiries, other, requirement, unitsPerNumeraire: scale }: Breakdown): string {
  return textTable(
    [{ title: 'expiry', align: 'left' }, { title: 'amount' }],
    [
      ...expiries.map(({ underlying, expiry, amount }) => [
        `${underlying} ${expiry ?? 'linear'}`,
        exactAmount(amount, scale),
      ]),
      ['collateral, reserved, floor', exactAmount(other, scale)],
      [RULE],
      ['requirement', exactAmount(requirement, scale)],
    ],
  );
}

function byPosition(breakdown: Breakdown): string {
  const { positions, other, requirement, unitsPerNumeraire: scale } = breakdown;
  const show = (amount: bigint | null): string => (amount === null ? '' : exactAmount(amount, scale));
  const rows = positions
    .slice(0, MAX_ROWS)
    .map(({ id, contribution, standalone, marginal }) => [
      id,
      show(contribution),
      show(standalone),
      show(marginal),
    ]);
  if (positions.length > MAX_ROWS) rows.push([`${positions.length - MAX_ROWS} more in --json`]);
  return textTable(
    [
      { title: 'position', align: 'left' },
      { title: 'contribution' },
      { title: 'standalone' },
      { title: 'marginal' },
    ],
    [...rows, ['collateral, reserved, floor', show(other)], [RULE], ['requirement', show(requirement)]],
  );
}

function trades(result: MarginResult): string {
  return textTable(
    [
      { title: 'trade', align: 'left' },
      { title: 'cash' },
      { title: 'maintenance' },
      { title: 'initial' },
      { title: 'initial margin after' },
      { title: 'allowed', align: 'left' },
    ],
    result.trades.map((trade) => [
      trade.name,
      decimal(trade.cash),
      decimal(trade.maintenanceRequirement),
      decimal(trade.initialRequirement),
      decimal(trade.initialMarginAfter),
      trade.allowed ? 'yes' : 'no: below the initial requirement',
    ]),
  );
}

function tailRisk(reports: readonly TailRiskReport[]): string {
  const first = reports[0]!;
  const notes = [...new Set(reports.flatMap((report) => report.notes))];
  return [
    textTable(
      [
        { title: 'method', align: 'left' },
        { title: 'level' },
        { title: 'days' },
        { title: 'moves' },
        { title: 'VaR' },
        { title: 'ES' },
        { title: 'ES error' },
        { title: 'VaR / scan' },
        { title: 'ES / scan' },
        { title: 'scan covers' },
      ],
      reports.map((report) => [
        report.method,
        percentage(report.level),
        String(report.horizonDays),
        String(report.scenarios),
        decimal(report.valueAtRisk, 0),
        decimal(report.expectedShortfall, 0),
        decimal(report.standardError.expectedShortfall, 0),
        ratio(report.scan?.valueAtRiskRatio),
        ratio(report.scan?.expectedShortfallRatio),
        report.scan === undefined ? '' : percentage(report.scan.coverage, 2),
      ]),
    ),
    `  Full revaluation; seed ${first.seed}. Scan risk ${decimal(first.scan?.scanRisk ?? 0, 0)} before factors; "scan covers" is the`,
    '  share of moves that lose no more than it.',
    ...notes.map((note) => `  ${note}`),
  ].join('\n');
}

function ratio(value: number | null | undefined): string {
  return value === null || value === undefined ? '' : decimal(value, 2);
}

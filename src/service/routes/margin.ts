/** `/v1/margin` and `/v1/simulate`: margin of a document, without any state. */
import { ZkMarginError } from '../../errors.ts';
import { type MarginRequest, readMarginDocument } from '../../input/margin.ts';
import { marginResult } from '../../report/margin-result.ts';
import { plain } from '../../risk/monitor/index.ts';
import { MarginDocumentBodySchema, MarginResultSchema, SimulationSchema } from '../book/schemas.ts';
import { PROBLEMS, type Routes } from './shared.ts';

/** Largest document, in bytes: its margin is computed between other requests. */
const DOCUMENT_LIMIT = 262_144;
/** Most positions that are margined for one document, those of each trade and shock counted anew: about a second. */
const MAX_POSITIONS_MARGINED = 20_000;
/** Most positions of which each is also margined alone, and the portfolio without it: that takes the square of their number. */
const MAX_MARGINAL = 300;
/** Most simulated paths of tail risk, and most days of all of them together. */
const MAX_PATHS = 20_000;
const MAX_PATH_DAYS = 200_000;

/** Adds the routes. */
export function marginRoutes(routes: Routes): void {
  routes.post(
    '/v1/margin',
    {
      bodyLimit: DOCUMENT_LIMIT,
      schema: {
        summary: 'Margin of a portfolio: requirement, components, risk matrix, Greeks, tail risk',
        body: MarginDocumentBodySchema,
        response: { 200: MarginResultSchema, ...PROBLEMS },
      },
    },
    async ({ body }) => ({ ...plain(marginResult(requestOf(body), MAX_MARGINAL)) }),
  );

  routes.post(
    '/v1/simulate',
    {
      bodyLimit: DOCUMENT_LIMIT,
      schema: {
        summary: 'What each candidate trade and each shock of a document would do to the margin',
        body: MarginDocumentBodySchema,
        response: { 200: SimulationSchema, ...PROBLEMS },
      },
    },
    async ({ body }) => {
      const { portfolio, model, tier, equity, maintenance, initial, trades, shocks } = marginResult(
        { ...requestOf(body), history: undefined },
        0,
      );
      return {
        portfolio,
        model: model.name,
        tier,
        equity: equity.total,
        maintenanceRequirement: maintenance.requirement,
        maintenanceMargin: maintenance.margin,
        initialRequirement: initial.requirement,
        initialMargin: initial.margin,
        trades: trades.map((trade) => ({ ...trade })),
        shocks: shocks.map((shock) => ({
          ...shock,
          underlyings: [...shock.underlyings],
          components: shock.components.map((component) => ({ ...component })),
        })),
      };
    },
  );
}

/** A document that does not hold up other requests. @throws ZkMarginError as `readMarginDocument`; `TOO_LARGE` */
function requestOf(body: unknown): MarginRequest {
  const request = readMarginDocument(body);
  const { portfolio, trades, shocks, history, tailRisk } = request;
  const refuse = (message: string, field: string, count: number, limit: number): never => {
    throw new ZkMarginError('TOO_LARGE', `${message}, or use zkmargin margin.`, {
      field,
      details: { count, limit },
    });
  };
  const ofTrades = trades.reduce((sum, { positions }) => sum + positions.length, 0);
  const margined = portfolio.positions.length * (1 + trades.length + shocks.length) + ofTrades;
  if (margined > MAX_POSITIONS_MARGINED) {
    refuse('Ask for fewer trades and shocks at a time', 'portfolio', margined, MAX_POSITIONS_MARGINED);
  }
  if (history !== undefined) {
    const { paths = MAX_PATHS, horizonDays = 1 } = tailRisk;
    if (paths > MAX_PATHS) refuse('Ask for fewer paths', 'tailRisk.paths', paths, MAX_PATHS);
    const days = paths * horizonDays;
    if (days > MAX_PATH_DAYS) refuse('Ask for fewer paths or days', 'tailRisk', days, MAX_PATH_DAYS);
  }
  return request;
}

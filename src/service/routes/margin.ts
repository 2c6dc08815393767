/** `/v1/margin` and `/v1/simulate`: margin of a document, without any state. */
import { ZkMarginError } from '../../errors.ts';
import { type MarginRequest, readMarginDocument } from '../../input/margin.ts';
import { marginResult } from '../../report/margin-result.ts';
import { plain } from '../../risk/monitor/index.ts';
import { MarginDocumentBodySchema, MarginResultSchema, SimulationSchema } from '../book/schemas.ts';
import { PROBLEMS, type Routes } from './shared.ts';

/** Largest document, in bytes: its margin is computed between other requests. */
const DOCUMENT_LIMIT = 262_144;
/**
 * Most values of positions in scenarios for one document, the positions of each trade and shock counted anew: about a second. That is
 * 20,000 positions under the scenarios of any preset.
 */
const MAX_VALUATIONS = 700_000;
/** A position takes as long as so many scenarios at least: Greeks and sums do not depend on their number. */
const LEAST_SCENARIOS = 35;
/** Most positions of which each is also margined alone, and the portfolio without it: that takes the square of their number. */
const MAX_MARGINAL = 300;
/** Such a margin takes values that are there already: so many take as long as one value. */
const KNOWN_VALUES = 10;
/** Most simulated paths of tail risk, most days of all of them together, and most values of positions at their ends. */
const MAX_PATHS = 20_000;
const MAX_PATH_DAYS = 200_000;
const MAX_PATH_VALUES = 2_000_000;

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
    async ({ body }) => {
      const request = requestOf(body);
      return { ...plain(marginResult(request, marginalLimit(request))) };
    },
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
  const { portfolio, model, trades, shocks, history, tailRisk } = request;
  const refuse = (message: string, field: string, count: number, limit: number): never => {
    throw new ZkMarginError('TOO_LARGE', `${message}, or use zkmargin margin.`, {
      field,
      details: { count, limit },
    });
  };
  const ofTrades = trades.reduce((sum, { positions }) => sum + positions.length, 0);
  const margined = portfolio.positions.length * (1 + trades.length + shocks.length) + ofTrades;
  // A trade is margined with the portfolio and alone.
  const margins = 1 + shocks.length + 2 * trades.length;
  const valuations =
    margined * Math.max(LEAST_SCENARIOS, model.scenarios.length) + margins * jointScenarios(request);
  if (valuations > MAX_VALUATIONS) {
    const advice = 'Ask for fewer positions, trades, shocks or scenarios at a time';
    refuse(advice, 'portfolio', Math.ceil(valuations), MAX_VALUATIONS);
  }
  if (history !== undefined) {
    const { paths = MAX_PATHS, horizonDays = 1 } = tailRisk;
    if (paths > MAX_PATHS) refuse('Ask for fewer paths', 'tailRisk.paths', paths, MAX_PATHS);
    const days = paths * horizonDays;
    if (days > MAX_PATH_DAYS) refuse('Ask for fewer paths or days', 'tailRisk', days, MAX_PATH_DAYS);
    const values = paths * portfolio.positions.length;
    if (values > MAX_PATH_VALUES) {
      refuse('Ask for fewer paths or positions', 'tailRisk.paths', values, MAX_PATH_VALUES);
    }
  }
  return request;
}

/** What the joint scenarios of several underlyings take, in values of positions. */
function jointScenarios({ market, model }: MarginRequest): number {
  const [underlyings, scenarios] = [market.underlyings.length, model.scenarios.length];
  // Each underlying moves in each scenario while the others stay or move against it, and each scenario's opposite is looked for.
  return underlyings < 2 ? 0 : scenarios * (underlyings ** 2 / 20 + scenarios / 140);
}

/** Most positions of which each is also margined alone: none when that would take too long. */
function marginalLimit(request: MarginRequest): number {
  const count = request.portfolio.positions.length;
  const values = (count ** 2 * request.model.scenarios.length) / KNOWN_VALUES;
  return values + 2 * count * jointScenarios(request) > MAX_VALUATIONS ? 0 : MAX_MARGINAL;
}

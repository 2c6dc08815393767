/** `/v1/margin` and `/v1/simulate`: margin of a document, without any state. */
import { readMarginDocument } from '../../input/margin.ts';
import { marginResult } from '../../report/margin-result.ts';
import { plain } from '../../risk/monitor/index.ts';
import { MarginDocumentBodySchema, MarginResultSchema, SimulationSchema } from '../book/schemas.ts';
import { PROBLEMS, type Routes } from './shared.ts';

/** Largest document, in bytes: its margin is computed between other requests. */
const DOCUMENT_LIMIT = 262_144;

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
    async ({ body }) => ({ ...plain(marginResult(readMarginDocument(body))) }),
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
        readMarginDocument(body),
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

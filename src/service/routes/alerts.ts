/** Alerts, open and resolved. */

import type { AlertStore } from '../../store/alert-store.ts';
import { alertView } from '../alerts/monitor.ts';
import { AlertsQuerySchema, AlertsSchema } from '../alerts/schemas.ts';
import { cursorOf, limitOf, readCursor } from '../book/cursors.ts';
import { PROBLEMS, type Routes } from './shared.ts';

/** Adds the route. */
export function alertRoutes(routes: Routes, store: AlertStore): void {
  routes.get(
    '/v1/alerts',
    {
      schema: {
        summary: 'Alerts, the newest first',
        description: 'Those that are resolved are kept for 30 days. The event `alert` tells of each change.',
        querystring: AlertsQuerySchema,
        response: { 200: AlertsSchema, ...PROBLEMS },
      },
    },
    async ({ query }) => {
      const limit = limitOf(query.limit);
      const [before] = readCursor(query.cursor, 1) ?? [];
      const state = query.state as 'open' | 'resolved' | undefined;
      const found = await store.list({ state, before, limit });
      const last = found.at(-1);
      return {
        alerts: found.map(alertView),
        ...(found.length === limit && last !== undefined && { next: cursorOf(last.number) }),
      };
    },
  );
}

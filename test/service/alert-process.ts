/** Raises and resolves alerts without end, for tests that kill it. Arguments: directory of the store, URL of a webhook. */
import { AlertMonitor, readAlertOptions } from '../../src/service/alerts/monitor.ts';
import { openDatabase } from '../../src/store/database.ts';

const [directory, url] = process.argv.slice(2);
const database = await openDatabase({ directory: directory! });
let judged = 0;
const monitor = new AlertMonitor(
  readAlertOptions({ webhooks: [url!], holdSeconds: 0, pollMs: 10, retryMs: 1 }),
  {
    database,
    state: async () => ({
      now: Date.now(),
      startedAt: 0,
      queue: { full: judged++ % 4 < 2, starvedMs: judged % 6 < 3 ? 90_000 : 0 },
    }),
    onNotice: ({ step, alert }) => console.log(`${step} ${alert.number}`),
  },
);
await monitor.start();

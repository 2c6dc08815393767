/**
 * Tests that take minutes: the largest instances, and large samples. Usage: npm run test:slow [-- FILE...]
 * With names, or parts of them, those files alone.
 */
import { spawnSync } from 'node:child_process';

const environment = {
  ...process.env,
  ZKMARGIN_SLOW: '1',
  ZKMARGIN_ALERT_KILLS: process.env.ZKMARGIN_ALERT_KILLS ?? '30',
  ZKMARGIN_CRASHES: process.env.ZKMARGIN_CRASHES ?? '200',
  ZKMARGIN_PORTFOLIOS: process.env.ZKMARGIN_PORTFOLIOS ?? '100000',
};
const files = [
  'test/e2e/proof-set.test.ts',
  'test/circuits/leave-one-out.test.ts',
  'src/margin/exact/portfolio-accuracy.test.ts',
  'test/screening.test.ts',
  'test/service/crash.test.ts',
  'test/service/alerts.test.ts',
  'test/service/whole.test.ts',
];
const wanted = process.argv.slice(2);
const chosen = files.filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
if (chosen.length === 0) throw new Error(`Name some of: ${files.join(', ')}.`);
const { status } = spawnSync('npx', ['vitest', 'run', ...chosen], { stdio: 'inherit', env: environment });
process.exit(status ?? 1);

/** Tests that take minutes: the largest instances, and large samples. Usage: npm run test:slow */
import { spawnSync } from 'node:child_process';

const environment = {
  ...process.env,
  ZKMARGIN_SLOW: '1',
  ZKMARGIN_CRASHES: process.env.ZKMARGIN_CRASHES ?? '200',
  ZKMARGIN_PORTFOLIOS: process.env.ZKMARGIN_PORTFOLIOS ?? '100000',
};
const files = [
  'test/e2e/proof-set.test.ts',
  'src/margin/exact/portfolio-accuracy.test.ts',
  'test/service/crash.test.ts',
  'test/service/whole.test.ts',
];
const { status } = spawnSync('npx', ['vitest', 'run', ...files], { stdio: 'inherit', env: environment });
process.exit(status ?? 1);

/** In which order test files start. */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take from half a minute to some minutes, the longest first: started last, they would leave a core idle at the end. */
const LONG = [
  'test/e2e/auction.test.ts',
  'test/circuits/lint.test.ts',
  'test/keeper/keeper.test.ts',
  'test/service/crash.test.ts',
  'test/circuits/vectors.test.ts',
  'test/circuits/solvency.forgery.test.ts',
  'test/e2e/liquidation.test.ts',
  'test/e2e/contexts.test.ts',
  'test/service/shared-queue.test.ts',
  'test/service/statements.test.ts',
  'test/indexer/indexer.test.ts',
  'test/circuits/inspect.test.ts',
  'test/indexer/serve-command.test.ts',
  'src/proof/prover/worker-pool.test.ts',
  'src/proof/lint/uniqueness.test.ts',
  'test/circuits/claims.test.ts',
  'test/circuits/forgery.test.ts',
  'test/ceremony.test.ts',
  'src/store/database.test.ts',
];

/** Starts the long files before all others. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const place = ({ moduleId }: TestSpecification): number => {
      const index = LONG.indexOf(relative(this.ctx.config.root, moduleId).replaceAll('\\', '/'));
      return index < 0 ? LONG.length : index;
    };
    return sorted.sort((a, b) => place(a) - place(b));
  }
}

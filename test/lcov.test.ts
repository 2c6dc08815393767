import { expect, test } from 'vitest';
import { isBelow, lcovFiles, percent, sumOf } from '../scripts/lib/lcov.ts';

const REPORT = `TN:
SF:contracts/src/A.sol
DA:3,1
DA:4,0
FN:3,A.f
FNDA:1,A.f
FNF:1
FNH:1
LF:2
LH:1
BRF:0
BRH:0
end_of_record
TN:
SF:contracts/src/B.sol
DA:7,12
LF:1
LH:1
FNF:1
FNH:1
BRF:4
BRH:3
end_of_record
`;

test('files of a report, with the lines that were not reached', () => {
  const [a, b] = lcovFiles(REPORT);
  expect(a).toEqual({
    path: 'contracts/src/A.sol',
    lines: { hit: 1, found: 2 },
    branches: { hit: 0, found: 0 },
    functions: { hit: 1, found: 1 },
    missed: [4],
  });
  expect(b?.branches).toEqual({ hit: 3, found: 4 });
});

test('sums, percentages and the bound', () => {
  const total = sumOf(lcovFiles(REPORT), 'all');
  expect(percent(total.lines)).toBe('66.6');
  expect(percent(total.branches)).toBe('75.0');
  expect(percent({ hit: 0, found: 0 })).toBe('100.0');
  expect(isBelow(total, 66.7)).toBe(true);
  expect(isBelow(total, 66)).toBe(false);
});

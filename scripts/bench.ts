/**
 * Speed of the main parts: medians of several runs, as a table and as JSON in bench-results/.
 *
 * Usage: npm run bench [-- --runs 5 --json]
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { exactMargin } from '../src/margin/exact/margin.ts';
import { exampleBook } from '../src/margin/example-book.ts';
import { screen } from '../src/margin/float/screen.ts';
import { DEFAULT_PARAMETERS } from '../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces, shockRound } from '../src/market/example-market.ts';
import { black76Into } from '../src/math/float/black76.ts';
import { CircuitProver } from '../src/proof/prover/circuit-prover.ts';
import { prepareDevelopmentCircuit } from '../src/proof/prover/circuits.ts';
import { insolvencyInput } from '../src/proof/witness/insolvency.ts';
import { table } from './lib/format.ts';
import { LocalProtocol } from './lib/local-protocol.ts';

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1 || runs > 100) {
  console.error('--runs must be a whole number from 1 to 100.');
  process.exit(2);
}

const surfaces = JSON.parse(
  readFileSync(new URL('../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;
const opening = exampleRound(surfaces, 'BTC');
const shocked = shockRound(opening, { priceMove: -0.12, volMultiplierAt30d: 1.35, secondsLater: 3_600 });
const book = exampleBook({ opening, shocked, parameters: DEFAULT_PARAMETERS, seed: 7, count: 2_000 });

const results: { what: string; value: number; unit: string }[] = [];
function median(samples: number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
function rate(what: string, count: number, work: () => void): void {
  work();
  const samples = Array.from({ length: runs }, () => {
    const start = performance.now();
    work();
    return (count / (performance.now() - start)) * 1000;
  });
  results.push({ what, value: median(samples), unit: '1/s' });
}

const out = new Float64Array(16);
let sink = 0;
rate('Black-76 prices with all Greeks (float64)', 1_000_000, () => {
  for (let i = 0; i < 1_000_000; i++) {
    black76Into(
      out,
      0,
      (i & 1) === 0,
      96_000,
      60_000 + (i % 70_000),
      0.05 + (i % 97) / 100,
      0.3 + (i % 31) / 30,
      1,
    );
    sink += out[0]!;
  }
});
rate('accounts screened, 31 scenarios (float64, compiling included)', book.length, () => {
  sink += screen(book, shocked, DEFAULT_PARAMETERS).length;
});
const some = book.slice(0, 50);
rate('accounts margined exactly, 31 scenarios (integers)', some.length, () => {
  for (const account of some) sink += Number(exactMargin(account, shocked, DEFAULT_PARAMETERS).mark & 1n);
});

const prover = new CircuitProver([await prepareDevelopmentCircuit('insolvency-8')]);
const account = book[0]!;
const protocol = await LocalProtocol.start({
  timestamp: opening.underlying.timestamp,
  underlyingId: opening.underlying.underlyingId,
});
try {
  const witness: number[] = [];
  const proving: number[] = [];
  const verifying: number[] = [];
  let last: Awaited<ReturnType<CircuitProver['prove']>> | undefined;
  for (let run = 0; run <= runs; run++) {
    last = await prover.prove({
      circuit: 'insolvency-8',
      input: await insolvencyInput({
        legs: account.legs,
        salt: account.salt,
        scale: account.scale,
        round: shocked,
        parameters: DEFAULT_PARAMETERS,
        scenarioIndex: 3,
        context: BigInt(run),
        capacity: 8,
      }),
    });
    // The first run loads the key and warms the threads.
    if (run === 0) continue;
    witness.push(last.timings.witness);
    proving.push(last.timings.proving);
    verifying.push(last.timings.verifying);
  }
  results.push({ what: 'insolvency-8 witness, warm', value: median(witness) / 1000, unit: 's' });
  results.push({ what: 'insolvency-8 proof, warm (snarkjs)', value: median(proving) / 1000, unit: 's' });
  results.push({ what: 'insolvency-8 verification', value: median(verifying) / 1000, unit: 's' });
  const gas = await protocol.verificationGas(last!.calldata, last!.publicSignals);
  results.push({ what: 'verification as a whole transaction', value: Number(gas), unit: 'gas' });
} finally {
  await prover.close();
  await protocol.stop();
}

const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version };
const document = { machine, runs, time: new Date().toISOString(), results };
mkdirSync('bench-results', { recursive: true });
writeFileSync('bench-results/bench.json', `${JSON.stringify(document, null, 2)}\n`);
if (values.json) {
  console.log(JSON.stringify(document, null, 2));
} else {
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; medians of ${runs} runs`);
  console.log(
    table(
      ['what', 'value', 'unit'],
      results.map(({ what, value, unit }) => [
        what,
        value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(3),
        unit,
      ]),
    ),
  );
  console.log('Written to bench-results/bench.json.');
}
if (!Number.isFinite(sink)) process.exitCode = 1;

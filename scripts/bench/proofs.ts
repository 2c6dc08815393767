/** Speed of proving one account's insolvency, and gas of verifying it. */
import { exampleBook } from '../../src/margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces, shockRound } from '../../src/market/example-market.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { insolvencyInput } from '../../src/proof/witness/insolvency.ts';
import { LocalProtocol } from '../lib/local-protocol.ts';
import { type BenchResult, median } from './measure.ts';

/** @returns lines of the report */
export async function benchProofs(surfaces: SviSurfaces, runs: number): Promise<BenchResult[]> {
  const opening = exampleRound(surfaces, 'BTC');
  const shocked = shockRound(opening, { priceMove: -0.12, volMultiplierAt30d: 1.35, secondsLater: 3_600 });
  const book = exampleBook({ opening, shocked, parameters: DEFAULT_PARAMETERS, seed: 7 });
  const account = book[0]!;
  const prover = new CircuitProver([await prepareDevelopmentCircuit('insolvency-8')]);
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
    const gas = await protocol.verificationGas(last!.calldata, last!.publicSignals);
    return [
      { what: 'insolvency-8 witness, warm', value: median(witness) / 1000, unit: 's' },
      { what: 'insolvency-8 proof, warm (snarkjs)', value: median(proving) / 1000, unit: 's' },
      { what: 'insolvency-8 verification', value: median(verifying) / 1000, unit: 's' },
      { what: 'verification as a whole transaction', value: Number(gas), unit: 'gas' },
    ];
  } finally {
    await prover.close();
    await protocol.stop();
  }
}

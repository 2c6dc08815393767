/**
 * Every circuit, from a statement to its verifier on a real EVM. The largest instances are slow: they run with
 * `npm run test:slow`.
 */
import {
  type Address,
  createPublicClient,
  createWalletClient,
  encodeFunctionData,
  http,
  type PublicClient,
  parseGwei,
} from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statementMaker } from '../../scripts/bench/statements.ts';
import { type Anvil, startAnvil } from '../../src/chain/anvil.ts';
import { linkedBytecode, loadArtifact } from '../../src/chain/artifacts.ts';
import { includedReceipt } from '../../src/chain/receipts.ts';
import { POSITION_UNIT, tradeBetween } from '../../src/margin/exact/transfer.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { INSTANCES } from '../../src/proof/instances.ts';
import { verifierContractName } from '../../src/proof/keys/artifacts.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { insolvencyInput } from '../../src/proof/witness/insolvency.ts';
import { settlementInput } from '../../src/proof/witness/settlement.ts';
import { solvencyInput } from '../../src/proof/witness/solvency.ts';
import { transferInput } from '../../src/proof/witness/transfer.ts';
import { VERIFICATION_GAS } from '../circuits/counts.ts';
import { legs, near, round } from '../circuits/full-account.ts';

const scale = POSITION_UNIT;
const salt = 42n;
const context = 987_654_321n;
const { underlyingId } = round.underlying;
/** A leg of solvency proofs; of insolvency proofs no part. */
const movingCollateral = 50_000_000_000n;
const shared = { legs, scale, salt, context, round, parameters: DEFAULT_PARAMETERS };

const transfer = (): Promise<CircuitInput> => {
  const a = legs.slice(0, 5);
  const b = legs.slice(3);
  // The first account buys two contracts of an option that both hold from the second.
  const trade = [{ instrument: a[3]!.instrument, quantity: 2_000_000n }];
  const before = { a: { legs: a, scale }, b: { legs: b, scale } };
  const after = tradeBetween(before, trade);
  return transferInput({
    before: { a: { ...before.a, salt: 1n }, b: { ...before.b, salt: 2n } },
    after: { a: { ...after.a, salt: 3n }, b: { ...after.b, salt: 4n } },
    underlyingId,
    context,
    capacity: 16,
    // The first opening is published, the second one withheld.
    points: { a: 123_456_789n },
  });
};

/** Statements by circuit. */
const STATEMENTS: Readonly<Record<string, () => Promise<CircuitInput>>> = {
  'insolvency-8': () => insolvencyInput({ ...shared, scenarioIndex: 3, capacity: 8 }),
  'solvency-8': () =>
    solvencyInput({ ...shared, cash: 900_000_000_000n, movingCollateral, level: 5120n, capacity: 8 }),
  'transfer-16': transfer,
  'settlement-8': () =>
    settlementInput({
      ...shared,
      underlyingId,
      prices: [{ expiryHour: near, price: 101_000_000_000n }],
      capacity: 8,
    }),
};

/** All others, with a leg in every place. */
const LARGEST: typeof STATEMENTS = Object.fromEntries(
  INSTANCES.filter((name) => !(name in STATEMENTS)).map((name) => [name, () => statementMaker()(name, 1)]),
);

const slow = process.env.ZKMARGIN_SLOW === '1';
const chosen = Object.entries({ ...STATEMENTS, ...(slow ? LARGEST : {}) });
if (!slow) console.log(`left to npm run test:slow: ${Object.keys(LARGEST).join(', ')}`);

let anvil: Anvil;
let client: PublicClient;

beforeAll(async () => {
  anvil = await startAnvil();
  client = createPublicClient({ transport: http(anvil.url) });
});
afterAll(() => anvil?.stop());

async function deployVerifier(circuit: string): Promise<{ address: Address; abi: readonly unknown[] }> {
  const artifact = loadArtifact(verifierContractName(circuit));
  const wallet = createWalletClient({ account: anvil.accounts[0]!, transport: http(anvil.url) });
  const hash = await wallet.sendTransaction({
    chain: null,
    data: linkedBytecode(artifact),
    gas: 5_000_000n,
    maxFeePerGas: parseGwei('100'),
  });
  const { contractAddress } = await includedReceipt(client, hash);
  return { address: contractAddress!, abi: artifact.abi };
}

describe('every circuit on a real EVM', () => {
  it.each(chosen)('%s', async (name, statement) => {
    const prover = new CircuitProver([await prepareDevelopmentCircuit(name)]);
    try {
      const { calldata, publicSignals, timings } = await prover.prove({
        circuit: name,
        input: await statement(),
      });
      const verifier = await deployVerifier(name);
      const call = (signals: readonly string[]): Promise<boolean> =>
        client.readContract({
          address: verifier.address,
          abi: verifier.abi,
          functionName: 'verifyProof',
          args: [calldata.a, calldata.b, calldata.c, signals],
        } as never) as Promise<boolean>;
      expect(await call(publicSignals)).toBe(true);
      for (let index = 0; index < publicSignals.length; index++) {
        const changed = (BigInt(publicSignals[index]!) + 1n) % SCALAR_MODULUS;
        const signals = publicSignals.map((signal, at) => (at === index ? String(changed) : signal));
        expect(await call(signals), `public signal ${index}`).toBe(false);
      }
      // The same residue beyond the field's order is no second form of a signal.
      expect(
        await call([String(BigInt(publicSignals[0]!) + SCALAR_MODULUS), ...publicSignals.slice(1)]),
      ).toBe(false);
      // A verifier that runs short of gas answers false and does not revert, so an estimate would be too low.
      const wallet = createWalletClient({ account: anvil.accounts[0]!, transport: http(anvil.url) });
      const hash = await wallet.sendTransaction({
        chain: null,
        to: verifier.address,
        data: encodeFunctionData({
          abi: verifier.abi,
          functionName: 'verifyProof',
          args: [calldata.a, calldata.b, calldata.c, publicSignals],
        } as never),
        gas: 1_000_000n,
      });
      const { gasUsed } = await includedReceipt(client, hash);
      // What the report and the documents say of gas.
      const expected = VERIFICATION_GAS.base + VERIFICATION_GAS.perSignal * publicSignals.length;
      expect(Math.abs(Number(gasUsed) / expected - 1)).toBeLessThan(0.01);
      console.log(
        `${name}: proof ${JSON.stringify(timings)} ms, ${gasUsed} gas with calldata and transaction`,
      );
    } finally {
      await prover.close();
    }
  });
});

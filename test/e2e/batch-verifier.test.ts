/** Verifiers of several proofs on a real EVM, with real proofs of `insolvency-8`; and the check of deployed verifiers. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Groth16Proof, Groth16VerificationKey } from 'snarkjs';
import {
  type Abi,
  type Account,
  type Address,
  type Chain,
  createPublicClient,
  createWalletClient,
  encodeFunctionData,
  type Hex,
  http,
  type PublicClient,
  parseGwei,
  type Transport,
  type WalletClient,
} from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Anvil, startAnvil } from '../../src/chain/anvil.ts';
import { type ContractArtifact, linkedBytecode, loadArtifact } from '../../src/chain/artifacts.ts';
import { BATCH_CIRCUITS } from '../../src/chain/deploy.ts';
import { includedReceipt } from '../../src/chain/receipts.ts';
import {
  acceptedForgeries,
  verifierAccepts,
  verifierRejectsForgery,
} from '../../src/chain/verifier-check.ts';
import { POSITION_UNIT } from '../../src/margin/exact/transfer.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { verifierHead } from '../../src/proof/ceremony/finalize.ts';
import { keyOriginOf } from '../../src/proof/ceremony/origin.ts';
import { compileText } from '../../src/proof/compile.ts';
import { singleThreadCurve } from '../../src/proof/curve.ts';
import { BASE_MODULUS } from '../../src/proof/field.ts';
import {
  batchContractName,
  batchVerifier,
  batchVerifierContract,
  loadManifest,
  loadVerificationKey,
  solidityVerifier,
  type VerifierHead,
  verifierContractName,
} from '../../src/proof/keys/artifacts.ts';
import { developmentWaste, generateDevelopmentKey } from '../../src/proof/keys/development.ts';
import { decodeProvingKey, verificationKeyOf } from '../../src/proof/keys/zkey.ts';
import { fromCalldata, type ProofCalldata, toCalldata } from '../../src/proof/prover/backend.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { type BatchItem, verifyBatch } from '../../src/proof/prover/verify-batch.ts';
import { insolvencyInput } from '../../src/proof/witness/insolvency.ts';
import { legs, round } from '../circuits/full-account.ts';

const CIRCUIT = 'insolvency-8';
const PROOFS = 8;

let anvil: Anvil;
let client: PublicClient;
let wallet: WalletClient<Transport, Chain | undefined, Account>;
let key: Groth16VerificationKey;
let items: BatchItem[];
let batch: { address: Address; abi: Abi };
let single: { address: Address; abi: Abi };

beforeAll(async () => {
  anvil = await startAnvil();
  client = createPublicClient({ transport: http(anvil.url), pollingInterval: 20 });
  wallet = createWalletClient({ account: anvil.accounts[0]!, transport: http(anvil.url) });
  batch = await deploy(loadArtifact('Insolvency8BatchVerifier'));
  single = await deploy(loadArtifact('Insolvency8Verifier'));
  const circuit = await prepareDevelopmentCircuit(CIRCUIT);
  key = circuit.verificationKey;
  const prover = new CircuitProver([circuit], { name: 'native' });
  items = [];
  try {
    // Different accounts of different keepers, also in the scenarios that they are judged by.
    for (let index = 0; index < PROOFS; index++) {
      const input = await insolvencyInput({
        legs: legs.slice(0, PROOFS - index),
        scale: POSITION_UNIT,
        salt: BigInt(index + 1),
        context: 987_654_321n + BigInt(index),
        round,
        parameters: DEFAULT_PARAMETERS,
        scenarioIndex: index,
        capacity: 8,
      });
      const { proof, publicSignals } = await prover.prove({ circuit: CIRCUIT, input });
      items.push({ proof, publicSignals });
    }
  } finally {
    await prover.close();
  }
});
afterAll(() => anvil?.stop());

async function deploy(artifact: ContractArtifact): Promise<{ address: Address; abi: Abi }> {
  return { address: await create(linkedBytecode(artifact)), abi: artifact.abi };
}

async function create(data: Hex): Promise<Address> {
  const hash = await wallet.sendTransaction({
    chain: null,
    data,
    gas: 5_000_000n,
    maxFeePerGas: parseGwei('100'),
  });
  const { contractAddress, status } = await includedReceipt(client, hash);
  expect(status).toBe('success');
  return contractAddress!;
}

interface Call {
  readonly proofs: readonly ProofCalldata[];
  readonly signals: readonly (readonly bigint[])[];
}

const callOf = (chosen: readonly BatchItem[]): Call => ({
  proofs: chosen.map(({ proof }) => toCalldata(proof)),
  signals: chosen.map(({ publicSignals }) => publicSignals.map(BigInt)),
});

const dataOf = ({ proofs, signals }: Call): Hex =>
  encodeFunctionData({ abi: batch.abi, functionName: 'verifyBatch', args: [proofs, signals] });

/** What the contract answers. */
async function onChain(call: Call, address = batch.address, gas = 3_000_000n): Promise<boolean> {
  const { data } = await client.call({ to: address, data: dataOf(call), gas });
  return BigInt(data!) === 1n;
}

/** What the contract and the same check in TypeScript answer; they agree. */
async function verdict(chosen: readonly BatchItem[]): Promise<boolean> {
  const [chain, here] = [await onChain(callOf(chosen)), await verifyBatch(key, chosen)];
  expect(chain).toBe(here);
  return chain;
}

const withSignal = (item: BatchItem, index: number, value: bigint): BatchItem => ({
  ...item,
  publicSignals: item.publicSignals.map((signal, at) => (at === index ? String(value) : signal)),
});

/** The proof with something added to a point of G1. */
async function plus(item: BatchItem, name: 'pi_a' | 'pi_c', multiple: bigint): Promise<BatchItem> {
  const { G1 } = await singleThreadCurve();
  const point = G1.fromObject(item.proof[name].map(BigInt));
  const sum = G1.add(point, G1.timesScalar(G1.fromObject([1n, 2n, 1n]), multiple));
  const [x, y] = G1.toObject(G1.toAffine(sum)) as bigint[];
  return { ...item, proof: { ...item.proof, [name]: [String(x), String(y), '1'] } };
}

const replaced = (changes: Readonly<Record<number, BatchItem>>, from: readonly BatchItem[] = items) =>
  from.map((item, index) => changes[index] ?? item);

describe('a batch of insolvency proofs', () => {
  it.each([1, 2, 3, 8])('accepts %i proofs', async (count) => {
    expect(await verdict(items.slice(0, count))).toBe(true);
  });

  it('accepts 16, each twice: that a claim is used once is not for a verifier to see', async () => {
    expect(await verdict([...items, ...items])).toBe(true);
  });

  it('refuses every signal of every proof changed, and a second form of it', async () => {
    for (const count of [1, 3]) {
      const chosen = items.slice(0, count);
      for (let which = 0; which < count; which++) {
        for (let index = 0; index < key.nPublic; index++) {
          const item = chosen[which]!;
          const value = BigInt(item.publicSignals[index]!);
          const next = (value + 1n) % SCALAR_MODULUS;
          expect(await onChain(callOf(replaced({ [which]: withSignal(item, index, next) }, chosen)))).toBe(
            false,
          );
          const second = withSignal(item, index, value + SCALAR_MODULUS);
          expect(await onChain(callOf(replaced({ [which]: second }, chosen)))).toBe(false);
        }
      }
    }
  });

  it('refuses a bad proof at every place', async () => {
    for (let which = 0; which < PROOFS; which++) {
      const name = which % 2 === 0 ? 'pi_a' : 'pi_c';
      expect(await verdict(replaced({ [which]: await plus(items[which]!, name, 1n) }))).toBe(false);
    }
    const { proof } = items[3]!;
    const other: Groth16Proof = { ...proof, pi_b: items[4]!.proof.pi_b };
    expect(await verdict(replaced({ 3: { ...items[3]!, proof: other } }))).toBe(false);
  });

  it('refuses proofs of other claims', async () => {
    const [first, second] = [items[0]!, items[1]!];
    const of = (claim: BatchItem, { proof }: BatchItem): BatchItem => ({ ...claim, proof });
    expect(await verdict([of(first, second), of(second, first)])).toBe(false);
    expect(await verdict(replaced({ 2: of(items[2]!, items[6]!), 6: of(items[6]!, items[2]!) }))).toBe(false);
    // The same proof for two claims.
    expect(await verdict([first, of(second, first)])).toBe(false);
    // One claim's signals lent to another, whole and in part.
    expect(await verdict([first, { ...first, proof: second.proof }])).toBe(false);
    const context = BigInt(second.publicSignals.at(-1)!);
    expect(await verdict([withSignal(first, key.nPublic - 1, context), second])).toBe(false);
  });

  it('refuses two bad proofs whose errors cancel in the product of the equations', async () => {
    const bad = [await plus(items[0]!, 'pi_c', 5n), await plus(items[1]!, 'pi_c', SCALAR_MODULUS - 5n)];
    // Without powers they would pass.
    expect(await plainProduct(bad)).toBe(true);
    expect(await verdict(bad)).toBe(false);
    expect(await verdict([bad[1]!, bad[0]!])).toBe(false);
    expect(await verdict([...bad, ...items.slice(2)])).toBe(false);
    const exchanged = [
      { ...items[0]!, proof: { ...items[0]!.proof, pi_c: items[1]!.proof.pi_c } },
      { ...items[1]!, proof: { ...items[1]!.proof, pi_c: items[0]!.proof.pi_c } },
    ];
    expect(await plainProduct(exchanged)).toBe(true);
    expect(await verdict(exchanged)).toBe(false);
  });

  /** The product of the equations, each to the power 1. */
  async function plainProduct(chosen: readonly BatchItem[]): Promise<boolean> {
    const curve = await singleThreadCurve();
    const { G1, G2 } = curve;
    const g1 = (point: readonly string[]) => G1.fromObject(point.map(BigInt));
    const g2 = (point: readonly (readonly string[])[]) =>
      G2.fromObject(point.map((pair) => pair.map(BigInt)));
    const pairs: Uint8Array[] = [];
    for (const { proof, publicSignals } of chosen) {
      let inputs = g1(key.IC[0]!);
      publicSignals.forEach((signal, index) => {
        inputs = G1.add(inputs, G1.timesScalar(g1(key.IC[index + 1]!), BigInt(signal)));
      });
      pairs.push(G1.neg(g1(proof.pi_a)), g2(proof.pi_b), g1(key.vk_alpha_1), g2(key.vk_beta_2));
      pairs.push(inputs, g2(key.vk_gamma_2), g1(proof.pi_c), g2(key.vk_delta_2));
    }
    return curve.pairingEq(...pairs);
  }

  it('refuses coordinates that are no points, and second forms of points', async () => {
    const { proofs, signals } = callOf(items.slice(0, 2));
    const bump = (text: string, by: bigint): string => String(BigInt(text) + by);
    for (const which of [0, 1]) {
      const { a, b, c } = proofs[which]!;
      for (const by of [1n, BASE_MODULUS]) {
        const changed: ProofCalldata[] = [
          { a: [bump(a[0], by), a[1]], b, c },
          { a: [a[0], bump(a[1], by)], b, c },
          { a, b: [[bump(b[0][0], by), b[0][1]], b[1]], c },
          { a, b: [b[0], [b[1][0], bump(b[1][1], by)]], c },
          { a, b, c: [bump(c[0], by), c[1]] },
          { a, b, c: [c[0], bump(c[1], by)] },
        ];
        for (const proof of changed) {
          const all = proofs.map((old, index) => (index === which ? proof : old));
          expect(await onChain({ proofs: all, signals })).toBe(false);
        }
      }
    }
  });

  it('refuses no proofs, and sets of other numbers', async () => {
    const { proofs, signals } = callOf(items.slice(0, 2));
    expect(await onChain({ proofs: [], signals: [] })).toBe(false);
    expect(await onChain({ proofs, signals: signals.slice(1) })).toBe(false);
    expect(await onChain({ proofs: proofs.slice(1), signals })).toBe(false);
    // Arrays that claim to be longer than the calldata.
    const data = dataOf({ proofs, signals });
    await expect(client.call({ to: batch.address, data: data.slice(0, -64) as Hex })).rejects.toThrow();
  });

  it('is never true for lack of gas', async () => {
    const call = callOf(items.slice(0, 2));
    const answers: string[] = [];
    for (let gas = 40_000n; gas <= 520_000n; gas += 20_000n) {
      const answer = await onChain(call, batch.address, gas).then(String, () => 'reverted');
      answers.push(answer);
    }
    expect(answers[0]).not.toBe('true');
    expect(answers.at(-1)).toBe('true');
    // Once it is enough, more is enough as well, and less never was.
    expect(answers.lastIndexOf('false')).toBeLessThan(answers.indexOf('true'));
    expect(answers.lastIndexOf('reverted')).toBeLessThan(answers.indexOf('true'));
  });

  it('costs this much gas', async () => {
    const spend = async (to: Address, data: Hex): Promise<number> => {
      const hash = await wallet.sendTransaction({ chain: null, to, data, gas: 5_000_000n });
      return Number((await includedReceipt(client, hash)).gasUsed);
    };
    const { proofs, signals } = callOf(items);
    const { a, b, c } = proofs[0]!;
    const one = await spend(
      single.address,
      encodeFunctionData({ abi: single.abi, functionName: 'verifyProof', args: [a, b, c, signals[0]] }),
    );
    const rows: Record<string, number>[] = [];
    for (const count of [1, 2, 4, 8, 16]) {
      const gas = await spend(batch.address, dataOf(callOf([...items, ...items].slice(0, count))));
      // All of them in one transaction.
      const singly = 21_000 + count * (one - 21_000);
      rows.push({ proofs: count, batch: gas, each: Math.round(gas / count), singly });
    }
    console.table(rows);
    const eight = rows.find(({ proofs }) => proofs === 8)!;
    expect(eight.batch!).toBeLessThan(eight.singly! / 2);
  });
});

describe('the generated contracts', () => {
  it.each(BATCH_CIRCUITS)('%s has the committed key, and knows its origin', async (name) => {
    const contract = batchContractName(verifierContractName(name));
    const text = readFileSync(
      new URL(`../../contracts/src/verifiers/${contract}.sol`, import.meta.url),
      'utf8',
    );
    const { vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, IC } = await loadVerificationKey(name);
    const numbers = text.match(/\d{60,}/g)!;
    const g2 = ([x, y]: string[][]) => [x![1], x![0], y![1], y![0]];
    expect(numbers).toEqual([
      ...vk_alpha_1.slice(0, 2),
      ...[vk_beta_2, vk_gamma_2, vk_delta_2].flatMap(g2),
      ...IC.flatMap((point) => point.slice(0, 2)),
    ]);
    expect(await keyOriginOf(contract)).toBe('development');
  });

  it('of a ceremony carry its key and its guard', async () => {
    const { circuits } = await loadManifest();
    const entry = {
      ...circuits[CIRCUIT]!,
      contract: 'Insolvency8TestCeremonyVerifier',
      provenance: 'test ceremony' as const,
      ceremony: {
        contributions: [{ name: 'Alice', hash: '00' }],
        beacon: { hash: '00', iterationsExponent: 10, contributionHash: '00' },
        ptau: { file: 'some.ptau', power: 15, blake2b: '00' },
        circuitHash: '00',
        zkeySha256: '00',
      },
    };
    const text = batchVerifier(CIRCUIT, key, verifierHead(CIRCUIT, entry))!;
    const { bytecode, abi } = compileContract(text, 'Insolvency8TestCeremonyBatchVerifier');
    const address = await create(bytecode);
    expect(await onChain(callOf(items.slice(0, 2)), address)).toBe(true);
    const read = (functionName: string) => client.readContract({ address, abi, functionName });
    expect(await read('TEST_CEREMONY_KEY')).toBe(true);
    expect(await read('VERIFICATION_KEY_HASH')).toBe(`0x${entry.verificationKeyHash}`);
    expect(batchVerifier('settlement-8', key, verifierHead('settlement-8', entry))).toBeUndefined();
    const head = verifierHead(CIRCUIT, { ...entry, provenance: 'ceremony' });
    expect(batchVerifier(CIRCUIT, key, head)).not.toContain('constructor');
    expect(() => batchVerifierContract({ ...key, nPublic: 10 }, head)).toThrow(
      expect.objectContaining({ code: 'KEY_MISMATCH' }),
    );
  });

  it('of development keys cannot be deployed on a public chain', async () => {
    const other = await startAnvil({ chainId: 8453 });
    try {
      const transport = http(other.url);
      const call = createPublicClient({ transport }).call({
        data: linkedBytecode(loadArtifact('Insolvency32BatchVerifier')),
      });
      await expect(call).rejects.toThrow(/revert/);
    } finally {
      await other.stop();
    }
  });
});

describe('the check of deployed verifiers', () => {
  /** Verifiers of a circuit with 14 public signals, whose key has delta equal to gamma. */
  async function forgeable(): Promise<{ key: Groth16VerificationKey; single: Address; batch: Address }> {
    const circuit = await compileText(
      'fourteen',
      `pragma circom 2.2.0;
template Fourteen() {
    signal input values[14];
    signal input root;
    signal squares[14];
    for (var i = 0; i < 14; i++) squares[i] <== values[i] * values[i];
    root * root === values[0];
}
component main { public [values] } = Fourteen();
`,
    );
    const waste = developmentWaste(circuit.r1csHash);
    const zkey = await generateDevelopmentKey(
      'fourteen',
      readFileSync(circuit.r1csPath),
      { threads: 1 },
      { ...waste, delta: waste.gamma },
    );
    const weak = verificationKeyOf(await singleThreadCurve(), decodeProvingKey(zkey));
    const head: VerifierHead = {
      contract: 'WeakVerifier',
      subject: 'a key that anyone can forge with',
      notice: 'For a test.',
      members: '',
    };
    const several = compileContract(batchVerifierContract(weak, head), 'WeakBatchVerifier');
    const one = compileContract(await solidityVerifier(zkey, head), 'WeakVerifier');
    return { key: weak, single: await create(one.bytecode), batch: await create(several.bytecode) };
  }

  it('finds nothing in the verifiers of the development key', async () => {
    expect(await verifierRejectsForgery(client, single.address, key)).toBe(true);
    expect(await verifierRejectsForgery(client, batch.address, key, { batch: true })).toBe(true);
    const { proof, publicSignals } = items[0]!;
    expect(await verifierAccepts(client, single.address, proof, publicSignals)).toBe(true);
    expect(await verifierAccepts(client, batch.address, proof, publicSignals, { batch: true })).toBe(true);
    expect(await verifierAccepts(client, single.address, items[1]!.proof, publicSignals)).toBe(false);
  });

  it('finds the forgery of a key without contributions, by one proof and in a batch', async () => {
    const weak = await forgeable();
    expect(await verifierRejectsForgery(client, weak.single, weak.key)).toBe(false);
    expect(await verifierRejectsForgery(client, weak.batch, weak.key, { batch: true })).toBe(false);
    const found = await acceptedForgeries(client, weak.single, weak.key);
    expect(found.map(({ name }) => name)).toEqual(Array(3).fill('delta is gamma'));
    // Forged proofs among themselves and beside each other: a batch of that key is as weak as the key, and no other is.
    const forged = found.map(({ proof, publicSignals }) => ({ proof: fromCalldata(proof), publicSignals }));
    expect(await onChain(callOf(forged), weak.batch)).toBe(true);
    const mine = (await acceptedForgeries(client, weak.batch, weak.key, { batch: true })).length;
    expect(mine).toBe(3);
    const against = await forgedFor(key);
    expect(await onChain(callOf([against]))).toBe(false);
    expect(await onChain(callOf([items[0]!, against]))).toBe(false);
    expect(await onChain(callOf([against, items[0]!]))).toBe(false);
  });

  /** The forgery, made for another key. */
  async function forgedFor(other: Groth16VerificationKey): Promise<BatchItem> {
    const { G1 } = await singleThreadCurve();
    const g1 = (point: readonly string[]) => G1.fromObject(point.map(BigInt));
    const { publicSignals } = items[2]!;
    let inputs = g1(other.IC[0]!);
    publicSignals.forEach((signal, index) => {
      inputs = G1.add(inputs, G1.timesScalar(g1(other.IC[index + 1]!), BigInt(signal)));
    });
    const c = (G1.toObject(G1.toAffine(G1.neg(inputs))) as bigint[]).map(String);
    const proof: Groth16Proof = {
      pi_a: other.vk_alpha_1,
      pi_b: other.vk_beta_2,
      pi_c: [...c.slice(0, 2), '1'],
      protocol: 'groth16',
      curve: 'bn128',
    };
    return { proof, publicSignals };
  }

  it('finds a contract that takes everything, and wants a contract', async () => {
    // PUSH1 1, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN: the answer is true.
    const always = await create('0x6760015f5260205ff35f5260086018f3');
    expect(await verifierRejectsForgery(client, always, key)).toBe(false);
    const names = (await acceptedForgeries(client, always, key)).map(({ name }) => name);
    expect(new Set(names).size).toBe(4);
    await expect(
      verifierRejectsForgery(client, '0x00000000000000000000000000000000000000aa', key),
    ).rejects.toMatchObject({ code: 'VERIFIER_MISSING' });
  });
});

/** Compiles a generated contract as if it lay beside the others. */
function compileContract(source: string, name: string): { abi: Abi; bytecode: Hex } {
  const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string };
  const here = (path: string) =>
    readFileSync(new URL(`../../contracts/src/${path}`, import.meta.url), 'utf8');
  const files = ['interfaces/Groth16.sol', 'libraries/Groth16Batch.sol', 'libraries/ProofContext.sol'];
  const output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: {
          'verifiers/Contract.sol': { content: source },
          ...Object.fromEntries(files.map((file) => [file, { content: here(file) }])),
        },
        settings: {
          evmVersion: 'cancun',
          optimizer: { enabled: true },
          outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
        },
      }),
    ),
  ) as {
    errors?: { formattedMessage: string }[];
    contracts: Record<string, Record<string, { abi: Abi; evm: { bytecode: { object: string } } }>>;
  };
  expect(output.errors ?? []).toEqual([]);
  const { abi, evm } = output.contracts['verifiers/Contract.sol']![name]!;
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}

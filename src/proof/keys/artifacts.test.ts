import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Abi,
  type Address,
  type BaseError,
  createPublicClient,
  createWalletClient,
  decodeErrorResult,
  encodeDeployData,
  type Hex,
  http,
  type PublicClient,
} from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { foundryBinary } from '../../chain/binaries.ts';
import { includedReceipt } from '../../chain/receipts.ts';
import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { type ProofCalldata, toCalldata } from '../prover/backend.ts';
import { CircuitProver } from '../prover/circuit-prover.ts';
import { prepareToyCircuit, toyCircuit, toyInput } from '../testing.ts';
import {
  type ArtifactRoots,
  batchContractName,
  buildKeyArtifacts,
  compareKeyArtifacts,
  type KeyArtifacts,
  loadManifest,
  loadVerificationKey,
  verifierContractName,
  writeKeyArtifacts,
} from './artifacts.ts';

let folder: string;
let roots: ArtifactRoots;
let artifacts: KeyArtifacts;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zkmargin-keys-'));
  roots = { keys: join(folder, 'keys'), verifiers: join(folder, 'verifiers') };
  artifacts = await buildKeyArtifacts(toyCircuit, { roots, thorough: true });
  await writeKeyArtifacts([artifacts], roots);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('committed key files', () => {
  it('agree with a rebuild, and are read back', async () => {
    expect(await compareKeyArtifacts([await buildKeyArtifacts(toyCircuit, { roots })], roots)).toEqual([]);
    expect(await loadVerificationKey('toy-multiplier', 'development', roots)).toMatchObject({ nPublic: 3 });
    const manifest = await loadManifest(roots);
    expect(manifest.circuits['toy-multiplier']).toMatchObject({
      contract: 'ToyMultiplierVerifier',
      publicSignals: ['digest', 'product', 'context'],
      provenance: 'development',
      constraints: 306,
    });
  });

  it('are reported by name when one differs or is missing', async () => {
    for (const path of [artifacts.verificationKeyPath, artifacts.verifierPath]) {
      const text = await readFile(path, 'utf8');
      await writeFile(path, text.replace(/[1-8]/, '9'));
      expect(await compareKeyArtifacts([artifacts], roots)).toEqual([expect.stringContaining('differs')]);
      await rm(path);
      expect(await compareKeyArtifacts([artifacts], roots)).toEqual([expect.stringContaining('is missing')]);
      await writeFile(path, text);
    }
    const entry = { ...artifacts.entry, r1csHash: '00' };
    expect(await compareKeyArtifacts([{ ...artifacts, entry }], roots)).toEqual([
      expect.stringContaining('toy-multiplier.r1csHash'),
    ]);
    expect(await compareKeyArtifacts([{ ...artifacts, name: 'other' }], roots)).toEqual([
      expect.stringContaining('no entry for other'),
    ]);
  });

  it('that are damaged are named by their paths', async () => {
    const manifest = join(folder, 'keys', 'manifest.json');
    for (const [path, load] of [
      [manifest, () => loadManifest(roots)],
      [artifacts.verificationKeyPath, () => loadVerificationKey('toy-multiplier', 'development', roots)],
    ] as const) {
      const text = await readFile(path, 'utf8');
      const entryless = text.replace('"contract"', '"contracts"').replace('"IC"', '"ID"');
      for (const damaged of [text.slice(0, 500), '', '[]', 'null', '{}', '{"schema":1}', entryless]) {
        await writeFile(path, damaged);
        await expect(load(), damaged.slice(0, 20)).rejects.toMatchObject({
          code: 'FILE_MALFORMED',
          message: expect.stringContaining(path),
          details: { path },
        });
      }
      await writeFile(path, text);
      await load();
    }
    // None is no damage: the first key makes it.
    expect(await loadManifest({ keys: join(folder, 'nothing') })).toEqual({ schema: 1, circuits: {} });
  });

  it('of a circuit with batches hold a second contract', async () => {
    expect(artifacts.batchVerifier).toBeUndefined();
    const batched = await buildKeyArtifacts('circuits/main/insolvency-8.circom', { roots });
    expect(batched.batchVerifier).toMatchObject({
      path: join(folder, 'verifiers', 'Insolvency8BatchVerifier.sol'),
      text: expect.stringContaining('contract Insolvency8BatchVerifier is IBatchVerifier14'),
    });
    await writeKeyArtifacts([batched], roots);
    expect(await compareKeyArtifacts([batched], roots)).toEqual([]);
    await rm(batched.batchVerifier!.path);
    expect(await compareKeyArtifacts([batched], roots)).toEqual([
      expect.stringContaining('Insolvency8BatchVerifier.sol is missing'),
    ]);
  });

  it('name contracts after circuits', () => {
    expect(verifierContractName('insolvency-8')).toBe('Insolvency8Verifier');
    expect(verifierContractName('toy_multiplier')).toBe('ToyMultiplierVerifier');
    expect(batchContractName('Insolvency8CeremonyVerifier')).toBe('Insolvency8CeremonyBatchVerifier');
  });
});

describe('the verifier contract', () => {
  const running: ChildProcess[] = [];
  let contract: { abi: Abi; bytecode: Hex };
  afterAll(async () => {
    for (const child of running) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
    }
  });

  beforeAll(() => {
    contract = compileContract(artifacts.verifierText, 'ToyMultiplierVerifier');
  });

  async function deploy(chainId: number): Promise<{ client: PublicClient; address: Address }> {
    const transport = http(await startAnvil(chainId, running));
    const client = createPublicClient({ transport });
    // The first of anvil's unlocked accounts.
    const account = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266';
    // A call first: it gives the reason of a revert.
    const data = encodeDeployData({ ...contract, args: [] });
    await client.call({ account, data });
    const hash = await createWalletClient({ transport, account }).sendTransaction({ data, chain: null });
    const receipt = await includedReceipt(client, hash);
    expect(receipt.status).toBe('success');
    return { client, address: receipt.contractAddress! };
  }

  it('accepts a proof and refuses changed, out-of-range and forged ones', async () => {
    const circuit = await prepareToyCircuit();
    const prover = new CircuitProver([circuit]);
    const { calldata, publicSignals } = await prover.prove({ circuit: circuit.name, input: toyInput() });
    await prover.close();
    const { client, address } = await deploy(31337);
    const verify = (proof: ProofCalldata, signals: readonly (string | bigint)[]) =>
      client.readContract({
        address,
        abi: contract.abi,
        functionName: 'verifyProof',
        args: [
          proof.a.map(BigInt),
          proof.b.map((pair) => pair.map(BigInt)),
          proof.c.map(BigInt),
          signals.map(BigInt),
        ],
      });
    expect(await verify(calldata, publicSignals)).toBe(true);
    expect(await client.readContract({ address, abi: contract.abi, functionName: 'DEVELOPMENT_KEY' })).toBe(
      true,
    );
    for (let i = 0; i < publicSignals.length; i++) {
      const changed = publicSignals.map(BigInt);
      changed[i]! += 1n;
      expect(await verify(calldata, changed)).toBe(false);
      // The same residue: the pairing equation would hold.
      changed[i]! += SCALAR_MODULUS - 1n;
      expect(await verify(calldata, changed)).toBe(false);
    }
    const key = circuit.verificationKey;
    const forged = toCalldata({
      pi_a: key.vk_alpha_1,
      pi_b: key.vk_beta_2,
      pi_c: await negatedInputs(publicSignals),
      protocol: 'groth16',
      curve: 'bn128',
    });
    expect(await verify(forged, publicSignals)).toBe(false);
  });

  it('cannot be deployed on another chain', async () => {
    const error = await deploy(8453).then(
      () => undefined,
      (e: unknown) => e as BaseError,
    );
    const cause = error?.walk((e) => typeof (e as { data?: unknown }).data === 'string') as {
      data: Hex;
    } | null;
    expect(decodeErrorResult({ abi: contract.abi, data: cause!.data })).toMatchObject({
      errorName: 'DevelopmentKeyOnPublicChain',
      args: [8453n],
    });
  });
});

async function negatedInputs(signals: readonly string[]): Promise<string[]> {
  const { singleThreadCurve } = await import('../curve.ts');
  const { verificationKey } = await prepareToyCircuit();
  const { G1 } = await singleThreadCurve();
  const point = (p: string[]) => G1.fromObject(p.map(BigInt));
  let inputs = point(verificationKey.IC[0]!);
  signals.forEach((signal, i) => {
    inputs = G1.add(inputs, G1.timesScalar(point(verificationKey.IC[i + 1]!), BigInt(signal)));
  });
  return (G1.toObject(G1.toAffine(G1.neg(inputs))) as bigint[]).map(String);
}

function compileContract(source: string, name: string): { abi: Abi; bytecode: Hex } {
  const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string };
  const output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: { verifier: { content: source } },
        settings: { outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
      }),
    ),
  ) as {
    errors?: { formattedMessage: string }[];
    contracts: { verifier: Record<string, { abi: Abi; evm: { bytecode: { object: string } } }> };
  };
  expect(output.errors ?? []).toEqual([]);
  const { abi, evm } = output.contracts.verifier[name]!;
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}

async function startAnvil(chainId: number, running: ChildProcess[]): Promise<string> {
  const child = spawn(foundryBinary('anvil'), ['--port', '0', '--chain-id', String(chainId)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  running.push(child);
  let output = '';
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('anvil ended')));
    child.stdout!.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const address = /Listening on ([0-9.]+:[0-9]+)/.exec(output)?.[1];
      if (address) resolve(`http://${address}`);
    });
  });
}

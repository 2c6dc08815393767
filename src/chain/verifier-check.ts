/**
 * Checks of deployed verifiers: forgeries that need no secret, and that a verifier of a sound key refuses.
 *
 * The verification equation is `e(A, B) = e(alpha, beta) e(L(x), gamma) e(C, delta)`. With `A = alpha` and `B = beta` it says
 * `e(L(x), gamma) e(C, delta) = 1`. When delta is gamma, as in a key without a contribution, `C = -L(x)` solves that for any
 * signals x; when delta is its negative, `C = L(x)` does; when both are zero, any C does.
 */
import type { Groth16Proof, Groth16VerificationKey } from 'snarkjs';
import {
  type Abi,
  type Address,
  BaseError,
  ContractFunctionRevertedError,
  type PublicClient,
  parseAbi,
} from 'viem';
import { SCALAR_MODULUS } from '../math/fixed/scalar-field.ts';
import { singleThreadCurve } from '../proof/curve.ts';
import { type ProofCalldata, toCalldata } from '../proof/prover/backend.ts';
import { ChainError } from './errors.ts';

/** A forgery that was tried. */
export interface Forgery {
  readonly name: 'delta is gamma' | 'delta is -gamma' | 'no C' | 'zero proof';
  readonly proof: ProofCalldata;
  readonly publicSignals: readonly string[];
}

/** Which entry point is checked. */
export interface VerifierKind {
  /** `verifyBatch` of several proofs instead of `verifyProof`. */
  readonly batch?: boolean;
}

/**
 * Whether a deployed verifier refuses all forgeries that need no secret, for several public signals.
 *
 * The forgeries are made for the key that is given. Of a verifier with another key they say little: compare the contract's
 * constants with the key, or let it judge a good proof with {@link verifierAccepts}.
 *
 * @throws ChainError `VERIFIER_MISSING` when there is no contract at the address
 */
export async function verifierRejectsForgery(
  client: PublicClient,
  address: Address,
  key: Groth16VerificationKey,
  kind: VerifierKind = {},
): Promise<boolean> {
  return (await acceptedForgeries(client, address, key, kind)).length === 0;
}

/**
 * The forgeries that a deployed verifier takes for proofs: none, for a verifier of a sound key.
 *
 * @throws ChainError `VERIFIER_MISSING` when there is no contract at the address
 */
export async function acceptedForgeries(
  client: PublicClient,
  address: Address,
  key: Groth16VerificationKey,
  kind: VerifierKind = {},
): Promise<Forgery[]> {
  const accepted: Forgery[] = [];
  for (const forgery of await forgeriesOf(key)) {
    if (await judge(client, address, forgery.proof, forgery.publicSignals, kind)) accepted.push(forgery);
  }
  return accepted;
}

/**
 * Whether a deployed verifier takes a proof. A call that reverts is a refusal.
 *
 * @throws ChainError `VERIFIER_MISSING` when there is no contract at the address
 */
export function verifierAccepts(
  client: PublicClient,
  address: Address,
  proof: Groth16Proof,
  publicSignals: readonly string[],
  kind: VerifierKind = {},
): Promise<boolean> {
  return judge(client, address, toCalldata(proof), publicSignals, kind);
}

/** Public signals for which forgeries are made: both ends of the range, and numbers between that are all different. */
function trialSignals(count: number): bigint[][] {
  const fill = (value: (index: number) => bigint): bigint[] =>
    Array.from({ length: count }, (_, index) => value(index));
  return [
    fill(() => 0n),
    fill((index) => BigInt(index + 1) ** 60n % SCALAR_MODULUS),
    fill(() => SCALAR_MODULUS - 1n),
  ];
}

async function forgeriesOf(key: Groth16VerificationKey): Promise<Forgery[]> {
  const { G1 } = await singleThreadCurve();
  const g1 = (point: readonly string[]) => G1.fromObject(point.map(BigInt));
  // A point at infinity is two zeros for the precompiles.
  const coordinates = (point: Uint8Array): [string, string] => {
    if (G1.isZero(point)) return ['0', '0'];
    const [x, y] = G1.toObject(G1.toAffine(point)) as bigint[];
    return [String(x), String(y)];
  };
  const forgeries: Forgery[] = [];
  for (const signals of trialSignals(key.nPublic)) {
    let inputs = g1(key.IC[0]!);
    signals.forEach((signal, index) => {
      inputs = G1.add(inputs, G1.timesScalar(g1(key.IC[index + 1]!), signal));
    });
    const publicSignals = signals.map(String);
    const { a, b } = toCalldata({
      pi_a: key.vk_alpha_1,
      pi_b: key.vk_beta_2,
      pi_c: key.vk_alpha_1,
      protocol: 'groth16',
      curve: 'bn128',
    });
    const add = (name: Forgery['name'], c: [string, string]) =>
      forgeries.push({ name, proof: { a, b, c }, publicSignals });
    add('delta is gamma', coordinates(G1.neg(inputs)));
    add('delta is -gamma', coordinates(inputs));
    add('no C', ['0', '0']);
    const zero: [string, string] = ['0', '0'];
    forgeries.push({ name: 'zero proof', proof: { a: zero, b: [zero, zero], c: zero }, publicSignals });
  }
  return forgeries;
}

async function judge(
  client: PublicClient,
  address: Address,
  { a, b, c }: ProofCalldata,
  publicSignals: readonly string[],
  { batch = false }: VerifierKind,
): Promise<boolean> {
  if ((await client.getCode({ address })) === undefined) {
    throw new ChainError('VERIFIER_MISSING', `There is no contract at ${address}.`, { address });
  }
  const signals = publicSignals.map(BigInt);
  const [x, y] = [b[0].map(BigInt), b[1].map(BigInt)];
  const proof = { a: a.map(BigInt), b: [x, y], c: c.map(BigInt) };
  const call = batch
    ? { functionName: 'verifyBatch', args: [[proof], [signals]] }
    : { functionName: 'verifyProof', args: [proof.a, proof.b, proof.c, signals] };
  try {
    return (await client.readContract({
      address,
      abi: verifierAbi(signals.length, batch),
      ...call,
    } as never)) as boolean;
  } catch (error) {
    const reverted =
      error instanceof BaseError && error.walk((inner) => inner instanceof ContractFunctionRevertedError);
    if (reverted) return false;
    throw error;
  }
}

/** The one function that a verifier has. */
function verifierAbi(signals: number, batch: boolean): Abi {
  const text: readonly string[] = batch
    ? [
        'struct Groth16Proof { uint256[2] a; uint256[2][2] b; uint256[2] c; }',
        `function verifyBatch(Groth16Proof[] proofs, uint256[${signals}][] publicSignals) view returns (bool)`,
      ]
    : [
        `function verifyProof(uint256[2] a, uint256[2][2] b, uint256[2] c, uint256[${signals}] publicSignals) view returns (bool)`,
      ];
  return parseAbi(text) as Abi;
}

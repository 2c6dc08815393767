/** What it costs to check a proof on chain. */
import { createPublicClient, createWalletClient, encodeFunctionData, http, parseGwei } from 'viem';
import { startAnvil } from '../../src/chain/anvil.ts';
import { linkedBytecode, loadArtifact } from '../../src/chain/artifacts.ts';
import { buildContracts } from '../../src/chain/build.ts';
import { includedReceipt } from '../../src/chain/receipts.ts';
import { type ProofArgument, proofArgument } from '../../src/chain/requests/proofs.ts';
import { verifierContractName } from '../../src/proof/keys/artifacts.ts';
import type { ProvenJob } from '../../src/proof/prover/protocol.ts';
import type { LocalProtocol } from './local-protocol.ts';

/** Enough for any verifier: it answers false when its precompiles run out of gas, so that an estimate would find the least gas for a wrong answer. */
const GAS_LIMIT = 1_000_000n;

function verifierCall(circuit: string, { a, b, c }: ProofArgument, publicSignals: readonly bigint[]) {
  const { abi } = loadArtifact(verifierContractName(circuit));
  return { abi, functionName: 'verifyProof', args: [a, b, c, publicSignals] };
}

/** Gas of a transaction on a local protocol that has the circuit's verifier check a proof, and nothing else. */
export async function verificationGasIn(
  protocol: LocalProtocol,
  circuit: string,
  proof: ProofArgument,
  publicSignals: readonly bigint[],
): Promise<bigint> {
  const sender = protocol.wallet(9);
  const hash = await sender.sendTransaction({
    to: protocol.deployment.verifiers[circuit]!,
    data: encodeFunctionData(verifierCall(circuit, proof, publicSignals)),
    gas: GAS_LIMIT,
    chain: null,
    account: sender.account,
  });
  return (await protocol.receipt(hash)).gasUsed;
}

/** Gas of a transaction that does nothing but call the verifier, on a local chain of its own. */
export async function verificationGas({ circuit, calldata, publicSignals }: ProvenJob): Promise<bigint> {
  await buildContracts();
  const anvil = await startAnvil();
  try {
    const client = createPublicClient({ transport: http(anvil.url), pollingInterval: 25 });
    const wallet = createWalletClient({ account: anvil.accounts[0]!, transport: http(anvil.url) });
    const artifact = loadArtifact(verifierContractName(circuit));
    const fees = { chain: null, maxFeePerGas: parseGwei('100') } as const;
    const deployed = await wallet.sendTransaction({
      ...fees,
      data: linkedBytecode(artifact),
      gas: 5_000_000n,
    });
    const { contractAddress } = await includedReceipt(client, deployed);
    const call = verifierCall(circuit, proofArgument(calldata), publicSignals.map(BigInt));
    if ((await client.readContract({ ...call, address: contractAddress! })) !== true) {
      throw new Error('The verifier refuses the proof.');
    }
    const hash = await wallet.sendTransaction({
      ...fees,
      to: contractAddress!,
      data: encodeFunctionData(call),
      gas: GAS_LIMIT,
    });
    return (await includedReceipt(client, hash)).gasUsed;
  } finally {
    await anvil.stop();
  }
}

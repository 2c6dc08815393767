/** Asks the prover service for a proof, as a keeper without a prover of its own would. */
import type { Address } from 'viem';
import type { ProvenMargin } from '../../src/chain/requests/insolvency.ts';
import { proofArgument } from '../../src/chain/requests/proofs.ts';
import { formatInstrument } from '../../src/market/instrument.ts';
import { packRound } from '../../src/market/words.ts';
import type { ProofCalldata } from '../../src/proof/prover/backend.ts';
import { unpackFigures } from '../../src/proof/witness/figures.ts';
import type { KnownAccount } from '../lib/local-auction.ts';
import type { LocalProtocol } from '../lib/local-protocol.ts';

interface JobAnswer {
  readonly id: string;
  readonly state: 'queued' | 'proving' | 'done' | 'failed';
  readonly error?: { readonly code: string; readonly message: string };
  readonly result?: {
    readonly calldata: ProofCalldata;
    readonly publicSignals: readonly string[];
  };
}

/** A proof of the service, with the signals that it is checked against. */
export interface ServedProof extends ProvenMargin {
  readonly publicSignals: readonly bigint[];
}

/** An insolvency proof over HTTP. */
export async function requestInsolvency(
  url: string,
  protocol: LocalProtocol,
  symbol: string,
  account: KnownAccount,
  consumer: Address,
  keeper: Address,
): Promise<ServedProof> {
  const { market } = protocol;
  const { nonce, scale, cash } = await protocol.account(account.accountId);
  const { underlyingWord, expiryWords } = packRound(market.round);
  const result = await prove(url, {
    circuit: 'insolvency-8',
    legs: account.legs.map(({ instrument, quantity }) => ({
      instrument: formatInstrument(symbol, instrument),
      quantity: String(quantity),
    })),
    salt: String(account.salt),
    scale: String(scale),
    underlyingWord: String(underlyingWord),
    expiryWords: expiryWords.map(String),
    parameters: market.parameters,
    cash: String(cash),
    context: {
      chainId: String(market.chainId),
      engine: consumer,
      accountId: String(account.accountId),
      nonce: String(nonce),
      round: String(market.number),
      keeper,
    },
  });
  return {
    nonce,
    round: market.number,
    ...unpackFigures(BigInt(result.publicSignals[0]!)),
    capacity: 8,
    proof: proofArgument(result.calldata),
    publicSignals: result.publicSignals.map(BigInt),
  };
}

async function prove(url: string, body: unknown): Promise<NonNullable<JobAnswer['result']>> {
  const response = await fetch(`${url}/v1/proofs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST /v1/proofs: ${response.status} ${await response.text()}`);
  let job = (await response.json()) as JobAnswer;
  while (job.state === 'queued' || job.state === 'proving') {
    const answer = await fetch(`${url}/v1/proofs/${job.id}?wait=30`);
    if (!answer.ok) throw new Error(`GET /v1/proofs/${job.id}: ${answer.status} ${await answer.text()}`);
    job = (await answer.json()) as JobAnswer;
  }
  if (job.state !== 'done' || job.result === undefined) {
    throw new Error(`Proof failed: ${job.error?.code} ${job.error?.message}`);
  }
  return job.result;
}

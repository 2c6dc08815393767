import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadVerificationKey } from '../proof/keys/artifacts.ts';
import { fromCalldata, type ProofCalldata } from '../proof/prover/backend.ts';
import { verifyProof } from '../proof/prover/verify.ts';
import { type JobView, type RunningService, startService } from './index.ts';
import { marketOfRequest } from './testing.ts';

describe('a running service', () => {
  let service: RunningService;
  beforeAll(async () => {
    service = await startService({ port: 0 });
  });
  afterAll(() => service?.close());

  it('listens on loopback, and is ready when it has started', async () => {
    expect(service.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
  });

  it('returns a proof of the negative mark of an account that verifies under the committed key', async () => {
    const answer = await fetch(`${service.url}/v1/proofs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        circuit: 'insolvency-8',
        legs: [
          { instrument: 'BTC-28FEB25-96000-C', quantity: '-1500000' },
          { instrument: 'BTC-28FEB25-90000-P', quantity: '-500000' },
        ],
        salt: '5',
        scale: String(2n ** 40n),
        ...marketOfRequest(),
        context: {
          chainId: '31337',
          engine: `0x${'11'.repeat(20)}`,
          accountId: '1',
          nonce: '0',
          round: '1',
          keeper: `0x${'22'.repeat(20)}`,
        },
      }),
    });
    expect(answer.status).toBe(202);
    const { links } = (await answer.json()) as JobView;
    const job = (await (await fetch(service.url + links.wait)).json()) as JobView;
    expect(job.state).toBe('done');
    const { calldata, mark, publicSignals } = job.result!;
    expect(BigInt(mark!)).toBeLessThan(0n);
    const key = await loadVerificationKey('insolvency-8');
    expect(await verifyProof(key, publicSignals, fromCalldata(calldata as ProofCalldata))).toBe(true);
  });

  it('closes twice without harm, and answers no more', async () => {
    await service.close();
    await service.close();
    await expect(fetch(`${service.url}/livez`)).rejects.toThrow();
  });
});

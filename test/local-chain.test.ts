/** The local chain of demonstration and tests, set back while transactions wait. */
import { createTestClient, http } from 'viem';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LocalProtocol } from '../scripts/lib/local-protocol.ts';
import { startUnprovenWorld } from '../scripts/lib/unproven-protocol.ts';

let protocol: LocalProtocol;

beforeAll(async () => {
  ({ protocol } = await startUnprovenWorld());
}, 600_000);
afterAll(() => protocol?.stop());

it('sends with the right nonce after it was set back before a transaction had left the pool', async () => {
  const { keeper } = protocol;
  const nonce = () => protocol.client.getTransactionCount({ address: keeper.account.address });
  const before = await nonce();
  const snapshot = await protocol.snapshot();
  const chain = createTestClient({ mode: 'anvil', transport: http(protocol.anvil.url) });
  await chain.setAutomine(false);
  await protocol.send(keeper, 'asset', 'approve', [protocol.deployment.clearingHouse, 1n]);
  await protocol.revert(snapshot);
  await chain.setAutomine(true);

  await protocol.write(keeper, 'asset', 'approve', [protocol.deployment.clearingHouse, 2n]);
  expect(await nonce()).toBe(before + 1);
  const allowance = await protocol.read<bigint>('asset', 'allowance', [
    keeper.account.address,
    protocol.deployment.clearingHouse,
  ]);
  expect(allowance).toBe(2n);
});

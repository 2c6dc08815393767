import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPublicClient, http } from 'viem';
import { expect, it } from 'vitest';
import { errorToData, textOfError } from './errors.ts';

it("tells of a node's failure without the URL, which may hold a key", async () => {
  const server = createServer((_request, response) => response.end('{'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-key`;
  const asked = createPublicClient({ transport: http(url, { retryCount: 0 }) });
  const error: unknown = await asked.getChainId().catch((caught: unknown) => caught);
  server.close();
  // Otherwise there is nothing to leave out.
  expect(String(error)).toContain('secret-key');
  expect(JSON.stringify(errorToData(error))).not.toContain('secret-key');
  expect(textOfError(error)).toContain('HTTP request failed.');
});

it('nor when the URL cannot be read', async () => {
  const asked = createPublicClient({
    transport: http('https://node.example:99999/secret-key', { retryCount: 0 }),
  });
  const error: unknown = await asked.getChainId().catch((caught: unknown) => caught);
  expect(textOfError(error)).toContain('Failed to parse URL from (URL)');
});

it('tells all of what others throw', () => {
  expect(textOfError(new Error('first\nsecond'))).toBe('first\nsecond');
  expect([undefined, null, 3, 'text'].map(textOfError)).toEqual(['undefined', 'null', '3', 'text']);
});

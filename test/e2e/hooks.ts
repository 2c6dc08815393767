/** Hooks that files with a local chain share. */
import { afterEach, beforeEach } from 'vitest';
import type { LocalProtocol } from '../../scripts/lib/local-protocol.ts';

/** Takes the chain back after each test. `afterEach` hooks that a file adds later run before that. */
export function revertAfterEach(protocol: () => LocalProtocol): void {
  let snapshot: Awaited<ReturnType<LocalProtocol['snapshot']>>;
  beforeEach(async () => {
    snapshot = await protocol().snapshot();
  });
  afterEach(async () => {
    await protocol().revert(snapshot);
  });
}

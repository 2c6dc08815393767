/** The example book as the monitor takes it. */
import type { ExampleAccount } from '../../margin/example-book.ts';
import type { MonitoredAccount } from './accounts.ts';

/** An example account under an id; a part of its cash is collateral, so that both count. */
export function monitored(account: ExampleAccount, index: number): MonitoredAccount {
  const { legs, scale, cash } = account;
  const collateral = index % 3 === 0 && cash > 0n ? cash / 4n : 0n;
  return {
    id: BigInt(index + 1),
    legs,
    scale,
    cash: cash - collateral,
    collateral,
    nonce: BigInt(index % 5),
    inAuction: false,
  };
}

/** Several accounts liquidated in one transaction, and what that saves. */
import { provenRequirement } from '../../../src/chain/requests/insolvency.ts';
import type { Sale } from '../../../src/liquidation/amounts.ts';
import { dollars, gas, percent } from '../../lib/format.ts';
import { liquidationOrder, proveForEngine } from '../../lib/local-auction.ts';
import { type Setting, tick } from '../setting.ts';
import type { Company } from './cast.ts';

/** A vessel's cash for each unit of its account's requirement: enough to hold most of it. */
const VESSEL_FACTOR = 1n;

interface LiquidatedEvent {
  readonly accountId: bigint;
  readonly liquidation: { readonly sale: Sale; readonly reward: bigint; readonly fundFee: bigint };
}

/** Liquidates the batch twice from the same state: one by one, which is taken back, and together. */
export async function batch(setting: Setting, { batch: pairs }: Company): Promise<void> {
  const { narrator, protocol, prover } = setting;
  const { keeper } = protocol;
  narrator.tell(
    `${pairs.length} smaller accounts are below their requirement as well. A keeper proves all of them and liquidates them in one transaction,
    whose proofs are checked together: a random combination of them costs one pairing check. For comparison the same orders are sent
    one by one first, and the chain is set back.`,
  );
  await tick(protocol);
  const proofs = await narrator.timed(`${pairs.length} insolvency proofs`, async () => {
    const proven = [];
    for (const { trader } of pairs) proven.push(await proveForEngine(protocol, prover, trader, keeper));
    return proven;
  });
  const vessels = await protocol.createVessels(
    keeper,
    proofs.map((proven) => VESSEL_FACTOR * provenRequirement(proven) + 1_000_000n),
  );
  const orders = [];
  for (const [index, { trader }] of pairs.entries()) {
    orders.push(await liquidationOrder(protocol, trader.accountId, vessels[index]!, proofs[index]!));
  }
  const snapshot = await protocol.snapshot();
  const single: bigint[] = [];
  for (const [index, order] of orders.entries()) {
    const receipt = await protocol.write(keeper, 'engine', 'liquidate', [order, proofs[index]!.proof]);
    single.push(receipt.gasUsed);
  }
  await protocol.revert(snapshot);
  const receipt = await protocol.write(keeper, 'engine', 'liquidateBatch', [
    orders,
    proofs.map(({ proof }) => proof),
  ]);
  const events = protocol.events<LiquidatedEvent>(receipt, 'engine', 'Liquidated');
  narrator.table(
    ['account', 'strategy', 'part sold', 'worth sold', 'paid to the trader', 'penalty', 'gas alone'],
    pairs.map(({ trader }, index) => {
      const { sale } = events.find(({ accountId }) => accountId === trader.accountId)!.liquidation;
      return [
        String(trader.accountId),
        trader.name,
        percent(Number(sale.scaleTaken) / Number(trader.scale)),
        dollars(sale.worthTaken),
        dollars(sale.proceeds),
        dollars(sale.worthTaken - sale.proceeds),
        gas(single[index]!),
      ];
    }),
  );
  const together = single.reduce((a, b) => a + b, 0n);
  narrator.tell(
    `One by one: gas ${gas(together)}. Together: ${gas(receipt.gasUsed)}, which is ${gas(receipt.gasUsed / BigInt(pairs.length))} for each
    account, ${percent(1 - Number(receipt.gasUsed) / Number(together))} less.`,
  );
}

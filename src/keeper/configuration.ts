/** A keeper's document as what a keeper runs with. */
import { checkShape } from '../check-shape.ts';
import { type KeeperDocument, KeeperDocumentSchema } from '../input/keeper.ts';
import type { MetricsPlace } from './metrics-server.ts';
import { DEFAULT_STRATEGY } from './strategy/configuration.ts';
import type { StrategyConfiguration } from './strategy/decide.ts';
import { DEFAULT_SPREADS } from './strategy/hedge.ts';

const money = (usd: number): bigint => BigInt(Math.round(usd * 1e6));
const rate = (basisPoints: number): bigint => BigInt(basisPoints);

/** @throws ZkMarginError `MALFORMED` and others of the document's shape, naming the field */
export function readKeeperDocument(document: unknown): KeeperDocument {
  return checkShape(KeeperDocumentSchema, document);
}

/** Where a keeper answers about itself; undefined for nowhere. */
export function metricsOf({ metricsPort, metricsHost }: KeeperDocument): MetricsPlace | undefined {
  return metricsPort === undefined ? undefined : { port: metricsPort, host: metricsHost };
}

/** The strategy of a document: {@link DEFAULT_STRATEGY} where it says nothing. */
export function strategyOf({ strategy = {} }: KeeperDocument): StrategyConfiguration {
  const { minimumProfitUsd, minimumStartProfitUsd, maxGrossNotionalUsd, maxDailyLossUsd } = strategy;
  const { gasShareBps, targetDiscountBps, capitalSlackBps, proofSeconds } = strategy;
  const { sealedDiscountBps, sealedSlackBps } = strategy;
  const given: Partial<StrategyConfiguration> = {
    ...(strategy.kinds !== undefined && { kinds: strategy.kinds }),
    ...(strategy.backstop !== undefined && { backstop: strategy.backstop }),
    ...(strategy.batchOrders !== undefined && { batchOrders: strategy.batchOrders }),
    ...(strategy.spreads !== undefined && { spreads: { ...DEFAULT_SPREADS, ...strategy.spreads } }),
    ...(minimumProfitUsd !== undefined && { minimumProfit: money(minimumProfitUsd) }),
    ...(minimumStartProfitUsd !== undefined && { minimumStartProfit: money(minimumStartProfitUsd) }),
    ...(maxGrossNotionalUsd !== undefined && { maxGrossNotional: money(maxGrossNotionalUsd) }),
    ...(maxDailyLossUsd !== undefined && { maxDailyLoss: money(maxDailyLossUsd) }),
    ...(gasShareBps !== undefined && { gasShareBps: rate(gasShareBps) }),
    ...(targetDiscountBps !== undefined && { targetDiscountBps: rate(targetDiscountBps) }),
    ...(sealedDiscountBps !== undefined && { sealedDiscountBps: rate(sealedDiscountBps) }),
    ...(sealedSlackBps !== undefined && { sealedSlackBps: rate(sealedSlackBps) }),
    ...(capitalSlackBps !== undefined && { capitalSlackBps: rate(capitalSlackBps) }),
    ...(proofSeconds !== undefined && { proofSeconds: BigInt(proofSeconds) }),
  };
  return { ...DEFAULT_STRATEGY, ...given };
}

/** {@link DEFAULT_STRATEGY} as a document would write it, for the documentation. */
export function strategyDefaults(): Record<string, unknown> {
  const plain: Readonly<Record<string, unknown>> = { ...DEFAULT_STRATEGY };
  const fields = Object.keys(KeeperDocumentSchema.properties.strategy.properties);
  return Object.fromEntries(
    fields.flatMap((field) => {
      const inUsd = field.endsWith('Usd');
      const value = plain[inUsd ? field.slice(0, -3) : field];
      if (value === undefined) return [];
      const number = typeof value === 'bigint' ? Number(value) : value;
      return [[field, inUsd ? Number(number) / 1e6 : number]];
    }),
  );
}

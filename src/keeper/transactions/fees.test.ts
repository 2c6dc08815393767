import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bumpedFees, DEFAULT_FEES, firstFees } from './fees.ts';

const fee = fc.bigInt(0n, 10n ** 12n);
const gas = fc.bigInt(21_000n, 3_000_000n);
const maxCost = fc.bigInt(0n, 10n ** 18n);

describe('fees', () => {
  it('never exceed what gas may cost, and the policy', () => {
    fc.assert(
      fc.property(fee, fee, gas, maxCost, (baseFee, priorityFee, limit, cost) => {
        const market = { baseFee, priorityFee };
        let offer = firstFees(market, DEFAULT_FEES, limit, cost);
        for (let bump = 0; offer !== undefined && bump < 40; bump += 1) {
          expect(offer.maxFeePerGas * limit).toBeLessThanOrEqual(cost);
          expect(offer.maxFeePerGas).toBeLessThanOrEqual(DEFAULT_FEES.maxFeePerGas);
          expect(offer.maxPriorityFeePerGas).toBeLessThanOrEqual(offer.maxFeePerGas);
          offer = bumpedFees(offer, market, DEFAULT_FEES, limit, cost);
        }
      }),
    );
  });

  it('of a replacement are both higher by an eighth', () => {
    fc.assert(
      fc.property(fee, fee, fee, fee, (a, b, baseFee, priorityFee) => {
        const [maxPriorityFeePerGas, maxFeePerGas] = a < b ? [a, b] : [b, a];
        const before = { maxFeePerGas, maxPriorityFeePerGas };
        const after = bumpedFees(before, { baseFee, priorityFee }, DEFAULT_FEES, 21_000n, 10n ** 20n);
        if (after === undefined) return;
        expect(after.maxFeePerGas * 8n).toBeGreaterThanOrEqual(maxFeePerGas * 9n);
        expect(after.maxPriorityFeePerGas * 8n).toBeGreaterThanOrEqual(maxPriorityFeePerGas * 9n);
        expect(after.maxFeePerGas).toBeGreaterThanOrEqual(baseFee);
      }),
    );
  });
});

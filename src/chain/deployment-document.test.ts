import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import { deploymentOptions } from './deployment-document.ts';

const source = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8';
const document = {
  parameterDelaySeconds: 172_800,
  underlyings: [{ symbol: 'BTC', sources: [source], configuration: { minSources: 1 } }],
  asset: source.toLowerCase(),
  fundCap: '1000000',
  collateral: [{ token: source, symbol: 'ETH', haircutBps: 1_500, crossHaircutBps: 3_500, cap: '5' }],
  governance: { governors: [source], delaySeconds: 86_400 },
};

function refusal(changed: object): [string, string | undefined] {
  try {
    deploymentOptions({ ...document, ...changed });
  } catch (error) {
    if (isZkMarginError(error)) return [error.code, error.field];
    throw error;
  }
  throw new Error('Nothing was thrown.');
}

describe('deploymentOptions', () => {
  it('reads what is to be deployed', () => {
    expect(deploymentOptions(document)).toEqual({
      parameterDelaySeconds: 172_800n,
      underlyings: [{ underlyingId: 0x42_54_43, sources: [source], configuration: { minSources: 1 } }],
      asset: source,
      fundCap: 1_000_000n,
      collateral: [
        {
          token: source,
          priceUnderlyingId: 0x45_54_48,
          haircutBps: 1_500,
          crossHaircutBps: 3_500,
          cap: 5n,
        },
      ],
      governance: { governors: [source], delaySeconds: 86_400n },
    });
  });

  it('names what is wrong', () => {
    expect(refusal({ asset: '0x12' })).toEqual(['MALFORMED', 'asset']);
    expect(refusal({ asset: source.replace('C8', 'c8') })).toEqual(['MALFORMED', 'asset']);
    expect(refusal({ fundCap: '1.5' })).toEqual(['MALFORMED', 'fundCap']);
    expect(refusal({ fundCap: 5 })).toEqual(['MALFORMED', 'fundCap']);
    expect(refusal({ parameterDelaySeconds: -1 })[1]).toBe('parameterDelaySeconds');
    expect(refusal({ underlyings: [{ symbol: 'btc', sources: [source] }] })[1]).toBe('underlyings[0].symbol');
    expect(refusal({ underlyings: [{ symbol: 'BTC', sources: [] }] })[1]).toBe('underlyings[0].sources');
    expect(refusal({ governance: { governors: ['0x00'], delaySeconds: 1 } })[1]).toBe(
      'governance.governors[0]',
    );
    expect(refusal({ surprise: 1 })[0]).toBe('MALFORMED');
  });

  it('asks for both haircuts, and for the larger one in accounts of other underlyings', () => {
    const [kind] = document.collateral;
    const field = 'collateral[0].crossHaircutBps';
    const { crossHaircutBps: _cross, ...without } = kind!;
    expect(refusal({ collateral: [without] })).toEqual(['MALFORMED', field]);
    for (const crossHaircutBps of [1_499, -1, 10_001]) {
      expect(refusal({ collateral: [{ ...kind, crossHaircutBps }] })).toEqual(['OUT_OF_RANGE', field]);
    }
    expect(refusal({ collateral: [{ ...kind, crossHaircutBps: 1_500.5 }] })).toEqual(['MALFORMED', field]);
    const both = { haircutBps: 1_500, crossHaircutBps: 1_500 };
    expect(deploymentOptions({ ...document, collateral: [{ ...kind, ...both }] }).collateral).toMatchObject([
      both,
    ]);
  });
});

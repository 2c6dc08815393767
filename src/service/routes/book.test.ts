import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { ZkMarginError } from '../../errors.ts';
import { atScale, BASIS, sale, subsidisedRequirement, targetOf } from '../../liquidation/amounts.ts';
import { startFee } from '../../liquidation/auction.ts';
import { DEFAULT_LIQUIDATION_TERMS, integerTerms } from '../../liquidation/terms.ts';
import { SCALE_ONE } from '../../margin/exact/bounds.ts';
import { requirementWith } from '../../margin/exact/collateral.ts';
import { exactMargin } from '../../margin/exact/margin.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import { type Leg, packLeg, parseInstrument } from '../../market/instrument.ts';
import { unpackRound } from '../../market/words.ts';
import type { AccountRecord, OpeningRecord } from '../../store/chain-records.ts';
import type { ChainStore } from '../../store/chain-store.ts';
import { LiveBook } from '../book/live-book.ts';
import type { LiquidationView } from '../book/schemas.ts';
import { type TestChain, testChain, testChainStore } from '../book/testing.ts';
import { problemOfRequest } from '../problems.ts';
import { addEntityTags, type BookRoutesOptions, bookRoutes } from './book.ts';
import type { TypeBoxProvider } from './shared.ts';

let app: FastifyInstance;
afterEach(() => app.close());

function serve(refusal?: ZkMarginError, store = {} as ChainStore): LiveBook {
  const book = new LiveBook({
    store,
    refusal: () => refusal,
  });
  app = Fastify();
  app.setErrorHandler((error, _request, reply) => {
    const problem = problemOfRequest(error);
    return reply.code(problem.status).send(problem);
  });
  const options: Partial<BookRoutesOptions> = { book, store, served: new Set() };
  addEntityTags(app);
  bookRoutes(app.withTypeProvider<TypeBoxProvider>(), options as BookRoutesOptions);
  return book;
}

it('tells a client that wants events while the service closes to come again', async () => {
  const book = serve();
  book.events.close();
  const answer = await app.inject('/v1/events');
  expect([answer.statusCode, answer.json().code]).toEqual([503, 'BUSY']);
});

it('shows nothing that was taken in by half, and nothing kept of it afterwards', async () => {
  const chain = testChain();
  const book = serve(undefined, testChainStore(chain));
  await book.refresh();
  const { rules } = chain;
  const round = async (): Promise<unknown> => {
    const answer = await app.inject('/v1/markets');
    return answer.statusCode === 200
      ? answer.json().markets.map((market: { round: { number: string } }) => market.round.number)
      : [answer.statusCode, answer.json().code];
  };
  expect([await round(), await round()]).toEqual([['5'], ['5']]);
  // The next round comes with rules that cannot be read.
  chain.revision = 2n;
  chain.round = { ...chain.round, number: 6n, block: 2n };
  chain.rules = { ...rules, version: 2n, terms: {} };
  await book.refresh();
  expect(book.problem?.code).toBe('INTERNAL');
  expect([await round(), await round()]).toEqual([
    [503, 'BUSY'],
    [503, 'BUSY'],
  ]);
  // They can be read at last, and the store's revision is the same.
  chain.rules = rules;
  await book.refresh();
  expect(book.revision).toBe(2n);
  expect(await round()).toEqual(['6']);
});

describe('accounts below their requirement', () => {
  const chain = testChain();
  const { underlyingId } = chain.round;
  const { bufferBps: buffer, backstopBps, cuspFactorBps } = DEFAULT_LIQUIDATION_TERMS;
  const bufferBps = BigInt(buffer);
  const { instrument } = parseInstrument('BTC-28FEB25-96000-C');
  const legs: Leg[] = [{ instrument, quantity: -100_000n }];
  const [collateral, movingCollateral] = [700_000_000n, 200_000_000n];
  const margin = exactMargin(
    { legs, scale: SCALE_ONE, movingCollateral },
    unpackRound(chain.round),
    DEFAULT_PARAMETERS,
  );

  /** An account that haircuts leave so much, and that is worth so much. */
  function accountOf({ equity, worth }: { equity: bigint; worth: bigint }) {
    const account: AccountRecord = {
      accountId: 1n,
      block: 1n,
      owner: `0x${'a1'.repeat(20)}`,
      underlyingId,
      commitment: 1_000n,
      scale: SCALE_ONE,
      cash: equity - collateral - margin.mark,
      collateral,
      movingCollateral,
      saleCollateral: collateral + worth - equity,
      nonce: 3n,
      inAuction: false,
      feeChargedAt: 0n,
    };
    const opening: OpeningRecord = {
      block: 1n,
      logIndex: 0,
      accountId: 1n,
      underlyingId,
      nonce: 3n,
      commitment: account.commitment,
      source: 'trade',
      status: 'known',
      legs: legs.map((leg) => packLeg(leg)),
      salt: 7n,
    };
    return { account, opening };
  }

  async function show(of: TestChain) {
    const book = serve(undefined, testChainStore(of));
    await book.refresh();
    expect(book.problem).toBeUndefined();
    return async <T>(path: string): Promise<T> => (await app.inject(`/v1/${path}`)).json<T>();
  }

  // What haircuts alone take is not gone: whoever buys such an account pays for it.
  it.each([
    { equity: 1n, worth: 1n, status: 'liquidatable' },
    { equity: 0n, worth: 1n, status: 'liquidatable' },
    { equity: -90_000_000n, worth: 60_000_000n, status: 'liquidatable' },
    { equity: 0n, worth: 0n, status: 'badDebt' },
    { equity: -90_000_000n, worth: 0n, status: 'badDebt' },
    { equity: -90_000_000n, worth: -30_000_000n, status: 'badDebt' },
  ])('with equity $equity and worth $worth are $status', async ({ equity, worth, status }) => {
    const { account, opening } = accountOf({ equity, worth });
    const get = await show({ ...chain, accounts: [{ account, opening }] });
    const { requirement, baseRequirement } = margin;
    const shown = {
      collateral: String(collateral),
      movingCollateral: String(movingCollateral),
      saleCollateral: String(account.saleCollateral),
    };
    const judged = { equity: String(equity), worth: String(worth), requirement: String(requirement) };
    expect(await get('accounts/1')).toMatchObject({ ...shown, risk: { ...judged, tier: status } });
    expect(await get('accounts/1/margin')).toMatchObject({ ...shown, ...judged, tier: status });
    const { liquidations } = await get<{ readonly liquidations: readonly LiquidationView[] }>('liquidations');
    const shortfall = String(requirement - equity);
    expect(liquidations).toMatchObject([{ ...shown, ...judged, status, shortfall }]);
    const { atomic, backstop, auction, takeover, target } = liquidations[0]!.plan;
    expect(target).toBe(String(targetOf(requirement, bufferBps)));
    if (status === 'badDebt') {
      const closed = { open: false, reason: 'BAD_DEBT' };
      expect([atomic, backstop, auction]).toEqual([closed, closed, closed]);
      const most = targetOf(subsidisedRequirement(requirement, baseRequirement), bufferBps) - worth;
      expect(takeover).toMatchObject({
        open: true,
        amounts: { worth: String(worth), subsidy: String(most) },
      });
      return;
    }
    expect(takeover).toEqual({ open: false, reason: 'HAS_WORTH' });
    const state = { ...account, mark: margin.mark, requirement, reserved: 0n };
    const atBackstop = sale(state, bufferBps, BASIS - BigInt(backstopBps));
    expect(atBackstop.worthTaken).toBeGreaterThan(0n);
    expect(backstop).toMatchObject({
      open: true,
      amounts: { worth: String(worth), worthTaken: String(atBackstop.worthTaken) },
    });
    const { fee } = startFee(state, integerTerms(DEFAULT_LIQUIDATION_TERMS), 0n);
    const charged = sale({ ...state, cash: state.cash - fee }, bufferBps, BigInt(cuspFactorBps));
    expect(auction).toMatchObject({
      open: true,
      amounts: {
        fee: String(fee),
        atCusp: { worth: String(worth - fee), worthTaken: String(charged.worthTaken) },
      },
    });
  });

  it('are shown in their auctions by the recorded proof and what they have now', async () => {
    // A third is left, and the proof was of another round.
    const { account, opening } = accountOf({ equity: -90_000_000n, worth: 160_000_000n });
    const scale = SCALE_ONE / 3n;
    const proven = {
      mark: -1_000_000_001n,
      baseRequirement: 900_000_001n,
      collateralSlope: -(2n ** 52n),
      scale: SCALE_ONE,
    };
    const bidTerms = {
      bufferBps: '1000',
      startFactorBps: '9800',
      fastFactorBps: '8000',
      cuspFactorBps: '5000',
      fastSeconds: '100',
      tailSeconds: '1800',
      insolventSeconds: '900',
      maxProofAge: '300',
      backstopBps: '50',
      minBidBps: '500',
    };
    const auction = {
      accountId: 1n,
      number: 4n,
      block: 1n,
      running: true,
      figures: {
        mark: String(proven.mark),
        baseRequirement: String(proven.baseRequirement),
        collateralSlope: String(proven.collateralSlope),
        baseScale: String(SCALE_ONE),
        terms: bidTerms,
      },
    };
    const present = { ...account, scale, inAuction: true };
    const accounts = [{ account: present, opening }];
    const get = await show({ ...chain, accounts, auctions: [auction] });
    const { mark, baseRequirement, collateralSlope } = atScale(proven, scale);
    const shown = {
      collateral: String(collateral),
      movingCollateral: String(movingCollateral),
      saleCollateral: String(account.saleCollateral),
    };
    expect(await get('auctions')).toMatchObject({
      auctions: [
        {
          ...shown,
          requirement: String(requirementWith(baseRequirement, collateralSlope, movingCollateral)),
          equity: String(account.cash + collateral + mark),
          worth: String(account.cash + account.saleCollateral + mark),
        },
      ],
    });
    expect(account.cash + collateral + mark).toBeLessThan(0n);
    expect(account.cash + account.saleCollateral + mark).toBeGreaterThan(0n);
    await app.close();
    // After the end its figures say nothing any more.
    const ended = await show({ ...chain, accounts, auctions: [{ ...auction, running: false }] });
    expect(await ended('auctions')).toMatchObject({
      auctions: [{ ...shown, requirement: '0', equity: '0', worth: '0' }],
    });
  });
});

it('shows nothing of a store of another deployment, or of another history', async () => {
  for (const code of ['STORE_MISMATCH', 'CHAIN_DIVERGED'] as const) {
    serve(new ZkMarginError(code, 'Another one.'));
    const paths = [
      'accounts',
      'accounts/1',
      'accounts/1/margin',
      'markets',
      'rounds',
      'liquidations',
      'auctions',
      'events',
    ];
    for (const path of paths) {
      const answer = await app.inject(`/v1/${path}`);
      expect([path, answer.statusCode, answer.json().code]).toEqual([path, 503, code]);
    }
    await app.close();
  }
});

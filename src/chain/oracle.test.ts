import {
  type Abi,
  type Address,
  createPublicClient,
  createTestClient,
  createWalletClient,
  http,
  type LocalAccount,
  type PublicClient,
  parseEventLogs,
  type TestClient,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import {
  aggregateReports,
  isNear,
  settlementPrice,
  structureOf,
  volatilityIndex,
} from '../market/oracle-median.ts';
import { type ExpiryState, type MarketRound, packRound, type SpacingExponent } from '../market/words.ts';
import { type Anvil, startAnvil } from './anvil.ts';
import { linkedBytecode, loadArtifact } from './artifacts.ts';
import { buildContracts } from './build.ts';
import type { DeployerWallet } from './deploy.ts';
import {
  agreeingReports,
  isSignedBySigner,
  type OracleDomain,
  postRoundArguments,
  reportDigest,
  type SignedReport,
  signReport,
} from './oracle-report.ts';
import { includedReceipt } from './receipts.ts';
import { revertReason } from './reverts.ts';

const START = 1_739_959_200n;
const SEED = Number(process.env.ZKMARGIN_SEED ?? 20_250_219);
const CONFIGURATION = {
  minSources: 3,
  maxReportAge: 60,
  maxRoundAge: 300,
  outlierMultipleTenths: 30,
  outlierFloorBps: 20,
  outlierCapBps: 500,
  spotMoveBps: 100,
  volatilityMoveBps: 500,
  windDownDelay: 604_800,
  minInterval: 0,
};

let anvil: Anvil;
let client: PublicClient;
let chain: TestClient;
let wallet: DeployerWallet;
let abi: Abi;
let domain: OracleDomain;
const sources: readonly LocalAccount[] = Array.from({ length: 7 }, (_, index) =>
  privateKeyToAccount(`0x${(index + 1).toString(16).padStart(64, '0')}`),
);

async function write(functionName: string, args: readonly unknown[]) {
  const hash = await wallet.writeContract({
    address: domain.oracle,
    abi,
    functionName,
    args,
    chain: null,
    account: wallet.account,
  });
  const receipt = await includedReceipt(client, hash);
  expect(receipt.status).toBe('success');
  return receipt;
}

const read = (functionName: string, args: readonly unknown[]) =>
  client.readContract({ address: domain.oracle, abi, functionName, args });

beforeAll(async () => {
  await buildContracts();
  anvil = await startAnvil({ timestamp: START - 100n });
  client = createPublicClient({ transport: http(anvil.url) });
  chain = createTestClient({ mode: 'anvil', transport: http(anvil.url) });
  wallet = createWalletClient({ account: anvil.accounts[0]!, transport: http(anvil.url) });
  const artifact = loadArtifact('RiskOracle');
  abi = artifact.abi;
  const hash = await wallet.deployContract({
    abi,
    bytecode: linkedBytecode(artifact),
    args: [wallet.account.address],
    chain: null,
    account: wallet.account,
  });
  const { contractAddress } = await includedReceipt(client, hash);
  domain = { chainId: anvil.chainId, oracle: contractAddress as Address };
  for (const underlyingId of [1, 2]) {
    await write('configureUnderlying', [underlyingId, CONFIGURATION]);
    for (const { address } of sources) await write('setSource', [underlyingId, address, true]);
  }
});

afterAll(async () => {
  await anvil?.stop();
});

describe('reports', () => {
  it('have the digest that the contract computes', async () => {
    const words = packRound(market(generator(1), START, 0));
    expect(await read('reportDigest', [words.underlyingWord, words.expiryWords])).toBe(
      reportDigest(domain, words),
    );
    const report = await signReport(sources[0]!, domain, words);
    expect(report.signer).toBe(sources[0]!.address);
    expect(await isSignedBySigner(domain, report)).toBe(true);
    expect(await isSignedBySigner({ ...domain, chainId: 1 }, report)).toBe(false);
    expect(await isSignedBySigner(domain, { ...report, signature: '0x12' })).toBe(false);
    await expect(signReport(sources[0]!, domain, { ...words, underlyingWord: 0n })).rejects.toMatchObject({
      code: 'OUT_OF_RANGE',
    });
  });

  it('are put in order and into agreeing sets', async () => {
    const round = market(generator(1), START, 0);
    const sign = (source: number, change: Partial<MarketRound['underlying']>, expiries = round.expiries) =>
      signReport(
        sources[source]!,
        domain,
        packRound({ underlying: { ...round.underlying, ...change }, expiries }),
      );
    const reports = await Promise.all([
      sign(0, {}),
      sign(1, {}),
      sign(0, { timestamp: START + 1n }),
      sign(2, {}, round.expiries.slice(1)),
      sign(3, {}),
    ]);
    const agreeing = agreeingReports(reports);
    expect(agreeing).toEqual([reports[2], reports[1], reports[4]]);
    expect(agreeingReports([])).toEqual([]);
    const [id, ordered] = postRoundArguments(1, agreeing);
    expect(id).toBe(1);
    const signers = agreeing.map(({ signer }) => signer.toLowerCase()).sort();
    expect(ordered.map(({ signature }) => signature)).toEqual(
      signers.map((signer) => agreeing.find((report) => report.signer.toLowerCase() === signer)!.signature),
    );
    expect(() => postRoundArguments(1, [])).toThrowError(expect.objectContaining({ code: 'MALFORMED' }));
    expect(() => postRoundArguments(1, reports)).toThrowError(expect.objectContaining({ code: 'MALFORMED' }));
    expect(() => postRoundArguments(2, agreeing)).toThrowError(
      expect.objectContaining({ code: 'UNDERLYING_MISMATCH' }),
    );
  });
});

describe('the oracle and the model', () => {
  it(`agree to the bit on random reports, seed ${SEED}`, { timeout: 300_000 }, async () => {
    console.log(`oracle: ZKMARGIN_SEED=${SEED}`);
    const random = generator(SEED);
    const accepted: { timestamp: bigint; spot: bigint }[] = [];
    const seen = { accepted: 0, pending: 0, refused: 0 };
    let newest: { spot: bigint; volatility: bigint } | undefined;
    let pending: { spot: bigint; volatility: bigint } | undefined;
    let now = START;
    for (let post = 0; post < 80; post++) {
      now += post % 20 === 19 ? 5_000n + random(9_000n) : 61n + random(250n);
      await chain.setNextBlockTimestamp({ timestamp: now });
      await chain.mine({ blocks: 1 });
      const truth = market(random, now, 2);
      const level = random(3n) === 0n ? 97n + random(7n) : 100n;
      const count = 3 + Number(random(5n));
      const spread = [1n, 20n, 200n][Number(random(3n))]!;
      const reports: SignedReport[] = [];
      for (let source = 0; source < count; source++) {
        const lies = source === 1 && random(4n) === 0n;
        reports.push(
          await signReport(
            sources[source]!,
            domain,
            packRound(perturbed(truth, random, spread, lies ? level * 2n : level, now - random(50n))),
          ),
        );
      }
      const words = reports.map((report) => report.words);
      expect(new Set(words.map(structureOf)).size).toBe(1);
      const args = postRoundArguments(1, reports);
      let round: MarketRound;
      try {
        round = aggregateReports(words, CONFIGURATION);
      } catch (error) {
        if (!isZkMarginError(error)) throw error;
        const failure = await client
          .simulateContract({ address: domain.oracle, abi, functionName: 'postRound', args })
          .catch((reason: unknown) => reason);
        expect(revertReason(failure)?.name).toBe(REVERTS[error.code]);
        seen.refused++;
        continue;
      }
      const state = { spot: round.underlying.spot, volatility: volatilityIndex(round) };
      const near =
        newest === undefined ||
        isNear(newest, state, CONFIGURATION) ||
        (pending !== undefined && isNear(pending, state, CONFIGURATION));
      const receipt = await write('postRound', args);
      const [event] = parseEventLogs({
        abi,
        logs: receipt.logs,
        eventName: near ? 'RoundAccepted' : 'RoundPending',
      }) as unknown as { args: Record<string, unknown> }[];
      const packed = packRound(round);
      expect(event?.args).toMatchObject({ ...packed, spot: state.spot, volatility: state.volatility });
      if (near) {
        newest = state;
        pending = undefined;
        accepted.push({ timestamp: round.underlying.timestamp, spot: state.spot });
        seen.accepted++;
        expect(await read('freshRoundWords', [1, BigInt(accepted.length)])).toEqual([
          packed.underlyingWord,
          packed.expiryWords,
        ]);
      } else {
        pending = state;
        seen.pending++;
      }
    }
    console.log('oracle:', seen);
    expect(seen.accepted).toBeGreaterThan(20);
    expect(seen.pending).toBeGreaterThan(0);
    expect(seen.refused).toBeGreaterThan(0);

    let settled = 0;
    for (let hour = Number(START / 3_600n); BigInt(hour) * 3_600n < now + 7_200n; hour++) {
      const price = settlementPrice(accepted, hour, BigInt(CONFIGURATION.maxRoundAge));
      const word = await read('settlementWord', [1, hour]).catch(
        (error: unknown) => revertReason(error)?.name,
      );
      expect(word).toBe(price === undefined ? 'NotSettled' : BigInt(hour) | (price << 20n));
      if (price !== undefined) settled++;
    }
    expect(settled).toBeGreaterThan(5);
  });

  it('costs what the documentation says', async () => {
    const random = generator(5);
    const gas: Record<number, bigint> = {};
    let now = (await client.getBlock()).timestamp + 100n;
    for (const count of [3, 3, 5, 5, 7, 7]) {
      now += 10n;
      const truth = market(random, now, 8);
      const reports = await Promise.all(
        sources
          .slice(0, count)
          .map((source) =>
            signReport(source, domain, packRound(retarget(perturbed(truth, random, 10n, 100n, now), 2n))),
          ),
      );
      await chain.setNextBlockTimestamp({ timestamp: now });
      gas[count] = (await write('postRound', postRoundArguments(2, reports))).gasUsed;
    }
    console.log('oracle: gas of a post with 8 expiries, by number of sources', gas);
    expect(gas[3]!).toBeLessThan(300_000n);
  });
});

const REVERTS: Readonly<Record<string, string>> = {
  TOO_FEW_SOURCES: 'TooFewAgree',
  PILLAR_RATIO: 'PillarRatio',
};

/** A market of some expiries, at most eight; `expiries` of them when given. */
function market(random: (limit: bigint) => bigint, now: bigint, expiries: number): MarketRound {
  const hour = Number(now / 3_600n);
  return {
    underlying: { spot: 96_000_000_000n, timestamp: now, realisedVolatility: 30_000n, underlyingId: 1n },
    expiries: Array.from(
      { length: expiries === 0 ? 2 : expiries },
      (_, index): ExpiryState => ({
        expiryHour: hour + 24 + 24 * 20 * index,
        forward: 96_500_000_000n + random(1_000_000n),
        discount: 2n ** 21n - random(1_000n),
        spacingExponent: (index % 3) as SpacingExponent,
        vols: Array.from({ length: 8 }, (_, pillar) => 65_536n + 4_096n * BigInt(Math.abs(pillar - 4))),
      }),
    ),
  };
}

/** The market as a source sees it: each number up to `spread` basis points higher, prices at `level` percent. */
function perturbed(
  round: MarketRound,
  random: (limit: bigint) => bigint,
  spread: bigint,
  level: bigint,
  timestamp: bigint,
): MarketRound {
  const near = (value: bigint): bigint => value + random((value * spread) / 10_000n + 2n);
  return {
    underlying: {
      ...round.underlying,
      timestamp,
      spot: (near(round.underlying.spot) * level) / 100n,
      realisedVolatility: near(round.underlying.realisedVolatility),
    },
    expiries: round.expiries.map((expiry) => ({
      ...expiry,
      forward: (near(expiry.forward) * level) / 100n,
      discount: near(expiry.discount),
      vols: expiry.vols.map(near),
    })),
  };
}

function retarget(round: MarketRound, underlyingId: bigint): MarketRound {
  return { ...round, underlying: { ...round.underlying, underlyingId } };
}

/** Reproducible integers in `[0, limit)`. */
function generator(seed: number): (limit: bigint) => bigint {
  let state = BigInt(seed);
  return (limit) => {
    let value = 0n;
    for (let part = 0; part < 2; part++) {
      state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) % 2n ** 64n;
      value = (value << 48n) | (state >> 16n);
    }
    return value % limit;
  };
}

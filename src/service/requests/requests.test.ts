/** What a request becomes: its public signals to the last one, its circuit, and how urgent it is. */

import { describe, expect, it, vi } from 'vitest';
import { settlementRequest } from '../../../scripts/lib/settlement-request.ts';
import type { ZkMarginError } from '../../errors.ts';
import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { INSTANCES } from '../../proof/instances.ts';
import { SOLVENCY_PURPOSES, solvencyContext } from '../../proof/witness/contexts.ts';
import { JOB_PRIORITIES } from '../../store/job.ts';
import type {
  InsolvencyRequest,
  LegRequest,
  ProofRequest,
  SolvencyRequest,
  TransferRequest,
} from '../schemas.ts';
import { marketOfRequest } from '../testing.ts';
import { prepareProof, type RequestSetting } from './index.ts';

// Transfers have one instance, which hides whose legs it is chosen by: here they have two.
vi.mock('../../proof/instances.ts', async (original) => {
  const instances = await original<typeof import('../../proof/instances.ts')>();
  const capacitiesAmong: typeof instances.capacitiesAmong = (statement, names) =>
    statement === 'transfer'
      ? [8, 16].filter((capacity) => names.has(`transfer-${capacity}`))
      : instances.capacitiesAmong(statement, names);
  return { ...instances, capacitiesAmong };
});

const NOW = 1_740_000_000_000;
const setting: RequestSetting = { served: new Set([...INSTANCES, 'transfer-8']), now: NOW };
const prepare = (body: unknown, served: ReadonlySet<string> = setting.served) =>
  prepareProof(body as ProofRequest, { ...setting, served });

const market = marketOfRequest();
const UNIT = 2n ** 40n;
const consumer = `0x${'c1'.repeat(20)}`;
const call = (quantity: bigint): LegRequest => ({
  instrument: 'BTC-28FEB25-96000-C',
  quantity: String(quantity),
});
const put = (quantity: bigint): LegRequest => ({
  instrument: 'BTC-28FEB25-90000-P',
  quantity: String(quantity),
});
/** So many legs of 1e-6 contracts. */
const many = (count: number): LegRequest[] =>
  Array.from({ length: count }, (_, index) => ({
    ...call(1n),
    instrument: `BTC-28FEB25-${90_000 + index}-C`,
  }));

const insolvency = {
  circuit: 'insolvency',
  legs: [call(-1_500_000n), put(-500_000n)],
  salt: '5',
  scale: String(UNIT),
  ...market,
  cash: '0',
  context: {
    chainId: '31337',
    engine: consumer,
    accountId: '1',
    nonce: '2',
    round: '3',
    keeper: `0x${'22'.repeat(20)}`,
  },
} satisfies InsolvencyRequest;
const solvency = {
  circuit: 'solvency',
  legs: [call(1_500_000n), put(-100_000n)],
  salt: '6',
  scale: String(2n * UNIT),
  ...market,
  cash: '-7000',
  movingCollateral: '200000000000',
  level: '5120',
  context: { chainId: '31337', consumer, purpose: 'trade', accountId: '1', nonce: '2', round: '3' },
} satisfies SolvencyRequest;
const settlement = settlementRequest(9);
const transfer = {
  circuit: 'transfer',
  underlying: 'BTC',
  // No two scales are equal.
  before: {
    a: { legs: [call(6n)], salt: '1', scale: String(2n * UNIT) },
    b: { legs: [put(8n)], salt: '2', scale: String(3n * UNIT) },
  },
  after: {
    a: { legs: [call(2n)], salt: '3', scale: String(4n * UNIT) },
    b: { legs: [put(48n), call(8n)], salt: '4', scale: String(UNIT / 2n) },
  },
  context: {
    chainId: '31337',
    consumer,
    accountA: '1',
    nonceA: '2',
    accountB: '3',
    nonceB: '4',
    cashToA: '-5',
  },
} satisfies TransferRequest;

/** Commitment to the default parameters. */
const PARAMETERS = '8860021809943166211864682855081835106430682185766714238285176983943996514190';
const withMarket = [market.underlyingWord, ...market.expiryWords, PARAMETERS];

/** What a transfer states whoever publishes: between the evaluations and the points. */
const TRANSFERRED = [
  // Commitments: the old ones, the new ones.
  '11189232464618579543426319661819619207307672252630235458362782972988035734637',
  '19937598903748163925194402157161610958384973832774650255356110212493525639303',
  '17830592527608602206127345220079584811667053603644865135503718878129159385147',
  '17000055572052355454847333154369321636099238432768705509275321985532977449842',
  // Scales, likewise.
  '2199023255552',
  '3298534883328',
  '4398046511104',
  '549755813888',
  '4346947',
  '3850590043898263861445440479050803717738975301822890896118864285459025111715',
];
const EVALUATION_A = '11300904270597357945251477407184831450412781633431010346509308605761954320490';
const EVALUATION_B = '19917399398122657474057132824585536810098374170903140197480227798894135134279';
const POINT_A = '11657184324561199703551333507600749840946276898767907985589591990280533054953';
const POINT_B = '14524555306833872483005174747913723975183021481167707666721732135010338440791';

describe('public signals', () => {
  // Written down from the order that circuits/main declares; commitments, contexts and evaluations are checked where they are made.
  it.each<[string, ProofRequest, readonly string[]]>([
    [
      'insolvency',
      insolvency,
      [
        '3480193801886118864637425982372539855076216110885676666524819593682221372802',
        '17779432225259597263131651391219928126764364059625134026153126581017873218772',
        '1099511627776',
        ...withMarket,
        '13872035633375942242009292917461318893806122601586633870424168275627895930676',
      ],
    ],
    [
      'solvency',
      solvency,
      [
        '18686562454096196587713970782019651315340064498577111085257671784957755028757',
        '2199023255552',
        // -7000 in the field.
        '21888242871839275222246405745257275088548364400416034343698204186575808488617',
        '1045330',
        '5120',
        ...withMarket,
        '16756790294979602720494737022057650548566191680663386699224977139115036390848',
      ],
    ],
    [
      'settlement',
      settlement,
      [
        // -2000 USD in the field.
        '21888242871839275222246405745257275088548364400416034343698204186573808495617',
        '6501354188000978398914677461226329565267686607326836434883543453839066671499',
        '7658805672651651763356872023190739180377198734873728900135758574337296566956',
        '1099511627776',
        '101711872000483488',
        ...['0', '0', '0'],
        '4346947',
        '761127303027418329169012751790702072061153681411859113146187439522600517455',
      ],
    ],
    ['transfer', transfer, ['0', '0', ...TRANSFERRED, '0', '0']],
  ])('of %s stand in the order of the circuit', async (_, body, signals) => {
    expect((await prepare(body)).publicSignals).toEqual(signals);
  });

  // A point other than 0 for legs that are not published lets anyone test guesses of them.
  it.each<[string, TransferRequest['publish'], evaluations: readonly string[], points: readonly string[]]>([
    ['nobody', {}, ['0', '0'], ['0', '0']],
    ['nobody, said of each', { a: false, b: false }, ['0', '0'], ['0', '0']],
    ['the first account', { a: true }, [EVALUATION_A, '0'], [POINT_A, '0']],
    ['the second account', { b: true }, ['0', EVALUATION_B], ['0', POINT_B]],
    ['both', { a: true, b: true }, [EVALUATION_A, EVALUATION_B], [POINT_A, POINT_B]],
  ])(
    'of a transfer tell of an opening when it is published, by %s',
    async (_, publish, evaluations, points) => {
      const { publicSignals, input } = await prepare({ ...transfer, publish });
      expect(publicSignals).toEqual([...evaluations, ...TRANSFERRED, ...points]);
      expect([input.pointA, input.pointB]).toEqual(points);
    },
  );

  it.each(Object.keys(SOLVENCY_PURPOSES) as (keyof typeof SOLVENCY_PURPOSES)[])(
    'of solvency are bound to the purpose of a %s',
    async (purpose) => {
      const { publicSignals } = await prepare({ ...solvency, context: { ...solvency.context, purpose } });
      const context = solvencyContext({
        chainId: 31_337n,
        consumer: `0x${'c1'.repeat(20)}`,
        purpose,
        accountId: 1n,
        nonce: 2n,
        round: 3n,
      });
      expect(publicSignals.at(-1)).toBe(String(context));
    },
  );
});

describe('priorities', () => {
  // Asked for, of insolvency, of what else there is: as urgent as the statement, or less.
  it.each([
    [undefined, 'liquidation', 'solvency'],
    ['liquidation', 'liquidation', 'solvency'],
    ['solvency', 'solvency', 'solvency'],
    ['attestation', 'attestation', 'attestation'],
    ['speculative', 'speculative', 'speculative'],
  ] as const)('when %s is asked for: of insolvency %s, of others %s', async (asked, urgent, other) => {
    const priorityOf = async (body: ProofRequest) =>
      (await prepare(asked === undefined ? body : { ...body, priority: asked })).priority;
    expect(await Promise.all([insolvency, solvency, settlement, transfer].map(priorityOf))).toEqual([
      urgent,
      other,
      other,
      other,
    ]);
  });

  it('are all in the table', () => {
    expect(JOB_PRIORITIES).toEqual(['liquidation', 'solvency', 'attestation', 'speculative']);
  });
});

describe('circuits', () => {
  // 28 February 2025, 8:00.
  const expired = { ...settlement, prices: [{ expiryHour: 483_536, price: '97000000000' }] };

  it.each([
    ['insolvency', insolvency, [1, 8, 9, 16, 17, 32], [8, 8, 16, 16, 32, 32]],
    ['solvency', solvency, [1, 8, 9, 16], [8, 8, 16, 16]],
    ['settlement', expired, [1, 8, 9, 32], [8, 8, 32, 32]],
  ])('of %s are the smallest with room', async (statement, body, counts, capacities) => {
    const chosen = counts.map(async (count) => (await prepare({ ...body, legs: many(count) })).circuit);
    expect(await Promise.all(chosen)).toEqual(capacities.map((capacity) => `${statement}-${capacity}`));
  });

  it.each([
    ['before', 'a'],
    ['before', 'b'],
    ['after', 'a'],
    ['after', 'b'],
  ] as const)('of transfers have room for the largest side: %s the trade, %s', async (when, side) => {
    // Nine legs of a side, and what the others need so that nothing is created.
    const scale = String(UNIT);
    const other = side === 'a' ? 'b' : 'a';
    const parts = (salt: number) => ({
      [side]: { legs: many(9), salt: String(salt), scale },
      [other]: { legs: [], salt: String(salt + 1), scale },
    });
    const halves = (salt: number) => ({
      [side]: { legs: many(5), salt: String(salt), scale },
      [other]: { legs: many(9).slice(5), salt: String(salt + 1), scale },
    });
    const body =
      when === 'before'
        ? { ...transfer, before: parts(1), after: halves(3) }
        : { ...transfer, before: halves(1), after: parts(3) };
    expect((await prepare(body)).circuit).toBe('transfer-16');
    const small = { ...transfer, before: halves(1), after: halves(3) };
    expect((await prepare(small)).circuit).toBe('transfer-8');
  });

  it('are the one that is named, served, and has room', async () => {
    expect((await prepare({ ...solvency, circuit: 'solvency-16' })).circuit).toBe('solvency-16');
    expect((await prepare(solvency, new Set(['insolvency-8', 'solvency-16']))).circuit).toBe('solvency-16');
    const refusedWith = (body: unknown, served?: ReadonlySet<string>) =>
      prepare(body, served).then(
        () => undefined,
        ({ code, field }: ZkMarginError) => [code, field],
      );
    expect(await refusedWith(solvency, new Set(['insolvency-8']))).toEqual(['UNSUPPORTED', 'circuit']);
    expect(await refusedWith({ ...solvency, circuit: 'solvency-32' })).toEqual(['UNSUPPORTED', 'circuit']);
    const nine = { ...solvency, legs: many(9) };
    expect(await refusedWith({ ...nine, circuit: 'solvency-8' })).toEqual(['TOO_MANY_LEGS', 'legs']);
    expect(await refusedWith(nine, new Set(['solvency-8']))).toEqual(['TOO_MANY_LEGS', 'legs']);
    // What the largest has room for is told, not what the smallest has.
    const house = new Set(['insolvency-8', 'insolvency-16']);
    await expect(prepare({ ...insolvency, legs: many(17) }, house)).rejects.toMatchObject({
      code: 'TOO_MANY_LEGS',
      details: { capacity: 16 },
    });
  });
});

describe('bounds', () => {
  const order = String(SCALAR_MODULUS);
  const largest = String(SCALAR_MODULUS - 1n);
  const withAccount = (when: 'before' | 'after', side: 'a' | 'b', change: object) => ({
    ...transfer,
    [when]: { ...transfer[when], [side]: { ...transfer[when][side], ...change } },
  });
  const places = (['before', 'after'] as const).flatMap((when) =>
    (['a', 'b'] as const).map((side) => [when, side] as const),
  );

  it.each<[string, (salt: string) => unknown]>([
    ['salt', (salt) => ({ ...insolvency, salt })],
    ['salt', (salt) => ({ ...solvency, salt })],
    ['salt', (salt) => ({ ...settlement, salt })],
    ...places.map(([when, side]): [string, (salt: string) => unknown] => [
      `${when}.${side}.salt`,
      (salt) => withAccount(when, side, { salt }),
    ]),
  ])('of salts are the order of the field: %s', async (field, body) => {
    await expect(prepare(body(largest))).resolves.toBeDefined();
    const error = await prepare(body(order)).catch((refused: unknown) => refused);
    expect(error).toMatchObject({ code: 'OUT_OF_RANGE', field, details: undefined });
    expect(JSON.stringify(error) + String(error)).not.toContain(order);
  });

  it('of scales begin at 0 for what is settled or transferred, and at 1 for margins', async () => {
    const zeros = (when: 'before' | 'after') => ({
      a: { ...transfer[when].a, scale: '0' },
      b: { ...transfer[when].b, scale: '0' },
    });
    const nothing = await prepare({ ...transfer, before: zeros('before'), after: zeros('after') });
    expect(nothing.publicSignals.slice(6, 10)).toEqual(['0', '0', '0', '0']);
    const settled = await prepare({ ...settlement, scale: '0' });
    expect(settled.publicSignals.slice(0, 4)).toMatchObject({ 0: '0', 3: '0' });
    const margins = [
      { ...insolvency, cash: '-1' },
      { ...solvency, cash: '1', movingCollateral: '0' },
    ];
    for (const body of margins) {
      await expect(prepare({ ...body, scale: '0' })).rejects.toMatchObject({
        code: 'OUT_OF_RANGE',
        field: 'scale',
      });
      await expect(prepare({ ...body, scale: '1' })).resolves.toBeDefined();
    }
  });

  it('of scales are told with their side', async () => {
    for (const [when, side] of places) {
      const body = withAccount(when, side, { scale: String(2n ** 64n) });
      await expect(prepare(body)).rejects.toMatchObject({
        code: 'OUT_OF_RANGE',
        field: `${when}.${side}.scale`,
      });
    }
  });

  it('of a deadline: it lies in the future', async () => {
    const at = (deadline: number) => prepare({ ...settlement, deadline });
    expect((await prepare(settlement)).deadline).toBeUndefined();
    expect((await at(NOW / 1000 + 1)).deadline).toBe(NOW + 1000);
    for (const past of [NOW / 1000, NOW / 1000 - 1]) {
      await expect(at(past)).rejects.toMatchObject({ code: 'OUT_OF_RANGE', field: 'deadline' });
    }
  });
});

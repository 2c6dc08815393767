import type { Instance } from '../../src/proof/instances.ts';

/** Exact constraint counts (-O2) of every template, each compiled as a main component. A lost constraint changes a count. */
export interface TemplateCount {
  readonly template: string;
  readonly file: string;
  readonly constraints: number;
  /** What the count is for, in the report. */
  readonly note: string;
}

export const TEMPLATE_COUNTS: readonly TemplateCount[] = [
  { template: 'SignedBits(41)', file: 'arithmetic', constraints: 42, note: 'signed range check' },
  { template: 'BitsOfProduct(240)', file: 'arithmetic', constraints: 241, note: 'sign and floor of a loss' },
  {
    template: 'SignedBits(251)',
    file: 'arithmetic',
    constraints: 252,
    note: 'linear charges, in insolvency',
  },
  { template: 'SignedBits(227)', file: 'arithmetic', constraints: 228, note: 'gamma, in insolvency' },
  { template: 'SignedBits(250)', file: 'arithmetic', constraints: 251, note: 'vega, in insolvency' },
  {
    template: 'FloorDivide(24)',
    file: 'arithmetic',
    constraints: 49,
    note: 'floor division by a volatility',
  },
  { template: 'FloorDivide(30)', file: 'arithmetic', constraints: 61, note: 'floor division by a spacing' },
  { template: 'SizeUp(212, 119)', file: 'arithmetic', constraints: 214, note: 'size of a sum, in solvency' },
  { template: 'SizeUp(227, 121)', file: 'arithmetic', constraints: 229, note: 'size of gamma, in solvency' },
  { template: 'SizeUp(226, 124)', file: 'arithmetic', constraints: 228, note: 'size of vega, in solvency' },
  { template: 'Below(20)', file: 'arithmetic', constraints: 20, note: 'range check that keeps its wire' },
  { template: 'ShiftRight(16)', file: 'arithmetic', constraints: 16, note: 'dropped bits' },
  { template: 'OneHot8()', file: 'arithmetic', constraints: 5, note: 'segment choice' },
  { template: 'PowerOfTwo(6)', file: 'arithmetic', constraints: 5, note: 'normalisation' },
  { template: 'IntegerSquareRoot(30)', file: 'arithmetic', constraints: 63, note: 'per expiry' },
  { template: 'FloorAt(27)', file: 'arithmetic', constraints: 29, note: 'maximum of two' },
  { template: 'Logarithm(36, 6, 1)', file: 'functions', constraints: 58, note: 'strike, per leg' },
  { template: 'Logarithm(44, 6, 1)', file: 'functions', constraints: 66, note: 'forward, per expiry' },
  { template: 'Logarithm(28, 5, 0)', file: 'functions', constraints: 48, note: 'tenor, per expiry' },
  { template: 'Normal(12, 0)', file: 'functions', constraints: 42, note: 'N(d1)' },
  { template: 'Normal(20, 0)', file: 'functions', constraints: 54, note: 'N(d2)' },
  { template: 'Normal(20, 1)', file: 'functions', constraints: 64, note: 'N(d1) and its density' },
  { template: 'Exp2()', file: 'functions', constraints: 8, note: 'tenor factor' },
  { template: 'Exp2Precise()', file: 'functions', constraints: 165, note: 'price factor, once' },
  { template: 'ExpiryWord()', file: 'expiry', constraints: 251, note: 'unpacking, per expiry' },
  { template: 'ExpiryBase()', file: 'expiry', constraints: 439, note: 'an expiry without shocks' },
  { template: 'TenorFactor()', file: 'expiry', constraints: 273, note: 'per expiry' },
  { template: 'ExpiryShock()', file: 'expiry', constraints: 90, note: 'per expiry and vol shock' },
  { template: 'VegaRate()', file: 'expiry', constraints: 53, note: 'per expiry' },
  { template: 'ExpiryRisk()', file: 'expiry', constraints: 376, note: 'an expiry under the parameters' },
  { template: 'InterpolateVolatility()', file: 'leg', constraints: 100, note: 'per leg' },
  { template: 'Deviation(31, 1)', file: 'leg', constraints: 32, note: 'at the mark' },
  { template: 'Deviation(26, 9)', file: 'leg', constraints: 35, note: 'per revaluation' },
  { template: 'Cell()', file: 'leg', constraints: 94, note: 'one revaluation' },
  { template: 'Probabilities()', file: 'leg', constraints: 129, note: 'one revaluation with its deviation' },
  { template: 'MarkProbabilities()', file: 'leg', constraints: 149, note: 'the mark, with its density' },
  { template: 'OpenLeg(8, 5)', file: 'leg', constraints: 730, note: 'a leg without scenarios' },
  { template: 'ShockedIntercept()', file: 'leg', constraints: 43, note: 'per leg and vol shock' },
  { template: 'ShockedSlope()', file: 'leg', constraints: 41, note: 'per leg and vol shock' },
  { template: 'Pick(8, 19)', file: 'leg', constraints: 133, note: 'choice of expiry, per leg' },
  { template: 'Leg(8)', file: 'leg', constraints: 952, note: 'all of a leg: mark and scenario' },
  {
    template: 'LegInAllScenarios(8)',
    file: 'solvency',
    constraints: 4266,
    note: 'all of a leg: mark and 34 scenarios',
  },
  { template: 'LayoutDampings()', file: 'solvency', constraints: 665, note: 'once' },
  { template: 'UnderlyingWord()', file: 'account', constraints: 136, note: 'once' },
  { template: 'MarkUp()', file: 'account', constraints: 213, note: 'once' },
  { template: 'GammaCost()', file: 'account', constraints: 159, note: 'once' },
  { template: 'NetShort(8)', file: 'account', constraints: 388, note: 'short options of 8 legs' },
  { template: 'NetShort(16)', file: 'account', constraints: 780, note: 'short options of 16 legs' },
  { template: 'NetShort(32)', file: 'account', constraints: 1564, note: 'short options of 32 legs' },
  { template: 'PositionsCommitment(8)', file: 'commitment', constraints: 657, note: 'hash of 8 legs' },
  { template: 'PositionsCommitment(16)', file: 'commitment', constraints: 1084, note: 'hash of 16 legs' },
  { template: 'PositionsCommitment(32)', file: 'commitment', constraints: 1940, note: 'hash of 32 legs' },
  {
    template: 'OpeningEvaluation(16)',
    file: 'opening',
    constraints: 17,
    note: 'value of an opening of 16 legs',
  },
  { template: 'ParametersCommitment()', file: 'parameters', constraints: 321, note: 'once' },
  { template: 'ParametersHeader()', file: 'parameters', constraints: 223, note: 'once' },
  { template: 'Scenario()', file: 'parameters', constraints: 312, note: 'once' },
  { template: 'NonZero()', file: 'vector', constraints: 1, note: 'a number that is not 0' },
  { template: 'Ranks(33)', file: 'vector', constraints: 32, note: 'which rows are held, in transfer' },
  {
    template: 'Spread(16, 33, 3)',
    file: 'vector',
    constraints: 537,
    note: 'network of a vector, in transfer',
  },
  { template: 'Spread(8, 8, 2)', file: 'vector', constraints: 51, note: 'network, in settlement' },
  { template: 'Spread(32, 32, 2)', file: 'vector', constraints: 387, note: 'network, in settlement' },
  { template: 'InstrumentTable(33)', file: 'vector', constraints: 2497, note: 'once, in transfer' },
  { template: 'RowsOfVector(16, 33)', file: 'vector', constraints: 1355, note: 'per vector of a transfer' },
  { template: 'SettlementWords()', file: 'settlement', constraints: 331, note: 'once, in settlement' },
  { template: 'SettledLeg()', file: 'settlement', constraints: 162, note: 'per leg of a settlement' },
];

/** Exact counts of an instance. */
export interface InstanceCount {
  readonly constraints: number;
  /** Of A and B, `termCount` of `src/proof/r1cs.ts`. More of them with as many constraints: the optimiser has put sums in the place of wires. */
  readonly terms: number;
}

/** Counts of the instances in `circuits/main`. */
export const INSTANCE_COUNTS: Readonly<Record<Instance, InstanceCount>> = {
  'insolvency-8': { constraints: 19_357, terms: 89_382 },
  'insolvency-16': { constraints: 27_792, terms: 133_230 },
  'insolvency-32': { constraints: 44_664, terms: 219_076 },
  'solvency-8': { constraints: 65_194, terms: 277_371 },
  'solvency-16': { constraints: 100_109, terms: 448_251 },
  'transfer-16': { constraints: 13_991, terms: 127_467 },
  'settlement-8': { constraints: 3_305, terms: 29_009 },
  'settlement-32': { constraints: 10_191, terms: 105_421 },
};

/**
 * Gas of `verifyProof`, calldata and transaction included: measured at 10 and 15 public signals (`proof-set.test.ts`).
 */
export const VERIFICATION_GAS = { base: 204_300, perSignal: 7_240 } as const;

/** Constraints of a template of {@link TEMPLATE_COUNTS}, compiled by itself. @throws Error for any other */
function recordedCount(template: string): number {
  const row = TEMPLATE_COUNTS.find((one) => one.template === template);
  if (row === undefined) throw new Error(`No count of ${template}.`);
  return row.constraints;
}

/**
 * What is known of an instance's parts, from the counts of its templates, and the rest, with which they add up to the instance. Parts are counted by
 * themselves, so that the rest may be negative: the optimiser saves some constraints between them.
 *
 * @param all constraints of the instance
 * @param countOf constraints of a template
 * @throws Error for no instance
 */
export function partsOf(
  name: Instance,
  all: number = INSTANCE_COUNTS[name].constraints,
  countOf: (template: string) => number = recordedCount,
): Readonly<Record<string, number>> {
  const [kind, size] = name.split('-') as [string, string];
  const legs = Number(size);
  const hashing = (): number => countOf(`PositionsCommitment(${legs})`) + countOf('ParametersCommitment()');
  const expiry = (shocks: number): number =>
    countOf('ExpiryBase()') +
    countOf('ExpiryRisk()') +
    shocks * countOf('ExpiryShock()') +
    countOf('VegaRate()');
  const parts: Record<string, number> = {};
  if (kind === 'insolvency') {
    parts.legs = legs * countOf('Leg(8)');
    // Seven for the signs of an expiry's sums.
    parts.expiries = 8 * (expiry(1) + 7);
    parts.hashing = hashing();
    parts['short options'] = countOf(`NetShort(${legs})`);
    parts['signs and sizes of charges'] =
      countOf('SignedBits(251)') + countOf('SignedBits(227)') + countOf('SignedBits(250)');
    parts['cost of gamma'] = countOf('GammaCost()');
    parts.scenario = countOf('Scenario()') + countOf('Exp2Precise()');
  } else if (kind === 'solvency') {
    parts.legs = legs * countOf('LegInAllScenarios(8)');
    parts.expiries = 8 * expiry(2);
    parts.hashing = hashing();
    parts['short options'] = countOf(`NetShort(${legs})`);
    parts['sizes of charges'] =
      17 * countOf('SizeUp(212, 119)') + countOf('SizeUp(227, 121)') + 8 * countOf('SizeUp(226, 124)');
    parts['cost of gamma'] = countOf('GammaCost()');
    // A factor for each of the layout's moves.
    parts.scenarios = countOf('LayoutDampings()') + 16 * countOf('Exp2Precise()');
    // Size, sign, and that the worst is no smaller.
    parts['losses of 34 scenarios'] = 34 * (countOf('BitsOfProduct(240)') + 1 + 92);
  } else if (kind === 'transfer') {
    const rows = 2 * legs + 1;
    parts.commitments = 4 * countOf(`PositionsCommitment(${legs})`);
    parts.vectors = 4 * countOf(`RowsOfVector(${legs}, ${rows})`);
    parts.table = countOf(`InstrumentTable(${rows})`);
    // Four products of a row, and the range of what is lost.
    parts.conservation = rows * (4 + 40);
    parts.scales = 4 * 64;
    parts.evaluations = 2 * countOf(`OpeningEvaluation(${legs})`);
  } else if (kind === 'settlement') {
    parts.legs = legs * countOf('SettledLeg()');
    parts.commitments = 2 * countOf(`PositionsCommitment(${legs})`);
    parts.words = countOf('SettlementWords()');
    parts.network = countOf(`Spread(${legs}, ${legs}, 2)`);
    // Remainder from both sides, and the range of cash.
    parts.cash = 60 + 60 + 95;
  } else {
    throw new Error(`No parts of ${name}.`);
  }
  const sum = Object.values(parts).reduce((total, count) => total + count, 0);
  return { ...parts, rest: all - sum };
}

/** Source of a main component around one template. */
export function mainOf({ template, file }: Pick<TemplateCount, 'template' | 'file'>): string {
  return `pragma circom 2.2.0;\ninclude "${file}.circom";\ncomponent main = ${template};\n`;
}

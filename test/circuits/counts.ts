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
  { template: 'SignedBits(220)', file: 'arithmetic', constraints: 221, note: 'gamma, in insolvency' },
  { template: 'SignedBits(250)', file: 'arithmetic', constraints: 251, note: 'vega, in insolvency' },
  {
    template: 'FloorDivide(24)',
    file: 'arithmetic',
    constraints: 49,
    note: 'floor division by a volatility',
  },
  { template: 'SizeUp(212, 119)', file: 'arithmetic', constraints: 214, note: 'size of a sum, in solvency' },
  { template: 'SizeUp(220, 114)', file: 'arithmetic', constraints: 222, note: 'size of gamma, in solvency' },
  { template: 'SizeUp(226, 124)', file: 'arithmetic', constraints: 228, note: 'size of vega, in solvency' },
  { template: 'Below(20)', file: 'arithmetic', constraints: 20, note: 'range check that keeps its wire' },
  { template: 'ShiftRight(16)', file: 'arithmetic', constraints: 16, note: 'dropped bits' },
  { template: 'OneHot8()', file: 'arithmetic', constraints: 5, note: 'segment choice' },
  { template: 'PowerOfTwo(6)', file: 'arithmetic', constraints: 5, note: 'normalisation' },
  { template: 'IntegerSquareRoot(28)', file: 'arithmetic', constraints: 59, note: 'per expiry' },
  { template: 'FloorAt(27)', file: 'arithmetic', constraints: 29, note: 'maximum of two' },
  { template: 'Log2(36, 6)', file: 'functions', constraints: 57, note: 'strike, per leg' },
  { template: 'Log2(44, 6)', file: 'functions', constraints: 65, note: 'forward, per expiry' },
  { template: 'Log2(28, 5)', file: 'functions', constraints: 47, note: 'tenor, per expiry' },
  { template: 'Normal(12, 0)', file: 'functions', constraints: 42, note: 'N(d1)' },
  { template: 'Normal(20, 0)', file: 'functions', constraints: 54, note: 'N(d2)' },
  { template: 'Normal(16, 1)', file: 'functions', constraints: 58, note: 'N(d1) and its density' },
  { template: 'Exp2()', file: 'functions', constraints: 8, note: 'tenor factor' },
  { template: 'Exp2Precise()', file: 'functions', constraints: 165, note: 'price factor, once' },
  { template: 'ExpiryWord()', file: 'expiry', constraints: 251, note: 'unpacking, per expiry' },
  { template: 'ExpiryBase()', file: 'expiry', constraints: 520, note: 'an expiry without shocks' },
  { template: 'TenorFactor()', file: 'expiry', constraints: 270, note: 'per expiry' },
  { template: 'ExpiryShock()', file: 'expiry', constraints: 88, note: 'per expiry and vol shock' },
  { template: 'VegaRate()', file: 'expiry', constraints: 53, note: 'per expiry' },
  { template: 'ExpiryRisk()', file: 'expiry', constraints: 319, note: 'an expiry under the parameters' },
  { template: 'InterpolateVolatility()', file: 'leg', constraints: 98, note: 'per leg' },
  { template: 'Deviation(25, 5)', file: 'leg', constraints: 30, note: 'at the mark' },
  { template: 'Deviation(24, 9)', file: 'leg', constraints: 33, note: 'per revaluation' },
  { template: 'Cell()', file: 'leg', constraints: 94, note: 'one revaluation' },
  { template: 'Probabilities()', file: 'leg', constraints: 127, note: 'one revaluation with its deviation' },
  { template: 'MarkProbabilities()', file: 'leg', constraints: 141, note: 'the mark, with its density' },
  { template: 'OpenLeg(8, 5)', file: 'leg', constraints: 700, note: 'a leg without scenarios' },
  { template: 'ShockedIntercept()', file: 'leg', constraints: 43, note: 'per leg and vol shock' },
  { template: 'ShockedSlope()', file: 'leg', constraints: 41, note: 'per leg and vol shock' },
  { template: 'Pick(8, 20)', file: 'leg', constraints: 140, note: 'choice of expiry, per leg' },
  { template: 'Leg(8)', file: 'leg', constraints: 920, note: 'all of a leg: mark and scenario' },
  {
    template: 'LegInAllScenarios(8)',
    file: 'solvency',
    constraints: 4249,
    note: 'all of a leg: mark and 34 scenarios',
  },
  { template: 'LayoutDampings()', file: 'solvency', constraints: 630, note: 'once' },
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
];

/** Exact counts of an instance. */
export interface InstanceCount {
  readonly constraints: number;
  /** Of A and B, `termCount` of `src/proof/r1cs.ts`. More of them with as many constraints: the optimiser has put sums in the place of wires. */
  readonly terms: number;
}

/** Counts of the instances in `circuits/main`. */
export const INSTANCE_COUNTS: Readonly<Record<Instance, InstanceCount>> = {
  'insolvency-8': { constraints: 19_270, terms: 86_672 },
  'insolvency-16': { constraints: 27_449, terms: 127_208 },
  'insolvency-32': { constraints: 43_809, terms: 206_558 },
  'solvency-8': { constraints: 65_176, terms: 274_933 },
  'solvency-16': { constraints: 99_955, terms: 443_013 },
  'transfer-16': { constraints: 13_991, terms: 127_467 },
  'settlement-8': { constraints: 3_305, terms: 29_009 },
  'settlement-32': { constraints: 10_191, terms: 105_421 },
};

/**
 * Gas of `verifyProof`, calldata and transaction included: measured at 10 and 15 public signals (`proof-set.test.ts`).
 */
export const VERIFICATION_GAS = { base: 204_300, perSignal: 7_240 } as const;

/** Source of a main component around one template. */
export function mainOf({ template, file }: Pick<TemplateCount, 'template' | 'file'>): string {
  return `pragma circom 2.2.0;\ninclude "${file}.circom";\ncomponent main = ${template};\n`;
}

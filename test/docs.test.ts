/** Names in documents of the contracts exist in the code: tests, contracts, errors, events, functions, files. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Texts of all files of a folder and those below it with one of these endings. */
function textsOf(folder: string, ending: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => readFileSync(join(folder, path), 'utf8'))
    .join('\n');
}

/** What stands between backticks, code blocks left out. */
function quotedIn(text: string): string[] {
  return [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
}

const SOURCE = textsOf('contracts/src', '.sol');
const TESTS = textsOf('contracts/test', '.sol');
const CONTRACT_DOCUMENTS = [
  'docs/contracts.md',
  ...readdirSync('docs/contracts').map((name) => join('docs/contracts', name)),
];

/** Types, errors, events and members of enumerations, and names of signed types. */
const declared = new Set([
  ...[...SOURCE.matchAll(/\b(?:error|event|contract|library|interface|struct|enum)\s+([A-Z]\w*)/g)].map(
    (match) => match[1]!,
  ),
  ...[...SOURCE.matchAll(/"([A-Z]\w*)\(/g)].map((match) => match[1]!),
  ...[...SOURCE.matchAll(/import \{([^}]+)\}/g)].flatMap((match) => match[1]!.match(/[A-Z]\w*/g) ?? []),
]);
const functions = new Set([...SOURCE.matchAll(/\bfunction\s+(\w+)/g)].map((match) => match[1]!));
const tests = new Set([...TESTS.matchAll(/\bfunction\s+((?:test|invariant)\w*)/g)].map((match) => match[1]!));

describe('docs/invariants.md', () => {
  const text = readFileSync('docs/invariants.md', 'utf8');

  it('names tests that exist', () => {
    const named = quotedIn(text).filter((name) => /^(?:test|invariant)(?:Fuzz)?_\w+$/.test(name));
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter((name) => !tests.has(name))).toEqual([]);
  });

  it('numbers each statement once, and gives each a test', () => {
    const statements = text.split('\n').filter((line) => line.startsWith('**I-'));
    const numbers = statements.map((line) => Number(/^\*\*I-(\d+)\./.exec(line)![1]));
    expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, index) => index + 1));
    expect(statements.filter((line) => !/`(?:test|invariant)\w*_/.test(line))).toEqual([]);
  });
});

describe('docs/known-failures.md', () => {
  const quoted = quotedIn(readFileSync('docs/known-failures.md', 'utf8'));

  it('names tests that exist', () => {
    const named = quoted.filter((name) => /^(?:test|invariant)(?:Fuzz)?_\w+$/.test(name));
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !tests.has(name))).toEqual([]);
    expect(quoted.filter((name) => name.endsWith('.test.ts') && !existsSync(name))).toEqual([]);
  });
});

describe('metrics', () => {
  it('that documents name are told by the service, a prover or the keeper', () => {
    const service = ['metrics', 'prover-metrics']
      .map((name) => readFileSync(`src/service/${name}.ts`, 'utf8'))
      .join('');
    const keeper = readFileSync('src/keeper/metrics.ts', 'utf8');
    const told = new Set([
      ...[...(service + keeper).matchAll(/name: '(zkmargin_[a-z_]+)'/g)].map((match) => match[1]!),
      ...[...keeper.matchAll(/(?:counter|gauge|histogram)\(\s*'([a-z_]+)'/g)].map(
        (match) => `zkmargin_keeper_${match[1]}`,
      ),
    ]);
    const documents = readdirSync('docs').filter((name) => name.endsWith('.md'));
    const named = documents
      .flatMap((name) => quotedIn(readFileSync(join('docs', name), 'utf8')))
      .flatMap((text) => /^(zkmargin_[a-z_]+)(?:\{|$)/.exec(text)?.[1] ?? []);
    expect(told.size).toBeGreaterThan(30);
    expect(named.filter((name) => !told.has(name))).toEqual([]);
    expect([...told].filter((name) => !named.includes(name))).toEqual([]);
  });
});

describe.each(CONTRACT_DOCUMENTS)('%s', (path) => {
  const quoted = quotedIn(readFileSync(path, 'utf8'));

  it('names errors, events and contracts that exist', () => {
    const names = quoted.flatMap((text) => /^([A-Z][a-z]\w*[A-Z]\w*)(?:\(.*\))?$/.exec(text)?.[1] ?? []);
    expect(names.filter((name) => !declared.has(name))).toEqual([]);
  });

  it('names members of contracts that exist', () => {
    const members = quoted.flatMap((text) => /^[A-Z]\w+\.([a-z]\w*)(?:\(.*\))?$/.exec(text)?.[1] ?? []);
    expect(members.filter((name) => name !== 'sol' && !functions.has(name))).toEqual([]);
  });
});

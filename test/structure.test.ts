/** Who may know of whom: imports between the folders of `src`, and of packages by them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/**
 * The folders of `src`, from those that know nothing to those that know most. Each may import the folders that it names,
 * and the files that lie in `src` itself. A folder that is named after `type ` may be imported for its types alone.
 */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  math: [],
  market: ['math'],
  margin: ['market', 'math'],
  liquidation: ['margin', 'math'],
  risk: ['liquidation', 'margin', 'market', 'math'],
  input: ['risk', 'margin', 'market', 'math'],
  report: ['input', 'risk', 'margin'],
  proof: ['margin', 'market', 'math'],
  configuration: ['input', 'proof'],
  store: ['proof'],
  chain: ['store', 'proof', 'input', 'liquidation', 'margin', 'market', 'math'],
  http: [],
  service: ['http', 'chain', 'store', 'proof', 'report', 'input', 'risk', 'liquidation', 'margin', 'market'],
  client: ['type service'],
  keeper: ['http', 'client', 'chain', 'proof', 'input', 'liquidation', 'margin', 'market', 'math'],
  commands: [
    'keeper',
    'client',
    'service',
    'chain',
    'store',
    'configuration',
    'proof',
    'report',
    'input',
    'margin',
    'market',
  ],
};

/** Files of `src` itself that know folders; all others know each other alone. */
const ROOT_FILES: Readonly<Record<string, readonly string[]>> = { 'cli.ts': ['commands'] };

/** Packages that pure folders may import; to the others all are open. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  math: [],
  market: [],
  margin: ['typebox'],
  liquidation: [],
  risk: [],
  input: ['typebox'],
  report: [],
};

/** Example books and markets: for tests, demonstrations and benchmarks. */
const EXAMPLES = /(^|\/)example-[\w-]+\.ts$/;
/** What tests share, beside what they test. */
const TEST_SUPPORT = /(^|\/)(testing(-[\w-]+)?|circuit-tester)\.ts$/;

interface Import {
  /** Path of the importing file in the repository. */
  readonly file: string;
  /** Path of the imported file in the repository; name of a package as it is written. */
  readonly target: string;
  readonly typesOnly: boolean;
}

/** True for a statement that leaves nothing behind at run time. */
function bringsTypesOnly(statement: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(statement)) return statement.isTypeOnly;
  return statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
}

/** The imports of a module's text, `import()` and `import('...').Type` included. */
function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, typesOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const { text: name } = specifier;
    found.push({ file, target: name.startsWith('.') ? join(file, '..', name) : name, typesOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, bringsTypesOnly(node));
    } else if (ts.isImportTypeNode(node)) {
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
  return found;
}

/** The folder of `src` that a path lies in; undefined for a file of `src` itself. */
function folderOf(path: string): string | undefined {
  const parts = relative('src', path).split('/');
  return parts.length > 1 ? parts[0] : undefined;
}

/** Why an import is wrong; undefined when it is not. */
function faultOf({ file, target, typesOnly }: Import): string | undefined {
  const own = folderOf(file);
  const isPath = target.includes('/') && !target.startsWith('@') && /\.(m?ts|mjs|json)$/.test(target);
  if (!isPath) {
    const allowed = own === undefined ? undefined : PACKAGES[own];
    const name = target.replace(/^((?:@[^/]+\/)?[^/]+).*/, '$1');
    return allowed === undefined || allowed.includes(name) ? undefined : 'this package is not for pure code';
  }
  if (!target.startsWith('src/')) return 'src stands on nothing outside of it';
  if (TEST_SUPPORT.test(target)) return 'tests alone import what is made for tests';
  if (EXAMPLES.test(target) && !EXAMPLES.test(file))
    return 'examples are for tests, demonstrations and benchmarks';
  const other = folderOf(target);
  if (other === own || other === undefined) return undefined;
  const allowed = own === undefined ? (ROOT_FILES[relative('src', file)] ?? []) : (FOLDERS[own] ?? []);
  if (allowed.includes(other) || (typesOnly && allowed.includes(`type ${other}`))) return undefined;
  return `${own ?? 'a file of src itself'} does not know ${other}`;
}

const MODULES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => /(?<!\.d)\.(ts|mjs)$/.test(path) && !/\.test\.ts$/.test(path) && !TEST_SUPPORT.test(path))
  .map((path) => join('src', path));

const IMPORTS = MODULES.flatMap((file) => importsOf(file, readFileSync(file, 'utf8')));

describe('imports of src', () => {
  it('go from folders to those that they may know', () => {
    const faults = IMPORTS.flatMap((found) => {
      const fault = faultOf(found);
      return fault === undefined ? [] : [`${found.file} imports ${found.target}: ${fault}`];
    });
    expect(faults).toEqual([]);
  });

  it('are looked at in every folder, and every permission is used', () => {
    const folders = new Set(MODULES.flatMap((file) => folderOf(file) ?? []));
    expect([...folders].sort()).toEqual(Object.keys(FOLDERS).sort());
    const used = new Set(IMPORTS.map(({ file, target }) => `${folderOf(file)} ${folderOf(target)}`));
    const unused = Object.entries(FOLDERS).flatMap(([folder, allowed]) =>
      allowed
        .map((name) => `${folder} ${name.replace('type ', '')}`)
        .filter((permission) => !used.has(permission)),
    );
    expect(unused).toEqual([]);
  });

  it('form no circle of folders', () => {
    const rank = Object.keys(FOLDERS);
    for (const [folder, allowed] of Object.entries(FOLDERS)) {
      for (const name of allowed) {
        expect([folder, rank.indexOf(name.replace('type ', '')) < rank.indexOf(folder)]).toEqual([
          folder,
          true,
        ]);
      }
    }
  });
});

describe('the rules', () => {
  it.each([
    ['src/margin/float/model.ts', "import { readFileSync } from 'node:fs';"],
    ['src/risk/monitor/monitor.ts', "export * from '../../report/margin-report.ts';"],
    ['src/proof/commitment.ts', "const { deploy } = await import('../chain/deploy.ts');"],
    ['src/keeper/feed.ts', "import type { JobView } from '../service/schemas.ts';"],
    ['src/client/client.ts', "import { startService } from '../service/index.ts';"],
    ['src/errors.ts', "let round: import('./market/words.ts').MarketRound;"],
    ['src/commands/dev.ts', "import '../../scripts/dev.ts';"],
    ['src/risk/monitor/monitor.ts', "import { exampleRound } from '../../market/example-market.ts';"],
    ['src/service/book/live-book.ts', "import { books } from './testing.ts';"],
  ])('refuse in %s: %s', (file, text) => {
    expect(importsOf(file, text).map(faultOf)).toEqual([expect.any(String)]);
  });

  it.each([
    ['src/keeper/feed.ts', "import { ServiceClient } from '../client/index.ts';"],
    ['src/client/client.ts', "import type { JobView } from '../service/schemas.ts';"],
    ['src/input/margin.ts', "import { Compile } from 'typebox/compile';"],
    ['src/cli.ts', "await import('./commands/serve.ts');"],
    ['src/market/words.ts', "import { ZkMarginError } from '../errors.ts';"],
  ])('allow in %s: %s', (file, text) => {
    expect(importsOf(file, text).map(faultOf)).toEqual([undefined]);
  });
});

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { withFileLock } from '../file-lock.ts';
import { ProofError } from './errors.ts';
import { exists, projectRoot, sha256, writeFileAtomic } from './files.ts';
import { readSections } from './r1cs.ts';

const require = createRequire(import.meta.url);

/** Folders searched for includes, after the including file's own; relative to the project's root. */
export const includeFolders = ['node_modules/circomlib/circuits', 'circuits/lib'] as const;

/** Flags of every build. `--O2` halves the constraints of the default. */
export const compilerFlags = ['--O2', '--r1cs', '--wasm', '--sym'] as const;

/** A compiled circuit: where its files are, and what they were made from. All paths are absolute. */
export interface CompiledCircuit {
  /** Name of the source file without `.circom`. */
  name: string;
  /** SHA-256 over compiler version, flags and every source reached by includes. */
  sourceHash: string;
  /** SHA-256 of the .r1cs file. */
  r1csHash: string;
  directory: string;
  r1csPath: string;
  wasmPath: string;
  symPath: string;
  compilerVersion: string;
  /** True when nothing was compiled because the result was there. */
  cached: boolean;
  /** Milliseconds of the compiler; 0 when cached. */
  compileMs: number;
}

/** What the compiler is doing. */
export interface CompileProgress {
  stage: 'hashing' | 'compiling' | 'done';
  circuit: string;
}

export interface CompileOptions {
  /** Where results go, below the project's root. Default `build/circuits`. */
  outputRoot?: string;
  /** Kills the compiler when aborted. */
  signal?: AbortSignal;
  onProgress?: (progress: CompileProgress) => void;
}

/** Version of the compiler package, with the package's name. */
function compilerVersion(): string {
  const { version } = require('circom2/package.json') as { version: string };
  return `circom2@${version}`;
}

/**
 * Compile `circuits/main/<name>.circom`.
 *
 * @throws {ProofError} `CIRCUIT_NOT_FOUND` for a missing source or include, `CIRCUIT_COMPILE_FAILED` with the
 * compiler's text, `CANCELLED` when the signal fires.
 */
export function compileCircuit(name: string, options: CompileOptions = {}): Promise<CompiledCircuit> {
  return compileFile(join(projectRoot, 'circuits/main', `${name}.circom`), options);
}

/**
 * Compile any circuit file below the project's root. The result lies in `<outputRoot>/<name>/<hash>/` and is reused
 * as long as no source changes and none of its files was damaged.
 *
 * @throws {ProofError} as {@link compileCircuit}.
 */
export async function compileFile(path: string, options: CompileOptions = {}): Promise<CompiledCircuit> {
  const source = resolve(projectRoot, path);
  const name = source.replace(/^.*[\\/]/, '').replace(/\.circom$/, '');
  if (!/^[A-Za-z0-9_-]+$/.test(name)) {
    throw new ProofError('CIRCUIT_NOT_FOUND', `not a circuit name: ${JSON.stringify(name)}`);
  }
  if (relative(projectRoot, source).startsWith('..')) {
    throw new ProofError('CIRCUIT_NOT_FOUND', 'the compiler reads only files below the project', { path });
  }
  options.onProgress?.({ stage: 'hashing', circuit: name });
  const sourceHash = await hashSources(source);
  const directory = join(
    resolve(projectRoot, options.outputRoot ?? 'build/circuits'),
    name,
    sourceHash.slice(0, 16),
  );
  const paths = {
    r1csPath: join(directory, `${name}.r1cs`),
    wasmPath: join(directory, `${name}.wasm`),
    symPath: join(directory, `${name}.sym`),
  };
  let compileMs = 0;
  let cached = true;
  let r1csHash = await wholeResult(directory, paths);
  if (r1csHash === undefined) {
    const compile = async (): Promise<void> => {
      r1csHash = await wholeResult(directory, paths);
      if (r1csHash !== undefined) return;
      await rm(directory, { recursive: true, force: true });
      cached = false;
      options.onProgress?.({ stage: 'compiling', circuit: name });
      const start = performance.now();
      await runCompiler(source, name, directory, options.signal);
      compileMs = performance.now() - start;
      r1csHash = await wholeResult(directory, paths);
    };
    await withFileLock(directory, compile, { signal: options.signal });
  }
  if (r1csHash === undefined) {
    throw new ProofError('FILE_MALFORMED', `what the compiler wrote of ${name} is damaged: ${directory}`, {
      circuit: name,
      path: directory,
    });
  }
  options.onProgress?.({ stage: 'done', circuit: name });
  return {
    name,
    sourceHash,
    r1csHash,
    directory,
    ...paths,
    compilerVersion: compilerVersion(),
    cached,
    compileMs,
  };
}

/** Hashes of a result's files, by which damage is noticed. */
const HASHES = 'hashes.json';

/**
 * Hash of the constraint system of a result, when all of its files are as the compiler wrote them; undefined otherwise. A result
 * without hashes, of an earlier version, is given them when its files are complete.
 */
async function wholeResult(
  directory: string,
  paths: Pick<CompiledCircuit, 'r1csPath' | 'wasmPath' | 'symPath'>,
): Promise<string | undefined> {
  try {
    const [r1cs, wasm, symbols] = await Promise.all(
      [paths.r1csPath, paths.wasmPath, paths.symPath].map((path) => readFile(path)),
    );
    const hashes = { r1cs: sha256(r1cs!), wasm: sha256(wasm!), sym: sha256(symbols!) };
    const text = `${JSON.stringify(hashes)}\n`;
    const file = join(directory, HASHES);
    const kept = await readFile(file, 'utf8').catch(() => undefined);
    if (kept !== undefined) return kept === text ? hashes.r1cs : undefined;
    readSections(r1cs!, 'r1cs');
    if (!WebAssembly.validate(wasm!) || symbols!.at(-1) !== LINE_END) return undefined;
    // A folder that cannot be written to is looked at each time.
    await writeFileAtomic(file, text).catch(() => {});
    return hashes.r1cs;
  } catch {
    return undefined;
  }
}

const LINE_END = 10;

/** Where {@link compileText} keeps a circuit's source, below the project's root. */
export function sourceOfText(name: string, text: string): string {
  return `build/test-circuits/sources/${sha256(text).slice(0, 16)}/${name}.circom`;
}

/**
 * Compile a circuit given as text, for tests of templates. Includes are found as for any circuit. The text is kept
 * below `build/test-circuits`, named by its hash, and compiled once.
 *
 * @param name label of the circuit, for messages and file names.
 * @throws {ProofError} as {@link compileCircuit}.
 */
export async function compileText(
  name: string,
  text: string,
  options: CompileOptions = {},
): Promise<CompiledCircuit> {
  const path = join(projectRoot, sourceOfText(name, text));
  if (!(await exists(path))) await writeFileAtomic(path, text);
  return compileFile(path, { outputRoot: 'build/test-circuits', ...options });
}

/** Paths of every file that a circuit includes, directly or not, itself first; in the order of discovery. */
export async function collectSources(path: string): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  const pending = [resolve(projectRoot, path)];
  for (let file = pending.shift(); file !== undefined; file = pending.shift()) {
    if (sources.has(file)) continue;
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) {
      throw new ProofError('CIRCUIT_NOT_FOUND', `no circuit source ${relative(projectRoot, file)}`, {
        path: relative(projectRoot, file),
      });
    }
    sources.set(file, text);
    for (const include of includesOf(text)) pending.push(await resolveInclude(file, include));
  }
  return sources;
}

const COMMENT = String.raw`/\*[\s\S]*?\*/|//[^\n]*`;
/** Comments and texts are passed over as they come: one may hold what opens the other. An include may stand anywhere in a line. */
const INCLUDE = new RegExp(String.raw`${COMMENT}|\binclude(?:\s|${COMMENT})*"([^"]+)"|"[^"]*"`, 'g');

function includesOf(text: string): string[] {
  return [...text.matchAll(INCLUDE)].flatMap(([, path]) => path ?? []);
}

async function resolveInclude(from: string, include: string): Promise<string> {
  const candidates = isAbsolute(include)
    ? [include]
    : [join(dirname(from), include), ...includeFolders.map((folder) => join(projectRoot, folder, include))];
  for (const candidate of candidates) if (await exists(candidate)) return candidate;
  throw new ProofError(
    'CIRCUIT_NOT_FOUND',
    `include ${JSON.stringify(include)} of ${relative(projectRoot, from)} was not found`,
    { path: relative(projectRoot, from), include },
  );
}

async function hashSources(path: string): Promise<string> {
  const parts = [compilerVersion(), '\n', compilerFlags.join(' '), '\n'];
  for (const [file, text] of await collectSources(path)) {
    // The folder of the main source does not enter: the same text gives the same circuit wherever it lies.
    const label = file === resolve(projectRoot, path) ? 'main' : relative(projectRoot, file);
    parts.push(label.replaceAll('\\', '/'), '\n', sha256(text), '\n');
  }
  return sha256(...parts);
}

async function runCompiler(
  source: string,
  name: string,
  directory: string,
  signal?: AbortSignal,
): Promise<void> {
  const temporary = `${directory}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  await mkdir(temporary, { recursive: true });
  try {
    const { code, output } = await runCli(
      [
        relative(projectRoot, source),
        ...compilerFlags,
        ...includeFolders.flatMap((folder) => ['-l', folder]),
        '-o',
        relative(projectRoot, temporary),
      ],
      signal,
    );
    const text = stripColours(output);
    if (signal?.aborted) throw new ProofError('CANCELLED', `compilation of ${name} was cancelled`);
    const r1cs = join(temporary, `${name}.r1cs`);
    if (code !== 0 || !(await exists(r1cs))) {
      throw new ProofError('CIRCUIT_COMPILE_FAILED', `${name} does not compile:\n${text.trim()}`, {
        circuit: name,
        output: text,
      });
    }
    await rename(join(temporary, `${name}_js`, `${name}.wasm`), join(temporary, `${name}.wasm`));
    await rm(join(temporary, `${name}_js`), { recursive: true, force: true });
    await writeFile(join(temporary, 'compiler.log'), text);
    await rename(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Node 20 optimises the compiler's code so early that a small circuit takes twice the work; later versions wait as long by themselves.
 */
const engineFlags = process.versions.node.startsWith('20.') ? ['--wasm-tiering-budget=13000000'] : [];

/**
 * Run the circom compiler in a process of its own, from the project's root (the compiler finds libraries only at or
 * below its working directory).
 *
 * @returns exit code and everything it printed.
 */
export function runCli(
  args: readonly string[],
  signal?: AbortSignal,
): Promise<{ code: number | null; output: string }> {
  const cli = join(dirname(require.resolve('circom2/package.json')), 'cli.js');
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [...engineFlags, cli, ...args], {
      cwd: projectRoot,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' },
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    const stop = () => child.kill('SIGKILL');
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
    child.once('error', fail);
    child.once('close', (code) => {
      signal?.removeEventListener('abort', stop);
      done({ code, output });
    });
  });
}

function stripColours(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colour codes start with ESC
  return text.replace(/\u001b\[[0-9;]*m/g, '');
}

/** The container file: what it copies, what it starts and what it names exist, and what it copies is enough to run. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import {
  type Configuration,
  fileVariableOf,
  proverConfiguration,
  serveConfiguration,
  variablesOf,
} from '../src/configuration/index.ts';
import { freePort } from '../src/store/testing.ts';

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const root = join(import.meta.dirname, '..');

/** An instruction of a Containerfile, its lines joined. */
interface Instruction {
  readonly word: string;
  readonly rest: string;
}

/** Stages of a Containerfile in order. */
function stagesOf(text: string): Instruction[][] {
  const lines = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const [, word, rest] = /^([A-Z]+) (.*)$/.exec(line)!;
    if (word === 'FROM') stages.push([]);
    stages.at(-1)!.push({ word: word!, rest: rest! });
  }
  return stages;
}

/** Source and target of each COPY, with the stage that it copies from. */
function copiesOf(
  stage: readonly Instruction[],
): { from: string | undefined; sources: string[]; to: string }[] {
  return stage
    .filter(({ word }) => word === 'COPY')
    .map(({ rest }) => {
      const parts = rest.split(/\s+/);
      const from = parts.find((part) => part.startsWith('--from='))?.slice('--from='.length);
      const paths = parts.filter((part) => !part.startsWith('--'));
      return { from, sources: paths.slice(0, -1), to: paths.at(-1)! };
    });
}

const one = (stage: readonly Instruction[], word: string): string => {
  const found = stage.filter((item) => item.word === word);
  expect(found.length, word).toBe(1);
  return found[0]!.rest;
};

const stages = stagesOf(readFileSync(join(root, 'Containerfile'), 'utf8'));
const [build, runtime] = stages as [Instruction[], Instruction[]];
const ignored = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n').filter(Boolean);
const environment = Object.fromEntries(
  runtime
    .filter(({ word }) => word === 'ENV')
    .flatMap(({ rest }) => rest.split(/\s+/).map((pair) => pair.split('=') as [string, string])),
);
const entry = JSON.parse(one(runtime, 'ENTRYPOINT')) as string[];
const command = JSON.parse(one(runtime, 'CMD')) as string[];
const health = one(runtime, 'HEALTHCHECK');
const healthCommand = JSON.parse(/CMD (\[.*\])$/.exec(health)![1]!) as string[];

describe('Containerfile', () => {
  it('has a stage that builds and one that runs, both of the Node that the project asks for', () => {
    expect(stages.length).toBe(2);
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      engines: { node: string };
    };
    const major = /\d+/.exec(engines.node)![0];
    expect(build[0]!.rest).toBe(`node:${major}-slim AS build`);
    expect(runtime[0]!.rest).toBe(`node:${major}-slim`);
    expect(one(runtime, 'USER')).toBe('node');
  });

  it('copies what is there, and what its list of exceptions lets through', () => {
    for (const { from, sources } of stages.flatMap(copiesOf)) {
      for (const source of sources) {
        const path = from === undefined ? source : source.replace('/app/', '');
        expect(existsSync(join(root, path)), source).toBe(true);
        if (from !== undefined) expect(from).toBe('build');
        else if (path !== '.') expect(ignored).not.toContain(path.split('/')[0]);
      }
    }
  });

  it('lets nothing into an image that holds secrets or is made anew', () => {
    for (const name of ['.git', 'node_modules', 'build', 'zkmargin-data', 'secrets', '**/*.zkey'])
      expect(ignored).toContain(name);
  });

  it('names variables and a port of the configuration', () => {
    const known = variablesOf(serveConfiguration);
    const own = Object.keys(environment).filter((name) => name !== 'NODE_ENV');
    expect(own.length).toBeGreaterThan(0);
    expect(own.filter((name) => !known.includes(name))).toEqual([]);
    expect(environment.ZKMARGIN_PORT).toBe(one(runtime, 'EXPOSE'));
    expect(environment.ZKMARGIN_PORT).toBe(String(serveConfiguration.settings.port.default));
    expect(environment.ZKMARGIN_STORE).toBe(one(runtime, 'VOLUME'));
    expect(readFileSync(join(root, healthCommand[1]!), 'utf8')).toContain('ZKMARGIN_PORT');
  });

  it.each(['serve', 'prover', 'keeper'])('has an entry that knows %s', (name) => {
    expect(command).toEqual(['serve']);
    const [program, ...args] = entry;
    expect(program).toBe('node');
    const { status, stdout } = spawnSync(process.execPath, [...args, name, '--help'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect([status, stdout]).toEqual([0, expect.stringContaining(`Usage: zkmargin ${name}`)]);
  });

  describe('the files of its last stage', () => {
    const image = mkdtempSync(join(tmpdir(), 'zkmargin-image-'));
    afterAll(() => rmSync(image, { recursive: true, force: true }));

    it('serve, answer the health check, and end on SIGTERM', async () => {
      layOut(image);
      const port = await freePort();
      const env = {
        PATH: process.env.PATH ?? '',
        HOME: image,
        ...environment,
        ZKMARGIN_HOST: '127.0.0.1',
        ZKMARGIN_PORT: String(port),
        ZKMARGIN_STORE: join(image, 'data'),
      };
      const service = spawn(process.execPath, [...entry.slice(1), ...command], { cwd: image, env });
      let output = '';
      for (const stream of [service.stdout, service.stderr]) {
        stream.on('data', (text) => {
          output += text;
        });
      }
      const ended = new Promise((resolve) => service.once('exit', (...end) => resolve(end)));
      try {
        await expect
          .poll(() => output, { timeout: 250_000, interval: 100 })
          .toMatch(/serves on|^[A-Z_]{4,}/m);
        const [, ...args] = healthCommand;
        const check = spawnSync(process.execPath, args, { cwd: image, env, encoding: 'utf8' });
        expect([check.status, check.stderr, output]).toEqual([0, '', expect.stringContaining('serves on')]);
        service.kill('SIGTERM');
        expect(await ended).toEqual([0, null]);
        const after = spawnSync(process.execPath, args, { cwd: image, env, encoding: 'utf8' });
        expect([after.status, after.stderr]).toEqual([1, expect.stringContaining('ECONNREFUSED')]);
      } finally {
        service.kill('SIGKILL');
      }
    });
  });
});

/** Does what the last stage's instructions do to the file system: packages without those for development, and copies. */
function layOut(image: string): void {
  expect(runtime.some(({ rest }) => rest.startsWith('npm ci --omit=dev'))).toBe(true);
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
  };
  const wanted = Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
    .map(([path]) => path)
    .filter((path) => existsSync(join(root, path)));
  // Packages within packages come with the outer one.
  const outer = wanted.filter((path) => path.lastIndexOf('node_modules/') === 0);
  mkdirSync(join(image, 'node_modules'));
  for (const path of outer) copy(join(root, path), join(image, path));
  for (const { sources, to } of copiesOf(runtime)) {
    for (const source of sources) {
      const path = source.replace('/app/', '');
      copy(join(root, path), join(image, to === './' ? path : to));
    }
  }
}

/** Links where it can: nothing is written to what is copied. */
function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  try {
    execFileSync('cp', ['-al', from, to], { stdio: 'ignore' });
  } catch {
    cpSync(from, to, { recursive: true, force: true });
  }
}

describe('examples/compose.yaml', () => {
  interface Service {
    readonly environment?: Record<string, string>;
    readonly command?: readonly string[];
    readonly secrets?: readonly string[];
    readonly build?: { readonly context: string; readonly dockerfile: string };
    readonly ports?: readonly string[];
    readonly healthcheck?: unknown;
    readonly deploy?: { readonly replicas: number };
    readonly stop_grace_period?: string;
  }
  const compose = parse(readFileSync(join(root, 'examples/compose.yaml'), 'utf8'), { merge: true }) as {
    readonly services: Record<string, Service>;
    readonly secrets: Record<string, { readonly file: string }>;
  };
  const ours: readonly [string, Configuration][] = [
    ['serve', serveConfiguration],
    ['prover', proverConfiguration],
  ];

  it('has PostgreSQL, one service, two provers, and builds from the container file', () => {
    const { services } = compose;
    expect(Object.keys(services).sort()).toEqual(['postgres', 'prover', 'serve']);
    expect(services.prover!.deploy!.replicas).toBe(2);
    const { context, dockerfile } = services.serve!.build!;
    expect(existsSync(join(root, 'examples', context, dockerfile))).toBe(true);
  });

  it.each(ours)('%s is given variables, secrets and a command that exist', (name, configuration) => {
    const service = compose.services[name]!;
    const known = [...variablesOf(configuration), fileVariableOf(configuration)];
    const given = Object.entries(service.environment!);
    expect(given.map(([variable]) => variable).filter((variable) => !known.includes(variable))).toEqual([]);
    expect(service.command).toEqual([name]);
    for (const secret of service.secrets!) expect(compose.secrets[secret]!.file).toContain(secret);
    // Each secret is where a variable says.
    for (const [variable, value] of given) {
      if (!variable.endsWith('_FILE')) continue;
      expect(service.secrets).toContain(/^\/run\/secrets\/(.+)$/.exec(value)![1]);
    }
    // What is not a secret is a value that the settings take.
    const { PATH, HOME } = process.env;
    const values = Object.fromEntries(given.filter(([variable]) => !variable.endsWith('_FILE')));
    const env = { PATH, HOME, ...values, DATABASE_URL: 'postgres://host/base' };
    const { status, stderr } = spawnSync(
      process.execPath,
      [...entry.slice(1), ...service.command!, '--print-config'],
      { cwd: root, env, encoding: 'utf8' },
    );
    expect([status, stderr]).toEqual([0, '']);
  });

  it('has the health of all asked for, at the ports that they answer on', () => {
    const check = readFileSync(join(root, healthCommand[1]!), 'utf8');
    for (const [name] of ours) expect(compose.services[name]!.healthcheck).toBeUndefined();
    const { environment } = compose.services.prover!;
    expect(environment).toHaveProperty('ZKMARGIN_METRICS_PORT');
    // That of the image is for the service, and less urgent.
    expect(check.indexOf('ZKMARGIN_METRICS_PORT ||')).toBeLessThan(check.indexOf('ZKMARGIN_PORT ||'));
  });

  it('publishes the port of the image to the machine itself, and leaves time to end', () => {
    expect(compose.services.serve!.ports).toEqual([`127.0.0.1:8080:${one(runtime, 'EXPOSE')}`]);
    expect(Number.parseInt(compose.services.serve!.stop_grace_period!, 10)).toBeGreaterThan(
      serveConfiguration.settings.closeSeconds.default + 15,
    );
  });
});

/** A PostgreSQL server of its own for tests. */
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server that runs until it is stopped. */
export interface TestPostgres {
  /** `postgres://...` of the database `postgres`. */
  readonly url: string;
  /** Makes an empty database and gives its URL. */
  createDatabase(): Promise<string>;
  /** Ends every server process at once, as a crash does, and waits until they are gone. */
  kill(): Promise<void>;
  /** Starts the same data again, on the same port. */
  restart(): Promise<void>;
  /** Stops the server and removes its data. */
  stop(): Promise<void>;
}

/** Directory of `initdb` and `postgres`, or undefined when the machine has none. */
export function postgresBinaries(): string | undefined {
  const installed = '/usr/lib/postgresql';
  const versions = existsSync(installed)
    ? readdirSync(installed)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(installed, version, 'bin'))
    : [];
  const places = [...(process.env.PATH ?? '').split(delimiter), ...versions];
  return places.find((place) => ['initdb', 'postgres'].every((name) => existsSync(join(place, name))));
}

/** What a test says when it leaves a server out. */
export const NO_POSTGRES = 'PostgreSQL server binaries (initdb, postgres) are not on this machine';

/**
 * Starts a server in a temporary directory on a free port of 127.0.0.1. It refuses to run as root, so root runs it as
 * `postgres` or `nobody`.
 *
 * @throws Error when the binaries are absent or it does not start
 */
export async function startTestPostgres(settings: readonly string[] = []): Promise<TestPostgres> {
  const binaries = postgresBinaries();
  if (binaries === undefined) throw new Error(NO_POSTGRES);
  const user = serverUser();
  const root = mkdtempSync(join(tmpdir(), 'zkmargin-postgres-'));
  if (user !== undefined) chownSync(root, user.uid, user.gid);
  const data = join(root, 'data');
  execFileSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'zkmargin', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...user, cwd: root, stdio: 'ignore' },
  );
  const port = await freePort();
  const url = `postgres://zkmargin@127.0.0.1:${port}/postgres`;
  let exited = Promise.resolve();
  let leader: number | undefined;

  const start = async (): Promise<void> => {
    const options = [
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${root}`,
      'fsync=off',
      ...settings,
    ];
    let output = '';
    const server = spawn(
      join(binaries, 'postgres'),
      ['-D', data, '-p', String(port), ...options.flatMap((option) => ['-c', option])],
      { ...user, cwd: root, detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let running = true;
    leader = server.pid;
    server.stderr.on('data', (text) => {
      output = (output + text).slice(-4000);
    });
    exited = new Promise((resolve) => {
      server.once('exit', () => {
        running = false;
        resolve();
      });
    });
    const { default: pg } = await import('pg');
    for (let attempt = 0; running && attempt < 300; attempt++) {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.end();
        return;
      } catch {
        await client.end().catch(() => undefined);
        await sleep(50);
      }
    }
    throw new Error(`PostgreSQL did not start: ${output}`);
  };
  const signal = async (name: NodeJS.Signals): Promise<void> => {
    if (leader === undefined) return;
    try {
      // Server processes put themselves into groups of their own; they end when the first one is gone.
      process.kill(leader, name);
    } catch {
      // It has ended.
    }
    await exited;
    leader = undefined;
  };

  let databases = 0;
  try {
    await start();
  } catch (error) {
    await signal('SIGKILL');
    rmSync(root, { recursive: true, force: true });
    throw error;
  }
  return {
    url,
    createDatabase: async () => {
      const name = `test_${++databases}`;
      const { default: pg } = await import('pg');
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(`create database ${name}`);
      await client.end();
      return url.replace(/postgres$/, name);
    },
    kill: () => signal('SIGKILL'),
    restart: async () => {
      // The processes of the last server may still be about to end.
      for (let attempt = 1; ; attempt++) {
        try {
          await start();
          return;
        } catch (error) {
          if (attempt === 20) throw error;
          await sleep(250);
        }
      }
    },
    stop: async () => {
      await signal('SIGINT');
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = ['-u', '-g'].map((flag) =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })),
      );
      return { uid: uid!, gid: gid! };
    } catch {
      // No such user.
    }
  }
  return undefined;
}

/** A port of the local host that nobody uses now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

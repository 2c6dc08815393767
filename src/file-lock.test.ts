import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type Release, type Sighting, takeLock, withFileLock } from './file-lock.ts';
import { thisProcess } from './process-identity.ts';

const root = mkdtempSync(join(tmpdir(), 'file-lock-test-'));
const children = new Set<ChildProcess>();
let count = 0;
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A path of its own in a directory of its own. */
function newPath(): string {
  const directory = join(root, String(count++));
  mkdirSync(directory);
  return join(directory, 'key');
}

interface Start {
  readonly before?: readonly string[];
  readonly options?: string;
}

/** A process that runs a text with `withFileLock` at hand. */
function start(text: string, { before = [], options }: Start = {}) {
  const program = `
    import { withFileLock } from ${JSON.stringify(new URL('./file-lock.ts', import.meta.url).href)};
    import fs from 'node:fs';
    const never = new Promise(() => setInterval(() => {}, 1000));
    const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
    ${text}`;
  const [command = process.execPath, ...flags] = [
    ...before,
    process.execPath,
    '--import',
    'tsx',
    '--input-type=module',
    '-e',
    program,
  ];
  const child = spawn(command, flags, {
    stdio: ['ignore', 'pipe', 'pipe', ...(before.length > 0 ? [] : ['ipc' as const])],
    env: { ...process.env, ...(options !== undefined && { NODE_OPTIONS: options }) },
  });
  children.add(child);
  const output = { out: '', err: '' };
  child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
    output.out += piece;
  });
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
    output.err += piece;
  });
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const says = (what: string, timeout = 60_000) =>
    expect.poll(() => output.out + output.err, { timeout }).toContain(what);
  return { child, output, ended, says };
}

const hold = (path: string) =>
  `await withFileLock(${JSON.stringify(path)}, async () => { console.log('holds ' + process.pid); await never; });`;

/** A lock's file as a holder would have it. */
function writeHolder(path: string, holder: object, ageMs = 0): void {
  writeFileSync(`${path}.lock.1`, JSON.stringify({ ...thisProcess(), token: 'x', ...holder }));
  const time = new Date(Date.now() - ageMs);
  utimesSync(`${path}.lock.1`, time, time);
}

/** Whether the lock is free, or becomes so within a second. */
async function isFree(path: string): Promise<boolean> {
  try {
    return await withFileLock(path, async () => true, { patienceMs: 1_000 });
  } catch (error) {
    expect(error).toMatchObject({ code: 'CONFLICT' });
    return false;
  }
}

/** Makes a process believe that its file systems have no links. */
const noLinks = withChange(
  `fs.linkSync = () => { throw Object.assign(new Error('no links'), { code: 'EPERM' }); };`,
);

/** Makes a process another user's, who may not read the files of locks. */
const hiddenLocks = withChange(`const { readFileSync } = fs;
  fs.readFileSync = (path, ...rest) => {
    if (!/\\.lock\\.\\d+$/.test(path)) return readFileSync(path, ...rest);
    throw Object.assign(new Error('hidden'), { code: 'EACCES', syscall: 'open' });
  };`);

function withChange(text: string): string {
  const program = `import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module';
    ${text} syncBuiltinESMExports();`;
  return `--import data:text/javascript,${encodeURIComponent(program)}`;
}

describe('a lock', () => {
  it.each([
    { where: 'a file system', options: '' },
    { where: 'a file system without links', options: noLinks },
  ])(
    'of a killed process goes to one of five at a time, on $where',
    async ({ options }) => {
      const paths = Array.from({ length: 25 }, newPath);
      const killed = start(
        `for (const path of ${JSON.stringify(paths)}) {
          let taken;
          const first = new Promise((done) => { taken = done; });
          void withFileLock(path, async () => { taken(); await never; });
          await first;
        }
        console.log('has all');`,
        { options },
      );
      await killed.says('has all');
      killed.child.kill('SIGKILL');
      await killed.ended;
      const heirs = Array.from({ length: 5 }, () =>
        start(
          `process.on('message', async ({ path, at }) => {
            const faults = [];
            while (Date.now() < at);
            for (let turn = 0; turn < 2; turn++) {
              try {
                await withFileLock(path, async () => {
                  // Fails when another is inside.
                  fs.closeSync(fs.openSync(path + '.inside', 'wx'));
                  await sleep(3);
                  fs.rmSync(path + '.inside');
                });
              } catch (error) {
                faults.push(String(error));
              }
            }
            process.send(faults);
          });
          console.log('is ready');`,
          { options },
        ),
      );
      await Promise.all(heirs.map((heir) => heir.says('is ready')));
      for (const path of paths) {
        const faults = heirs.map(async ({ child }) => ((await once(child, 'message')) as [string[]])[0]);
        for (const { child } of heirs) child.send({ path, at: Date.now() + 20 });
        expect((await Promise.all(faults)).flat()).toEqual([]);
      }
      expect(heirs.map(({ output }) => output.err)).toEqual(['', '', '', '', '']);
    },
    240_000,
  );

  it('of a process that lives is waited for, and those who wait say for whom', async () => {
    const path = newPath();
    const holder = start(hold(path));
    await holder.says('holds');
    const waiting = start(hold(path));
    await waiting.says(`Waiting for process ${holder.child.pid}. If it has ended, remove ${path}.lock.1.\n`);
    expect(waiting.output.out).toBe('');
    const later = withFileLock(path, async () => 'here', { patienceMs: 300 });
    await expect(later).rejects.toMatchObject({
      code: 'CONFLICT',
      message: `Wait until process ${holder.child.pid} is done, or end it. If it has ended, remove ${path}.lock.1.`,
      details: { pid: holder.child.pid, path: `${path}.lock.1` },
    });
    holder.child.kill('SIGKILL');
    await waiting.says('holds');
  });

  it('lets a process that waits be ended', async () => {
    const path = newPath();
    await withFileLock(path, async () => {
      const waiting = start(`console.log('waits'); ${hold(path)}`);
      await waiting.says('waits');
      await sleep(300);
      waiting.child.kill('SIGTERM');
      expect(await waiting.ended).toEqual([null, 'SIGTERM']);
      const stopping = new AbortController();
      const cancelled = withFileLock(path, async () => {}, { signal: stopping.signal });
      stopping.abort();
      await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    });
  });

  it('has one holder at a time within a process, and ends with an error of its holder', async () => {
    const path = newPath();
    const order: string[] = [];
    const take = (name: string) =>
      withFileLock(path, async () => {
        order.push(name);
        await sleep(30);
        order.push(name);
        throw new Error(name);
      });
    const results = await Promise.allSettled(['a', 'b', 'c'].map(take));
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect([order[0], order[2], order[4]]).toEqual([order[1], order[3], order[5]]);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('keeps its number while somebody may reckon with it', async () => {
    const path = newPath();
    const draft = `${path}.lock-draft-x`;
    writeHolder(path, { pid: 99_999_999 });
    writeFileSync(draft, '');
    expect(await isFree(path)).toBe(true);
    expect(readFileSync(`${path}.lock.2`, 'utf8')).toBe('{}');
    rmSync(draft);
    expect(await isFree(path)).toBe(true);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('as earlier versions left it, an id alone, keeps nobody', async () => {
    const path = newPath();
    mkdirSync(`${path}.lock`);
    for (const pid of [1, process.pid]) {
      writeFileSync(join(`${path}.lock`, 'pid'), String(pid));
      expect(await Promise.race([withFileLock(path, async () => 'here'), sleep(2_000)])).toBe('here');
    }
  });

  it('of a process that has ended is free, whoever has its id now', async () => {
    const { started } = thisProcess();
    for (const holder of [
      { pid: 99_999_999 },
      { pid: process.ppid, started: '1' },
      { pid: process.pid, started: `${started}0` },
    ]) {
      const path = newPath();
      writeHolder(path, holder);
      expect(await isFree(path)).toBe(true);
    }
  });

  it('of a zombie is free', async () => {
    const path = newPath();
    // Nobody waits for the first one's end.
    const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.add(parent);
    const [line] = (await once(parent.stdout!, 'data')) as [Buffer];
    const pid = Number(line.toString());
    const status = () => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    await expect.poll(() => status()[0]).toBe('Z');
    writeHolder(path, { pid, started: status()[19] });
    expect(await isFree(path)).toBe(true);
  });

  it('of a process elsewhere is free when it has been silent for long', async () => {
    for (const holder of [
      { place: 'elsewhere' },
      // Of this very id and beginning, but not this one.
      {},
      // Where the system does not tell when a process began.
      { pid: process.ppid, started: '' },
    ]) {
      const path = newPath();
      writeHolder(path, holder, 25_000);
      expect(await isFree(path)).toBe(false);
      writeHolder(path, holder, 31_000);
      expect(await isFree(path)).toBe(true);
    }
  });

  it('of a process elsewhere whose clock was ahead is free when it has been silent while one waits', () => {
    const path = newPath();
    writeHolder(path, { pid: 7, place: 'elsewhere' }, -86_400_000);
    const sighting: Sighting = { sign: '', sinceMs: 0 };
    const holder = { pid: 7, here: false, path: `${path}.lock.1` };
    expect(takeLock(`${path}.lock`, sighting)).toEqual(holder);
    sighting.sinceMs -= 31_000;
    // Another sign.
    writeHolder(path, { pid: 7, place: 'elsewhere' }, -86_500_000);
    expect(takeLock(`${path}.lock`, sighting)).toEqual(holder);
    sighting.sinceMs -= 31_000;
    const release = takeLock(`${path}.lock`, sighting);
    expect(release).toBeTypeOf('function');
    (release as () => void)();
  });

  it('of a host of the same name is not free because no process here has its id', async () => {
    const path = newPath();
    writeHolder(path, { pid: 99_999_999, boot: 'of another host' });
    expect(await isFree(path)).toBe(false);
  });

  it('of another user is waited for', async () => {
    const path = newPath();
    await withFileLock(path, async () => {
      // As much as the mask of new files leaves.
      expect(statSync(`${path}.lock.1`).mode & 0o777).toBe(0o644 & ~process.umask());
      const other = start(
        `await withFileLock(${JSON.stringify(path)}, async () => {}, { patienceMs: 300 }).catch((error) => console.log(error.message));`,
        { options: hiddenLocks },
      );
      await other.says(
        `Wait until a process of another user is done, or end it. If it has ended, remove ${path}.lock.1.`,
      );
    });
    const released = takeLock(`${path}.lock`);
    (released as Release)('number');
    const next = start(hold(path), { options: hiddenLocks });
    await next.says('holds');
  });

  it('tells a holder who stood still that others have taken it', async () => {
    for (const take of [
      (path: string) => writeFileSync(`${path}.lock.2`, '{}'),
      (path: string) => rmSync(`${path}.lock.1`),
    ]) {
      const path = newPath();
      const action = withFileLock(path, async (requireHeld) => {
        requireHeld();
        take(path);
        requireHeld();
      });
      await expect(action).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining(`others may have changed ${path} since`),
      });
    }
  });

  it('writes nothing by a link in the place of its file', async () => {
    const path = newPath();
    writeFileSync(`${path}.other`, 'text');
    await withFileLock(path, async () => {
      rmSync(`${path}.lock.1`);
      symlinkSync(`${path}.other`, `${path}.lock.1`);
      await sleep(5_000);
    });
    expect(readFileSync(`${path}.other`, 'utf8')).toBe('text');
  });

  it('shows that its holder lives, also while that computes', async () => {
    const path = newPath();
    await withFileLock(path, async () => {
      const before = statSync(`${path}.lock.1`).mtimeMs;
      const text = readFileSync(`${path}.lock.1`, 'utf8');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8_000);
      expect(statSync(`${path}.lock.1`).mtimeMs).toBeGreaterThan(before + 1_000);
      expect(readFileSync(`${path}.lock.1`, 'utf8')).toBe(text);
    });
  });

  it('that others have removed by hand is not released for its next holder', async () => {
    const path = newPath();
    await withFileLock(path, async () => {
      rmSync(`${path}.lock.1`);
      writeHolder(path, { pid: process.ppid, started: startOf(process.ppid) });
    });
    expect(await isFree(path)).toBe(false);
  });

  it('made by nobody keeps nobody, or says what to remove', async () => {
    const path = newPath();
    const name = `${path}.lock.1`;
    const next = async () => {
      expect(await isFree(path)).toBe(true);
      for (const file of readdirSync(join(path, '..'))) rmSync(join(path, '..', file), { recursive: true });
    };
    for (const text of ['null', '[]', 'x', '{"pid":"1"}', '{"pid":-1}', '{"pid":1.5}', ' '.repeat(10_000)]) {
      writeFileSync(name, text);
      await next();
    }
    mkdirSync(name);
    await next();
    // Who reads it waits for ever.
    execFileSync('mkfifo', [name]);
    await next();
    symlinkSync('/proc/self/stat', name);
    await next();
    writeFileSync(`${path}.lock.99999999999999999999`, '{}');
    await next();
    writeFileSync(`${path}.lock.999999999999999`, '{}');
    await expect(withFileLock(path, async () => {})).rejects.toMatchObject({
      code: 'CONFLICT',
      message: `Remove ${path}.lock.999999999999999: no process made it.`,
    });
  });

  const unshare = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
  it.runIf(spawnSync(unshare[0]!, [...unshare.slice(1), 'true']).status === 0)(
    'of a container that was killed is free for the next, whose process has the same id',
    async () => {
      const path = newPath();
      const first = start(hold(path), { before: unshare });
      await first.says('holds 1\n');
      first.child.kill('SIGKILL');
      await first.ended;
      const second = start(hold(path), { before: unshare });
      await second.says('holds 1\n', 90_000);
    },
  );
});

function startOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19]!;
}

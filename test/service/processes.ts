/** The program as real processes, and jobs that are quick to prove. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { settlementRequest } from '../../scripts/lib/settlement-request.ts';
import type { JobView } from '../../src/service/index.ts';
import { prepareProof } from '../../src/service/requests/index.ts';

const program = fileURLToPath(new URL('../../bin/zkmargin.mjs', import.meta.url));

/** A process that a test started. */
export interface Started {
  readonly pid: number;
  /** Until it has printed a line that matches; undefined when it ends before. */
  line(pattern: RegExp): Promise<RegExpExecArray | undefined>;
  /** Whether it has ended. */
  readonly ended: boolean;
  /** The last of what it has printed. */
  output(): string;
  /** Ids of its child processes. */
  children(): number[];
  /** Ends it at once, without a chance to clean up, and waits until it is gone. */
  kill(): Promise<void>;
  /** Asks it to end, and gives its exit code. */
  stop(): Promise<number | null>;
}

const running = new Set<ChildProcess>();

/** Starts `zkmargin` with arguments, or another script through its loader. */
export function start(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  script?: string,
): Started {
  const command = script === undefined ? [program] : ['--import', 'tsx', script];
  const child = spawn(process.execPath, [...command, ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  const listeners = new Set<() => void>();
  let gone = false;
  const changed = () => {
    for (const listener of listeners) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      output += text;
      changed();
    });
  }
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      gone = true;
      running.delete(child);
      changed();
      resolve(code);
    });
  });
  return {
    pid: child.pid!,
    get ended() {
      return gone;
    },
    output: () => output.slice(-4_000),
    line: (pattern) =>
      new Promise((resolve) => {
        const look = () => {
          const found = pattern.exec(output);
          if (found === null && !gone) return;
          listeners.delete(look);
          resolve(found ?? undefined);
        };
        listeners.add(look);
        look();
      }),
    children: () => {
      try {
        const text = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
        return text.split(' ').filter(Boolean).map(Number);
      } catch {
        return [];
      }
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** Ends whatever a test left running. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** What the proof of a request must state. */
export async function expectedSignals(salt: number): Promise<readonly string[]> {
  const setting = { served: new Set(['settlement-8']), now: 0 };
  return (await prepareProof(settlementRequest(salt), setting)).publicSignals;
}

/** Asks for a proof; undefined when the service does not answer, or does not accept. */
export async function ask(url: string, salt: number): Promise<JobView | undefined> {
  try {
    const answer = await fetch(`${url}/v1/proofs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(settlementRequest(salt)),
      signal: AbortSignal.timeout(10_000),
    });
    return answer.ok ? ((await answer.json()) as JobView) : undefined;
  } catch {
    return undefined;
  }
}

/** A job, waiting for its end. */
export async function jobOf(url: string, id: string, wait = 60): Promise<JobView> {
  const answer = await fetch(`${url}/v1/proofs/${id}?wait=${wait}`);
  if (!answer.ok) throw new Error(`${answer.status} for job ${id}`);
  return (await answer.json()) as JobView;
}

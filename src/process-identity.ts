/** Tells processes apart, also those that have ended. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { isProcessAlive } from './process-alive.ts';

/** What tells a process from others, earlier and later ones. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it began, as far as the system tells: a later process may have the same id. */
  readonly started: string;
  /** Host and space of process ids: of others nothing can be asked. */
  readonly place: string;
  /** The start of the system that it runs on: hosts of one name differ in it. */
  readonly boot: string;
}

/** This process. */
export function thisProcess(): ProcessIdentity {
  return {
    pid: process.pid,
    started: statusOf(process.pid)?.started ?? '',
    place: placeOfProcesses(),
    boot: bootOfSystem(),
  };
}

/** Whether a process of this place lives; also true when the system does not tell whether it is another of the same id. */
export function isRunning(identity: Pick<ProcessIdentity, 'pid' | 'started'>): boolean {
  return fateOf(identity) !== 'ended';
}

/** What has become of a process of this place. `unknown`: one of its id lives, and the system does not tell when it began. */
export function fateOf({
  pid,
  started,
}: Pick<ProcessIdentity, 'pid' | 'started'>): 'runs' | 'ended' | 'unknown' {
  if (!isProcessAlive(pid)) return 'ended';
  const found = statusOf(pid);
  if (found?.isZombie) return 'ended';
  if (found === undefined || started === '') return 'unknown';
  return found.started === started ? 'runs' : 'ended';
}

/** Of a process that the system tells of: ticks from the system's start to its own, and whether it only waits to be buried. */
function statusOf(pid: number): { started: string; isZombie: boolean } | undefined {
  try {
    // The name in parentheses may hold blanks.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const started = fields[19];
    return started === undefined ? undefined : { started, isZombie: fields[0] === 'Z' };
  } catch {
    return undefined;
  }
}

function placeOfProcesses(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

function bootOfSystem(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

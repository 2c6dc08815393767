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
}

/** This process. */
export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, started: startOf(process.pid), place: placeOfProcesses() };
}

/** Whether a process of this place lives. */
export function isRunning({ pid, started }: Pick<ProcessIdentity, 'pid' | 'started'>): boolean {
  return startOf(pid) === started && isProcessAlive(pid);
}

/** Ticks since the system's start at which a process began; empty where the system does not tell, or when there is none. */
function startOf(pid: number): string {
  try {
    // The name in parentheses may hold blanks.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function placeOfProcesses(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { platform } from 'node:os';

/**
 * Who a process is. Numbers of dead processes are given out again, so a pid alone must never be killed:
 * the start mark (start time in kernel ticks and the boot it counts from) tells two holders of one pid apart.
 */
export interface ProcessIdentity {
  pid: number;
  startMark: string;
}

function linuxStartMark(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // No such process: the only way this read fails for a number.
    return undefined;
  }
  // The command name may hold spaces and brackets, so fields are counted from its last closing bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  if (state === 'Z' || state === 'X') return undefined;
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${bootId}:${fields[19]}`;
}

function psStartMark(pid: number): string | undefined {
  try {
    const mark = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: 5_000 }).trim();
    return mark === '' ? undefined : mark;
  } catch {
    return undefined;
  }
}

/** The start mark of a live process; undefined when there is none with this pid (a zombie counts as none). */
export function startMarkOf(pid: number): string | undefined {
  return platform() === 'linux' ? linuxStartMark(pid) : psStartMark(pid);
}

/** Identity of a live process. Throws when it is gone. */
export function identityOf(pid: number): ProcessIdentity {
  const startMark = startMarkOf(pid);
  if (startMark === undefined) throw new Error(`process ${pid} is gone`);
  return { pid, startMark };
}

/** Whether this very process (not a later one with its number) still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return startMarkOf(identity.pid) === identity.startMark;
}

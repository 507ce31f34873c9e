import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isAlive, startMarkOf } from '../servers/identity.ts';
import type { ProcessIdentity } from '../servers/identity.ts';
import { killAfterMs, signalGroup } from '../servers/process.ts';
import { sleep } from '../../lib/sleep.ts';

/** A process that a supervisor started, by the name of its service. */
export interface RecordedProcess extends ProcessIdentity {
  service: string;
}

/** The pids of a running supervisor's children, on disk, for the next start in case this one is killed. */
export class RunState {
  readonly #file: string;
  readonly #processes = new Map<string, RecordedProcess>();

  constructor(file: string) {
    this.#file = file;
  }

  /** Notes a service's new process, or with undefined that it has none. */
  record(service: string, pid: number | undefined): void {
    const startMark = pid === undefined ? undefined : startMarkOf(pid);
    if (pid === undefined || startMark === undefined) this.#processes.delete(service);
    else this.#processes.set(service, { service, pid, startMark });
    const draft = `${this.#file}.draft`;
    writeFileSync(draft, JSON.stringify([...this.#processes.values()], undefined, 2));
    renameSync(draft, this.#file);
  }

  /** After a clean stop there is nothing to remember. */
  clear(): void {
    this.#processes.clear();
    rmSync(this.#file, { force: true });
  }
}

function readRecorded(file: string): RecordedProcess[] {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as RecordedProcess[];
  } catch (error) {
    // A file that does not parse was never complete: the rename that would have put it there did not happen.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return [];
    throw error;
  }
}

/**
 * Ends what a killed supervisor left running: only processes whose start mark is the recorded one. Their guards are
 * stopping them already, so they first get `graceMs` to end by themselves.
 * @returns the names of the services that were found running.
 */
export async function endLeftovers(file: string, graceMs = killAfterMs + 2_000): Promise<string[]> {
  const found = readRecorded(file).filter(isAlive);
  for (const leftover of found) signalGroup(leftover.pid, 'SIGTERM');
  for (const deadline = Date.now() + graceMs; Date.now() < deadline && found.some(isAlive); ) await sleep(50);
  for (const leftover of found.filter(isAlive)) signalGroup(leftover.pid, 'SIGKILL');
  for (const deadline = Date.now() + 5_000; found.some(isAlive); ) {
    if (Date.now() > deadline)
      throw new Error(`process ${found.find(isAlive)?.pid} of an earlier run does not end: end it, then start again`);
    await sleep(50);
  }
  rmSync(file, { force: true });
  return found.map((leftover) => leftover.service);
}

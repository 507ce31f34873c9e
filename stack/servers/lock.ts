import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { identityOf, isAlive } from './identity.ts';
import type { ProcessIdentity } from './identity.ts';
import { sleep } from '../../lib/sleep.ts';

/** A lock file held by this process. */
export interface FileLock {
  release(): void;
}

/** Thrown when another live process holds the lock. */
export class LockedError extends Error {
  override name = 'LockedError';
  readonly path: string;
  readonly holder: ProcessIdentity | undefined;
  constructor(path: string, holder: ProcessIdentity | undefined) {
    super(`${path} is held by ${holder === undefined ? 'another process' : `process ${holder.pid}`}`);
    this.path = path;
    this.holder = holder;
  }
}

/** A takeover lasts microseconds; one this old was interrupted by a crash. */
const takeoverStaleMs = 10_000;

function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function readHolder(path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Creates the lock file with its content in one step, so that no reader ever sees it empty. */
function tryCreate(path: string, me: ProcessIdentity): boolean {
  const draft = `${path}.${me.pid}.${randomUUID()}`;
  writeFileSync(draft, JSON.stringify(me));
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}

/** Removes a dead holder's file. One process at a time, or the second would remove the first one's fresh lock. */
function clearIfStale(path: string): void {
  const takeover = `${path}.takeover`;
  try {
    mkdirSync(takeover);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    try {
      if (Date.now() - statSync(takeover).mtimeMs > takeoverStaleMs) rmdirSync(takeover);
    } catch (gone) {
      if (errorCode(gone) !== 'ENOENT') throw gone;
    }
    return;
  }
  try {
    const holder = readHolder(path);
    if (holder !== undefined && !isAlive(holder)) unlinkSync(path);
  } finally {
    rmdirSync(takeover);
  }
}

function isHeldBy(path: string, { pid, startMark }: ProcessIdentity): boolean {
  const holder = readHolder(path);
  return holder?.pid === pid && holder.startMark === startMark;
}

/** Takes the lock or throws {@link LockedError}. A holder that died, even by SIGKILL, does not count. */
export function acquireLock(path: string): FileLock {
  mkdirSync(dirname(path), { recursive: true });
  const me = identityOf(process.pid);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    if (tryCreate(path, me)) {
      let released = false;
      return {
        release: () => {
          // Whoever deleted the folder under us may have begun another one there.
          if (!released && isHeldBy(path, me)) unlinkSync(path);
          released = true;
        },
      };
    }
    const holder = readHolder(path);
    if (holder !== undefined && isAlive(holder)) break;
    clearIfStale(path);
  }
  throw new LockedError(path, readHolder(path));
}

const triesPerSecond = 10;

/** Takes the lock, waiting for a live holder up to `timeoutMs`; `onWait` is told of one at once and then every second. */
export async function waitForLock(
  path: string,
  timeoutMs: number,
  onWait?: (holder: ProcessIdentity | undefined) => void,
): Promise<FileLock> {
  const deadline = Date.now() + timeoutMs;
  for (let tries = 0; ; tries += 1) {
    try {
      return acquireLock(path);
    } catch (error) {
      if (!(error instanceof LockedError) || Date.now() >= deadline) throw error;
      if (tries % triesPerSecond === 0) onWait?.(error.holder);
      await sleep(1_000 / triesPerSecond);
    }
  }
}

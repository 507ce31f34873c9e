import { accessSync, constants, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeFolder } from '../../lib/make-folder.ts';
import { acquireLock, LockedError } from '../servers/lock.ts';
import type { FileLock } from '../servers/lock.ts';
import { removePostgresElsewhere } from '../servers/postgres-home.ts';
import { markerName, markFolder } from './folder-parts.ts';

/** Where everything of one installation lives. */
export interface DataFolder {
  root: string;
  /** Data, settings and log of one embedded server. */
  serverDir: (name: string) => string;
  /** Log of one process of ours. */
  logFile: (name: string) => string;
  runStateFile: string;
  endpointsFile: string;
  lakeDir: string;
  featuresDir: string;
  lock: FileLock;
}

const lockName = 'headrace.lock';

function createFolder(root: string): void {
  try {
    makeFolder(root);
    accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'EACCES' || code === 'EPERM'
        ? 'this user may not write there'
        : code === 'EROFS'
          ? 'the file system is read-only'
          : code === 'ENOENT'
            ? 'no folder can be made there'
            : (error as Error).message;
    throw new Error(
      `data folder ${root} cannot be used: ${reason}. Choose another with --data-dir or HEADRACE_DATA_DIR`,
      { cause: error },
    );
  }
}

function lockFolder(root: string): FileLock {
  try {
    return acquireLock(join(root, lockName));
  } catch (error) {
    if (!(error instanceof LockedError)) throw error;
    throw new Error(
      `data folder ${root} is in use by another Headrace (process ${error.holder?.pid ?? 'unknown'}): stop that one, or choose another folder with --data-dir`,
      { cause: error },
    );
  }
}

/** Creates the folder when it is missing and takes it for this process. Throws one clear sentence when it cannot. */
export function openDataFolder(path: string): DataFolder {
  const root = resolve(path);
  // oxlint-disable-next-line no-control-regex -- these are meant
  if (/[\u0000-\u001f\u007f]/.test(root))
    throw new Error(
      `data folder ${JSON.stringify(root)} has a control character in its name: choose another with --data-dir or HEADRACE_DATA_DIR`,
    );
  createFolder(root);
  const marker = join(root, markerName);
  if (!existsSync(marker) && readdirSync(root).some((name) => !name.startsWith(lockName))) {
    throw new Error(
      `${root} is not empty and no data folder of Headrace: choose another with --data-dir or HEADRACE_DATA_DIR`,
    );
  }
  const lock = lockFolder(root);
  try {
    if (!existsSync(marker)) markFolder(root);
    for (const folder of ['run', 'logs', 'servers']) mkdirSync(join(root, folder), { recursive: true });
  } catch (error) {
    lock.release();
    throw error;
  }
  return {
    root,
    lock,
    serverDir: (name) => join(root, 'servers', name),
    logFile: (name) => join(root, 'logs', `${name}.log`),
    runStateFile: join(root, 'run', 'processes.json'),
    endpointsFile: join(root, 'run', 'endpoints.json'),
    lakeDir: join(root, 'lake'),
    featuresDir: join(root, 'features'),
  };
}

/** Deletes everything in the folder but the lock, and marks it anew. Only while holding it and with nothing running on it. */
export function emptyDataFolder(folder: DataFolder): void {
  removePostgresElsewhere(folder.serverDir('postgres'));
  for (const name of readdirSync(folder.root)) {
    if (name === markerName || name.startsWith(lockName)) continue;
    rmSync(join(folder.root, name), { recursive: true, force: true });
  }
  markFolder(folder.root);
  for (const name of ['run', 'logs', 'servers']) mkdirSync(join(folder.root, name), { recursive: true });
}

import { randomUUID } from 'node:crypto';
import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { temporaryFolder } from './paths.ts';

/** Called before each step, in tests to fail there. */
export type StepHook = (step: string, path: string) => void;

export interface DurableWrite {
  signal?: AbortSignal;
  /** Fail with EEXIST instead of replacing a file. */
  exclusive?: boolean;
  onStep?: StepHook;
}

/**
 * Writes `bytes` as the file `path` of the lake at `root`, whole or not at all, also when the machine dies: under a name of its own
 * first, then synced, renamed, and the folder synced. Leaves nothing behind when it fails.
 */
export async function writeDurably(root: string, path: string, bytes: Uint8Array, { signal, exclusive = false, onStep }: DurableWrite = {}): Promise<void> {
  const temporary = join(root, temporaryFolder, `${basename(path)}.${randomUUID()}`);
  const final = join(root, path);
  const move = exclusive ? link : rename;
  let isThere = true;
  try {
    const file = await inFolderOf(temporary, () => open(temporary, 'wx'));
    try {
      onStep?.('write', path);
      await file.writeFile(bytes);
      signal?.throwIfAborted();
      onStep?.('sync', path);
      await file.sync();
    } finally {
      await file.close();
    }
    signal?.throwIfAborted();
    onStep?.('rename', path);
    await inFolderOf(final, () => move(temporary, final));
    isThere = exclusive;
    onStep?.('sync folder', path);
    await syncFolder(dirname(final));
  } finally {
    // What is still there is swept later in case this fails too.
    if (isThere) await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Nearly always the folder is there: it is made when that turns out to be wrong. */
async function inFolderOf<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await ensureFolder(dirname(path));
    return act();
  }
}

/**
 * Makes a folder and those above it, and syncs each parent, so that no later file can vanish with its folder. One level at a time,
 * like `makeFolder`, because Node's recursive way can go on for ever; but without holding up the event loop.
 */
async function ensureFolder(folder: string): Promise<void> {
  if (await makeLevel(folder)) return;
  // A drive that is not there has no folder above it.
  if (dirname(folder) !== folder) await ensureFolder(dirname(folder));
  if (!(await makeLevel(folder))) throw new Error(`no folder ${folder} can be made`);
}

/** Makes one folder, unless it is there. Answers false when the one above it is missing. */
async function makeLevel(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    // What mkdir says of a folder that is there differs from system to system.
    const isFolder = await stat(folder).then((found) => found.isDirectory(), () => false);
    if (isFolder) return true;
    throw error;
  }
  await syncFolder(dirname(folder));
  return true;
}

/** Makes renames and removals in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

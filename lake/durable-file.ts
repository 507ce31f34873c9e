import { randomUUID } from 'node:crypto';
import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
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
 * Writes `bytes` as the file `path` of a lake, whole or not at all, also when the machine dies: under a name of its own
 * first, then synced, renamed, and the folder synced. Leaves nothing behind when it fails.
 */
export async function writeDurably(
  lake: string,
  path: string,
  bytes: Uint8Array,
  { signal, exclusive = false, onStep }: DurableWrite = {},
): Promise<void> {
  const root = resolve(lake);
  const temporary = join(root, temporaryFolder, `${basename(path)}.${randomUUID()}`);
  const final = join(root, path);
  let mayBeLeft = true;
  try {
    const file = await inFolder(root, dirname(temporary), () => open(temporary, 'wx'));
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
    await inFolder(root, dirname(final), () => (exclusive ? link(temporary, final) : rename(temporary, final)));
    mayBeLeft = exclusive;
    onStep?.('sync folder', path);
    await syncFolder(dirname(final));
  } finally {
    // What is still there is swept later in case this fails too.
    if (mayBeLeft) await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Folders that are there and will be there after the machine died: each parent was synced by this process. */
const ensured = new Set<string>();
/** Forgotten all at once beyond this many: a lake has a folder for each hour. */
const ensuredMax = 10_000;

/** Does something in a folder of the lake, which is made when it is missing. */
async function inFolder<T>(root: string, folder: string, act: () => Promise<T>): Promise<T> {
  await ensureFolder(root, folder);
  try {
    return await act();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Somebody removed a folder.
    ensured.clear();
    await ensureFolder(root, folder);
    return act();
  }
}

/**
 * Makes a folder of the lake and those above it, and syncs each parent once, whoever made it: a process may have died before its
 * sync. What lies above the lake is only synced where it was made here.
 */
async function ensureFolder(root: string, folder: string): Promise<void> {
  if (ensured.has(folder)) return;
  if (folder === root) {
    await makeFolder(root);
  } else {
    await ensureFolder(root, dirname(folder));
    if ((await makeLevel(folder)) === 'no parent') throw noFolder(folder);
    await syncFolder(dirname(folder));
  }
  if (ensured.size >= ensuredMax) ensured.clear();
  ensured.add(folder);
}

/** One level at a time, because Node's recursive way can go on for ever. */
async function makeFolder(folder: string): Promise<void> {
  let made = await makeLevel(folder);
  if (made === 'no parent') {
    // A drive that is not there has no folder above it.
    if (dirname(folder) !== folder) await makeFolder(dirname(folder));
    made = await makeLevel(folder);
  }
  if (made === 'no parent') throw noFolder(folder);
  if (made === 'made') await syncFolder(dirname(folder));
}

async function makeLevel(folder: string): Promise<'made' | 'found' | 'no parent'> {
  try {
    await mkdir(folder);
    return 'made';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'no parent';
    // What mkdir says of a folder that is there differs from system to system.
    const isFolder = await stat(folder).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (isFolder) return 'found';
    throw error;
  }
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

function noFolder(folder: string): Error {
  return Object.assign(new Error(`no folder ${folder} can be made`), { code: 'ENOENT' });
}

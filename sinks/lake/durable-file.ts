import { randomUUID } from 'node:crypto';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
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
  await ensureFolder(dirname(temporary));
  try {
    const file = await open(temporary, 'wx');
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
    await ensureFolder(dirname(final));
    onStep?.('rename', path);
    await (exclusive ? link(temporary, final) : rename(temporary, final));
    onStep?.('sync folder', path);
    await syncFolder(dirname(final));
  } finally {
    // What is still there is swept later in case this fails too.
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Makes a folder and those above it, and syncs each parent, so that no later file can vanish with its folder. */
export async function ensureFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
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

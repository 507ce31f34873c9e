import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../lib/make-folder.ts';
import { waitForLock } from './lock.ts';
import type { OnProgress, ServerName } from './types.ts';

export interface CacheEntryOptions {
  cacheDir: string;
  server: ServerName;
  /** Folder name inside the cache, with the version in it: a new version is a new entry. */
  entry: string;
  /** Fills an empty temporary folder. What it leaves there becomes the entry, all of it or nothing. */
  fill: (folder: string) => Promise<void>;
  onProgress?: OnProgress;
}

/** Preparing takes minutes at most; whoever waits longer than this for another process says so and gives up. */
const lockTimeoutMs = 20 * 60_000;

/**
 * Returns the folder of a cache entry, made once per machine. Two processes never make it at the same time, and a
 * crash half-way leaves only a temporary folder that the next one removes.
 */
export async function cacheEntry({ cacheDir, server, entry, fill, onProgress }: CacheEntryOptions): Promise<string> {
  const path = join(cacheDir, entry);
  if (existsSync(path)) return path;
  try {
    makeFolder(cacheDir);
  } catch (error) {
    throw new Error(
      `cache folder ${cacheDir} cannot be used (${(error as Error).message}): choose another with HEADRACE_CACHE_DIR`,
      { cause: error },
    );
  }
  const startedAt = Date.now();
  const lock = await waitForLock(join(cacheDir, `${entry}.lock`), lockTimeoutMs, (holder) => {
    onProgress?.({
      server,
      what: `waiting for process ${holder?.pid ?? 'unknown'}, which is preparing ${entry}`,
      elapsedMs: Date.now() - startedAt,
    });
  });
  try {
    if (existsSync(path)) return path;
    for (const name of readdirSync(cacheDir)) {
      if (name.startsWith(`${entry}.partial-`)) rmSync(join(cacheDir, name), { recursive: true, force: true });
    }
    const partial = join(cacheDir, `${entry}.partial-${process.pid}`);
    mkdirSync(partial);
    try {
      await fill(partial);
      renameSync(partial, path);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
    return path;
  } finally {
    lock.release();
  }
}

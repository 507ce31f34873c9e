import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { refuseForeignLake } from './owner.ts';

export interface ForgetOptions {
  root: string;
  deployment: string;
  /** Parquet files that were written before this are removed. */
  beforeMs: number;
}

/** An hour's folder that has been empty for so long is not one that a roll-up has just made. */
const emptyKeptMs = 60 * 60_000;

/**
 * Removes Parquet files by their age, and folders that have been empty for a while. The manifest still knows that their offsets were
 * rolled up, so they do not come back. Returns how many files went.
 */
export async function forgetFiles({ root, deployment, beforeMs }: ForgetOptions): Promise<number> {
  await refuseForeignLake(root, deployment);
  let removed = 0;
  for (const pipeline of await foldersIn(root, 'pipeline='))
    for (const date of await foldersIn(pipeline, 'date=')) {
      for (const hour of await foldersIn(date, 'hour=')) {
        for (const name of await readdir(hour)) {
          const file = join(hour, name);
          if (!name.endsWith('.parquet') || (await stat(file)).mtimeMs >= beforeMs) continue;
          await rm(file, { force: true });
          removed++;
        }
        await removeEmpty(hour);
      }
      await removeEmpty(date);
    }
  return removed;
}

async function foldersIn(folder: string, prefix: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && entry.name.startsWith(prefix))
      .map(({ name }) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function removeEmpty(folder: string): Promise<void> {
  // Its time is that of the last file that came or went.
  if (Date.now() - (await stat(folder)).mtimeMs < emptyKeptMs || (await readdir(folder)).length > 0) return;
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'ENOENT') throw error;
  });
}

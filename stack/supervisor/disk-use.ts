import { lstat, opendir, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of a file on disk. Sparse files (Kafka's indexes, LMDB's map) take far less than their length. */
const blockBytes = 512;

async function bytesOf(path: string): Promise<number> {
  try {
    const stat = await lstat(path);
    return stat.blocks * blockBytes + (stat.isDirectory() ? await bytesInside(path) : 0);
  } catch (error) {
    // Servers create and remove files while we look.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

async function bytesInside(folder: string): Promise<number> {
  let bytes = 0;
  for await (const entry of await opendir(folder)) bytes += await bytesOf(join(folder, entry.name));
  return bytes;
}

/** Bytes that a folder takes on disk. */
export async function diskUseBytes(folder: string): Promise<number> {
  return bytesOf(folder);
}

/** The parts of a folder by the space they take, largest first. */
export async function largestParts(folder: string): Promise<{ name: string; bytes: number }[]> {
  const parts = await Promise.all(
    (await readdir(folder)).map(async (name) => ({ name, bytes: await bytesOf(join(folder, name)) })),
  );
  return parts.sort((a, b) => b.bytes - a.bytes);
}

import { lstat, open, opendir, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of a file on disk. Sparse files (Kafka's indexes, LMDB's map) take far less than their length. */
const blockBytes = 512;

const sqliteHeader = { bytes: 100, magic: 'SQLite format 3\0', pageBytesAt: 16, freePagesAt: 36 };

/** What a database of SQLite has free inside: its file never shrinks, and does not grow before that is used up. */
async function freeBytesInside(path: string): Promise<number> {
  const file = await open(path);
  try {
    const header = Buffer.alloc(sqliteHeader.bytes);
    const { bytesRead } = await file.read(header, 0, header.length, 0);
    if (bytesRead < header.length || !header.toString('latin1').startsWith(sqliteHeader.magic)) return 0;
    const pageBytes = header.readUInt16BE(sqliteHeader.pageBytesAt);
    // 1 stands for the largest size, which has no room in 16 bits.
    return header.readUInt32BE(sqliteHeader.freePagesAt) * (pageBytes === 1 ? 65_536 : pageBytes);
  } finally {
    await file.close();
  }
}

async function bytesOf(path: string): Promise<number> {
  try {
    const stat = await lstat(path);
    const bytes = stat.blocks * blockBytes;
    if (stat.isDirectory()) return bytes + (await bytesInside(path));
    return path.endsWith('.db') && stat.isFile() ? Math.max(0, bytes - (await freeBytesInside(path))) : bytes;
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

/** Bytes that a folder takes on disk, less what databases of SQLite (`*.db`) in it have free inside. */
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

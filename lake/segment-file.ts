import { open, readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { BatchRange } from '../contracts/event-key.ts';

/**
 * The file around a segment: "HRL1", the length of the head, the CRC-32 of the head and that of the body (all little-endian), the
 * head as JSON, the body. The head stands in clear and has its own checksum, so that a plan of many segments reads no more than the
 * beginning of each.
 */
export interface SegmentHead {
  /** What the segment answers for, partitions ascending: the ranges of its batch without what an earlier one has decided. */
  ranges: SegmentRange[];
}

/** Offsets `[position, end)` of a partition, whether they have rows or not. */
export type SegmentRange = Omit<BatchRange, 'count'>;

const magic = 0x314c5248; // "HRL1", little-endian
const prologueBytes = 16;
/** What is read of a file at first: has room for the heads of nearly all segments. */
const firstReadBytes = 4_096;

/** A segment that was cut or changed. */
export class BrokenSegmentError extends Error {
  override readonly name = 'BrokenSegmentError';
}

export function encodeSegmentFile({ ranges }: SegmentHead, body: Buffer): Buffer {
  const head = Buffer.from(
    JSON.stringify(
      ranges.map(({ partition, position, end, first }) => [partition, position, end, ...(first ? [1] : [])]),
    ),
  );
  const prologue = Buffer.allocUnsafe(prologueBytes);
  prologue.writeUInt32LE(magic, 0);
  prologue.writeUInt32LE(head.length, 4);
  prologue.writeUInt32LE(crc32(head), 8);
  prologue.writeUInt32LE(crc32(body), 12);
  return Buffer.concat([prologue, head, body]);
}

/** Throws a BrokenSegmentError when a byte is not as it was written. */
export function decodeSegmentFile(bytes: Buffer): { head: SegmentHead; body: Buffer } {
  const headEnd = headEndOf(bytes);
  const head = decodeHead(bytes);
  const body = bytes.subarray(headEnd);
  if (crc32(body) !== bytes.readUInt32LE(12)) throw cutOrChanged();
  return { head, body };
}

/** Reads what a segment answers for, and no more of its file. A BrokenSegmentError says which file, and what to do. */
export async function readSegmentHead(path: string): Promise<SegmentHead> {
  const file = await open(path);
  try {
    let bytes = await readBeginning(file, firstReadBytes);
    const needed = naming(path, () => headEndOf(bytes));
    if (needed > bytes.length && needed <= (await file.stat()).size) bytes = await readBeginning(file, needed);
    return naming(path, () => decodeHead(bytes));
  } finally {
    await file.close();
  }
}

/** Reads a whole segment file. A BrokenSegmentError says which, and what to do. */
export async function readSegmentFile(path: string): Promise<{ head: SegmentHead; body: Buffer }> {
  const bytes = await readFile(path);
  return naming(path, () => decodeSegmentFile(bytes));
}

async function readBeginning(file: Awaited<ReturnType<typeof open>>, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}

/** Where the head ends, which may be beyond these bytes. */
function headEndOf(bytes: Buffer): number {
  if (bytes.length < prologueBytes || bytes.readUInt32LE(0) !== magic)
    throw new BrokenSegmentError('does not begin like a segment');
  return prologueBytes + bytes.readUInt32LE(4);
}

function decodeHead(bytes: Buffer): SegmentHead {
  const head = bytes.subarray(prologueBytes, headEndOf(bytes));
  if (crc32(head) !== bytes.readUInt32LE(8)) throw cutOrChanged();
  const ranges = JSON.parse(head.toString()) as [partition: number, position: number, end: number, first?: 1][];
  return {
    ranges: ranges.map(([partition, position, end, first]) => ({
      partition,
      position,
      end,
      ...(first ? { first: true as const } : {}),
    })),
  };
}

function cutOrChanged(): BrokenSegmentError {
  return new BrokenSegmentError('was cut or changed: its checksum differs');
}

function naming<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BrokenSegmentError)) throw error;
    throw new BrokenSegmentError(
      `segment ${path} ${error.message}; re-drive its batch (npx headrace redrive --again <batch id>), and it is written again`,
      { cause: error },
    );
  }
}

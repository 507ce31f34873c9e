/**
 * How large an LZ4 frame becomes. The library that inflates it takes all the memory that it asks for, and frames need not say how much that is;
 * but each of their blocks has a largest size, and the sequences in it say the exact one.
 */

const headerBytesMin = 7;
const contentSizeFlag = 0x08;
const dictionaryFlag = 0x01;
const blockChecksumFlag = 0x10;
/** The end mark, and a checksum of the whole. */
const endBytesMax = 8;
const plainBlockFlag = 0x80000000;
/** An LZ4 block cannot grow by more. */
const ratioMax = 255;

/** What the frame inflates to, or a number above it that is not above `bytesMax`. Throws a RangeError when it is cut. */
export function lz4InflatedBytes(frame: Buffer, bytesMax: number): number {
  if (frame.length * ratioMax <= bytesMax) return frame.length * ratioMax;
  const flags = frame.readUInt8(4);
  const blockBytesMax = 2 ** (8 + 2 * ((frame.readUInt8(5) >>> 4) & 7));
  const blocksAt = headerBytesMin + (flags & contentSizeFlag ? 8 : 0) + (flags & dictionaryFlag ? 4 : 0);
  const checksumBytes = flags & blockChecksumFlag ? 4 : 0;
  const most = sumOfBlocks(frame, blocksAt, checksumBytes, (_, isPlain, bytes) =>
    isPlain ? bytes : Math.min(blockBytesMax, bytes * ratioMax),
  );
  return most <= bytesMax
    ? most
    : sumOfBlocks(frame, blocksAt, checksumBytes, (at, isPlain, bytes) =>
        isPlain ? bytes : blockInflatedBytes(frame, at, at + bytes),
      );
}

function sumOfBlocks(
  frame: Buffer,
  blocksAt: number,
  checksumBytes: number,
  sizeOf: (at: number, isPlain: boolean, bytes: number) => number,
): number {
  let sum = 0;
  for (let at = blocksAt; ; ) {
    const word = frame.readUInt32LE(at);
    // Another frame may follow, and would be inflated as well. Clients make none.
    if (word === 0) return sum + Math.max(0, frame.length - at - endBytesMax) * ratioMax;
    const bytes = word & ~plainBlockFlag;
    if (at + 4 + bytes > frame.length) throw new RangeError('a block that ends too early');
    sum += sizeOf(at + 4, (word & plainBlockFlag) !== 0, bytes);
    at += 4 + bytes + checksumBytes;
  }
}

/** A block is a row of sequences: some bytes as they are, and then a repetition of earlier ones; the last has no repetition. */
function blockInflatedBytes(frame: Buffer, from: number, to: number): number {
  const repetitionBytesMin = 4;
  const cursor = { at: from };
  let sum = 0;
  while (cursor.at < to) {
    const token = frame.readUInt8(cursor.at++);
    const literals = lengthOf(frame, cursor, token >>> 4);
    sum += literals;
    cursor.at += literals;
    if (cursor.at >= to) return sum;
    // Where it repeats from.
    cursor.at += 2;
    sum += repetitionBytesMin + lengthOf(frame, cursor, token & 0xf);
  }
  return sum;
}

/** Four bits, and when they are all set, bytes to add up to the first that is not full. */
function lengthOf(frame: Buffer, cursor: { at: number }, bits: number): number {
  let length = bits;
  if (bits < 0xf) return length;
  for (let byte = 0xff; byte === 0xff; length += byte) byte = frame.readUInt8(cursor.at++);
  return length;
}

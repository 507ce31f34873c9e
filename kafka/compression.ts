import { promisify } from 'node:util';
import zlib from 'node:zlib';
import lz4 from 'lz4-napi';
import snappy from 'snappy';
import { lz4InflatedBytes } from './lz4-size.ts';
import { UnreadableError } from './unreadable-error.ts';
import { zstdFrames, type ZstdFrame } from './zstd-frames.ts';

/**
 * What record batches are compressed with, each codec with a bound on what it may become: a megabyte can inflate to a gigabyte, and a batch that
 * large has no place in memory. kafkajs's own gzip has none, and it knows no other codec.
 */

/** Far above what a producer makes: a Java client fills a batch up to `batch.size` (16 KB), librdkafka up to 1 MB. */
const batchBytesMax = 64 * 1024 * 1024;

/** What the answer to one fetch may inflate to. When that is used up, what is left of the answer is fetched again. */
export class InflateBudget {
  #bytesLeft = batchBytesMax;

  get isUsedUp(): boolean {
    return this.#bytesLeft <= 0;
  }

  take(bytes: number): void {
    this.#bytesLeft -= bytes;
  }
}

type Inflate = (bytes: Buffer, bytesMax: number) => Buffer | Promise<Buffer>;

/** By the number that a batch's attributes have for it. */
const codecs: readonly (readonly [name: string, inflate: Inflate])[] = [
  ['none', (bytes) => bytes],
  ['gzip', (bytes, maxOutputLength) => unzip(bytes, { maxOutputLength })],
  ['snappy', (bytes, bytesMax) => (isXerial(bytes) ? inflateXerial(bytes, bytesMax) : inflateSnappy(bytes, bytesMax))],
  ['lz4', inflateLz4],
  ['zstd', inflateZstd],
];

/** Inflates a batch's records. Throws an UnreadableError when they cannot be, or would become too large. */
export async function inflate(
  codec: number,
  bytes: Buffer,
  budget: InflateBudget,
  bytesMax = batchBytesMax,
): Promise<Buffer> {
  const known = codecs[codec];
  if (!known)
    throw new UnreadableError(`a record batch with codec ${codec}, which is newer than this version of Headrace`);
  if (codec === 0) return bytes;
  const [name, inflateBytes] = known;
  try {
    const inflated = await inflateBytes(bytes, bytesMax);
    budget.take(inflated.length);
    return inflated;
  } catch (error) {
    if (error instanceof TooLargeError || (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new UnreadableError(
        `a ${name} record batch of ${bytes.length} bytes that inflates to more than ${bytesMax}; lower batch.size at its producer, or max.message.bytes of the topic`,
        { cause: error },
      );
    }
    throw new UnreadableError(`a ${name} record batch of ${bytes.length} bytes that cannot be inflated`, {
      cause: error,
    });
  }
}

class TooLargeError extends Error {
  override readonly name = 'TooLargeError';
}

const unzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.unzip);

/** The xerial framing that Java clients put around snappy: a header, then blocks with their lengths. */
const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeaderBytes = 16;

function isXerial(bytes: Buffer): boolean {
  return bytes.subarray(0, xerialMagic.length).equals(xerialMagic);
}

function inflateXerial(bytes: Buffer, bytesMax: number): Buffer {
  const blocks: Buffer[] = [];
  let left = bytesMax;
  for (let at = xerialHeaderBytes; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw new RangeError('a block that ends too early');
    const block = inflateSnappy(bytes.subarray(at + 4, end), left);
    left -= block.length;
    blocks.push(block);
    at = end;
  }
  return Buffer.concat(blocks);
}

function inflateSnappy(bytes: Buffer, bytesMax: number): Buffer {
  // It begins with the size, as a varint of 32 bits.
  let size = 0;
  for (let i = 0, factor = 1; i < 5; i++, factor *= 0x80) {
    const byte = bytes[i] ?? 0;
    size += (byte & 0x7f) * factor;
    if (byte < 0x80) break;
  }
  if (size > bytesMax) throw new TooLargeError();
  return snappy.uncompressSync(bytes) as Buffer;
}

function inflateLz4(bytes: Buffer, bytesMax: number): Buffer {
  if (lz4InflatedBytes(bytes, bytesMax) > bytesMax) throw new TooLargeError();
  return lz4.decompressFrameSync(bytes);
}

/** Node's own zstd where it has one (22.15 and later), else one in WebAssembly. */
const nodeZstd = (
  zlib as unknown as { zstdDecompressSync?(bytes: Buffer, options: { maxOutputLength: number }): Buffer }
).zstdDecompressSync;
let wasmZstd: Promise<typeof import('@bokuweb/zstd-wasm')> | undefined;

async function inflateZstd(bytes: Buffer, bytesMax: number): Promise<Buffer> {
  const frames: Buffer[] = [];
  let left = bytesMax;
  for (const frame of zstdFrames(bytes)) {
    if (frame.contentBytes !== undefined && frame.contentBytes > left) throw new TooLargeError();
    const inflated = nodeZstd
      ? nodeZstd(frame.bytes, { maxOutputLength: Math.max(1, left) })
      : await inflateInWasm(frame, left);
    left -= inflated.length;
    frames.push(inflated);
  }
  if (frames.length === 0) throw new RangeError('no zstd frame');
  return frames.length === 1 ? frames[0]! : Buffer.concat(frames);
}

async function inflateInWasm({ bytes, contentBytes }: ZstdFrame, bytesMax: number): Promise<Buffer> {
  wasmZstd ??= import('@bokuweb/zstd-wasm').then(async (zstd) => {
    await zstd.init();
    return zstd;
  });
  const { decompress } = await wasmZstd;
  // Streams do not say how large they are. It takes memory for all that it may need, so most get by with little.
  for (let heap = Math.max(zstdHeapBytesMin, bytes.length * 8); ; heap *= 8) {
    try {
      return Buffer.from(decompress(bytes, { defaultHeapSize: Math.min(heap, bytesMax) }));
    } catch (error) {
      if (!String(error).includes(zstdTooSmall)) throw error;
      if (heap >= bytesMax || contentBytes !== undefined) throw new TooLargeError();
    }
  }
}

const zstdHeapBytesMin = 256 * 1024;
/** `ZSTD_error_dstSize_tooSmall`, as the library tells it. */
const zstdTooSmall = 'code -70';

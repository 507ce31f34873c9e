/**
 * The frames of a zstd text. Producers that compress as a stream may write several, one behind the other; Node's own zstd gives back the
 * first one and says nothing of the others, and the one in WebAssembly takes as much memory as the first one says.
 */

const magic = 0xfd2fb528;
/** Frames of other data, for whoever put them there: 16 magic numbers that differ in their last four bits. */
const skippableMagic = 0x184d2a50;
const singleSegmentFlag = 0x20;
const checksumFlag = 0x04;
const runLengthBlock = 1;

export interface ZstdFrame {
  bytes: Buffer;
  /** What it says that it inflates to. Undefined when it does not say. */
  contentBytes: number | undefined;
}

/** The frames with content, in order. Throws a RangeError where the text ends too early or is none. */
export function* zstdFrames(bytes: Buffer): Generator<ZstdFrame> {
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    const word = bytes.readUInt32LE(at);
    const isSkippable = (word & 0xfffffff0) >>> 0 === skippableMagic;
    if (!isSkippable && word !== magic) throw new RangeError('no zstd frame');
    at = isSkippable ? at + 8 + bytes.readUInt32LE(at + 4) : endOfFrame(bytes, at);
    if (at > bytes.length) throw new RangeError('a frame that ends too early');
    if (!isSkippable) yield { bytes: bytes.subarray(start, at), contentBytes: contentBytes(bytes, start) };
  }
}

/** Where the parts of a frame's header are. */
function headerOf(
  bytes: Buffer,
  from: number,
): { descriptor: number; contentSizeAt: number; contentSizeBytes: number } {
  const descriptor = bytes.readUInt8(from + 4);
  const isSingleSegment = (descriptor & singleSegmentFlag) !== 0;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3]!;
  return {
    descriptor,
    contentSizeAt: from + 5 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes,
    contentSizeBytes: [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6]!,
  };
}

function contentBytes(bytes: Buffer, from: number): number | undefined {
  const { contentSizeAt: at, contentSizeBytes } = headerOf(bytes, from);
  if (contentSizeBytes === 0) return undefined;
  if (contentSizeBytes === 8) return Number(bytes.readBigUInt64LE(at));
  return bytes.readUIntLE(at, contentSizeBytes) + (contentSizeBytes === 2 ? 256 : 0);
}

function endOfFrame(bytes: Buffer, from: number): number {
  const { descriptor, contentSizeAt, contentSizeBytes } = headerOf(bytes, from);
  for (let at = contentSizeAt + contentSizeBytes; ; ) {
    const header = bytes.readUIntLE(at, 3);
    at += 3 + (((header >>> 1) & 3) === runLengthBlock ? 1 : header >>> 3);
    if (header & 1) return at + (descriptor & checksumFlag ? 4 : 0);
  }
}

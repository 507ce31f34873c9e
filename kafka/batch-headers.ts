/**
 * What the headers of Kafka's record batches tell, without decoding a record: no codec is needed, and nothing that a record contains
 * can make it fail or take long.
 */
export interface BatchHeader {
  baseOffset: number;
  lastOffset: number;
  /** Record time of its first record, or of all of them where the topic has LogAppendTime. */
  timeMs: number;
  /** False for a marker of a transaction, and for a batch that compaction left empty. */
  hasRecords: boolean;
  isTransactional: boolean;
  producerId: string;
}

const lengthAt = 8;
const magicAt = 16;
/** Offset and length of a batch, which the length does not count. */
const prefixBytes = 12;
const headerBytes = 61;
const logAppendTime = 0x08;
const transactional = 0x10;
const control = 0x20;

/** The headers of the batches in what a broker sent of one partition. The last one may be cut off behind its header. */
export function batchHeaders(bytes: Buffer): BatchHeader[] {
  const headers: BatchHeader[] = [];
  for (let at = 0; at + magicAt < bytes.length; at += prefixBytes + bytes.readInt32BE(at + lengthAt)) {
    const length = bytes.readInt32BE(at + lengthAt);
    const isOld = bytes[at + magicAt]! < 2;
    if (length < 0 || at + (isOld ? 26 : headerBytes) > bytes.length) break;
    headers.push(isOld ? oldHeader(bytes, at) : header(bytes.subarray(at)));
  }
  return headers;
}

function header(bytes: Buffer): BatchHeader {
  const baseOffset = Number(bytes.readBigInt64BE(0));
  const attributes = bytes.readInt16BE(21);
  return {
    baseOffset,
    lastOffset: baseOffset + bytes.readInt32BE(23),
    timeMs: Number(bytes.readBigInt64BE(attributes & logAppendTime ? 35 : 27)),
    hasRecords: (attributes & control) === 0 && bytes.readInt32BE(57) > 0,
    isTransactional: (attributes & transactional) !== 0,
    producerId: String(bytes.readBigInt64BE(43)),
  };
}

/** A message as topics from before Kafka 0.11 keep it. Version 0 has no time. */
function oldHeader(bytes: Buffer, at: number): BatchHeader {
  const offset = Number(bytes.readBigInt64BE(at));
  const timeMs = bytes[at + magicAt] === 1 ? Number(bytes.readBigInt64BE(at + 18)) : -1;
  return { baseOffset: offset, lastOffset: offset, timeMs, hasRecords: true, isTransactional: false, producerId: '-1' };
}

/** A transaction that was aborted, as a fetch names it. */
export interface Aborted {
  producerId: string;
  firstOffset: number;
}

/**
 * The first batch with a record at `from` or behind it that a reader of committed records is shown; undefined when there is none. A
 * producer's transactions follow each other, so one of its batches is aborted if it lies between the first offset of an aborted one
 * and the marker that ends it.
 */
export function firstVisible(
  batches: readonly BatchHeader[],
  aborted: readonly Aborted[],
  from: number,
): BatchHeader | undefined {
  const isOpen = new Set<string>();
  const left = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  for (const batch of batches) {
    while (left.length > 0 && left[0]!.firstOffset <= batch.baseOffset) isOpen.add(left.shift()!.producerId);
    const isMarker = batch.isTransactional && !batch.hasRecords;
    if (isMarker) isOpen.delete(batch.producerId);
    else if (batch.hasRecords && batch.lastOffset >= from && !(batch.isTransactional && isOpen.has(batch.producerId)))
      return batch;
  }
  return undefined;
}

/**
 * What stands before the records of a batch in Kafka's log (format 2), and where older messages (formats 0 and 1) say the same. No codec is
 * needed to read it, and nothing that a record contains can make it fail or take long.
 */
export interface BatchHeader {
  firstOffset: number;
  lastOffset: number;
  /** How many records it says it has. Compaction can leave a batch with none. */
  count: number;
  /** The checksum that it says it has. */
  crc: number;
  codec: number;
  /** The times are those of the broker. */
  timeIsBrokers: boolean;
  inTransaction: boolean;
  /** A marker of a transaction and the like: records that nobody is shown. */
  isControl: boolean;
  /** Record time of the first record. */
  firstTimestamp: bigint;
  /** Record time of all of them where the times are those of the broker. */
  maxTimestamp: bigint;
  producerId: string;
}

/** Where things are in a batch. What is before the attributes says where the batch lies and is not under its checksum. */
const at = {
  length: 8,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  firstTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  count: 57,
  records: 61,
} as const;
/** Where an older message has its checksum, its time, and what comes behind it. Format 0 has no time. */
const oldAt = { crc: 12, timestamp: 18, rest: 26 } as const;

/** Older messages have these two, too. */
export const codecMask = 0x07;
export const logAppendTimeFlag = 0x08;
const transactionFlag = 0x10;
const controlFlag = 0x20;

/** Offset and length of an entry, which the length does not count. */
export const prefixBytes = at.length + 4;
/** Enough of an entry to know its length and its format. */
export const entryBytesMin = at.magic + 1;
export const batchBytesMin = at.records;

/** Whole length of what begins here, its own first two fields included. */
export function entryBytes(entries: Buffer, from: number): number {
  return prefixBytes + entries.readInt32BE(from + at.length);
}

export function formatOf(entries: Buffer, from: number): number {
  return entries.readInt8(from + at.magic);
}

/** Of a batch or of an older message. */
export function firstOffsetOf(entry: Buffer): number {
  return Number(entry.readBigInt64BE(0));
}

/** @param batch at least `batchBytesMin` of it */
export function headerOf(batch: Buffer): BatchHeader {
  const attributes = batch.readInt16BE(at.attributes);
  const firstOffset = firstOffsetOf(batch);
  return {
    firstOffset,
    lastOffset: firstOffset + batch.readInt32BE(at.lastOffsetDelta),
    count: batch.readInt32BE(at.count),
    crc: batch.readUInt32BE(at.crc),
    codec: attributes & codecMask,
    timeIsBrokers: (attributes & logAppendTimeFlag) !== 0,
    inTransaction: (attributes & transactionFlag) !== 0,
    isControl: (attributes & controlFlag) !== 0,
    firstTimestamp: batch.readBigInt64BE(at.firstTimestamp),
    maxTimestamp: batch.readBigInt64BE(at.maxTimestamp),
    producerId: String(batch.readBigInt64BE(at.producerId)),
  };
}

/** The checksum that a batch says it has, and the bytes that are under it. */
export function checkedOf(batch: Buffer): { crc: number; bytes: Buffer } {
  return { crc: batch.readUInt32BE(at.crc), bytes: batch.subarray(at.attributes) };
}

/** Its records, compressed or not. */
export function recordsOf(batch: Buffer): Buffer {
  return batch.subarray(at.records);
}

/** The headers of what a broker sent of one partition, without a look at records or checksums. The last entry may be cut off behind its header. */
export function batchHeaders(entries: Buffer): BatchHeader[] {
  const headers: BatchHeader[] = [];
  for (let from = 0; from + entryBytesMin <= entries.length; from += entryBytes(entries, from)) {
    const isOld = formatOf(entries, from) < 2;
    if (entryBytes(entries, from) < prefixBytes || from + (isOld ? oldAt.rest : batchBytesMin) > entries.length) break;
    headers.push(isOld ? oldHeader(entries, from) : headerOf(entries.subarray(from)));
  }
  return headers;
}

/** Record time of its first record, in milliseconds. */
export function recordTimeOf({ timeIsBrokers, firstTimestamp, maxTimestamp }: BatchHeader): number {
  return Number(timeIsBrokers ? maxTimestamp : firstTimestamp);
}

/** A message as topics from before Kafka 0.11 keep it. */
function oldHeader(entries: Buffer, from: number): BatchHeader {
  const offset = firstOffsetOf(entries.subarray(from));
  const time = formatOf(entries, from) === 1 ? entries.readBigInt64BE(from + oldAt.timestamp) : -1n;
  return {
    firstOffset: offset,
    lastOffset: offset,
    count: 1,
    crc: entries.readUInt32BE(from + oldAt.crc),
    codec: 0,
    timeIsBrokers: false,
    inTransaction: false,
    isControl: false,
    firstTimestamp: time,
    maxTimestamp: time,
    producerId: '-1',
  };
}

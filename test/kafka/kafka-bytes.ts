import { createRequire } from 'node:module';
import { crc32 } from 'node:zlib';
import { encodeHeaders, type RecordHeader } from '../../contracts/record-headers.ts';

const crc32c = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;

export interface StoredRecord {
  offsetDelta?: number;
  timestampDelta?: bigint;
  key?: Buffer | null;
  value?: Buffer | null;
  headers?: readonly RecordHeader[];
}

/** A zigzag varint. */
export function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n)); ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}

const item = (bytes: Buffer | null) => (bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes]));

/** A record as a batch holds it. */
export function storedRecord({
  offsetDelta = 0,
  timestampDelta = 0n,
  key = null,
  value = null,
  headers = [],
}: StoredRecord): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(timestampDelta),
    varint(offsetDelta),
    item(key),
    item(value),
    varint(headers.length),
    encodeHeaders(headers),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

export interface StoredBatch {
  firstOffset?: number;
  attributes?: number;
  lastOffsetDelta?: number;
  firstTimestamp?: bigint;
  maxTimestamp?: bigint;
  producerId?: bigint;
  count?: number;
  /** As they are stored, compressed too. */
  records: Buffer;
}

/** A record batch of format 2. */
export function storedBatch({
  firstOffset = 0,
  attributes = 0,
  count = 1,
  lastOffsetDelta = count - 1,
  firstTimestamp = 0n,
  maxTimestamp = 0n,
  producerId = -1n,
  records,
}: StoredBatch): Buffer {
  const head = Buffer.alloc(61);
  head.writeBigInt64BE(BigInt(firstOffset), 0);
  head.writeInt32BE(61 - 12 + records.length, 8);
  head.writeInt8(2, 16);
  head.writeInt16BE(attributes, 21);
  head.writeInt32BE(lastOffsetDelta, 23);
  head.writeBigInt64BE(firstTimestamp, 27);
  head.writeBigInt64BE(maxTimestamp, 35);
  head.writeBigInt64BE(producerId, 43);
  head.writeInt32BE(count, 57);
  const batch = Buffer.concat([head, records]);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

/** A batch of these records, uncompressed, one offset behind the other. */
export function batchOf(records: readonly StoredRecord[], parts: Partial<StoredBatch> = {}): Buffer {
  return storedBatch({
    count: records.length,
    records: Buffer.concat(records.map((record, offsetDelta) => storedRecord({ offsetDelta, ...record }))),
    ...parts,
  });
}

/** A message of format 0 or 1. */
export function oldMessage({
  offset = 0,
  format = 1,
  attributes = 0,
  timestamp = 0n,
  key = null,
  value = null,
}: {
  offset?: number;
  format?: 0 | 1;
  attributes?: number;
  timestamp?: bigint;
  key?: Buffer | null;
  value?: Buffer | null;
}): Buffer {
  const int64 = (number: bigint) => Buffer.from(BigInt.asUintN(64, number).toString(16).padStart(16, '0'), 'hex');
  const int32 = (number: number) => Buffer.from((number >>> 0).toString(16).padStart(8, '0'), 'hex');
  const bytes = (each: Buffer | null) => (each ? Buffer.concat([int32(each.length), each]) : int32(-1));
  const body = Buffer.concat([
    Buffer.from([format, attributes]),
    ...(format === 1 ? [int64(timestamp)] : []),
    bytes(key),
    bytes(value),
  ]);
  return Buffer.concat([int64(BigInt(offset)), int32(body.length + 4), int32(crc32(body)), body]);
}

import type { BatchRef } from './event-key.ts';
import { decodeFrame, encodeFrame, type Column, type FrameHeader } from './frame.ts';

/** A Kafka record as the bridge hands it on. `value` is null for a tombstone. */
export interface KafkaRecord {
  offset: number;
  /** Kafka's record time, milliseconds since 1970. */
  timestampMs: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers?: Record<string, string>;
  /** Set when the record was too large to travel: `value` then holds only its beginning, and `recordBytes` is the size of the whole record. */
  stub?: { recordBytes: number };
}

interface RecordsHeader extends FrameHeader {
  kind: 'records';
  batch: BatchRef;
}

/** The input of a batch: its records in offset order. */
export function encodeRecords(batch: BatchRef, records: readonly KafkaRecord[]): Uint8Array {
  const header: RecordsHeader = { kind: 'records', batch };
  return encodeFrame({
    header,
    columns: {
      offset: Float64Array.from(records.map(offsetOf)),
      timestampMs: Float64Array.from(records.map(timestampMsOf)),
      ...bytesColumns('key', records.map(keyOf)),
      ...bytesColumns('value', records.map(valueOf)),
      ...bytesColumns('headers', records.map(headersBytes)),
      stubBytes: Uint32Array.from(records.map(stubBytesOf)),
    },
  });
}

/** Reads a records frame back. Keys and values are views on its buffer. */
export function decodeRecords(bytes: Uint8Array): { batch: BatchRef; records: KafkaRecord[] } {
  const { header, columns } = decodeFrame<RecordsHeader>(bytes);
  const offsets = columns['offset'] as Float64Array;
  const timestamps = columns['timestampMs'] as Float64Array;
  const stubs = columns['stubBytes'] as Uint32Array;
  const keys = new BytesReader('key', columns);
  const values = new BytesReader('value', columns);
  const headers = new BytesReader('headers', columns);
  const decoder = new TextDecoder();
  const records: KafkaRecord[] = [];
  for (let i = 0; i < offsets.length; i++) {
    const record: KafkaRecord = { offset: offsets[i]!, timestampMs: timestamps[i]!, key: keys.next(), value: values.next() };
    const recordHeaders = headers.next();
    if (recordHeaders) record.headers = JSON.parse(decoder.decode(recordHeaders)) as Record<string, string>;
    if (stubs[i]) record.stub = { recordBytes: stubs[i]! };
    records.push(record);
  }
  return { batch: header.batch, records };
}

// What is called for each record lives as long as the module: see docs/decisions/0023.
export const offsetOf = (record: KafkaRecord) => record.offset;
export const timestampMsOf = (record: KafkaRecord) => record.timestampMs;
const keyOf = (record: KafkaRecord) => record.key;
const valueOf = (record: KafkaRecord) => record.value;
const lengthOf = (item: Uint8Array | null) => item?.length ?? -1;
const stubBytesOf = (record: KafkaRecord) => record.stub?.recordBytes ?? 0;

/** Lengths (-1 for null) and all bytes end to end, as two columns. */
function bytesColumns(name: string, items: readonly (Uint8Array | null)[]): Record<string, Uint8Array | Int32Array> {
  const lengths = Int32Array.from(items.map(lengthOf));
  let size = 0;
  for (const length of lengths) size += Math.max(0, length);
  const bytes = new Uint8Array(size);
  let start = 0;
  for (const item of items) {
    if (!item) continue;
    bytes.set(item, start);
    start += item.length;
  }
  return { [`${name}Length`]: lengths, [name]: bytes };
}

/** Hands out the items of `bytesColumns` one after another. */
class BytesReader {
  readonly #lengths: Int32Array;
  readonly #bytes: Uint8Array;
  #item = 0;
  #start = 0;

  constructor(name: string, columns: Record<string, Column>) {
    this.#lengths = columns[`${name}Length`] as Int32Array;
    this.#bytes = columns[name] as Uint8Array;
  }

  next(): Uint8Array | null {
    const length = this.#lengths[this.#item++]!;
    if (length < 0) return null;
    this.#start += length;
    return this.#bytes.subarray(this.#start - length, this.#start);
  }
}

function headersBytes({ headers }: KafkaRecord): Uint8Array | null {
  if (!headers || Object.keys(headers).length === 0) return null;
  return new TextEncoder().encode(JSON.stringify(headers));
}

import type { BatchRef } from './event-key.ts';
import { decodeFrame, encodeFrame, type FrameHeader } from './frame.ts';

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
      offset: Float64Array.from(records, (record) => record.offset),
      timestampMs: Float64Array.from(records, (record) => record.timestampMs),
      ...bytesColumns('key', records.map((record) => record.key)),
      ...bytesColumns('value', records.map((record) => record.value)),
      ...bytesColumns('headers', records.map((record) => headersBytes(record.headers))),
      stubBytes: Uint32Array.from(records, (record) => record.stub?.recordBytes ?? 0),
    },
  });
}

/** Reads a records frame back. Keys and values are views on its buffer. */
export function decodeRecords(bytes: Uint8Array): { batch: BatchRef; records: KafkaRecord[] } {
  const { header, columns } = decodeFrame<RecordsHeader>(bytes);
  const offsets = columns['offset'] as Float64Array;
  const timestamps = columns['timestampMs'] as Float64Array;
  const stubs = columns['stubBytes'] as Uint32Array;
  const keys = readBytes('key', columns as Record<string, Uint8Array | Int32Array>);
  const values = readBytes('value', columns as Record<string, Uint8Array | Int32Array>);
  const headers = readBytes('headers', columns as Record<string, Uint8Array | Int32Array>);
  const decoder = new TextDecoder();
  const records: KafkaRecord[] = Array.from(offsets, (offset, i) => {
    const record: KafkaRecord = { offset, timestampMs: timestamps[i]!, key: keys(), value: values() };
    const recordHeaders = headers();
    if (recordHeaders) record.headers = JSON.parse(decoder.decode(recordHeaders)) as Record<string, string>;
    if (stubs[i]) record.stub = { recordBytes: stubs[i]! };
    return record;
  });
  return { batch: header.batch, records };
}

/** Lengths (-1 for null) and all bytes end to end, as two columns. */
function bytesColumns(name: string, items: readonly (Uint8Array | null)[]): Record<string, Uint8Array | Int32Array> {
  const lengths = Int32Array.from(items, (item) => item?.length ?? -1);
  const bytes = new Uint8Array(items.reduce((sum, item) => sum + (item?.length ?? 0), 0));
  let start = 0;
  for (const item of items) {
    if (!item) continue;
    bytes.set(item, start);
    start += item.length;
  }
  return { [`${name}Length`]: lengths, [name]: bytes };
}

/** A reader that hands out the items of `bytesColumns` one after another. */
function readBytes(name: string, columns: Record<string, Uint8Array | Int32Array>): () => Uint8Array | null {
  const lengths = columns[`${name}Length`] as Int32Array;
  const bytes = columns[name] as Uint8Array;
  let item = 0;
  let start = 0;
  return () => {
    const length = lengths[item++]!;
    if (length < 0) return null;
    start += length;
    return bytes.subarray(start - length, start);
  };
}

function headersBytes(headers: Record<string, string> | undefined): Uint8Array | null {
  if (!headers || Object.keys(headers).length === 0) return null;
  return new TextEncoder().encode(JSON.stringify(headers));
}

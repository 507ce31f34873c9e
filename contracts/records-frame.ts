import type { BatchRef } from './event-key.ts';
import { decodeFrame, encodeFrame, type Column, type FrameHeader } from './frame.ts';

/** A Kafka record as the bridge hands it on. `value` is null for a tombstone. */
export interface KafkaRecord {
  offset: number;
  /** Kafka's record time as it came, mostly milliseconds since 1970; `recordTimeMs` says whether it can be used as one. */
  timestampMs: number;
  /** Its digits, where the number above is not exact: one of 64 bits that is no safe integer. */
  timestampDigits?: string;
  /** The time is the broker's own (`LogAppendTime`), not what a producer says. */
  timeIsBrokers?: true;
  key: Uint8Array | null;
  value: Uint8Array | null;
  /** As Kafka stores them; `headersIn` reads them. Absent = none. */
  headers?: Uint8Array;
  /** Set when the record was too large to travel: key, value and headers then hold only what has room. */
  stub?: RecordStub;
}

/** What a record had that could not travel whole. */
interface RecordStub {
  /** The size of all of it. */
  recordBytes: number;
  /** How many of its headers are not there. Absent = none. */
  headersLeftOut?: number;
}

/** A record of a batch. */
export interface BatchRecord extends KafkaRecord {
  partition: number;
}

interface RecordsHeader extends FrameHeader {
  kind: 'records';
  batch: BatchRef;
  clockMs: number;
}

/** A batch as it travels. */
export interface RecordsFrame {
  batch: BatchRef;
  /** What the bridge's clock said when it cut the batch, in milliseconds since 1970: "now" for all that is computed from the batch, so that a repetition computes the same. */
  clockMs: number;
  /** In the order of the batch's ranges, and of their offsets. */
  records: BatchRecord[];
}

/** The input of a batch. @param records in the order of its ranges: which partition each is of follows from how many each range has */
export function encodeRecords(batch: BatchRef, records: readonly KafkaRecord[], clockMs: number): Uint8Array {
  const header: RecordsHeader = { kind: 'records', batch, clockMs };
  return encodeFrame({
    header,
    columns: {
      offset: Float64Array.from(records.map(offsetOf)),
      timestampMs: Float64Array.from(records.map(timestampMsOf)),
      ...bytesColumns('key', records.map(keyOf)),
      ...bytesColumns('value', records.map(valueOf)),
      ...(records.some(headersOf) ? bytesColumns('headers', records.map(headersOf)) : {}),
      ...(records.some(timeIsBrokersOf) ? { timeIsBrokers: Uint8Array.from(records.map(timeIsBrokersOf)) } : {}),
      ...(records.some(digitsOf)
        ? { exactTimestamp: new Uint8Array(BigInt64Array.from(records.map(exactTimestampOf)).buffer) }
        : {}),
      stubBytes: Uint32Array.from(records.map(stubBytesOf)),
      ...(records.some(headersLeftOutOf)
        ? { stubHeadersLeftOut: Uint32Array.from(records.map(headersLeftOutOf)) }
        : {}),
    },
  });
}

/** Reads a records frame back. Keys, values and headers are views on its buffer. */
export function decodeRecords(bytes: Uint8Array): RecordsFrame {
  const { header, columns } = decodeFrame<RecordsHeader>(bytes);
  const offsets = columns['offset'] as Float64Array;
  const timestamps = columns['timestampMs'] as Float64Array;
  const stubs = columns['stubBytes'] as Uint32Array;
  const keys = new BytesReader('key', columns);
  const values = new BytesReader('value', columns);
  const headers = columns['headers'] && new BytesReader('headers', columns);
  const timeIsBrokers = columns['timeIsBrokers'];
  const exact = columns['exactTimestamp'];
  const exactTimestamps = exact && new BigInt64Array(exact.buffer, exact.byteOffset, offsets.length);
  const headersLeftOut = columns['stubHeadersLeftOut'];
  const records: BatchRecord[] = [];
  const { ranges } = header.batch;
  let range = 0;
  let rangeEnd = ranges[0]!.count;
  for (let i = 0; i < offsets.length; i++) {
    while (i >= rangeEnd) rangeEnd += ranges[++range]!.count;
    const record: BatchRecord = {
      partition: ranges[range]!.partition,
      offset: offsets[i]!,
      timestampMs: timestamps[i]!,
      key: keys.next(),
      value: values.next(),
    };
    const recordHeaders = headers?.next();
    if (recordHeaders) record.headers = recordHeaders;
    if (timeIsBrokers?.[i]) record.timeIsBrokers = true;
    if (exactTimestamps && !Number.isSafeInteger(record.timestampMs))
      record.timestampDigits = String(exactTimestamps[i]);
    if (stubs[i])
      record.stub = { recordBytes: stubs[i]!, ...(headersLeftOut?.[i] ? { headersLeftOut: headersLeftOut[i]! } : {}) };
    records.push(record);
  }
  return { batch: header.batch, clockMs: header.clockMs, records };
}

// What is called for each record lives as long as the module: see docs/performance/hot-code.md.
export const offsetOf = (record: KafkaRecord) => record.offset;
const timestampMsOf = (record: KafkaRecord) => record.timestampMs;
const keyOf = (record: KafkaRecord) => record.key;
const valueOf = (record: KafkaRecord) => record.value;
const headersOf = (record: KafkaRecord) => record.headers ?? null;
const timeIsBrokersOf = (record: KafkaRecord) => (record.timeIsBrokers ? 1 : 0);
const digitsOf = (record: KafkaRecord) => record.timestampDigits;
const exactTimestampOf = ({ timestampMs, timestampDigits }: KafkaRecord) => BigInt(timestampDigits ?? timestampMs);
const headersLeftOutOf = (record: KafkaRecord) => record.stub?.headersLeftOut ?? 0;
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

import type { IHeaders, KafkaMessage } from 'kafkajs';
import { encodeHeaders, textHeader, type RecordHeader } from '../contracts/record-headers.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';

/** The longest record (key, value and headers) that can travel whole: the start request of a batch must stay below Temporal's 2 MB per payload. */
export const recordBytesMax = 1.5 * 1024 * 1024;

const stubBytes = 64 * 1024;

/** What Kafka says for "no time". */
const noTimestamp = '-1';

/** A record as kafkajs gives it, in our form. One that is too large becomes a stub. */
export function toRecord(message: KafkaMessage): KafkaRecord {
  const { offset, key, value } = message;
  // Records of the oldest format have no time at all.
  const timestamp = (message.timestamp as string | undefined) ?? noTimestamp;
  const record: KafkaRecord = { offset: Number(offset), timestampMs: Number(timestamp), key, value };
  if (!Number.isSafeInteger(record.timestampMs)) record.timestampDigits = timestamp;
  if (isTimeOfBroker(message)) record.timeIsBrokers = true;
  const headers = encodeHeaders(headerList(message.headers));
  if (headers.length > 0) record.headers = headers;
  return contentBytes(record) > recordBytesMax ? stubOf(record) : record;
}

/** Bytes of a record in the records frame. */
export function contentBytes({ key, value, headers }: KafkaRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + (headers?.length ?? 0);
}

/** What is kept of a record that cannot travel: the beginnings of key and value, headers if they are short, and the size of all that it had. */
export function stubOf(record: KafkaRecord): KafkaRecord {
  if (record.stub) return record;
  const { key, value, headers, ...rest } = record;
  return {
    ...rest,
    key: beginningOf(key),
    value: beginningOf(value),
    ...(headers && headers.length <= stubBytes ? { headers: Buffer.from(headers) } : {}),
    stub: { recordBytes: contentBytes(record) },
  };
}

/** A copy, so that the stub does not keep the whole poll's buffer alive. */
function beginningOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes && Buffer.from(bytes.subarray(0, stubBytes));
}

const logAppendTime = 1;

/** kafkajs keeps what the record's batch says beside it, though its types do not tell. */
function isTimeOfBroker(message: KafkaMessage): boolean {
  return (message as { batchContext?: { timestampType?: number } }).batchContext?.timestampType === logAppendTime;
}

function headerList(headers: IHeaders | undefined): RecordHeader[] {
  return Object.entries(headers ?? {}).flatMap(([name, value]) =>
    [value].flat().map((each): RecordHeader => [textHeader(name, null)[0], each === undefined ? null : Buffer.from(each)]),
  );
}

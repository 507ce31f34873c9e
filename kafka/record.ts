import type { KafkaMessage } from 'kafkajs';
import { messageOf } from '../contracts/failures.ts';
import { headersWithin } from '../contracts/record-headers.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import { Unreadable } from './fetch-decoding.ts';
import { FetchedRecord } from './record-batches.ts';

/** The longest record (key, value and headers) that can travel whole: the start request of a batch must stay below Temporal's 2 MB per payload. */
export const recordBytesMax = 1.5 * 1024 * 1024;

const stubBytes = 64 * 1024;

/** Where a partition cannot be read on, and why. */
export interface UnreadableAt {
  from: number;
  reason: string;
}

/** The messages of a fetch in our form, up to the first that cannot be had. */
export function toRecords(messages: readonly KafkaMessage[]): { records: KafkaRecord[]; unreadable?: UnreadableAt } {
  const records: KafkaRecord[] = [];
  for (const message of messages as readonly (KafkaMessage | Unreadable)[]) {
    if (message instanceof Unreadable) return { records, unreadable: { from: message.from, reason: message.reason } };
    try {
      records.push(toRecord(message));
    } catch (error) {
      return {
        records,
        unreadable: { from: Number(message.offset), reason: `a record that Headrace fails on (${messageOf(error)})` },
      };
    }
  }
  return { records };
}

/** A record in our form. One that is too large becomes a stub. */
export function toRecord(message: KafkaMessage): KafkaRecord {
  if (!(message instanceof FetchedRecord))
    throw new TypeError('a message that kafkajs has decoded itself: installFetchDecoding was not called');
  const { offset, timestamp, key, value, storedHeaders, batchContext } = message;
  const record: KafkaRecord = { offset: Number(offset), timestampMs: Number(timestamp), key, value };
  if (!Number.isSafeInteger(record.timestampMs)) record.timestampDigits = timestamp;
  if (batchContext.timeIsBrokers) record.timeIsBrokers = true;
  if (storedHeaders) record.headers = storedHeaders;
  return contentBytes(record) > recordBytesMax ? stubOf(record) : record;
}

/** Bytes of a record in the records frame. */
export function contentBytes({ key, value, headers }: KafkaRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + (headers?.length ?? 0);
}

/** What is kept of a record that cannot travel: the beginnings of key and value, the headers that have room, and how much there was. */
export function stubOf(record: KafkaRecord): KafkaRecord {
  if (record.stub) return record;
  const { key, value, headers, ...rest } = record;
  const { kept, leftOut } = headers ? headersWithin(headers, stubBytes) : { kept: undefined, leftOut: 0 };
  return {
    ...rest,
    key: beginningOf(key),
    value: beginningOf(value),
    ...(kept ? { headers: kept } : {}),
    stub: { recordBytes: contentBytes(record), ...(leftOut > 0 ? { headersLeftOut: leftOut } : {}) },
  };
}

/** A copy, so that the stub does not keep the whole poll's buffer alive. */
function beginningOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes && Buffer.from(bytes.subarray(0, stubBytes));
}

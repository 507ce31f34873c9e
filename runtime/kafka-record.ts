import type { IHeaders, KafkaMessage } from 'kafkajs';
import type { KafkaRecord } from '../contracts/records-frame.ts';

/** The longest record (key, value and headers) that can travel whole: the start request of a batch must stay below Temporal's 2 MB per payload. */
export const recordBytesMax = 1.5 * 1024 * 1024;

const stubBytes = 64 * 1024;

/** A record as kafkajs gives it, in our form. One that is too large becomes a stub. */
export function toRecord({ offset, timestamp, key, value, headers }: KafkaMessage): KafkaRecord {
  const record: KafkaRecord = { offset: Number(offset), timestampMs: Number(timestamp), key, value };
  const texts = headerTexts(headers);
  if (texts) record.headers = texts;
  return contentBytes(record) > recordBytesMax ? stubOf(record) : record;
}

/** Bytes of a record in the records frame: key, value, and the headers as the JSON text that they travel as. */
export function contentBytes({ key, value, headers }: KafkaRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + headerBytes(headers);
}

/** What is kept of a record that cannot travel: the beginnings of key and value, headers if they are short, and the size of all that it had. */
export function stubOf(record: KafkaRecord): KafkaRecord {
  if (record.stub) return record;
  const { offset, timestampMs, key, value, headers } = record;
  return {
    offset,
    timestampMs,
    key: beginningOf(key),
    value: beginningOf(value),
    ...(headers && headerBytes(headers) <= stubBytes ? { headers } : {}),
    stub: { recordBytes: contentBytes(record) },
  };
}

/** A copy, so that the stub does not keep the whole poll's buffer alive. */
function beginningOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes && Buffer.from(bytes.subarray(0, stubBytes));
}

function headerBytes(headers: Record<string, string> | undefined): number {
  return headers ? Buffer.byteLength(JSON.stringify(headers)) : 0;
}

function headerTexts(headers: IHeaders | undefined): Record<string, string> | undefined {
  const entries = Object.entries(headers ?? {}).flatMap(([name, value]): [string, string][] => {
    const first = Array.isArray(value) ? value[0] : value;
    return first === undefined ? [] : [[name, first.toString()]];
  });
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

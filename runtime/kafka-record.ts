import type { IHeaders, KafkaMessage } from 'kafkajs';
import type { KafkaRecord } from '../contracts/records-frame.ts';

/** The longest value that can travel at all: the start request of a batch must stay below Temporal's 2 MB per payload. */
export const valueBytesMax = 1.5 * 1024 * 1024;

const stubBytes = 64 * 1024;

/** A record as kafkajs gives it, in our form. A value that is too long becomes a stub: its beginning and its size. */
export function toRecord({ offset, timestamp, key, value, headers }: KafkaMessage): KafkaRecord {
  const record: KafkaRecord = { offset: Number(offset), timestampMs: Number(timestamp), key, value };
  const texts = headerTexts(headers);
  if (texts) record.headers = texts;
  if (value && value.length > valueBytesMax) {
    // A copy, so that the stub does not keep the whole poll's buffer alive.
    record.value = Buffer.from(value.subarray(0, stubBytes));
    record.stub = { valueBytes: value.length };
  }
  return record;
}

function headerTexts(headers: IHeaders | undefined): Record<string, string> | undefined {
  const entries = Object.entries(headers ?? {}).flatMap(([name, value]): [string, string][] => {
    const first = Array.isArray(value) ? value[0] : value;
    return first === undefined ? [] : [[name, first.toString()]];
  });
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

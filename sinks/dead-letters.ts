import { eventKey } from '../contracts/event-key.ts';
import { deadLettersTopic, eventKeyHeader } from '../contracts/names.ts';
import { headerBytes, headersIn, textHeader, type RecordHeader } from '../contracts/record-headers.ts';
import { exactTimestamp } from '../contracts/record-time.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';

/** A refused record with its origin. */
export interface DeadLetterInput {
  batch: Parameters<typeof eventKey>[0];
  record: KafkaRecord;
  rejection: { step: string; code: string; reason: string };
  workflowId: string;
}

/** What publishing dead letters needs of Kafka. */
export interface DeadLetterPublishPort {
  publish(topic: string, messages: { key: Buffer | null; value: Buffer | null; headers: readonly RecordHeader[] }[]): Promise<void>;
}

/** A longer value is cut to a stub. With the rest of the letter it fits into what brokers take by default, 1,048,588 bytes. */
const valueBytesMax = 768 * 1024;
/** A longer key is cut to this length, as the stub of a value has. */
const stubBytes = 64 * 1024;
/** Key, value and headers of a letter. The record's own headers have what the others leave, at least 136 KB; those beyond it are left out. */
const letterBytesMax = 1_000_000;
/** Ours: ids of limited length, a reason of 300 characters. */
const ownHeadersBytesMax = 8 * 1024;

/** Headers that only letters with something cut have. The first stands for a record that came as a stub, and counts all of it. */
const [recordBytesHeader, valueBytesHeader, keyBytesHeader, leftOutHeader] = ['headrace-record-bytes', 'headrace-value-bytes', 'headrace-key-bytes', 'headrace-headers-left-out'] as const;

/**
 * Publishes refused records to `<pipeline>.dead-letters` as they came, with origin and reason in headers of ours behind their own. What is too
 * long is cut, and a header of ours tells its true size. At-least-once, like every topic; the event key header tells a repeat.
 */
export function createDeadLetters(publisher: DeadLetterPublishPort): { publish(letters: readonly DeadLetterInput[]): Promise<void> } {
  return {
    async publish(letters) {
      const byTopic = new Map<string, DeadLetterInput[]>();
      for (const letter of letters) {
        const topic = deadLettersTopic(letter.batch.pipeline);
        const group = byTopic.get(topic) ?? [];
        byTopic.set(topic, group);
        group.push(letter);
      }
      await Promise.all([...byTopic].map(([topic, group]) => publisher.publish(topic, group.map(message))));
    },
  };
}

function message({ batch, record, rejection, workflowId }: DeadLetterInput) {
  const key = cut(record.key, stubBytes);
  const value = cut(record.value, valueBytesMax);
  const headersBytesMax = letterBytesMax - ownHeadersBytesMax - (key.bytes?.length ?? 0) - (value.bytes?.length ?? 0);
  const { kept, leftOut } = originalHeaders(record.headers, headersBytesMax);
  const ours: [name: string, value: string | undefined][] = [
    [eventKeyHeader, eventKey(batch, record.offset)],
    ['headrace-step', rejection.step],
    ['headrace-code', rejection.code],
    ['headrace-reason', rejection.reason],
    ['headrace-topic', batch.topic],
    ['headrace-partition', String(batch.partition)],
    ['headrace-offset', String(record.offset)],
    ['headrace-timestamp', exactTimestamp(record)],
    ['headrace-workflow', workflowId],
    [recordBytesHeader, record.stub && String(record.stub.recordBytes)],
    [valueBytesHeader, value.cutFrom],
    [keyBytesHeader, key.cutFrom],
    [leftOutHeader, leftOut === 0 ? undefined : String(leftOut)],
  ];
  const headers = [...kept, ...ours.flatMap(([name, text]) => (text === undefined ? [] : [textHeader(name, text)]))];
  return { key: key.bytes, value: value.bytes, headers };
}

/** The bytes, or the first of them and how many there were. */
function cut(bytes: Uint8Array | null, bytesMax: number): { bytes: Buffer | null; cutFrom?: string } {
  if (bytes === null || bytes.length <= bytesMax) return { bytes: bytes && Buffer.from(bytes) };
  return { bytes: Buffer.from(bytes.subarray(0, stubBytes)), cutFrom: String(bytes.length) };
}

/** Names of ours: one that came with the record is of a letter that it once was, or forged, and must not stand beside those of this letter. */
const ownNames = new Set([
  eventKeyHeader, 'headrace-step', 'headrace-code', 'headrace-reason', 'headrace-topic', 'headrace-partition', 'headrace-offset', 'headrace-timestamp',
  'headrace-workflow', recordBytesHeader, valueBytesHeader, keyBytesHeader, leftOutHeader,
]);

/** The record's own headers in their order, up to a limit. */
function originalHeaders(headers: Uint8Array | undefined, bytesMax: number): { kept: RecordHeader[]; leftOut: number } {
  const kept: RecordHeader[] = [];
  let bytes = 0;
  let leftOut = 0;
  for (const header of headersIn(headers)) {
    if (isOwn(header[0])) continue;
    const more = headerBytes(header);
    if (bytes + more > bytesMax) {
      leftOut++;
      continue;
    }
    kept.push(header);
    bytes += more;
  }
  return { kept, leftOut };
}

const ownNameBytesMax = 32;

function isOwn(name: Uint8Array): boolean {
  return name.length <= ownNameBytesMax && ownNames.has(Buffer.from(name).toString('latin1'));
}

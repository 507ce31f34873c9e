import { eventKey } from '../contracts/event-key.ts';
import { deadLettersTopic, eventKeyHeader } from '../contracts/names.ts';

/** A refused record with its origin. */
export interface DeadLetterInput {
  batch: Parameters<typeof eventKey>[0];
  record: { offset: number; timestampMs: number; key: Uint8Array | null; value: Uint8Array | null; headers?: Record<string, string>; stub?: { recordBytes: number } };
  rejection: { step: string; code: string; reason: string };
  workflowId: string;
}

/** What publishing dead letters needs of Kafka. */
export interface DeadLetterPublishPort {
  publish(topic: string, messages: { key: Buffer | null; value: Buffer | null; headers: Record<string, string> }[]): Promise<void>;
}

/** A longer value is cut to a stub. With the rest of the letter it fits into what brokers take by default, 1,048,588 bytes. */
const valueBytesMax = 768 * 1024;
/** A longer key is cut to this length, as the stub of a value has. */
const stubBytes = 64 * 1024;
/** What the record's own headers may occupy; those beyond it are left out. */
const headersBytesMax = 64 * 1024;
/** What Kafka adds to a header at most: two lengths. */
const headerOverheadBytes = 10;

/** Headers that only letters with something cut have. The first stands for a record that came as a stub, and counts all of it. */
const [recordBytesHeader, valueBytesHeader, keyBytesHeader, leftOutHeader] = ['headrace-record-bytes', 'headrace-value-bytes', 'headrace-key-bytes', 'headrace-headers-left-out'] as const;
const ifCut: readonly string[] = [recordBytesHeader, valueBytesHeader, keyBytesHeader, leftOutHeader];

/**
 * Publishes refused records to `<pipeline>.dead-letters` as they came, headers too, with origin and reason in headers of ours. What
 * is too long is cut, and a header of ours tells its true size. At-least-once, like every topic; the event key header tells a repeat.
 */
export function createDeadLetters(publisher: DeadLetterPublishPort): { publish(letters: readonly DeadLetterInput[]): Promise<void> } {
  return {
    async publish(letters) {
      const byTopic = new Map<string, DeadLetterInput[]>();
      for (const letter of letters) {
        const topic = deadLettersTopic(letter.batch.pipeline);
        byTopic.set(topic, [...(byTopic.get(topic) ?? []), letter]);
      }
      await Promise.all([...byTopic].map(([topic, group]) => publisher.publish(topic, group.map(message))));
    },
  };
}

function message({ batch, record, rejection, workflowId }: DeadLetterInput) {
  const key = cut(record.key, stubBytes);
  const value = cut(record.value, valueBytesMax);
  const { kept, leftOut } = originalHeaders(record.headers);
  return {
    key: key.bytes,
    value: value.bytes,
    headers: {
      ...kept,
      [eventKeyHeader]: eventKey(batch, record.offset),
      'headrace-step': rejection.step,
      'headrace-code': rejection.code,
      'headrace-reason': rejection.reason,
      'headrace-topic': batch.topic,
      'headrace-partition': String(batch.partition),
      'headrace-offset': String(record.offset),
      'headrace-timestamp': String(record.timestampMs),
      'headrace-workflow': workflowId,
      ...(record.stub ? { [recordBytesHeader]: String(record.stub.recordBytes) } : {}),
      ...(value.cutFrom === undefined ? {} : { [valueBytesHeader]: String(value.cutFrom) }),
      ...(key.cutFrom === undefined ? {} : { [keyBytesHeader]: String(key.cutFrom) }),
      ...(leftOut === 0 ? {} : { [leftOutHeader]: String(leftOut) }),
    },
  };
}

/** The bytes, or the first of them and how many there were. */
function cut(bytes: Uint8Array | null, bytesMax: number): { bytes: Buffer | null; cutFrom?: number } {
  if (bytes === null || bytes.length <= bytesMax) return { bytes: bytes && Buffer.from(bytes) };
  return { bytes: Buffer.from(bytes.subarray(0, stubBytes)), cutFrom: bytes.length };
}

/** The record's headers up to a limit. Those that only some letters have must not come from the letter that this record once was. */
function originalHeaders(headers: Record<string, string> = {}): { kept: Record<string, string>; leftOut: number } {
  const kept: [string, string][] = [];
  let bytes = 0;
  let leftOut = 0;
  for (const [name, text] of Object.entries(headers)) {
    if (ifCut.includes(name)) continue;
    const headerBytes = headerOverheadBytes + Buffer.byteLength(name) + Buffer.byteLength(text);
    if (bytes + headerBytes > headersBytesMax) {
      leftOut++;
      continue;
    }
    kept.push([name, text]);
    bytes += headerBytes;
  }
  return { kept: Object.fromEntries(kept), leftOut };
}

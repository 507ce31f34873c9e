import { eventKey } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { isRefusedMessage } from '../contracts/kafka-refusal.ts';
import { deadLettersTopic, eventKeyHeader } from '../contracts/names.ts';
import { failureOf } from './kafka-failure.ts';

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

/** How much of a record one letter holds. */
interface LetterLimits {
  /** A longer value is cut to a stub. */
  valueBytes: number;
  keyBytes: number;
  /** What the record's own headers may occupy; those beyond it are left out. */
  headersBytes: number;
}

/** The length of a stub at most. */
const stubBytes = 64 * 1024;
/** Tried one after another, for letters that the topic refuses. The first fit into what brokers take by default, 1,048,588 bytes; the last into any topic that is of use. */
const limits: readonly LetterLimits[] = [
  { valueBytes: 768 * 1024, keyBytes: stubBytes, headersBytes: 64 * 1024 },
  { valueBytes: 32 * 1024, keyBytes: 4 * 1024, headersBytes: 8 * 1024 },
  { valueBytes: 1_024, keyBytes: 256, headersBytes: 512 },
  { valueBytes: 0, keyBytes: 0, headersBytes: 0 },
];
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
      await Promise.all([...byTopic].map(([topic, group]) => publishCut(publisher, topic, group)));
    },
  };
}

/** Letters that the topic does not take go in halves, and one that stands alone is cut shorter until the topic takes it. Throws when it takes none at all. */
async function publishCut(publisher: DeadLetterPublishPort, topic: string, letters: readonly DeadLetterInput[], step = 0): Promise<void> {
  try {
    await publisher.publish(topic, letters.map((letter) => message(letter, limits[step]!)));
  } catch (error) {
    const isLast = letters.length === 1 && step + 1 === limits.length;
    if (!isRefusedMessage(error) || isLast) throw letterFailure(topic, error);
    if (letters.length === 1) return publishCut(publisher, topic, letters, step + 1);
    const middle = letters.length >> 1;
    for (const half of [letters.slice(0, middle), letters.slice(middle)]) await publishCut(publisher, topic, half);
  }
}

/** No record is to blame: there is nothing left of it in the shortest letter. */
function letterFailure(topic: string, error: unknown): HeadraceError {
  const failure = failureOf(topic, error);
  return failure.code === 'SINK_REFUSED_ROW' ? new HeadraceError('SINK_WRONG', `${failure.detail}; a dead letter is refused even without its record`, { cause: error }) : failure;
}

function message({ batch, record, rejection, workflowId }: DeadLetterInput, { valueBytes, keyBytes, headersBytes }: LetterLimits) {
  const key = cut(record.key, keyBytes);
  const value = cut(record.value, valueBytes);
  const { kept, leftOut } = originalHeaders(record.headers, headersBytes);
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
  return { bytes: Buffer.from(bytes.subarray(0, Math.min(stubBytes, bytesMax))), cutFrom: bytes.length };
}

/** The record's headers up to a limit. Those that only some letters have must not come from the letter that this record once was. */
function originalHeaders(headers: Record<string, string> = {}, bytesMax: number): { kept: Record<string, string>; leftOut: number } {
  const kept: [string, string][] = [];
  let bytes = 0;
  let leftOut = 0;
  for (const [name, text] of Object.entries(headers)) {
    if (ifCut.includes(name)) continue;
    const headerBytes = headerOverheadBytes + Buffer.byteLength(name) + Buffer.byteLength(text);
    if (bytes + headerBytes > bytesMax) {
      leftOut++;
      continue;
    }
    kept.push([name, text]);
    bytes += headerBytes;
  }
  return { kept: Object.fromEntries(kept), leftOut };
}

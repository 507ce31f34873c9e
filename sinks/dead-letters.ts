import { eventKey, partitionOf, type TopicRef } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { isRefusedMessage } from '../kafka/refusal.ts';
import { deadLettersTopic, eventKeyHeader } from '../contracts/names.ts';
import { headerBytes, headersIn, textHeader, type RecordHeader } from '../contracts/record-headers.ts';
import { exactTimestamp } from '../contracts/record-time.ts';
import type { BatchRecord } from '../contracts/records-frame.ts';
import { failureOf } from './kafka-failure.ts';

/** A refused record with its origin. */
export interface DeadLetterInput {
  batch: TopicRef;
  record: BatchRecord;
  rejection: { step: string; code: string; reason: string };
  workflowId: string;
}

/** What publishing dead letters needs of Kafka. */
export interface DeadLetterPublishPort {
  publish(
    topic: string,
    messages: { key: Buffer | null; value: Buffer | null; headers: readonly RecordHeader[] }[],
  ): Promise<void>;
}

/** How much of a record one letter holds. */
interface LetterLimits {
  /** A longer value is cut to a stub. */
  valueBytes: number;
  keyBytes: number;
  /** Key, value and the record's own headers, which have what the others leave; those beyond it are left out. */
  letterBytes: number;
}

/** The length of a stub at most. */
const stubBytes = 64 * 1024;
/**
 * Tried one after another, for letters that the topic refuses. The first fit into what brokers take by default, 1,048,588 bytes, with our headers:
 * ids of limited length, a reason of 300 characters. The last fit into any topic that is of use.
 */
const limits: readonly LetterLimits[] = [
  { valueBytes: 768 * 1024, keyBytes: stubBytes, letterBytes: 1_000_000 - 8 * 1024 },
  { valueBytes: 32 * 1024, keyBytes: 4 * 1024, letterBytes: 48 * 1024 },
  { valueBytes: 1_024, keyBytes: 256, letterBytes: 2_048 },
  { valueBytes: 0, keyBytes: 0, letterBytes: 0 },
];

/** Headers that only letters with something cut have. The first stands for a record that came as a stub, and counts all of it. */
const [recordBytesHeader, valueBytesHeader, keyBytesHeader, leftOutHeader] = [
  'headrace-record-bytes',
  'headrace-value-bytes',
  'headrace-key-bytes',
  'headrace-headers-left-out',
] as const;

/**
 * Publishes refused records to `<pipeline>.dead-letters` as they came, with origin and reason in headers of ours behind their own. What is too
 * long is cut, and a header of ours tells its true size. At-least-once, like every topic; the event key header tells a repeat.
 */
export function createDeadLetters(publisher: DeadLetterPublishPort): {
  publish(letters: readonly DeadLetterInput[]): Promise<void>;
} {
  return {
    async publish(letters) {
      const byTopic = new Map<string, DeadLetterInput[]>();
      for (const letter of letters) {
        const topic = deadLettersTopic(letter.batch.pipeline);
        const group = byTopic.get(topic) ?? [];
        byTopic.set(topic, group);
        group.push(letter);
      }
      await Promise.all([...byTopic].map(([topic, group]) => publishCut(publisher, topic, group)));
    },
  };
}

/** Letters that the topic does not take go in halves, and one that stands alone is cut shorter until the topic takes it. Throws when it takes none at all. */
async function publishCut(
  publisher: DeadLetterPublishPort,
  topic: string,
  letters: readonly DeadLetterInput[],
  step = 0,
): Promise<void> {
  try {
    await publisher.publish(
      topic,
      letters.map((letter) => message(letter, limits[step]!)),
    );
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
  return failure.code === 'SINK_REFUSED_ROW'
    ? new HeadraceError('SINK_WRONG', `${failure.detail}; a dead letter is refused even without its record`, {
        cause: error,
      })
    : failure;
}

function message(
  { batch, record, rejection, workflowId }: DeadLetterInput,
  { valueBytes, keyBytes, letterBytes }: LetterLimits,
) {
  const key = cut(record.key, keyBytes);
  const value = cut(record.value, valueBytes);
  const { kept, leftOut } = originalHeaders(
    record.headers,
    letterBytes - (key.bytes?.length ?? 0) - (value.bytes?.length ?? 0),
  );
  const allLeftOut = leftOut + (record.stub?.headersLeftOut ?? 0);
  const ours: [name: string, value: string | undefined][] = [
    [eventKeyHeader, eventKey(partitionOf(batch, record.partition), record.offset)],
    ['headrace-step', rejection.step],
    ['headrace-code', rejection.code],
    ['headrace-reason', rejection.reason],
    ['headrace-topic', batch.topic],
    ['headrace-partition', String(record.partition)],
    ['headrace-offset', String(record.offset)],
    ['headrace-timestamp', exactTimestamp(record)],
    ['headrace-workflow', workflowId],
    [recordBytesHeader, record.stub && String(record.stub.recordBytes)],
    [valueBytesHeader, value.cutFrom],
    [keyBytesHeader, key.cutFrom],
    [leftOutHeader, allLeftOut === 0 ? undefined : String(allLeftOut)],
  ];
  const headers = [...kept, ...ours.flatMap(([name, text]) => (text === undefined ? [] : [textHeader(name, text)]))];
  return { key: key.bytes, value: value.bytes, headers };
}

/** The bytes, or the first of them and how many there were. */
function cut(bytes: Uint8Array | null, bytesMax: number): { bytes: Buffer | null; cutFrom?: string } {
  if (bytes === null || bytes.length <= bytesMax) return { bytes: bytes && Buffer.from(bytes) };
  return { bytes: Buffer.from(bytes.subarray(0, Math.min(bytesMax, stubBytes))), cutFrom: String(bytes.length) };
}

/** Names of ours: one that came with the record is of a letter that it once was, or forged, and must not stand beside those of this letter. */
const ownNames = new Set([
  eventKeyHeader,
  'headrace-step',
  'headrace-code',
  'headrace-reason',
  'headrace-topic',
  'headrace-partition',
  'headrace-offset',
  'headrace-timestamp',
  'headrace-workflow',
  recordBytesHeader,
  valueBytesHeader,
  keyBytesHeader,
  leftOutHeader,
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

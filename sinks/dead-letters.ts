import { eventKey } from '../contracts/event-key.ts';
import { deadLettersTopic, eventKeyHeader } from '../contracts/names.ts';

/** A refused record with its origin. */
export interface DeadLetterInput {
  batch: Parameters<typeof eventKey>[0];
  record: { offset: number; timestampMs: number; key: Uint8Array | null; value: Uint8Array | null; stub?: { valueBytes: number } };
  rejection: { step: string; code: string; reason: string };
  workflowId: string;
}

/** What publishing dead letters needs of Kafka. */
export interface DeadLetterPublishPort {
  publish(topic: string, messages: { key: Buffer | null; value: Buffer | null; headers: Record<string, string> }[]): Promise<void>;
}

/**
 * Publishes refused records to `<pipeline>.dead-letters` as they came, with origin and reason in headers. At-least-once, like
 * every topic; the event key header tells a repeat.
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
  return {
    key: record.key && Buffer.from(record.key),
    value: record.value && Buffer.from(record.value),
    headers: {
      [eventKeyHeader]: eventKey(batch, record.offset),
      'headrace-step': rejection.step,
      'headrace-code': rejection.code,
      'headrace-reason': rejection.reason,
      'headrace-topic': batch.topic,
      'headrace-partition': String(batch.partition),
      'headrace-offset': String(record.offset),
      'headrace-timestamp': String(record.timestampMs),
      'headrace-workflow': workflowId,
      ...(record.stub ? { 'headrace-value-bytes': String(record.stub.valueBytes) } : {}),
    },
  };
}

import { KafkaJSProtocolError, type Admin } from 'kafkajs';
import { deadLettersTopic } from '../contracts/names.ts';

/** How many dead letters each pipeline's topic holds: its end offsets less its start offsets. A topic that does not exist holds none. */
export function countDeadLetters(admin: Admin, pipelines: readonly string[]): Promise<{ pipeline: string; count: number }[]> {
  return Promise.all(
    pipelines.map(async (pipeline) => {
      try {
        const offsets = await admin.fetchTopicOffsets(deadLettersTopic(pipeline));
        return { pipeline, count: offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0) };
      } catch (error) {
        if (error instanceof KafkaJSProtocolError && error.type === 'UNKNOWN_TOPIC_OR_PARTITION') return { pipeline, count: 0 };
        throw error;
      }
    }),
  );
}

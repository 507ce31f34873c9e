import type { Admin } from 'kafkajs';
import { deadLettersTopic } from '../contracts/names.ts';

/**
 * How many dead letters each pipeline's topic holds: its end offsets less its start offsets. A topic that does not exist holds
 * none; asking for its offsets would only be retried for seconds, so the list of topics is asked first.
 */
export async function countDeadLetters(
  admin: Pick<Admin, 'listTopics' | 'fetchTopicOffsets'>,
  pipelines: readonly string[],
): Promise<{ pipeline: string; count: number }[]> {
  const topics = new Set(await admin.listTopics());
  return Promise.all(
    pipelines.map(async (pipeline) => {
      const topic = deadLettersTopic(pipeline);
      const offsets = topics.has(topic) ? await admin.fetchTopicOffsets(topic) : [];
      return { pipeline, count: offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0) };
    }),
  );
}

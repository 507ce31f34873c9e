import type { Admin } from 'kafkajs';
import { deadLettersTopic } from '../contracts/names.ts';

/**
 * How many dead letters each pipeline's topic holds: its end offsets less its start offsets. A topic that does not exist holds
 * none; asking for its offsets would only be retried for seconds, so the list of topics is asked first.
 */
export async function countDeadLetters(admin: Pick<Admin, 'listTopics' | 'fetchTopicOffsets'>, pipelines: readonly string[]): Promise<{ pipeline: string; count: number }[]> {
  const topics = new Set(await admin.listTopics());
  return Promise.all(
    pipelines.map(async (pipeline) => {
      const topic = deadLettersTopic(pipeline);
      const offsets = topics.has(topic) ? await admin.fetchTopicOffsets(topic) : [];
      return { pipeline, count: offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0) };
    }),
  );
}

/** How many records of each partition the bridge's group has not committed: those that no started batch has. */
export async function countLag(
  admin: Pick<Admin, 'fetchTopicOffsets' | 'fetchOffsets'>,
  groups: readonly { pipeline: string; topic: string; groupId: string }[],
): Promise<{ pipeline: string; topic: string; partition: number; records: number }[]> {
  const all = groups.map(async ({ pipeline, topic, groupId }) => {
    const [ends, [committed]] = await Promise.all([admin.fetchTopicOffsets(topic), admin.fetchOffsets({ groupId, topics: [topic] })]);
    const offsets = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
    return ends.map(({ partition, low, high }) => ({
      pipeline, topic, partition,
      // A group that has committed nothing stands at -1: everything that is kept lies before it.
      records: Number(high) - Math.max(Number(low), Math.min(Number(high), offsets.get(partition) ?? -1)),
    })).sort((a, b) => a.partition - b.partition);
  });
  return (await Promise.all(all)).flat();
}

import type { Admin } from 'kafkajs';

export interface TrimOptions {
  topic: string;
  /** The group whose commits say what is done. */
  groupId: string;
  /** Records from then on stay. */
  beforeMs: number;
}

/**
 * Deletes the records of a topic that its group has committed and that are older than that. What no batch has taken is never deleted,
 * however old it is, as retention by time would do: after a night in which nothing ran, or while a model is missing.
 */
export async function trimTopic(
  admin: Pick<Admin, 'fetchOffsets' | 'fetchTopicOffsetsByTimestamp' | 'fetchTopicOffsets' | 'deleteTopicRecords'>,
  { topic, groupId, beforeMs }: TrimOptions,
): Promise<void> {
  const [commits] = await admin.fetchOffsets({ groupId, topics: [topic] });
  const committed = new Map(commits?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]));
  const recent = await admin.fetchTopicOffsetsByTimestamp(topic, beforeMs);
  const lows = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, low }) => [partition, BigInt(low)]));
  const partitions = recent.flatMap(({ partition, offset }) => {
    const done = committed.get(partition) ?? -1n;
    const to = done < BigInt(offset) ? done : BigInt(offset);
    return to > (lows.get(partition) ?? 0n) ? [{ partition, offset: String(to) }] : [];
  });
  if (partitions.length > 0) await admin.deleteTopicRecords({ topic, partitions });
}

import type { Admin, ITopicConfig } from 'kafkajs';
import { messageOf } from '../../contracts/failures.ts';
import { deadLettersTopic, decisionsTopic, labelsTopic } from '../../contracts/names.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';

export interface TopicOptions {
  replicationFactor: number;
  /** How long records are kept; absent = the broker's default. */
  retentionHours?: number;
}

/** The topics that pipelines need. Labels have the events' partitions; dead letters are few and keep their order in one. */
export function topicsOf(pipelines: readonly AnyPipeline[], { replicationFactor, retentionHours }: TopicOptions): ITopicConfig[] {
  const configEntries = retentionHours === undefined ? [] : [{ name: 'retention.ms', value: String(retentionHours * 3_600_000) }];
  return pipelines.flatMap(({ name, topic }) => [
    { topic: topic.name, numPartitions: topic.partitions, replicationFactor, configEntries },
    { topic: decisionsTopic(name), numPartitions: topic.partitions, replicationFactor, configEntries },
    { topic: labelsTopic(name), numPartitions: topic.partitions, replicationFactor, configEntries },
    { topic: deadLettersTopic(name), numPartitions: 1, replicationFactor, configEntries },
  ]);
}

/** Creates the topics that do not exist; those that do are left as they are. Answers the names it created. */
export async function createTopics(admin: Admin, topics: readonly ITopicConfig[]): Promise<string[]> {
  const existing = new Set(await admin.listTopics());
  const missing = topics.filter(({ topic }) => !existing.has(topic));
  if (missing.length === 0) return [];
  const names = missing.map(({ topic }) => topic);
  try {
    await admin.createTopics({ topics: [...missing], waitForLeaders: true, timeout: 20_000 });
  } catch (error) {
    throw new Error(`Kafka does not let us create ${names.join(', ')} (${messageOf(error)}): create them, or give this user the right to`, { cause: error });
  }
  return names;
}

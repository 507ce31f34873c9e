import type { Admin, ITopicConfig, Kafka } from 'kafkajs';
import { messageOf } from '../contracts/failures.ts';
import { deadLettersTopic, decisionsTopic, labelsTopic } from '../contracts/names.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';

export interface TopicOptions {
  /** Named when none of them answers. */
  brokers: readonly string[];
  /** Absent = the brokers' default. */
  replicationFactor?: number;
  /** How long records are kept; absent = the broker's default. */
  retentionHours?: number;
}

/**
 * Creates the topics of the pipelines that do not exist yet, and answers their names. Existing ones are left as they are. Throws
 * with one sentence when no broker answers, or when this user may not create topics.
 */
export async function ensureTopics(kafka: Kafka, pipelines: readonly AnyPipeline[], options: TopicOptions): Promise<string[]> {
  const admin = kafka.admin();
  try {
    await admin.connect().catch((error: unknown) => {
      throw new Error(`no Kafka answers at ${options.brokers.join(', ')}; check KAFKA_BROKERS and its TLS and SASL settings (${messageOf(error)})`, { cause: error });
    });
    return await createMissing(admin, topicsOf(pipelines, options));
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** As Kafka's protocol has it. */
const brokersDefault = -1;

/** Labels have the events' partitions; dead letters are few and keep their order in one. */
function topicsOf(pipelines: readonly AnyPipeline[], { replicationFactor = brokersDefault, retentionHours }: TopicOptions): ITopicConfig[] {
  const configEntries = retentionHours === undefined ? [] : [{ name: 'retention.ms', value: String(retentionHours * 3_600_000) }];
  return pipelines.flatMap(({ name, topic }) => [
    { topic: topic.name, numPartitions: topic.partitions, replicationFactor, configEntries },
    { topic: decisionsTopic(name), numPartitions: topic.partitions, replicationFactor, configEntries },
    { topic: labelsTopic(name), numPartitions: topic.partitions, replicationFactor, configEntries },
    { topic: deadLettersTopic(name), numPartitions: 1, replicationFactor, configEntries },
  ]);
}

async function createMissing(admin: Admin, topics: readonly ITopicConfig[]): Promise<string[]> {
  const existing = new Set(await admin.listTopics());
  const missing = topics.filter(({ topic }) => !existing.has(topic));
  if (missing.length === 0) return [];
  const names = missing.map(({ topic }) => topic);
  try {
    // Answers false when another process was quicker, which is as good.
    await admin.createTopics({ topics: missing, waitForLeaders: true, timeout: 20_000 });
  } catch (error) {
    throw new Error(`Kafka does not let us create ${names.join(', ')} (${messageOf(error)}): create them, or give this user the right to`, { cause: error });
  }
  return names;
}

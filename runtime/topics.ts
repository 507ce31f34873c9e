import type { Kafka } from 'kafkajs';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { deadLettersTopic, decisionsTopic, labelsTopic } from '../contracts/names.ts';
import { messageOf } from '../contracts/failures.ts';

/**
 * Creates the topics of the pipelines that do not exist yet. Existing ones are left as they are. Throws with one sentence that
 * names KAFKA_BROKERS when no broker answers.
 */
export async function ensureTopics(kafka: Kafka, pipelines: readonly AnyPipeline[], replicationFactor: number): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const existing = new Set(await admin.listTopics());
    const wanted = pipelines.flatMap(({ name, topic }) => [
      { topic: topic.name, numPartitions: topic.partitions },
      { topic: decisionsTopic(name), numPartitions: topic.partitions },
      { topic: deadLettersTopic(name), numPartitions: 1 },
      { topic: labelsTopic(name), numPartitions: topic.partitions },
    ]);
    const missing = wanted.filter(({ topic }) => !existing.has(topic));
    // Answers false when another process was quicker, which is as good.
    if (missing.length > 0) await admin.createTopics({ topics: missing.map((each) => ({ ...each, replicationFactor })), waitForLeaders: true, timeout: 10_000 });
  } catch (error) {
    throw new Error(`topics cannot be made; check KAFKA_BROKERS and its TLS and SASL settings (${messageOf(error)})`, { cause: error });
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

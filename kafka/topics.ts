import type { Admin, ITopicConfig, Kafka } from 'kafkajs';
import { messageOf } from '../contracts/failures.ts';
import { deadLettersTopic, decisionsTopic, labelsTopic } from '../contracts/names.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { createAdmin } from './admin.ts';
import { troubleOf } from './diagnosis.ts';
import { sleep } from '../lib/sleep.ts';

export interface TopicOptions {
  /** Absent = the brokers' default. */
  replicationFactor?: number;
  /**
   * The broker is ours, and its disk small: events stay until a `TopicTrimmer` takes those that are done, and what is read by people stays for
   * a week. Absent = all of it is the brokers' default.
   */
  isEmbedded?: boolean;
}

/** Making topics takes the brokers a while, and kafkajs waits until each has a leader. */
const topicsDeadlineMs = 60_000;
const knownTriesMax = 100;
const knownPauseMs = 200;

/**
 * Creates the topics of the pipelines that do not exist yet, and returns their names. Existing ones are left as they are. Throws
 * with one sentence when that does not work, or when this user may not create topics.
 */
export async function ensureTopics(
  kafka: Pick<Kafka, 'admin'>,
  pipelines: readonly AnyPipeline[],
  options: TopicOptions,
): Promise<string[]> {
  const admin = createAdmin(kafka, topicsDeadlineMs);
  try {
    await admin.connect();
    return await createMissing(admin, topicsOf(pipelines, options));
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** As Kafka's protocol has it. */
const brokersDefault = -1;

const entries = (settings: Record<string, number>) =>
  Object.entries(settings).map(([name, value]) => ({ name, value: String(value) }));
/** An event that no batch has taken yet is never deleted. */
const keptUntilTrimmed = entries({ 'retention.ms': -1 });
/** Few, and for people: longer than a weekend, but no more than this of each partition. */
const keptAWeek = entries({ 'retention.ms': 7 * 24 * 3_600_000, 'retention.bytes': 64 * 1024 * 1024 });

/** Labels have the events' partitions; dead letters are few and keep their order in one. */
function topicsOf(
  pipelines: readonly AnyPipeline[],
  { replicationFactor = brokersDefault, isEmbedded = false }: TopicOptions,
): ITopicConfig[] {
  return pipelines.flatMap(({ name, topic: { name: events, partitions } }) => {
    const of = (topic: string, numPartitions: number, configEntries: typeof keptAWeek = []) => ({
      topic,
      numPartitions,
      replicationFactor,
      configEntries: isEmbedded ? configEntries : [],
    });
    return [
      of(events, partitions, keptUntilTrimmed),
      of(decisionsTopic(name), partitions),
      of(labelsTopic(name), partitions, keptAWeek),
      of(deadLettersTopic(name), 1, keptAWeek),
    ];
  });
}

async function createMissing(admin: Admin, topics: readonly ITopicConfig[]): Promise<string[]> {
  const existing = new Set(await admin.listTopics());
  const missing = topics.filter(({ topic }) => !existing.has(topic));
  if (missing.length === 0) return [];
  const names = missing.map(({ topic }) => topic);
  try {
    // Returns false when another process was quicker, which is as good.
    await admin.createTopics({ topics: missing, waitForLeaders: true, timeout: 20_000 });
  } catch (error) {
    if (troubleOf(error).type !== 'UNKNOWN_TOPIC_OR_PARTITION')
      throw new Error(refusalOf(error, names), { cause: error });
    await untilKnown(admin, names);
  }
  return names;
}

/** The controller has made them, and the broker that kafkajs asks for their leaders has not heard of it yet. kafkajs takes that for a failure. */
async function untilKnown(admin: Admin, names: readonly string[]): Promise<void> {
  for (let tries = 0; tries < knownTriesMax; tries++) {
    const known = new Set(await admin.listTopics());
    if (names.every((name) => known.has(name))) return;
    await sleep(knownPauseMs);
  }
  throw new Error(
    `Kafka has made the topics ${names.join(', ')}, and does not list them after ${(knownTriesMax * knownPauseMs) / 1_000} s`,
  );
}

function refusalOf(error: unknown, names: readonly string[]): string {
  // kafkajs keeps the reasons in what the error carries.
  const refusals = (error as { errors?: { type?: string; message: string }[] }).errors ?? [];
  const reasons =
    refusals.length > 0 ? [...new Set(refusals.map(({ message }) => message))].join('; ') : messageOf(error);
  const list = names.join(', ');
  if (!refusals.some(({ type }) => type?.endsWith('AUTHORIZATION_FAILED'))) {
    return `Kafka does not create the topics ${list} (${reasons}): create them, or see KAFKA_REPLICATION_FACTOR and the brokers' policies`;
  }
  return `Kafka shows this user no topics ${list}, and does not let it create them (${reasons}): where they exist, give it the rights to Describe, Read and Write them; else create them, or give it the right to Create`;
}

import { expect, test } from 'vitest';
import { keepTrimmed } from '../../../cli/up/trim.ts';
import type { AnyPipeline } from '../../../contracts/pipeline.ts';
import { encodeCommitMetadata } from '../../../contracts/schemas/commit-metadata.ts';
import { parseConfig } from '../../../contracts/schemas/config.ts';
import { commitForGroup } from '../../../kafka/group-commit.ts';
import { connectKafka, connectProducer } from '../../kafka/kafka-rig.ts';
import { startLiveServers, uniqueName } from '../../stack/live.ts';

const intervalMs = 50;
const hourMs = 3_600_000;
const records = 1_000;

test('npm start keeps a topic trimmed to what all of its pipelines have decided, tells once when Kafka is away, and ends', async () => {
  const { kafka: servers } = await startLiveServers({ kafka: true });
  const kafka = await connectKafka();
  const admin = kafka.admin();
  const producer = await connectProducer(kafka);
  const [topic, deployment] = [uniqueName('topic'), uniqueName('deployment')];
  const config = parseConfig({
    HEADRACE_DEPLOYMENT: deployment,
    KAFKA_GROUP_PREFIX: 'trimmed',
    KAFKA_BROKERS: servers.brokers.join(),
  });
  const pipelines = ['fast', 'slow'].map((name) => ({ name, topic: { name: topic } }) as AnyPipeline);
  const ended = new AbortController();
  const errors: unknown[] = [];
  const trimmed = keepTrimmed({
    config,
    pipelines,
    // What was committed at the look before may go.
    retentionHours: intervalMs / hourMs,
    intervalMs,
    signal: ended.signal,
    // The topic is not there at first.
    onError: (error) => errors.push(error),
  });
  const metadata = encodeCommitMetadata({ epoch: 0, layout: 0, chains: 1 });
  const commit = (pipeline: string, offset: number) =>
    commitForGroup(kafka, `trimmed.${deployment}.${pipeline}`, topic, new Map([[0, { offset, metadata }]]));
  const low = async () => Number((await admin.fetchTopicOffsets(topic))[0]!.low);
  try {
    await expect.poll(() => errors.length, { timeout: 60_000 }).toBe(1);
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false });
    await expect.poll(() => low().catch(() => -1), { timeout: 60_000 }).toBe(0);
    await producer.send({ topic, messages: Array.from({ length: records }, () => ({ value: 'v' })) });
    await commit('fast', records);
    let committed = 0;
    const next = async () => {
      if (committed < records) await commit('slow', ++committed);
      return low();
    };
    await expect.poll(next, { timeout: 60_000, interval: 20 }).toBeGreaterThan(0);
    expect(await low()).toBeLessThanOrEqual(committed);
    expect(errors).toHaveLength(1);
  } finally {
    ended.abort();
    await trimmed;
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }
}, 180_000);

import { Kafka, logLevel } from 'kafkajs';
import { expect, it } from 'vitest';
import { deadLettersTopic } from '../../contracts/names.ts';
import { countDeadLetters } from '../../kafka/topic-counts.ts';
import { createLogReader } from '../../kafka/log-reader.ts';
import { createPublisher } from '../../kafka/producer.ts';
import { startLiveServers, uniqueName } from '../stack/live.ts';

it('says of a pipeline whose letters cannot be counted why, and counts those of the others', async () => {
  const known = { start: 2, end: 5, highWatermark: 5 };
  const ends = (topic: string) =>
    Promise.resolve(
      new Map([
        [0, known],
        [1, topic === deadLettersTopic('orders') ? known : new Error('partition 1 has no leader')],
      ]),
    );
  const admin = { listTopics: () => Promise.resolve(['orders', 'returns'].map(deadLettersTopic)) };
  expect(await countDeadLetters({ admin, logs: { ends } }, ['orders', 'returns'])).toEqual([
    { pipeline: 'orders', count: 6 },
    { pipeline: 'returns', reason: 'partition 1 has no leader' },
  ]);
});

it('counts the dead letters of each pipeline over all partitions; none where there is no topic', async () => {
  const { kafka: live } = await startLiveServers({ kafka: true });
  const kafka = new Kafka({ brokers: live.brokers, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const logs = createLogReader(kafka);
  await Promise.all([admin.connect(), logs.connect()]);
  const publisher = await createPublisher(kafka);
  try {
    const [full, empty, missing] = ['full', 'empty', 'missing'].map(uniqueName) as [string, string, string];
    await admin.createTopics({
      topics: [full, empty].map((name) => ({ topic: deadLettersTopic(name), numPartitions: 3 })),
      waitForLeaders: true,
      timeout: 30_000,
    });
    await publisher.publish(
      deadLettersTopic(full),
      Array.from({ length: 7 }, (_, i) => ({ key: `k${i}`, value: 'x' })),
    );
    const [inFull, ...others] = await countDeadLetters({ admin, logs }, [full, empty, missing]);
    // A producer that loses an answer sends again, so there may be more than were published.
    expect(inFull).toEqual({ pipeline: full, count: expect.toSatisfy((count: number) => count >= 7) });
    expect(others).toEqual([
      { pipeline: empty, count: 0 },
      { pipeline: missing, count: 0 },
    ]);
    await admin.deleteTopicRecords({
      topic: deadLettersTopic(full),
      partitions: [0, 1, 2].map((partition) => ({ partition, offset: '-1' })),
    });
    await expect.poll(() => countDeadLetters({ admin, logs }, [full])).toEqual([{ pipeline: full, count: 0 }]);
  } finally {
    await publisher.close();
    await Promise.all([admin.disconnect(), logs.close()]);
  }
}, 120_000);

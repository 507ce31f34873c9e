import { Kafka, logLevel } from 'kafkajs';
import { expect, it } from 'vitest';
import { deadLettersTopic } from '../../contracts/names.ts';
import { countDeadLetters, countLag } from '../../gateway/topic-counts.ts';
import { createPublisher } from '../../runtime/publisher.ts';
import { startLiveServers, uniqueName } from '../stack/live.ts';

it('counts the dead letters of each pipeline over all partitions; none where there is no topic', async () => {
  const { kafka: live } = await startLiveServers({ kafka: true });
  const kafka = new Kafka({ brokers: live.brokers, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const publisher = await createPublisher(kafka);
  try {
    const [full, empty, missing] = ['full', 'empty', 'missing'].map(uniqueName) as [string, string, string];
    await admin.createTopics({ topics: [full, empty].map((name) => ({ topic: deadLettersTopic(name), numPartitions: 3 })), waitForLeaders: true, timeout: 30_000 });
    await publisher.publish(deadLettersTopic(full), Array.from({ length: 7 }, (_, i) => ({ key: `k${i}`, value: 'x' })));
    const [inFull, ...others] = await countDeadLetters(admin, [full, empty, missing]);
    // A producer that loses an answer sends again, so there may be more than were published.
    expect(inFull).toEqual({ pipeline: full, count: expect.toSatisfy((count: number) => count >= 7) });
    expect(others).toEqual([{ pipeline: empty, count: 0 }, { pipeline: missing, count: 0 }]);
    await admin.deleteTopicRecords({ topic: deadLettersTopic(full), partitions: [0, 1, 2].map((partition) => ({ partition, offset: '-1' })) });
    await expect.poll(() => countDeadLetters(admin, [full])).toEqual([{ pipeline: full, count: 0 }]);
  } finally {
    await publisher.close();
    await admin.disconnect();
  }
}, 120_000);

it('counts the records after the committed offset, or all that are kept when nothing is committed', async () => {
  const { kafka: live } = await startLiveServers({ kafka: true });
  const kafka = new Kafka({ brokers: live.brokers, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const producer = kafka.producer({ idempotent: false });
  await producer.connect();
  try {
    const [topic, groupId] = [uniqueName('topic'), uniqueName('group')];
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true, timeout: 30_000 });
    await producer.send({ topic, acks: -1, messages: Array.from({ length: 8 }, () => ({ partition: 1, value: 'x' })) });
    const ends = await admin.fetchTopicOffsets(topic);
    const end = Number(ends.find(({ partition }) => partition === 1)!.high);
    const lag = () => countLag(admin, [{ pipeline: 'orders', topic, groupId }]);
    const expected = (records: number) => [{ pipeline: 'orders', topic, partition: 0, records: 0 }, { pipeline: 'orders', topic, partition: 1, records }];
    // A broker that has just started makes its topic of committed offsets at the first question.
    await expect.poll(lag, { timeout: 30_000 }).toEqual(expected(end));
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: '5' }] });
    expect(await lag()).toEqual(expected(end - 5));
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: String(end) }] });
    expect(await lag()).toEqual(expected(0));
  } finally {
    await producer.disconnect();
    await admin.disconnect();
  }
}, 120_000);

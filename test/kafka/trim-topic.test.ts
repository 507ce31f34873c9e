import type { Admin, Kafka } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { trimTopic } from '../../kafka/trim-topic.ts';
import { uniqueName } from '../stack/live.ts';
import { connectKafka, connectProducer } from './kafka-rig.ts';

let kafka: Kafka;
let admin: Admin;
beforeAll(async () => {
  kafka = await connectKafka();
  admin = kafka.admin();
  await admin.connect();
}, 180_000);
afterAll(() => admin?.disconnect());

const hourMs = 3_600_000;

/** A topic of one partition whose records are so many hours old, up to an offset committed by a group. */
async function topicWith(agesHours: readonly number[], committed: number | undefined) {
  const topic = uniqueName('topic');
  const groupId = uniqueName('group');
  // Kafka's own retention, a week by default, must not take the old ones.
  const configEntries = [{ name: 'retention.ms', value: '-1' }];
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }], waitForLeaders: true });
  const producer = await connectProducer(kafka);
  const messages = agesHours.map((age) => ({ value: 'v', timestamp: String(Date.now() - age * hourMs) }));
  if (messages.length > 0) await producer.send({ topic, messages });
  await producer.disconnect();
  if (committed !== undefined)
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: String(committed) }] });
  return { topic, groupId };
}
const lowOf = async (topic: string) => Number((await admin.fetchTopicOffsets(topic))[0]!.low);

test.each([
  ['what is committed and old goes', [3, 2, 0.5, 0], 4, 2],
  ['what is not committed stays, however old', [300, 300, 300], 1, 1],
  ['what a group has never committed stays', [3, 2], undefined, 0],
  ['all of it goes when all is old and committed', [3, 2], 2, 2],
  ['what is recent stays', [0.5, 0], 2, 0],
  ['an empty topic is left as it is', [], undefined, 0],
])('%s', async (_, ages, committed, low) => {
  const { topic, groupId } = await topicWith(ages, committed);
  const beforeMs = Date.now() - hourMs;
  await trimTopic(admin, { topic, groupId, beforeMs });
  expect(await lowOf(topic)).toBe(low);
  await trimTopic(admin, { topic, groupId, beforeMs });
  expect(await lowOf(topic)).toBe(low);
});

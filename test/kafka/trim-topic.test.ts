import type { Admin, Kafka } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeCommitMetadata } from '../../contracts/schemas/commit-metadata.ts';
import { commitForGroup } from '../../kafka/group-commit.ts';
import { createLogReader, type LogReader } from '../../kafka/log-reader.ts';
import { TopicTrimmer } from '../../kafka/trim-topic.ts';
import { until } from '../live/wait.ts';
import { uniqueName } from '../stack/live.ts';
import { connectKafka, connectProducer } from './kafka-rig.ts';

let kafka: Kafka;
let admin: Admin;
let logs: LogReader;
beforeAll(async () => {
  kafka = await connectKafka();
  admin = kafka.admin();
  logs = createLogReader(kafka);
  await Promise.all([admin.connect(), logs.connect()]);
}, 180_000);
afterAll(() => Promise.all([admin?.disconnect(), logs?.close()]));

const minuteMs = 60_000;
const keepMs = 60 * minuteMs;

const ours = encodeCommitMetadata({ epoch: 0, layout: 0, chains: 1 });

/** A topic of one partition, and groups that commit. Record times are nonsense, and say nothing. */
async function topicWith(records: number, groupIds = [uniqueName('group')]) {
  const topic = uniqueName('topic');
  const producer = await connectProducer(kafka);
  const create = async () => {
    await admin.createTopics({
      topics: [{ topic, numPartitions: 1, configEntries: [{ name: 'retention.ms', value: '-1' }] }],
      waitForLeaders: false,
    });
    await until('the topic is served', async () => {
      const ends = await logs.ends(topic).catch(() => undefined);
      return ends?.has(0) && !(ends.get(0) instanceof Error);
    });
  };
  const send = async (count: number) => {
    const times = ['0', String(Date.now()), '1'];
    const messages = Array.from({ length: count }, (_, i) => ({ value: 'v', timestamp: times[i % 3]! }));
    if (count > 0) await producer.send({ topic, messages });
  };
  await create();
  await send(records);
  const trimmer = new TopicTrimmer(topic, groupIds, keepMs);
  return {
    send,
    stop: () => producer.disconnect(),
    commit: (offset: number, { metadata = ours, groupId = groupIds[0]! } = {}) =>
      commitForGroup(kafka, groupId, topic, new Map([[0, { offset, metadata }]])),
    /** The start of the log after a look at a minute. */
    async lowAfter(minute: number): Promise<number> {
      await trimmer.look({ admin, logs }, minute * minuteMs);
      return Number((await admin.fetchTopicOffsets(topic))[0]!.low);
    },
    async recreate(): Promise<void> {
      await admin.deleteTopics({ topics: [topic] });
      await until('the topic is gone', async () => !(await admin.listTopics()).includes(topic));
      // Kafka deletes the commits of a deleted topic, a little later.
      for (const groupId of groupIds)
        await until('its commits are gone', async () =>
          (await admin.fetchOffsets({ groupId })).every((each) => each.topic !== topic),
        );
      await create();
    },
  };
}

test('what was committed an hour ago goes, whatever record times say; what was committed since stays', async () => {
  const topic = await topicWith(10);
  await topic.commit(4);
  expect(await topic.lowAfter(0)).toBe(0);
  await topic.commit(6);
  expect(await topic.lowAfter(30)).toBe(0);
  await topic.commit(7);
  expect(await topic.lowAfter(61)).toBe(4);
  await topic.commit(8);
  expect(await topic.lowAfter(92)).toBe(6);
  await topic.stop();
});

test('what is not committed stays, however long it has been there', async () => {
  const topic = await topicWith(10);
  for (const minute of [0, 61, 122, 183]) expect(await topic.lowAfter(minute)).toBe(0);
  await topic.commit(3);
  expect(await topic.lowAfter(244)).toBe(0);
  await topic.stop();
});

test('of a partition whose commit does not move nothing goes: it may be that of the log before', async () => {
  const topic = await topicWith(10);
  await topic.commit(4);
  for (const minute of [0, 61, 122]) expect(await topic.lowAfter(minute)).toBe(0);
  await topic.stop();
});

test('of a topic that was recreated nothing goes by the commits of the one before', async () => {
  const topic = await topicWith(10);
  await topic.commit(4);
  await topic.lowAfter(0);
  await topic.commit(5);
  expect(await topic.lowAfter(61)).toBe(4);
  await topic.recreate();
  await topic.send(20);
  // The bridge has halted, or an operator has begun the new log at its start.
  for (const minute of [62, 123, 184]) expect(await topic.lowAfter(minute)).toBe(0);
  await topic.commit(1);
  for (const minute of [245, 306]) expect(await topic.lowAfter(minute)).toBe(0);
  await topic.commit(3);
  expect(await topic.lowAfter(367)).toBe(1);
  await topic.stop();
});

test('nothing goes by a commit beyond the end of the log', async () => {
  const topic = await topicWith(10);
  await topic.commit(11);
  expect(await topic.lowAfter(0)).toBe(0);
  await topic.commit(12);
  expect(await topic.lowAfter(61)).toBe(0);
  await topic.stop();
});

test('an empty topic is left as it is', async () => {
  const topic = await topicWith(0);
  for (const minute of [0, 61]) expect(await topic.lowAfter(minute)).toBe(0);
  await topic.stop();
});

test('a commit that was meant for the log before takes nothing of the new one, also when that is longer', async () => {
  const topic = await topicWith(10);
  await topic.commit(4);
  expect(await topic.lowAfter(0)).toBe(0);
  await topic.recreate();
  await topic.send(20);
  await topic.commit(5);
  for (const minute of [61, 122]) expect(await topic.lowAfter(minute)).toBe(0);
  await topic.stop();
});

test('nothing goes by a commit without our metadata: somebody has moved the group', async () => {
  const topic = await topicWith(10);
  await topic.commit(4, { metadata: '' });
  expect(await topic.lowAfter(0)).toBe(0);
  await topic.commit(6, { metadata: 'not ours' });
  for (const minute of [61, 122]) expect(await topic.lowAfter(minute)).toBe(0);
  await topic.stop();
});

test('of a topic that several groups read only what all of them have committed goes', async () => {
  const [fast, slow] = [uniqueName('group'), uniqueName('group')];
  const topic = await topicWith(10, [fast, slow]);
  await topic.commit(4, { groupId: fast });
  expect(await topic.lowAfter(0)).toBe(0);
  await topic.commit(6, { groupId: fast });
  expect(await topic.lowAfter(61)).toBe(0);
  await topic.commit(2, { groupId: slow });
  expect(await topic.lowAfter(62)).toBe(0);
  await topic.commit(3, { groupId: slow });
  expect(await topic.lowAfter(123)).toBe(2);
  await topic.stop();
});

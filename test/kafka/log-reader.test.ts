import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refuseOnlyTopics, type Cluster, type Protocol } from '../../kafka/cluster.ts';
import { createLogReader, type LogEnds, type LogReader } from '../../kafka/log-reader.ts';
import { until } from '../live/wait.ts';
import { startLiveServers, uniqueName } from '../stack/live.ts';
import { connectProducer } from './kafka-rig.ts';

let kafka: Kafka;
let logs: LogReader;
const cleanUps: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const servers = await startLiveServers({ kafka: true });
  kafka = new Kafka({ clientId: 'test', brokers: servers.kafka.brokers, logLevel: logLevel.NOTHING });
  logs = createLogReader(kafka);
  await logs.connect();
}, 120_000);
afterAll(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
  await logs?.close();
});

async function newTopic(numPartitions = 1): Promise<string> {
  const topic = uniqueName('topic');
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true });
  await admin.disconnect();
  return topic;
}

async function newProducer(transactionalId?: string) {
  const producer = await connectProducer(kafka, transactionalId);
  cleanUps.push(() => producer.disconnect());
  return producer;
}

describe('the reader of logs', () => {
  test('tells of each partition by itself whose leader is away', async () => {
    const answer = (offset: number) => ({
      responses: [
        {
          partitions: [
            { partition: 0, errorCode: 0, offset: String(offset) },
            { partition: 3, errorCode: 6, offset: '-1' },
          ],
        },
      ],
    });
    const broker = {
      lookupRequest: () => () => ({ request: {}, response: { decode: () => Promise.resolve(answer(7)) } }),
      connectionPool: { send: async ({ response }: Protocol) => response.parse(await response.decode(undefined)) },
    };
    const cluster = {
      addTargetTopic: () => Promise.resolve(),
      refreshMetadataIfNecessary: () => Promise.resolve(),
      findTopicPartitionMetadata: () =>
        [
          [0, 1],
          [1, 2],
          [2, -1],
          [3, 1],
        ].map(([partitionId, leader]) => ({ partitionId, leader })),
      findBroker: ({ nodeId }: { nodeId: number }) =>
        nodeId === 1 ? Promise.resolve(broker) : Promise.reject(new Error('connect ECONNREFUSED')),
    } as unknown as Cluster;
    const ends = await createLogReader(kafka, cluster).ends('t');
    expect(ends.get(0)).toEqual({ start: 7, end: 7, highWatermark: 7 });
    expect((ends.get(1) as Error).message).toBe('broker 2, which leads it, does not answer: connect ECONNREFUSED');
    expect((ends.get(2) as Error).message).toBe('partition 2 has no leader: the brokers that hold it are away');
    expect((ends.get(3) as Error).message).toMatch(/not the leader/);
  });

  test('takes the metadata of a topic of which a partition has no leader', () => {
    const metadata = (topicErrorCode: number) => ({
      topicMetadata: [
        { topicErrorCode, topic: 't', partitionMetadata: [{ partitionErrorCode: 5, partitionId: 0, leader: -1 }] },
      ],
    });
    expect(refuseOnlyTopics(metadata(0))).toEqual(metadata(0));
    expect(() => refuseOnlyTopics(metadata(3))).toThrow(/topic/);
  });

  test('tells what an open transaction holds back, and since when', async () => {
    const topic = await newTopic(2);
    await (await newProducer()).send({
      topic,
      messages: [
        { partition: 0, value: 'a', timestamp: '1700000000000' },
        { partition: 1, value: 'b' },
      ],
    });
    const transaction = await (await newProducer(uniqueName('tx'))).transaction();
    await transaction.send({
      topic,
      messages: [
        { partition: 0, value: 'c', timestamp: '1600000000000' },
        { partition: 0, value: 'd' },
      ],
    });
    expect(await logs.ends(topic)).toEqual(
      new Map([
        [0, { start: 0, end: 1, highWatermark: 3 }],
        [1, { start: 0, end: 1, highWatermark: 1 }],
      ]),
    );
    expect(await logs.timeAt(topic, 0, 1)).toBe(1_600_000_000_000);
    expect(await logs.firstRecord(topic, 0, 0)).toEqual({ offset: 0, timeMs: 1_700_000_000_000 });
    expect(await logs.firstRecord(topic, 0, 1)).toEqual({ noneBelow: 1 });
    await transaction.abort();
    // The aborted records and their marker, which comes a moment later, are nothing to do.
    await until('the marker', async () => ((await logs.ends(topic)).get(0) as LogEnds).end === 4);
    expect(await logs.firstRecord(topic, 0, 1)).toEqual({ noneBelow: 4 });
  }, 60_000);

  test('finds the first record behind transactions that overlap, one aborted and one committed', async () => {
    const topic = await newTopic();
    const first = await (await newProducer(uniqueName('tx'))).transaction();
    const second = await (await newProducer(uniqueName('tx'))).transaction();
    await first.send({ topic, messages: [{ value: 'never seen' }] });
    await second.send({ topic, messages: [{ value: 'seen', timestamp: '1650000000000' }] });
    await first.send({ topic, messages: [{ value: 'never seen' }] });
    await second.commit();
    await first.abort();
    await until('both have ended', async () => ((await logs.ends(topic)).get(0) as LogEnds).end === 5);
    expect(await logs.firstRecord(topic, 0, 0)).toEqual({ offset: 1, timeMs: 1_650_000_000_000 });
    expect(await logs.firstRecord(topic, 0, 2)).toEqual({ noneBelow: 5 });
  }, 60_000);

  test('refuses a topic that is not there', async () => {
    await expect(logs.ends(uniqueName('missing'))).rejects.toThrow(/topic/i);
  }, 60_000);
});

import { gzipSync } from 'node:zlib';
import { CompressionTypes, Kafka, logLevel, Partitioners, type Admin } from 'kafkajs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Budget } from '../../bridge/budget.ts';
import { systemClock } from '../../bridge/clock.ts';
import { createKafkaSource } from '../../kafka/consumer.ts';
import { PipelineBridge } from '../../bridge/pipeline-bridge.ts';
import { headersIn, textHeader } from '../../contracts/record-headers.ts';
import { decodeRecords } from '../../contracts/records-frame.ts';
import { readTopicRange } from '../../kafka/topic-range.ts';
import { createPublisher } from '../../kafka/producer.ts';
import { until } from '../live/wait.ts';
import { startLiveServers, uniqueName } from '../stack/live.ts';
import { FakeStarter, recordingReports } from './fakes.ts';

let kafka: Kafka;
let admin: Admin;
let topic: string;
let cleanUps: (() => Promise<unknown>)[];

beforeEach(async () => {
  cleanUps = [];
  const servers = await startLiveServers({ kafka: true });
  kafka = new Kafka({ clientId: 'test', brokers: servers.kafka.brokers, logLevel: logLevel.NOTHING });
  admin = kafka.admin();
  await admin.connect();
  cleanUps.push(() => admin.disconnect());
  topic = uniqueName('topic');
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true });
}, 120_000);
afterEach(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
});

/** Runs a bridge on the topic, and remembers what it did. */
async function startBridge() {
  const starter = new FakeStarter();
  const reports = recordingReports();
  const errors: string[] = [];
  const halts: { partition: number; offset: number | undefined; reason: string }[] = [];
  reports.halted = ({ partition }, reason, offset) => void halts.push({ partition, reason, offset });
  const bridge = new PipelineBridge(
    {
      createSource: () =>
        createKafkaSource(kafka, { topic, groupId: uniqueName('group'), sessionTimeoutMs: 10_000, chains: 1 }),
      starter,
      ledgerEnds: () => Promise.resolve(new Map()),
      newestEpoch: () => Promise.resolve(undefined),
      clock: systemClock,
      budget: new Budget(systemClock, 1_000),
      openBatches: { isFull: () => false, admit: () => Promise.resolve() },
      reports,
      log: { info: () => {}, error: (text) => void errors.push(text) },
    },
    {
      topic: { deployment: 'd', pipeline: 'p', epoch: 0, topic },
      chains: 1,
      startAt: 'earliest',
      caps: { recordsMax: 100, bytesMax: 1_000_000 },
      laneBytesMax: { all: 1_000_000, each: 1_000_000 },
      startDeadlineMs: 1_000,
    },
  );
  cleanUps.push(() => bridge.stop());
  await bridge.start();
  const records = (of: number) =>
    starter.starts.flatMap((start) => decodeRecords(start.records).records).filter(({ partition }) => partition === of);
  return { records, halts, errors };
}

test('a batch that inflates to no end halts its own partition with its offset; the others go on, and so does this one when it is gone', async () => {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  cleanUps.push(() => producer.disconnect());
  const send = (partition: number, value: string | Buffer, compression = CompressionTypes.None) =>
    producer.send({ topic, acks: -1, compression, messages: [{ partition, value }] });
  await send(0, 'before');
  await send(0, Buffer.alloc(70 * 1024 * 1024), CompressionTypes.GZIP);
  await send(0, 'behind');
  await send(1, 'other');
  const { records, halts, errors } = await startBridge();
  await until('halted', () => halts.length > 0 && records(0).length === 1 && records(1).length === 1, {
    detail: () => errors.join('\n'),
  });
  expect(halts[0]).toEqual({
    partition: 0,
    offset: 1,
    reason: expect.stringMatching(
      /^offset 1 cannot be read: a gzip record batch of \d+ bytes that inflates to more than 67108864/,
    ),
  });
  await send(1, 'another');
  await until('the other partition goes on', () => records(1).length === 2);

  await expect(async () => {
    for await (const { records: read } of readTopicRange(kafka, topic, 0, 0, 3))
      expect(read.map(({ offset }) => offset)).toEqual([0]);
  }).rejects.toThrow(/offset 1 of partition 0 .* cannot be read: a gzip record batch/);

  // kafkajs deletes only where it knows the leader.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] });
  await until('it goes on', () => records(0).length === 2, { timeoutMs: 30_000 });
  expect(records(0).map(({ offset }) => offset)).toEqual([0, 2]);
  expect(errors).toEqual([]);
}, 90_000);

test('headers come as they were written: in order, repeated, empty, without a value, of any bytes and names, thousands of them', async () => {
  const publisher = await createPublisher(kafka);
  cleanUps.push(() => publisher.close());
  const odd = [
    textHeader('a', '1'),
    textHeader('nothing', null),
    textHeader('a', '2'),
    textHeader('empty', ''),
    textHeader('', 'no name'),
    textHeader('__proto__', 'p'),
    textHeader('toString', 't'),
    [Buffer.from([0xff, 0xfe]), Buffer.from([0, 0x80, 0xff])] as const,
  ];
  const many = Array.from({ length: 12_000 }, (_, i) => textHeader(`h${i}`, 'v'));
  await publisher.publish(topic, [
    { key: 'k', value: 'odd', headers: odd },
    { key: 'k', value: 'many', headers: many },
    { key: 'k', value: gzipSync('plain') },
  ]);
  const { records } = await startBridge();
  const all = () => [...records(0), ...records(1)];
  await until('read', () => all().length === 3);
  const plain = (headers: Iterable<readonly (Uint8Array | null)[]>) =>
    [...headers].map((header) => header.map((part) => part && Buffer.from(part).toString('hex')));
  expect(all().map(({ headers }) => plain(headersIn(headers)))).toEqual([plain(odd), plain(many), []]);
}, 60_000);

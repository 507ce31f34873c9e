import { Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Budget } from '../../bridge/budget.ts';
import { systemClock } from '../../bridge/clock.ts';
import { createKafkaSource } from '../../kafka/consumer.ts';
import type { SourceHandlers } from '../../kafka/source.ts';
import { PipelineBridge } from '../../bridge/pipeline-bridge.ts';
import { recordCount } from '../../contracts/event-key.ts';
import { until } from '../live/wait.ts';
import { startLiveServers, uniqueName } from '../stack/live.ts';
import { FakeStarter, recordingReports } from '../bridge/fakes.ts';
import { connectProducer } from './kafka-rig.ts';

let kafka: Kafka;
let topic: string;
let groupId: string;
let cleanUps: (() => Promise<unknown>)[];

beforeAll(async () => {
  const servers = await startLiveServers({ kafka: true });
  kafka = new Kafka({ clientId: 'test', brokers: servers.kafka.brokers, logLevel: logLevel.NOTHING });
}, 120_000);
beforeEach(async () => {
  cleanUps = [];
  topic = uniqueName('topic');
  groupId = uniqueName('group');
  const admin = kafka.admin();
  await admin.connect();
  cleanUps.push(() => admin.disconnect());
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
});
afterEach(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
});

const newSource = (chains = 1) => createKafkaSource(kafka, { topic, groupId, sessionTimeoutMs: 10_000, chains });

const noHandlers: SourceHandlers = {
  assigned: () => {},
  fetched: () => true,
  wantsMore: () => false,
  crashed: () => {},
};

async function newProducer(transactionalId?: string) {
  const producer = await connectProducer(kafka, transactionalId);
  cleanUps.push(() => producer.disconnect());
  return producer;
}

/** Runs a bridge on the topic and returns what it did. */
async function startBridge(starter = new FakeStarter()) {
  const reports = recordingReports();
  const bridge = new PipelineBridge(
    {
      createSource: () => newSource(),
      starter,
      ledgerEnds: () => Promise.resolve(new Map()),
      newestEpoch: () => Promise.resolve(undefined),
      clock: systemClock,
      budget: new Budget(systemClock, 1_000),
      openBatches: { isFull: () => false, admit: () => Promise.resolve() },
      reports,
      log: { info: () => {}, error: () => {} },
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
  return { starter, reports, state: () => bridge.states()[0] };
}

describe('the bridge on kafkajs', () => {
  test('a log that ends in an aborted transaction is read to its end: no lag is left', async () => {
    const plain = await newProducer();
    await plain.send({ topic, messages: [{ value: 'a' }, { value: 'b' }] });
    const { starter, state } = await startBridge();
    await until('scored', () => starter.ranges.some(([, end]) => end >= 2));
    const transaction = await (await newProducer(uniqueName('tx'))).transaction();
    await transaction.send({ topic, messages: [{ value: 'never' }, { value: 'seen' }] });
    await transaction.abort();
    await until(
      'caught up with the aborted records and their marker',
      () => state()?.logEnd === 5 && state()?.doneBelow === 5,
      { detail: () => JSON.stringify(state()) },
    );
    expect(state()).toMatchObject({ lag: 0, waiting: { kind: 'records' } });
    await plain.send({ topic, messages: [{ value: 'c' }] });
    await until('the next record', () => starter.ranges.at(-1)?.[1] === 6);
    expect(starter.starts.at(-1)).toMatchObject({ ranges: [{ position: 2, count: 1 }] });
  }, 60_000);

  test('aborted transactions of two producers that overlap have no effect, whichever ended first', async () => {
    const first = await (await newProducer(uniqueName('tx'))).transaction();
    const second = await (await newProducer(uniqueName('tx'))).transaction();
    await first.send({ topic, messages: [{ value: 'never' }] });
    await second.send({ topic, messages: [{ value: 'seen' }] });
    await second.abort();
    await first.abort();
    await (await newProducer()).send({ topic, messages: [{ value: 'a' }] });
    const { starter } = await startBridge();
    await until('scored', () => starter.ranges.some(([, end]) => end >= 5));
    expect(starter.starts.reduce((sum, start) => sum + recordCount(start), 0)).toBe(1);
  }, 60_000);

  test('an open transaction is not part of the log yet', async () => {
    await (await newProducer()).send({ topic, messages: [{ value: 'a' }] });
    const transaction = await (await newProducer(uniqueName('tx'))).transaction();
    await transaction.send({ topic, messages: [{ value: 'open' }] });
    cleanUps.push(() => transaction.abort());
    const source = newSource();
    const handlers = { assigned: () => {}, fetched: () => false, wantsMore: () => true, crashed: () => {} };
    await source.start(handlers);
    cleanUps.push(() => source.stop());
    expect((await source.bounds()).get(0)).toEqual({ start: 0, end: 1, highWatermark: 2 });
  }, 60_000);

  test('what an open transaction holds back is lag, with the age of its first record, until it ends', async () => {
    const plain = await newProducer();
    await plain.send({ topic, messages: [{ value: 'a' }] });
    const { starter, state } = await startBridge();
    await until('scored', () => starter.ranges.some(([, end]) => end >= 1));
    const transaction = await (await newProducer(uniqueName('tx'))).transaction();
    await transaction.send({ topic, messages: [{ value: 'b', timestamp: String(Date.now() - 3 * 86_400_000) }] });
    await plain.send({ topic, messages: [{ value: 'behind it' }] });
    await until('the reason', () => state()?.waiting.kind === 'transaction' && state()?.lag === 2, {
      detail: () => JSON.stringify(state()),
    });
    expect(state()).toMatchObject({
      doneBelow: 1,
      stableEnd: 1,
      logEnd: 3,
      waiting: { offset: 1, text: expect.stringContaining('open since offset 1') },
    });
    await until('its age', () => Math.round(state()!.oldestSeconds! / 86_400) === 3, {
      detail: () => JSON.stringify(state()),
    });
    await transaction.abort();
    await until('the record behind it', () => starter.ranges.at(-1)?.[1] === 4);
    await until('nothing waits', () => state()?.lag === 0, { detail: () => JSON.stringify(state()) });
    expect(state()?.waiting).toEqual({ kind: 'records' });
  }, 60_000);

  test('a last record that retention deleted neither stops the chain nor loses its commit', async () => {
    await (await newProducer()).send({ topic, messages: ['a', 'b', 'c', 'd'].map((value) => ({ value })) });
    const first = await startBridge();
    await until('scored', () => first.starter.ranges.some(([, end]) => end === 4));
    await cleanUps.pop()!();
    const admin = kafka.admin();
    await admin.connect();
    cleanUps.push(() => admin.disconnect());
    await (await newProducer()).send({ topic, messages: [{ value: 'e' }, { value: 'f' }] });
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '5' }] });
    const committed = async () => (await admin.fetchOffsets({ groupId, topics: [topic] }))[0]!.partitions[0]!;
    const starter = new FakeStarter();
    let atStart: Awaited<ReturnType<typeof committed>> | undefined;
    starter.answer = async () => {
      atStart = await committed();
      return undefined;
    };
    const second = await startBridge(starter);
    await until('asked what is committed at the start', () => atStart !== undefined);
    expect(second.starter.starts).toMatchObject([{ sequence: 1, ranges: [{ position: 4, end: 6, count: 1 }] }]);
    expect(second.reports.events).toContainEqual({ what: 'lost', partition: 0, detail: { from: 4, to: 5 } });
    expect(atStart).toMatchObject({ offset: '4', metadata: expect.stringContaining('"tail":{"offset":3') as string });
    await until('committed', async () => (await committed()).metadata?.includes('"tail":{"offset":5'));
  }, 60_000);

  test('rests while nobody wants more, and what came meanwhile comes together when it is asked', async () => {
    const fetches: number[] = [];
    let end = 0;
    let wants = true;
    const source = newSource();
    await source.start({
      assigned: (partitions) => partitions.forEach((partition) => source.resume(partition)),
      fetched: ({ records, endOffset }) => {
        fetches.push(records.length);
        end = endOffset;
        return true;
      },
      wantsMore: () => wants,
      crashed: (error) => {
        throw error;
      },
    });
    cleanUps.push(() => source.stop());
    const producer = await newProducer();
    const send = async (records: number) => {
      for (let sent = 0; sent < records; sent++) await producer.send({ topic, messages: [{ value: 'a' }] });
    };
    await send(1);
    await until('read', () => end === 1);
    wants = false;
    const beganMs = performance.now();
    await send(50);
    // One each 100 ms, where one for each record would be 50.
    const polledMax = 3 + (performance.now() - beganMs) / 100;
    const polled = fetches.length;
    await until('all is read', () => source.poll().then(() => end === 51));
    expect(polled).toBeLessThanOrEqual(polledMax);
    expect(fetches.reduce((sum, records) => sum + records, 0)).toBe(51);
  }, 60_000);

  test.each([
    [
      'a bridge with another number of chains',
      async (joined: () => void) => {
        const other = newSource(2);
        cleanUps.push(() => other.stop());
        await other.start({ ...noHandlers, assigned: joined });
      },
    ],
    [
      'a consumer that is no bridge',
      async (joined: () => void) => {
        const other = kafka.consumer({ groupId });
        cleanUps.push(() => other.disconnect());
        other.on(other.events.GROUP_JOIN, joined);
        await other.connect();
        await other.subscribe({ topic });
        await other.run({ eachMessage: () => Promise.resolve() });
      },
    ],
  ])(
    'is refused by a group that has %s, and says what to do',
    async (_, join) => {
      let hasJoined = false;
      await join(() => (hasJoined = true));
      await until('the other one has joined', () => hasJoined);
      let crash: Error | undefined;
      const source = newSource();
      cleanUps.push(() => source.stop());
      await source.start({ ...noHandlers, crashed: (error) => (crash = error) });
      await until('it was refused', () => crash !== undefined);
      expect(crash?.message).toMatch(
        new RegExp(`consumer group ${groupId} has a member that divides ${topic} otherwise: .* Stop that one`),
      );
    },
    60_000,
  );

  test('steering a consumer that does not run is no error', () => {
    const source = newSource();
    for (const steer of [() => source.pause(0), () => source.resume(0), () => source.seek(0, 1)])
      expect(steer).not.toThrow();
  });
});

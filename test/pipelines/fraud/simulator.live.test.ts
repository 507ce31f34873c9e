import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import pipeline from '../../../pipelines/fraud/index.ts';
import { parse } from './parse.ts';
import { Child } from '../../live/child.ts';
import { until } from '../../live/wait.ts';
import { startLiveServers, uniqueName } from '../../stack/live.ts';

const main = join(import.meta.dirname, '../../../pipelines/fraud/simulator/main.ts');
const topic = pipeline.topic.name;
let brokers: string[];
let kafka: Kafka;
let dataDir: string;
const children: Child[] = [];

beforeAll(async () => {
  ({
    kafka: { brokers },
  } = await startLiveServers({ kafka: true }));
  kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  dataDir = await mkdtemp(join(tmpdir(), 'headrace-simulator-'));
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: pipeline.topic.partitions }], waitForLeaders: true });
  } finally {
    await admin.disconnect();
  }
});
afterAll(async () => {
  for (const child of children) await child.kill();
  await rm(dataDir, { recursive: true });
});

function start(rate: string): Child {
  const child = new Child('simulator', main, {
    KAFKA_BROKERS: brokers.join(','),
    HEADRACE_DATA_DIR: dataDir,
    HEADRACE_SIMULATOR_RATE: rate,
  });
  children.push(child);
  return child;
}

test('streams payments keyed by customer, stops at once, and goes on where it stopped', async () => {
  const received: { index: number; partition: number; customer: string }[] = [];
  const consumer = kafka.consumer({ groupId: uniqueName('simulator-test') });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        const event = parse(JSON.parse(message.value!.toString()));
        expect(message.key!.toString()).toBe(event.customerId);
        received.push({
          index: Number(event.transactionId.slice('tx-'.length)),
          partition,
          customer: event.customerId,
        });
      },
    });
    for (const rate of ['500', '2000']) {
      const begun = received.length;
      const simulator = start(rate);
      const ready = await simulator.ready;
      expect(ready).toMatchObject({ ready: true, pipeline: 'fraud', rate: Number(rate), begunBefore: begun });
      await until('300 more payments', () => received.length >= begun + 300, { detail: () => simulator.log() });
      const metrics = (await (await fetch(`http://${String(ready['metrics'])}/metrics.json`)).json()) as {
        name: string;
        values: { value: number; labels: object }[];
      }[];
      const generated = metrics.find(({ name }) => name === 'headrace_generated_total')!.values[0]!;
      expect(generated.labels).toEqual({ pipeline: 'fraud' });
      expect(generated.value).toBeGreaterThanOrEqual(300);
      expect(await simulator.stop()).toBe(0);
      const { published } = JSON.parse(await readFile(join(dataDir, 'simulator', 'fraud.json'), 'utf8')) as {
        published: number;
      };
      await until('everything published', () => received.length >= published);
    }
  } finally {
    await consumer.disconnect();
  }
  expect(received.map(({ index }) => index).sort((a, b) => a - b)).toEqual(Array.from(received, (_, i) => i));
  const partitionOf = new Map(received.map(({ customer, partition }) => [customer, partition]));
  expect(received.every(({ customer, partition }) => partitionOf.get(customer) === partition)).toBe(true);
  expect(new Set(partitionOf.values()).size).toBe(pipeline.topic.partitions);
}, 120_000);

test('says which setting to mend', async () => {
  const wrongRate = start('fast');
  expect((await wrongRate.exited).code).toBe(1);
  expect(wrongRate.log()).toContain('HEADRACE_SIMULATOR_RATE: Invalid input: expected number');
});

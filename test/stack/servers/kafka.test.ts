import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { defaultCacheDir, freePort, prepareKafka, startKafka } from '../../../stack/servers/index.ts';
import type { StartKafkaOptions } from '../../../stack/servers/index.ts';
import { occupiedPort } from './occupied.ts';
import { awkwardFolder, stopAfterTest, temporaryFolder, until } from './trial.ts';

let jarsDir: string;
beforeAll(async () => {
  jarsDir = await prepareKafka({
    cacheDir: defaultCacheDir(process.env),
    version: process.env['HEADRACE_TEST_KAFKA_VERSION'] || undefined,
  });
}, 600_000);

async function start(dataDir: string, options: Partial<StartKafkaOptions> = {}) {
  return stopAfterTest(await startKafka({ jarsDir, dataDir, heapMegabytesMax: 256, ...options }));
}

function clientOf(address: string): Kafka {
  return new Kafka({ brokers: [address], logLevel: logLevel.NOTHING });
}

async function createTopic(address: string, topic: string): Promise<void> {
  const admin = clientOf(address).admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  } finally {
    await admin.disconnect();
  }
}

async function send(address: string, topic: string, value: string | Buffer): Promise<void> {
  const producer = clientOf(address).producer();
  await producer.connect();
  try {
    await producer.send({ topic, acks: -1, messages: [{ value }] });
  } finally {
    await producer.disconnect();
  }
}

async function readAll(address: string, topic: string, count: number): Promise<string[]> {
  const consumer = clientOf(address).consumer({
    groupId: `g-${Math.random()}`,
    sessionTimeout: 1_000,
    heartbeatInterval: 300,
  });
  const values: string[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void values.push(String(message.value)) });
    await until(() => values.length >= count, `${count} records`);
    return values;
  } finally {
    await consumer.disconnect();
  }
}

describe('the embedded Kafka', () => {
  it('keeps its records over a stop, a SIGKILL and changes of port, in folders of any name', async () => {
    const dataDir = awkwardFolder();
    // As in a container: it knows nothing but ASCII.
    const env = { ...process.env, LC_ALL: 'C' };
    const jars = join(dataDir, 'jars:of,kafka');
    symlinkSync(jarsDir, jars);
    const first = await start(dataDir, { jarsDir: jars, env });
    expect(existsSync(join(dataDir, 'logs', 'meta.properties'))).toBe(true);
    await createTopic(first.address, 'transactions');
    await send(first.address, 'transactions', 'one');
    await first.stop();

    const second = await start(dataDir, { env });
    expect(second.address).not.toBe(first.address);
    await send(second.address, 'transactions', 'two');
    second.kill('SIGKILL');
    expect((await second.exited).signal).toBe('SIGKILL');

    const third = await start(dataDir, { env });
    await send(third.address, 'transactions', 'three');
    expect(await readAll(third.address, 'transactions', 3)).toEqual(['one', 'two', 'three']);
  }, 180_000);

  it('formats again when the first start was cut off half-way, and takes others for ports that are taken', async () => {
    const dataDir = temporaryFolder();
    const taken = await occupiedPort();
    const controllerPorts = [taken, await freePort()];
    const first = await start(dataDir, {
      preferredPort: taken,
      innerPort: () => Promise.resolve(controllerPorts.shift()!),
    });
    expect(controllerPorts).toEqual([]);
    expect(first.address).not.toBe(`127.0.0.1:${taken}`);
    await first.stop();
    rmSync(join(dataDir, 'formatted'));
    const second = await start(dataDir);
    await createTopic(second.address, 'transactions');
    // Above the pipeline's cap, so that a record too large for a batch still arrives and can be dead-lettered.
    await send(second.address, 'transactions', Buffer.alloc(3 * 1024 * 1024));
  }, 120_000);

  it('says so when its only port is taken, and with its log when its data cannot be used', async () => {
    const dataDir = temporaryFolder();
    const running = await start(dataDir);
    const port = Number(running.address.split(':')[1]);
    await expect(start(temporaryFolder(), { port })).rejects.toThrow(`kafka cannot start: port ${port} is taken`);
    await running.stop();
    const meta = join(dataDir, 'logs', 'meta.properties');
    writeFileSync(meta, readFileSync(meta, 'utf8').replace(/node\.id=.*/, 'node.id=7'));
    await expect(start(dataDir)).rejects.toThrow(/kafka exited with code 1 before it was ready[^]*Stored node id 7/);
  }, 120_000);
});

describe('getting Kafka', () => {
  it('says in one sentence that Maven does not reach its repository', async () => {
    const home = temporaryFolder();
    mkdirSync(join(home, '.m2'));
    writeFileSync(
      join(home, '.m2', 'settings.xml'),
      '<settings><mirrors><mirror><id>none</id><mirrorOf>*</mirrorOf><url>http://127.0.0.1:1/</url></mirror></mirrors></settings>',
    );
    vi.stubEnv('MAVEN_OPTS', `-Duser.home=${home}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(prepareKafka({ cacheDir: temporaryFolder() })).rejects.toThrow(
      /^Kafka cannot be fetched because Maven does not reach its repository: connect this machine, or name a mirror or proxy in the settings\.xml of Maven, or set KAFKA_BROKERS to a Kafka of your own$/,
    );
  }, 120_000);
});

import { createRequire } from 'node:module';
import type { Kafka, Message, RecordMetadata } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import { createPublisher } from '../../kafka/producer.ts';

/** kafkajs's own way of sending, over brokers of ours. */
const require = createRequire(import.meta.url);
const createSendMessages = require('kafkajs/src/producer/sendMessages') as (
  parts: object,
) => (request: object) => Promise<RecordMetadata[]>;
const createRetry = require('kafkajs/src/retry') as (options: object) => object;
const { KafkaJSProtocolError } = require('kafkajs/src/errors') as {
  KafkaJSProtocolError: new (parts: object) => Error;
};

/** The values of a request, as kafkajs would write them. */
function valuesIn(messages: Message[]): string[] {
  const [records] = messages.map(() => ({ buf: Buffer.alloc(0) }) as never) as unknown as { buffer: Buffer }[];
  return records!.buffer.toString('latin1').match(/value-\d+/g) ?? [];
}

/** Two brokers. Their partitions' leaders are the first list until a broker has refused, and then the second one. */
class FakeCluster {
  readonly stored: string[] = [];
  /** Requests for topic t that a broker refuses, by broker. */
  readonly refusals = new Map<number, Error[]>();
  /** What a broker says to a request with these values; undefined = it takes them. */
  refuses: (values: readonly string[]) => Error | undefined = () => undefined;
  /** Topics whose leader takes a request and says nothing. */
  readonly silent = new Set<string>();
  requests = 0;
  readonly targetTopics = new Set(['t']);
  readonly #leaders: number[][];

  constructor(...leaders: number[][]) {
    this.#leaders = leaders;
  }

  findTopicPartitionMetadata() {
    return this.#leaders[0]!.map((leader, partitionId) => ({ partitionId, leader }));
  }

  findLeaderForPartitions(_topic: string, partitions: string[]) {
    const byLeader: Record<number, number[]> = {};
    for (const partition of partitions.map(Number)) (byLeader[this.#leaders[0]![partition]!] ??= []).push(partition);
    return byLeader;
  }

  findBroker = ({ nodeId }: { nodeId: string }) => Promise.resolve(this.#broker(Number(nodeId)));
  refreshMetadata = () => Promise.resolve(void (this.#leaders.length > 1 && this.#leaders.shift()));
  refreshMetadataIfNecessary = () => Promise.resolve();
  addMultipleTargetTopics = () => Promise.resolve();
  isConnected = () => true;

  readonly #brokers = new Map<number, object>();

  #broker(nodeId: number): object {
    const produce = ({
      topicData,
    }: {
      topicData: { topic: string; partitions: { partition: number; messages: Message[] }[] }[];
    }) => {
      this.requests++;
      const refusal = topicData[0]!.topic === 't' ? this.refusals.get(nodeId)?.shift() : undefined;
      if (refusal) return Promise.reject(refusal);
      const refused = this.refuses(
        topicData.flatMap(({ partitions }) => partitions.flatMap(({ messages }) => valuesIn(messages))),
      );
      if (refused) return Promise.reject(refused);
      if (this.silent.has(topicData[0]!.topic)) return new Promise(() => {});
      return Promise.resolve({
        topics: topicData.map(({ topic, partitions }) => ({
          topicName: topic,
          partitions: partitions.map(({ partition, messages }) => {
            this.stored.push(...valuesIn(messages));
            return { partition, errorCode: 0 };
          }),
        })),
      });
    };
    if (!this.#brokers.has(nodeId)) this.#brokers.set(nodeId, { nodeId, produce });
    return this.#brokers.get(nodeId)!;
  }
}

function publisherOver(cluster: FakeCluster, options?: Parameters<typeof createPublisher>[1]) {
  const eosManager = {
    acquireBrokerLock: () => undefined,
    releaseBrokerLock: () => undefined,
    isTransactional: () => false,
    getSequence: () => 0,
    updateSequence: () => undefined,
    getProducerId: () => undefined,
    getProducerEpoch: () => 0,
  };
  const logger = { debug: () => undefined, error: () => undefined };
  const kafka = {
    producer: ({ createPartitioner, retry }: { createPartitioner: () => unknown; retry: object }) => {
      const sendMessages = createSendMessages({
        logger,
        cluster,
        partitioner: createPartitioner(),
        eosManager,
        retrier: createRetry({ initialRetryTime: 1, maxRetryTime: 1, retries: 5, ...retry }),
      });
      return {
        connect: () => Promise.resolve(),
        disconnect: () => Promise.resolve(),
        send: ({ topic, messages, acks }: { topic: string; messages: Message[]; acks: number }) =>
          sendMessages({ acks, topicMessages: [{ topic, messages }] }),
      };
    },
  };
  return createPublisher(kafka as unknown as Kafka, options);
}

const refusal = (type: string, retriable: boolean) =>
  new KafkaJSProtocolError({ message: type, type, retriable, code: 6 });
const values = (count: number) => Array.from({ length: count }, (_, i) => `value-${i}`);
const keyed = (count: number) => values(count).map((value, i) => ({ key: `key-${i}`, value }));
const keyless = (count: number) => values(count).map((value) => ({ value }));

describe('a send of which one broker took its part and another one did not', () => {
  test.each([
    [
      'the leader has moved to the first one',
      [
        [1, 2],
        [1, 1],
      ],
      keyed(40),
    ],
    [
      'the topic has grown',
      [
        [1, 2],
        [1, 2, 2, 1],
      ],
      keyed(40),
    ],
    ['messages without a key take turns', [[1, 2]], keyless(7)],
  ])('is made anew, with all of it: %s', async (_, leaders, messages) => {
    const cluster = new FakeCluster(...leaders);
    cluster.refusals.set(2, [refusal('NOT_LEADER_FOR_PARTITION', true)]);
    const publisher = await publisherOver(cluster);
    await publisher.publish('t', messages);
    expect([...new Set(cluster.stored)].sort()).toEqual(values(messages.length).sort());
    await publisher.close();
  });

  test('is given up after so many tries, and with it nothing else', async () => {
    const cluster = new FakeCluster([1]);
    cluster.refusals.set(
      1,
      Array.from({ length: 6 }, () => refusal('NOT_ENOUGH_REPLICAS', true)),
    );
    const publisher = await publisherOver(cluster);
    const [given, next] = await Promise.allSettled([
      publisher.publish('t', keyed(1)),
      publisher.publish('other', keyless(1)),
    ]);
    expect([given.status, next.status]).toEqual(['rejected', 'fulfilled']);
    expect(String((given as PromiseRejectedResult).reason)).toContain('NOT_ENOUGH_REPLICAS');
    expect(cluster.requests).toBe(7);
    await publisher.close();
  }, 20_000);

  test('holds up no other topic while its broker is silent, nor does what waits for it', async () => {
    const cluster = new FakeCluster([1]);
    cluster.silent.add('t');
    const publisher = await publisherOver(cluster, { queueBytesMax: 100 });
    const aborting = new AbortController();
    const waiting = [
      publisher.publish('t', keyed(1), aborting.signal),
      publisher.publish('t', keyed(30), aborting.signal),
    ];
    const ended = Promise.allSettled(waiting);
    await expect(publisher.publish('t', keyed(1))).rejects.toThrow('bytes wait for topic t already');
    await publisher.publish('other', keyed(2));
    expect(cluster.stored).toEqual(values(2));
    aborting.abort(new Error('enough'));
    expect((await ended).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  test('is not tried again where that is of no use', async () => {
    const cluster = new FakeCluster([1]);
    cluster.refusals.set(1, [refusal('MESSAGE_TOO_LARGE', false)]);
    const publisher = await publisherOver(cluster);
    await expect(publisher.publish('t', keyed(1))).rejects.toThrow('MESSAGE_TOO_LARGE');
    expect(cluster.requests).toBe(1);
    await publisher.close();
  });
});

describe('a message that a broker refuses', () => {
  /** Refuses every request that has one of these, and any with more than so many. */
  function choosy(refused: readonly string[], most = Infinity): FakeCluster {
    const cluster = new FakeCluster([1]);
    cluster.refuses = (values) =>
      values.length > most || values.some((value) => refused.includes(value))
        ? refusal('MESSAGE_TOO_LARGE', false)
        : undefined;
    return cluster;
  }

  test('fails its own publication alone, though they travel together', async () => {
    const cluster = choosy(['value-7']);
    const publisher = await publisherOver(cluster);
    // The first is under way by itself while the others come.
    const settled = await Promise.allSettled(
      [keyed(1), keyed(3), keyed(20).slice(5, 10), keyed(40).slice(30)].map((messages) =>
        publisher.publish('t', messages),
      ),
    );
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(new Set(cluster.stored)).toEqual(
      new Set([...values(3), ...values(10).slice(5), ...values(40).slice(30)].filter((value) => value !== 'value-7')),
    );
    await publisher.close();
  });

  test('only because there are too many at once is sent in smaller sends, in order', async () => {
    const cluster = choosy([], 10);
    const publisher = await publisherOver(cluster);
    await publisher.publish('t', keyed(100));
    expect(cluster.stored).toEqual(values(100));
    await publisher.close();
  });

  test('like all others of its topic costs a bounded number of sends', async () => {
    const cluster = choosy(values(2_000));
    const publisher = await publisherOver(cluster);
    await expect(publisher.publish('t', keyed(2_000))).rejects.toThrow('MESSAGE_TOO_LARGE');
    expect(cluster.requests).toBeLessThan(150);
    await publisher.close();
  });
});

describe('a publication', () => {
  test('fails when the brokers have not answered for all of it', async () => {
    const cluster = new FakeCluster([1, 2]);
    // As kafkajs would, where a partition has no leader.
    cluster.findLeaderForPartitions = (_topic, partitions) => ({
      1: partitions.map(Number).filter((partition) => partition === 0),
    });
    const publisher = await publisherOver(cluster);
    await expect(publisher.publish('t', keyed(20))).rejects.toThrow('the brokers have not answered for partitions 1');
    await publisher.close();
  });

  test('rejects, and sends nothing, when its messages cannot be made or one has no value', async () => {
    const cluster = new FakeCluster([1]);
    const publisher = await publisherOver(cluster);
    function* failing() {
      yield { value: 'value-0' };
      throw new Error('no second one');
    }
    await expect(publisher.publish('t', failing())).rejects.toThrow('no second one');
    await expect(publisher.publish('t', [{ key: 'a', value: undefined as never }])).rejects.toThrow('without a value');
    await publisher.publish('t', []);
    expect(cluster.requests).toBe(0);
    await publisher.close();
  });
});

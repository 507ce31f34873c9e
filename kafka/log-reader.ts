import type { Kafka } from 'kafkajs';
import { withTimeout } from '../lib/with-timeout.ts';
import { messageOf } from '../contracts/failures.ts';
import { batchHeaders, recordTimeOf, type BatchHeader } from './batch-header.ts';
import { createCluster, errorOf, send, type Broker, type Cluster } from './cluster.ts';
import { fetchRaw, isolation } from './fetch.ts';
import { firstVisible } from './first-visible.ts';

/** Where the log of a partition begins and ends. */
export interface LogEnds {
  start: number;
  /** The last stable offset: behind what a reader of committed records may see. Behind it lies the first open transaction, if there is one. */
  end: number;
  /** The next offset that is written, as far as all replicas have the log. */
  highWatermark: number;
}

/** A record that is there, or the offset up to which there is none. */
type FoundRecord = { offset: number; timeMs: number } | { noneBelow: number };

/** Asks brokers about logs. A partition whose leader does not answer has an error of its own. */
export interface LogReader {
  connect(): Promise<void>;
  close(): Promise<void>;
  /** Throws when no broker answers, or none knows the topic. */
  ends(topic: string): Promise<Map<number, LogEnds | Error>>;
  /** The first record at `from` or behind it that a reader of committed records is shown. */
  firstRecord(topic: string, partition: number, from: number): Promise<FoundRecord>;
  /** When the record or marker at this offset was written, committed or not; undefined when there is none. */
  timeAt(topic: string, partition: number, offset: number): Promise<number | undefined>;
  /** The checksum of the batch of records or the marker that holds this offset; undefined when there is none. It tells one log from another. */
  checksumAt(topic: string, partition: number, offset: number): Promise<number | undefined>;
}

const brokerDeadlineMs = 3_000;
const metadataDeadlineMs = 8_000;
const connectDeadlineMs = 20_000;
const fetchBytes = 256 * 1024;
const fetchesMax = 20;
const earliest = '-2';
const latest = '-1';

interface OffsetsAnswer {
  responses: { partitions: { partition: number; errorCode: number; offset: string }[] }[];
}

/** @param cluster another one than that of the client, for tests */
export function createLogReader(kafka: Kafka, cluster: Cluster = createCluster(kafka)): LogReader {
  async function leadersOf(topic: string): Promise<Map<number, number>> {
    await withTimeout(
      metadataDeadlineMs,
      cluster.addTargetTopic(topic).then(() => cluster.refreshMetadataIfNecessary()),
    );
    return new Map(cluster.findTopicPartitionMetadata(topic).map(({ partitionId, leader }) => [partitionId, leader]));
  }

  async function leaderOf(topic: string, partition: number): Promise<Broker> {
    const leader = (await leadersOf(topic)).get(partition);
    if (leader === undefined || leader < 0) throw withoutLeader(partition);
    return withTimeout(brokerDeadlineMs, cluster.findBroker({ nodeId: leader }));
  }

  /** The first batch of records or marker that reaches to `offset`, committed or not. */
  async function batchFrom(topic: string, partition: number, offset: number): Promise<BatchHeader | undefined> {
    const place = { topic, partition, offset, isolationLevel: isolation.readUncommitted, bytesMax: fetchBytes };
    const { errorCode, records } = await withTimeout(
      brokerDeadlineMs,
      fetchRaw(await leaderOf(topic, partition), place),
    );
    if (errorCode !== 0) throw errorOf(errorCode);
    return batchHeaders(records).find(({ lastOffset }) => lastOffset >= offset);
  }

  return {
    connect: () => withTimeout(connectDeadlineMs, cluster.connect()),
    close: () => withTimeout(connectDeadlineMs, cluster.disconnect()),
    async ends(topic) {
      const found = new Map<number, LogEnds | Error>();
      const byLeader = new Map<number, number[]>();
      for (const [partition, leader] of await leadersOf(topic))
        byLeader.set(leader, [...(byLeader.get(leader) ?? []), partition]);
      await Promise.all(
        [...byLeader].map(async ([leader, partitions]) => {
          const ends = leader < 0 ? undefined : await endsAt(cluster, leader, topic, partitions);
          for (const partition of partitions)
            found.set(partition, ends instanceof Error ? ends : (ends?.get(partition) ?? withoutLeader(partition)));
        }),
      );
      return found;
    },
    firstRecord: async (topic, partition, from) =>
      withTimeout(brokerDeadlineMs, findFirst(await leaderOf(topic, partition), topic, partition, from)),
    async timeAt(topic, partition, offset) {
      const batch = await batchFrom(topic, partition, offset);
      return batch && recordTimeOf(batch);
    },
    async checksumAt(topic, partition, offset) {
      const batch = await batchFrom(topic, partition, offset);
      return batch && batch.firstOffset <= offset ? batch.crc : undefined;
    },
  };
}

function withoutLeader(partition: number): Error {
  return new Error(`partition ${partition} has no leader: the brokers that hold it are away`);
}

/** Never rejects: a broker that does not answer is the answer for its partitions, and no others. */
async function endsAt(
  cluster: Cluster,
  leader: number,
  topic: string,
  partitions: readonly number[],
): Promise<Map<number, LogEnds | Error> | Error> {
  try {
    const ask = async () => {
      const broker = await cluster.findBroker({ nodeId: leader });
      const offsets = (timestamp: string, isolationLevel: number) =>
        offsetsOf(broker, topic, partitions, timestamp, isolationLevel);
      // In this order, because the ends only grow.
      const start = await offsets(earliest, isolation.readCommitted);
      const end = await offsets(latest, isolation.readCommitted);
      return { start, end, highWatermark: await offsets(latest, isolation.readUncommitted) };
    };
    const { start, end, highWatermark } = await withTimeout(
      brokerDeadlineMs,
      ask(),
      `broker ${leader}, which leads it, does not answer within ${brokerDeadlineMs} ms`,
    );
    return new Map(
      partitions.map((partition) => [
        partition,
        joined(start.get(partition), end.get(partition), highWatermark.get(partition)),
      ]),
    );
  } catch (error) {
    return new Error(`broker ${leader}, which leads it, does not answer: ${messageOf(error)}`, { cause: error });
  }
}

type Offset = number | Error | undefined;

function joined(start: Offset, end: Offset, highWatermark: Offset): LogEnds | Error {
  const failed = [start, end, highWatermark].find((each) => each instanceof Error);
  if (failed instanceof Error) return failed;
  if (typeof start !== 'number' || typeof end !== 'number' || typeof highWatermark !== 'number')
    return new Error('the broker does not name it');
  return { start, end, highWatermark: Math.max(end, highWatermark) };
}

async function offsetsOf(
  broker: Broker,
  topic: string,
  partitions: readonly number[],
  timestamp: string,
  isolationLevel: number,
): Promise<Map<number, number | Error>> {
  const fields = {
    isolationLevel,
    topics: [{ topic, partitions: partitions.map((partition) => ({ partition, timestamp })) }],
  };
  const answer = await send(broker, 'ListOffsets', fields, (decoded) => decoded as OffsetsAnswer);
  return new Map(
    answer.responses
      .flatMap((each) => each.partitions)
      .map(({ partition, errorCode, offset }) => [partition, errorCode === 0 ? Number(offset) : errorOf(errorCode)]),
  );
}

async function findFirst(broker: Broker, topic: string, partition: number, from: number): Promise<FoundRecord> {
  let offset = from;
  for (let fetches = 0; fetches < fetchesMax; fetches++) {
    const { errorCode, aborted, records } = await fetchRaw(broker, {
      topic,
      partition,
      offset,
      isolationLevel: isolation.readCommitted,
      bytesMax: fetchBytes,
    });
    if (errorCode !== 0) throw errorOf(errorCode);
    const batches = batchHeaders(records);
    const found = firstVisible(batches, aborted, offset);
    if (found) return { offset: Math.max(found.firstOffset, offset), timeMs: recordTimeOf(found) };
    const end = (batches.at(-1)?.lastOffset ?? -1) + 1;
    if (end <= offset) break;
    offset = end;
  }
  return { noneBelow: offset };
}

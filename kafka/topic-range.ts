import { randomUUID } from 'node:crypto';
import { once, EventEmitter } from 'node:events';
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { createAdmin } from './admin.ts';
import { installFetchDecoding } from './fetch-decoding.ts';
import { createLogReader, type LogEnds } from './log-reader.ts';
import { toRecords, type UnreadableAt } from './record.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import { withTimeout } from '../lib/with-timeout.ts';

/** A piece of a partition: its records, and the offset up to which it reaches. */
export interface Piece {
  end: number;
  records: KafkaRecord[];
}

/** Where the log of each partition of a topic begins and ends; a partition whose leader is away has an error of its own. */
export async function topicBounds(kafka: Kafka, topic: string): Promise<Map<number, LogEnds | Error>> {
  const logs = createLogReader(kafka);
  try {
    await logs.connect();
    return await logs.ends(topic);
  } finally {
    await logs.close().catch(() => undefined);
  }
}

const startMsMax = 60_000;
const silentMsMax = 15_000;
const stopMsMax = 10_000;

/**
 * Reads `[from, to)` of a partition again, piece by piece, with a consumer group of its own that is gone afterwards. Begins at the
 * start of the log where that lies behind `from`. Throws when the brokers send nothing for a while, and where the log cannot be read.
 */
export async function* readTopicRange(
  kafka: Kafka,
  topic: string,
  partition: number,
  from: number,
  to: number,
): AsyncGenerator<Piece> {
  installFetchDecoding();
  const bounds =
    (await topicBounds(kafka, topic)).get(partition) ??
    new Error(`the brokers do not know partition ${partition} of ${topic}`);
  if (bounds instanceof Error) throw bounds;
  let next = Math.max(from, bounds.start);
  if (next >= to) {
    yield { end: to, records: [] };
    return;
  }
  const groupId = `headrace-catch-up-${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 50, allowAutoTopicCreation: false });
  const arrived = new EventEmitter();
  const pieces: (Piece & { unreadable?: UnreadableAt })[] = [];
  try {
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      const others = (payload.memberAssignment[topic] ?? []).filter((each) => each !== partition);
      if (others.length > 0) consumer.pause([{ topic, partitions: others }]);
      consumer.seek({ topic, partition, offset: String(next) });
    });
    const eachBatch = ({ batch }: EachBatchPayload): Promise<void> => {
      if (batch.partition !== partition) return Promise.resolve();
      const { records, unreadable } = toRecords(batch.messages);
      const end = Math.min(to, unreadable?.from ?? Number(batch.lastOffset()) + 1);
      pieces.push({ end, records: records.filter(({ offset }) => offset < to), unreadable });
      // One piece at a time: what is read ahead would have no bound.
      consumer.pause([{ topic, partitions: [partition] }]);
      arrived.emit('piece');
      return Promise.resolve();
    };
    await withTimeout(
      startMsMax,
      start(consumer, topic, eachBatch),
      `a consumer of ${topic} does not start within ${startMsMax / 1_000} s`,
    );
    while (next < to) {
      if (pieces.length === 0) await once(arrived, 'piece', { signal: AbortSignal.timeout(silentMsMax) });
      const piece = pieces.shift()!;
      // A repeat after a rebalance of the group begins below what was given already.
      if (piece.end <= next && !piece.unreadable) continue;
      const records = piece.records.filter(({ offset }) => offset >= next);
      next = piece.end;
      yield { end: piece.end, records };
      if (piece.unreadable && next < to)
        throw new Error(
          `offset ${piece.unreadable.from} of partition ${partition} of ${topic} cannot be read: ${piece.unreadable.reason}`,
        );
      consumer.resume([{ topic, partitions: [partition] }]);
    }
  } finally {
    await withTimeout(stopMsMax, consumer.disconnect()).catch(() => undefined);
    await deleteGroup(kafka, groupId).catch(() => undefined);
  }
}

async function deleteGroup(kafka: Kafka, groupId: string): Promise<void> {
  const admin = createAdmin(kafka);
  try {
    await admin.connect();
    await admin.deleteGroups([groupId]);
  } finally {
    await admin.disconnect();
  }
}

async function start(
  consumer: Consumer,
  topic: string,
  eachBatch: (payload: EachBatchPayload) => Promise<void>,
): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ autoCommit: false, eachBatch });
}

import { randomUUID } from 'node:crypto';
import { once, EventEmitter } from 'node:events';
import type { Kafka } from 'kafkajs';
import { installFetchDecoding } from './fetch-decoding.ts';
import { toRecords, type UnreadableAt } from './record.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';

/** A piece of a partition: its records, and the offset up to which it reaches. */
export interface Piece {
  end: number;
  records: KafkaRecord[];
}

/** What the log of each partition of a topic holds. */
export async function topicBounds(
  kafka: Kafka,
  topic: string,
): Promise<{ partition: number; start: number; end: number }[]> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return (await admin.fetchTopicOffsets(topic)).map(({ partition, low, high }) => ({
      partition,
      start: Number(low),
      end: Number(high),
    }));
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

const silentMsMax = 15_000;

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
  const admin = kafka.admin();
  const groupId = `headrace-catch-up-${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 50, allowAutoTopicCreation: false });
  const arrived = new EventEmitter();
  const pieces: (Piece & { unreadable?: UnreadableAt })[] = [];
  try {
    await admin.connect();
    const bounds = (await admin.fetchTopicOffsets(topic)).find((each) => each.partition === partition);
    if (!bounds) throw new Error(`the brokers do not know partition ${partition} of ${topic}`);
    let next = Math.max(from, Number(bounds.low));
    if (next >= to) {
      yield { end: to, records: [] };
      return;
    }
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      const others = (payload.memberAssignment[topic] ?? []).filter((each) => each !== partition);
      if (others.length > 0) consumer.pause([{ topic, partitions: others }]);
      consumer.seek({ topic, partition, offset: String(next) });
    });
    await consumer.run({
      autoCommit: false,
      eachBatch: ({ batch }) => {
        if (batch.partition !== partition) return Promise.resolve();
        const { records, unreadable } = toRecords(batch.messages);
        const end = Math.min(to, unreadable?.from ?? Number(batch.lastOffset()) + 1);
        pieces.push({ end, records: records.filter(({ offset }) => offset < to), unreadable });
        // One piece at a time: what is read ahead would have no bound.
        consumer.pause([{ topic, partitions: [partition] }]);
        arrived.emit('piece');
        return Promise.resolve();
      },
    });
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
    await consumer.disconnect().catch(() => undefined);
    await admin.deleteGroups([groupId]).catch(() => undefined);
    await admin.disconnect().catch(() => undefined);
  }
}

import { sendAs, type Broker } from './cluster.ts';
import type { Aborted } from './aborted-transactions.ts';
import { kafkajsModule } from './kafkajs-internals.ts';

/** One partition's part of a fetch, its records as they came. */
export interface RawFetch {
  errorCode: number;
  highWatermark: number;
  aborted: Aborted[];
  records: Buffer;
}

/** Kafka's two ways of reading. */
export const isolation = { readUncommitted: 0, readCommitted: 1 } as const;

interface Decoder {
  readInt32(): number;
  readInt16(): number;
  readInt64(): { toString(): string };
  readString(): string;
  readBytes(): Buffer | null;
  readArray<T>(read: (decoder: Decoder) => T): T[] | null;
}

/** The oldest version that brokers of today know, and the first one that tells of transactions. */
const createRequest = kafkajsModule<(fields: object) => object>('protocol/requests/fetch/v4/request');
const KafkaDecoder = kafkajsModule<new (raw: unknown) => Decoder>('protocol/decoder');

const waitMs = 100;

/** Reads a piece of one partition from its leader. At least one batch comes, whatever `bytesMax` is. */
export async function fetchRaw(
  broker: Broker,
  place: { topic: string; partition: number; offset: number; isolationLevel: number; bytesMax: number },
): Promise<RawFetch> {
  const { topic, partition, offset, isolationLevel, bytesMax } = place;
  const request = createRequest({
    replicaId: -1,
    maxWaitTime: waitMs,
    minBytes: 1,
    maxBytes: bytesMax,
    isolationLevel,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: bytesMax }] }],
  });
  const [answer] = await sendAs(broker, request, {
    decode: async (raw) => decode(new KafkaDecoder(raw)),
    parse: async (decoded) => decoded as RawFetch[],
  });
  if (!answer) throw new Error(`the broker answers nothing for ${topic}-${partition}`);
  return answer;
}

function decode(decoder: Decoder): RawFetch[] {
  decoder.readInt32();
  const topics = decoder.readArray((ofTopic) => {
    ofTopic.readString();
    return ofTopic.readArray(decodePartition) ?? [];
  });
  return (topics ?? []).flat();
}

function decodePartition(decoder: Decoder): RawFetch {
  decoder.readInt32();
  const errorCode = decoder.readInt16();
  const highWatermark = Number(decoder.readInt64());
  decoder.readInt64();
  const aborted = decoder.readArray((each) => ({
    producerId: each.readInt64().toString(),
    firstOffset: Number(each.readInt64()),
  }));
  return { errorCode, highWatermark, aborted: aborted ?? [], records: decoder.readBytes() ?? Buffer.alloc(0) };
}

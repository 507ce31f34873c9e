import { CompressionTypes, type Kafka, type Message, type Producer } from 'kafkajs';
import { keyPartitioner } from './kafka-partitioner.ts';
import { GroupedMessages, installRecordEncoder } from './kafka-produce.ts';

export interface Publisher {
  /** Resolves once the brokers have all the messages in sync (acks -1). Throws when they do not take them in time. */
  publish(topic: string, messages: Message[]): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  topic: string;
  messages: Message[];
  bytes: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** The queue is full: the caller should answer "later". */
export class PublisherFullError extends Error {
  override readonly name = 'PublisherFullError';
}

/** How much one request carries at most; brokers refuse requests above about 1 MB by default. */
const sendBytesMax = 768 * 1024;

/**
 * A plain producer with one request in flight at a time, which carries what was published to a topic meanwhile. Plain, because
 * kafkajs's idempotent producer is known to acknowledge records that it dropped; one in flight, so that retries keep the order.
 */
export async function createPublisher(kafka: Kafka, { queueBytesMax = 16 * 1024 * 1024 }: { queueBytesMax?: number } = {}): Promise<Publisher> {
  installRecordEncoder();
  const producer: Producer = kafka.producer({ createPartitioner: keyPartitioner, allowAutoTopicCreation: false, idempotent: false });
  await producer.connect();
  const queue: Waiting[] = [];
  let queueBytes = 0;
  let sending: Promise<void> | undefined;

  async function sendAll(): Promise<void> {
    while (queue.length > 0) {
      const taken = take();
      try {
        await producer.send({ acks: -1, timeout: 10_000, compression: CompressionTypes.None, topic: taken[0]!.topic, messages: GroupedMessages.join(taken.map(({ messages }) => messages)) });
        for (const waiting of taken) waiting.resolve();
      } catch (error) {
        for (const waiting of taken) waiting.reject(error);
      }
    }
    sending = undefined;
  }

  /** What travels together: publications of one topic, because a topic that fails must not fail the others. */
  function take(): Waiting[] {
    const { topic } = queue[0]!;
    const taken: Waiting[] = [];
    const left: Waiting[] = [];
    let bytes = 0;
    let full = false;
    for (const waiting of queue) {
      const fits = waiting.topic === topic && !full && (taken.length === 0 || bytes + waiting.bytes <= sendBytesMax);
      (fits ? taken : left).push(waiting);
      if (fits) bytes += waiting.bytes;
      // What does not fit any more closes the request, so that a topic's messages keep their order.
      else if (waiting.topic === topic) full = true;
    }
    queue.splice(0, queue.length, ...left);
    queueBytes -= bytes;
    return taken;
  }

  return {
    publish(topic, messages) {
      if (messages.length === 0) return Promise.resolve();
      const bytes = messages.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0) + 100, 0);
      if (queueBytes + bytes > queueBytesMax && queue.length > 0) {
        return Promise.reject(new PublisherFullError(`${queueBytes} bytes wait for Kafka already; try again later`));
      }
      queueBytes += bytes;
      return new Promise((resolve, reject) => {
        queue.push({ topic, messages, bytes, resolve, reject });
        sending ??= sendAll();
      });
    },
    async close() {
      await sending;
      await producer.disconnect();
    },
  };
}

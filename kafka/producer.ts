import { CompressionTypes, type Kafka, type Producer } from 'kafkajs';
import { withTimeout } from '../lib/with-timeout.ts';
import { EncodedMessages, keyPartitioner } from './produce.ts';
import { namingRights } from './rights.ts';
import { EncodedRecords, type EncodedRange, type KeyedMessage } from './encode-records.ts';
import { sendBytesMax, TopicQueue } from './topic-queue.ts';
import { sleep } from '../lib/sleep.ts';
import { kafkaRequests } from '../contracts/timeouts.ts';

export interface Publisher {
  /**
   * Takes the messages before it returns. Resolves once the brokers have all of them in sync (acks -1), however many sends that takes. Rejects
   * when they do not take them in time; some may be there then. Rejects with the signal's reason as soon as it aborts: what was not sent by
   * then never is.
   */
  publish(topic: string, messages: Iterable<KeyedMessage>, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** The queue of a topic is full: the caller should answer "later". */
class PublisherFullError extends Error {
  override readonly name = 'PublisherFullError';
}

const connectDeadlineMs = 20_000;
/** Tries after the first one. */
const retriesMax = 5;
const retryMsMin = 100;
const retryMsMax = 1_000;

/**
 * A plain producer with one request in flight at a time for each topic, which carries what was published to it meanwhile. Plain, because
 * kafkajs's idempotent producer is known to acknowledge records that it dropped; one in flight, so that retries keep the order. Topics do
 * not wait for each other: a broker that is silent takes a minute of tries, and leads some topics only.
 * @param options.queueBytesMax what may wait for one topic.
 */
export async function createPublisher(
  kafka: Kafka,
  { queueBytesMax = 16 * 1024 * 1024 }: { queueBytesMax?: number } = {},
): Promise<Publisher> {
  const producer: Producer = kafka.producer({
    createPartitioner: keyPartitioner,
    allowAutoTopicCreation: false,
    idempotent: false,
    retry: { retries: 0 },
  });
  await withTimeout(
    connectDeadlineMs,
    producer.connect(),
    `Kafka takes no producer within ${connectDeadlineMs / 1_000} s`,
  );
  /** Those that have something to send; a topic's is made anew with its next message. */
  const queues = new Map<string, TopicQueue>();

  /**
   * kafkajs tries again only with the brokers that have not answered. What another broker has become the leader for in the meantime, or
   * belongs to another partition now, is then sent to nobody, and all looks well (docs/performance/kafka-encoding.md). So each try of ours is a new send of everything.
   */
  async function send(topic: string, parts: readonly EncodedRange[]): Promise<void> {
    for (let retries = 0; ; retries++) {
      const messages = new EncodedMessages(parts);
      try {
        messages.assertAnswered(
          await producer.send({
            acks: -1,
            timeout: kafkaRequests.requestMs,
            compression: CompressionTypes.None,
            topic,
            messages,
          }),
        );
        return;
      } catch (error) {
        // kafkajs calls it so when it would have tried again.
        if (retries === retriesMax || !(error instanceof Error) || error.name !== 'KafkaJSNumberOfRetriesExceeded')
          throw namingRights(error, { topic, operation: 'Write' });
        await sleep(Math.min(retryMsMax, retryMsMin * 2 ** retries) * (0.5 + Math.random() / 2));
      }
    }
  }

  function queueOf(topic: string): TopicQueue {
    let queue = queues.get(topic);
    if (!queue) {
      queue = new TopicQueue(
        (parts) => send(topic, parts),
        () => queues.delete(topic),
      );
      queues.set(topic, queue);
    }
    return queue;
  }

  return {
    async publish(topic, messages, signal) {
      signal?.throwIfAborted();
      const waiting = queues.get(topic)?.bytes ?? 0;
      if (waiting >= queueBytesMax) throw fullError(topic, waiting);
      // Encoded at once, so that the messages need not live until they are sent.
      const parts = new EncodedRecords(messages).cut(sendBytesMax);
      if (parts.length === 0) return;
      const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
      if (waiting > 0 && waiting + bytes > queueBytesMax) throw fullError(topic, waiting);
      return queueOf(topic).publish(parts, signal);
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.sent()));
      await withTimeout(connectDeadlineMs, producer.disconnect());
    },
  };
}

function fullError(topic: string, bytes: number): PublisherFullError {
  return new PublisherFullError(`${bytes} bytes wait for topic ${topic} already; try again later`);
}

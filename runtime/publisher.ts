import { setTimeout as sleep } from 'node:timers/promises';
import { CompressionTypes, type Kafka, type Producer } from 'kafkajs';
import { keyPartitioner } from './kafka-partitioner.ts';
import { EncodedMessages } from './kafka-produce.ts';
import { EncodedRecords, type EncodedRange, type KeyedMessage } from './kafka-records.ts';

export interface Publisher {
  /**
   * Takes the messages before it returns. Resolves once the brokers have all of them in sync (acks -1), however many sends that takes. Rejects
   * when they do not take them in time; some may be there then. Rejects with the signal's reason as soon as it aborts: what was not sent by
   * then never is.
   */
  publish(topic: string, messages: Iterable<KeyedMessage>, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** What one call wants published. It has all its messages in the queue as parts, which are sent one after another. */
interface Publication {
  partsLeft: number;
  resolve(): void;
  reject(error: unknown): void;
}

interface Part extends EncodedRange {
  publication: Publication;
  topic: string;
}

/** The queue is full: the caller should answer "later". */
export class PublisherFullError extends Error {
  override readonly name = 'PublisherFullError';
}

/** How much one send carries at most. A topic takes 1,048,588 bytes per send and partition by default, and all may be for one. */
const sendBytesMax = 768 * 1024;

/** Tries after the first one. */
const retriesMax = 5;
const retryMsMin = 100;
const retryMsMax = 1_000;

/**
 * A plain producer with one request in flight at a time, which carries what was published to a topic meanwhile. Plain, because
 * kafkajs's idempotent producer is known to acknowledge records that it dropped; one in flight, so that retries keep the order.
 */
export async function createPublisher(kafka: Kafka, { queueBytesMax = 16 * 1024 * 1024 }: { queueBytesMax?: number } = {}): Promise<Publisher> {
  const producer: Producer = kafka.producer({ createPartitioner: keyPartitioner, allowAutoTopicCreation: false, idempotent: false, retry: { retries: 0 } });
  await producer.connect();
  const queue = new PartQueue();
  let sending: Promise<void> | undefined;

  /**
   * kafkajs tries again only with the brokers that have not answered. What another broker has become the leader for in the meantime, or
   * belongs to another partition now, is then sent to nobody, and all looks well (docs/decisions/0035). So each try of ours is a new send of everything.
   */
  async function send(parts: readonly Part[]): Promise<void> {
    for (let retries = 0; ; retries++) {
      const messages = new EncodedMessages(parts);
      try {
        messages.assertAnswered(await producer.send({ acks: -1, timeout: 10_000, compression: CompressionTypes.None, topic: parts[0]!.topic, messages }));
        return;
      } catch (error) {
        // kafkajs calls it so when it would have tried again.
        if (retries === retriesMax || !(error instanceof Error) || error.name !== 'KafkaJSNumberOfRetriesExceeded') throw error;
        await sleep(Math.min(retryMsMax, retryMsMin * 2 ** retries) * (0.5 + Math.random() / 2));
      }
    }
  }

  async function sendAll(): Promise<void> {
    for (let parts = queue.take(); parts.length > 0; parts = queue.take()) {
      try {
        await send(parts);
        for (const { publication } of parts) if (--publication.partsLeft === 0) publication.resolve();
      } catch (error) {
        for (const { publication } of parts) {
          queue.remove(publication);
          publication.reject(error);
        }
      }
    }
    sending = undefined;
  }

  return {
    async publish(topic, messages, signal) {
      signal?.throwIfAborted();
      if (queue.bytes >= queueBytesMax) throw fullError(queue);
      // Encoded at once, so that the messages need not live until they are sent.
      const parts = new EncodedRecords(messages).cut(sendBytesMax);
      if (parts.length === 0) return;
      const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
      if (queue.bytes > 0 && queue.bytes + bytes > queueBytesMax) throw fullError(queue);
      return new Promise<void>((resolve, reject) => {
        const publication: Publication = {
          partsLeft: parts.length,
          resolve: () => {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
          reject: (error) => {
            signal?.removeEventListener('abort', onAbort);
            reject(error as Error);
          },
        };
        function onAbort() {
          queue.remove(publication);
          reject(signal!.reason as Error);
        }
        signal?.addEventListener('abort', onAbort, { once: true });
        for (const part of parts) queue.add({ publication, topic, ...part });
        sending ??= sendAll();
      });
    },
    async close() {
      await sending;
      await producer.disconnect();
    },
  };
}

function fullError({ bytes }: PartQueue): PublisherFullError {
  return new PublisherFullError(`${bytes} bytes wait for Kafka already; try again later`);
}

/** Parts in the order of their arrival. */
class PartQueue {
  #parts: Part[] = [];
  bytes = 0;

  add(part: Part): void {
    this.#parts.push(part);
    this.bytes += part.bytes;
  }

  /** Forgets what a publication still has here. */
  remove(publication: Publication): void {
    this.#keep(this.#parts.filter((part) => part.publication !== publication));
  }

  /** Takes what travels together: parts of one topic, because a topic that fails must not fail the others. */
  take(): Part[] {
    const topic = this.#parts[0]?.topic;
    const taken: Part[] = [];
    const left: Part[] = [];
    let bytes = 0;
    let full = false;
    for (const part of this.#parts) {
      const fits = part.topic === topic && !full && (taken.length === 0 || bytes + part.bytes <= sendBytesMax);
      (fits ? taken : left).push(part);
      if (fits) bytes += part.bytes;
      // What does not fit any more closes the request, so that a topic's messages keep their order.
      else if (part.topic === topic) full = true;
    }
    this.#keep(left);
    return taken;
  }

  #keep(parts: Part[]): void {
    this.#parts = parts;
    this.bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  }
}

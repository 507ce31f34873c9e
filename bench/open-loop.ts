import { setTimeout as sleep } from 'node:timers/promises';
import { Partitioners } from 'kafkajs';
import type { BenchContext } from './context.ts';

/** An event that was sent: where Kafka put it, and when it was due. */
export interface SentEvent {
  partition: number;
  offset: number;
  dueMs: number;
}

import { paymentMessage, simulatedPayments } from './payments.ts';
import { kafkaClient } from './servers.ts';
import type { BenchSystem } from './system.ts';

/** What falls due meanwhile goes together, as a producer with this linger would send it; the wait counts as latency. */
const tickMs = 5;
const tellEverySeconds = 10;

/**
 * Sends events at a steady rate. Each carries the time at which it was due as its record time, so what a late sender adds counts
 * as latency. Several sends may be under way: a slow answer of Kafka delays nobody. Returns the events in the order of their due times.
 */
export async function sendOnSchedule(
  { tell }: BenchContext,
  system: BenchSystem,
  rate: number,
  seconds: number,
): Promise<SentEvent[]> {
  const producer = kafkaClient(system.servers).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  try {
    const payments = [...simulatedPayments(rate * seconds)].map(paymentMessage);
    const sends: Promise<void>[] = [];
    const startMs = Date.now() + 100;
    let toldSeconds = 0;
    for (let next = 0; next < payments.length; ) {
      const dueCount = Math.min(payments.length, Math.floor(((Date.now() - startMs) / 1_000) * rate) + 1);
      if (dueCount > next) {
        const messages = payments
          .slice(next, dueCount)
          .map((message, i) => ({ ...message, timestamp: String(dueAt(startMs, next + i, rate)) }));
        sends.push(producer.send({ topic: system.topic, acks: -1, messages }).then(() => undefined));
        next = dueCount;
      }
      if (next / rate >= toldSeconds + tellEverySeconds)
        tell(`${(toldSeconds += tellEverySeconds)} of ${seconds} s sent`);
      await sleep(tickMs);
    }
    await Promise.all(sends);
  } finally {
    await producer.disconnect();
  }
  return readBack(system, rate * seconds);
}

function dueAt(startMs: number, index: number, rate: number): number {
  return Math.round(startMs + (index * 1_000) / rate);
}

/** Where Kafka put the events: a read of the whole topic. */
async function readBack(system: BenchSystem, count: number): Promise<SentEvent[]> {
  const consumer = kafkaClient(system.servers).consumer({ groupId: 'bench-read-back', maxWaitTimeInMs: 50 });
  const sent: SentEvent[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topic: system.topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`only ${sent.length} of ${count} events could be read back`)),
        60_000,
      );
      void consumer
        .run({
          autoCommit: false,
          eachBatch: ({ batch: { partition, messages } }) => {
            for (const { offset, timestamp } of messages)
              sent.push({ partition, offset: Number(offset), dueMs: Number(timestamp) });
            if (sent.length >= count) {
              clearTimeout(timer);
              resolve();
            }
            return Promise.resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return sent.sort((a, b) => a.dueMs - b.dueMs);
}

import { randomUUID } from 'node:crypto';
import { createInferenceClient, outputOf } from '@headrace/inference-client';
import pipeline from '../pipelines/fraud/index.ts';
import type { PaymentEvent } from '../pipelines/fraud/simulator/payment-event.ts';
import type { BenchContext } from './context.ts';
import { kafkaClient } from './servers.ts';
import type { BenchSystem } from './system.ts';

const rowsMax = 2_048;
const width = Object.keys(pipeline.features).length;
const timeoutMs = 300_000;

export interface BareLoopResult {
  eventsPerSecond: number;
  /** CPU time of the loop's own process. */
  cpuMicrosPerEvent: number;
}

/**
 * The least that scoring a topic can mean: kafkajs, JSON.parse, a few numbers of the event itself, the model. Nothing is
 * validated, remembered, delivered or safe from a crash. It reads the whole backlog in this process.
 */
export async function measureBareLoop({ events, tell }: BenchContext, system: BenchSystem): Promise<BareLoopResult> {
  const { 'model-server': model } = system.servers;
  const client = createInferenceClient({ address: model.address, deadlineMs: 10_000 });
  const consumer = kafkaClient(system.servers).consumer({ groupId: `bare-loop-${randomUUID()}`, maxWaitTimeInMs: 25 });
  let seen = 0;
  let startedMs = 0;
  let cpuBefore = process.cpuUsage();
  try {
    await consumer.connect();
    await consumer.subscribe({ topic: system.topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the bare loop saw ${seen} of ${events} events within ${timeoutMs / 1_000} s`)),
        timeoutMs,
      );
      consumer.on(consumer.events.CRASH, ({ payload }) => !payload.restart && reject(payload.error));
      void consumer
        .run({
          autoCommit: false,
          partitionsConsumedConcurrently: 4,
          eachBatch: async ({ batch: { messages } }) => {
            if (startedMs === 0) {
              startedMs = performance.now();
              cpuBefore = process.cpuUsage();
            }
            for (let from = 0; from < messages.length; from += rowsMax) {
              const rows = messages.slice(from, from + rowsMax);
              const input = {
                name: pipeline.model.input,
                datatype: 'FP32' as const,
                shape: [rows.length, width],
                data: trivialFeatures(rows),
              };
              outputOf(await client.infer({ model: pipeline.model.name, inputs: [input] }), 'score', 'FP32');
              seen += rows.length;
            }
            if (seen < events) return;
            clearTimeout(timer);
            resolve();
          },
        })
        .catch(reject);
    });
    const seconds = (performance.now() - startedMs) / 1_000;
    const { user, system: kernel } = process.cpuUsage(cpuBefore);
    tell(`bare loop: ${Math.round(seen / seconds)} events/s`);
    return { eventsPerSecond: seen / seconds, cpuMicrosPerEvent: (user + kernel) / seen };
  } finally {
    await consumer.disconnect();
    await client.close();
  }
}

function trivialFeatures(rows: readonly { value: Buffer | null }[]): Float32Array {
  const features = new Float32Array(rows.length * width);
  rows.forEach(({ value }, row) => {
    const { amount, eventTime } = JSON.parse(value!.toString()) as PaymentEvent;
    const time = new Date(eventTime);
    features[row * width] = amount;
    features[row * width + 1] = time.getUTCDay() % 6 === 0 ? 1 : 0;
    features[row * width + 2] = time.getUTCHours() <= 6 ? 1 : 0;
  });
  return features;
}

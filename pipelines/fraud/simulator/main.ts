import { resolve } from 'node:path';
import { collectDefaultMetrics, Counter, Registry } from 'prom-client';
import { messageOf } from '../../../contracts/failures.ts';
import { connectKafka } from '../../../kafka/connection.ts';
import { startMetricsServer } from '../../../process/metrics-server.ts';
import { createPublisher } from '../../../kafka/producer.ts';
import { runMain } from '../../../process/run-main.ts';
import pipeline from '../index.ts';
import { openProgress } from './progress.ts';
import { simulateDays } from './simulate.ts';
import { streamPayments } from './stream.ts';
import { bookWorld } from './world.ts';
import { sleep } from '../../../lib/sleep.ts';

/** How long a publication that is under way may still take at the end. */
const stopGraceMs = 1_500;

/** Streams simulated card payments into Kafka, for ever, at HEADRACE_SIMULATOR_RATE events per second. */
await runMain('simulator', async (config, log) => {
  const { rate } = config.simulator;
  const progress = openProgress(resolve(config.dataDir));
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const generated = new Counter({
    name: 'headrace_generated_total',
    help: 'Events that the simulator published.',
    labelNames: ['pipeline'],
    registers: [registry],
  });
  generated.inc({ pipeline: pipeline.name }, 0);
  const publisher = await createPublisher(await connectKafka(config, log, 'simulator'));
  const metrics = await startMetricsServer(registry, config.metrics);

  const stopping = new AbortController();
  const streamed = streamPayments({
    days: simulateDays({ ...bookWorld, days: Infinity }),
    rate,
    publish: (events) =>
      publisher.publish(
        pipeline.topic.name,
        events.map((event) => ({ key: event.customerId, value: JSON.stringify(event) })),
      ),
    progress,
    onPublished: (count) => generated.inc({ pipeline: pipeline.name }, count),
    onFailed: (error) => log.warn(`Kafka does not take events, trying again: ${messageOf(error)}`),
    signal: stopping.signal,
  });
  return {
    ready: {
      pipeline: pipeline.name,
      topic: pipeline.topic.name,
      rate,
      begunBefore: progress.published(),
      metrics: metrics.address,
    },
    failed: streamed.then(() => new Promise<never>(() => {})),
    async stop() {
      stopping.abort();
      await Promise.race([streamed.then(() => publisher.close()), sleep(stopGraceMs)]);
      await metrics.close();
    },
  };
});

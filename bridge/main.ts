/**
 * Kafka to workflow starts: batches of chains of partitions, started, awaited and committed in order.
 * Puts the bridge together from its ports: a Kafka consumer, a starter of runs, and clocks.
 * The rules stand in `chain.ts`; nothing here decides anything.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { messageOf } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { Config } from '../contracts/schemas/config.ts';
import { createPool, type Pool } from '../database/pool.ts';
import { findNewestEpoch, findPartitionEnds } from '../ledger/read-ledger.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import { loadPipelines } from '../pipelines/load.ts';
import { connectKafka, type Kafka } from '../kafka/connection.ts';
import { startMetricsServer } from '../process/metrics-server.ts';
import { runMain } from '../process/run-main.ts';
import { ensureSearchAttributes } from '../temporal/search-attributes.ts';
import { refuseOtherGeneration } from '../temporal/schedules.ts';
import { connectTemporal, type Client } from '../temporal/connection.ts';
import { ensureTopics } from '../kafka/topics.ts';
import { Budget } from './budget.ts';
import { capsOf, followingCaps } from './caps.ts';
import { systemClock } from './clock.ts';
import { createKafkaSource } from '../kafka/consumer.ts';
import type { Source } from '../kafka/source.ts';
import type { Logger } from '../lib/log.ts';
import { Linger } from './linger.ts';
import { createBridgeReports } from './metrics.ts';
import { countOpenBatches, OpenBatches } from './open-batches.ts';
import { showStates } from './state-metrics.ts';
import { PipelineBridge, type PipelineBridgeOptions } from './pipeline-bridge.ts';
import { createTemporalStarter } from '../temporal/temporal-starter.ts';
import { ScoringLimiter, scoredAtOnce } from './scoring-limiter.ts';
import { sessionTimes } from '../contracts/timeouts.ts';
import { groupIdOf } from '../contracts/group-id.ts';

/** Every assignment asks the ledger, and mostly goes on without an answer. */
const ledgerDeadlineMs = 5_000;
/** Of a process, shared evenly by its pipelines. What lanes hold keeps whole fetches alive. */
const laneBytesMaxOfAll = 32 * 1024 * 1024;

await runMain('bridge', async (config, log) => {
  const { bridge, deployment } = config;
  const pipelines = await loadPipelines({ dir: config.pipelinesDir, names: config.pipelines });
  const kafka = await connectKafka(config, log, 'bridge');
  await ensureTopics(kafka, pipelines, config.kafka);
  const temporal = await connectTemporal(config);
  await refuseOtherGeneration(temporal, { deployment, taskQueue: config.temporal.taskQueue });
  await ensureSearchAttributes(temporal);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const reports = createBridgeReports(registry, log);
  const atOnce = scoredAtOnce(config.temporal.address);
  const budget = new Budget(systemClock, bridge.batchesPerSecond, {
    linger: new Linger(systemClock, bridge.lingerMs, atOnce),
    turns: new ScoringLimiter(systemClock, atOnce),
  });
  // Asked once for each assignment: the bridge does not hold connections for it, and starts without Postgres.
  const askLedger = async <T>(ask: (pool: Pool) => Promise<T>): Promise<T> => {
    const pool = await createPool(config.database.url, { max: 1, applicationName: 'headrace bridge' });
    return withTimeout(ledgerDeadlineMs, ask(pool)).finally(() => pool.end());
  };
  const starter = createTemporalStarter(temporal, config.temporal.taskQueue);

  const running = pipelines.map((pipeline) => {
    const openBatches = watchOpenBatches(temporal, config, pipeline.name, reports, log);
    return {
      openBatches,
      pipelineBridge: new PipelineBridge(
        {
          createSource: () => sourceOf(kafka, config, pipeline),
          starter,
          ledgerEnds: (topic) => askLedger((pool) => findPartitionEnds(pool, topic)),
          newestEpoch: (topic) => askLedger((pool) => findNewestEpoch(pool, topic)),
          clock: systemClock,
          budget,
          openBatches,
          reports,
          log: { info: (text) => log.info(text), error: (text) => log.error(text) },
        },
        pipelineOptions(config, pipeline, laneBytesMaxOfAll / pipelines.length),
      ),
    };
  });

  const states = () => running.flatMap(({ pipelineBridge }) => pipelineBridge.states());
  showStates(registry, states);
  await Promise.all(running.map(({ pipelineBridge }) => pipelineBridge.start()));
  const metrics = await startMetricsServer(registry, config.metrics, () => ({ deployment, partitions: states() }));
  return {
    ready: { pipelines: pipelines.map(({ name }) => name), metrics: metrics.address },
    async stop() {
      await Promise.all(running.map(({ pipelineBridge }) => pipelineBridge.stop()));
      for (const { openBatches } of running) openBatches.stop();
      await temporal.connection.close();
      await metrics.close();
    },
  };
});

/** Counts the batches of a pipeline whose deliveries are under way, until it is stopped. */
function watchOpenBatches(
  temporal: Client,
  { deployment, bridge }: Config,
  pipeline: string,
  reports: ReturnType<typeof createBridgeReports>,
  log: Logger,
): OpenBatches {
  const openBatches = new OpenBatches(
    systemClock,
    countOpenBatches(temporal, deployment, pipeline),
    bridge.openBatchesMax,
    (count, error) => {
      reports.openBatches(pipeline, count);
      if (error) log.warn({ pipeline }, `open batches are not known: ${error}`);
    },
  );
  openBatches
    .watch()
    .catch((error: unknown) => log.error({ pipeline }, `open batches are not counted any more: ${messageOf(error)}`));
  return openBatches;
}

function sourceOf(kafka: Kafka, config: Config, { name, topic }: AnyPipeline): Source {
  return createKafkaSource(kafka, {
    topic: topic.name,
    groupId: groupIdOf(config, name),
    sessionTimeoutMs: config.kafka.sessionTimeoutMs,
    chains: topic.chains,
  });
}

function pipelineOptions(config: Config, pipeline: AnyPipeline, laneBytesMax: number): PipelineBridgeOptions {
  const { bridge, deployment, epoch, kafka, triton } = config;
  return {
    topic: { deployment, pipeline: pipeline.name, epoch, topic: pipeline.topic.name },
    chains: pipeline.topic.chains,
    startAt: bridge.startAt,
    caps: followingCaps(capsOf(pipeline, bridge), triton.deadlineMs),
    laneBytesMax: { all: laneBytesMax, each: bridge.laneBytesMax },
    startDeadlineMs: sessionTimes(kafka.sessionTimeoutMs).startMs,
  };
}

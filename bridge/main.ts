/**
 * Kafka to workflow starts: one chain of batches for each partition, started, awaited and committed in order.
 * Puts the bridge together from its ports: a Kafka consumer, a starter of runs, and clocks.
 * The rules stand in `partition.ts`; nothing here decides anything.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { messageOf } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { Config } from '../contracts/schemas/config.ts';
import { createPool } from '../database/pool.ts';
import { findChainEnd } from '../ledger/ranges.ts';
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
import { withLedger, type ChainEnd } from './ledger-starter.ts';
import { createBridgeReports } from './metrics.ts';
import { countOpenBatches, OpenBatches } from './open-batches.ts';
import { showStates } from './state-metrics.ts';
import { PipelineBridge, type PipelineBridgeOptions } from './pipeline-bridge.ts';
import { createTemporalStarter } from '../temporal/temporal-starter.ts';
import { ScoringLimiter, scoredAtOnce } from './scoring-limiter.ts';
import { sessionTimes } from '../contracts/timeouts.ts';

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
  // Asked only when a commit says nothing: the bridge does not hold connections for it, and starts without Postgres.
  const chainEnd: ChainEnd = async (chain) => {
    const pool = await createPool(config.database.url, { max: 1, applicationName: 'headrace bridge' });
    return findChainEnd(pool, chain).finally(() => pool.end());
  };
  const starter = withLedger(createTemporalStarter(temporal, config.temporal.taskQueue), chainEnd);

  const running = pipelines.map((pipeline) => {
    const openBatches = watchOpenBatches(temporal, config, pipeline.name, reports, log);
    return {
      openBatches,
      pipelineBridge: new PipelineBridge(
        {
          createSource: () => sourceOf(kafka, config, pipeline),
          starter,
          clock: systemClock,
          budget,
          openBatches,
          reports,
          log: { info: (text) => log.info(text), error: (text) => log.error(text) },
        },
        pipelineOptions(config, pipeline),
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

function sourceOf(kafka: Kafka, { kafka: config, deployment }: Config, { name, topic }: AnyPipeline): Source {
  return createKafkaSource(kafka, {
    topic: topic.name,
    groupId: `${config.groupPrefix}.${deployment}.${name}`,
    sessionTimeoutMs: config.sessionTimeoutMs,
  });
}

function pipelineOptions(config: Config, pipeline: AnyPipeline): PipelineBridgeOptions {
  const { bridge, deployment, epoch, kafka, triton } = config;
  return {
    chain: { deployment, pipeline: pipeline.name, epoch, topic: pipeline.topic.name },
    epoch,
    startAt: bridge.startAt,
    caps: followingCaps(capsOf(pipeline, bridge), triton.deadlineMs),
    laneBytesMax: bridge.laneBytesMax,
    startDeadlineMs: sessionTimes(kafka.sessionTimeoutMs).startMs,
  };
}

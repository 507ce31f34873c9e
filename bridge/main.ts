/**
 * Kafka to workflow starts: one chain of batches for each partition, started, awaited and committed in order.
 * Puts the bridge together from its ports: a Kafka consumer, a starter of runs, and clocks.
 * The rules stand in `partition.ts`; nothing here decides anything.
 */
import { setFlagsFromString } from 'node:v8';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { messageOf } from '../contracts/failures.ts';
import { createPool } from '../database/pool.ts';
import { findChainEnd } from '../ledger/ranges.ts';
import { loadPipelines } from '../pipelines/load.ts';
import { connectKafka } from '../kafka/connection.ts';
import { startMetricsServer } from '../process/metrics-server.ts';
import { runMain } from '../process/run-main.ts';
import { ensureSearchAttributes } from '../temporal/search-attributes.ts';
import { connectTemporal } from '../temporal/connection.ts';
import { ensureTopics } from '../kafka/topics.ts';
import { Budget } from './budget.ts';
import { capsOf, followingCaps } from './caps.ts';
import { systemClock } from './clock.ts';
import { createKafkaSource } from '../kafka/consumer.ts';
import { Linger } from './linger.ts';
import { withLedger, type ChainEnd } from './ledger-starter.ts';
import { createBridgeReports } from './metrics.ts';
import { countOpenBatches, OpenBatches } from './open-batches.ts';
import { showStates } from './state-metrics.ts';
import { PipelineBridge } from './pipeline-bridge.ts';
import { createTemporalStarter } from '../temporal/temporal-starter.ts';
import { ScoringLimiter, scoredAtOnce } from './scoring-limiter.ts';

const startDeadlineMsMin = 1_500;

// What was fetched is soon garbage. V8 would let up to four times what is alive pile up before it looks; see docs/performance/memory.md.
setFlagsFromString('--heap-growing-percent=100');

await runMain('bridge', async (config, log) => {
  const { bridge, deployment, epoch, kafka: kafkaConfig } = config;
  const pipelines = await loadPipelines({ dir: config.pipelinesDir, names: config.pipelines });
  const kafka = await connectKafka(config, log, 'bridge');
  await ensureTopics(kafka, pipelines, kafkaConfig);
  const temporal = await connectTemporal(config);
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
    const { name, topic } = pipeline;
    const openBatches = new OpenBatches(
      systemClock,
      countOpenBatches(temporal, deployment, name),
      bridge.openBatchesMax,
      (count, error) => {
        reports.openBatches(name, count);
        if (error) log.warn({ pipeline: name }, `open batches are not known: ${error}`);
      },
    );
    openBatches
      .watch()
      .catch((error: unknown) =>
        log.error({ pipeline: name }, `open batches are not counted any more: ${messageOf(error)}`),
      );
    const createSource = () =>
      createKafkaSource(kafka, {
        topic: topic.name,
        groupId: `${kafkaConfig.groupPrefix}.${deployment}.${name}`,
        sessionTimeoutMs: kafkaConfig.sessionTimeoutMs,
      });
    const pipelineBridge = new PipelineBridge(
      {
        createSource,
        starter,
        clock: systemClock,
        budget,
        openBatches,
        reports,
        log: { info: (text) => log.info(text), error: (text) => log.error(text) },
      },
      {
        chain: { deployment, pipeline: name, epoch, topic: topic.name },
        epoch,
        startAt: bridge.startAt,
        caps: followingCaps(capsOf(pipeline, bridge), config.triton.deadlineMs),
        laneBytesMax: bridge.laneBytesMax,
        startDeadlineMs: Math.max(startDeadlineMsMin, Math.floor(kafkaConfig.sessionTimeoutMs / 6)),
      },
    );
    return { openBatches, pipelineBridge };
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

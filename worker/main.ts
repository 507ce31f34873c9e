/**
 * The Temporal worker: every workflow and activity, over the servers that the settings name.
 * Puts the rooms together; what a step does stands in `activities/`.
 * Ready once Temporal, Postgres, Kafka and the models were looked at.
 */
import type { DataConverter } from '@temporalio/common';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { activitySlots, createActivities, type ActivityDependencies } from '../activities/index.ts';
import { labelMessage } from '../activities/project-review.ts';
import { HeadraceError, messageOf } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { Config } from '../contracts/schemas/config.ts';
import { migrate } from '../database/migrate.ts';
import { createPool } from '../database/pool.ts';
import { openLmdbStore, type FeatureStore } from '../features/index.ts';
import { findNewestEpoch } from '../ledger/index.ts';
import { loadPipelines } from '../pipelines/load.ts';
import { createBatchRuns } from '../temporal/runs.ts';
import { connectKafka } from '../kafka/connection.ts';
import type { Logger } from '../lib/log.ts';
import { startMetricsServer } from '../process/metrics-server.ts';
import { createPublisher } from '../kafka/producer.ts';
import { runMain } from '../process/run-main.ts';
import { ensureSchedule, refuseOtherGeneration, type ScheduledWorkflow } from '../temporal/schedules.ts';
import { ensureSearchAttributes } from '../temporal/search-attributes.ts';
import { connectTemporal, dataConverter, nativeConnectionOptions, type Client } from '../temporal/connection.ts';
import { readTopicRange, topicBounds } from '../kafka/topic-range.ts';
import { ensureTopics } from '../kafka/topics.ts';
import { createTritonClient } from '../scoring/triton-client.ts';
import { createDeadLetters } from '../sinks/dead-letters.ts';
import { refuseForeignLake } from '../lake/owner.ts';
import { createLedgerSink } from '../sinks/ledger.ts';
import { createSinks } from '../sinks/registry.ts';
import { checkModels } from '../scoring/check-models.ts';
import { guardDeployment } from './deployment-guard.ts';
import { showDiskRoom } from './disk-metrics.ts';
import { createActivityReports } from './metrics.ts';
import { openReviews } from '../reviews/open-reviews.ts';
import { createReviewStarter } from '../temporal/review-starter.ts';
import { createRunHistory } from '../temporal/run-history.ts';
import { installRuntime } from './sdk-log.ts';
import { createSweepMetrics } from './sweep-metrics.ts';
import { watchSystemicFailures } from './systemic-failures.ts';
import { createTritonModel } from '../scoring/triton-model.ts';
import { bundleCacheDir } from './bundle-cache.ts';
import { bundleWorkflows } from './workflow-code.ts';
import { sleep } from '../lib/sleep.ts';
import { stopping as stopTimes } from '../contracts/timeouts.ts';

const retryMs = 5_000;

await runMain('worker', async (config, log) => {
  const pipelines = await loadPipelines({ dir: config.pipelinesDir, names: config.pipelines });
  installRuntime(log);
  const converter = dataConverter(config.codec);
  const bundling = bundleWorkflows({
    failureConverterPath: converter.failureConverterPath,
    cacheDir: bundleCacheDir,
    warn: (said) => log.warn(said),
  });
  // Awaited below; what fails before that is told first.
  bundling.catch(() => undefined);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  const servers = await connectServers(config, pipelines, log);
  const notes = await checkModels(servers.triton, pipelines, config);
  for (const note of notes) log.warn(note);
  const { store, lakeRoot } = await openDisk(config, registry);
  const { pool, publisher, temporal, triton } = servers;
  const sinks = [...createSinks(pipelines, { pool, publisher, lakeRoot }), createLedgerSink({ pool })];
  const stopping = new AbortController();
  const activities = createActivities({
    ...portsOf(servers, converter),
    ...tasksOf(servers, config, pipelines, registry),
    pipelines,
    store,
    model: createTritonModel(triton, { deadlineMs: config.triton.deadlineMs }),
    sinks,
    reports: createActivityReports(registry, log),
    limits: { ...config.worker, modelDeadlineMs: config.triton.deadlineMs },
    lakeRoot,
    stopping: stopping.signal,
  });

  const connection = await NativeConnection.connect(nativeConnectionOptions(config));
  const workflowBundle = await bundling;
  const worker = await createWorker(config, activitySlots(pipelines), {
    connection,
    workflowBundle,
    dataConverter: converter,
    activities,
    interceptors: { activity: interceptorsOf(config, registry, log) },
  });
  const besides = Promise.all([
    setSchedules(temporal, config, log, stopping.signal),
    startReviews(servers, config, pipelines, log, stopping.signal),
  ]);
  const metrics = await startMetricsServer(registry, config.metrics);
  const ran = worker.run();
  return {
    ready: { pipelines: pipelines.map(({ name }) => name), metrics: metrics.address, lake: lakeRoot, notes },
    failed: ran.then(() => new Promise<never>(() => {})),
    async stop() {
      worker.shutdown();
      const givingUp = setTimeout(() => stopping.abort(new Error('the worker stops')), stopTimes.deliveriesMs);
      try {
        await ran;
      } finally {
        clearTimeout(givingUp);
        stopping.abort();
        await besides;
        await publisher.close();
        await Promise.all([...sinks.map((sink) => sink.close()), triton.close(), store.close(), pool.end()]);
        await connection.close();
        await temporal.connection.close();
        await metrics.close();
      }
    },
  };
});

type Servers = Awaited<ReturnType<typeof connectServers>>;

/** Connects to every server, and sets up what these pipelines need of each. */
async function connectServers(config: Config, pipelines: readonly AnyPipeline[], log: Logger) {
  const temporal = await connectTemporal(config);
  await refuseOtherGeneration(temporal, { deployment: config.deployment, taskQueue: config.temporal.taskQueue });
  await ensureSearchAttributes(temporal);
  const pool = await createPool(config.database.url, {
    max: config.database.poolMax,
    applicationName: 'headrace worker',
    onIdleError: (error) => log.warn(`a database connection broke: ${messageOf(error)}`),
  });
  await migrate(pool);
  const kafka = await connectKafka(config, log, 'worker');
  await ensureTopics(kafka, pipelines, config.kafka);
  const publisher = await createPublisher(kafka);
  return { temporal, pool, kafka, publisher, triton: createTritonClient(config) };
}

/** The store of the features, and the folder of the lake, both of this deployment. */
async function openDisk(config: Config, registry: Registry): Promise<{ store: FeatureStore; lakeRoot: string }> {
  const store = openLmdbStore({ dataDir: resolve(config.dataDir) });
  const lakeRoot = config.lake.url ? fileURLToPath(config.lake.url) : join(resolve(config.dataDir), 'lake');
  // One that cannot be read now is the sink's to tell, which waits until it can be.
  await refuseForeignLake(lakeRoot, config.deployment).catch((error: unknown) => {
    if (error instanceof HeadraceError) throw error;
  });
  showDiskRoom(registry, { data: resolve(config.dataDir), lake: lakeRoot });
  return { store, lakeRoot };
}

/** What activities read and write besides sinks. */
function portsOf({ kafka, publisher, temporal, pool }: Servers, { payloadCodecs }: DataConverter) {
  return {
    pool,
    deadLetters: createDeadLetters(publisher),
    records: {
      read: (topic, partition, from, to) => readTopicRange(kafka, topic, partition, from, to),
      bounds: (topic) => topicBounds(kafka, topic),
    },
    history: createRunHistory(temporal, payloadCodecs ?? []),
    publishLabel: async (label) => {
      const { topic, message } = labelMessage(label);
      await publisher.publish(topic, [message]);
    },
  } satisfies Partial<ActivityDependencies>;
}

/** What the activities of the sweep and of `headrace resume` need. */
function tasksOf(
  { temporal, publisher, pool }: Servers,
  { deployment, epoch, worker, lake }: Config,
  pipelines: readonly AnyPipeline[],
  registry: Registry,
): Pick<ActivityDependencies, 'sweep' | 'resume'> {
  return {
    sweep: {
      deployment,
      pipelines: pipelines.map(({ name }) => name),
      runs: createBatchRuns(temporal, deployment),
      retentionHours: lake.retentionHours,
      onSwept: createSweepMetrics(registry, { everySeconds: worker.sweepSeconds }),
    },
    resume: {
      deployment,
      // Raised for one topic by `headrace epoch bump`; the ledger learns it with the first batch.
      epochOf: async (topic) => Math.max(epoch, (await findNewestEpoch(pool, topic)) ?? 0),
      copies: publisher,
    },
  };
}

function interceptorsOf({ deployment, temporal }: Config, registry: Registry, log: Logger) {
  return [
    guardDeployment({ deployment, taskQueue: temporal.taskQueue, onStranger: (message) => log.error(message) }),
    watchSystemicFailures(registry),
  ];
}

/** Starts the workflows of reviews that wait in Postgres, until the signal is aborted. */
function startReviews(
  { pool, temporal }: Servers,
  config: Config,
  pipelines: readonly AnyPipeline[],
  log: Logger,
  stopping: AbortSignal,
): Promise<void> {
  return openReviews({
    pool,
    deployment: config.deployment,
    pipelines,
    log,
    startsPerSecond: config.worker.reviewStartsPerSecond,
    stopping,
    startReview: createReviewStarter(temporal, { taskQueue: config.temporal.taskQueue, log }),
  });
}

/** Resolves when all schedules are set, or the signal is aborted. */
async function setSchedules(client: Client, config: Config, log: Logger, stopping: AbortSignal): Promise<void> {
  const { deployment, temporal, lake, worker } = config;
  const set = (workflowType: ScheduledWorkflow, everySeconds: number) =>
    keepTrying(stopping, log, `the schedule of ${workflowType} cannot be set`, () =>
      ensureSchedule(client, { workflowType, deployment, taskQueue: temporal.taskQueue, everySeconds }),
    );
  await Promise.all([set('rollUpLake', lake.rollUpSeconds), set('sweep', worker.sweepSeconds)]);
}

/** For what decisions do not depend on: it must not keep a worker from starting. Ends when it worked or the signal is aborted. */
async function keepTrying(signal: AbortSignal, log: Logger, what: string, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      return await work();
    } catch (error) {
      log.warn(`${what}, trying again: ${messageOf(error)}`);
      await sleep(retryMs, signal);
    }
  }
}

function createWorker(
  config: Config,
  slots: number,
  options: Pick<WorkerOptions, 'connection' | 'workflowBundle' | 'dataConverter' | 'activities' | 'interceptors'>,
): Promise<Worker> {
  return Worker.create({
    ...options,
    namespace: config.temporal.namespace,
    taskQueue: config.temporal.taskQueue,
    maxCachedWorkflows: config.worker.workflowsCachedMax,
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentLocalActivityExecutions: 100,
    maxConcurrentActivityTaskExecutions: slots,
    shutdownGraceTime: stopTimes.activitiesMs,
    shutdownForceTime: stopTimes.forceMs,
  });
}

/**
 * The Temporal worker: every workflow and activity, over the servers that the settings name.
 * Puts the rooms together; what a step does stands in `activities/`.
 * Ready once Temporal, Postgres, Kafka and the models were looked at.
 */
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { activitySlots, createActivities } from '../activities/index.ts';
import { labelMessage } from '../activities/project-review.ts';
import { HeadraceError, messageOf } from '../contracts/failures.ts';
import type { Config } from '../contracts/schemas/config.ts';
import { migrate } from '../database/migrate.ts';
import { createPool } from '../database/pool.ts';
import { openLmdbStore } from '../features/index.ts';
import { loadPipelines } from '../pipelines/load.ts';
import { createBatchRuns } from '../temporal/runs.ts';
import { connectKafka } from '../kafka/connection.ts';
import type { Logger } from '../lib/log.ts';
import { startMetricsServer } from '../process/metrics-server.ts';
import { createPublisher } from '../kafka/producer.ts';
import { runMain } from '../process/run-main.ts';
import { ensureSchedule, type ScheduledWorkflow } from '../temporal/schedules.ts';
import { ensureSearchAttributes } from '../temporal/search-attributes.ts';
import { connectTemporal, dataConverter, nativeConnectionOptions } from '../temporal/connection.ts';
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
import { bundleWorkflows } from './workflow-code.ts';

const shutdownGraceMs = 5_000;
const retryMs = 5_000;
/** How long deliveries under way may still take when the worker stops. */
const deliveryGraceMs = 3_000;

await runMain('worker', async (config, log) => {
  const pipelines = await loadPipelines({ dir: config.pipelinesDir, names: config.pipelines });
  installRuntime(log);
  const converter = dataConverter(config.codec);
  const bundling = bundleWorkflows({
    failureConverterPath: converter.failureConverterPath,
    warn: (said) => log.warn(said),
  });
  // Awaited below; what fails before that is told first.
  bundling.catch(() => undefined);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  const temporal = await connectTemporal(config);
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
  const triton = createTritonClient(config);
  const notes = await checkModels(triton, pipelines, config);
  for (const note of notes) log.warn(note);

  const store = openLmdbStore({ dataDir: resolve(config.dataDir) });
  const lakeRoot = config.lake.url ? fileURLToPath(config.lake.url) : join(resolve(config.dataDir), 'lake');
  // One that cannot be read now is the sink's to tell, which waits until it can be.
  await refuseForeignLake(lakeRoot, config.deployment).catch((error: unknown) => {
    if (error instanceof HeadraceError) throw error;
  });
  showDiskRoom(registry, { data: resolve(config.dataDir), lake: lakeRoot });
  const sinks = [...createSinks(pipelines, { pool, publisher, lakeRoot }), createLedgerSink({ pool })];
  const stopping = new AbortController();
  const activities = createActivities({
    pipelines,
    store,
    model: createTritonModel(triton, { deadlineMs: config.triton.deadlineMs }),
    sinks,
    deadLetters: createDeadLetters(publisher),
    records: {
      read: (topic, partition, from, to) => readTopicRange(kafka, topic, partition, from, to),
      bounds: (topic) => topicBounds(kafka, topic),
    },
    history: createRunHistory(temporal, converter.payloadCodecs ?? []),
    reports: createActivityReports(registry, log),
    limits: { ...config.worker, modelDeadlineMs: config.triton.deadlineMs },
    pool,
    publishLabel: async (label) => {
      const { topic, message } = labelMessage(label);
      await publisher.publish(topic, [message]);
    },
    lakeRoot,
    sweep: {
      deployment: config.deployment,
      pipelines: pipelines.map(({ name }) => name),
      runs: createBatchRuns(temporal, config.deployment),
      onSwept: createSweepMetrics(registry, { everySeconds: config.worker.sweepSeconds }),
    },
    resume: { deployment: config.deployment, epoch: config.epoch, copies: publisher },
    stopping: stopping.signal,
  });

  const connection = await NativeConnection.connect(nativeConnectionOptions(config));
  const workflowBundle = await bundling;
  const worker = await createWorker(config, activitySlots(pipelines), {
    connection,
    workflowBundle,
    dataConverter: converter,
    activities,
    interceptors: {
      activity: [
        guardDeployment({
          deployment: config.deployment,
          taskQueue: config.temporal.taskQueue,
          onStranger: (message) => log.error(message),
        }),
        watchSystemicFailures(registry),
      ],
    },
  });
  const schedule = (workflowType: ScheduledWorkflow, everySeconds: number) =>
    keepTrying(stopping.signal, log, `the schedule of ${workflowType} cannot be set`, () =>
      ensureSchedule(temporal, {
        workflowType,
        deployment: config.deployment,
        taskQueue: config.temporal.taskQueue,
        everySeconds,
      }),
    );
  const scheduled = Promise.all([
    schedule('rollUpLake', config.lake.rollUpSeconds),
    schedule('sweep', config.worker.sweepSeconds),
  ]);
  const opening = openReviews({
    pool,
    deployment: config.deployment,
    pipelines,
    log,
    startsPerSecond: config.worker.reviewStartsPerSecond,
    stopping: stopping.signal,
    startReview: createReviewStarter(temporal, { taskQueue: config.temporal.taskQueue, log }),
  });
  const metrics = await startMetricsServer(registry, config.metrics);
  const ran = worker.run();
  return {
    ready: { pipelines: pipelines.map(({ name }) => name), metrics: metrics.address, lake: lakeRoot, notes },
    failed: ran.then(() => new Promise<never>(() => {})),
    async stop() {
      worker.shutdown();
      const givingUp = setTimeout(() => stopping.abort(new Error('the worker stops')), deliveryGraceMs);
      try {
        await ran;
      } finally {
        clearTimeout(givingUp);
        stopping.abort();
        await Promise.all([scheduled, opening]);
        await publisher.close();
        await Promise.all([...sinks.map((sink) => sink.close()), triton.close(), store.close(), pool.end()]);
        await connection.close();
        await temporal.connection.close();
        await metrics.close();
      }
    },
  };
});

/** For what decisions do not depend on: it must not keep a worker from starting. Ends when it worked or the signal is aborted. */
async function keepTrying(signal: AbortSignal, log: Logger, what: string, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      return await work();
    } catch (error) {
      log.warn(`${what}, trying again: ${messageOf(error)}`);
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
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
    shutdownGraceTime: shutdownGraceMs,
    shutdownForceTime: shutdownGraceMs + 1_000,
  });
}

/**
 * The HTTP side: events in, decisions and reviews out, status, metrics, and the codec of the Web UI.
 * Puts the routes together with the servers that they ask.
 * Ready once it listens; what is away is named by `/readyz`.
 */
import { readFileSync } from 'node:fs';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { Config } from '../contracts/schemas/config.ts';
import { groupIdOf } from '../contracts/group-id.ts';
import { countDecisions } from '../database/decisions.ts';
import { migrate } from '../database/migrate.ts';
import { messageOf } from '../lib/error-text.ts';
import type { Logger } from '../lib/log.ts';
import { createPool } from '../database/pool.ts';
import { findPartitionEnds } from '../ledger/read-ledger.ts';
import { countReviews } from '../reviews/lists.ts';
import { loadPipelines } from '../pipelines/load.ts';
import { createBatchRuns } from '../temporal/runs.ts';
import { createAdmin } from '../kafka/admin.ts';
import { createLogReader } from '../kafka/log-reader.ts';
import { readSchedules } from '../temporal/schedules.ts';
import { remembered, type StateReaders } from '../status/standing.ts';
import { readSystemState } from '../status/system-state.ts';
import { connectKafka } from '../kafka/connection.ts';
import { startMetricsServer } from '../process/metrics-server.ts';
import { createPublisher } from '../kafka/producer.ts';
import { runMain } from '../process/run-main.ts';
import { connectTemporal, dataConverter } from '../temporal/connection.ts';
import { createPayloadCodec } from '../temporal/payload-codec.ts';
import { createTritonClient } from '../scoring/triton-client.ts';
import type { GaugeSources } from './gauge-sources.ts';
import { listen } from './listen.ts';
import type { Check } from './readiness.ts';
import { codecOrigins } from './routes-codec.ts';
import { createGateway } from './server.ts';
import { createVerdictSender } from '../temporal/verdicts.ts';
import { countDeadLetters } from '../kafka/topic-counts.ts';

const checkTimeoutMs = 2_000;
/** A batch that is open for longer is worth a look. */
const openMs = 60_000;
const openListedMax = 10;
/** How long answers of Temporal are shown again: whoever watches asks every few seconds. */
const schedulesMs = 15_000;
const openBatchesMs = 5_000;

await runMain('gateway', async (config, log) => {
  const pipelines = await loadPipelines({ dir: config.pipelinesDir, names: config.pipelines });
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const servers = await connectServers(config, log);
  const { pool, temporal, publisher } = servers;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  const app = await createGateway({
    deployment: config.deployment,
    version,
    pipelines,
    publishEvents: (topic, messages) => publisher.publish(topic, messages),
    pool,
    sendVerdict: createVerdictSender(temporal),
    links: { uiUrl: config.temporal.uiUrl, namespace: config.temporal.namespace },
    checks: checksOf(servers, config.temporal.namespace),
    codec: dataConverter(config.codec).payloadCodecs?.[0] ?? createPayloadCodec(),
    codecOrigins: codecOrigins(config.temporal.uiUrl, config.gateway.codecOrigins),
    registry,
    metricsTargets: config.metrics.targets,
    gauges: gaugesOf(servers, config.deployment, pipelines),
    state: stateOf(servers, config, pipelines),
    log,
  });
  const { url, moved } = await listen(app, config.gateway);
  if (moved) log.warn(`port ${config.gateway.port} is taken; the gateway listens on ${url}`);
  const metrics = await startMetricsServer(registry, config.metrics);
  return {
    ready: { url, metrics: metrics.address, pipelines: pipelines.map(({ name }) => name) },
    async stop() {
      await app.close();
      await metrics.close();
      await servers.close();
    },
  };
});

type Servers = Awaited<ReturnType<typeof connectServers>>;

/** Every server that the gateway asks. */
async function connectServers(config: Config, log: Logger) {
  const pool = await createPool(config.database.url, {
    max: config.database.poolMax,
    applicationName: 'headrace gateway',
    onIdleError: (error) => log.warn(`a database connection broke: ${messageOf(error)}`),
  });
  await migrate(pool);
  const temporal = await connectTemporal(config);
  const kafka = await connectKafka(config, log, 'gateway');
  const publisher = await createPublisher(kafka);
  const admin = createAdmin(kafka);
  await admin.connect();
  const logs = createLogReader(kafka);
  await logs.connect();
  const triton = createTritonClient(config);
  const close = () =>
    Promise.all([
      publisher.close(),
      admin.disconnect(),
      logs.close(),
      triton.close(),
      temporal.connection.close(),
      pool.end(),
    ]);
  return { pool, temporal, publisher, admin, logs, triton, close };
}

function gaugesOf({ pool, admin, logs }: Servers, deployment: string, pipelines: readonly AnyPipeline[]): GaugeSources {
  const names = pipelines.map(({ name }) => name);
  return {
    decisions: () => countDecisions(pool, deployment),
    openReviews: () => countReviews(pool, deployment, ['open', 'escalated']),
    waitingReviews: () => countReviews(pool, deployment, ['waiting']),
    deadLetters: () => countDeadLetters({ admin, logs }, names),
  };
}

/** What `/v1/status` reads. */
function stateOf(
  { pool, temporal, admin, logs }: Servers,
  config: Config,
  pipelines: readonly AnyPipeline[],
): StateReaders {
  const { deployment, epoch } = config;
  const batchRuns = createBatchRuns(temporal, deployment);
  return {
    partitions: () =>
      readSystemState({
        deployment,
        epoch,
        pipelines: pipelines.map(({ name, topic }) => ({
          pipeline: name,
          topic: topic.name,
          groupId: groupIdOf(config, name),
        })),
        targets: Object.fromEntries(config.metrics.targets.map((target) => [target, target])),
        kafka: { logs, admin },
        temporal,
        partitionEnds: (topic) => findPartitionEnds(pool, topic),
      }),
    schedules: remembered(
      () => readSchedules(temporal, { deployment, taskQueue: config.temporal.taskQueue }),
      schedulesMs,
    ),
    openBatches: remembered(() => batchRuns.openSince(Date.now() - openMs, openListedMax), openBatchesMs),
  };
}

/** Each asks its server something small that only a working one answers. */
function checksOf({ pool, temporal, admin, triton }: Servers, namespace: string): Record<string, Check> {
  return {
    kafka: () => admin.describeCluster(),
    temporal: () =>
      temporal.withDeadline(Date.now() + checkTimeoutMs, () =>
        temporal.workflowService.describeNamespace({ namespace }),
      ),
    postgres: () => pool.query('select 1'),
    triton: async () => {
      if (!(await triton.serverReady())) throw new Error('the server is not ready');
    },
  };
}

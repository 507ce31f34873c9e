import { groupIdOf } from '../contracts/group-id.ts';
import { createBatchRuns } from '../temporal/runs.ts';
import { loadPipelines } from '../pipelines/load.ts';
import { readCommits } from './commits.ts';
import { connectServers, standingOf, type Servers } from './servers.ts';
import type { SystemConfig } from './system-config.ts';
import { verifyBatches, withVerdict, type VerifyReport } from './verify-report.ts';

/** Checks a system: its batches, where Postgres, Temporal and Kafka all answer, and how everything stands. What could not be looked at is told as such. */
export async function verifySystem(
  { config, pipelines: names, topics, targets }: SystemConfig,
  overdueSeconds: number,
): Promise<VerifyReport> {
  const { deployment } = config;
  const groupOf = (pipeline: string) => groupIdOf(config, pipeline);
  const servers = await connectServers(config);
  try {
    const { pool, temporal, kafka, away } = servers;
    const runs = temporal && createBatchRuns(temporal, deployment);
    const report = await verifyBatches({
      deployment,
      epoch: config.epoch,
      pipelines: names,
      pool,
      kafka,
      runs,
      overdueSeconds,
      groupOf,
    });
    const known = topics ?? (await topicsOf(config, servers, report, groupOf));
    const pipelines = known.map(({ name, topic }) => ({ pipeline: name, topic, groupId: groupOf(name) }));
    const standing = await standingOf(servers, config, { pipelines, targets });
    return withVerdict({
      ...report,
      unknown: { ...report.unknown, ...standing.unknown, ...away },
      partitions: standing.partitions,
      problems: standing.problems,
    });
  } finally {
    await servers.close();
  }
}

/** What a system reads that no data folder tells of: as its pipelines say, else as commits and the ledger know them, if the topics are still there. */
async function topicsOf(
  { pipelinesDir: dir, pipelines: names }: SystemConfig['config'],
  { kafka }: Servers,
  report: VerifyReport,
  groupOf: (pipeline: string) => string,
): Promise<{ name: string; topic: string }[]> {
  if (dir !== undefined) {
    const loaded = await loadPipelines({ dir, names }).catch(() => undefined);
    if (loaded) return loaded.map(({ name, topic }) => ({ name, topic: topic.name }));
  }
  if (!kafka) return [];
  const pipelines = [...new Set([...(names ?? []), ...report.ledger.map(({ partition }) => partition.pipeline)])];
  const places = [
    ...(await readCommits(pipelines, kafka.admin, groupOf)),
    ...report.ledger.map(({ partition }) => partition),
  ];
  const topics = new Set(await kafka.admin.listTopics());
  return [
    ...new Map(
      places
        .filter(({ topic }) => topics.has(topic))
        .map(({ pipeline, topic }) => [`${pipeline} ${topic}`, { name: pipeline, topic }]),
    ).values(),
  ];
}

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LiveAddresses } from './live-servers.ts';
import { createDatabase, createNamespace, startLiveServers } from './live.ts';

/** A small pipeline of a user's own, in text: page visits, counted. */
const pipelineText = (topic: string) => `
import { definePipeline } from 'headrace';
import { z } from 'zod';
export default definePipeline({
  name: 'visits', topic: { name: '${topic}', partitions: 1 },
  event: z.object({ id: z.string(), page: z.string(), at: z.number() }),
  eventId: (event) => event.id, eventTimeMs: (event) => event.at, entities: { page: (event) => event.page },
  features: ({ count }) => ({ page_count_1h: count({ entity: 'page', lengthMs: 3_600_000 }) }),
  model: { name: 'visits', input: 'x', outputs: { score: 1 } },
  outcomes: ['ok'], decide: () => ({ outcome: 'ok', why: 'always' }), sinks: [{ sink: 'dashboard' }],
});`;

/**
 * What a process needs to run that pipeline, which is written into the folder: real servers with a database and a namespace of their own, and a
 * model server that is not there.
 */
export async function startForVisits(
  folder: string,
  topic: string,
): Promise<{ live: Pick<LiveAddresses, 'kafka' | 'postgres' | 'temporal'>; env: Record<string, string> }> {
  const live = await startLiveServers({ kafka: true, postgres: true, temporal: true });
  const pipelinesDir = join(folder, 'pipelines');
  mkdirSync(join(pipelinesDir, 'visits'), { recursive: true });
  writeFileSync(join(pipelinesDir, 'visits', 'index.ts'), pipelineText(topic));
  const env = {
    PATH: process.env['PATH']!,
    HEADRACE_PIPELINES_DIR: pipelinesDir,
    HEADRACE_GATEWAY_PORT: '0',
    KAFKA_BROKERS: live.kafka.brokers.join(),
    DATABASE_URL: await createDatabase(live.postgres.databaseUrl),
    TEMPORAL_ADDRESS: live.temporal.address,
    TEMPORAL_NAMESPACE: await createNamespace(live.temporal.address),
    TRITON_URL: '127.0.0.1:1',
  };
  return { live, env };
}

import { readdirSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInferenceClient } from '@headrace/inference-client';
import type { Consumer, Kafka } from 'kafkajs';
import pg from 'pg';
import { decisionsTopic } from '../contracts/names.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { migrate } from '../database/migrate.ts';
import { createPool, type Pool } from '../database/pool.ts';
import { openLmdbStore, type FeatureStore } from '../features/index.ts';
import { createPublisher } from '../kafka/producer.ts';
import { ensureTopics } from '../kafka/topics.ts';
import { segmentsFolder } from '../lake/paths.ts';
import { readSegment } from '../lake/segment.ts';
import shipped from '../pipelines/fraud/index.ts';
import type { ModelPort } from '../scoring/ports.ts';
import { createTritonModel } from '../scoring/triton-model.ts';
import type { Sink } from '../sinks/port.ts';
import { createSinks } from '../sinks/registry.ts';
import type { BenchContext } from './context.ts';
import { kafkaClient } from './servers.ts';
import type { BenchSystem } from './system.ts';

const modelDeadlineMs = 10_000;
/** Batches whose rows are on their way to the sinks while the next ones are fetched and scored. */
export const deliveringMax = 4;
/** Two sinks write to Postgres: no delivery waits for a connection. */
const connectionsMax = 2 * deliveringMax;

/** What the equal-work loop reads and writes: all of it is its own, but for the servers and the topic. */
export interface EqualWorkPlaces {
  pipeline: AnyPipeline;
  consumer: Consumer;
  store: FeatureStore;
  model: ModelPort;
  /** In the pipeline's order. */
  sinks: Sink[];
  /** Throws unless Postgres, the lake and the decisions topic have one decision for each event, and all offsets are committed. */
  assertHold(events: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens them, empty. */
export async function openEqualWorkPlaces(
  { sinks: sinkNames }: BenchContext,
  system: BenchSystem,
  name: string,
): Promise<EqualWorkPlaces> {
  const { servers } = system;
  const pipeline = {
    ...shipped,
    name,
    topic: { name: system.topic, partitions: system.partitions, chains: 1 },
    sinks: shipped.sinks.filter(({ sink }) => !sinkNames || sinkNames.includes(sink)),
  } as AnyPipeline;
  const folder = join(servers.dataDir, name);
  await mkdir(folder);
  const { databaseUrl } = servers.postgres;
  await overDatabases(databaseUrl, `create database ${quoted(name)} template template0 encoding 'UTF8'`);
  const pool = await createPool(Object.assign(new URL(databaseUrl), { pathname: `/${name}` }).href, {
    max: connectionsMax,
    applicationName: name,
  });
  await migrate(pool);
  const kafka = kafkaClient(servers);
  await ensureTopics(kafka, [pipeline], {});
  const publisher = await createPublisher(kafka);
  const consumer = kafka.consumer({ groupId: name, maxWaitTimeInMs: 25 });
  await consumer.connect();
  const client = createInferenceClient({ address: servers['model-server'].address, deadlineMs: modelDeadlineMs });
  const store = openLmdbStore({ dataDir: folder });
  const lakeRoot = join(folder, 'lake');
  const sinks = createSinks([pipeline], { pool, publisher, lakeRoot });
  return {
    pipeline,
    consumer,
    store,
    model: createTritonModel(client, { deadlineMs: modelDeadlineMs }),
    sinks,
    assertHold: (events) => assertHold(events, { pipeline, pool, kafka, lakeRoot }),
    async close() {
      await consumer.disconnect();
      await Promise.all([publisher.close(), client.close(), store.close(), ...sinks.map((sink) => sink.close())]);
      await pool.end();
      // Nothing of it is to be vacuumed while the next one is measured.
      await overDatabases(databaseUrl, `drop database ${quoted(name)} with (force)`);
      await rm(folder, { recursive: true });
    },
  };
}

const quoted = (name: string) => pg.escapeIdentifier(name);

/** Makes or drops a database, which needs a connection to another one. */
async function overDatabases(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 60_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

interface Written {
  pipeline: AnyPipeline;
  pool: Pool;
  kafka: Kafka;
  lakeRoot: string;
}

async function assertHold(events: number, { pipeline, pool, kafka, lakeRoot }: Written): Promise<void> {
  const has = (sink: string) => pipeline.sinks.some((each) => each.sink === sink);
  const counts: Record<string, number> = {
    'committed offsets': await committedIn(kafka, pipeline),
    ...(has('dashboard') && { Postgres: await countRows(pool) }),
    ...(has('lake') && { 'the lake': await countSegmentRows(join(lakeRoot, segmentsFolder)) }),
    ...(has('decisions') && { 'the decisions topic': await countMessages(kafka, decisionsTopic(pipeline.name)) }),
  };
  assertAll(events, counts);
}

/** Throws unless all counts are the same as that of the events. */
export function assertAll(events: number, counts: Readonly<Record<string, number>>): void {
  const wrong = Object.entries(counts).filter(([, count]) => count !== events);
  if (wrong.length === 0) return;
  const found = wrong.map(([where, count]) => `${where}: ${count} of ${events}`).join(', ');
  throw new Error(`the equal-work loop has not done its work: ${found}`);
}

async function countRows(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: string }>('select count(*) from decisions');
  return Number(rows[0]!.count);
}

async function countSegmentRows(folder: string): Promise<number> {
  let count = 0;
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    if (path.endsWith('.seg')) count += (await readSegment(join(folder, path))).offset.length;
  return count;
}

function countMessages(kafka: Kafka, topic: string): Promise<number> {
  return withAdmin(kafka, async (admin) =>
    (await admin.fetchTopicOffsets(topic)).reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0),
  );
}

function committedIn(kafka: Kafka, { name, topic }: AnyPipeline): Promise<number> {
  return withAdmin(kafka, async (admin) => {
    const [committed] = await admin.fetchOffsets({ groupId: name, topics: [topic.name] });
    return committed!.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  });
}

async function withAdmin<T>(kafka: Kafka, ask: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await ask(admin);
  } finally {
    await admin.disconnect();
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { eventKeyHeader, type BatchMemo } from '../../contracts/names.ts';
import { headersIn } from '../../contracts/record-headers.ts';
import type { KafkaRecord } from '../../contracts/records-frame.ts';
import { installFetchDecoding } from '../../kafka/fetch-decoding.ts';
import { toRecord } from '../../kafka/record.ts';
import type { Found, Range } from './oracle.ts';
import type { System } from './system.ts';
import { until } from './wait.ts';

/** What is needed of a system to look at what it has done. */
export type Observed = Pick<System, 'name' | 'topic' | 'dataDir' | 'temporal' | 'kafka' | 'admin' | 'pool' | 'logs'>;

/** A record, and its headers as texts by name. */
export type TopicRecord = KafkaRecord & { texts: Record<string, string> };

/** Reads a whole topic up to its present end, with a group of its own. */
export async function readTopic(system: Observed, topic: string): Promise<Map<number, TopicRecord[]>> {
  const ends = new Map(
    (await system.admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]),
  );
  const records = new Map([...ends.keys()].map((partition) => [partition, [] as TopicRecord[]]));
  installFetchDecoding();
  const consumer = system.kafka.consumer({
    groupId: `reader-${Math.random().toString(36).slice(2)}`,
    sessionTimeout: 10_000,
    maxWaitTimeInMs: 50,
  });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: ({ partition, message }) => {
        const record = toRecord(message);
        const texts = [...headersIn(record.headers)].map(([name, value]): [string, string] => [
          Buffer.from(name).toString(),
          Buffer.from(value ?? []).toString(),
        ]);
        records.get(partition)!.push({ ...record, texts: Object.fromEntries(texts) });
        return Promise.resolve();
      },
    });
    await until(`topic ${topic} is read`, () =>
      [...ends].every(([partition, end]) => end === 0 || (records.get(partition)!.at(-1)?.offset ?? -1) >= end - 1),
    );
  } finally {
    await consumer.disconnect();
  }
  return records;
}

/** The dashboard's rows. */
export async function dashboardRows(system: Observed): Promise<Found[]> {
  const { rows } = await system.pool.query<{
    event_key: string;
    event_id: string;
    entities: { account: string };
    features: number[];
    prediction: { y: number };
    model_version: string;
    outcome: string;
    late: boolean;
    degraded: boolean;
  }>('select * from decisions');
  return rows.map((row) => ({
    eventKey: row.event_key,
    eventId: row.event_id,
    account: row.entities.account,
    features: row.features,
    y: row.prediction.y,
    version: row.model_version,
    outcome: row.outcome,
    late: row.late,
    degraded: row.degraded,
  }));
}

/** The decisions topic, without the repeats that at-least-once allows, and what is wrong with those: a repeat says the same. */
export async function decisionMessages(
  system: Observed,
): Promise<{ found: Found[]; repeats: number; disagreeing: string[] }> {
  const byKey = new Map<string, Found>();
  const disagreeing: string[] = [];
  let total = 0;
  for (const records of (await readTopic(system, `${system.name}.decisions`)).values()) {
    for (const { value, texts } of records) {
      const message = JSON.parse(Buffer.from(value!).toString()) as {
        eventKey: string;
        eventId: string;
        entities: { account: string };
        prediction: { y: number };
        model: { version: string };
        outcome: string;
        late: boolean;
        degraded: boolean;
      };
      total++;
      const found = {
        eventKey: message.eventKey,
        eventId: message.eventId,
        account: message.entities.account,
        y: message.prediction.y,
        version: message.model.version,
        outcome: message.outcome,
        late: message.late,
        degraded: message.degraded,
      };
      const before = byKey.get(texts[eventKeyHeader]!);
      if (before && !isDeepStrictEqual(before, found))
        disagreeing.push(`${found.eventKey}: repeated as ${JSON.stringify(found)}, and was ${JSON.stringify(before)}`);
      byKey.set(texts[eventKeyHeader]!, found);
    }
  }
  return { found: [...byKey.values()], repeats: total - byKey.size, disagreeing };
}

/** What a review says of its event. */
export type FoundReview = Pick<Found, 'eventKey' | 'eventId' | 'account' | 'outcome'>;

/** The reviews, opened or waiting. */
export async function reviews(system: Observed): Promise<FoundReview[]> {
  const { rows } = await system.pool.query<{
    event_key: string;
    event_id: string;
    entities: { account: string };
    outcome: string;
  }>('select event_key, event_id, entities, outcome from reviews where pipeline = $1', [system.name]);
  return rows.map((row) => ({
    eventKey: row.event_key,
    eventId: row.event_id,
    account: row.entities.account,
    outcome: row.outcome,
  }));
}

/** Event keys that have a review. */
export async function reviewedKeys(system: Observed): Promise<string[]> {
  return (await reviews(system)).map(({ eventKey }) => eventKey);
}

/** The dead letters by event key: their codes, in the order they came. */
export async function deadLetters(system: Observed): Promise<Map<string, string[]>> {
  const byKey = new Map<string, string[]>();
  for (const records of (await readTopic(system, `${system.name}.dead-letters`)).values()) {
    for (const { texts } of records)
      byKey.set(texts[eventKeyHeader]!, [...(byKey.get(texts[eventKeyHeader]!) ?? []), texts['headrace-code']!]);
  }
  return byKey;
}

/** The ranges of all batches that were started, by partition. */
export async function batchRanges(system: Observed): Promise<Map<number, Range[]>> {
  const ranges = new Map<number, Range[]>();
  const seen = new Set<string>();
  for await (const run of system.temporal.workflow.list({ query: "WorkflowType = 'processBatch'" })) {
    // A run that was reset has another one of the same batch behind it.
    if (seen.has(run.workflowId)) continue;
    seen.add(run.workflowId);
    for (const { partition, position, end } of (run.memo as unknown as BatchMemo).ranges)
      ranges.set(partition, [...(ranges.get(partition) ?? []), { position, end }]);
  }
  return ranges;
}

/** Temporal's list of runs is late by half a second, and more on a busy machine. */
const listLateMs = 1_500;

/** How many batches are not finished. Returns none only when none came up meanwhile. */
export async function openBatches(system: Observed): Promise<number> {
  const look = async () =>
    (await system.temporal.workflow.count("WorkflowType = 'processBatch' AND ExecutionStatus = 'Running'")).count;
  const open = await look();
  if (open > 0) return open;
  await sleep(listLateMs);
  return look();
}

/** Rolls the lake up now, and reads its Parquet files with DuckDB until they hold this many rows. */
export async function lakeRows(system: Observed, count: number, timeoutMs = 150_000): Promise<Found[]> {
  return (await lakeTable(system, count, timeoutMs)).map(lakeRow);
}

/** The same, with all columns as they are. */
export async function lakeTable(
  system: Observed,
  count: number,
  timeoutMs = 150_000,
): Promise<Record<string, unknown>[]> {
  const files = join(system.dataDir, 'lake', `pipeline=${system.name}`, '**', '*.parquet');
  const schedule = system.temporal.schedule.getHandle('roll-up-lake:test:headrace-test');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  try {
    return await until(
      `${count} rows in the lake`,
      async () => {
        // A trigger is skipped while a run is under way, and that one may have planned before the last segment came.
        await schedule.trigger();
        const rows = await connection
          .runAndReadAll(`select * from read_parquet('${files}', hive_partitioning = true, union_by_name = true)`)
          .then(
            (result) => result.getRowObjectsJS() as Record<string, unknown>[],
            () => [],
          );
        return rows.length >= count && rows;
      },
      { everyMs: 2_000, timeoutMs, detail: () => system.logs() },
    );
  } finally {
    connection.closeSync();
  }
}

function lakeRow(row: Record<string, unknown>): Found {
  return {
    eventKey: String(row['event_key']),
    eventId: String(row['event_id']),
    account: String(row['entity_account']),
    features: ['amount', 'count_1h', 'sum_1h'].map((name) => Number(row[`feature_${name}`])),
    y: Number(row['prediction_y']),
    version: String(row['model_version']),
    outcome: String(row['outcome']),
    late: row['late'] === true,
    degraded: row['degraded'] === true,
  };
}

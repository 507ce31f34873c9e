import type { Pool } from 'pg';
import { HeadraceError, messageOf } from '../contracts/failures.ts';
import { boolArray, float4Array, int8Array, jsonbArray, textArray, timestamptzArray } from '../database/binary-array.ts';
import { storableJson, storableText } from '../database/storable.ts';
import { untilAborted } from '../database/until-aborted.ts';
import { featureMatrix } from './feature-matrix.ts';
import type { DecisionRow, Delivery, Sink } from './port.ts';
import { failureOf } from './postgres-failure.ts';

/**
 * The rows that are new, and what they add to the minutes, in one statement and so in one transaction. Every delivery locks
 * minutes in the same order; two deliveries of one batch insert its keys in the same order. So none waits for the other in a ring.
 */
const insertSql = `
  with delivered as (
    select * from unnest($1::text[], $2::text[], $3::int8[], $4::timestamptz[], $5::timestamptz[], $6::jsonb[], $7::jsonb[], $8::jsonb[],
      $9::text[], $10::text[], $11::bool[], $12::bool[], $13::text[], $14::text[])
    with ordinality as row (event_key, event_id, kafka_offset, record_time, event_time, entities, event, prediction, model_name,
      model_version, degraded, late, outcome, why, number)
  ), inserted as (
    insert into decisions (event_key, pipeline, event_id, topic, partition, kafka_offset, record_time, event_time, entities, event,
      feature_set, features, prediction, model_name, model_version, degraded, late, outcome, why, workflow_id)
    select event_key, $15, event_id, $16, $17, kafka_offset, record_time, event_time, entities, event,
      $19, ($20::real[])[(number - 1) * $21 + 1 : number * $21], prediction, model_name, model_version, degraded, late, outcome, why, $18
    from delivered
    on conflict (event_key) do nothing
    returning event_time, outcome, model_version, degraded, late
  )
  insert into decision_minutes as minute (pipeline, minute, outcome, model_version, decisions, degraded, late)
  select $15, date_trunc('minute', event_time, 'UTC') as at, outcome, model_version, count(*), count(*) filter (where degraded),
    count(*) filter (where late)
  from inserted group by at, outcome, model_version order by at, outcome, model_version
  on conflict (pipeline, minute, outcome, model_version) do update set decisions = minute.decisions + excluded.decisions,
    degraded = minute.degraded + excluded.degraded, late = minute.late + excluded.late`;

/**
 * The serving database: every decision by its event key, and roll-ups per minute of event time. NUL characters and half
 * surrogates, which Postgres cannot store, become U+FFFD. An aborted delivery stops waiting at once; its statement ends by
 * itself, at the latest at the pool's statement time-out, and has its effect or not: the next call finds out.
 */
export function createDashboardSink({ pool }: { pool: Pool }): Sink {
  const featureSets = createFeatureSets(pool);
  return {
    name: 'dashboard',
    deliver: async ({ batch, pipeline, workflowId, rows }, signal) => {
      if (rows.length === 0) return;
      signal.throwIfAborted();
      const names = Object.keys(rows[0]!.features);
      const parameters = columnsOf(rows);
      const features = float4Array(featureMatrix(rows, names));
      try {
        const featureSet = await untilAborted(featureSets(names), signal);
        const values = [...parameters, pipeline.name, batch.topic, batch.partition, workflowId, featureSet, features, names.length];
        await untilAborted(pool.query({ name: 'dashboard-insert', text: insertSql, values }), signal);
      } catch (error) {
        throw failureOf(error);
      }
    },
    // The pool belongs to whoever made it.
    close: async () => undefined,
  };
}

/** Finds or makes the id of a list of names. Remembers them: a worker meets one list per pipeline. */
function createFeatureSets(pool: Pool): (names: string[]) => Promise<number> {
  const known = new Map<string, number>();
  return async (names) => {
    const key = names.join();
    const id = known.get(key);
    if (id !== undefined) return id;
    await pool.query('insert into feature_sets (names) values ($1) on conflict (names) do nothing', [names]);
    const { rows } = await pool.query<{ id: number }>('select id from feature_sets where names = $1', [names]);
    known.set(key, rows[0]!.id);
    return rows[0]!.id;
  };
}

/** In the order of the statement's parameters. Made once, not per delivery: see docs/decisions/0023. */
const columns = [
  column(textArray, (row) => storableText(row.eventKey)),
  column(textArray, (row) => storableText(row.eventId)),
  column(int8Array, (row) => row.offset),
  column(timestamptzArray, (row) => row.recordTimeMs),
  column(timestamptzArray, (row) => row.eventTimeMs),
  column(jsonbArray, (row) => storableJson(row.entities)),
  column(jsonbArray, (row) => storableJson(row.event)),
  column(jsonbArray, (row) => storableJson(row.prediction)),
  column(textArray, (row) => storableText(row.model.name)),
  column(textArray, (row) => storableText(row.model.version)),
  column(boolArray, (row) => row.degraded),
  column(boolArray, (row) => row.late),
  column(textArray, (row) => storableText(row.outcome)),
  column(textArray, (row) => storableText(row.why)),
];

function column<T>(arrayOf: (values: T[]) => Buffer, valueOf: (row: DecisionRow) => T): (rows: Delivery['rows']) => Buffer {
  return (rows) => arrayOf(rows.map(valueOf));
}

/** The rows as columns. Throws `SINK_REFUSED_ROW` for what no column can hold. */
function columnsOf(rows: Delivery['rows']): Buffer[] {
  try {
    return columns.map((of) => of(rows));
  } catch (error) {
    throw new HeadraceError('SINK_REFUSED_ROW', `the decision cannot be written as columns: ${messageOf(error)}`, { cause: error });
  }
}

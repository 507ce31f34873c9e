import { randomUUID } from 'node:crypto';
import type { Pool, QueryConfig } from 'pg';
import { isProgrammingError, messageOf } from '../lib/error-text.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { replacerFor } from '../lib/plain-json.ts';
import { nameOf } from '../contracts/rejection.ts';
import { float4Array, plainArray, textArray } from '../database/array-parameters.ts';
import { sanitizeJson, sanitizeText } from '../database/sanitize-text.ts';
import { untilAborted } from '../database/until-aborted.ts';
import { takenBack } from '../database/taken-back.ts';
import { storedDelivery } from './dashboard-stored.ts';
import type { DecisionRow, Delivery } from '../contracts/delivery.ts';
import type { Sink } from './port.ts';
import { failureOf } from './postgres-failure.ts';

/**
 * The rows come as one list for each column. Only those that are new are counted in their minutes, in the same statement; every delivery
 * locks minutes in the same order, so that no two wait for each other.
 */
const insertSql = `
  with added as (
    insert into decisions (event_key, pipeline, event_id, topic, partition, kafka_offset, record_time, event_time, entities, event,
      feature_set, features, prediction, model_name, model_version, degraded, late, outcome, why, workflow_id)
    select event_key, $1, event_id, $2, partition, kafka_offset, timestamptz 'epoch' + record_us * interval '1 microsecond',
      timestamptz 'epoch' + event_us * interval '1 microsecond', entities::jsonb, event::jsonb, $4, ($5::real[])[(number - 1) * $6 + 1 : number * $6],
      prediction::jsonb, model_name, model_version, degraded, late, outcome, why, $7
    from unnest($3::integer[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::text[], $16::text[], $17::text[],
      $18::text[], $19::boolean[], $20::boolean[], $21::text[], $22::text[]) with ordinality as row (partition, event_key, event_id, kafka_offset, record_us,
      event_us, entities, event, prediction, model_name, model_version, degraded, late, outcome, why, number)
    on conflict (event_key) do nothing
    returning date_trunc('minute', event_time, 'UTC') as minute, outcome, model_version, degraded, late
  )
  insert into decision_minutes as known (deployment, pipeline, minute, outcome, model_version, decisions, degraded, late)
  select $8, $1, minute, outcome, model_version, count(*), count(*) filter (where degraded), count(*) filter (where late)
  from added group by minute, outcome, model_version order by minute, outcome, model_version
  on conflict (deployment, pipeline, minute, outcome, model_version) do update set decisions = known.decisions + excluded.decisions,
    degraded = known.degraded + excluded.degraded, late = known.late + excluded.late, counted_at = excluded.counted_at`;

/**
 * The serving database: every decision by its event key, and roll-ups per minute of event time. NUL characters and half
 * surrogates, which Postgres cannot store, become U+FFFD. An aborted delivery stops waiting at once; what it has begun ends by
 * itself, at the latest at the pool's time-outs, and has its effect or not: the next call finds out.
 */
export function createDashboardSink({ pool }: { pool: Pool }): Sink {
  const featureSets = createFeatureSets(pool);

  async function insert(delivery: Delivery): Promise<void> {
    const featureSet = await featureSets(delivery.rows[0]!.features.names);
    await pool.query(insertQuery(delivery, featureSet));
  }

  /** Under a key and an id of its own, because a row that is there is compared with nothing but its key. */
  async function probe(known: Delivery, featureSet: number): Promise<void> {
    const id = `probe:${randomUUID()}`;
    const delivery = { ...known, rows: known.rows.slice(0, 1).map((row) => ({ ...row, eventKey: id, eventId: id })) };
    const query = insertQuery(delivery, featureSet);
    await takenBack(pool, (client) => client.query(query));
  }

  return {
    name: 'dashboard',
    deliver: async (delivery, signal) => {
      if (delivery.rows.length === 0) return;
      signal.throwIfAborted();
      try {
        await untilAborted(insert(delivery), signal);
      } catch (error) {
        throw failureOf(error);
      }
    },
    probe: async (pipeline, known, signal) => {
      signal.throwIfAborted();
      try {
        const stored = known ? undefined : await untilAborted(storedDelivery(pool, pipeline), signal);
        if (known)
          await untilAborted(
            featureSets(known.rows[0]!.features.names).then((featureSet) => probe(known, featureSet)),
            signal,
          );
        else if (stored) await untilAborted(probe(stored.delivery, stored.featureSet), signal);
        return known !== undefined || stored !== undefined;
      } catch (error) {
        throw failureOf(error);
      }
    },
    // The pool belongs to whoever made it.
    close: async () => undefined,
  };
}

/** Finds or makes the id of a list of names. Remembers them: a worker meets one list per pipeline. */
function createFeatureSets(pool: Pool): (names: readonly string[]) => Promise<number> {
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

/** What no column can hold. The message does not say it. */
class UnstorableError extends Error {
  override readonly name = 'UnstorableError';
}

function insertQuery(delivery: Delivery, featureSet: number): QueryConfig {
  const { batch, pipeline, workflowId, rows } = delivery;
  const width = rows[0]!.features.names.length;
  return {
    name: 'decisions',
    text: insertSql,
    values: [
      pipeline.name,
      batch.topic,
      plainArray(rows.map(({ partition }) => partition)),
      featureSet,
      float4Array(rows.map(({ features: { values, from } }) => values.subarray(from, from + width))),
      width,
      workflowId,
      batch.deployment,
      ...columnsOf(delivery),
    ],
  };
}

/** As `insertSql` takes them. Throws `SINK_REFUSED_ROW` for what no column can hold. */
function columnsOf({ pipeline, rows }: Delivery): (Buffer | string)[] {
  const replacer = replacerFor(pipeline.event);
  const texts = (of: (row: DecisionRow) => string) => textArray(rows.map(of));
  const plain = (of: (row: DecisionRow) => number | boolean | null) => plainArray(rows.map(of));
  try {
    return [
      texts((row) => sanitizeText(row.eventKey)),
      texts((row) => sanitizeText(row.eventId)),
      plain((row) => whole(row.offset)),
      plain(({ recordTimeMs }) => (recordTimeMs === undefined ? null : microseconds(recordTimeMs))),
      plain((row) => microseconds(row.eventTimeMs)),
      texts((row) => sanitizeJson(row.entities)),
      texts((row) => sanitizeJson(row.event, replacer)),
      texts((row) => sanitizeJson(row.prediction)),
      texts(({ model }) => sanitizeText(model.name)),
      texts(({ model }) => sanitizeText(model.version)),
      plain(({ degraded }) => degraded),
      plain(({ late }) => late),
      texts((row) => sanitizeText(row.outcome)),
      texts((row) => sanitizeText(row.why)),
    ];
  } catch (error) {
    // What the event's own code throws may quote it.
    const reason = error instanceof UnstorableError || isProgrammingError(error) ? messageOf(error) : nameOf(error);
    throw new HeadraceError('SINK_REFUSED_ROW', `the decision cannot be written as columns: ${reason}`, {
      cause: error,
    });
  }
}

function whole(value: number): number {
  if (!Number.isSafeInteger(value)) throw new UnstorableError('a number is not whole');
  return value;
}

/** Since 1970. */
function microseconds(valueMs: number): number {
  const value = Math.round(valueMs * 1_000);
  if (!Number.isFinite(value)) throw new UnstorableError('a time is no number');
  return value;
}

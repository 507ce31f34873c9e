import { randomUUID } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { isPostgresError, isProgrammingError, messageOf, type PostgresError } from '../lib/error-text.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { replacerFor } from '../lib/plain-json.ts';
import { nameOf } from '../contracts/rejection.ts';
import { copyIn, CopyRows, UnstorableError } from '../database/copy-rows.ts';
import { sanitizeJson, sanitizeText } from '../database/sanitize-text.ts';
import { untilAborted } from '../database/until-aborted.ts';
import { withClient } from '../database/with-client.ts';
import { takenBack } from '../database/taken-back.ts';
import { storedDelivery } from './dashboard-stored.ts';
import type { Delivery } from '../contracts/delivery.ts';
import type { Sink } from './port.ts';
import { failureOf } from './postgres-failure.ts';

/** In the order in which `copyRows` writes them. */
const columns = [
  'event_key',
  'pipeline',
  'event_id',
  'topic',
  'partition',
  'kafka_offset',
  'record_time',
  'event_time',
  'entities',
  'event',
  'feature_set',
  'features',
  'prediction',
  'model_name',
  'model_version',
  'degraded',
  'late',
  'outcome',
  'why',
  'workflow_id',
];

const uniqueViolation = '23505';
const keyConstraint = 'decisions_pkey';
/** Each further try meets keys that yet another delivery of the same rows has written in the meantime. */
const triesMax = 3;

/**
 * The serving database: every decision by its event key, and roll-ups per minute of event time. NUL characters and half
 * surrogates, which Postgres cannot store, become U+FFFD. An aborted delivery stops waiting at once; what it has begun ends by
 * itself, at the latest at the pool's time-outs, and has its effect or not: the next call finds out.
 *
 * The rows go in by COPY, which takes them at two thirds of what an INSERT that looks for conflicts takes (docs/performance/dashboard-copy.md), and none when one of them
 * is there already. Only then, which is after a delivery that was made again, those that are there are looked up and left out.
 */
export function createDashboardSink({ pool }: { pool: Pool }): Sink {
  const featureSets = createFeatureSets(pool);

  async function insert(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const featureSet = await featureSets(delivery.rows[0]!.features.names);
    let { rows } = delivery;
    for (let tries = 1; rows.length > 0; tries++) {
      signal.throwIfAborted();
      const copy = copyRows({ ...delivery, rows }, featureSet);
      const sql = `copy decisions (${columns.join()}) from stdin (format binary); ${addToMinutesSql(delivery, rows)}`;
      const violation = await withClient(pool, (client) => copyUnlessKnown(client, sql, copy));
      if (!violation) return;
      if (tries === triesMax)
        throw new HeadraceError('SINK_UNAVAILABLE', 'other deliveries write the same rows at the same time');
      const unknown = await newRows(pool, rows);
      // It is not the event key that is there twice: somebody has added a constraint.
      if (unknown.length === rows.length && violation.constraint !== keyConstraint) throw violation;
      rows = unknown;
    }
  }

  /** Under a key and an id of its own, because a row that is there is compared with nothing but its key. */
  async function probe(known: Delivery, featureSet: number): Promise<void> {
    const id = `probe:${randomUUID()}`;
    const delivery = { ...known, rows: known.rows.slice(0, 1).map((row) => ({ ...row, eventKey: id, eventId: id })) };
    const sql = `copy decisions (${columns.join()}) from stdin (format binary); ${addToMinutesSql(delivery, delivery.rows)}`;
    const copy = copyRows(delivery, featureSet);
    await takenBack(pool, (client) => copyIn(client, sql, copy));
  }

  return {
    name: 'dashboard',
    deliver: async (delivery, signal) => {
      if (delivery.rows.length === 0) return;
      signal.throwIfAborted();
      try {
        await untilAborted(insert(delivery, signal), signal);
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

const minuteMs = 60_000;

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

/** Returns the error when something that may exist only once is there already: then no row was written. */
async function copyUnlessKnown(client: PoolClient, sql: string, rows: Buffer): Promise<PostgresError | undefined> {
  try {
    await copyIn(client, sql, rows);
    return undefined;
  } catch (error) {
    if (isPostgresError(error) && error.code === uniqueViolation) return error;
    throw error;
  }
}

/** Throws `SINK_REFUSED_ROW` for what no column can hold. */
function copyRows({ batch, pipeline, workflowId, rows }: Delivery, featureSet: number): Buffer {
  const copy = new CopyRows(columns.length);
  const replacer = replacerFor(pipeline.event);
  try {
    for (const row of rows) {
      const { features, model } = row;
      copy.row();
      copy.text(sanitizeText(row.eventKey));
      copy.text(pipeline.name);
      copy.text(sanitizeText(row.eventId));
      copy.text(batch.topic);
      copy.int4(batch.partition);
      copy.int8(row.offset);
      if (row.recordTimeMs === undefined) copy.null();
      else copy.timestamptz(row.recordTimeMs);
      copy.timestamptz(row.eventTimeMs);
      copy.jsonb(sanitizeJson(row.entities));
      copy.jsonb(sanitizeJson(row.event, replacer));
      copy.int4(featureSet);
      copy.float4s(features.values, features.from, features.names.length);
      copy.jsonb(sanitizeJson(row.prediction));
      copy.text(sanitizeText(model.name));
      copy.text(sanitizeText(model.version));
      copy.bool(row.degraded);
      copy.bool(row.late);
      copy.text(sanitizeText(row.outcome));
      copy.text(sanitizeText(row.why));
      copy.text(workflowId);
    }
    return copy.end();
  } catch (error) {
    // What the event's own code throws may quote it.
    const reason = error instanceof UnstorableError || isProgrammingError(error) ? messageOf(error) : nameOf(error);
    throw new HeadraceError('SINK_REFUSED_ROW', `the decision cannot be written as columns: ${reason}`, {
      cause: error,
    });
  }
}

async function newRows(pool: Pool, rows: Delivery['rows']): Promise<Delivery['rows']> {
  const found = await pool.query<{ event_key: string }>('select event_key from decisions where event_key = any($1)', [
    rows.map((row) => sanitizeText(row.eventKey)),
  ]);
  const known = new Set(found.rows.map((row) => row.event_key));
  return rows.filter((row) => !known.has(sanitizeText(row.eventKey)));
}

/** One of these has one count a minute. */
interface Kind {
  deployment: string;
  pipeline: string;
  outcome: string;
  model_version: string;
}

/** Decisions of a batch by minute, and within it by outcome and version of the model. Most batches have few kinds, and many have a minute for nearly each row. */
interface Minutes {
  kinds: (Kind & { kind: number })[];
  /** Since 1970. As many as there are of the following. */
  minute: number[];
  kind: number[];
  decisions: number[];
  degraded: number[];
  late: number[];
}

/** No more than outcomes (255), times the model's versions in a batch. */
const kindsMax = 65_536;

/** Every delivery locks minutes in the same order, so that none waits for another in a ring. No statement behind a COPY takes parameters: in base64 there is nothing to quote. Grouped once more, because texts that differ here may be the same once Postgres can store them. */
function addToMinutesSql(delivery: Delivery, rows: Delivery['rows']): string {
  const { kinds, minute, kind, decisions, degraded, late } = minutesOf(delivery, rows);
  const kindsJson = Buffer.from(sanitizeJson(kinds)).toString('base64');
  const numbers = [minute, kind, decisions, degraded, late].map((column) => `'{${column.join()}}'::bigint[]`).join();
  return `
    insert into decision_minutes as minute (deployment, pipeline, minute, outcome, model_version, decisions, degraded, late)
    select deployment, pipeline, to_timestamp(added.minute * 60), outcome, model_version, sum(decisions), sum(degraded), sum(late)
    from unnest(${numbers}) as added (minute, kind, decisions, degraded, late)
    join json_to_recordset(convert_from(decode('${kindsJson}', 'base64'), 'UTF8')::json) as kinds (kind bigint, deployment text, pipeline text, outcome text, model_version text) using (kind)
    group by deployment, pipeline, added.minute, outcome, model_version order by added.minute, outcome, model_version
    on conflict (deployment, pipeline, minute, outcome, model_version) do update set decisions = minute.decisions + excluded.decisions,
      degraded = minute.degraded + excluded.degraded, late = minute.late + excluded.late, counted_at = excluded.counted_at`;
}

function minutesOf({ batch: { deployment }, pipeline: { name } }: Delivery, rows: Delivery['rows']): Minutes {
  const minutes: Minutes = { kinds: [], minute: [], kind: [], decisions: [], degraded: [], late: [] };
  const places = new Map<number, number>();
  for (const {
    eventTimeMs,
    outcome,
    model: { version },
    degraded,
    late,
  } of rows) {
    const kind = kindOf(minutes.kinds, { deployment, pipeline: name, outcome, model_version: version });
    // To the microsecond, as Postgres has it.
    const minute = Math.floor(Math.round(eventTimeMs * 1_000) / (minuteMs * 1_000));
    let place = places.get(minute * kindsMax + kind);
    if (place === undefined) {
      place = minutes.minute.push(minute) - 1;
      places.set(minute * kindsMax + kind, place);
      minutes.kind.push(kind);
      for (const counts of [minutes.decisions, minutes.degraded, minutes.late]) counts.push(0);
    }
    minutes.decisions[place]!++;
    if (degraded) minutes.degraded[place]!++;
    if (late) minutes.late[place]!++;
  }
  return minutes;
}

function kindOf(kinds: Minutes['kinds'], of: Kind): number {
  for (const { kind, outcome, model_version: version } of kinds)
    if (outcome === of.outcome && version === of.model_version) return kind;
  return kinds.push({ kind: kinds.length, ...of }) - 1;
}

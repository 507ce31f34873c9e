import type { Pool } from 'pg';
import { deploymentPrefix } from '../contracts/event-key.ts';

/** A decision as the dashboard sink stored it. */
export interface StoredDecision {
  eventKey: string;
  pipeline: string;
  eventId: string;
  topic: string;
  partition: number;
  offset: number;
  /** Null when the record has no time that can be used. */
  recordTime: Date | null;
  eventTime: Date;
  entities: Record<string, string>;
  event: Record<string, unknown>;
  features: Record<string, number | null>;
  prediction: Record<string, unknown>;
  modelName: string;
  modelVersion: string;
  degraded: boolean;
  late: boolean;
  outcome: string;
  why: string;
  workflowId: string;
  decidedAt: Date;
}

const findSql = `
  select event_key as "eventKey", pipeline, event_id as "eventId", topic, partition, kafka_offset::float8 as offset, record_time as "recordTime",
    event_time as "eventTime", entities, event, features, prediction, model_name as "modelName", model_version as "modelVersion", degraded, late,
    outcome, why, workflow_id as "workflowId", decided_at as "decidedAt"
  from decisions_by_name where pipeline = any($1) and event_id = $2 and starts_with(event_key, $4)
  order by decided_at, event_key limit $3`;

/** How many decisions on one event id are looked at: a producer may have sent it again and again. */
const foundMax = 20;

/** Decisions of a deployment on the event with this id of its producer, oldest first; several when the producer sent it several times. */
export async function findDecisions(
  pool: Pool,
  deployment: string,
  pipelines: readonly string[],
  eventId: string,
): Promise<StoredDecision[]> {
  const { rows } = await pool.query<StoredDecision>({
    name: 'decisions-find',
    text: findSql,
    values: [pipelines, eventId, foundMax, deploymentPrefix(deployment)],
  });
  return rows;
}

/** Decisions of a deployment by pipeline and outcome. Reads the roll-ups, so its cost does not grow with the decisions. */
export async function countDecisions(
  pool: Pool,
  deployment: string,
): Promise<{ pipeline: string; outcome: string; decisions: number }[]> {
  const { rows } = await pool.query<{ pipeline: string; outcome: string; decisions: number }>(
    'select pipeline, outcome, sum(decisions)::float8 as decisions from decision_minutes where deployment = $1 group by 1, 2 order by 1, 2',
    [deployment],
  );
  return rows;
}

/** What one statement deletes, so that none holds its rows for long. */
const forgottenAtOnce = 10_000;
/** The next call goes on where one stops. */
const forgettingRoundsMax = 100;

/**
 * Deletes a deployment's decisions that are older than that, and the counts of minutes that have none left. Returns how many decisions went.
 * It reads what it deletes, and little else, whatever other deployments keep and however long.
 */
export async function forgetDecisions(pool: Pool, deployment: string, olderThanSeconds: number): Promise<number> {
  let gone = 0;
  for (let round = 0; round < forgettingRoundsMax; round++) {
    const { rowCount } = await pool.query(
      `delete from decisions where ctid = any(array(
         select ctid from decisions where split_part(event_key, ':', 1) = $1 and decided_at < now() - make_interval(secs => $2)
         order by decided_at limit ${forgottenAtOnce}))`,
      [deployment, olderThanSeconds],
    );
    gone += rowCount ?? 0;
    if ((rowCount ?? 0) < forgottenAtOnce) break;
  }
  await pool.query(
    `delete from decision_minutes where deployment = $1 and minute < now() - make_interval(secs => $2)
       and counted_at < now() - make_interval(secs => $2)`,
    [deployment, olderThanSeconds],
  );
  return gone;
}

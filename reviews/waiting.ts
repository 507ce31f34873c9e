import { randomUUID } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { deploymentPrefix, reviewWorkflowId } from '../contracts/event-key.ts';
import type { ReviewInput } from '../contracts/review.ts';
import { sanitizeJson, sanitizeText } from '../database/sanitize-text.ts';
import { takenBack } from '../database/taken-back.ts';

/** A review that nobody has opened yet. */
export interface WaitingReview {
  input: ReviewInput;
  /** What it is worth to look at this one: the highest are opened first. */
  value: number;
}

const insertSql = `
  insert into reviews (id, event_key, event_id, pipeline, title, outcome, why, entities, verdicts, event_time, timeout_ms, value, step, status)
  select id, event_key, event_id, $10, title, outcome, why, entities, $11, event_time, $12, value, 0, 'waiting'
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::timestamptz[], $9::float8[])
    as row (id, event_key, event_id, title, outcome, why, entities, event_time, value)
  on conflict do nothing`;

/** Keeps reviews of one pipeline until they are opened. One that exists already, in whatever state, is left as it is. */
export async function addWaitingReviews(database: Pool | PoolClient, reviews: readonly WaitingReview[]): Promise<void> {
  const first = reviews[0]?.input;
  if (!first) return;
  const texts = (read: (input: ReviewInput) => string) => reviews.map(({ input }) => sanitizeText(read(input)));
  await database.query({
    name: 'review-add',
    text: insertSql,
    values: [
      texts(({ eventKey }) => reviewWorkflowId(eventKey)),
      texts(({ eventKey }) => eventKey),
      texts(({ eventId }) => eventId),
      texts(({ title }) => title),
      texts(({ outcome }) => outcome),
      texts(({ why }) => why),
      reviews.map(({ input }) => sanitizeJson(input.entities)),
      reviews.map(({ input }) => new Date(input.eventTimeMs)),
      reviews.map(({ value }) => value),
      first.pipeline,
      first.verdicts,
      first.timeoutMs,
    ],
  });
}

const cloneSql = `
  insert into reviews (id, event_key, event_id, pipeline, title, outcome, why, entities, verdicts, event_time, timeout_ms, value, step, status)
  select $2, $2, $2, pipeline, title, outcome, why, entities, verdicts, event_time, coalesce(timeout_ms, 0), value, 0, 'waiting' from reviews where pipeline = $1 limit 1`;

/**
 * Adds a review and takes it back: `known` under other names, else one like any of the pipeline's. Returns false when there is none.
 * Throws what Postgres says against it.
 */
export async function probeWaitingReview(
  pool: Pool,
  pipeline: string,
  known: WaitingReview | undefined,
): Promise<boolean> {
  const id = `probe:${randomUUID()}`;
  return takenBack(pool, async (client) => {
    if (!known) return (await client.query(cloneSql, [pipeline, id])).rowCount !== 0;
    await addWaitingReviews(client, [{ ...known, input: { ...known.input, eventKey: id, eventId: id } }]);
    return true;
  });
}

/** A claim that did not lead to an open review in this time is given to the next one who asks. */
const claimSeconds = 60;

/** An array of ids, and not a subselect: joined with the table that it locks, it could be asked again and give more than its limit. */
const claimSql = `
  with taken as (
    select (select count(*) from reviews where pipeline = $1 and status in ('open', 'escalated') and starts_with(event_key, $4))
      + (select count(*) from reviews where pipeline = $1 and status = 'waiting' and claimed_at > now() - interval '${claimSeconds} seconds'
          and starts_with(event_key, $4)) as count
  ), claimed as (
    update reviews set claimed_at = now() where id = any(array(
      select id from reviews
      where pipeline = $1 and status = 'waiting' and (claimed_at is null or claimed_at <= now() - interval '${claimSeconds} seconds')
        and (not_before is null or not_before <= now())
        and starts_with(event_key, $4)
      order by value desc, ordinal
      limit (select greatest(0, least($3, $2 - count)) from taken)
      for update skip locked
    ))
    returning *
  )
  select event_key as "eventKey", event_id as "eventId", pipeline, title, outcome, why, entities, event_time as "eventTime", verdicts,
    timeout_ms::float8 as "timeoutMs" from claimed order by value desc, ordinal`;

type ClaimedRow = Omit<ReviewInput, 'eventTimeMs'> & { eventTime: Date };

export interface ReviewClaim {
  /** Deployments may share a database: each opens its own. */
  deployment: string;
  pipeline: string;
  /** Reviews that may be open at once. */
  openMax: number;
  claimMax: number;
}

/**
 * Takes waiting reviews of a pipeline, the most valuable first, while fewer than `openMax` are open. Several workers may ask at
 * once: none gets what another one has, and together they may pass `openMax` by one claim each.
 */
export async function claimWaitingReviews(
  pool: Pool,
  { deployment, pipeline, openMax, claimMax }: ReviewClaim,
): Promise<ReviewInput[]> {
  const { rows } = await pool.query<ClaimedRow>({
    name: 'review-claim',
    text: claimSql,
    values: [pipeline, openMax, claimMax, deploymentPrefix(deployment)],
  });
  return rows.map(({ eventTime, ...row }) => ({ ...row, eventTimeMs: eventTime.getTime() }));
}

/** A review that could not be opened comes again after so long, and then after twice as long each time, at the most after an hour. */
const [postponedSecondsMin, postponedSecondsMax] = [60, 3_600];

const postponeSql = `
  update reviews set claimed_at = null, failures = failures + 1,
    not_before = now() + least(${postponedSecondsMax}, ${postponedSecondsMin} * 2 ^ least(failures, 10)) * interval '1 second'
  where id = $1 and status = 'waiting'`;

/** Gives a claimed review back that could not be opened. It holds no place of the reviewers while it waits. */
export async function postponeWaitingReview(pool: Pool, id: string): Promise<void> {
  await pool.query({ name: 'review-postpone', text: postponeSql, values: [id] });
}

/** Gives claimed reviews back that nobody has tried to open. */
export async function releaseWaitingReviews(pool: Pool, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await pool.query({
    name: 'review-release',
    text: `update reviews set claimed_at = null where id = any($1) and status = 'waiting'`,
    values: [ids],
  });
}

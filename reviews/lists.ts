import type { Pool } from 'pg';
import { deploymentPrefix } from '../contracts/event-key.ts';
import type { reviewStatuses } from '../contracts/review.ts';

type Status = (typeof reviewStatuses)[number];

/** A review as its projection shows it. */
export interface StoredReview {
  id: string;
  /** Its place among all reviews, for paging. */
  ordinal: number;
  eventKey: string;
  eventId: string;
  pipeline: string;
  title: string;
  outcome: string;
  why: string;
  entities: Record<string, string>;
  verdicts: string[];
  eventTime: Date;
  status: Status;
  /** Null while it waits. */
  openedAt: Date | null;
  /** Null while it waits. */
  dueAt: Date | null;
  escalatedAt: Date | null;
  decidedAt: Date | null;
  verdictId: string | null;
  verdict: string | null;
  reviewer: string | null;
  comment: string | null;
}

const columns = `id, ordinal::float8 as ordinal, event_key as "eventKey", event_id as "eventId", pipeline, title, outcome, why, entities, verdicts,
  event_time as "eventTime", status, opened_at as "openedAt", due_at as "dueAt", escalated_at as "escalatedAt", decided_at as "decidedAt",
  verdict_id as "verdictId", verdict, reviewer, comment`;

export interface ReviewFilter {
  deployment: string;
  status?: Status;
  pipeline?: string;
  /** Only reviews after this ordinal. @default 0 */
  after?: number;
  limit: number;
}

/** Reviews in the order in which they came. */
export async function listReviews(
  pool: Pool,
  { deployment, status, pipeline, after = 0, limit }: ReviewFilter,
): Promise<StoredReview[]> {
  const conditions = ['ordinal > $1', 'starts_with(event_key, $3)'];
  const values: unknown[] = [after, limit, deploymentPrefix(deployment)];
  if (status) conditions.push(`status = $${values.push(status)}`);
  if (pipeline) conditions.push(`pipeline = $${values.push(pipeline)}`);
  const { rows } = await pool.query<StoredReview>(
    `select ${columns} from reviews where ${conditions.join(' and ')} order by ordinal limit $2`,
    values,
  );
  return rows;
}

/** One review of a deployment; undefined when it has none with this id. */
export async function findReview(pool: Pool, deployment: string, id: string): Promise<StoredReview | undefined> {
  const { rows } = await pool.query<StoredReview>(
    `select ${columns} from reviews where id = $1 and starts_with(event_key, $2)`,
    [id, deploymentPrefix(deployment)],
  );
  return rows[0];
}

/** The reviews of these events. */
export async function findReviewsOfEvents(pool: Pool, eventKeys: readonly string[]): Promise<StoredReview[]> {
  const { rows } = await pool.query<StoredReview>(`select ${columns} from reviews where event_key = any($1)`, [
    eventKeys,
  ]);
  return rows;
}

/** Reviews of a deployment in one of these states, by pipeline. */
export async function countReviews(
  pool: Pool,
  deployment: string,
  statuses: readonly Status[],
): Promise<{ pipeline: string; count: number }[]> {
  const { rows } = await pool.query<{ pipeline: string; count: number }>(
    'select pipeline, count(*)::int as count from reviews where status = any($1) and starts_with(event_key, $2) group by 1 order by 1',
    [statuses, deploymentPrefix(deployment)],
  );
  return rows;
}

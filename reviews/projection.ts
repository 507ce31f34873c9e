import type { Pool, PoolClient } from 'pg';
import { reviewWorkflowId } from '../contracts/event-key.ts';
import type { AcceptedVerdict, ReviewInput, ReviewTransition } from '../contracts/review.ts';
import { sanitizeJson, sanitizeText } from '../database/sanitize-text.ts';

/** The row moves to the transition's step unless it is there already; only then is the audit appended. */
const writeSql = `
  with written as (
    insert into reviews as review (id, event_key, event_id, pipeline, title, outcome, why, entities, verdicts, event_time, step, status,
      opened_at, due_at, escalated_at, decided_at, verdict_id, verdict, reviewer, comment)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
    on conflict (id) do update set step = excluded.step, status = excluded.status, opened_at = excluded.opened_at, due_at = excluded.due_at,
      escalated_at = coalesce(excluded.escalated_at, review.escalated_at), decided_at = excluded.decided_at,
      verdict_id = excluded.verdict_id, verdict = excluded.verdict, reviewer = excluded.reviewer, comment = excluded.comment
    where review.step < excluded.step
    returning id, pipeline, step
  )
  insert into review_audit (pipeline, review_id, step, action, actor, at, detail)
  select pipeline, id, step, $21, $22, $23, $24 from written
  on conflict (review_id, step) do nothing`;

/** Writes one transition of a review and its audit entry in one statement. Safe to repeat. */
export async function writeReviewTransition(
  pool: Pool,
  input: ReviewInput,
  transition: ReviewTransition,
): Promise<void> {
  const { action, step, atMs } = transition;
  const accepted = action === 'decided' ? transition.accepted : undefined;
  const at = new Date(atMs);
  const detail = accepted
    ? { verdictId: accepted.id, verdict: accepted.verdict, comment: accepted.comment }
    : { dueAt: new Date(transition.dueAtMs).toISOString() };
  await pool.query({
    name: 'review-write',
    text: writeSql,
    values: [
      reviewWorkflowId(input.eventKey),
      input.eventKey,
      sanitizeText(input.eventId),
      input.pipeline,
      sanitizeText(input.title),
      input.outcome,
      sanitizeText(input.why),
      sanitizeJson(input.entities),
      input.verdicts,
      new Date(input.eventTimeMs),
      step,
      action === 'opened' ? 'open' : action,
      action === 'opened' ? at : new Date(transition.openedAtMs),
      new Date(transition.dueAtMs),
      action === 'escalated' ? at : null,
      accepted ? at : null,
      accepted ? sanitizeText(accepted.id) : null,
      accepted?.verdict,
      accepted && sanitizeText(accepted.reviewer),
      accepted?.comment === undefined ? null : sanitizeText(accepted.comment),
      action,
      accepted ? sanitizeText(accepted.reviewer) : 'headrace',
      at,
      sanitizeJson(detail),
    ],
  });
}

/** The verdict that a review was decided with; null when it has none, or does not exist. */
export async function findAcceptedVerdict(
  database: Pool | PoolClient,
  reviewId: string,
): Promise<AcceptedVerdict | null> {
  const { rows } = await database.query<{
    id: string;
    verdict: string;
    reviewer: string;
    comment: string | null;
    decided_at: Date;
  }>(
    `select coalesce(verdict_id, '') as id, verdict, reviewer, comment, decided_at from reviews where id = $1 and status = 'decided'`,
    [reviewId],
  );
  const row = rows[0];
  if (!row) return null;
  return {
    id: row.id,
    verdict: row.verdict,
    reviewer: row.reviewer,
    comment: row.comment ?? undefined,
    decidedAtMs: row.decided_at.getTime(),
  };
}

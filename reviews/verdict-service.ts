import type { Pool, PoolClient } from 'pg';
import { Semaphore } from '../lib/semaphore.ts';
import type { AcceptedVerdict, VerdictInput } from '../contracts/review.ts';
import { findAcceptedVerdict } from './projection.ts';
import { sanitizedText } from '../database/sanitize-text.ts';
import { withClient } from '../database/with-client.ts';
import { Problem } from '../lib/problem.ts';
import type { SendVerdict } from '../temporal/verdicts.ts';

export interface VerdictServiceOptions {
  pool: Pool;
  sendVerdict: SendVerdict;
  /** Verdicts under way at once; each holds a database connection. @default 4 */
  verdictsMax?: number;
  /** Verdicts that may wait for their turn. @default 200 */
  waitingMax?: number;
}

const lockTimeoutMs = 5_000;

type IdentifiedVerdict = VerdictInput & { id: string };

/**
 * Takes verdicts. A review run holds only ten updates in flight, so all gateways together send one at a time per review: each takes
 * the review's lock first, and under it most late-comers find in the projection who was first. The lock is an advisory one, because
 * the review itself must be able to write its row before the update is answered.
 */
export function createVerdictService({ pool, sendVerdict, verdictsMax = 4, waitingMax = 200 }: VerdictServiceOptions) {
  const semaphore = new Semaphore(verdictsMax);

  async function takePlace(): Promise<void> {
    if (semaphore.tryAcquire()) return;
    if (semaphore.waiting >= waitingMax)
      throw new Problem(503, 'busy', 'Too many verdicts at once', 'send the verdict again with the same id', {
        retryAfterSeconds: 1,
      });
    await semaphore.acquire();
  }

  /** The verdict that was accepted. Throws a Problem: 404 unknown, 409 decided or closed, 422 invalid, 503 try again. */
  return async function decide(reviewId: string, verdict: IdentifiedVerdict): Promise<AcceptedVerdict> {
    await takePlace();
    try {
      return await withLock(pool, reviewId, async (database) => {
        const earlier = await findAcceptedVerdict(database, reviewId);
        if (earlier) return answerLater(earlier, verdict);
        const answer = await sendVerdict(reviewId, verdict);
        switch (answer.kind) {
          case 'accepted':
            return answer.accepted;
          case 'decided':
            return answerLater(answer.accepted, verdict);
          case 'invalid':
            throw new Problem(422, 'invalid-verdict', 'The review does not take this verdict', answer.reason);
          case 'closed':
            return await explainClosed(database, reviewId, verdict);
        }
      });
    } catch (error) {
      if (error instanceof Problem) throw error;
      const problem = new Problem(
        503,
        'verdict-unknown',
        'The review does not answer now',
        'it may have taken the verdict: send it again with the same id, which counts once',
        { retryAfterSeconds: 1 },
      );
      problem.cause = error;
      throw problem;
    } finally {
      semaphore.release();
    }
  };
}

/**
 * What a verdict gets that came after the accepted one. The same one again is no contradiction: a client that got no answer sends
 * it once more, and may have given it no id.
 */
function answerLater(accepted: AcceptedVerdict, later: IdentifiedVerdict): AcceptedVerdict {
  const { verdict, reviewer, comment, decidedAtMs } = accepted;
  if (
    accepted.id === later.id ||
    (verdict === later.verdict &&
      reviewer === sanitizedText(later.reviewer) &&
      comment === (later.comment && sanitizedText(later.comment)))
  )
    return accepted;
  const decidedAt = new Date(decidedAtMs).toISOString();
  throw new Problem(
    409,
    'already-decided',
    'Somebody was first',
    `decided as "${verdict}" by ${reviewer} at ${decidedAt}`,
    { decided: { verdict, reviewer, comment, decidedAt } },
  );
}

async function explainClosed(
  database: PoolClient,
  reviewId: string,
  verdict: IdentifiedVerdict,
): Promise<AcceptedVerdict> {
  const decided = await findAcceptedVerdict(database, reviewId);
  if (decided) return answerLater(decided, verdict);
  const { rows } = await database.query<{ status: string }>('select status from reviews where id = $1', [reviewId]);
  if (!rows[0]) throw unknownReview(reviewId);
  if (rows[0].status === 'waiting')
    throw new Problem(
      409,
      'not-open',
      'The review is not open yet',
      'it waits until others are decided, the most valuable first; raise review.openMax of its pipeline to open more at once',
    );
  throw new Problem(
    409,
    'not-running',
    'The review does not run any more',
    'it was ended without a verdict; an operator must start it again',
  );
}

/** 404 for an id that no review has. */
export function unknownReview(reviewId: string): Problem {
  return new Problem(404, 'unknown-review', 'Unknown review', `no review has the id "${reviewId}"`);
}

/** The work gets the connection that holds the lock: asking the pool for a second one could wait for ever. */
async function withLock<T>(pool: Pool, name: string, work: (database: PoolClient) => Promise<T>): Promise<T> {
  let settled: PromiseSettledResult<T> | undefined;
  try {
    await withClient(pool, async (client) => {
      await client.query('begin isolation level read committed');
      await client.query(`set local lock_timeout = ${lockTimeoutMs}`);
      await client.query(`select pg_advisory_xact_lock(hashtextextended('headrace verdict ' || $1, 0))`, [name]);
      [settled] = await Promise.allSettled([work(client)]);
      await client.query('rollback');
    });
  } catch (error) {
    // What came of the work holds also when the connection broke before the lock was given back: closing it gives it back.
    if (!settled) throw error;
  }
  if (settled!.status === 'rejected') throw settled!.reason;
  return settled!.value;
}

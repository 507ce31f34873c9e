import type { Pool } from 'pg';
import { HeadraceError } from '../contracts/failures.ts';
import { featuresByName } from '../contracts/features-frame.ts';
import type { AnyPipeline, ReviewPolicy } from '../contracts/pipeline.ts';
import { refusePromise } from '../contracts/refuse-promise.ts';
import { nameOf } from '../contracts/rejection.ts';
import { untilAborted } from '../database/until-aborted.ts';
import { addWaitingReviews, probeWaitingReview, type WaitingReview } from '../reviews/waiting.ts';
import type { DecisionRow } from '../contracts/delivery.ts';
import type { Sink } from './port.ts';
import { failureOf } from './postgres-failure.ts';

/**
 * Keeps a review for each row, at most one per event key. It waits in Postgres; the worker opens it when the reviewers have room
 * (reviews/open-reviews.ts).
 */
export function createReviewSink({ pool }: { pool: Pool }): Sink {
  return {
    name: 'review',
    async deliver({ pipeline, rows }, signal) {
      const reviews = rows.map((row) => waitingReview(pipeline, row));
      signal.throwIfAborted();
      try {
        await untilAborted(addWaitingReviews(pool, reviews), signal);
      } catch (error) {
        throw failureOf(error);
      }
    },
    async probe(pipeline, known, signal) {
      signal.throwIfAborted();
      const row = known && waitingReview(pipeline, known.rows[0]!);
      try {
        return await untilAborted(probeWaitingReview(pool, pipeline.name, row), signal);
      } catch (error) {
        throw failureOf(error);
      }
    },
    close: async () => undefined,
  };
}

/** A title is one line. A longer one is cut, or Temporal would refuse to start the review. */
const titleCharsMax = 1_000;

function waitingReview(pipeline: AnyPipeline, row: DecisionRow): WaitingReview {
  const policy = pipeline.review;
  if (!policy)
    throw new HeadraceError(
      'SINK_UNAVAILABLE',
      `pipeline "${pipeline.name}" selects the review sink and has no "review"`,
    );
  return {
    input: {
      eventKey: row.eventKey,
      eventId: row.eventId,
      pipeline: pipeline.name,
      outcome: row.outcome,
      why: row.why,
      entities: row.entities,
      eventTimeMs: row.eventTimeMs,
      verdicts: policy.verdicts,
      timeoutMs: policy.timeoutMs,
      title: String(ask(pipeline, 'title', () => policy.title(row.event))).slice(0, titleCharsMax),
    },
    value: valueOf(pipeline, policy, row),
  };
}

function valueOf(pipeline: AnyPipeline, policy: ReviewPolicy<any>, row: DecisionRow): number {
  const value = policy.value ? Number(ask(pipeline, 'value', () => policy.value!(decidedOf(row)))) : 0;
  if (!Number.isFinite(value))
    throw new HeadraceError('SINK_REFUSED_ROW', `review.value of pipeline "${pipeline.name}" is no finite number`);
  return value;
}

/** A row as the pipeline's own code knows it. */
function decidedOf({ event, features, prediction, degraded, outcome, why }: DecisionRow) {
  return { event, features: featuresByName(features), prediction, degraded, outcome, why };
}

/** Both are the pipeline's own code: when it throws, that may be this row's content. */
function ask<T>(pipeline: AnyPipeline, what: string, read: () => T): T {
  let answer: T;
  try {
    answer = read();
  } catch (error) {
    throw new HeadraceError(
      'SINK_REFUSED_ROW',
      `review.${what} of pipeline "${pipeline.name}" failed (${nameOf(error)})`,
      { cause: error },
    );
  }
  refusePromise(pipeline.name, `review.${what}`, answer);
  return answer;
}

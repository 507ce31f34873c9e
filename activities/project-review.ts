import type { Pool } from 'pg';
import { reviewWorkflowId } from '../contracts/event-key.ts';
import { eventKeyHeader, labelsTopic } from '../contracts/names.ts';
import type { AcceptedVerdict, ReviewInput, ReviewLabel, ReviewTransition } from '../contracts/review.ts';
import { findAcceptedVerdict, writeReviewTransition } from '../reviews/projection.ts';
import { toApplicationFailure } from '../temporal/failure.ts';

/** The activities of a review, as its workflow sees them. Both are idempotent. */
export interface ReviewActivities {
  /**
   * Writes a transition to the projection and appends it to the audit, both or neither, once. For `opened` it answers the verdict
   * of an earlier run on the same event, if there was one; else null.
   */
  projectReview(input: ReviewInput, transition: ReviewTransition): Promise<AcceptedVerdict | null>;
  /** Publishes the label at least once; its event key tells a repeat. */
  publishLabel(label: ReviewLabel): Promise<void>;
}

export interface ReviewActivityOptions {
  pool: Pool;
  /** Resolves once the label is durable. */
  publishLabel: (label: ReviewLabel) => Promise<void>;
}

export function createReviewActivities({ pool, publishLabel }: ReviewActivityOptions): ReviewActivities {
  return {
    async projectReview(input, transition) {
      try {
        await writeReviewTransition(pool, input, transition);
        return transition.action === 'opened'
          ? await findAcceptedVerdict(pool, reviewWorkflowId(input.eventKey))
          : null;
      } catch (error) {
        throw toApplicationFailure(error);
      }
    },
    async publishLabel(label) {
      try {
        await publishLabel(label);
      } catch (error) {
        throw toApplicationFailure(error);
      }
    },
  };
}

/** A label as a Kafka message: keyed by the first entity, like the decision it is about. */
export function labelMessage(label: ReviewLabel): {
  topic: string;
  message: { key: string; value: string; headers: Record<string, string> };
} {
  const { eventKey, pipeline, entities, eventTimeMs, verdict, knownAtMs } = label;
  const value = {
    eventKey,
    pipeline,
    entities,
    eventTime: new Date(eventTimeMs).toISOString(),
    verdict,
    knownAt: new Date(knownAtMs).toISOString(),
    source: 'review',
  };
  return {
    topic: labelsTopic(pipeline),
    message: {
      key: Object.values(entities)[0]!,
      value: JSON.stringify(value),
      headers: { [eventKeyHeader]: eventKey },
    },
  };
}

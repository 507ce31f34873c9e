import { HeadraceError, messageOf } from '../contracts/failures.ts';
import type { ReviewInput } from '../contracts/review.ts';
import type { AnyPipeline, ReviewPolicy } from '../contracts/pipeline.ts';
import type { DecisionRow, Sink } from './port.ts';

export interface ReviewSinkOptions {
  /** Starts the review of an event; a review that was started before is no error. Must respect the signal. */
  startReview: (input: ReviewInput, signal: AbortSignal) => Promise<void>;
  /** Starts under way at once, per delivery. @default 16 */
  startsMax?: number;
}

/** Opens a review for each row. The event key is in the review's id, so there is at most one per event. */
export function createReviewSink({ startReview, startsMax = 16 }: ReviewSinkOptions): Sink {
  return {
    name: 'review',
    async deliver({ pipeline, rows }, signal) {
      const inputs = rows.map((row) => reviewInput(pipeline, row));
      const waiting = inputs.values();
      const startOneByOne = async () => {
        for (const input of waiting) {
          signal.throwIfAborted();
          await startReview(input, signal);
        }
      };
      try {
        await Promise.all(Array.from({ length: Math.min(startsMax, inputs.length) }, startOneByOne));
      } catch (error) {
        throw new HeadraceError('SINK_UNAVAILABLE', `a review could not be started: ${messageOf(error)}`, { cause: error });
      }
    },
    close: async () => undefined,
  };
}

function reviewInput(pipeline: AnyPipeline, row: DecisionRow): ReviewInput {
  const policy = pipeline.review;
  if (!policy) throw new HeadraceError('SINK_UNAVAILABLE', `pipeline "${pipeline.name}" selects the review sink and has no "review"`);
  return {
    eventKey: row.eventKey,
    eventId: row.eventId,
    pipeline: pipeline.name,
    title: titleOf(pipeline.name, policy, row),
    outcome: row.outcome,
    why: row.why,
    entities: row.entities,
    eventTimeMs: row.eventTimeMs,
    verdicts: policy.verdicts,
    timeoutMs: policy.timeoutMs,
  };
}

/** The title is the pipeline's own code: when it throws, that is this row's content. */
function titleOf(pipeline: string, policy: ReviewPolicy<any>, row: DecisionRow): string {
  try {
    return String(policy.title(row.event));
  } catch (error) {
    throw new HeadraceError('SINK_REFUSED_ROW', `review.title of pipeline "${pipeline}" failed`, { cause: error });
  }
}

import { reviewWorkflowId } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { ReviewInput } from '../contracts/review.ts';
import { untilAborted } from '../database/until-aborted.ts';
import { claimWaitingReviews, postponeWaitingReview, releaseWaitingReviews } from './waiting.ts';
import type { Pool } from '../database/pool.ts';
import type { Logger } from '../lib/log.ts';
import { ReviewRefusedError, type StartReview } from '../temporal/review-starter.ts';
import { sleep } from '../lib/sleep.ts';

export interface OpenReviewsOptions {
  pool: Pool;
  deployment: string;
  pipelines: readonly AnyPipeline[];
  startReview: StartReview;
  /** A review costs as much as a whole batch of events: opening many at once would starve the batches. */
  startsPerSecond: number;
  log: Logger;
  /** Ends the work. */
  stopping: AbortSignal;
}

const openMaxDefault = 1_000;
const roundMs = 1_000;
const retryMsMax = 30_000;

/**
 * Opens the reviews that the review sink keeps in Postgres, while their pipeline has fewer than `review.openMax` open, the most
 * valuable first. Goes on until `stopping`. One that was claimed and not opened, because the worker died, is claimed again after a
 * minute; the review's workflow id keeps it from being opened twice. One that could not be opened waits longer with every try, so that
 * it keeps no other from being opened.
 */
export async function openReviews(options: OpenReviewsOptions): Promise<void> {
  const { pipelines, startsPerSecond, log, stopping } = options;
  const reviewed = pipelines.filter(({ review }) => review);
  if (reviewed.length === 0) return;
  for (let failures = 0; !stopping.aborted; ) {
    try {
      let left = startsPerSecond;
      for (const pipeline of reviewed) left -= await openSome(options, pipeline, left);
      // The first in line would otherwise get all there is, as long as it has enough.
      reviewed.push(reviewed.shift()!);
      failures = 0;
    } catch (error) {
      if (stopping.aborted) return;
      failures++;
      log.warn(`reviews cannot be opened now, trying again: ${messageOf(error)}`);
    }
    await sleep(Math.min(retryMsMax, roundMs * 2 ** Math.min(failures, 10)), stopping);
  }
}

/** Returns how many it opened, or tried to. */
async function openSome(
  { pool, deployment, startReview, stopping, log }: OpenReviewsOptions,
  pipeline: AnyPipeline,
  claimMax: number,
): Promise<number> {
  const openMax = pipeline.review?.openMax ?? openMaxDefault;
  const claimed = await untilAborted(
    claimWaitingReviews(pool, { deployment, pipeline: pipeline.name, openMax, claimMax }),
    stopping,
  );
  for (const [place, input] of claimed.entries()) {
    try {
      await startReview({ ...input, entities: inOrder(pipeline, input) }, stopping);
    } catch (error) {
      const isRefused = error instanceof ReviewRefusedError;
      if (isRefused)
        log.error(
          { pipeline: pipeline.name, eventKey: input.eventKey },
          `a review cannot be opened and is tried again later: ${error.message}`,
        );
      // Whatever failed: only the others show whether it is Temporal that is away, and they must get their turn.
      await untilAborted(postponeWaitingReview(pool, reviewWorkflowId(input.eventKey)), stopping);
      if (isRefused) continue;
      const untried = claimed.slice(place + 1).map(({ eventKey }) => reviewWorkflowId(eventKey));
      await untilAborted(releaseWaitingReviews(pool, untried), stopping);
      throw error;
    }
  }
  return claimed.length;
}

/** Postgres keeps entities in an order of its own; the first one is the key of the review's label. */
function inOrder(pipeline: AnyPipeline, { entities }: ReviewInput): Record<string, string> {
  return Object.fromEntries(Object.keys(pipeline.entities).map((name) => [name, entities[name]!]));
}

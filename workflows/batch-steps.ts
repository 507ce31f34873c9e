import { log, proxyActivities, proxyLocalActivities, TemporalFailure } from '@temporalio/workflow';
import type { BatchActivities } from '../activities/types.ts';
import { delivering, heartbeats, laneRetryMsMax, scoring } from '../contracts/timeouts.ts';

/**
 * Each step is tried once as a local activity, which costs no server round trip; when that fails it goes on alone as a regular
 * activity with unlimited retries, visible as pending in the Web UI.
 */
export async function hereOrDurably<T>(here: () => Promise<T>, durably: () => Promise<T>): Promise<T> {
  try {
    return await here();
  } catch (error) {
    // What a local activity throws arrives as it is, not wrapped in an ActivityFailure; its time-out arrives wrapped.
    if (!(error instanceof TemporalFailure)) throw error;
    log.warn('a step goes on as a regular activity', { reason: error.cause?.message ?? error.message });
    return durably();
  }
}

const heartbeatTimeout = heartbeats.batch.timeoutMs;

/** Scoring holds the lane, so its one local try is long enough for a whole batch on a busy machine. */
export const scoreHere = proxyLocalActivities<Pick<BatchActivities, 'score'>>({
  startToCloseTimeout: scoring.hereMs,
  retry: { maximumAttempts: 1 },
});

/** Retried often: the lane waits for these, and everything behind it. */
const lane = { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: laneRetryMsMax } as const;

export const featuresDurably = proxyActivities<Pick<BatchActivities, 'extractFeatures'>>({
  startToCloseTimeout: scoring.durablyMs,
  heartbeatTimeout,
  retry: lane,
});

/**
 * A model that is slow, or takes one row at a time, may need minutes for a large batch: each of its calls has a deadline, and heartbeats
 * tell that the worker lives. An attempt that is too short would begin again and again.
 */
export const inferDurably = proxyActivities<Pick<BatchActivities, 'infer'>>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout,
  retry: lane,
});

/**
 * All targets in one step, each tried once. It ends by itself after two seconds, so that no slow sink holds the workflow task for long; a
 * busy worker may be late to notice. Under a backlog a healthy delivery takes up to a second, and going on as a regular activity costs more.
 */
export const deliverHere = proxyLocalActivities<Pick<BatchActivities, 'deliverAll'>>({
  startToCloseTimeout: delivering.hereMs,
  retry: { maximumAttempts: 1 },
});

export const deliverDurably = proxyActivities<Pick<BatchActivities, 'deliver' | 'deadLetter'>>({
  startToCloseTimeout: delivering.durablyMs,
  heartbeatTimeout,
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

import { activityInfo, type Info } from '../temporal/activity.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { deadLettersTarget, ledgerTarget } from '../contracts/names.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { Shares } from '../lib/shares.ts';
import { retryAfter } from '../sinks/policy/sink-breaker.ts';
import { toApplicationFailure } from '../temporal/failure.ts';

/** Where durable steps of a batch may be held up: at the model, at each sink, at the dead letters. */
const modelTarget = 'model';
const placesMin = 90;
/** For steps that hold no place: features, the sweep, the lake's roll-up, reviews, resuming. */
const otherSlots = 20;

function partiesOf(pipelines: readonly AnyPipeline[]): number {
  return pipelines.reduce(
    (sum, { sinks }) => sum + sinks.length + [ledgerTarget, deadLettersTarget, modelTarget].length,
    0,
  );
}

function placesOf(pipelines: readonly AnyPipeline[]): number {
  return Math.max(placesMin, 2 * partiesOf(pipelines));
}

/** How many regular activities a worker of these pipelines runs at once. */
export function activitySlots(pipelines: readonly AnyPipeline[]): number {
  return placesOf(pipelines) + otherSlots;
}

export type InPlace = <T>(batch: BatchRef, target: string, work: () => Promise<T>) => Promise<T>;

/**
 * Divides a worker's activity slots between what batches wait for: whatever hangs, be it a table, a topic or a model of one pipeline, keeps some
 * slots free for everything else. A step that gets no place comes again later. Quick tries need none.
 */
export function createDurablePlaces(pipelines: readonly AnyPipeline[]): {
  toSink: InPlace;
  toModel: <T>(batch: BatchRef, work: () => Promise<T>) => Promise<T>;
} {
  const shares = new Shares(placesOf(pipelines), partiesOf(pipelines));

  async function inPlace<T>(
    batch: BatchRef,
    target: string,
    work: () => Promise<T>,
    refusal: (taken: number, info: Info) => HeadraceError,
  ): Promise<T> {
    const info = activityInfo();
    if (info.isLocal) return work();
    const party = `${batch.pipeline} ${target}`;
    if (!shares.tryAcquire(party)) throw toApplicationFailure(refusal(shares.takenBy(party), info));
    try {
      return await work();
    } finally {
      shares.release(party);
    }
  }

  return {
    toSink: (batch, target, work) =>
      inPlace(
        batch,
        target,
        work,
        (taken, { scheduledTimestampMs, currentAttemptScheduledTimestampMs }) =>
          new HeadraceError(
            'SINK_UNAVAILABLE',
            `${taken} durable deliveries of pipeline "${batch.pipeline}" to "${target}" are under way in this worker, as many as it has room for`,
            {
              retryAfterMs: retryAfter({
                pipeline: batch.pipeline,
                local: false,
                waitedMs: currentAttemptScheduledTimestampMs - scheduledTimestampMs,
              }),
            },
          ),
      ),
    toModel: (batch, work) =>
      inPlace(
        batch,
        modelTarget,
        work,
        (taken) =>
          new HeadraceError(
            'MODEL_UNAVAILABLE',
            `${taken} batches of pipeline "${batch.pipeline}" wait for its model in this worker, as many as it has room for`,
          ),
      ),
  };
}

import type { BatchRef } from '../contracts/event-key.ts';
import { decodeFeatures } from '../contracts/features-frame.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { decodeRecords, offsetOf, type BatchRecord } from '../contracts/records-frame.ts';
import { compileFeatures, foldBatch, PredecessorMissing, RefusedInARow, type FeaturePlan } from '../features/index.ts';
import type { FeatureStore } from '../features/store.ts';
import { decodeEvents, type DecodingTime } from '../pipelines/decode-event.ts';
import type { Batches } from './batches.ts';
import { CatchUp } from './catch-up.ts';
import { haltOf } from './halt.ts';
import type { LoadedBatch } from './loaded-batch.ts';
import type { ActivityReports, RecordsPort } from './ports.ts';

export interface ApplyBatchDependencies {
  batches: Batches;
  store: FeatureStore;
  records: RecordsPort;
  reports: ActivityReports;
  /** See `Refusals`. @default never */
  refusedInARowMax?: number;
}

/** A batch whose features are in the store. */
interface AppliedRecords {
  /** The features frame. */
  features: Uint8Array;
  loaded: LoadedBatch;
  tookMs: number;
}

/** @param catchesUp whether the store may be brought up to the batch from the topic, which takes long */
export type ApplyBatch = (
  batch: BatchRef,
  recordsFrame: Uint8Array,
  of: { catchesUp: boolean },
) => Promise<AppliedRecords>;

/**
 * Records to events to feature rows, applied to the feature state once and in order. Content never makes this fail: a record that cannot
 * become an event is a rejection in the result, in the same transaction as its neighbours' features.
 */
export function createApplyBatch({
  batches,
  store,
  records: recordsPort,
  reports,
  refusedInARowMax = 0,
}: ApplyBatchDependencies): ApplyBatch {
  const plans = new WeakMap<AnyPipeline, FeaturePlan>();
  const catchUp = new CatchUp(store, recordsPort);

  async function apply(batch: BatchRef, records: BatchRecord[], time: DecodingTime) {
    const pipeline = batches.pipeline(batch);
    const plan = plans.get(pipeline) ?? compileFeatures(pipeline);
    plans.set(pipeline, plan);
    const { events, rejections } = decodeEvents(pipeline, records, time);
    // What was decided earlier, and is only folded again, has its dead letters: it can be too many no more.
    const refusedMax = time.again ? 0 : refusedInARowMax;
    const folded = foldBatch(plan, batch, records.map(offsetOf), events, rejections, refusedMax);
    return { features: await store.apply(batch, folded), events };
  }

  async function applyInOrder(batch: BatchRef, records: BatchRecord[], time: DecodingTime, catchesUp: boolean) {
    const applyAgain = (each: BatchRef, theirs: BatchRecord[]) => apply(each, theirs, { ...time, again: true });
    // Each time one range less is behind.
    for (let behind = 0; ; behind++) {
      try {
        return await apply(batch, records, time);
      } catch (error) {
        if (!(error instanceof PredecessorMissing) || !catchesUp || behind === batch.ranges.length) throw error;
        if (!(await catchUp.bringUpTo(batch, error.range, applyAgain))) throw error;
      }
    }
  }

  return async function applyBatch(batch, recordsFrame, { catchesUp }) {
    const startedMs = performance.now();
    const { records, clockMs } = decodeRecords(recordsFrame);
    try {
      const { features, events } = await applyInOrder(batch, records, { clockMs }, catchesUp);
      const loaded = batches.keepFeatures(batch, recordsFrame, records, events, decodeFeatures(features));
      const tookMs = performance.now() - startedMs;
      reports.stage(batch.pipeline, 'extract_features', tookMs / 1_000);
      return { features, loaded, tookMs };
    } catch (error) {
      if (!(error instanceof RefusedInARow)) throw error;
      // Nothing of a batch that is refused as a whole is recorded or dead-lettered: it waits, and its next try may be of another schema.
      const { failure, halt } = haltOf(batches.pipeline(batch), batch, records, error);
      reports.halted(halt);
      throw failure;
    }
  };
}

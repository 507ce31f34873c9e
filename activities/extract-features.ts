import { activityInfo, log } from '../temporal/activity.ts';
import { chainId, type BatchRef } from '../contracts/event-key.ts';
import { HeadraceError, messageOf } from '../contracts/failures.ts';
import { decodeFeatures } from '../contracts/features-frame.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { decodeRecords, offsetOf, type KafkaRecord } from '../contracts/records-frame.ts';
import { encodeScored } from '../contracts/scored-frame.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import { compileFeatures, foldBatch, RefusedInARow, type FeaturePlan } from '../features/index.ts';
import type { FeatureStore } from '../features/store.ts';
import { attempt } from './attempt.ts';
import type { Batches } from '../scoring/batches.ts';
import type { LoadedBatch } from '../scoring/loaded-batch.ts';
import { CatchUp } from '../scoring/catch-up.ts';
import { haltOf } from '../scoring/halt.ts';
import type { Decide } from '../scoring/decide.ts';
import { decodeEvents, type DecodingTime } from '../pipelines/decode-event.ts';
import type { ActivityReports, RecordsPort } from '../scoring/ports.ts';
import type { BatchActivities } from './types.ts';
import type { AskedOfScoring } from '../contracts/scored-frame.ts';

export interface ExtractFeaturesDependencies {
  batches: Batches;
  store: FeatureStore;
  records: RecordsPort;
  decide: Decide;
  reports: ActivityReports;
  /** See `Refusals`. @default never */
  refusedInARowMax?: number;
  /** How long features that are ready wait for their decisions: see contracts/scoring-time.ts. */
  decideMsMax: (of: { isLocal: boolean; tookMs: number }) => number;
}

/**
 * Records to events to feature rows. Content never makes this fail: a record that cannot become an event is a rejection in the
 * result, in the same transaction as its neighbours' features.
 *
 * Asked to decide as well, it goes on with the model at once: a step of its own costs a batch as much as either of the two takes. When
 * that fails or takes long, the features are recorded alone, and `infer` goes on.
 */
export function createExtractFeatures({
  batches,
  store,
  records: recordsPort,
  decide,
  reports,
  refusedInARowMax = 0,
  decideMsMax,
}: ExtractFeaturesDependencies): BatchActivities['extractFeatures'] {
  const plans = new WeakMap<AnyPipeline, FeaturePlan>();
  const catchUp = new CatchUp(store, recordsPort);

  async function apply(batch: BatchRef, records: KafkaRecord[], time: DecodingTime) {
    const pipeline = batches.pipeline(batch);
    const plan = plans.get(pipeline) ?? compileFeatures(pipeline);
    plans.set(pipeline, plan);
    const { events, rejections } = decodeEvents(pipeline, records, time);
    // What was decided earlier, and is only folded again, has its dead letters: it can be too many no more.
    const refusedMax = time.again ? 0 : refusedInARowMax;
    const result = await store.apply(
      batch,
      foldBatch(plan, batch, records.map(offsetOf), events, rejections, refusedMax),
    );
    return { result, events };
  }

  /** Nothing of a batch that is refused as a whole is recorded or dead-lettered: it waits, and its next try may be of another schema. */
  async function applyOrHalt(batch: BatchRef, records: KafkaRecord[], time: DecodingTime) {
    try {
      return await applyInOrder(batch, records, time);
    } catch (error) {
      if (!(error instanceof RefusedInARow)) throw error;
      const { failure, halt } = haltOf(batches.pipeline(batch), batch, records, error);
      reports.halted(halt);
      throw failure;
    }
  }

  /** A quick try must not take long, so only a durable attempt catches up. */
  async function applyInOrder(batch: BatchRef, records: KafkaRecord[], time: DecodingTime) {
    try {
      return await apply(batch, records, time);
    } catch (error) {
      const isBehind = error instanceof HeadraceError && error.code === 'PREDECESSOR_MISSING';
      const applyAgain = (each: BatchRef, theirs: KafkaRecord[]) => apply(each, theirs, { ...time, again: true });
      if (!isBehind || activityInfo().isLocal || !(await catchUp.bringUpTo(batch, chainId(batch), applyAgain)))
        throw error;
      return apply(batch, records, time);
    }
  }

  async function decideSoon(
    batch: BatchRef,
    loaded: LoadedBatch,
    asked: AskedOfScoring,
    tookMs: number,
  ): Promise<Uint8Array | undefined> {
    try {
      return await withTimeout(decideMsMax({ isLocal: activityInfo().isLocal, tookMs }), decide(batch, loaded, asked));
    } catch (error) {
      // Not lost: `infer` meets it again, and tells it as its own.
      log.warn('the decisions are left to a step of their own', { reason: messageOf(error) });
      return undefined;
    }
  }

  return async function extractFeatures(batch, recordsFrame, asked = {}) {
    const startedMs = performance.now();
    return attempt(async () => {
      const { records, clockMs } = decodeRecords(recordsFrame);
      const { result, events } = await applyOrHalt(batch, records, { clockMs });
      const loaded = batches.keepFeatures(batch, recordsFrame, records, events, decodeFeatures(result));
      const tookMs = performance.now() - startedMs;
      reports.stage(batch.pipeline, 'extract_features', tookMs / 1_000);
      if (!asked.decide) return result;
      return encodeScored({ features: result, decisions: await decideSoon(batch, loaded, asked, tookMs) });
    });
  };
}

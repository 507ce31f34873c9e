import { activityInfo } from '@temporalio/activity';
import { chainId, type BatchRef } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { decodeFeatures } from '../contracts/features-frame.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { decodeRecords, offsetOf, type KafkaRecord } from '../contracts/records-frame.ts';
import { compileFeatures, foldBatch, type FeaturePlan } from '../features/index.ts';
import type { FeatureStore } from '../features/store.ts';
import { attempt } from './attempt.ts';
import type { Batches } from './batches.ts';
import { CatchUp } from './catch-up.ts';
import { decodeEvents } from '../pipelines/decode-event.ts';
import type { ActivityReports, RecordsPort } from './ports.ts';
import type { BatchActivities } from './types.ts';

/**
 * Records to events to feature rows. Content never makes this fail: a record that cannot become an event is a rejection in the
 * result, in the same transaction as its neighbours' features.
 */
export function createExtractFeatures({ batches, store, records: recordsPort, reports }: { batches: Batches; store: FeatureStore; records: RecordsPort; reports: ActivityReports }): BatchActivities['extractFeatures'] {
  const plans = new WeakMap<AnyPipeline, FeaturePlan>();
  const catchUp = new CatchUp(store, recordsPort);

  async function apply(batch: BatchRef, records: KafkaRecord[]) {
    const pipeline = batches.pipeline(batch);
    const plan = plans.get(pipeline) ?? compileFeatures(pipeline);
    plans.set(pipeline, plan);
    const { events, rejections } = decodeEvents(pipeline, records);
    const result = await store.apply(batch, foldBatch(plan, batch, records.map(offsetOf), events, rejections));
    return { result, events };
  }

  /** A quick try must not take long, so only a durable attempt catches up. */
  async function applyInOrder(batch: BatchRef, records: KafkaRecord[]) {
    try {
      return await apply(batch, records);
    } catch (error) {
      const isBehind = error instanceof HeadraceError && error.code === 'PREDECESSOR_MISSING';
      if (!isBehind || activityInfo().isLocal || !(await catchUp.bringUpTo(batch, chainId(batch), apply))) throw error;
      return apply(batch, records);
    }
  }

  return async function extractFeatures(batch, recordsFrame) {
    const startedMs = performance.now();
    return attempt(async () => {
      const { records } = decodeRecords(recordsFrame);
      const { result, events } = await applyInOrder(batch, records);
      batches.keepFeatures(batch, recordsFrame, records, events, decodeFeatures(result));
      reports.stage(batch.pipeline, 'extract_features', (performance.now() - startedMs) / 1_000);
      return result;
    });
  };
}

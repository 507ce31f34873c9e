import type { AnyPipeline } from '../contracts/pipeline.ts';
import { decodeFeatures } from '../contracts/features-frame.ts';
import { decodeRecords } from '../contracts/records-frame.ts';
import { compileFeatures, foldBatch, type FeaturePlan } from '../features/index.ts';
import type { FeatureStore } from '../features/store.ts';
import { attempt } from './attempt.ts';
import type { Batches } from './batches.ts';
import { decodeEvents } from './decode-event.ts';
import type { ActivityReports } from './ports.ts';
import type { BatchActivities } from './types.ts';

/**
 * Records to events to feature rows. Content never makes this fail: a record that cannot become an event is a rejection in the
 * result, in the same transaction as its neighbours' features.
 */
export function createExtractFeatures({ batches, store, reports }: { batches: Batches; store: FeatureStore; reports: ActivityReports }): BatchActivities['extractFeatures'] {
  const plans = new WeakMap<AnyPipeline, FeaturePlan>();
  return async function extractFeatures(batch, recordsFrame) {
    const startedMs = performance.now();
    return attempt(async () => {
      const pipeline = batches.pipeline(batch);
      const plan = plans.get(pipeline) ?? compileFeatures(pipeline);
      plans.set(pipeline, plan);
      const { records } = decodeRecords(recordsFrame);
      const { events, rejections } = decodeEvents(pipeline, records);
      const result = await store.apply(batch, foldBatch(plan, batch, records.map((record) => record.offset), events, rejections));
      batches.keepFeatures(batch, recordsFrame, records, events, decodeFeatures(result));
      reports.stage(batch.pipeline, 'extract_features', (performance.now() - startedMs) / 1_000);
      return result;
    });
  };
}

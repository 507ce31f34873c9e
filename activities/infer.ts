import { encodeDecisions, type Decisions } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { attempt } from './attempt.ts';
import type { Batches, LoadedBatch } from './batches.ts';
import { decideRows } from './decide-rows.ts';
import type { ActivityReports, ModelPort } from './ports.ts';
import { predictRows, type RowPredictions } from './predict-rows.ts';
import type { BatchActivities } from './types.ts';

/**
 * Feature rows to predictions to decisions. The result names, for each row, the sinks that it goes to: what is delivered later
 * is recorded data, whatever the pipeline's code says by then.
 */
export function createInfer({ batches, model, reports }: { batches: Batches; model: ModelPort; reports: ActivityReports }): BatchActivities['infer'] {
  return async function infer(batch) {
    const startedMs = performance.now();
    return attempt(async () => {
      const loaded = await batches.load(batch);
      const predicted = await predictOrFallBack(model, loaded);
      const decisions = decideRows(batch, loaded, predicted);
      batches.keepDecisions(loaded, decisions);
      report(reports, batch, loaded, decisions);
      reports.stage(batch.pipeline, 'infer', (performance.now() - startedMs) / 1_000);
      return encodeDecisions(decisions);
    });
  };
}

/** The model's answer; or the declared fallback's, marked as degraded, while the model is unavailable. */
async function predictOrFallBack(model: ModelPort, { pipeline, features, events, featureRecords }: LoadedBatch): Promise<RowPredictions> {
  try {
    return await predictRows(model, pipeline, features.values, events.length);
  } catch (error) {
    const { fallback, outputs } = pipeline.model;
    if (!fallback || !(error instanceof HeadraceError) || error.code !== 'MODEL_UNAVAILABLE') throw error;
    const answers = events.flatMap(({ event }, row) => {
      const prediction = fallback({ event: event as never, features: featureRecords[row]! });
      return Object.keys(outputs).flatMap((name) => prediction[name] ?? Number.NaN);
    });
    return { version: 'fallback', predictions: Float32Array.from(answers), refused: new Map(), degraded: true };
  }
}

function report(reports: ActivityReports, batch: BatchRef, { features }: LoadedBatch, { header }: Decisions): void {
  reports.decided(batch.pipeline, header.outcomeCounts);
  reports.rejected(batch.pipeline, [...features.header.rejections, ...header.rejections]);
}

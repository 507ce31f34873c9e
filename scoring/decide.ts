import { encodeDecisions, type Decisions } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { HeadraceError, type FailureCode } from '../contracts/failures.ts';
import { featureRow, featuresByName } from '../contracts/features-frame.ts';
import { refusePromise } from '../contracts/refuse-promise.ts';
import { nameOf } from '../contracts/rejection.ts';
import { recordsOf, type Batches } from './batches.ts';
import { type LoadedBatch } from './loaded-batch.ts';
import { decideRows } from './decide-rows.ts';
import { assertMayBlame } from './policy-evidence.ts';
import type { ActivityReports, ModelPort } from './ports.ts';
import { outputWidthOf, predictRows, refuseWhatIsNotFinite, type RowPredictions } from './predict-rows.ts';

/** Decides a loaded batch: a decisions frame. */
export type Decide = (batch: BatchRef, loaded: LoadedBatch) => Promise<Uint8Array>;

/**
 * Feature rows to predictions to decisions. The result names, for each row, the sinks that it goes to: what is delivered later
 * is recorded data, whatever the pipeline's code says by then.
 */
export function createDecide({
  batches,
  model,
  reports,
}: {
  batches: Batches;
  model: ModelPort;
  reports: ActivityReports;
}): Decide {
  async function decideOnce(batch: BatchRef, loaded: LoadedBatch): Promise<Decisions> {
    const startedMs = performance.now();
    const predicted = await predictOrFallBack(model, loaded, reports);
    const decisions = decideRows(batch, loaded, predicted);
    batches.keepDecisions(loaded, decisions);
    report(reports, batch, loaded, decisions);
    reports.stage(batch.pipeline, 'infer', (performance.now() - startedMs) / 1_000);
    return decisions;
  }

  return async function decide(batch, loaded) {
    // Whoever asks again while the first answer is under way, or was too late to be recorded, gets that one.
    loaded.deciding ??= decideOnce(batch, loaded).catch((error: unknown) => {
      loaded.deciding = undefined;
      throw error;
    });
    return encodeDecisions(await loaded.deciding);
  };
}

/** What the declared fallback stands in for: a model that cannot be asked. One that does not fit the pipeline is a mistake that it would hide. */
const covered: readonly FailureCode[] = ['MODEL_UNAVAILABLE', 'MODEL_MISSING'];

/** The model's answer; or the declared fallback's, marked as degraded, while the model is unavailable or missing. */
async function predictOrFallBack(
  model: ModelPort,
  loaded: LoadedBatch,
  reports: ActivityReports,
): Promise<RowPredictions> {
  const { pipeline, features, events } = loaded;
  try {
    return await predictRows(model, pipeline, features.values, events.length);
  } catch (error) {
    if (!pipeline.model.fallback || !(error instanceof HeadraceError) || !covered.includes(error.code)) throw error;
    const result = fallBack(loaded);
    reports.degraded(pipeline.name, events.length, error.code, error.message);
    return result;
  }
}

/** The declared fallback for every row. One that throws, or answers in another form than the model, costs its own row only. Throws `PIPELINE_WRONG` when it seems to do so for every row. */
function fallBack(loaded: LoadedBatch): RowPredictions {
  const { pipeline, events, features } = loaded;
  const width = outputWidthOf(pipeline);
  const result: RowPredictions = {
    version: 'fallback',
    predictions: new Float32Array(events.length * width).fill(Number.NaN),
    refused: new Map(),
    degraded: true,
  };
  events.forEach(({ event }, row) => {
    try {
      const prediction = pipeline.model.fallback!({
        event: event as never,
        features: featuresByName(featureRow(features, row)),
      });
      refusePromise(pipeline.name, 'model.fallback', prediction);
      const numbers = Object.entries(pipeline.model.outputs).flatMap(([name, outputWidth]) => {
        const answer = [prediction[name]].flat();
        return answer.length === outputWidth ? answer : Array<number>(outputWidth).fill(Number.NaN);
      });
      result.predictions.set(numbers.map(Number), row * width);
    } catch (error) {
      if (error instanceof HeadraceError) throw error;
      result.refused.set(row, { code: 'BAD_PREDICTION', reason: `the fallback failed (${nameOf(error)})` });
    }
  });
  refuseWhatIsNotFinite(result, pipeline, events.length);
  const { refused } = result;
  assertMayBlame(loaded, 'model.fallback', {
    accepted: events.length - refused.size,
    failed: refused.size,
    reason: [...refused.values()][0]?.reason ?? '',
  });
  return result;
}

function report(reports: ActivityReports, batch: BatchRef, loaded: LoadedBatch, { header }: Decisions): void {
  const { features } = loaded;
  reports.decided(batch.pipeline, header.outcomeCounts);
  const events = Object.values(header.outcomeCounts).reduce((sum, count) => sum + count, 0);
  reports.late(batch.pipeline, { events, late: features.header.late.length, ahead: features.header.ahead });
  const rejections = [...features.header.rejections, ...header.rejections];
  if (rejections.length === 0) return;
  const records = recordsOf(loaded);
  reports.rejected(
    batch,
    rejections.map((rejection) => {
      const { partition, offset } = records[rejection.index]!;
      return { ...rejection, partition, offset };
    }),
  );
}

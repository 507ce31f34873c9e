/**
 * The steps that workflows call: thin, one function each, which calls one room.
 * Each may run again at any time and has the effect of one run.
 * `types.ts` is what workflows see of them.
 */
import { deadLettersTarget } from '../contracts/names.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { decideMsMax } from '../contracts/timeouts.ts';
import type { Pool } from '../database/pool.ts';
import type { FeatureStore } from '../features/index.ts';
import type { Sink } from '../sinks/port.ts';
import { Batches } from '../scoring/batches.ts';
import { createDeadLetter } from './dead-letter.ts';
import { createDecide } from '../scoring/decide.ts';
import { createDeliver } from './deliver.ts';
import { createDeliverAll } from './deliver-all.ts';
import { createDurablePlaces } from './durable-places.ts';
import { createExtractFeatures } from './extract-features.ts';
import { createScore } from './score.ts';
import { createApplyBatch } from '../scoring/apply-batch.ts';
import { createInfer } from './infer.ts';
import type { ActivityReports, DeadLetterPort, ModelPort, RecordsPort } from '../scoring/ports.ts';
import type { RunHistoryPort } from '../temporal/run-history.ts';
import { createResumeActivities, type ResumeActivities, type ResumeOptions } from './resume.ts';
import { createReviewActivities, type ReviewActivities, type ReviewActivityOptions } from './project-review.ts';
import { createRollUpActivities } from './roll-up-lake.ts';
import { guardSink } from '../sinks/policy/sink-guard.ts';
import { createSweepActivities, type SweepActivities, type SweepOptions } from './sweep.ts';
import type { BatchActivities, LakeActivities } from './types.ts';

export { activitySlots } from './durable-places.ts';

export { labelMessage } from './project-review.ts';
export { type SweepCounts, type SweepResult } from './sweep.ts';
export interface ActivityDependencies {
  pipelines: readonly AnyPipeline[];
  store: FeatureStore;
  model: ModelPort;
  sinks: readonly Sink[];
  deadLetters: DeadLetterPort;
  history: RunHistoryPort;
  records: RecordsPort;
  reports: ActivityReports;
  limits: {
    batchCacheBytesMax: number;
    deliveriesPerSinkMax: number;
    refusedInARowMax: number;
    modelDeadlineMs: number;
  };
  pool: Pool;
  publishLabel: ReviewActivityOptions['publishLabel'];
  lakeRoot: string;
  sweep: Omit<SweepOptions, 'lakeRoot'>;
  resume: ResumeOptions;
  /** Aborted when the worker stops. */
  stopping: AbortSignal;
}

/** Every activity of a worker, over what it was given. */
export function createActivities(
  dependencies: ActivityDependencies,
): BatchActivities & LakeActivities & ReviewActivities & SweepActivities & ResumeActivities {
  const {
    pipelines,
    store,
    model,
    deadLetters,
    history,
    records,
    reports,
    limits,
    pool,
    publishLabel,
    lakeRoot,
    sweep,
    stopping,
  } = dependencies;
  const batches = new Batches(
    new Map(pipelines.map((pipeline) => [pipeline.name, pipeline])),
    history,
    limits.batchCacheBytesMax,
  );
  const sinks = new Map(
    dependencies.sinks.map((sink) => [
      sink.name,
      guardSink(sink, {
        deliveriesMax: limits.deliveriesPerSinkMax,
        onBreaker: (pipeline, open) => reports.breaker(pipeline, sink.name, open),
      }),
    ]),
  );
  const applyBatch = createApplyBatch({ batches, store, records, reports, refusedInARowMax: limits.refusedInARowMax });
  const decide = createDecide({ batches, model, reports });
  const places = createDurablePlaces(pipelines);
  const infer = createInfer({ batches, decide });
  const deliver = createDeliver({ batches, sinks, deadLetters, reports, stopping });
  const deadLetter = createDeadLetter({ batches, deadLetters, reports });
  return {
    score: createScore({
      applyBatch,
      decide,
      decideMsMax: (tookMs) => decideMsMax({ modelDeadlineMs: limits.modelDeadlineMs, tookMs }),
    }),
    extractFeatures: createExtractFeatures(applyBatch),
    infer: (batch) => places.toModel(batch, () => infer(batch)),
    deliver: (batch, sink, ...rest) => places.toSink(batch, sink, () => deliver(batch, sink, ...rest)),
    deadLetter: (batch, ...rest) => places.toSink(batch, deadLettersTarget, () => deadLetter(batch, ...rest)),
    deliverAll: createDeliverAll({ deliver, deadLetter }),
    ...createReviewActivities({ pool, publishLabel }),
    ...createRollUpActivities({ lakeRoot, deployment: sweep.deployment }),
    ...createSweepActivities({ pool, lakeRoot, ...sweep }),
    ...createResumeActivities({ pipelines, store, records, ...dependencies.resume }),
  };
}
export { type QuickTry } from './types.ts';

/**
 * The SDK's clients: connection, payload codec, search attributes, schedules, and runs with their histories.
 * Besides this room only `workflows/` and `worker/` import the SDK; activities reach it through `activity.ts`.
 * The bridge knows the port `starter.ts`.
 */
export { Context, type Info, activityInfo, cancellationSignal, heartbeat, log } from './activity.ts';
export { type Client, connectTemporal, dataConverter, nativeConnectionOptions } from './connection.ts';
export { toApplicationFailure } from './failure.ts';
export { fetchHistory, isFileName, readHistoryFile } from './history/history-source.ts';
export { readRun } from './history/read-steps.ts';
export { Readable, type ReadableFailure } from './history/readable-value.ts';
export { type Verdict, replayHistory } from './history/replay-history.ts';
export { type Run, type Step } from './history/steps.ts';
export { type Payload, type PayloadCodec, createPayloadCodec } from './payload-codec.ts';
export { placeholderPayload, readablePayload } from './readable-payload.ts';
export { type RedrivePoint, redrive } from './redrive.ts';
export { runResume } from './resume-run.ts';
export { ReviewRefusedError, type StartReview, createReviewStarter } from './review-starter.ts';
export { type RunHistoryPort, createRunHistory } from './run-history.ts';
export { explainRun } from './run-waits.ts';
export { createBatchRuns, describeLatest, isIncomplete, isOpen } from './runs.ts';
export {
  type ScheduleState,
  type ScheduledWorkflow,
  ensureSchedule,
  isOverdue,
  readSchedules,
  refuseOtherGeneration,
} from './schedules.ts';
export { ensureSearchAttributes } from './search-attributes.ts';
export { type BatchStart, type StartAnswer, type Starter, type LastRun } from './starter.ts';
export { createTemporalStarter } from './temporal-starter.ts';
export { type SendVerdict, createVerdictSender } from './verdicts.ts';
export { preloadModules, workflowsPath } from './workflow-bundle.ts';

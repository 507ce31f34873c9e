import type { Client } from '@temporalio/client';
import type { FinishedBatch } from './batch-runs.ts';

/** Events of a history that Temporal Cloud counts as one Action each; workflow tasks cost nothing. Source: its public list of Actions, 2026. */
const counted = new Set([
  'workflowExecutionStartedEventAttributes',
  'workflowExecutionUpdateAcceptedEventAttributes',
  'workflowExecutionSignaledEventAttributes',
  'activityTaskStartedEventAttributes',
  'timerStartedEventAttributes',
  'upsertWorkflowSearchAttributesEventAttributes',
]);
const sampledMax = 20;
const readMsMax = 30_000;

interface HistoryEvent {
  workflowTaskCompletedEventAttributes?: unknown;
  activityTaskStartedEventAttributes?: unknown;
  markerRecordedEventAttributes?: { markerName?: string | null } | null;
}

/** What a batch costs on Temporal Cloud, in Actions: the mean of some of these batches. Reviews and schedules are not counted. */
export async function actionsPerBatch(temporal: Client, batches: readonly FinishedBatch[]): Promise<number> {
  const step = Math.max(1, Math.floor(batches.length / sampledMax));
  const sample = batches.filter((_, at) => at % step === 0).slice(0, sampledMax);
  let actions = 0;
  for (const { workflowId } of sample)
    actions += actionsOf(
      await temporal.withDeadline(Date.now() + readMsMax, async () => {
        const { events } = await temporal.workflow.getHandle(workflowId).fetchHistory();
        return (events ?? []) as HistoryEvent[];
      }),
    );
  return actions / sample.length;
}

/** All local activities of one workflow task are one Action together. */
export function actionsOf(events: readonly HistoryEvent[]): number {
  let actions = 0;
  let isCounted = false;
  for (const event of events) {
    if (event.workflowTaskCompletedEventAttributes) isCounted = false;
    if (event.markerRecordedEventAttributes?.markerName === 'core_local_activity' && !isCounted) {
      actions++;
      isCounted = true;
    }
    if (Object.entries(event).some(([key, value]) => value && counted.has(key))) actions++;
  }
  return actions;
}

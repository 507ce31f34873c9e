import type { Client } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { foreignRun } from './foreign-run.ts';
import { describeLatest, isIncomplete, isOpen } from './runs.ts';

const deadlineMs = 10_000;

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

/** From where a run is made again. */
export interface RedrivePoint {
  /** What Temporal's reset takes: the run is as it was before this event. */
  eventId: number;
  /** What of the run stays as it was recorded. */
  keeps: 'decisions' | 'first task' | 'nothing';
}

/**
 * The point that keeps as much as needed, and no effect twice: the task that began the deliveries, so that they are made again
 * from the recorded decisions. A run that ended before has had no effect yet; it goes on with its second task, or begins with the
 * first one when that recorded nothing. Never a new start: the chain's next positions follow from this very run.
 */
export function redrivePoint(events: readonly HistoryEvent[]): RedrivePoint {
  // A batch has one timer, between scoring and delivering. Steps that went on as regular activities make more tasks before it.
  const timer = events.findIndex((event) => event.timerFiredEventAttributes);
  if (timer >= 0) return { eventId: taskFrom(events, timer) ?? nothingToRedrive(), keeps: 'decisions' };
  const completed = events.findIndex((event) => event.workflowTaskCompletedEventAttributes);
  const second = completed < 0 ? undefined : taskFrom(events, completed);
  if (second !== undefined) return { eventId: second, keeps: 'first task' };
  return { eventId: taskFrom(events, 0) ?? nothingToRedrive(), keeps: 'nothing' };
}

/** The event that starts the first workflow task behind an index; the one that would have, when the run ended before it came. */
function taskFrom(events: readonly HistoryEvent[], index: number): number | undefined {
  const behind = events.slice(index);
  const started = behind.find((event) => event.workflowTaskStartedEventAttributes);
  if (started) return Number(started.eventId);
  const scheduled = behind.find((event) => event.workflowTaskScheduledEventAttributes);
  return scheduled && Number(scheduled.eventId) + 1;
}

function nothingToRedrive(): never {
  throw new Error('its history has no workflow task to go on from');
}

/**
 * Re-drives the latest run of a batch, which must have ended without completing; with `again` it may also have completed. Answers
 * the new run. Throws one sentence when there is no such run, or nothing to re-drive.
 */
export async function redrive(
  client: Client,
  workflowId: string,
  { again = false }: { again?: boolean } = {},
): Promise<{ runId: string; point: RedrivePoint }> {
  const soon = <T>(work: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + deadlineMs, work);
  const { namespace } = client.options;
  const run = await soon(() => describeLatest(client, workflowId));
  if (!run)
    throw new Error(
      `there is no such workflow in namespace "${namespace}", or it is older than the namespace's retention`,
    );
  if (isOpen(run.status.name)) throw new Error(`it is ${run.status.name.toLowerCase()}`);
  const foreign = foreignRun(client, run);
  if (foreign) throw new Error(foreign);
  if (!again && !isIncomplete(run.status.name))
    throw new Error('it has completed; --again delivers its decisions once more, for a sink that has lost them');
  const { events } = await soon(() => client.workflow.getHandle(workflowId, run.runId).fetchHistory());
  const point = redrivePoint(events ?? []);
  const { runId } = await soon(() =>
    client.workflowService.resetWorkflowExecution({
      namespace,
      workflowExecution: { workflowId, runId: run.runId },
      workflowTaskFinishEventId: point.eventId as never,
      reason: `headrace redrive: ended as ${run.status.name}`,
      // The same for everybody who re-drives this run, so that the second of two at a time changes nothing.
      requestId: `redrive:${run.runId}`,
    }),
  );
  return { runId, point };
}

import { ScheduleAlreadyRunning, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { workflowNames } from '../contracts/names.ts';

const deadlineMs = 10_000;

/** The workflows that run by a schedule, and the beginning of its id. */
const scheduledWorkflows = { [workflowNames.rollUpLake]: 'roll-up-lake', [workflowNames.sweep]: 'sweep' } as const;

export type ScheduledWorkflow = keyof typeof scheduledWorkflows;

/** Id of the schedule of a workflow on one task queue. */
export function scheduleIdOf(workflowType: ScheduledWorkflow, taskQueue: string): string {
  return `${scheduledWorkflows[workflowType]}:${taskQueue}`;
}

/**
 * Makes the schedule of a workflow, or sets its interval when it exists; whether somebody paused it stays as it is. A run that
 * takes longer than the interval makes the next one be skipped.
 */
export async function ensureSchedule(client: Client, { workflowType, taskQueue, everySeconds }: { workflowType: ScheduledWorkflow; taskQueue: string; everySeconds: number }): Promise<void> {
  const scheduleId = scheduleIdOf(workflowType, taskQueue);
  const spec = { intervals: [{ every: everySeconds * 1_000 }] };
  await client.withDeadline(Date.now() + deadlineMs, async () => {
    try {
      await client.schedule.create({
        scheduleId,
        spec,
        policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
        action: { type: 'startWorkflow', workflowType, workflowId: scheduleId, taskQueue, args: [] },
      });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      await client.schedule.getHandle(scheduleId).update((description) => ({ ...description, spec }));
    }
  });
}

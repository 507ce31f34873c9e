import { ScheduleAlreadyRunning, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { scheduledWorkflowId } from '../contracts/event-key.ts';
import { workflowNames } from '../contracts/names.ts';

const deadlineMs = 10_000;

/** The workflows that run by a schedule, and the beginning of its id. */
const scheduledWorkflows = { [workflowNames.rollUpLake]: 'roll-up-lake', [workflowNames.sweep]: 'sweep' } as const;

export type ScheduledWorkflow = keyof typeof scheduledWorkflows;

export interface ScheduleOptions {
  workflowType: ScheduledWorkflow;
  deployment: string;
  taskQueue: string;
}

/** Id of the schedule of a workflow of one deployment, on one task queue. */
export function scheduleIdOf({ workflowType, deployment, taskQueue }: ScheduleOptions): string {
  return scheduledWorkflowId(scheduledWorkflows[workflowType], deployment, taskQueue);
}

/**
 * Makes the schedule of a workflow, or sets its interval when it exists; whether somebody paused it stays as it is. A run that
 * takes longer than the interval makes the next one be skipped.
 */
export async function ensureSchedule(client: Client, { everySeconds, ...options }: ScheduleOptions & { everySeconds: number }): Promise<void> {
  const { workflowType, taskQueue } = options;
  const scheduleId = scheduleIdOf(options);
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

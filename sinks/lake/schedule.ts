import { ScheduleAlreadyRunning, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { workflowNames } from '../../contracts/names.ts';

const deadlineMs = 10_000;

/** Id of the schedule that rolls up the lake of the workers on one task queue. */
export function rollUpScheduleId(taskQueue: string): string {
  return `roll-up-lake:${taskQueue}`;
}

/**
 * Makes the schedule that rolls the lake up, or sets its interval when it exists; whether somebody paused it stays as it is. A run
 * that takes longer than the interval makes the next one be skipped.
 */
export async function ensureRollUpSchedule(client: Client, { taskQueue, everySeconds }: { taskQueue: string; everySeconds: number }): Promise<void> {
  const scheduleId = rollUpScheduleId(taskQueue);
  const spec = { intervals: [{ every: everySeconds * 1_000 }] };
  await client.withDeadline(Date.now() + deadlineMs, async () => {
    try {
      await client.schedule.create({
        scheduleId,
        spec,
        policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
        action: { type: 'startWorkflow', workflowType: workflowNames.rollUpLake, workflowId: scheduleId, taskQueue, args: [] },
      });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      await client.schedule.getHandle(scheduleId).update((description) => ({ ...description, spec }));
    }
  });
}

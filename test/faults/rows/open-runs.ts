import type { FaultSystem } from '../system/fault-system.ts';

/** Runs that are not finished, at most so many. */
export async function openRuns({ temporal }: FaultSystem, most: number): Promise<string[]> {
  const ids: string[] = [];
  for await (const { workflowId } of temporal.workflow.list({
    query: "WorkflowType = 'processBatch' AND ExecutionStatus = 'Running'",
  }))
    if (ids.push(workflowId) === most) break;
  return ids;
}

/** How many of these runs had a task with a worker that did not answer in time. */
export async function timedOut({ temporal }: FaultSystem, ids: readonly string[]): Promise<number> {
  const histories = await Promise.all(ids.map((id) => temporal.workflow.getHandle(id).fetchHistory()));
  return histories.filter(({ events }) =>
    events?.some((event) => event.workflowTaskTimedOutEventAttributes || event.activityTaskTimedOutEventAttributes),
  ).length;
}

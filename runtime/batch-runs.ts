import { status } from '@grpc/grpc-js';
import { isGrpcServiceError, WorkflowNotFoundError, type Client, type WorkflowExecutionDescription, type WorkflowExecutionInfo } from '@temporalio/client';
import type { BatchRun, BatchRunsPort } from '../contracts/batch-runs.ts';
import { batchWorkflowId, parseEventKey } from '../contracts/event-key.ts';
import { workflowNames, type BatchMemo } from '../contracts/names.ts';

const deadlineMs = 10_000;
const pageSize = 200;
/** Runs that ended without completing are looked at up to here, re-driven ones among them. */
const lookedAtMax = 2_000;
/** Described side by side. */
const describedAtOnce = 16;
const reasonLengthMax = 200;

/** The batches of a deployment in the client's namespace. Lists come from visibility, a moment late; single runs are exact. */
export function createBatchRuns(client: Client, deployment: string): BatchRunsPort {
  const ours = `WorkflowType = '${workflowNames.processBatch}' AND WorkflowId STARTS_WITH 'batch:${deployment}:'`;
  const soon = <T>(work: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + deadlineMs, work);
  const latest = (workflowId: string) => soon(() => describeLatest(client, workflowId));

  async function list(query: string, max: number): Promise<{ runs: WorkflowExecutionInfo[]; more: boolean }> {
    const runs: WorkflowExecutionInfo[] = [];
    const read = async () => {
      for await (const run of client.workflow.list({ query, pageSize: Math.min(pageSize, max + 1) })) {
        if (runs.length === max) return true;
        runs.push(run);
      }
      return false;
    };
    return { more: await soon(read), runs };
  }

  return {
    async at(chain, position) {
      const run = await latest(batchWorkflowId(chain, position));
      return run && batchRunOf(run);
    },
    async incomplete(max) {
      const { runs, more } = await list(`${ours} AND ExecutionStatus IN ('Terminated', 'Failed', 'Canceled', 'TimedOut')`, lookedAtMax);
      const ids = [...new Set(runs.map(({ workflowId }) => workflowId))];
      const incomplete: BatchRun[] = [];
      for (let i = 0; i < ids.length; i += describedAtOnce) {
        for (const run of await Promise.all(ids.slice(i, i + describedAtOnce).map(latest))) {
          if (run && isIncomplete(run.status.name)) incomplete.push(batchRunOf(run));
        }
        if (incomplete.length > max) break;
      }
      return { runs: incomplete.slice(0, max), more: more || incomplete.length > max };
    },
    async openSince(beforeMs, max) {
      const query = `${ours} AND ExecutionStatus = 'Running' AND StartTime < '${new Date(beforeMs).toISOString()}'`;
      const { count: total } = await soon(() => client.workflow.count(query));
      if (total === 0) return { total, runs: [] };
      const { runs } = await list(query, max);
      const described = await Promise.all(runs.map(({ workflowId }) => latest(workflowId)));
      return { total, runs: described.flatMap((run) => (run ? [{ ...batchRunOf(run), waitsFor: waitsFor(run) }] : [])) };
    },
  };
}

/** True for a run that ended, and not well: its effects may be missing. */
export function isIncomplete(statusName: string): boolean {
  return statusName !== 'RUNNING' && statusName !== 'COMPLETED';
}

/** The latest run of a workflow id; undefined when Temporal has none (any more). */
export async function describeLatest(client: Client, workflowId: string): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await client.workflow.getHandle(workflowId).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError || (isGrpcServiceError(error) && error.code === status.NOT_FOUND && !/namespace/i.test(error.details))) return undefined;
    throw error;
  }
}

function batchRunOf({ workflowId, runId, status: { name }, memo, startTime }: Pick<WorkflowExecutionInfo, 'workflowId' | 'runId' | 'status' | 'memo' | 'startTime'>): BatchRun {
  const { offset, ...chain } = parseEventKey(workflowId.slice('batch:'.length));
  const { position = offset, end = offset, count = 0 } = (memo ?? {}) as Partial<BatchMemo>;
  return { workflowId, runId, chain, position, end, count, status: name, startedAtMs: startTime.getTime() };
}

/** Why the pending activities of a run failed last, each reason once. */
function waitsFor({ raw }: WorkflowExecutionDescription): string[] {
  const reasons = (raw.pendingActivities ?? []).map(({ activityType, attempt, lastFailure }) =>
    `${activityType?.name ?? 'an activity'}, attempt ${String(attempt)}${lastFailure?.message ? `: ${lastFailure.message.slice(0, reasonLengthMax)}` : ''}`);
  return [...new Set(reasons)];
}

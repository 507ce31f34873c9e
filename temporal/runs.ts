import { status } from '@grpc/grpc-js';
import {
  isGrpcServiceError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionDescription,
  type WorkflowExecutionInfo,
} from '@temporalio/client';
import type { BatchRun, BatchRunsPort, HaltedRun, HaltedRunsPort, OpenRunsPort } from '../contracts/batch-runs.ts';
import { batchWorkflowId, parseBatchId, topicWorkflowIdPrefix, type TopicRef } from '../contracts/event-key.ts';
import type { FailureCode } from '../contracts/failures.ts';
import { searchAttributes, workflowNames, type BatchMemo } from '../contracts/names.ts';
import { explainRun, failureText } from './run-waits.ts';
import { findIncomplete, type ListedRun, type RunLists } from './incomplete-runs.ts';

const deadlineMs = 10_000;
const pageSize = 200;
/** As many runs as Temporal gives in one answer: some of a page's workflow ids may have several. */
const answerMax = 1_000;
/** As many as a topic has chains, and far more. */
const haltedMax = 1_000;

/** The batches of a deployment in the client's namespace. Lists come from visibility, a moment late; single runs are exact. */
export function createBatchRuns(client: Client, deployment: string): BatchRunsPort & HaltedRunsPort & OpenRunsPort {
  const ours = `WorkflowType = '${workflowNames.processBatch}' AND WorkflowId STARTS_WITH 'batch:${deployment}:'`;
  const lists = runLists(client, ours);
  return {
    async of(chain, sequence) {
      const run = await latestSoon(client, batchWorkflowId(chain, sequence));
      return run && batchRunOf(run);
    },
    incomplete: (max, isMoot) => findIncomplete(lists, max, isMoot),
    async halted(pipeline) {
      // A batch says how many events it has once it is scored.
      const query = `WorkflowType = '${workflowNames.processBatch}' AND WorkflowId STARTS_WITH 'batch:${deployment}:${pipeline}:' AND ExecutionStatus = 'Running' AND ${searchAttributes.eventCount.name} IS NULL`;
      const described = await Promise.all(
        (await list(client, query, haltedMax)).map(({ workflowId }) => latestSoon(client, workflowId)),
      );
      return (await Promise.all(described.map((run) => haltOf(client, run)))).filter((halt) => halt !== undefined);
    },
    open: async (topic, max) => (await list(client, `${ofTopic(topic)} AND ${isOpenSql}`, max)).map(batchRunOf),
    async openSince(beforeMs, max) {
      const query = `${ours} AND ${isOpenSql} AND StartTime < '${new Date(beforeMs).toISOString()}'`;
      const total = await count(client, query);
      if (total === 0) return { total, runs: [] };
      const runs = await list(client, query, max);
      const described = await Promise.all(runs.map(({ workflowId }) => latestSoon(client, workflowId)));
      return {
        total,
        runs: await Promise.all(
          described.flatMap((run) =>
            run ? [soon(client, async () => ({ ...batchRunOf(run), waitsFor: await explainRun(client, run) }))] : [],
          ),
        ),
      };
    },
  };
}

/** Not 'Running': somebody may have paused it, which servers before 1.30 do not know. */
const isOpenSql = `ExecutionStatus NOT IN ('Completed', 'Terminated', 'Failed', 'Canceled', 'TimedOut')`;

function ofTopic(topic: TopicRef): string {
  return `WorkflowType = '${workflowNames.processBatch}' AND WorkflowId STARTS_WITH '${topicWorkflowIdPrefix(topic)}'`;
}

/** The lists that `findIncomplete` goes through. */
function runLists(client: Client, ours: string): RunLists {
  return {
    ended: (page) =>
      listOnce(
        client,
        `${ours} AND ExecutionStatus IN ('Terminated', 'Failed', 'Canceled', 'TimedOut')`,
        pageSize,
        page,
      ),
    async well(workflowIds) {
      const query = `WorkflowType = '${workflowNames.processBatch}' AND ExecutionStatus IN ('Running', 'Completed') AND WorkflowId IN (${workflowIds.map((id) => `'${id}'`).join(', ')})`;
      return (await listOnce(client, query, answerMax)).runs;
    },
    async incompleteAt(workflowId) {
      const run = await latestSoon(client, workflowId);
      return run && isIncomplete(run.status.name) ? batchRunOf(run) : undefined;
    },
  };
}

/** Calls of the client within `work` have our deadline. */
function soon<T>(client: Client, work: () => Promise<T>): Promise<T> {
  return client.withDeadline(Date.now() + deadlineMs, work);
}

function latestSoon(client: Client, workflowId: string): Promise<WorkflowExecutionDescription | undefined> {
  return soon(client, () => describeLatest(client, workflowId));
}

async function count(client: Client, query: string): Promise<number> {
  return (await soon(client, () => client.workflow.count(query))).count;
}

function list(client: Client, query: string, max: number): Promise<WorkflowExecutionInfo[]> {
  return soon(client, async () => {
    const runs: WorkflowExecutionInfo[] = [];
    for await (const run of client.workflow.list({ query, pageSize: Math.min(pageSize, max) })) {
      if (runs.push(run) >= max) break;
    }
    return runs;
  });
}

async function listOnce(
  client: Client,
  query: string,
  pageSizeMax: number,
  nextPageToken?: Uint8Array,
): Promise<{ runs: ListedRun[]; next?: Uint8Array }> {
  const request = {
    namespace: client.options.namespace,
    query,
    pageSize: pageSizeMax,
    ...(nextPageToken && { nextPageToken }),
  };
  const { executions, nextPageToken: next } = await soon(client, () =>
    client.workflowService.listWorkflowExecutions(request),
  );
  const runs = executions.map(({ execution, closeTime }) => ({
    workflowId: execution!.workflowId!,
    closedAtMs: closeTime ? Number(closeTime.seconds) * 1_000 + Number(closeTime.nanos) / 1e6 : Infinity,
  }));
  return { runs, ...(next.length > 0 && { next }) };
}

/** True for a run that has not ended; somebody may have paused it. */
export function isOpen(statusName: string): boolean {
  return statusName === 'RUNNING' || statusName === 'PAUSED';
}

/** True for a run that ended, and not well: its effects may be missing. */
export function isIncomplete(statusName: string): boolean {
  return !isOpen(statusName) && statusName !== 'COMPLETED';
}

/** The latest run of a workflow id; undefined when Temporal has none (any more). */
export async function describeLatest(
  client: Client,
  workflowId: string,
): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await client.workflow.getHandle(workflowId).describe();
  } catch (error) {
    if (
      error instanceof WorkflowNotFoundError ||
      (isGrpcServiceError(error) && error.code === status.NOT_FOUND && !/namespace/i.test(error.details))
    )
      return undefined;
    throw error;
  }
}

function batchRunOf({
  workflowId,
  runId,
  status: { name },
  memo,
  startTime,
}: Pick<WorkflowExecutionInfo, 'workflowId' | 'runId' | 'status' | 'memo' | 'startTime'>): BatchRun {
  const { sequence, ...chain } = parseBatchId(workflowId);
  const { ranges = [], positions = {} } = (memo ?? {}) as Partial<BatchMemo>;
  return {
    workflowId,
    runId,
    chain,
    sequence,
    ranges: ranges.map(({ mark: _, ...range }) => range),
    positions,
    status: name,
    startedAtMs: startTime.getTime(),
  };
}

const refusedInARow: FailureCode = 'REFUSED_IN_A_ROW';

async function haltOf(client: Client, run: WorkflowExecutionDescription | undefined): Promise<HaltedRun | undefined> {
  const failure = run?.raw.pendingActivities
    ?.map(({ lastFailure }) => lastFailure)
    .find((each) => each?.applicationFailureInfo?.type === refusedInARow);
  return run && failure
    ? { ...batchRunOf(run), reason: await failureText(client, failure), taskQueue: run.taskQueue }
    : undefined;
}

import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { isGrpcServiceError, WithStartWorkflowOperation, WorkflowNotFoundError, type Client } from '@temporalio/client';
import {
  defineSearchAttributeKey,
  SearchAttributeType,
  TypedSearchAttributes,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/common';
import {
  batchWorkflowId,
  batchWorkflowIdPrefix,
  parseBatchId,
  recordCount,
  topicWorkflowIdPrefix,
  type BatchRef,
} from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import { redriveCommand } from '../contracts/redrive-command.ts';
import {
  scoredUpdateName,
  searchAttributes,
  withoutMarks,
  workflowNames,
  type BatchInput,
  type BatchMemo,
  type ScoredReply,
} from '../contracts/names.ts';
import { foreignRun } from './foreign-run.ts';
import { describeLatest, isOpen } from './runs.ts';
import { explainRun } from './run-waits.ts';
import type { BatchStart, LastRun, StartAnswer, Starter } from './starter.ts';

const pipelineKey = defineSearchAttributeKey(searchAttributes.pipeline.name, SearchAttributeType.KEYWORD);

/**
 * Update-with-Start: one call starts the batch and waits until it is scored. The workflow id ends in the batch's number, so the first
 * start of a number wins and fixes the batch's ranges; the update id is always the same, so that a repeated call, after a crash or
 * a lost reply, is answered for the run that exists, open or closed. While a batch is being scored its update is polled, and the frame is not
 * sent again.
 */
export function createTemporalStarter(client: Client, taskQueue: string, nowMs: () => number = Date.now): Starter {
  return {
    async start(start, deadlineMs, again) {
      const workflowId = batchWorkflowId(start.chain, start.sequence);
      const untilMs = nowMs() + deadlineMs;
      try {
        const polled = again ? await client.withDeadline(untilMs, () => pollScored(client, workflowId)) : undefined;
        const reply =
          polled ??
          (await client.withDeadline(untilMs, () =>
            client.workflow.executeUpdateWithStart<() => Promise<unknown>, ScoredReply, []>(scoredUpdateName, {
              updateId: scoredUpdateName,
              startWorkflowOperation: startOperation(start, workflowId, taskQueue),
            }),
          ));
        return { kind: 'scored', ...reply };
      } catch (error) {
        return afterFailure(client, workflowId, () => nowMs() + deadlineMs, error);
      }
    },
    lastRun: (chain, scored, deadlineMs) =>
      client.withDeadline(nowMs() + deadlineMs, async () => {
        const run = scored === undefined ? undefined : await describeLatest(client, batchWorkflowId(chain, scored));
        return run
          ? { ...(run.memo as unknown as BatchMemo), sequence: scored!, isScored: true }
          : highestListed(client, batchWorkflowIdPrefix(chain), ({ sequence }) => sequence);
      }),
    lastLayout: (topic, deadlineMs) =>
      client.withDeadline(nowMs() + deadlineMs, async () => {
        const run = await highestListed(client, topicWorkflowIdPrefix(topic), ({ layout }) => layout);
        return run && { layout: run.layout, chains: run.chains };
      }),
    explain: (chain, sequence, deadlineMs) =>
      client.withDeadline(nowMs() + deadlineMs, async () => {
        const run = await describeLatest(client, batchWorkflowId(chain, sequence));
        if (!run || !isOpen(run.status.name)) return undefined;
        return (await explainRun(client, run))[0] ?? { kind: 'scoring', text: `${run.workflowId} is being scored` };
      }),
  };
}

/** Waits for the answer to a call that was made before; undefined when the server knows of none: only its memory has one that no worker took up. */
async function pollScored(client: Client, workflowId: string): Promise<ScoredReply | undefined> {
  try {
    return await client.workflow.getHandle(workflowId).getUpdateHandle<ScoredReply>(scoredUpdateName).result();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Visibility gives the open runs first, then those that closed last: the one with the highest number is among the first so many. */
const lookedThroughMax = 2_000;

async function highestListed(
  client: Client,
  idPrefix: string,
  of: (id: ReturnType<typeof parseBatchId>) => number,
): Promise<(LastRun & { layout: number }) | undefined> {
  let highest: (LastRun & { layout: number }) | undefined;
  let highestNumber = -1;
  let seen = 0;
  const query = `WorkflowType = '${workflowNames.processBatch}' AND WorkflowId STARTS_WITH '${idPrefix}'`;
  for await (const { workflowId, memo, status: runStatus } of client.workflow.list({ query, pageSize: 200 })) {
    const id = parseBatchId(workflowId);
    if (of(id) > highestNumber) {
      const { sequence, layout } = id;
      highest = { ...(memo as unknown as BatchMemo), sequence, layout, isScored: runStatus.name === 'COMPLETED' };
      highestNumber = of(id);
    }
    if (++seen >= lookedThroughMax) break;
  }
  return highest;
}

function startOperation(start: BatchStart, workflowId: string, taskQueue: string) {
  const { chain, chains, sequence, after, ranges, positions, untouched, records } = start;
  const startId = randomUUID();
  const behind = { positions, ...(untouched?.length ? { untouched } : {}) };
  const memo: BatchMemo = { ranges, startId, chains, ...behind };
  const batch: BatchRef = {
    ...chain,
    sequence,
    ranges: withoutMarks(ranges),
    startId,
    ...(after === undefined ? {} : { after }),
  };
  const operation = new WithStartWorkflowOperation(workflowNames.processBatch, {
    workflowId,
    taskQueue,
    args: [{ batch, behind } satisfies BatchInput, records],
    memo: memo as unknown as Record<string, unknown>,
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    typedSearchAttributes: new TypedSearchAttributes([{ key: pipelineKey, value: chain.pipeline }]),
    staticSummary: summaryOf(start),
  });
  // The update's own error tells all; a handle promise that nobody awaits would be an unhandled rejection.
  operation.workflowHandle().catch(() => undefined);
  return operation;
}

/** For the Web UI: how many records of which partitions, and since when they waited. */
function summaryOf({ chain: { topic }, ranges, firstRecordMs }: BatchStart): string {
  const count = recordCount({ ranges });
  const where = ranges.length === 1 ? `${topic}-${ranges[0]!.partition}` : `${ranges.length} partitions of ${topic}`;
  const since = firstRecordMs === undefined ? '' : `, ${new Date(firstRecordMs).toISOString().slice(11, 19)}`;
  return `${where}, ${count} ${count === 1 ? 'record' : 'records'}${since}`;
}

/** A failed call says little about the run: ask for it, where the error says that one exists. */
async function afterFailure(
  client: Client,
  workflowId: string,
  deadline: () => number,
  error: unknown,
): Promise<StartAnswer> {
  if (causesOf(error).some(isSizeRefusal)) return { kind: 'too_large', reason: messageOf(error) };
  if (!causesOf(error).some(saysThatRunExists)) return { kind: 'unknown', reason: messageOf(error) };
  try {
    const run = await client.withDeadline(deadline(), () => client.workflow.getHandle(workflowId).describe());
    if (isOpen(run.status.name))
      return { kind: 'unknown', reason: `${run.workflowId} is ${run.status.name.toLowerCase()} and not scored yet` };
    const foreign = foreignRun(client, run);
    if (foreign) return { kind: 'blocked', reason: `${workflowId} ended as ${run.status.name}; ${foreign}` };
    if (run.status.name !== 'COMPLETED')
      return {
        kind: 'blocked',
        reason: `${workflowId} ended as ${run.status.name} and its records were not all decided; re-drive it: ${redriveCommand(workflowId)}`,
      };
    const { chains: _, ...reply } = run.memo as unknown as BatchMemo;
    return { kind: 'scored', ...reply };
  } catch (describeError) {
    return { kind: 'unknown', reason: `${messageOf(error)}; and then: ${messageOf(describeError)}` };
  }
}

function saysThatRunExists(cause: Error): boolean {
  return (
    cause instanceof WorkflowExecutionAlreadyStartedError ||
    cause instanceof WorkflowNotFoundError ||
    cause.name === 'WorkflowUpdateFailedError'
  );
}

/** Temporal has no code of its own for a payload or a request that is too large, only these words. */
function isSizeRefusal(cause: Error): boolean {
  return (
    isGrpcServiceError(cause) &&
    [status.INVALID_ARGUMENT, status.RESOURCE_EXHAUSTED].includes(cause.code) &&
    /exceeds (size )?limit|larger than max/i.test(cause.message)
  );
}

function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let cause = error; cause instanceof Error && causes.length < 10; cause = cause.cause) causes.push(cause);
  return causes;
}

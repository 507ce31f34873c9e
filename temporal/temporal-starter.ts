import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { isGrpcServiceError, WithStartWorkflowOperation, WorkflowNotFoundError, type Client } from '@temporalio/client';
import {
  defineSearchAttributeKey,
  SearchAttributeType,
  TypedSearchAttributes,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/common';
import { batchWorkflowId, batchWorkflowIdPrefix, type Chain } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import { redriveCommand } from '../contracts/redrive-command.ts';
import {
  scoredUpdateName,
  searchAttributes,
  workflowNames,
  type BatchMemo,
  type ScoredReply,
} from '../contracts/names.ts';
import { describeLatest, isOpen } from './runs.ts';
import { explainRun } from './run-waits.ts';
import type { BatchStart, LastStarted, StartAnswer, Starter } from './starter.ts';

const pipelineKey = defineSearchAttributeKey(searchAttributes.pipeline.name, SearchAttributeType.KEYWORD);

/**
 * Update-with-Start: one call starts the batch and waits until it is scored. The workflow id ends in the position, so the first
 * start at a position wins and fixes the batch's end; the update id is always the same, so that a repeated call, after a crash or
 * a lost reply, is answered for the run that exists, open or closed.
 */
export function createTemporalStarter(client: Client, taskQueue: string, nowMs: () => number = Date.now): Starter {
  return {
    async start(start, deadlineMs) {
      const workflowId = batchWorkflowId(start.chain, start.position);
      try {
        const reply = await client.withDeadline(nowMs() + deadlineMs, () =>
          client.workflow.executeUpdateWithStart<() => Promise<unknown>, ScoredReply, []>(scoredUpdateName, {
            updateId: scoredUpdateName,
            startWorkflowOperation: startOperation(start, workflowId, taskQueue),
          }),
        );
        return { kind: 'scored', ...reply };
      } catch (error) {
        return afterFailure(client, workflowId, () => nowMs() + deadlineMs, error);
      }
    },
    lastStarted: (chain, deadlineMs) => client.withDeadline(nowMs() + deadlineMs, () => lastStarted(client, chain)),
    explain: (chain, position, deadlineMs) =>
      client.withDeadline(nowMs() + deadlineMs, async () => {
        const run = await describeLatest(client, batchWorkflowId(chain, position));
        if (!run || !isOpen(run.status.name)) return undefined;
        return (await explainRun(client, run))[0] ?? { kind: 'scoring', text: `${run.workflowId} is being scored` };
      }),
  };
}

/** Visibility gives the open runs first, then those that closed last: the furthest one is among the first so many. */
const lookedThroughMax = 2_000;

async function lastStarted(client: Client, chain: Chain): Promise<LastStarted | undefined> {
  let last: BatchMemo | undefined;
  let seen = 0;
  const query = `WorkflowType = '${workflowNames.processBatch}' AND WorkflowId STARTS_WITH '${batchWorkflowIdPrefix(chain)}'`;
  for await (const { memo } of client.workflow.list({ query, pageSize: 200 })) {
    const batch = memo as unknown as BatchMemo;
    if (!last || isFurther(batch, last)) last = batch;
    if (++seen >= lookedThroughMax) break;
  }
  if (!last) return undefined;
  const { position, end, first } = last;
  return { position, end, first, head: last.head === true };
}

/** Two owners can have begun a chain, before either knew of the other: then it is the first beginning that counts, and what goes on. */
function isFurther(batch: BatchMemo, than: BatchMemo): boolean {
  if ((batch.head === true) !== (than.head === true)) return than.head === true;
  return batch.head ? batch.position < than.position : batch.position > than.position;
}

function startOperation(
  { chain, position, end, count, head, records, first, firstRecordMs }: BatchStart,
  workflowId: string,
  taskQueue: string,
) {
  const range = { position, end, count, ...(head ? { head } : {}) };
  const memo: BatchMemo = { ...range, first };
  const operation = new WithStartWorkflowOperation(workflowNames.processBatch, {
    workflowId,
    taskQueue,
    args: [{ ...chain, ...range, startId: randomUUID() }, records],
    memo: memo as unknown as Record<string, unknown>,
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    typedSearchAttributes: new TypedSearchAttributes([{ key: pipelineKey, value: chain.pipeline }]),
    staticSummary: `${chain.topic}-${chain.partition}, ${count} ${count === 1 ? 'record' : 'records'}${firstRecordMs === undefined ? '' : `, ${new Date(firstRecordMs).toISOString().slice(11, 19)}`}`,
  });
  // The update's own error tells all; a handle promise that nobody awaits would be an unhandled rejection.
  operation.workflowHandle().catch(() => undefined);
  return operation;
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
    if (run.status.name !== 'COMPLETED')
      return {
        kind: 'blocked',
        reason: `${workflowId} ended as ${run.status.name} and its records were not all decided; re-drive it: ${redriveCommand(workflowId)}`,
      };
    const { position, end, count } = run.memo as unknown as BatchMemo;
    return { kind: 'scored', position, end, count };
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

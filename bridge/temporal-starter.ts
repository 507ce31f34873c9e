import { WithStartWorkflowOperation, WorkflowNotFoundError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { batchWorkflowId } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import { scoredUpdateName, searchAttributes, workflowNames, type BatchMemo, type ScoredReply } from '../contracts/names.ts';
import type { BatchStart, StartAnswer, Starter } from './ports.ts';

const pipelineKey = defineSearchAttributeKey(searchAttributes.pipeline.name, SearchAttributeType.KEYWORD);

/**
 * Update-with-Start: one call starts the batch and waits until it is scored. The workflow id ends in the position, so the first
 * start at a position wins and fixes the batch's end; the update id is always the same, so that a repeated call, after a crash or
 * a lost reply, is answered for the run that exists, open or closed.
 */
export function createTemporalStarter(client: Client, taskQueue: string): Starter {
  return {
    async start(start, deadlineMs) {
      const workflowId = batchWorkflowId(start.chain, start.position);
      try {
        const reply = await client.withDeadline(Date.now() + deadlineMs, () =>
          client.workflow.executeUpdateWithStart<() => Promise<unknown>, ScoredReply, []>(scoredUpdateName, {
            updateId: scoredUpdateName,
            startWorkflowOperation: startOperation(start, workflowId, taskQueue),
          }),
        );
        return { kind: 'scored', ...reply };
      } catch (error) {
        return afterFailure(client, workflowId, deadlineMs, error);
      }
    },
  };
}

function startOperation({ chain, position, end, count, head, records, firstRecordMs }: BatchStart, workflowId: string, taskQueue: string) {
  const memo: BatchMemo = { position, end, count, ...(head ? { head } : {}) };
  const operation = new WithStartWorkflowOperation(workflowNames.processBatch, {
    workflowId,
    taskQueue,
    args: [{ ...chain, ...memo }, records],
    memo: memo as unknown as Record<string, unknown>,
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    typedSearchAttributes: new TypedSearchAttributes([{ key: pipelineKey, value: chain.pipeline }]),
    staticSummary: `${chain.topic}-${chain.partition}, ${count} ${count === 1 ? 'record' : 'records'}, ${new Date(firstRecordMs).toISOString().slice(11, 19)}`,
  });
  // The update's own error tells all; a handle promise that nobody awaits would be an unhandled rejection.
  operation.workflowHandle().catch(() => undefined);
  return operation;
}

/** A failed call says little about the run: ask for it, where the error says that one exists. */
async function afterFailure(client: Client, workflowId: string, deadlineMs: number, error: unknown): Promise<StartAnswer> {
  if (!saysThatRunExists(error)) return { kind: 'unknown', reason: messageOf(error) };
  try {
    const run = await client.withDeadline(Date.now() + deadlineMs, () => client.workflow.getHandle(workflowId).describe());
    return answerOf(run);
  } catch (describeError) {
    return { kind: 'unknown', reason: `${messageOf(error)}; and then: ${messageOf(describeError)}` };
  }
}

function answerOf(run: WorkflowExecutionDescription): StartAnswer {
  switch (run.status.name) {
    case 'COMPLETED': {
      const { position, end, count } = run.memo as unknown as BatchMemo;
      return { kind: 'scored', position, end, count };
    }
    case 'RUNNING':
      return { kind: 'unknown', reason: `${run.workflowId} is running and not scored yet` };
    default:
      return {
        kind: 'blocked',
        reason: `${run.workflowId} ended as ${run.status.name} and its records were not all decided. Re-drive it: temporal workflow reset --workflow-id "${run.workflowId}" --run-id ${run.runId} --type FirstWorkflowTask --reason re-drive`,
      };
  }
}

function saysThatRunExists(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof WorkflowExecutionAlreadyStartedError || cause instanceof WorkflowNotFoundError || cause.name === 'WorkflowUpdateFailedError') return true;
  }
  return false;
}

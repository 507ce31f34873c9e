import type { Client } from '@temporalio/client';
import { recordCount } from '../contracts/event-key.ts';
import { workflowNames, type BatchMemo } from '../contracts/names.ts';
import { poll } from './poll.ts';

/** A batch that is delivered everywhere. */
export interface FinishedBatch {
  workflowId: string;
  ranges: BatchMemo['ranges'];
  closedMs: number;
}

/** Waits until batches of so many events have completed, and returns them. Temporal's list of runs is late: none open does not mean all done. */
export async function allBatches(temporal: Client, events: number, timeoutMs: number): Promise<FinishedBatch[]> {
  return poll('all batches are completed', timeoutMs, async () => {
    if ((await openBatchCount(temporal)) > 0) return undefined;
    const batches = await finishedBatches(temporal);
    return batches.reduce((sum, batch) => sum + recordCount(batch), 0) >= events ? batches : undefined;
  });
}

/** Every batch run of a namespace that has completed. */
async function finishedBatches(temporal: Client): Promise<FinishedBatch[]> {
  const batches: FinishedBatch[] = [];
  for await (const { workflowId, memo, closeTime } of temporal.workflow.list({
    query: `WorkflowType = '${workflowNames.processBatch}' AND ExecutionStatus = 'Completed'`,
  })) {
    const { ranges } = memo as unknown as BatchMemo;
    batches.push({ workflowId, ranges, closedMs: closeTime!.getTime() });
  }
  return batches;
}

/** How many batches are not delivered everywhere. */
export async function openBatchCount(temporal: Client): Promise<number> {
  return (
    await temporal.workflow.count(`WorkflowType = '${workflowNames.processBatch}' AND ExecutionStatus = 'Running'`)
  ).count;
}

import type { BatchMemo } from '../contracts/names.ts';

/**
 * Why a run that ended cannot do a batch's work, when no bridge has started it: somebody took the batch's workflow id by hand. It holds no
 * records, so it can neither be re-driven nor count as scored. Undefined for every other run.
 */
export function foreignRun({ workflowId, memo }: { workflowId: string; memo?: unknown }): string | undefined {
  if ((memo as Partial<BatchMemo> | undefined)?.startId !== undefined) return undefined;
  return `no bridge has started it, so it holds no records; remove it, and the bridge starts the batch: temporal workflow delete --workflow-id ${workflowId}`;
}

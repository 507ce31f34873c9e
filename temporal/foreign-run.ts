import type { Client } from '@temporalio/client';
import type { BatchMemo } from '../contracts/names.ts';
import { cliCommand } from './cli-command.ts';

/**
 * Why a run that ended cannot do a batch's work, when no bridge has started it: somebody took the batch's workflow id by hand. It holds no
 * records, so it can neither be re-driven nor count as scored. Undefined for every other run.
 */
export function foreignRun(
  client: Client,
  { workflowId, memo }: { workflowId: string; memo?: unknown },
): string | undefined {
  if ((memo as Partial<BatchMemo> | undefined)?.startId !== undefined) return undefined;
  return `no bridge has started it, so it holds no records; remove it, and the bridge starts the batch: ${cliCommand(client, `workflow delete --workflow-id ${workflowId}`)}`;
}

import type { Client } from '../temporal/connection.ts';
import { batchWorkflowId, type ChainRef } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { BatchMemo, Positions } from '../contracts/names.ts';
import type { Waiting } from '../contracts/partition-state.ts';
import { redriveCommand } from '../contracts/redrive-command.ts';
import { explainRun } from '../temporal/run-waits.ts';
import { describeLatest, isIncomplete, isOpen } from '../temporal/runs.ts';

/** How a chain stands, as its runs tell. */
export interface ChainState {
  /** The last batch that is known to be scored; absent = none is. */
  sequence?: number;
  /** Behind that one, as far as its run is still known. */
  positions: Positions;
  /** The batch behind it that is not completed: its workflow id, and how its run is. Nothing of the chain goes on before it is scored. */
  next?: { workflowId: string; status: string };
  /** What that one waits for, or why nothing is known. */
  waiting?: Waiting;
}

const deadlineMs = 3_000;
/** Commits may be some batches behind what was scored. */
const batchesFollowedMax = 30;

/**
 * Goes from batch to batch, to the first that is not completed. Never rejects.
 * @param scored the last batch of the chain that commits or the ledger name; undefined = none
 */
export async function followChain(
  temporal: Client | undefined,
  chain: ChainRef,
  scored: number | undefined,
  nowMs: number = Date.now(),
): Promise<ChainState> {
  const found: ChainState = { positions: {}, ...(scored === undefined ? {} : { sequence: scored }) };
  if (!temporal) return { ...found, waiting: { kind: 'temporal', text: 'Temporal does not answer' } };
  try {
    await temporal.withDeadline(Date.now() + deadlineMs, () => follow(temporal, chain, found, nowMs));
    return found;
  } catch (error) {
    return { ...found, waiting: { kind: 'temporal', text: `Temporal does not answer: ${messageOf(error)}` } };
  }
}

async function follow(temporal: Client, chain: ChainRef, found: ChainState, nowMs: number): Promise<void> {
  const { sequence: scored } = found;
  const from = scored ?? 0;
  for (let sequence = from; sequence <= from + batchesFollowedMax; sequence++) {
    const run = await describeLatest(temporal, batchWorkflowId(chain, sequence));
    // Retention may have taken the run that is known to be scored, and not those behind it.
    if (!run && sequence === scored) continue;
    if (!run) return;
    const { workflowId, status } = run;
    if (sequence !== scored && status.name !== 'COMPLETED') {
      found.next = { workflowId, status: status.name };
      if (isOpen(status.name))
        found.waiting = (await explainRun(temporal, run, nowMs))[0] ?? {
          kind: 'scoring',
          text: `${workflowId} is under way`,
        };
      else if (isIncomplete(status.name))
        found.waiting = {
          kind: 'halted',
          text: `${workflowId} ended as ${status.name}; re-drive it: ${redriveCommand(workflowId)}`,
        };
      return;
    }
    found.sequence = sequence;
    found.positions = ((run.memo ?? {}) as Partial<BatchMemo>).positions ?? {};
  }
}

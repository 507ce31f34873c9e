import type { Client } from '../temporal/connection.ts';
import { batchWorkflowId, type ChainRef } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { BatchMemo, Positions, RecordMark } from '../contracts/names.ts';
import type { Waiting } from '../contracts/partition-state.ts';
import { redriveCommand } from '../contracts/redrive-command.ts';
import { explainRun } from '../temporal/run-waits.ts';
import { describeLatest, isIncomplete } from '../temporal/runs.ts';

/** How a chain stands, as its runs tell. */
export interface ChainState {
  /** The last batch that is known to be scored; absent = none is. */
  sequence?: number;
  /** Behind that one, as far as its run is still known. */
  positions: Positions;
  /** Of these partitions no batch has had anything, up to that one. */
  untouched: readonly number[];
  /** Of partitions that these batches had, the first record of the last one. */
  marks: Readonly<Record<number, RecordMark>>;
  /** The batch behind it that is not completed: its workflow id, and how its run is. Nothing of the chain goes on before it is scored. */
  next?: { workflowId: string; status: string };
  /** What that one waits for, or why nothing is known. */
  waiting?: Waiting;
  /** There are batches behind these that were not looked at. */
  more?: true;
}

export interface FollowOptions {
  /** The last batch of the chain that commits or the ledger name; absent = none. */
  scored?: number;
  /** Commits may be some batches behind what was scored. @default 30 */
  batchesMax?: number;
  /** @default 3000 */
  deadlineMs?: number;
  nowMs?: number;
}

/** Goes from batch to batch, to the first that is not completed. Never rejects. */
export async function followChain(
  temporal: Client | undefined,
  chain: ChainRef,
  { scored, batchesMax = 30, deadlineMs = 3_000, nowMs = Date.now() }: FollowOptions,
): Promise<ChainState> {
  const found: ChainState = {
    positions: {},
    untouched: [],
    marks: {},
    ...(scored === undefined ? {} : { sequence: scored }),
  };
  if (!temporal) return { ...found, waiting: { kind: 'temporal', text: 'Temporal does not answer' } };
  try {
    await temporal.withDeadline(Date.now() + deadlineMs, () => follow(temporal, chain, found, batchesMax, nowMs));
    return found;
  } catch (error) {
    return { ...found, waiting: { kind: 'temporal', text: `Temporal does not answer: ${messageOf(error)}` } };
  }
}

async function follow(
  temporal: Client,
  chain: ChainRef,
  found: ChainState,
  batchesMax: number,
  nowMs: number,
): Promise<void> {
  const { sequence: scored } = found;
  const from = scored ?? 0;
  for (let sequence = from; sequence <= from + batchesMax; sequence++) {
    const run = await describeLatest(temporal, batchWorkflowId(chain, sequence));
    // Retention may have taken the run that is known to be scored, and not those behind it.
    if (!run && sequence === scored) continue;
    if (!run) return;
    const { workflowId, status } = run;
    if (sequence !== scored && status.name !== 'COMPLETED') {
      found.next = { workflowId, status: status.name };
      found.waiting = await whyNotCompleted(temporal, run, nowMs);
      return;
    }
    const { positions = {}, untouched = [], ranges = [] } = (run.memo ?? {}) as Partial<BatchMemo>;
    found.sequence = sequence;
    found.positions = positions;
    found.untouched = untouched;
    found.marks = { ...found.marks, ...Object.fromEntries(ranges.map(({ partition, mark }) => [partition, mark])) };
  }
  found.more = true;
}

async function whyNotCompleted(
  temporal: Client,
  run: NonNullable<Awaited<ReturnType<typeof describeLatest>>>,
  nowMs: number,
): Promise<Waiting> {
  const { workflowId, status } = run;
  if (isIncomplete(status.name))
    return {
      kind: 'halted',
      text: `${workflowId} ended as ${status.name}; re-drive it: ${redriveCommand(workflowId)}`,
    };
  return (await explainRun(temporal, run, nowMs))[0] ?? { kind: 'scoring', text: `${workflowId} is under way` };
}

import { batchWorkflowId } from '../contracts/event-key.ts';
import type { Waiting } from '../contracts/partition-state.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import type { ChainProgress } from './chain-progress.ts';
import type { Partition } from './partition.ts';
import type { ChainPhase } from './phases.ts';
import type { ChainStatus } from './work-status.ts';

/** How a partition stands, as far as its bridge knows by itself. */
export interface Standing {
  /** No record below it is left to do; undefined while the first position is looked for. */
  doneBelow: number | undefined;
  /** The next offset that will be written, as the last fetch had it; 0 before one. */
  nextOffset: number;
  /** Nothing that was fetched waits for a batch. */
  isEmpty: boolean;
  first: KafkaRecord | undefined;
  waiting: Waiting;
  /** Workflow id of the batch of its chain that is being started or scored, while its records wait for that. */
  run?: string;
}

/** What the phases of a partition and of its chain mean for who asks how it stands. A chain's wait is a wait of each of its partitions. */
export function standingOf(
  { lane, nextOffset, status: own }: Partition,
  chain: ChainStatus,
  progress: ChainProgress | undefined,
  nowMs: number,
): Standing {
  const isEmpty = lane?.isEmpty ?? true;
  const chainPhase = chain.phase;
  return {
    doneBelow: lane?.doneBelow,
    nextOffset,
    isEmpty,
    first: lane?.first,
    waiting:
      (chainPhase.kind === 'halted' ? chain.waiting : undefined) ??
      own.waiting ??
      chain.waiting ??
      waitingIn(chainPhase, isEmpty ? undefined : lane?.position, nowMs),
    ...(progress && !isEmpty && hasBatch(chainPhase) ? { run: batchWorkflowId(progress.ref, progress.sequence) } : {}),
  };
}

function waitingIn(phase: ChainPhase, position: number | undefined, nowMs: number): Waiting {
  if (position === undefined || phase.kind !== 'scoring') return { kind: 'records' };
  return { kind: 'scoring', offset: position, forSeconds: (nowMs - phase.sinceMs) / 1_000 };
}

/** True while a batch is being started or scored; also where that was interrupted. */
function hasBatch(phase: ChainPhase): boolean {
  return phase.kind === 'scoring' || (phase.kind === 'halted' && phase.during === 'scoring');
}

import { batchWorkflowId, type Chain } from '../contracts/event-key.ts';
import type { Waiting } from '../contracts/partition-state.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import type { CommitMetadata } from './commit-metadata.ts';
import type { Intake } from './intake.ts';
import type { Lane } from './lane.ts';
import type { PartitionPhase } from './partition-phase.ts';

/** How a partition stands, as far as it knows by itself. */
export interface Standing {
  /** No record below it is left to do; undefined while the first position is looked for. */
  doneBelow: number | undefined;
  /** The next offset that will be written, as the last fetch had it; 0 before one. */
  nextOffset: number;
  /** Nothing that was fetched waits for a batch. */
  isEmpty: boolean;
  first: KafkaRecord | undefined;
  waiting: Waiting;
  /** Workflow id of the batch that is being started or scored. */
  run?: string;
}

/** What a partition has once its position is known. */
export interface Work {
  readonly lane: Lane;
  readonly intake: Intake;
  /** Nothing of the chain was started yet. */
  head: boolean;
  /** The last record below the position, for the commit. */
  tail: CommitMetadata['tail'];
}

/** What a phase means for who asks how the partition stands; `held` is what holds it up. */
export function standingOf(
  chain: Chain,
  work: Work | undefined,
  phase: PartitionPhase,
  held: Waiting | undefined,
  nowMs: number,
): Standing {
  return {
    doneBelow: work?.lane.doneBelow,
    nextOffset: work?.intake.logEnd ?? 0,
    isEmpty: work?.lane.isEmpty ?? true,
    first: work?.lane.first,
    waiting: held ?? waitingIn(phase, work, nowMs),
    ...(work && hasBatch(phase) ? { run: batchWorkflowId(chain, work.lane.position) } : {}),
  };
}

function waitingIn(phase: PartitionPhase, work: Work | undefined, nowMs: number): Waiting {
  if (!work || phase.kind !== 'scoring') return { kind: 'records' };
  return { kind: 'scoring', offset: work.lane.position, forSeconds: (nowMs - phase.sinceMs) / 1_000 };
}

/** True while a batch is being started or scored; also where that was interrupted. */
function hasBatch(phase: PartitionPhase): boolean {
  return phase.kind === 'scoring' || (phase.kind === 'halted' && phase.during === 'scoring');
}

import type { Fetch } from '../kafka/source.ts';

/** Why nothing behind an offset can be read. */
export type Unreadable = NonNullable<Fetch['unreadable']>;

/** Ends of all work: for the time being, or for good. */
type Over<During extends string> =
  /**
   * An operator must act: nothing is done until the next assignment. `during` is the phase that it interrupted.
   * Status: `halted`, with the reason.
   */
  | { kind: 'halted'; during: During | 'halted' }
  /** It is another's, and nothing of this object has an effect. In: `abandon`. Out: never. Status: its next owner's. */
  | { kind: 'stopped' };

/**
 * What a chain works at. Its table holds every allowed step; a table for readers, with what the operator sees, is in
 * docs/decisions/0072-partition-states.md.
 */
export type ChainPhase =
  /**
   * It is looked for where it goes on: the group's commits, the last run in Temporal, the ledger. In: the assignment.
   * Out: that is known. Status: `records`, or what does not reply (`kafka`, `temporal`).
   */
  | { kind: 'resolving' }
  /** There is nothing to start a batch with: no lane has a record. Out: a fetch with records, which calls `wake`. Status: `records`. */
  | { kind: 'records'; woken: Promise<void>; wake: () => void }
  /**
   * A lane holds records: a batch waits for its turn, is started, and its result is waited for. Out: the batch is scored.
   * Status: `scoring`, or what holds the start up (`temporal`, `workers`, `open_batches`, ...).
   */
  | { kind: 'scoring'; sinceMs: number }
  /** The batch that was under way is committed, and no other begins. In: `drain`. Out: the group takes the partitions away. Status: `records`. */
  | { kind: 'drained' }
  | Over<'resolving' | 'records' | 'scoring' | 'drained'>;

/** What one assigned partition works at, beside its chain. Whether the consumer reads for it is the intake's: see `IntakePhase`. */
export type PartitionPhase =
  /** Its position, or what its log holds, is not known yet. Status: its chain's, or `kafka`. */
  | { kind: 'resolving' }
  /** Fetches go into its lane. Status: its chain's. */
  | { kind: 'reading' }
  /**
   * All before `from` is decided, and what follows cannot be read. In: the lane is empty, and the last fetch said so.
   * Out: after a pause it is asked for again. Status: `halted`, with the offset; it goes on by itself.
   */
  | ({ kind: 'unreadable' } & Unreadable)
  | Over<'resolving' | 'reading' | 'unreadable'>;

/** Where each phase may lead. */
export type Transitions<Phase extends { kind: string }> = {
  readonly [from in Phase['kind']]: readonly Phase['kind'][];
};

/** Where each phase of a chain may lead. */
export const chainTransitions: Transitions<ChainPhase> = {
  resolving: ['records', 'scoring', 'drained', 'halted', 'stopped'],
  records: ['scoring', 'drained', 'halted', 'stopped'],
  // To itself: the lanes hold another batch.
  scoring: ['scoring', 'records', 'drained', 'halted', 'stopped'],
  drained: ['halted', 'stopped'],
  // To itself: a later reason replaces the first.
  halted: ['halted', 'stopped'],
  stopped: [],
};

/** Where each phase of a partition may lead. */
export const partitionTransitions: Transitions<PartitionPhase> = {
  resolving: ['reading', 'halted', 'stopped'],
  reading: ['unreadable', 'halted', 'stopped'],
  unreadable: ['reading', 'halted', 'stopped'],
  halted: ['halted', 'stopped'],
  stopped: [],
};

/** Returns the next phase. Throws on a step that the table does not have, which is a programming error. */
export function transition<Phase extends { kind: string }>(table: Transitions<Phase>, from: Phase, to: Phase): Phase {
  const allowed: readonly string[] = table[from.kind as Phase['kind']];
  if (!allowed.includes(to.kind)) throw new Error(`a phase "${from.kind}" cannot lead to "${to.kind}"`);
  return to;
}

/** What a chain works at next, by what its lanes hold. */
export function nextChainPhase(isEmpty: boolean, nowMs: number): ChainPhase {
  if (!isEmpty) return { kind: 'scoring', sinceMs: nowMs };
  let wake = (): void => {};
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  return { kind: 'records', woken, wake };
}

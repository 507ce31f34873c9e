import type { Fetch } from '../kafka/source.ts';

/** Why nothing behind an offset can be read. */
export type Unreadable = NonNullable<Fetch['unreadable']>;

/**
 * What one assigned partition works at. The table `transitions` holds every allowed step; a table for readers, with what the
 * operator sees, is in docs/decisions/0072-partition-states.md. Whether the consumer reads meanwhile is the intake's: see `IntakePhase`.
 */
export type PartitionPhase =
  /**
   * The position is looked for: the group's commit, the log's bounds, the last run in Temporal. In: the assignment.
   * Out: the position is known. Status: `records`, or what does not reply (`kafka`, `temporal`).
   */
  | { kind: 'resolving' }
  /**
   * There is nothing to start a batch with. In: the lane is empty. Out: a fetch with records, or with what cannot be read, which
   * calls `wake`. Status: `records`.
   */
  | { kind: 'records'; woken: Promise<void>; wake: () => void }
  /**
   * All before `from` is decided, and what follows cannot be read. In: the lane is empty, and the last fetch said so.
   * Out: after a pause it is asked for again. Status: `halted`, with the offset; it goes on by itself.
   */
  | ({ kind: 'unreadable' } & Unreadable)
  /**
   * The lane holds records: a batch waits for its turn, is started, and its result is waited for. In: a record arrives, or more is left
   * after a batch. Out: the batch is scored. Status: `scoring`, or what holds the start up (`temporal`, `workers`, `open_batches`, ...).
   */
  | { kind: 'scoring'; sinceMs: number }
  /**
   * The batch that was under way is committed, and no other begins. In: `drain`. Out: the group takes the partition away.
   * Status: `records`.
   */
  | { kind: 'drained' }
  /**
   * An operator must act: nothing is done until the next assignment. In: the log was cut or recreated, or a programming error.
   * `during` is the phase that it interrupted. Status: `halted`, with the reason.
   */
  | { kind: 'halted'; during: PhaseKind }
  /** The partition is another's, and nothing of this object has an effect. In: `abandon`. Out: never. Status: its next owner's. */
  | { kind: 'stopped' };

export type PhaseKind = PartitionPhase['kind'];

/** Where each phase may lead. */
export const transitions: { readonly [from in PhaseKind]: readonly PhaseKind[] } = {
  resolving: ['records', 'drained', 'halted', 'stopped'],
  records: ['scoring', 'unreadable', 'drained', 'halted', 'stopped'],
  unreadable: ['records', 'drained', 'halted', 'stopped'],
  // To itself: the lane holds another batch.
  scoring: ['scoring', 'records', 'unreadable', 'drained', 'halted', 'stopped'],
  // A drained partition still takes fetches, and these can show that the log was cut.
  drained: ['halted', 'stopped'],
  // To itself: a later reason replaces the first.
  halted: ['halted', 'stopped'],
  stopped: [],
};

/** Returns the next phase. Throws on a step that the table does not have, which is a programming error. */
export function transition<Phase extends { kind: string }>(
  table: { readonly [from in Phase['kind']]: readonly Phase['kind'][] },
  from: Phase,
  to: Phase,
): Phase {
  const allowed: readonly string[] = table[from.kind as Phase['kind']];
  if (!allowed.includes(to.kind)) throw new Error(`a partition cannot go from "${from.kind}" to "${to.kind}"`);
  return to;
}

/** What a partition works at next, by what its lane holds. */
export function nextPhase(isEmpty: boolean, unreadable: Unreadable | undefined, nowMs: number): PartitionPhase {
  if (!isEmpty) return { kind: 'scoring', sinceMs: nowMs };
  if (unreadable) return { kind: 'unreadable', ...unreadable };
  let wake = (): void => {};
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  return { kind: 'records', woken, wake };
}

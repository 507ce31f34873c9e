import type { PartitionRef, TopicRef } from '../contracts/event-key.ts';
import type { WaitKind } from '../contracts/partition-state.ts';
import type { Lane } from './lane.ts';

/** What a partition waits for. */
export type WaitReason = 'none' | Exclude<WaitKind, 'records' | 'transaction' | 'no_bridge' | 'unknown'>;

/** What the bridge reports; `main` turns it into metrics and log lines. */
export interface BridgeReports {
  /** @param recordTimesMs one per record; undefined for a record without a usable time */
  scored(
    partition: PartitionRef,
    batch: { position: number; end: number; adopted: boolean },
    recordTimesMs: readonly (number | undefined)[],
  ): void;
  /** One batch more of a chain, and how long it took to be scored. */
  batch(topic: TopicRef, chain: number, ms: number): void;
  /** A batch of this number exists that does not begin where its partitions are: nothing of it was taken. */
  notTaken(topic: TopicRef, chain: number, sequence: number): void;
  lane(partition: PartitionRef, lane: Lane): void;
  /** Records in `[from, to)` were deleted by retention before they were read. */
  lost(partition: PartitionRef, range: { from: number; to: number }): void;
  /** @param offset where the partition stands, as far as that is known */
  halted(partition: PartitionRef, reason: string, offset?: number): void;
  waiting(partition: PartitionRef, reason: WaitReason, error?: unknown): void;
  commitFailed(partition: PartitionRef, offset: number, error: unknown): void;
  /** The partition is no longer ours. */
  revoked(partition: PartitionRef): void;
}

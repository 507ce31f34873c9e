import type { Chain } from '../contracts/event-key.ts';
import type { WaitKind } from '../contracts/partition-state.ts';
import type { Lane } from './lane.ts';

/** What a partition waits for. */
export type WaitReason = 'none' | Exclude<WaitKind, 'records' | 'transaction' | 'no_bridge' | 'unknown'>;

/** What the bridge reports; `main` turns it into metrics and log lines. */
export interface BridgeReports {
  /** @param recordTimesMs one per record; undefined for a record without a usable time */
  scored(
    chain: Chain,
    batch: { position: number; end: number; adopted: boolean },
    recordTimesMs: readonly (number | undefined)[],
  ): void;
  lane(chain: Chain, lane: Lane): void;
  /** Records in `[from, to)` were deleted by retention before they were read. */
  lost(chain: Chain, range: { from: number; to: number }): void;
  /** @param offset where the partition stands, as far as that is known */
  halted(chain: Chain, reason: string, offset?: number): void;
  waiting(chain: Chain, reason: WaitReason, error?: unknown): void;
  commitFailed(chain: Chain, offset: number, error: unknown): void;
  /** The partition is no longer ours. */
  revoked(chain: Chain): void;
}

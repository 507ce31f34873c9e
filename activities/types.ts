import type { BatchRef } from '../contracts/event-key.ts';
import type { RollUpPlan, RollUpResult, RollUpRound } from '../lake/types.ts';

/** What became of the quick try of a batch's deliveries. */
export interface QuickTry {
  /** How many rows each target took. */
  delivered: Record<string, number>;
  /** Why the others have not taken theirs. */
  missing: Record<string, string>;
}

/**
 * The activities of a batch, as workflows see them. Each is idempotent: a local activity may run again until its workflow task
 * completes, and any activity may run again after a crash.
 */
export interface BatchActivities {
  /**
   * Decodes the records, applies them to the feature state once and in chain order, asks the model, then the policy. Returns a scored
   * frame (contracts/scored-frame.ts), which lacks the decisions when the model did not answer in time.
   */
  score(batch: BatchRef, records: Uint8Array): Promise<Uint8Array>;
  /** The first half of `score`, for as long as it takes. Returns a features frame. */
  extractFeatures(batch: BatchRef, records: Uint8Array): Promise<Uint8Array>;
  /** The second half of `score`, for as long as it takes. Returns a decisions frame. Needs the features that the run recorded. */
  infer(batch: BatchRef): Promise<Uint8Array>;
  /**
   * Delivers to one sink the rows that the recorded decisions select for it. Returns how many rows it delivered.
   * `decisionsId` names the recorded decisions frame: what a worker remembers may be another one.
   */
  deliver(batch: BatchRef, sink: string, decisionsId: string): Promise<number>;
  /**
   * Tries every target once, side by side, for at most two seconds: sinks, and the dead letters. What the answer misses is for
   * `deliver` and `deadLetter`.
   */
  deliverAll(batch: BatchRef, targets: readonly string[], decisionsId: string): Promise<QuickTry>;
  /** Publishes a dead letter for every record that a step refused. Returns how many. */
  deadLetter(batch: BatchRef, decisionsId: string): Promise<number>;
}

/** Activities of the lake's roll-up. */
export interface LakeActivities {
  /** Looks for segments that can be rolled up now: recorded, so that a retry writes the same files. */
  planRollUp(): Promise<RollUpRound>;
  /** Writes the plan's Parquet files and notes it in the manifest, then removes its segments. */
  rollUp(plan: RollUpPlan): Promise<RollUpResult>;
}

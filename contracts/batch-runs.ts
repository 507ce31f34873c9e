import type { Chain } from './event-key.ts';
import type { Waiting } from './partition-state.ts';

/** Offsets `[from, to)`. */
export interface OffsetRange {
  from: number;
  to: number;
}

/** What Temporal knows of one batch: the latest run of its workflow id. */
export interface BatchRun {
  workflowId: string;
  runId: string;
  chain: Chain;
  position: number;
  end: number;
  count: number;
  /** `RUNNING`, `PAUSED`, `COMPLETED`, or how it ended without completing: `TERMINATED`, `FAILED`, `CANCELLED`, `TIMED_OUT`. */
  status: string;
  startedAtMs: number;
  /** What it waits for, the worst first; only where it was asked for. */
  waitsFor?: Waiting[];
}

/** What was found of the batches that ended without completing. */
export interface IncompleteRuns {
  runs: BatchRun[];
  /** There are others that ended without completing. */
  more: boolean;
  /** So many runs ended, re-driven ones among them, that not all could be looked at: whether there are others is not known. */
  unexamined: boolean;
}

/** A batch that waits because its pipeline refuses everything. */
export interface HaltedRun extends BatchRun {
  /** The failure as it was told last. */
  reason: string;
  taskQueue: string;
}

export interface HaltedRunsPort {
  /** Batches of a pipeline that wait because it refuses everything: one of each partition at most, unless some are of an earlier epoch. */
  halted(pipeline: string): Promise<HaltedRun[]>;
}

/** The batches of one deployment, as Temporal shows them. Every call has a deadline. */
export interface BatchRunsPort {
  /** The batch at a position; undefined when Temporal has none (any more). */
  at(chain: Chain, position: number): Promise<BatchRun | undefined>;
  /** Up to `max` batches that ended without completing, and were not re-driven since; of no chain that is moot. */
  incomplete(max: number, isMoot: (chain: Chain) => boolean): Promise<IncompleteRuns>;
  /** True when Temporal lists any batch of a chain, however it is or ended. */
  hasAny(chain: Chain): Promise<boolean>;
  /** Batches that have been open since before that time: how many, and the first `max` of them. */
  openSince(beforeMs: number, max: number): Promise<{ total: number; runs: BatchRun[] }>;
}

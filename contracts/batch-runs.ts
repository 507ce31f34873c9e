import type { BatchRange, ChainRef, TopicRef } from './event-key.ts';
import type { Positions } from './names.ts';
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
  chain: ChainRef;
  sequence: number;
  ranges: readonly BatchRange[];
  /** Of every partition of the chain, the position behind it. */
  positions: Positions;
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
  /** Batches of a pipeline that wait because it refuses everything: one of each chain at most, unless some are of an earlier epoch or layout. */
  halted(pipeline: string): Promise<HaltedRun[]>;
}

export interface OpenRunsPort {
  /** Batches of a topic that are open, of whatever layout: the first `max`. */
  open(topic: TopicRef, max: number): Promise<BatchRun[]>;
}

/** The batches of one deployment, as Temporal shows them. Every call has a deadline. */
export interface BatchRunsPort {
  /** One batch of a chain; undefined when Temporal has none (any more). */
  of(chain: ChainRef, sequence: number): Promise<BatchRun | undefined>;
  /** Up to `max` batches that ended without completing, and were not re-driven since; of no topic that is moot. */
  incomplete(max: number, isMoot: (topic: TopicRef) => boolean): Promise<IncompleteRuns>;
  /** Batches that have been open since before that time: how many, and the first `max` of them. */
  openSince(beforeMs: number, max: number): Promise<{ total: number; runs: BatchRun[] }>;
}

import type { LakeChain, LakePartition, SegmentId } from './paths.ts';

/** Offsets of one partition. */
export type PartRange = [partition: number, from: number, to: number];

/** One segment of a roll-up. */
export interface PlannedSegment extends SegmentId {
  /** What is taken of it: all of its ranges, but for what is in Parquet already. */
  take: PartRange[];
}

/** One roll-up: segments of one pipeline, in an order in which each partition's follow one another. Whoever carries it out writes the same files. */
export interface RollUpPlan {
  pipeline: string;
  chains: (LakeChain & { segments: PlannedSegment[] })[];
  /** True when segments wait that did not fit into this plan. */
  more: boolean;
}

/** A range of a partition that no segment has come for, though a later one has. */
export interface LakeHole extends LakePartition {
  pipeline: string;
  /** Absent when no batch has come that has the first records of the partition. */
  from?: number;
  to: number;
  /** `waited`: later segments wait for it. `passed`: they were rolled up without it; its segment is still welcome. */
  state: 'waited' | 'passed';
}

/** What one look at the lake found. */
export interface RollUpRound {
  /** At most one per pipeline. */
  plans: RollUpPlan[];
  /** The first holes, at most `holesShownMax`. */
  holes: LakeHole[];
}

export interface RollUpResult {
  rows: number;
  /** How many Parquet files. */
  files: number;
}

export const holesShownMax = 20;

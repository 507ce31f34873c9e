import type { LakeChain } from './paths.ts';
import type { Range } from './ranges.ts';

/** One segment of a roll-up. */
export interface PlannedSegment {
  position: number;
  end: number;
  /** The parts to take, when some of it is in Parquet already; absent = all of it. */
  take?: Range[];
}

/** One roll-up: segments of one pipeline, per chain in order. Whoever carries it out writes the same files. */
export interface RollUpPlan {
  pipeline: string;
  chains: (LakeChain & { segments: PlannedSegment[] })[];
  /** True when segments wait that did not fit into this plan. */
  more: boolean;
}

/** A range of a chain that no segment has come for, though a later one has. */
export interface LakeHole extends LakeChain {
  pipeline: string;
  /** Absent when no batch of the chain has come that says it is the first. */
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

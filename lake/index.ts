/**
 * The inside of the lake: segments, the manifest, the roll-up into Parquet, and the layout of its folders.
 * `sinks/lake.ts` writes segments, `activities/roll-up-lake.ts` rolls them up.
 * A file is whole or absent: unique name, fsync, rename.
 */
export { type StepHook, syncFolder, writeDurably } from './durable-file.ts';
export { type EventColumns, eventColumns } from './event-columns.ts';
export { forgetFiles } from './forget.ts';
export { claimLake, refuseForeignLake } from './owner.ts';
export { segmentPath } from './paths.ts';
export { planRollUps } from './plan.ts';
export { rollUp } from './roll-up.ts';
export { type SegmentSource, encodeSegment, readSegment } from './segment.ts';
export { BrokenSegmentError, type SegmentRange } from './segment-file.ts';
export { type LakeHole, type RollUpPlan, type RollUpResult, type RollUpRound } from './types.ts';

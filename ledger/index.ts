/**
 * Which ranges of each partition are done: recording, merging, and checking for holes and overlaps.
 * `sinks/ledger.ts` records, the sweep and `headrace status --verify` check.
 * A hole is looked up in Temporal before anybody is told of it.
 */
export { type PartitionReport, createPartitionCheck, isBroken, supersededBy } from './check-partitions.ts';
export { createRangeWriter, mergeOldRanges } from './ranges.ts';
export { findNewestEpoch, findPartitionEnds, readLedger } from './read-ledger.ts';

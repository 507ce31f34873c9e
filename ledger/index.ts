/**
 * Which ranges of each partition are done: recording, merging, and checking for holes and overlaps.
 * `sinks/ledger.ts` records, the sweep and `headrace status --verify` check.
 * A hole is looked up in Temporal before anybody is told of it.
 */
export { type ChainReport, checkChain, isBroken, supersededBy } from './check-chains.ts';
export { createRangeWriter, findChainEnd, mergeOldRanges, readLedger } from './ranges.ts';

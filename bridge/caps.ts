import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { BatchCaps } from './lane.ts';

/** Features and predictions of a batch are recorded whole; Temporal takes 2 MB per payload, and 4 MB per request. */
const frameBytesMax = 512 * 1024;

/** The caps of a pipeline's batches: those that are set, or fewer records where wide features or predictions need it. */
export function capsOf(
  { features, model }: AnyPipeline,
  set: { batchRecordsMax: number; frameBytesMax: number },
): BatchCaps {
  const outputs = Object.values(model.outputs).reduce((sum, width) => sum + width, 0);
  const rowBytes = Float32Array.BYTES_PER_ELEMENT * Math.max(Object.keys(features).length, outputs);
  return {
    recordsMax: Math.max(1, Math.min(set.batchRecordsMax, Math.floor(frameBytesMax / rowBytes))),
    bytesMax: set.frameBytesMax,
  };
}

/** How much larger a batch may be than the last one that went well. */
const growth = 4;

/** Batches that take less are quick enough, whatever the model's deadline is: most of it is not the model's. */
const targetMsMin = 1_000;
/** Fewer records that take more than this share of the time: it is not the records that take it. */
const uselessShare = 0.75;

/**
 * Caps whose records follow how long full batches take to be scored, so that a batch holds what its model answers within `deadlineMs`. A full
 * batch that took longer halves them at the most: it may have waited for something else. Where fewer records are no quicker, they
 * are not what takes the time, and the caps stay. Full batches that are scored sooner raise them again.
 */
export function followingCaps(caps: BatchCaps, deadlineMs: number): BatchCaps {
  const targetMs = Math.max(targetMsMin, deadlineMs);
  let { recordsMax } = caps;
  /** The batch that was too slow before the last one. */
  let before: { records: number; ms: number } | undefined;
  let isOfNoUse = false;
  return {
    get recordsMax() {
      return recordsMax;
    },
    bytesMax: caps.bytesMax,
    scored(records, ms) {
      if (records < recordsMax) return;
      const fitting = Math.max(1, Math.floor((records * targetMs) / Math.max(1, ms)));
      if (ms <= targetMs) {
        [before, isOfNoUse] = [undefined, false];
        recordsMax = Math.min(caps.recordsMax, fitting, records * growth);
      } else if (before && records > before.records * uselessShare) {
        // It was cut before the caps came down.
      } else if (before && ms > before.ms * uselessShare) {
        recordsMax = before.records;
        [before, isOfNoUse] = [undefined, true];
      } else if (!isOfNoUse) {
        before = { records, ms };
        recordsMax = Math.max(Math.ceil(records / 2), fitting);
      }
    },
  };
}

import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { BatchCaps } from './lane.ts';

/** Features and predictions of a batch are recorded whole; Temporal takes 2 MB per payload, and 4 MB per request. */
const frameBytesMax = 512 * 1024;

/** The caps of a pipeline's batches: those that are set, or fewer records where wide features or predictions need it. */
export function capsOf({ features, model }: AnyPipeline, set: { batchRecordsMax: number; frameBytesMax: number }): BatchCaps {
  const outputs = Object.values(model.outputs).reduce((sum, width) => sum + width, 0);
  const rowBytes = Float32Array.BYTES_PER_ELEMENT * Math.max(Object.keys(features).length, outputs);
  return { recordsMax: Math.max(1, Math.min(set.batchRecordsMax, Math.floor(frameBytesMax / rowBytes))), bytesMax: set.frameBytesMax };
}

/** How much larger a batch may be than the last one that went well. */
const growth = 4;

/**
 * Caps whose records follow how long batches take to be scored, so that a batch holds what its model answers within `targetMs`. A batch that
 * took longer halves them at the most: it may have waited for something else. Full batches that are scored sooner raise them again, by
 * as much as their own speed allows.
 */
export function followingCaps(caps: BatchCaps, targetMs: number): BatchCaps {
  let { recordsMax } = caps;
  return {
    get recordsMax() {
      return recordsMax;
    },
    bytesMax: caps.bytesMax,
    scored(records, ms) {
      const fitting = Math.max(1, Math.floor((records * targetMs) / Math.max(1, ms)));
      if (ms > targetMs) recordsMax = Math.min(recordsMax, Math.max(Math.ceil(records / 2), fitting));
      else if (records >= recordsMax) recordsMax = Math.min(caps.recordsMax, fitting, records * growth);
    },
  };
}

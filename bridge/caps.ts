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

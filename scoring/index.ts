/**
 * A batch on its way to decisions: features applied once and in order, predictions, policy.
 * `batches.ts` is what a worker remembers of a batch between its steps; a miss reads the run's own history.
 * The model is a port (`ports.ts`); Triton is its adapter.
 */
export { type ApplyBatch, createApplyBatch } from './apply-batch.ts';
export { Batches, recordsOf } from './batches.ts';
export { checkModels } from './check-models.ts';
export { type Decide, createDecide } from './decide.ts';
export { type LoadedBatch } from './loaded-batch.ts';
export {
  type ActivityReports,
  type CopyPort,
  type DeadLetterPort,
  type Halt,
  type ModelPort,
  type RecordsPort,
} from './ports.ts';
export { findRefusedRecords } from './refused-records.ts';
export { createTritonClient } from './triton-client.ts';
export { createTritonModel } from './triton-model.ts';

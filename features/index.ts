/**
 * Feature windows: a pure core (`compileFeatures`, `foldBatch`) and the stores that apply it exactly once and in order.
 * The core knows no store and no clock; a store knows no pipeline.
 * One contract test suite runs on every store.
 */
export { foldBatch, type FoldEvent } from './fold-batch.ts';
export { openLmdbStore } from './lmdb-store.ts';
export { MemoryStore } from './memory-store.ts';
export { compileFeatures, type FeaturePlan, type PlanOptions } from './plan.ts';
export { RefusedInARow, type Refusals } from './refusals.ts';
export { type FeatureStore, type FoldContext, type FoldResult, type Marker, PredecessorMissing } from './store.ts';

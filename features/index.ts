/**
 * Feature windows: a pure core (`compileFeatures`, `foldBatch`) and the stores that apply it exactly once and in order.
 * The core knows no store and no clock; a store knows no pipeline.
 * One contract test suite runs on every store.
 */
export { foldBatch, type FoldEvent } from './fold-batch.ts';
export { openLmdbStore } from './lmdb-store.ts';
export { MemoryStore } from './memory-store.ts';
export { compileFeatures, type FeaturePlan } from './plan.ts';
export { RefusedInARow } from './refusals.ts';
export type { FeatureStore, FoldContext } from './store.ts';

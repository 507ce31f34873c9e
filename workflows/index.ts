/** Every workflow of Headrace, for the worker's bundle. */
export { processBatch } from './process-batch.ts';
export { review } from './review.ts';

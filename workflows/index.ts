/** Every workflow of Headrace, for the worker's bundle. */
export { processBatch } from './process-batch.ts';
export { review } from './review.ts';
export { rollUpLake } from './roll-up-lake.ts';
export { resume } from './resume.ts';
export { sweep } from './sweep.ts';

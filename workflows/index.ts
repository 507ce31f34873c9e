/**
 * The runbooks: every workflow of Headrace, for the worker's bundle.
 * They know no Node and no servers; everything that is policy or model is recorded data that activities computed.
 * Recorded histories in `test/replay/` hold them to what open runs have done.
 */
export { processBatch } from './process-batch.ts';
export { review } from './review.ts';
export { rollUpLake } from './roll-up-lake.ts';
export { resume } from './resume.ts';
export { sweep } from './sweep.ts';

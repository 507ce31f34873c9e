import type { ApplyBatch } from '../scoring/apply-batch.ts';
import { attempt } from './attempt.ts';
import type { BatchActivities } from './types.ts';

/** The durable way to a batch's features, when `score` did not come to them: it may take long, and bring the store up to the batch first. */
export function createExtractFeatures(applyBatch: ApplyBatch): BatchActivities['extractFeatures'] {
  return async function extractFeatures(batch, records) {
    return attempt(async () => (await applyBatch(batch, records, { catchesUp: true })).features);
  };
}

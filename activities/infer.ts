import type { Batches } from '../scoring/batches.ts';
import type { Decide } from '../scoring/decide.ts';
import { attempt } from './attempt.ts';
import type { BatchActivities } from './types.ts';

/** Decides a batch whose features are recorded already: the model did not answer when they were made. */
export function createInfer({ batches, decide }: { batches: Batches; decide: Decide }): BatchActivities['infer'] {
  return async function infer(batch) {
    return attempt(async () => decide(batch, await batches.load(batch)));
  };
}

import { attempt } from './attempt.ts';
import type { Batches } from './batches.ts';
import type { Decide } from './decide.ts';
import type { BatchActivities } from './types.ts';

/** Decides a batch whose features are recorded already, because the model did not answer when they were made. */
export function createInfer({ batches, decide }: { batches: Batches; decide: Decide }): BatchActivities['infer'] {
  return async function infer(batch, asked = {}) {
    return attempt(async () => decide(batch, await batches.load(batch), asked));
  };
}

import { messageOf } from '../contracts/failures.ts';
import { encodeScored } from '../contracts/scored-frame.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import type { ApplyBatch } from '../scoring/apply-batch.ts';
import type { Decide } from '../scoring/decide.ts';
import { log } from '../temporal/activity.ts';
import { attempt } from './attempt.ts';
import type { BatchActivities } from './types.ts';

export interface ScoreDependencies {
  applyBatch: ApplyBatch;
  decide: Decide;
  /** How long features that are ready wait for their decisions: see contracts/timeouts.ts. */
  decideMsMax: (tookMs: number) => number;
}

/**
 * Features and decisions in one step: a step of its own costs a batch as much as either of the two takes. When the model fails or takes
 * long, the features are recorded alone, and `infer` goes on; it joins what is under way.
 */
export function createScore({ applyBatch, decide, decideMsMax }: ScoreDependencies): BatchActivities['score'] {
  return async function score(batch, records) {
    return attempt(async () => {
      const { features, loaded, tookMs } = await applyBatch(batch, records, { catchesUp: false });
      try {
        return encodeScored({ features, decisions: await withTimeout(decideMsMax(tookMs), decide(batch, loaded)) });
      } catch (error) {
        // Not lost: `infer` meets it again, and tells it as its own.
        log.warn('the decisions are left to a step of their own', { reason: messageOf(error) });
        return encodeScored({ features });
      }
    });
  };
}

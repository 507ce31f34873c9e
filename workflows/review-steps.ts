import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { ReviewActivities } from '../activities/project-review.ts';
import type { AcceptedVerdict, ReviewInput, ReviewTransition } from '../contracts/review.ts';
import { hereOrDurably } from './batch-steps.ts';

const here = proxyLocalActivities<ReviewActivities>({ startToCloseTimeout: '1s', retry: { maximumAttempts: 1 } });

const durably = proxyActivities<ReviewActivities>({
  startToCloseTimeout: '30s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' },
});

/** Writes a transition to the projection and the audit. Returns the verdict of an earlier run on the same event, if there was one. */
export function projectTransition(input: ReviewInput, transition: ReviewTransition): Promise<AcceptedVerdict | null> {
  return hereOrDurably(
    () => here.projectReview(input, transition),
    () => durably.projectReview.executeWithOptions({ summary: transition.action }, [input, transition]),
  );
}

/** Publishes the verdict as a label, at least once. */
export function publishReviewLabel(
  { eventKey, pipeline, entities, eventTimeMs }: ReviewInput,
  { verdict, decidedAtMs }: AcceptedVerdict,
): Promise<void> {
  const label = { eventKey, pipeline, entities, eventTimeMs, verdict, knownAtMs: decidedAtMs };
  return hereOrDurably(
    () => here.publishLabel(label),
    () => durably.publishLabel.executeWithOptions({ summary: 'label' }, [label]),
  );
}

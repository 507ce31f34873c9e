import { z } from 'zod';
import { reviewStatuses } from '../contracts/review.ts';
import type { StoredReview } from '../reviews/lists.ts';
import { reviewPath, workflowUrl, type LinkOptions } from './links.ts';

const acceptedSchema = z.object({
  verdict: z.string(),
  reviewer: z.string(),
  comment: z.string().optional(),
  decidedAt: z.string(),
});

/** A review in answers. */
export const reviewSchema = z
  .object({
    id: z.string(),
    eventKey: z.string(),
    eventId: z.string(),
    pipeline: z.string(),
    title: z.string(),
    outcome: z.string(),
    why: z.string(),
    entities: z.record(z.string(), z.string()),
    eventTime: z.string(),
    status: z.enum(reviewStatuses),
    verdicts: z.array(z.string()),
    openedAt: z.string().optional(),
    dueAt: z.string().optional(),
    escalatedAt: z.string().optional(),
    decided: acceptedSchema.optional(),
    links: z.object({ self: z.string(), workflow: z.string().optional() }),
  })
  .meta({ id: 'Review' });

/** The verdict that won. */
export const decidedSchema = z
  .object({ id: z.string(), status: z.literal('decided'), decided: acceptedSchema })
  .meta({ id: 'DecidedReview' });

export function reviewView(review: StoredReview, links: LinkOptions): z.output<typeof reviewSchema> {
  const { id, eventKey, eventId, pipeline, title, outcome, why, entities, status, verdicts } = review;
  return {
    id,
    eventKey,
    eventId,
    pipeline,
    title,
    outcome,
    why,
    entities,
    status,
    verdicts,
    eventTime: review.eventTime.toISOString(),
    openedAt: review.openedAt?.toISOString(),
    dueAt: review.dueAt?.toISOString(),
    escalatedAt: review.escalatedAt?.toISOString(),
    decided: decidedView(review),
    links: { self: reviewPath(id), workflow: status === 'waiting' ? undefined : workflowUrl(links, id) },
  };
}

function decidedView({
  verdict,
  reviewer,
  comment,
  decidedAt,
}: StoredReview): z.output<typeof acceptedSchema> | undefined {
  if (verdict === null || reviewer === null || decidedAt === null) return undefined;
  return { verdict, reviewer, comment: comment ?? undefined, decidedAt: decidedAt.toISOString() };
}

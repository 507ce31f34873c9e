import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { z } from 'zod';
import { deploymentOfWorkflow, parseEventKey, reviewWorkflowId } from '../contracts/event-key.ts';
import { commentLengthMax, reviewerLengthMax, reviewStatuses } from '../contracts/review.ts';
import { findReview, listReviews } from '../reviews/lists.ts';
import { sanitizedText } from '../database/sanitize-text.ts';
import type { GatewayApp } from './app.ts';
import type { LinkOptions } from './links.ts';
import { Problem } from '../lib/problem.ts';
import { problemSchema } from './problems.ts';
import { decidedSchema, reviewSchema, reviewView } from './review-view.ts';
import type { SendVerdict } from '../temporal/verdicts.ts';
import { createVerdictService, unknownReview } from '../reviews/verdict-service.ts';

const idSchema = z.object({ id: z.string().min(1).max(1_000) });
const listSchema = z
  .object({ reviews: z.array(reviewSchema), nextCursor: z.string().optional() })
  .meta({ id: 'Reviews' });
const filterSchema = z.object({
  status: z.enum(reviewStatuses).optional(),
  pipeline: z.string().max(50).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(100).optional(),
});
const verdictSchema = z
  .object({
    verdict: z.string().min(1).max(200),
    reviewer: z.string().trim().min(1).max(reviewerLengthMax),
    comment: z.string().max(commentLengthMax).optional(),
    id: z
      .string()
      .min(1)
      .max(reviewerLengthMax)
      .optional()
      .meta({ description: 'Your own id of this verdict: sent again with it, it counts once.' }),
  })
  .meta({ id: 'Verdict' });

interface ReviewRoutesOptions {
  deployment: string;
  pool: Pool;
  sendVerdict: SendVerdict;
  links: LinkOptions;
}

/** `/v1/reviews...` */
export function registerReviewRoutes(app: GatewayApp, options: ReviewRoutesOptions): void {
  registerReading(app, options);
  registerVerdict(app, options);
}

function registerReading(app: GatewayApp, { deployment, pool, links }: ReviewRoutesOptions): void {
  app.get('/v1/reviews', {
    schema: {
      tags: ['reviews'],
      summary: 'Reviews, in the order in which they came',
      querystring: filterSchema,
      response: { 200: listSchema, 400: problemSchema },
    },
    handler: async ({ query: { status, pipeline, limit, cursor } }) => {
      const found = await listReviews(pool, {
        deployment,
        status,
        pipeline: pipeline && sanitizedText(pipeline),
        limit: limit + 1,
        after: cursor === undefined ? undefined : ordinalOf(cursor),
      });
      const reviews = found.slice(0, limit);
      return {
        reviews: reviews.map((review) => reviewView(review, links)),
        nextCursor: found.length > limit ? cursorOf(reviews.at(-1)!.ordinal) : undefined,
      };
    },
  });

  app.get('/v1/reviews/:id', {
    schema: {
      tags: ['reviews'],
      summary: 'One review',
      params: idSchema,
      response: { 200: reviewSchema, 404: problemSchema },
    },
    handler: async ({ params: { id } }) => {
      const review = await findReview(pool, deployment, sanitizedText(id));
      if (!review) throw unknownReview(id);
      return reviewView(review, links);
    },
  });
}

function registerVerdict(app: GatewayApp, { deployment, pool, sendVerdict }: ReviewRoutesOptions): void {
  const decide = createVerdictService({ pool, sendVerdict });
  app.post('/v1/reviews/:id/verdict', {
    schema: {
      tags: ['reviews'],
      summary: 'Decide a review',
      description:
        'The first verdict wins; a later one gets 409 with who was first and when, unless it is the same one again (same id, or same reviewer, verdict and comment). So does one on a review that still waits to be opened.',
      params: idSchema,
      body: verdictSchema,
      response: {
        200: decidedSchema,
        400: problemSchema,
        404: problemSchema,
        409: problemSchema,
        413: problemSchema,
        415: problemSchema,
        422: problemSchema,
        503: problemSchema,
      },
    },
    handler: async ({ params: { id }, body }) => {
      if (!isReviewId(id) || deploymentOfWorkflow(id) !== deployment) throw unknownReview(id);
      const sent = {
        verdict: sanitizedText(body.verdict),
        reviewer: sanitizedText(body.reviewer),
        comment: body.comment && sanitizedText(body.comment),
      };
      const { verdict, reviewer, comment, decidedAtMs } = await decide(id, {
        ...sent,
        id: sanitizedText(body.id ?? randomUUID()),
      });
      return {
        id,
        status: 'decided' as const,
        decided: { verdict, reviewer, comment, decidedAt: new Date(decidedAtMs).toISOString() },
      };
    },
  });
}

/** No server need be asked for a review whose id none can have. */
function isReviewId(id: string): boolean {
  const key = id.slice(reviewWorkflowId('').length);
  try {
    parseEventKey(key);
    return id === reviewWorkflowId(key);
  } catch {
    return false;
  }
}

function cursorOf(ordinal: number): string {
  return Buffer.from(String(ordinal)).toString('base64url');
}

function ordinalOf(cursor: string): number {
  const text = Buffer.from(cursor, 'base64url').toString();
  if (!/^\d{1,15}$/.test(text))
    throw new Problem(
      400,
      'invalid-request',
      'The request cannot be used',
      'cursor is none that /v1/reviews gave; leave it out to begin anew',
    );
  return Number(text);
}

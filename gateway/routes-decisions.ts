import type { Pool } from 'pg';
import { z } from 'zod';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { findDecisions, type StoredDecision } from '../database/decisions.ts';
import { findReviewsOfEvents } from '../reviews/lists.ts';
import { sanitizedText } from '../database/sanitize-text.ts';
import type { GatewayApp } from './app.ts';
import { workflowUrl, type LinkOptions } from './links.ts';
import { Problem } from '../lib/problem.ts';
import { problemSchema } from './problems.ts';
import { reviewSchema, reviewView } from './review-view.ts';

const decisionSchema = z
  .object({
    eventKey: z.string(),
    pipeline: z.string(),
    eventId: z.string(),
    outcome: z.string(),
    why: z.string(),
    degraded: z.boolean(),
    late: z.boolean(),
    prediction: z.record(z.string(), z.unknown()),
    model: z.object({ name: z.string(), version: z.string() }),
    features: z.record(z.string(), z.number().nullable()),
    entities: z.record(z.string(), z.string()),
    event: z.record(z.string(), z.unknown()),
    eventTime: z.string(),
    recordTime: z.string().nullable(),
    decidedAt: z.string(),
    origin: z.object({ topic: z.string(), partition: z.number(), offset: z.number() }),
    review: reviewSchema.optional(),
    /** Event keys of the same event id that were decided later: the producer sent the event again. */
    repeats: z.array(z.string()),
    links: z.object({ self: z.string(), workflow: z.string() }),
  })
  .meta({ id: 'Decision' });

/** `GET /v1/decisions/{eventId}` */
export function registerDecisionRoutes(
  app: GatewayApp,
  {
    deployment,
    pipelines,
    pool,
    links,
  }: { deployment: string; pipelines: readonly AnyPipeline[]; pool: Pool; links: LinkOptions },
): void {
  const names = pipelines.map(({ name }) => name);
  app.get('/v1/decisions/:eventId', {
    schema: {
      tags: ['decisions'],
      summary: 'What was decided about an event',
      description: 'Finds the event by the id that its producer gave it. 404 also means: not decided yet.',
      params: z.object({ eventId: z.string().min(1).max(1_000) }),
      querystring: z.object({ pipeline: z.string().optional() }),
      response: { 200: decisionSchema, 404: problemSchema, 409: problemSchema },
    },
    handler: async ({ params: { eventId }, query: { pipeline } }) => {
      if (pipeline !== undefined && !names.includes(pipeline)) {
        throw new Problem(404, 'unknown-pipeline', 'Unknown pipeline', `"${pipeline}" is none of ${names.join(', ')}`);
      }
      const [first, ...later] = await findDecisions(
        pool,
        deployment,
        pipeline === undefined ? names : [pipeline],
        sanitizedText(eventId),
      );
      if (!first) throw new Problem(404, 'not-decided', 'No decision', 'no event with this id has been decided yet');
      const others = new Set([first, ...later].map((decision) => decision.pipeline));
      if (others.size > 1)
        throw new Problem(
          409,
          'ambiguous',
          'Several pipelines have an event with this id',
          `add ?pipeline= with one of ${[...others].join(', ')}`,
        );
      const [review] = await findReviewsOfEvents(pool, [first.eventKey]);
      return {
        ...decisionView(first, links),
        review: review && reviewView(review, links),
        repeats: later.map((decision) => decision.eventKey),
      };
    },
  });
}

function decisionView(decision: StoredDecision, links: LinkOptions) {
  const {
    eventKey,
    pipeline,
    eventId,
    outcome,
    why,
    degraded,
    late,
    prediction,
    features,
    entities,
    event,
    topic,
    partition,
    offset,
  } = decision;
  return {
    eventKey,
    pipeline,
    eventId,
    outcome,
    why,
    degraded,
    late,
    prediction,
    features,
    entities,
    event,
    model: { name: decision.modelName, version: decision.modelVersion },
    eventTime: decision.eventTime.toISOString(),
    recordTime: decision.recordTime?.toISOString() ?? null,
    decidedAt: decision.decidedAt.toISOString(),
    origin: { topic, partition, offset },
    links: {
      self: `/v1/decisions/${encodeURIComponent(eventId)}?pipeline=${encodeURIComponent(pipeline)}`,
      workflow: workflowUrl(links, decision.workflowId),
    },
  };
}

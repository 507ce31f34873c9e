import { z } from 'zod';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { messageOf } from '../contracts/failures.ts';
import type { GatewayApp } from './app.ts';
import { within } from '../contracts/within.ts';
import type { GaugeSources } from './server.ts';

const readTimeoutMs = 3_000;

const statusSchema = z
  .object({
    pipelines: z.array(
      z.object({
        name: z.string(),
        topic: z.string(),
        decisions: z.record(z.string(), z.number()).optional(),
        openReviews: z.number().optional(),
        waitingReviews: z.number().optional(),
        deadLetters: z.number().optional(),
        lag: z.array(z.object({ topic: z.string(), partition: z.number(), records: z.number() })).optional(),
      }),
    ),
    /** Why a number is missing, by its name. */
    unknown: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Status', description: 'Numbers per pipeline; one that could not be read is left out and explained under `unknown`.' });

/** `GET /v1/status` */
export function registerStatusRoute(app: GatewayApp, { pipelines, gauges }: { pipelines: readonly AnyPipeline[]; gauges: GaugeSources }): void {
  app.get('/v1/status', {
    schema: { tags: ['operation'], summary: 'Decisions, open reviews, dead letters and lag of each pipeline', response: { 200: statusSchema } },
    handler: async () => {
      const unknown: Record<string, string> = {};
      const read = async <T>(name: string, work: () => Promise<T[]>): Promise<T[] | undefined> => {
        try {
          return await within(readTimeoutMs, work());
        } catch (error) {
          unknown[name] = messageOf(error);
          return undefined;
        }
      };
      const [decisions, openReviews, waitingReviews, deadLetters, lag] = await Promise.all([
        read('decisions', () => gauges.decisions()),
        read('openReviews', () => gauges.openReviews()),
        read('waitingReviews', () => gauges.waitingReviews()),
        read('deadLetters', () => gauges.deadLetters()),
        read('lag', () => gauges.lag()),
      ]);
      return {
        pipelines: pipelines.map(({ name, topic }) => ({
          name,
          topic: topic.name,
          decisions: decisions && Object.fromEntries(of(name, decisions).map(({ outcome, decisions: count }) => [outcome, count])),
          openReviews: openReviews && (of(name, openReviews)[0]?.count ?? 0),
          waitingReviews: waitingReviews && (of(name, waitingReviews)[0]?.count ?? 0),
          deadLetters: deadLetters && (of(name, deadLetters)[0]?.count ?? 0),
          lag: lag && of(name, lag).map(({ topic: ofTopic, partition, records }) => ({ topic: ofTopic, partition, records })),
        })),
        unknown,
      };
    },
  });
}

function of<T extends { pipeline: string }>(name: string, rows: readonly T[]): T[] {
  return rows.filter(({ pipeline }) => pipeline === name);
}

import { z } from 'zod';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { messageOf } from '../contracts/failures.ts';
import { waitKinds } from '../contracts/partition-state.ts';
import type { GatewayApp } from './app.ts';
import type { SystemStanding } from '../status/standing.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import type { GaugeSources } from './gauge-sources.ts';

const readTimeoutMs = 3_000;

const waitingSchema = z.object({
  kind: z.enum(waitKinds),
  text: z.string().optional(),
  remedy: z.string().optional(),
  by: z.string().optional(),
  forSeconds: z.number().optional(),
  offset: z.number().optional(),
});

const partitionSchema = z
  .object({
    topic: z.string(),
    partition: z.number(),
    doneBelow: z.number().optional(),
    logEnd: z.number().optional(),
    stableEnd: z.number().optional(),
    lag: z.number().optional(),
    oldestSeconds: z.number().optional(),
    waiting: waitingSchema,
    run: z.string().optional(),
  })
  .meta({
    id: 'Partition',
    description:
      'How one partition stands: the offset below which nothing is left to do, what the log holds beyond that, the age of the oldest record that waits, and what it waits for.',
  });

const problemSchema = z
  .object({
    kind: z.string(),
    pipeline: z.string().optional(),
    place: z.string(),
    short: z.string(),
    text: z.string(),
    log: z.string().optional(),
  })
  .meta({ id: 'Standstill', description: 'Something that stands, why, and the process whose log has the reason.' });

const scheduleSchema = z.object({
  name: z.string(),
  id: z.string(),
  state: z.enum(['running', 'paused', 'missing']),
  note: z.string().optional(),
  remedy: z.string().optional(),
  everySeconds: z.number().optional(),
  ageSeconds: z.number().optional(),
});

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
        partitions: z.array(partitionSchema),
      }),
    ),
    /** What stands. With an empty `unknown`, an empty list means that nothing does. */
    problems: z.array(problemSchema),
    processes: z.array(z.object({ name: z.string(), address: z.string(), reason: z.string().optional() })),
    schedules: z.array(scheduleSchema).optional(),
    /** Why a number is missing, by its name. */
    unknown: z.record(z.string(), z.string()),
  })
  .meta({
    id: 'Status',
    description: 'Numbers per pipeline; one that could not be read is left out and explained under `unknown`.',
  });

/** `GET /v1/status` */
export function registerStatusRoute(
  app: GatewayApp,
  {
    pipelines,
    gauges,
    standing,
  }: { pipelines: readonly AnyPipeline[]; gauges: GaugeSources; standing: () => Promise<SystemStanding> },
): void {
  app.get('/v1/status', {
    schema: {
      tags: ['operation'],
      summary: 'Decisions, open reviews, dead letters and lag of each pipeline, and what stands',
      response: { 200: statusSchema },
    },
    handler: async () => {
      const unknown: Record<string, string> = {};
      const read = async <T>(name: string, work: () => Promise<T[]>): Promise<T[] | undefined> => {
        try {
          return await withTimeout(readTimeoutMs, work());
        } catch (error) {
          unknown[name] = messageOf(error);
          return undefined;
        }
      };
      const [
        decisions,
        openReviews,
        waitingReviews,
        deadLetters,
        { partitions, problems, processes, schedules, unknown: notRead },
      ] = await Promise.all([
        read('decisions', () => gauges.decisions()),
        read('openReviews', () => gauges.openReviews()),
        read('waitingReviews', () => gauges.waitingReviews()),
        read('deadLetters', () => gauges.deadLetters()),
        standing(),
      ]);
      for (const { pipeline, reason } of deadLetters ?? [])
        if (reason !== undefined) unknown[`deadLetters of ${pipeline}`] = reason;
      return {
        pipelines: pipelines.map(({ name, topic }) => ({
          name,
          topic: topic.name,
          decisions:
            decisions &&
            Object.fromEntries(of(name, decisions).map(({ outcome, decisions: count }) => [outcome, count])),
          openReviews: openReviews && (of(name, openReviews)[0]?.count ?? 0),
          waitingReviews: waitingReviews && (of(name, waitingReviews)[0]?.count ?? 0),
          deadLetters: deadLetters && of(name, deadLetters)[0]?.count,
          partitions: of(name, partitions).map(({ pipeline: _, ...state }) => state),
        })),
        problems,
        processes,
        schedules,
        unknown: { ...unknown, ...notRead },
      };
    },
  });
}

function of<T extends { pipeline: string }>(name: string, rows: readonly T[]): T[] {
  return rows.filter(({ pipeline }) => pipeline === name);
}

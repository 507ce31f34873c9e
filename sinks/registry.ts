import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { Pool } from '../database/pool.ts';
import { createDashboardSink } from './dashboard.ts';
import { createDecisionsTopicSink, type PublishPort } from './decisions-topic.ts';
import { createLakeSink } from './lake.ts';
import type { Sink } from './port.ts';
import { createReviewSink } from './review.ts';

/** What sinks are made of. */
export interface SinkDependencies {
  pool: Pool;
  publisher: PublishPort;
  /** Folder of the lake. */
  lakeRoot: string;
}

/** Every sink. To add one, write its file and add its line. */
const registry: Record<string, (dependencies: SinkDependencies) => Sink> = {
  lake: ({ lakeRoot }) => createLakeSink({ root: lakeRoot }),
  dashboard: ({ pool }) => createDashboardSink({ pool }),
  decisions: ({ publisher }) => createDecisionsTopicSink(publisher),
  review: ({ pool }) => createReviewSink({ pool }),
};

/** Makes the sinks that the pipelines use. Throws with one sentence on a sink that does not exist. */
export function createSinks(pipelines: readonly AnyPipeline[], dependencies: SinkDependencies): Sink[] {
  const used = new Set(pipelines.flatMap((pipeline) => pipeline.sinks.map(({ sink }) => sink)));
  return [...used].map((name) => {
    const create = Object.hasOwn(registry, name) ? registry[name] : undefined;
    if (!create) {
      const pipeline = pipelines.find(({ sinks }) => sinks.some(({ sink }) => sink === name))!;
      throw new Error(
        `pipeline "${pipeline.name}" uses a sink "${name}" that does not exist; there are ${Object.keys(registry).join(', ')}`,
      );
    }
    return create(dependencies);
  });
}

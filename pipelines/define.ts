import type { EventSchema, Feature, Pipeline, ValueFeature, WindowFeature } from '../contracts/pipeline.ts';
import { definitionProblems } from './definition-problems.ts';
import { eventSchemaOf, type StandardSchema } from './event-schema.ts';

/** What `definePipeline` takes: a pipeline, with the parts that have defaults left open. */
export type PipelineDefinition<E, Outcome extends string, Entity extends string> = Omit<
  Pipeline<E>,
  'event' | 'entities' | 'features' | 'outcomes' | 'decide' | 'allowedLatenessMs' | 'allowedAheadMs' | 'topic'
> & {
  /** A schema of zod, or of any library that follows Standard Schema. */
  event: StandardSchema<E> | EventSchema<E>;
  topic: { name: string /** @default 4 */; partitions?: number /** @default 1 */; chains?: number };
  entities: Record<Entity, (event: E) => string>;
  /** The model's inputs in column order, made with the helpers that it is given. */
  features(make: FeatureHelpers<E, Entity>): Record<string, Feature<E>>;
  outcomes: readonly Outcome[];
  decide(input: Parameters<Pipeline<E>['decide']>[0]): { outcome: NoInfer<Outcome>; why: string };
  /** @default one day */
  allowedLatenessMs?: number;
  /** @default one day */
  allowedAheadMs?: number;
};

/** How far back a window reaches, and for which entity. */
export interface WindowOptions<Entity extends string> {
  entity: Entity;
  lengthMs: number;
  /** @default 0 */
  delayMs?: number;
}

/** A number of the event that windows add up. Windows that add up the same thing share its name. */
export interface Summand<E> {
  name: string;
  read(event: E): number;
}

/** Makes the features of a pipeline. */
export interface FeatureHelpers<E, Entity extends string> {
  /** A number of the event itself. */
  value(of: (event: E) => number): ValueFeature<E>;
  /** How many events of the entity lie in the window. */
  count(window: WindowOptions<Entity>): WindowFeature<E>;
  /** What a number of the entity's events in the window adds up to. */
  sum(of: Summand<E>, window: WindowOptions<Entity>): WindowFeature<E>;
  /** Its mean; 0 when there are none. */
  mean(of: Summand<E>, window: WindowOptions<Entity>): WindowFeature<E>;
}

/** A definition that cannot work, with every problem in it. */
export class PipelineDefinitionError extends Error {
  override readonly name = 'PipelineDefinitionError';

  /** @param file where the pipeline was defined, once that is known */
  constructor(
    readonly pipeline: string,
    readonly problems: readonly string[],
    file?: string,
  ) {
    super(
      `${file === undefined ? '' : `${file}: `}pipeline "${pipeline}" cannot start:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
  }
}

const day = 86_400_000;

/** Declares a pipeline. Throws a PipelineDefinitionError that lists every problem. */
export function definePipeline<E, const Outcome extends string, const Entity extends string>(
  definition: PipelineDefinition<E, Outcome, Entity>,
): Pipeline<E> {
  const pipeline: Pipeline<E> = {
    allowedLatenessMs: day,
    allowedAheadMs: day,
    ...definition,
    event: eventSchemaOf(definition.event),
    topic: { partitions: 4, chains: 1, ...definition.topic },
    features: typeof definition.features === 'function' ? definition.features(helpers) : {},
  };
  const problems = definitionProblems(pipeline);
  if (problems.length > 0) throw new PipelineDefinitionError(String(definition.name), problems);
  return pipeline;
}

const helpers: FeatureHelpers<any, string> = {
  value: (of) => ({ kind: 'value', of }),
  count: (window) => ({ kind: 'window', aggregate: 'count', delayMs: 0, ...window }),
  sum: (of, window) => ({ kind: 'window', aggregate: 'sum', of, delayMs: 0, ...window }),
  mean: (of, window) => ({ kind: 'window', aggregate: 'mean', of, delayMs: 0, ...window }),
};

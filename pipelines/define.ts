import { isName } from '../contracts/event-key.ts';
import type { EventSchema, Feature, Pipeline, ValueFeature, WindowFeature } from '../contracts/pipeline.ts';
import { eventSchemaOf, type StandardSchema } from './event-schema.ts';
import { asyncProblem } from './schema-problems.ts';

/** What `definePipeline` takes: a pipeline, with the parts that have defaults left open. */
export type PipelineDefinition<E, Outcome extends string, Entity extends string> = Omit<
  Pipeline<E>,
  'event' | 'entities' | 'features' | 'outcomes' | 'decide' | 'allowedLatenessMs' | 'allowedAheadMs' | 'topic'
> & {
  /** A schema of zod, or of any library that follows Standard Schema. */
  event: StandardSchema<E> | EventSchema<E>;
  topic: { name: string /** @default 4 */; partitions?: number };
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
    topic: { partitions: 4, ...definition.topic },
    features: typeof definition.features === 'function' ? definition.features(helpers) : {},
  };
  const problems = problemsOf(pipeline);
  if (problems.length > 0) throw new PipelineDefinitionError(String(definition.name), problems);
  return pipeline;
}

const helpers: FeatureHelpers<any, string> = {
  value: (of) => ({ kind: 'value', of }),
  count: (window) => ({ kind: 'window', aggregate: 'count', delayMs: 0, ...window }),
  sum: (of, window) => ({ kind: 'window', aggregate: 'sum', of, delayMs: 0, ...window }),
  mean: (of, window) => ({ kind: 'window', aggregate: 'mean', of, delayMs: 0, ...window }),
};

function problemsOf<E>(pipeline: Pipeline<E>): string[] {
  const problems: string[] = [];
  const check = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem);
  };
  check(
    /^[a-z][a-z0-9-]{0,49}$/.test(pipeline.name),
    'name: lower-case letters, digits and "-", at most 50, beginning with a letter',
  );
  check(isName(pipeline.topic.name ?? ''), 'topic.name: letters, digits, ".", "_" and "-", at most 100');
  check(isPositiveInteger(pipeline.topic.partitions), 'topic.partitions: a whole number from 1');
  check(
    typeof pipeline.event?.safeParse === 'function',
    'event: a schema of zod, or of another library that follows Standard Schema',
  );
  for (const part of ['eventId', 'eventTimeMs', 'decide'] as const) {
    check(typeof pipeline[part] === 'function', `${part}: a function of the event`);
  }
  check(
    Object.keys(pipeline.entities ?? {}).length > 0,
    'entities: at least one, e.g. { customer: (event) => event.customerId }',
  );
  for (const name of Object.keys(pipeline.entities ?? {}))
    check(/^[a-zA-Z][a-zA-Z0-9_]{0,62}$/.test(name), `entities.${name}: a name of letters, digits and "_", at most 63`);
  check(pipeline.allowedLatenessMs >= 0, 'allowedLatenessMs: not negative');
  check(pipeline.allowedAheadMs >= 0, 'allowedAheadMs: not negative');
  check(
    Object.keys(pipeline.features).length > 0,
    'features: a function that returns at least one, e.g. ({ value }) => ({ amount: value((event) => event.amount) })',
  );
  for (const [name, feature] of Object.entries(pipeline.features)) {
    problems.push(...featureProblems(pipeline, name, feature));
  }
  check(
    new Set(pipeline.outcomes).size === pipeline.outcomes?.length && pipeline.outcomes.length > 0,
    'outcomes: at least one, each once',
  );
  check(pipeline.outcomes.length <= 255, 'outcomes: at most 255');
  check(Boolean(pipeline.model?.name && pipeline.model.input), 'model: name and input are needed');
  check(
    Object.values(pipeline.model?.outputs ?? {}).every(isPositiveInteger) &&
      Object.keys(pipeline.model?.outputs ?? {}).length > 0,
    'model.outputs: at least one, with its width, e.g. { score: 1 }',
  );
  const sinks = pipeline.sinks.map((binding) => binding.sink);
  check(new Set(sinks).size === sinks.length && sinks.length <= 32, 'sinks: each once, at most 32');
  check(
    !sinks.includes('review') || pipeline.review !== undefined,
    'review: the review sink needs { verdicts, timeoutMs, title }',
  );
  check(
    pipeline.review === undefined ||
      (pipeline.review.verdicts.length > 0 && isPositiveInteger(pipeline.review.timeoutMs)),
    'review: verdicts, and timeoutMs as a whole number above 0',
  );
  for (const [what, called] of functionsOf(pipeline)) problems.push(...asyncProblem(what, called));
  check(
    pipeline.review?.openMax === undefined || isPositiveInteger(pipeline.review.openMax),
    'review.openMax: a whole number above 0',
  );
  return problems;
}

/** The pipeline's own functions, by name. */
function functionsOf<E>({
  eventId,
  eventTimeMs,
  decide,
  entities,
  features,
  sinks,
  review,
  model,
}: Pipeline<E>): [string, unknown][] {
  return [
    ...Object.entries({ eventId, eventTimeMs, decide }),
    ...Object.entries(entities ?? {}).map(([name, keyOf]): [string, unknown] => [`entities.${name}`, keyOf]),
    ...Object.entries(features).map(([name, feature]): [string, unknown] => [
      `features.${name}`,
      feature.kind === 'value' ? feature.of : feature.of?.read,
    ]),
    ...sinks.map(({ sink, when }): [string, unknown] => [`sinks.${sink}.when`, when]),
    ['review.title', review?.title],
    ['review.value', review?.value],
    ['model.fallback', model?.fallback],
  ];
}

function featureProblems<E>(pipeline: Pipeline<E>, name: string, feature: Feature<E>): string[] {
  const problems: string[] = [];
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name))
    problems.push(`features.${name}: a name of lower-case letters, digits and "_", at most 63`);
  if (feature.kind === 'value') return problems;
  if (!(feature.entity in pipeline.entities)) {
    problems.push(
      `features.${name}: entity "${feature.entity}" is none of ${Object.keys(pipeline.entities).join(', ')}`,
    );
  }
  if (feature.aggregate !== 'count' && !feature.of)
    problems.push(`features.${name}: a ${feature.aggregate} needs "of"`);
  if (!(feature.lengthMs > 0) || !(feature.delayMs >= 0))
    problems.push(`features.${name}: lengthMs above 0 and delayMs not negative`);
  return problems;
}

function isPositiveInteger(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

import { isName } from '../contracts/event-key.ts';
import type { AnyPipeline, Feature } from '../contracts/pipeline.ts';
import { asyncProblem } from './schema-problems.ts';

/** What is said of a part: nothing when it holds. */
type Check = (holds: boolean, problem: string) => void;

const outcomesMax = 255;
const sinksMax = 32;
/** Kafka itself takes no topics of these names. */
const noTopics = ['.', '..'];
/** Longer than anybody waits, and short enough for every timer. */
const timeoutMsMax = 10 * 365 * 86_400_000;

/**
 * What of a pipeline's definition cannot work, by field. Nothing is taken for granted: a file is run without its types being checked, and
 * what is not noticed here would refuse every event, or count nothing.
 */
export function definitionProblems(pipeline: AnyPipeline): string[] {
  const problems: string[] = [];
  const check: Check = (holds, problem) => {
    if (!holds) problems.push(problem);
  };
  check(
    isText(pipeline.name) && /^[a-z][a-z0-9-]{0,49}$/.test(pipeline.name),
    'name: lower-case letters, digits and "-", at most 50, beginning with a letter',
  );
  check(
    isText(pipeline.topic.name) && isName(pipeline.topic.name) && !noTopics.includes(pipeline.topic.name),
    'topic.name: letters, digits, ".", "_" and "-", at most 100',
  );
  check(isPositiveInteger(pipeline.topic.partitions), 'topic.partitions: a whole number from 1');
  check(
    isPositiveInteger(pipeline.topic.chains) && !(pipeline.topic.chains > pipeline.topic.partitions),
    'topic.chains: a whole number from 1 to the number of partitions',
  );
  check(
    typeof pipeline.event?.safeParse === 'function',
    'event: a schema of zod, or of another library that follows Standard Schema',
  );
  checkEntities(pipeline, check);
  check(isDuration(pipeline.allowedLatenessMs), 'allowedLatenessMs: a number of milliseconds, not negative');
  check(
    isDuration(pipeline.allowedAheadMs) || pipeline.allowedAheadMs === Infinity,
    'allowedAheadMs: a number of milliseconds, not negative; Infinity = no bound',
  );
  checkFeatures(pipeline, check);
  checkOutcomes(pipeline.outcomes, check);
  checkModel(pipeline.model, check);
  checkSinks(pipeline, check);
  checkReview(pipeline.review, check);
  for (const [what, called, isNeeded] of functionsOf(pipeline)) {
    if (typeof called === 'function') problems.push(...asyncProblem(what, called));
    else check(!isNeeded && called === undefined, `${what}: must be a function`);
  }
  return problems;
}

/** The pipeline's own functions, by name, and whether each must be there. */
function functionsOf({
  eventId,
  eventTimeMs,
  decide,
  entities,
  features,
  sinks,
  review,
  model,
}: AnyPipeline): [what: string, called: unknown, isNeeded: boolean][] {
  return [
    ...Object.entries({ eventId, eventTimeMs, decide }).map(([name, called]): [string, unknown, boolean] => [
      name,
      called,
      true,
    ]),
    ...Object.entries(entities ?? {}).map(([name, keyOf]): [string, unknown, boolean] => [
      `entities.${name}`,
      keyOf,
      true,
    ]),
    ...Object.entries(features ?? {}).flatMap(([name, feature]): [string, unknown, boolean][] => {
      if (feature?.kind === 'value') return [[`features.${name}`, feature.of, true]];
      return feature?.of ? [[`features.${name}: read`, feature.of.read, true]] : [];
    }),
    ...listOf(sinks).map((binding): [string, unknown, boolean] => [
      `sinks.${binding?.sink}.when`,
      binding?.when,
      false,
    ]),
    ['model.fallback', model?.fallback, false],
    ...(review
      ? ([
          ['review.title', review.title, true],
          ['review.value', review.value, false],
        ] as [string, unknown, boolean][])
      : []),
  ];
}

function checkEntities({ entities }: AnyPipeline, check: Check): void {
  check(
    Object.keys(entities ?? {}).length > 0,
    'entities: at least one, e.g. { customer: (event) => event.customerId }',
  );
  for (const name of Object.keys(entities ?? {}))
    check(
      /^[a-zA-Z][a-zA-Z0-9_]{0,62}$/.test(name) && !isInherited(name),
      `entities.${name}: a name of letters, digits and "_", at most 63`,
    );
}

function checkFeatures(pipeline: AnyPipeline, check: Check): void {
  const features = Object.entries(pipeline.features ?? {});
  check(
    features.length > 0,
    'features: a function that returns at least one, e.g. ({ value }) => ({ amount: value((event) => event.amount) })',
  );
  for (const [name, feature] of features) checkFeature(pipeline, name, feature, check);
}

function checkFeature(
  { entities }: AnyPipeline,
  name: string,
  feature: Feature<never> | undefined,
  check: Check,
): void {
  check(
    /^[a-z][a-z0-9_]{0,62}$/.test(name) && !isInherited(name),
    `features.${name}: a name of lower-case letters, digits and "_", at most 63`,
  );
  if (feature?.kind === 'value') return;
  if (feature?.kind !== 'window') {
    check(false, `features.${name}: must be made with value, count, sum or mean, which the function is given`);
    return;
  }
  check(
    Object.hasOwn(entities ?? {}, feature.entity),
    `features.${name}: entity "${feature.entity}" is none of ${Object.keys(entities ?? {}).join(', ')}`,
  );
  check(feature.aggregate === 'count' || Boolean(feature.of), `features.${name}: a ${feature.aggregate} needs "of"`);
  check(
    !feature.of || isText(feature.of.name),
    `features.${name}: what it adds up needs a name, e.g. { name: 'amount', read: (event) => event.amount }`,
  );
  check(
    isDuration(feature.lengthMs) && feature.lengthMs > 0 && isDuration(feature.delayMs),
    `features.${name}: lengthMs above 0 and delayMs not negative, in milliseconds`,
  );
}

function checkOutcomes(outcomes: readonly string[], check: Check): void {
  const list = listOf(outcomes);
  check(new Set(list).size === list.length && list.length > 0, 'outcomes: at least one, each once');
  check(list.length <= outcomesMax, `outcomes: at most ${outcomesMax}`);
  check(list.every(isLabel), 'outcomes: texts of 1 to 100 characters, without control characters');
}

function checkModel(model: AnyPipeline['model'] | undefined, check: Check): void {
  check(isText(model?.name) && isText(model?.input), 'model: name and input are needed');
  check(model?.version === undefined || isText(model.version), "model.version: a text, e.g. '1'");
  const outputs = Object.entries(model?.outputs ?? {});
  check(
    outputs.length > 0 && outputs.every(([name, width]) => isPositiveInteger(width) && !isInherited(name)),
    'model.outputs: at least one, with its width, e.g. { score: 1 }',
  );
}

function checkSinks({ sinks, review }: AnyPipeline, check: Check): void {
  const names = listOf(sinks).map((binding) => binding?.sink);
  check(Array.isArray(sinks) && names.every(isText), "sinks: a list such as [{ sink: 'lake' }]");
  check(new Set(names).size === names.length && names.length <= sinksMax, `sinks: each once, at most ${sinksMax}`);
  check(
    !names.includes('review') || review !== undefined,
    'review: the review sink needs { verdicts, timeoutMs, title }',
  );
}

function checkReview(review: AnyPipeline['review'], check: Check): void {
  if (!review) return;
  const verdicts = listOf(review.verdicts);
  check(
    verdicts.length > 0 && isPositiveInteger(review.timeoutMs) && review.timeoutMs <= timeoutMsMax,
    'review: verdicts, and timeoutMs as a whole number above 0, at most ten years',
  );
  check(
    verdicts.every(isLabel) && new Set(verdicts).size === verdicts.length,
    'review.verdicts: texts of 1 to 100 characters, without control characters, each once',
  );
  check(review.openMax === undefined || isPositiveInteger(review.openMax), 'review.openMax: a whole number above 0');
}

function listOf<T>(value: readonly T[] | undefined): readonly T[] {
  return Array.isArray(value) ? value : [];
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** What people and databases can have as a name. */
function isLabel(value: unknown): boolean {
  return isText(value) && value.length <= 100 && !/\p{C}/u.test(value) && !isInherited(value);
}

/** What every object has by itself, such as `constructor`: it would be taken for a count or a field that is there. */
function isInherited(name: string): boolean {
  return name in {};
}

function isDuration(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isPositiveInteger(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

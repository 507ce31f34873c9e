import type { AnyPipeline } from '../contracts/pipeline.ts';
import {
  definitionOf,
  depthMax,
  functionsOf,
  outputOf,
  referredBy,
  schemasMax,
  type Definition,
  type Schema,
} from '../lib/schema-definition.ts';

/** Kinds that no JSON value fits. A date does when the schema makes it of a text. */
const notInJson: Record<string, string> = {
  map: 'z.map() fits no JSON value; use z.record(), or make the map of one with z.preprocess()',
  set: 'z.set() fits no JSON value; use z.array(), or make the set of one with z.preprocess()',
  date: 'z.date() fits no JSON value; use z.coerce.date(), or z.iso.datetime()',
  file: 'z.file() fits no JSON value',
  function: 'a function fits no JSON value',
  symbol: 'z.symbol() fits no JSON value',
  promise: 'z.promise() is asynchronous',
};
/** Kinds whose values have no fields. */
const noObject = new Set([
  'string',
  'template_literal',
  'number',
  'nan',
  'boolean',
  'bigint',
  'date',
  'enum',
  'literal',
  'null',
  'undefined',
  'void',
  'never',
  'success',
  'array',
  'tuple',
  'set',
  'map',
  'file',
  'function',
  'symbol',
  'promise',
]);

const asynchronous =
  'must not be asynchronous, because a batch is decoded again from its records, and must come out the same; look things up before the event is sent';
/** A schema with more is too long a list anyway. */
const problemsMax = 20;

/** What of a pipeline's schema cannot work for any event, by field. Called once everything that it refers to is there. */
export function schemaProblems({ event }: Pick<AnyPipeline, 'event'>): string[] {
  const problems = new Set<string>();
  new Walk(problems).visit(event, 'event', true);
  if (neverGivesObject(outputOf(event)))
    problems.add('event: must give an object, because sinks store its fields; wrap it, e.g. z.object({ value: ... })');
  return [...problems].slice(0, problemsMax);
}

function isAsyncFunction(value: unknown): boolean {
  return typeof value === 'function' && /^Async(Generator)?Function$/.test(value.constructor.name);
}

/** `<what> must not be asynchronous, because ...`, for functions that are. */
export function asyncProblem(what: string, value: unknown): string[] {
  return isAsyncFunction(value) ? [`${what}: ${asynchronous}`] : [];
}

function neverGivesObject({ type, options }: Definition): boolean {
  return noObject.has(type) || (type === 'union' && options!.every((option) => noObject.has(outputOf(option).type)));
}

class Walk {
  /** Each once for values that come straight from JSON, and once for those that code of the pipeline made. */
  readonly #seen = { raw: new Set<Schema>(), made: new Set<Schema>() };
  #depth = 0;

  constructor(private readonly problems: Set<string>) {}

  visit(schema: Schema, path: string, raw: boolean): void {
    const { raw: fromJson, made } = this.#seen;
    const seen = raw ? fromJson : made;
    if (seen.has(schema) || this.#depth >= depthMax || fromJson.size + made.size >= schemasMax) return;
    seen.add(schema);
    const definition = definitionOf(schema);
    const { type, coerce } = definition;
    if (functionsOf(definition).some(isAsyncFunction))
      this.problems.add(`${path}: its check or transform ${asynchronous}`);
    if (raw && !coerce && type in notInJson) this.problems.add(`${path}: ${notInJson[type]}`);
    this.#depth++;
    if (type === 'lazy') this.visit(referredBy(schema), path, raw);
    this.#visitParts(definition, path, raw);
    this.#depth--;
  }

  #visitParts(definition: Definition, path: string, raw: boolean): void {
    const { type, shape, catchall, innerType, element, keyType, valueType, items, rest, left, right, options } =
      definition;
    for (const [name, field] of Object.entries(shape ?? {})) this.visit(field, `${path}.${name}`, raw);
    for (const [part, suffix] of [
      [catchall, '.*'],
      [element, '[]'],
      [keyType, '{key}'],
      [valueType, '{}'],
      [rest, '[...]'],
      [left, ''],
      [right, ''],
    ] as const) {
      if (part && typeof part === 'object') this.visit(part, path + suffix, raw);
    }
    items?.forEach((item, i) => this.visit(item, `${path}[${i}]`, raw));
    // What stands in for a value that is absent, or fits nothing, is the pipeline's own.
    if (innerType) this.visit(innerType, path, raw && !['default', 'prefault', 'catch'].includes(type));
    if (type === 'pipe') {
      this.visit(definition.in!, path, raw);
      this.visit(definition.out!, path, false);
    }
    for (const option of options ?? []) this.#visitOption(option, options!, path, raw);
  }

  /** An option that no JSON value fits does no harm beside one that some do. */
  #visitOption(option: Schema, options: readonly Schema[], path: string, raw: boolean): void {
    const impossible = (schema: Schema) => definitionOf(schema).type in notInJson && !definitionOf(schema).coerce;
    this.visit(option, path, raw && !(impossible(option) && !options.every(impossible)));
  }
}

import { definitionBehind, type Definition, type Schema } from '../lib/schema-definition.ts';

/** What a schema takes where the JSON text has a number. */
export interface Wanted {
  bigint: boolean;
  text: boolean;
  number: boolean;
  /** The schema does not say: any value goes on to code that may do anything with it. */
  anything: boolean;
}

/** Kinds that hand the input on to the one schema that they hold. */
const wrappers = new Set([
  'optional',
  'nullable',
  'nonoptional',
  'default',
  'prefault',
  'catch',
  'readonly',
  'success',
  'promise',
]);

/** The definition of the schema that sees the input first, without what only wraps it; `foreign` where that cannot be told. */
export function inputOf(schema: Schema): Definition {
  return definitionBehind(schema, wrappers, 'in');
}

/** So many unions within a union are looked into. One that is made anew wherever it refers to itself has no end. */
const unionsMax = 30;

/** The options of a union, and of the unions that are options of it. */
export function unionOptions(options: readonly Schema[], seen = new Set<Definition>()): Schema[] {
  return options.flatMap((option) => {
    const inner = inputOf(option);
    if (inner.type !== 'union') return [option];
    if (seen.has(inner) || seen.size === unionsMax) return [];
    seen.add(inner);
    return unionOptions(inner.options!, seen);
  });
}

/** What the schema takes for a number. */
export function wantedBy(schema: Schema): Wanted {
  const def = inputOf(schema);
  const wanted: Wanted = { bigint: false, text: false, number: false, anything: false };
  switch (def.type) {
    case 'string':
      return { ...wanted, text: true, anything: def.coerce === true };
    case 'template_literal':
      return { ...wanted, text: true };
    case 'bigint':
      return { ...wanted, bigint: true };
    case 'number':
      return { ...wanted, number: true };
    case 'literal':
      return kindsOf(def.values!);
    case 'enum':
      return kindsOf(Object.values(def.entries!));
    case 'union':
      return unionWants(def.options!);
    case 'intersection':
      return either(wantedBy(def.left!), wantedBy(def.right!));
    case 'boolean':
    case 'date':
      return { ...wanted, anything: def.coerce === true };
    case 'object':
    case 'record':
    case 'array':
    case 'tuple':
    case 'map':
    case 'set':
    case 'null':
    case 'undefined':
    case 'void':
    case 'never':
    case 'nan':
    case 'symbol':
    case 'file':
      return wanted;
    default:
      return { ...wanted, anything: true };
  }
}

function unionWants(options: readonly Schema[]): Wanted {
  const unions = new Set<Definition>();
  const wanted = unionOptions(options, unions)
    .map(wantedBy)
    .reduce(either, { bigint: false, text: false, number: false, anything: false });
  return unions.size === unionsMax ? { ...wanted, anything: true } : wanted;
}

function kindsOf(values: readonly unknown[]): Wanted {
  const has = (type: string) => values.some((value) => typeof value === type);
  return { bigint: has('bigint'), text: has('string'), number: has('number'), anything: false };
}

function either(a: Wanted, b: Wanted): Wanted {
  return {
    bigint: a.bigint || b.bigint,
    text: a.text || b.text,
    number: a.number || b.number,
    anything: a.anything || b.anything,
  };
}

/** What some places of a schema take. */
export type Takes = Pick<Wanted, 'bigint' | 'anything'>;

const known = new WeakMap<Schema, Takes>();

/** Whether some place of the schema takes a bigint, and whether some place takes anything. Looked up once per schema. */
export function takenBy(schema: Schema): Takes {
  let takes = known.get(schema);
  if (!takes) known.set(schema, (takes = collect(schema)));
  return takes;
}

/** A schema that is made anew wherever it refers to itself has no end. Beyond so many parts it is taken for one that takes everything. */
const partsMax = 500;

function collect(schema: Schema): Takes {
  const takes: Takes = { bigint: false, anything: false };
  const seen = new Set<Definition>();
  // Level by level: what is looked at exists from then on, and zod itself follows a chain of parts by recursion.
  const queue: Schema[] = [schema];
  for (const at of queue) {
    const inner = inputOf(at);
    if (seen.has(inner)) continue;
    if (seen.size === partsMax) return { bigint: true, anything: true };
    seen.add(inner);
    const children = childrenOf(inner);
    queue.push(...children);
    // What has parts takes what they take.
    if (children.length > 0) continue;
    const { bigint, anything } = wantedBy(at);
    takes.bigint ||= bigint;
    takes.anything ||= anything;
  }
  return takes;
}

function childrenOf({
  type,
  shape,
  catchall,
  valueType,
  element,
  items,
  rest,
  left,
  right,
  options,
}: Definition): Schema[] {
  switch (type) {
    case 'object':
      return [...Object.values(shape!), ...(catchall ? [catchall] : [])];
    case 'record':
      return [valueType!];
    case 'array':
      return [element!];
    case 'tuple':
      return [...items!, ...(rest ? [rest] : [])];
    case 'intersection':
      return [left!, right!];
    case 'union':
      return [...options!];
    default:
      return [];
  }
}

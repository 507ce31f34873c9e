import type { $ZodLazy, $ZodType, $ZodTypes } from 'zod/v4/core';

/** What a schema takes where the JSON text has a number. */
export interface Wanted {
  bigint: boolean;
  text: boolean;
  number: boolean;
  /** The schema does not say: any value goes on to code that may do anything with it. */
  anything: boolean;
}

const nestingMax = 100;

/** The schema that sees the input first, without what only wraps it. A schema of another library or version is returned as it is. */
export function unwrap(schema: $ZodType): $ZodType {
  let inner = schema as $ZodTypes;
  for (let depth = 0; depth < nestingMax; depth++) {
    const def = inner._zod?.def;
    switch (def?.type) {
      case 'optional': case 'nullable': case 'nonoptional': case 'default': case 'prefault': case 'catch': case 'readonly': case 'success': case 'promise':
        inner = def.innerType as $ZodTypes;
        break;
      case 'lazy':
        // Not `getter()`, which may make a new schema at each call.
        inner = (inner as $ZodLazy)._zod.innerType as $ZodTypes;
        break;
      case 'pipe':
        inner = def.in as $ZodTypes;
        break;
      default:
        return inner;
    }
  }
  return inner;
}

/** The options of a union, and of the unions that are options of it. */
export function unionOptions(options: readonly $ZodType[], seen = new Set<$ZodType>()): $ZodType[] {
  return options.flatMap((option) => {
    const inner = unwrap(option) as $ZodTypes;
    if (inner._zod?.def.type !== 'union') return [option];
    if (seen.has(inner)) return [];
    seen.add(inner);
    return unionOptions(inner._zod.def.options, seen);
  });
}

/** What the schema takes for a number. */
export function wantedBy(schema: $ZodType): Wanted {
  const def = (unwrap(schema) as $ZodTypes)._zod?.def;
  const wanted: Wanted = { bigint: false, text: false, number: false, anything: false };
  switch (def?.type) {
    case 'string':
      return { ...wanted, text: true, anything: def.coerce === true };
    case 'template_literal':
      return { ...wanted, text: true };
    case 'bigint':
      return { ...wanted, bigint: true };
    case 'number':
      return { ...wanted, number: true };
    case 'literal':
      return kindsOf(def.values);
    case 'enum':
      return kindsOf(Object.values(def.entries));
    case 'union':
      return unionOptions(def.options).map(wantedBy).reduce(either, wanted);
    case 'intersection':
      return either(wantedBy(def.left), wantedBy(def.right));
    case 'boolean': case 'date':
      return { ...wanted, anything: def.coerce === true };
    case 'object': case 'record': case 'array': case 'tuple': case 'map': case 'set': case 'null': case 'undefined': case 'void': case 'never':
    case 'nan': case 'symbol': case 'file':
      return wanted;
    default:
      return { ...wanted, anything: true };
  }
}

function kindsOf(values: readonly unknown[]): Wanted {
  const has = (type: string) => values.some((value) => typeof value === type);
  return { bigint: has('bigint'), text: has('string'), number: has('number'), anything: false };
}

function either(a: Wanted, b: Wanted): Wanted {
  return { bigint: a.bigint || b.bigint, text: a.text || b.text, number: a.number || b.number, anything: a.anything || b.anything };
}

/** What some places of a schema take. */
export type Takes = Pick<Wanted, 'bigint' | 'anything'>;

const known = new WeakMap<$ZodType, Takes>();

/** Whether some place of the schema takes a bigint, and whether some place takes anything. Looked up once per schema. */
export function takenBy(schema: $ZodType): Takes {
  let takes = known.get(schema);
  if (!takes) {
    takes = { bigint: false, anything: false };
    collect(schema, takes, new Set());
    known.set(schema, takes);
  }
  return takes;
}

function collect(schema: $ZodType, takes: Takes, seen: Set<$ZodType>): void {
  const inner = unwrap(schema) as $ZodTypes;
  if (seen.has(inner)) return;
  seen.add(inner);
  const { bigint, anything } = wantedBy(inner);
  takes.bigint ||= bigint;
  takes.anything ||= anything;
  for (const child of childrenOf(inner)) collect(child, takes, seen);
}

function childrenOf(schema: $ZodTypes): $ZodType[] {
  const def = schema._zod?.def;
  switch (def?.type) {
    case 'object':
      return [...Object.values(def.shape), ...(def.catchall ? [def.catchall] : [])];
    case 'record':
      return [def.valueType];
    case 'array':
      return [def.element];
    case 'tuple':
      return [...def.items, ...(def.rest ? [def.rest] : [])];
    case 'intersection':
      return [def.left, def.right];
    case 'union':
      return [...def.options];
    default:
      return [];
  }
}

/**
 * Reads schemas as data: what a lake column or a check at start has to know of them. zod 4 (whichever copy of it, its mini form too) is
 * read as it is, zod 3 is put into the same words; of any other library only its answers are known.
 */

/** A schema of any library. */
export type Schema = object;

/** The part of a schema's definition that is read here, in zod 4's words. */
export interface Definition {
  /** `foreign` for what cannot be read. */
  type: string;
  shape?: Record<string, Schema>;
  catchall?: Schema;
  innerType?: Schema;
  in?: Schema;
  out?: Schema;
  options?: Schema[];
  left?: Schema;
  right?: Schema;
  element?: Schema;
  keyType?: Schema;
  valueType?: Schema;
  items?: Schema[];
  rest?: Schema | null;
  values?: unknown[];
  entries?: Record<string, unknown>;
  getter?: () => Schema;
  coerce?: boolean;
  /** Of a transform or a codec. */
  transform?: unknown;
  /** Of a custom check that is a schema by itself. */
  fn?: unknown;
  checks?: unknown[];
}

/** Kinds that let the value behind them pass as it is. */
const wrappers = new Set(['optional', 'nullable', 'default', 'prefault', 'catch', 'readonly', 'nonoptional']);

/** So that each schema has one definition, by which one that refers to itself is noticed. */
const translated = new WeakMap<Schema, Definition>();

/** A schema's own definition. */
export function definitionOf(schema: Schema): Definition {
  const { _zod, _def, def } = schema as { _zod?: { def?: Definition }; _def?: OldDefinition; def?: Definition };
  const found = _zod?.def ?? def ?? translated.get(schema);
  if (found) return found;
  const definition = typeof _def?.typeName === 'string' ? translate(_def) : { type: 'foreign' };
  translated.set(schema, definition);
  return definition;
}

/** The definition of what a schema gives out: behind wrappers that do not change it, references, and pipes, whose output counts. */
export function outputOf(schema: Schema): Definition {
  return definitionBehind(schema, wrappers, 'out');
}

/** The definition behind references, wrappers of these types, and pipes, of which one side counts; `foreign` where there is none. */
export function definitionBehind(schema: Schema, throughTypes: ReadonlySet<string>, side: 'in' | 'out'): Definition {
  let at = schema;
  for (let depth = 0; depth < depthMax; depth++) {
    const definition = definitionOf(at);
    const next = throughTypes.has(definition.type)
      ? definition.innerType
      : definition.type === 'lazy'
        ? referredBy(at)
        : definition.type === 'pipe'
          ? definition[side]
          : undefined;
    if (!next) return definition;
    at = next;
  }
  // It refers to nothing but itself.
  return foreign;
}

const foreign: Definition = { type: 'foreign' };

/** A schema that makes itself anew wherever it refers to itself has no end: deeper, and further, than this nobody looks. */
export const depthMax = 100;
export const schemasMax = 2_000;

const referred = new WeakMap<Schema, Schema>();

/** What a lazy schema refers to: always the same, though its function may make another one with each call. */
export function referredBy(lazy: Schema): Schema {
  let inner = referred.get(lazy);
  if (!inner) referred.set(lazy, (inner = definitionOf(lazy).getter!()));
  return inner;
}

/** The functions that a definition asks of a value, as far as they can be seen. */
export function functionsOf({ transform, fn, checks = [] }: Definition): unknown[] {
  return [transform, fn, ...checks.map((check) => checkOf(check).fn)];
}

/** True when the checks of a schema can only refuse a value, and put no other in its place. */
export function onlyRefuses({ checks = [] }: Definition): boolean {
  return checks.every((check) => checkOf(check).fn !== undefined);
}

function checkOf(check: unknown): { fn?: unknown } {
  return (check as { _zod?: { def?: { fn?: unknown } } })._zod?.def ?? {};
}

/** zod 3's definition, of which each kind has fields of its own. */
interface OldDefinition extends Record<string, unknown> {
  typeName: string;
}

const wordsOfOld: Record<string, string> = {
  nan: 'nan',
  bigint: 'bigint',
  branded: 'readonly',
  nativeenum: 'enum',
  discriminatedunion: 'union',
};

function translate(old: OldDefinition): Definition {
  const kind = old.typeName.replace(/^Zod/, '').toLowerCase();
  const type = wordsOfOld[kind] ?? kind;
  const schema = (name: string) => old[name] as Schema | undefined;
  const same = { type, coerce: old['coerce'] === true, innerType: schema('innerType') };
  switch (kind) {
    case 'object':
      return {
        ...same,
        shape: (old['shape'] as () => Record<string, Schema>)(),
        catchall: old['unknownKeys'] === 'passthrough' ? made({ type: 'unknown' }) : schema('catchall'),
      };
    case 'array':
      return { ...same, element: schema('type') };
    case 'branded':
    case 'promise':
      return { ...same, innerType: schema('type') };
    case 'literal':
      return { ...same, values: [old['value']] };
    case 'enum':
      return { ...same, entries: Object.fromEntries((old['values'] as string[]).map((value) => [value, value])) };
    case 'nativeenum':
      return { ...same, entries: old['values'] as Record<string, unknown> };
    case 'discriminatedunion':
      return { ...same, options: [...(old['options'] as Iterable<Schema> & { values(): Iterable<Schema> }).values()] };
    case 'pipeline':
      return { type: 'pipe', in: schema('in'), out: schema('out') };
    case 'effects':
      return effects(old['schema'] as Schema, old['effect'] as OldEffect);
    default:
      return { ...old, ...same } as Definition;
  }
}

interface OldEffect {
  type: 'refinement' | 'transform' | 'preprocess';
  refinement?: unknown;
  transform?: unknown;
}

function effects(schema: Schema, { type, refinement, transform }: OldEffect): Definition {
  if (type === 'refinement') return { type: 'readonly', innerType: schema, fn: refinement };
  const change = made({ type: 'transform', transform });
  return type === 'transform' ? { type: 'pipe', in: schema, out: change } : { type: 'pipe', in: change, out: schema };
}

function made(definition: Definition): Schema {
  return { def: definition };
}

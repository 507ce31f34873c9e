import { definitionOf, depthMax, onlyRefuses, referredBy, schemasMax, type Schema } from './schema-definition.ts';

/**
 * An event as JSON: what every sink stores of it. All of them ask here, so that they agree on what JSON has no form for: a bigint is its
 * digits, a map its entries, a set its members, bytes are base64, other typed arrays lists, a date is its ISO text, a regular expression
 * its source; no number and no time is null.
 */
export function jsonOfEvent(event: unknown, schema: Schema | undefined): string {
  return JSON.stringify(event, replacerFor(schema));
}

/** What `JSON.stringify` needs for the events of a schema: nothing, which is much the fastest, when they can only be plain. */
export function replacerFor(schema: Schema | undefined): typeof toPlainJson | undefined {
  return isPlainJson(schema) ? undefined : toPlainJson;
}

const plain = new WeakMap<Schema, boolean>();

/** True when JSON carries every value that the schema can make of JSON as it is. */
export function isPlainJson(schema: Schema | undefined): boolean {
  if (!schema) return false;
  let known = plain.get(schema);
  if (known === undefined)
    plain.set(schema, (known = givesPlain(schema, true, { raw: new Set(), made: new Set(), depth: 0 })));
  return known;
}

/** Schemas that are being looked at, apart by whether their values come straight from JSON: one that refers to itself adds nothing. */
interface Seen {
  raw: Set<Schema>;
  made: Set<Schema>;
  depth: number;
}

const plainTypes = new Set([
  'string',
  'template_literal',
  'number',
  'nan',
  'boolean',
  'date',
  'success',
  'null',
  'undefined',
  'void',
  'never',
  'enum',
]);

/** @param raw whether the value comes straight from JSON, and not from code of the pipeline */
function givesPlain(schema: Schema, raw: boolean, seen: Seen): boolean {
  const set = raw ? seen.raw : seen.made;
  if (set.has(schema)) return true;
  if (seen.depth >= depthMax || seen.raw.size + seen.made.size >= schemasMax) return false;
  set.add(schema);
  seen.depth++;
  const isPlain = partsArePlain(schema, raw, seen);
  seen.depth--;
  return isPlain;
}

function partsArePlain(schema: Schema, raw: boolean, seen: Seen): boolean {
  const definition = definitionOf(schema);
  const all = (schemas: readonly (Schema | null | undefined)[]) =>
    schemas.every((each) => !each || givesPlain(each, raw, seen));
  switch (definition.type) {
    case 'object':
      return all([...Object.values(definition.shape!), definition.catchall]);
    case 'array':
      return all([definition.element]);
    case 'tuple':
      return all([...definition.items!, definition.rest]);
    case 'record':
      return all([definition.valueType]);
    case 'union':
      return all(definition.options!);
    case 'intersection':
      return all([definition.left, definition.right]);
    case 'optional':
    case 'nullable':
    case 'readonly':
    case 'nonoptional':
      return all([definition.innerType]);
    case 'default':
    case 'prefault':
    case 'catch':
      return givesPlain(definition.innerType!, false, seen);
    case 'lazy':
      return all([referredBy(schema)]);
    case 'pipe':
      return givesPlain(
        definition.out!,
        definition.transform === undefined && givesPlain(definition.in!, raw, seen),
        seen,
      );
    case 'any':
    case 'unknown':
    case 'custom':
      return raw && onlyRefuses(definition);
    case 'literal':
      return definition.values!.every((value) => typeof value !== 'bigint' && typeof value !== 'symbol');
    default:
      return plainTypes.has(definition.type);
  }
}

/** For `JSON.stringify`. It looks at the value itself, which may have been made another one by its own `toJSON`. */
export function toPlainJson(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key];
  switch (typeof original) {
    case 'bigint':
      return original.toString();
    case 'object':
      return original === null ? null : (plainOf(original) ?? value);
    default:
      return value;
  }
}

function plainOf(value: object): unknown {
  if (value instanceof Map || value instanceof Set) return [...value];
  if (value instanceof ArrayBuffer) return base64(new Uint8Array(value));
  if (value instanceof Uint8Array || value instanceof Uint8ClampedArray || value instanceof DataView)
    return base64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  if (ArrayBuffer.isView(value)) return [...(value as unknown as Iterable<unknown>)];
  if (value instanceof RegExp) return String(value);
  return undefined;
}

function base64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

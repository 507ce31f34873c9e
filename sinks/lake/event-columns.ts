import type { ZodType } from 'zod';

/** What a column of the lake holds. `json` is a text; a timestamp counts milliseconds since 1970. */
export type ColumnKind = 'string' | 'number' | 'boolean' | 'timestamp' | 'json';

/** How the events of a pipeline become columns. Travels in every segment, so that a roll-up needs no pipeline code. */
export interface EventColumns {
  /** Fields that have a column of their own, in the schema's order. */
  fields: { name: string; kind: ColumnKind }[];
  /** True when events may have other fields too; one more column then holds those as JSON. */
  rest: boolean;
}

/** The part of a zod schema that is read here. */
interface Definition {
  type: string;
  shape?: Record<string, ZodType>;
  catchall?: ZodType;
  innerType?: ZodType;
  out?: ZodType;
  options?: ZodType[];
  left?: ZodType;
  right?: ZodType;
  element?: ZodType;
  valueType?: ZodType;
  values?: unknown[];
  entries?: Record<string, unknown>;
}

const wrappers = new Set(['optional', 'nullable', 'default', 'prefault', 'catch', 'readonly', 'nonoptional', 'success']);
const absent = new Set(['null', 'undefined', 'void', 'never']);

/**
 * Derives the columns from what the schema gives out. What cannot be told from it (the result of a bare `transform`, a union of
 * types, anything nested) becomes JSON text.
 */
export function eventColumns(schema: ZodType | undefined): EventColumns {
  const root = schema && definitionOf(schema);
  if (root?.type === 'object') {
    const fields = Object.entries(root.shape!).map(([name, field]) => ({ name, kind: kindOf(field) }));
    return { fields, rest: root.catchall !== undefined && definitionOf(root.catchall).type !== 'never' };
  }
  if (root?.type === 'intersection') return merge([eventColumns(root.left), eventColumns(root.right)]);
  if (root?.type === 'union') return merge(root.options!.map(eventColumns));
  return { fields: [], rest: true };
}

/** True when JSON carries every value of the schema as it is, so that the plain, quick way of writing it is enough. */
export function isPlainJson(schema: ZodType | undefined): boolean {
  if (!schema) return false;
  const { type, shape, catchall, options, left, right, element, valueType, values } = definitionOf(schema);
  switch (type) {
    case 'object':
      return (!catchall || isPlainJson(catchall)) && Object.values(shape!).every(isPlainJson);
    case 'array':
      return isPlainJson(element);
    case 'record':
      return isPlainJson(valueType);
    case 'union':
      return options!.every(isPlainJson);
    case 'intersection':
      return isPlainJson(left) && isPlainJson(right);
    case 'literal':
      return values!.every((value) => typeof value !== 'bigint');
    default:
      return ['string', 'template_literal', 'number', 'nan', 'boolean', 'date', 'enum', ...absent].includes(type);
  }
}

/** JSON for values that JSON has no form for: a bigint becomes its digits, a map its entries, a set its members. */
export function toPlainJson(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Map || value instanceof Set ? [...value] : value;
}

function kindOf(schema: ZodType): ColumnKind {
  const { type, options, values, entries } = definitionOf(schema);
  switch (type) {
    case 'string':
    case 'template_literal':
    case 'bigint':
      return 'string';
    case 'number':
    case 'nan':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'date':
      return 'timestamp';
    case 'literal':
      return common(values!.filter((value) => value !== null && value !== undefined).map(kindOfValue));
    case 'enum':
      return common(Object.values(entries!).map(kindOfValue));
    case 'union':
      return common(options!.filter((option) => !absent.has(definitionOf(option).type)).map(kindOf));
    default:
      return 'json';
  }
}

/** A TypeScript enum of numbers lists its names as values too, so it has no common kind and becomes JSON. */
function kindOfValue(value: unknown): ColumnKind {
  const type = typeof value === 'bigint' ? 'string' : typeof value;
  return type === 'string' || type === 'number' || type === 'boolean' ? type : 'json';
}

function common(kinds: readonly ColumnKind[]): ColumnKind {
  return kinds.length > 0 && kinds.every((kind) => kind === kinds[0]) ? kinds[0]! : 'json';
}

function merge(parts: readonly EventColumns[]): EventColumns {
  const kinds = new Map<string, ColumnKind>();
  for (const { name, kind } of parts.flatMap(({ fields }) => fields)) {
    kinds.set(name, (kinds.get(name) ?? kind) === kind ? kind : 'json');
  }
  return { fields: [...kinds].map(([name, kind]) => ({ name, kind })), rest: parts.some(({ rest }) => rest) };
}

/** The definition behind wrappers that do not change what a present value is, and behind pipes, whose output counts. */
function definitionOf(schema: ZodType): Definition {
  let definition = schema.def as Definition;
  for (;;) {
    if (wrappers.has(definition.type)) definition = definition.innerType!.def as Definition;
    else if (definition.type === 'pipe') definition = definition.out!.def as Definition;
    else return definition;
  }
}

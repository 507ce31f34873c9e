import { outputOf, type Definition, type Schema } from '../lib/schema-definition.ts';

/** What a column of the lake holds. `json` is a text; a timestamp counts milliseconds since 1970. */
export type ColumnKind = 'string' | 'number' | 'boolean' | 'timestamp' | 'json';

/** How the events of a pipeline become columns. Travels in every segment, so that a roll-up needs no pipeline code. */
export interface EventColumns {
  /** Fields that have a column of their own, in the schema's order. */
  fields: { name: string; kind: ColumnKind }[];
  /** True when events may have other fields too; one more column then holds those as JSON. */
  rest: boolean;
}

const absent = new Set(['null', 'undefined', 'void', 'never']);

/**
 * Derives the columns from what the schema gives out. What cannot be told from it (the result of a bare `transform`, a union of
 * types, anything nested, a schema of another library) becomes JSON text.
 */
export function eventColumns(schema: Schema | undefined): EventColumns {
  return schema ? columnsOf(outputOf(schema), new Set()) : { fields: [], rest: true };
}

/** Unions and intersections in one another. A schema that refers to itself has no end, and one that makes itself anew is not seen to. */
const withinMax = 8;

/** @param within what is being looked at */
function columnsOf(root: Definition, within: ReadonlySet<Definition>): EventColumns {
  if (within.has(root)) return { fields: [], rest: false };
  if (within.size >= withinMax) return { fields: [], rest: true };
  const inner = new Set(within).add(root);
  const columns = (schemas: readonly Schema[]) => merge(schemas.map((each) => columnsOf(outputOf(each), inner)));
  switch (root.type) {
    case 'object':
      return {
        fields: Object.entries(root.shape!).map(([name, field]) => ({
          name,
          kind: kindOf(outputOf(field), new Set()),
        })),
        rest: root.catchall !== undefined && outputOf(root.catchall).type !== 'never',
      };
    case 'intersection':
      return columns([root.left!, root.right!]);
    case 'union':
      return columns(root.options!);
    default:
      return { fields: [], rest: true };
  }
}

function kindOf(definition: Definition, within: ReadonlySet<Definition>): ColumnKind {
  if (within.has(definition) || within.size >= withinMax) return 'json';
  const { type, options, values, entries } = definition;
  switch (type) {
    case 'string':
    case 'template_literal':
    case 'bigint':
      return 'string';
    case 'number':
    case 'nan':
      return 'number';
    case 'boolean':
    case 'success':
      return 'boolean';
    case 'date':
      return 'timestamp';
    case 'literal':
      return common(values!.filter((value) => value !== null && value !== undefined).map(kindOfValue));
    case 'enum':
      return common(Object.values(entries!).map(kindOfValue));
    case 'union': {
      const inner = new Set(within).add(definition);
      return common(
        options!
          .map(outputOf)
          .filter((option) => !absent.has(option.type))
          .map((option) => kindOf(option, inner)),
      );
    }
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

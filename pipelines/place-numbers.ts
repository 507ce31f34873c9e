import type { EventSchema } from '../contracts/pipeline.ts';
import type { Schema } from '../lib/schema-definition.ts';
import { NumberLiteral } from '../lib/number-literals.ts';
import { inputOf, takenBy, unionOptions, wantedBy, type Wanted } from './schema-inputs.ts';

/** A number that would be rounded, and where it stands. */
export interface RefusedNumber {
  path: PropertyKey[];
  reason: string;
}

/** Integers of more digits have no use as ids or amounts, and what is made of them takes time that grows with their square. */
const digitsMax = 256;
/** How many options of unions are tried on an event before it is refused: an option may hold unions itself, so their number multiplies. */
const trialsMax = 1_000;

/** What became of the literals of one value. */
interface Placing {
  refused: { literal: NumberLiteral; path: PropertyKey[]; reason: string }[];
  /** Literals that got their place. One that a schema refuses may be placed by the other side of an intersection. */
  placed: Set<NumberLiteral>;
  budget: { trials: number };
}

/**
 * Gives every integer the form that the schema asks for at its place: a bigint, the text of its digits, or a number where that is
 * exact. What is left is refused; what the schema drops is not looked at. Changes the value in place, and returns it.
 */
export function placeNumbers(schema: Schema, value: unknown): { value: unknown; refused: RefusedNumber[] } {
  const placing: Placing = { refused: [], placed: new Set(), budget: { trials: trialsMax } };
  const placedValue = place(schema, value, [], placing);
  return { value: placedValue, refused: placing.refused.filter(({ literal }) => !placing.placed.has(literal)) };
}

function place(schema: Schema, value: unknown, path: PropertyKey[], placing: Placing): unknown {
  if (typeof value === 'number' || value instanceof NumberLiteral)
    return placeNumber(wantedBy(schema), value, path, placing);
  if (typeof value !== 'object' || value === null) return value;
  const def = inputOf(schema);
  switch (def.type) {
    case 'object':
      return placeEach(
        value,
        (key) => (Object.hasOwn(def.shape!, key) ? def.shape![key] : def.catchall),
        path,
        placing,
      );
    case 'record':
      return placeEach(value, () => def.valueType, path, placing);
    case 'array':
      return placeEach(value, () => def.element, path, placing);
    case 'tuple':
      return placeEach(value, (key) => def.items![Number(key)] ?? def.rest ?? undefined, path, placing);
    case 'intersection':
      return place(def.right!, place(def.left!, value, path, placing), path, placing);
    case 'union':
      return placeInUnion(unionOptions(def.options!), value, path, placing);
    default: {
      // What goes on to code of the pipeline's own is looked through; anything else the schema refuses.
      const { anything, text } = wantedBy(schema);
      return anything || text ? placeEach(value, () => schema, path, placing) : value;
    }
  }
}

function placeEach(
  value: object,
  schemaOf: (key: string) => Schema | undefined,
  path: PropertyKey[],
  placing: Placing,
): object {
  const holder = value as Record<string, unknown>;
  for (const key of Object.keys(value)) {
    const schema = schemaOf(key);
    if (schema) holder[key] = place(schema, holder[key], [...path, key], placing);
  }
  return value;
}

function placeNumber(wanted: Wanted, value: number | NumberLiteral, path: PropertyKey[], placing: Placing): unknown {
  if (typeof value === 'number')
    return wanted.bigint && !wanted.number && !wanted.anything && Number.isSafeInteger(value) ? BigInt(value) : value;
  const { text, integer } = value;
  const refuse = (reason: string) => {
    placing.refused.push({ literal: value, path, reason });
    return value;
  };
  if (integer === undefined) return wanted.anything ? refuse('a number greater than a double can be') : Number(text);
  // No number is asked for here, and the schema itself says so.
  if (!wanted.bigint && !wanted.text && !wanted.number && !wanted.anything) return Number(text);
  if (integer.length > digitsMax) return refuse(`an integer of more than ${digitsMax} digits`);
  placing.placed.add(value);
  if (wanted.bigint) return BigInt(integer);
  if (wanted.text) return integer;
  if (BigInt(Number(integer)) === BigInt(integer)) return Number(integer);
  placing.placed.delete(value);
  return refuse(
    'an integer beyond 2^53, which would be rounded; declare it as z.bigint() or z.coerce.string(), or send it as text',
  );
}

/** An object or array takes the form that the option asks for whose schema accepts it. */
function placeInUnion(options: readonly Schema[], value: object, path: PropertyKey[], placing: Placing): unknown {
  const candidates = options.filter((option) => mayTake(option, value));
  if (!candidates.some((option) => takenBy(option).bigint) && !holdsLiteral(value)) return value;
  if (candidates.length === 1) return place(candidates[0]!, value, path, placing);
  const tried: { value: unknown; placing: Placing }[] = [];
  for (const option of candidates) {
    if (--placing.budget.trials < 0) break;
    const attempt = {
      value: undefined as unknown,
      placing: { refused: [], placed: new Set<NumberLiteral>(), budget: placing.budget },
    };
    attempt.value = place(option, copyOf(value), path, attempt.placing);
    if (attempt.placing.refused.length === 0 && accepts(option, attempt.value)) return adopt(attempt, placing);
    tried.push(attempt);
  }
  // Either the event does not fit, which the schema says, or it fits only where an integer would be rounded.
  const first = tried.find((attempt) => attempt.placing.refused.length > 0) ?? tried[0];
  return first ? adopt(first, placing) : value;
}

function adopt(attempt: { value: unknown; placing: Placing }, placing: Placing): unknown {
  placing.refused.push(...attempt.placing.refused);
  for (const literal of attempt.placing.placed) placing.placed.add(literal);
  return attempt.value;
}

/** False when the option surely refuses the value: by its kind, or by a property that must be one of some literals. */
function mayTake(option: Schema, value: object): boolean {
  const def = inputOf(option);
  const isArray = Array.isArray(value);
  switch (def.type) {
    case 'object':
    case 'record':
      if (isArray) return false;
      break;
    case 'array':
    case 'tuple':
      return isArray;
    case 'intersection':
    case 'any':
    case 'unknown':
    case 'custom':
    case 'transform':
    case 'foreign':
      break;
    default:
      return def.coerce === true;
  }
  return Object.entries(propertiesOf(option)).every(([key, literals]) =>
    mayBeOneOf(literals, (value as Record<string, unknown>)[key]),
  );
}

/** Of an object of zod 4, the literals that each property must be one of. */
function propertiesOf(option: Schema): Record<string, ReadonlySet<unknown>> {
  return (option as { _zod?: { propValues?: Record<string, ReadonlySet<unknown>> } })._zod?.propValues ?? {};
}

function mayBeOneOf(literals: ReadonlySet<unknown>, value: unknown): boolean {
  return (
    literals.has(value) ||
    value instanceof NumberLiteral ||
    (Number.isSafeInteger(value) && literals.has(BigInt(value as number)))
  );
}

function holdsLiteral(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return value instanceof NumberLiteral || Object.values(value).some(holdsLiteral);
}

function accepts(option: Schema, value: unknown): boolean {
  try {
    return (option as EventSchema<unknown>).safeParse(copyOf(value)).success;
  } catch {
    // The schema's own code failed, or waits for something: that shows when the event itself is parsed.
    return false;
  }
}

function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof NumberLiteral) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copyOf(each)]));
}

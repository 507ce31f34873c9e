import { isUtf8 } from 'node:buffer';
import type { Schema } from '../lib/schema-definition.ts';
import { mayHoldBigIntegers, mayHoldInfiniteNumbers, parseWithNumberLiterals } from '../lib/number-literals.ts';
import { placeNumbers } from './place-numbers.ts';
import { describeIssues, Refused } from './refused.ts';
import { takenBy } from './schema-inputs.ts';

const depthMax = 32;
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * The JSON value of a record, for its schema: numbers that a double does not hold have the form that the schema asks for. Throws
 * Refused where that cannot be, and on anything that is no JSON text or could harm.
 */
export function parseValue(schema: Schema, value: Uint8Array | null): unknown {
  if (!value || value.length === 0)
    throw new Refused('EMPTY_VALUE', value ? 'the value is empty' : 'the record has no value (a tombstone)');
  if (!isUtf8(value)) throw new Refused('NOT_JSON', 'the value is not UTF-8');
  const text = textOf(value);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The parser's message quotes the value, which may be personal.
    throw new Refused('NOT_JSON', 'the value is no JSON text');
  }
  if (needsInspection(text)) inspect(parsed, 0);
  const takes = takenBy(schema);
  // Only a place that takes anything would let an infinite number pass.
  const isSuspicious = mayHoldBigIntegers(text) || (takes.anything && mayHoldInfiniteNumbers(text));
  const exact = isSuspicious ? parseWithNumberLiterals(text) : { value: parsed, found: false };
  if (!exact.found && !takes.bigint) return parsed;
  const placed = placeNumbers(schema, exact.value);
  if (placed.refused.length === 0) return placed.value;
  throw new Refused(
    'INEXACT_NUMBER',
    describeIssues(placed.refused.map(({ path, reason }) => ({ path, message: reason, code: 'custom' }))),
  );
}

/** The text without a byte order mark, which programs on Windows put before it. */
function textOf(value: Uint8Array): string {
  const skipped = value[0] === 0xef && value[1] === 0xbb && value[2] === 0xbf ? 3 : 0;
  return Buffer.from(value.buffer, value.byteOffset + skipped, value.byteLength - skipped).toString('utf8');
}

/** A cheap look that nearly every record passes: only a suspicious one is walked. Keys can be spelled with escapes, too. */
function needsInspection(text: string): boolean {
  if (text.includes('__proto__') || text.includes('constructor') || text.includes('prototype') || text.includes('\\u'))
    return true;
  let openers = 0;
  for (let at = text.search(/[[{]/); at >= 0 && openers <= depthMax; openers++) at = nextOpener(text, at + 1);
  return openers > depthMax;
}

function nextOpener(text: string, from: number): number {
  const brace = text.indexOf('{', from);
  const bracket = text.indexOf('[', from);
  return brace < 0 || (bracket >= 0 && bracket < brace) ? bracket : brace;
}

function inspect(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth >= depthMax) throw new Refused('TOO_DEEP', `nested deeper than ${depthMax} levels`);
  for (const key of Object.keys(value)) {
    if (forbiddenKeys.has(key)) throw new Refused('FORBIDDEN_KEY', `has a key "${key}"`);
    inspect((value as Record<string, unknown>)[key], depth + 1);
  }
}

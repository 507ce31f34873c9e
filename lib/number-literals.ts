import { parse } from 'lossless-json';

/**
 * A number of a JSON text that a double may not hold: an integer from 2^53 on, or a number that is greater than every double.
 * It stands for itself in a parsed value until the event schema says what it is to become.
 */
export class NumberLiteral {
  constructor(
    readonly text: string,
    /** The digits when the number is whole and written without an exponent; a zero fraction is cut off. */
    readonly integer: string | undefined,
  ) {}

  toJSON(): string {
    return this.text;
  }
}

/** As many digits as 2^53 has, and as few as the greatest double has (less some, to be sure). */
const bigDigits = 16;
const greatestSafe = String(Number.MAX_SAFE_INTEGER);
const infiniteDigits = 300;
const infiniteExponent = /\d[eE]\+?\d{3}/;

/**
 * False when a double surely holds every integer of the text. A look that costs a small part of what parsing costs: a run of 16 digits
 * covers one of the places that are looked at. What stands in a string may be taken for an integer, which only costs time.
 */
export function mayHoldBigIntegers(json: string): boolean {
  for (let at = bigDigits - 1; at < json.length; at += bigDigits) {
    if (!isDigit(json, at)) continue;
    let start = at;
    while (isDigit(json, start - 1)) start--;
    let end = at + 1;
    while (isDigit(json, end)) end++;
    if (end - start >= bigDigits && isBig(json, start, end) && mayBeInteger(json, start, end)) return true;
    at += Math.floor((end - at) / bigDigits) * bigDigits;
  }
  return false;
}

/** False when no number of the text is surely greater than a double can be, as far as its exponent tells. */
export function mayHoldInfiniteNumbers(json: string): boolean {
  return infiniteExponent.test(json);
}

function isDigit(json: string, at: number): boolean {
  const code = json.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** False for what a double surely holds, such as a time in microseconds. */
function isBig(json: string, start: number, end: number): boolean {
  return end - start > bigDigits || json.slice(start, end) > greatestSafe;
}

/** By the characters around the digits: a number stands behind one of these, and a fraction or an exponent makes it no integer. */
function mayBeInteger(json: string, start: number, end: number): boolean {
  const before = json[json[start - 1] === '-' ? start - 2 : start - 1];
  if (before !== undefined && !':[, \t\n\r'.includes(before)) return false;
  if (end - start >= infiniteDigits) return true;
  return !/[eE]/.test(json[end] ?? '') && (json[end] !== '.' || json[end + 1] === '0');
}

/**
 * Reads a JSON text as `JSON.parse` does (the last of equal keys counts), but keeps what a double may not hold as a
 * {@link NumberLiteral}. The text must be known to be JSON, and not deeply nested.
 */
export function parseWithNumberLiterals(json: string): { value: unknown; found: boolean } {
  let found = false;
  const parseNumber = (text: string) => {
    const value = Number(text);
    const integer = Number.isSafeInteger(value) ? undefined : /^(-?\d+)(?:\.0+)?$/.exec(text)?.[1];
    if (integer === undefined && Number.isFinite(value)) return value;
    found = true;
    return new NumberLiteral(text, integer);
  };
  const value = parse(json, undefined, { parseNumber, onDuplicateKey: ({ newValue }) => newValue });
  return { value, found };
}

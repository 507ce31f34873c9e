/**
 * Finds the parts of a JSON text without reading them, so that they can go on as they were written. The text must be known to be
 * JSON in UTF-8: all that matters to the structure is ASCII, and no byte of a longer character looks like it.
 */

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;

/** True for a whole JSON text, and nothing else. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The elements of an array; the text itself, without the whitespace around it, when it is no array. No byte is copied. */
export function jsonElements(json: Buffer): Buffer[] {
  const start = skipSpace(json, 0);
  if (json[start] !== 0x5b) return [json.subarray(start, endOfValue(json, start))];
  const elements: Buffer[] = [];
  for (let at = skipSpace(json, start + 1); json[at] !== 0x5d; at = skipSpace(json, at)) {
    const end = endOfValue(json, at);
    elements.push(json.subarray(at, end));
    at = skipSpace(json, end);
    if (json[at] !== comma) break;
    at += 1;
  }
  return elements;
}

/** The value of an object's member, as it is written; undefined when there is none. Of equal names the last one counts. */
export function jsonMember(json: Buffer, name: string): Buffer | undefined {
  let found: Buffer | undefined;
  const start = skipSpace(json, 0);
  if (json[start] !== 0x7b) return undefined;
  for (let at = skipSpace(json, start + 1); json[at] === quote; at = skipSpace(json, at)) {
    const keyEnd = endOfString(json, at);
    const key = json.toString('utf8', at, keyEnd);
    const valueStart = skipSpace(json, skipSpace(json, keyEnd) + 1);
    const valueEnd = endOfValue(json, valueStart);
    if (JSON.parse(key) === name) found = json.subarray(valueStart, valueEnd);
    at = skipSpace(json, valueEnd);
    if (json[at] !== comma) break;
    at += 1;
  }
  return found;
}

function skipSpace(json: Buffer, from: number): number {
  let at = from;
  while (isSpace(json[at])) at++;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Where the string that begins here ends. */
function endOfString(json: Buffer, start: number): number {
  for (let at = start + 1; at < json.length; at++) {
    if (json[at] === quote) return at + 1;
    if (json[at] === backslash) at++;
  }
  return json.length;
}

/** Where the value that begins here ends. */
function endOfValue(json: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; at < json.length; at++) {
    switch (json[at]) {
      case quote:
        at = endOfString(json, at) - 1;
        if (depth === 0) return at + 1;
        break;
      case 0x7b:
      case 0x5b:
        depth++;
        break;
      case 0x7d:
      case 0x5d:
        // At depth 0 it closes what the value stands in.
        if (depth === 0) return at;
        if (--depth === 0) return at + 1;
        break;
      case comma:
      case 0x20:
      case 0x0a:
      case 0x0d:
      case 0x09:
        if (depth === 0) return at;
        break;
      default:
        break;
    }
  }
  return json.length;
}

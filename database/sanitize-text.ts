/**
 * Postgres stores every Unicode text but two: the NUL character and half of a surrogate pair. Either becomes U+FFFD, the
 * replacement character, so that a row is kept and its content otherwise unchanged. The lake keeps the original.
 */

const replacement = '\uFFFD';

/** A text that a `text` column takes. Half surrogates are replaced when the text becomes UTF-8. */
export function sanitizeText(text: string): string {
  return text.includes('\u0000') ? text.replaceAll('\u0000', replacement) : text;
}

/** The text as it reads once it was stored: what to look for when a stored text is looked up, or compared with another. */
export function sanitizedText(text: string): string {
  return Buffer.from(sanitizeText(text)).toString();
}

/**
 * The JSON text of a value, as a `jsonb` column takes it. `JSON.stringify` writes only half surrogates and control characters
 * as escapes, so any escaped surrogate is half of one. Throws a TypeError on what JSON cannot hold (a bigint, a cycle).
 *
 * @param replacer as `JSON.stringify` takes it
 */
export function sanitizeJson(
  value: unknown,
  replacer?: (this: unknown, key: string, value: unknown) => unknown,
): string {
  const json = JSON.stringify(value, replacer);
  if (json === undefined) throw new TypeError(`${typeof value} is no JSON value`);
  if (!json.includes('\\u')) return json;
  return json.replace(/(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g, `$1${replacement}`);
}

/**
 * A record's headers travel as Kafka stores them, end to end: name and value of each, with their lengths before them as varints. So their order,
 * repeated ones, ones without a value and bytes that are no text all stay, and a record without headers costs nothing.
 */

/** Name and value. Kafka promises of neither that it is text, and a header can have no value, which is another thing than an empty one. */
export type RecordHeader = readonly [name: Uint8Array, value: Uint8Array | null];

/** Headers that cannot be read: they were cut or changed. */
export class BrokenHeadersError extends RangeError {
  override readonly name = 'BrokenHeadersError';
}

const utf8 = new TextEncoder();

/** A header whose name, and value if it has one, are text. */
export function textHeader(name: string, value: string | null): RecordHeader {
  return [utf8.encode(name), value === null ? null : utf8.encode(value)];
}

/** Writes a list of headers, in its order. */
export function encodeHeaders(headers: readonly RecordHeader[]): Uint8Array {
  let size = 0;
  for (const header of headers) size += headerBytes(header);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const [name, value] of headers) at = writeItem(bytes, writeItem(bytes, at, name), value);
  return bytes;
}

/** Reads the headers one after another; their bytes are views. Throws a BrokenHeadersError where they end too early. */
export function* headersIn(bytes: Uint8Array | undefined): Generator<RecordHeader> {
  if (!bytes) return;
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) {
    const name = readItem(bytes, cursor);
    if (!name) throw new BrokenHeadersError('a header without a name');
    yield [name, readItem(bytes, cursor)];
  }
}

/** A header for people and for JSON. What is no UTF-8 is there in base64 instead. */
export type ReadableHeader = ({ name: string } | { nameBase64: string }) &
  ({ value: string | null } | { valueBase64: string });

/** The headers as a list that JSON carries without loss. */
export function readableHeaders(bytes: Uint8Array | undefined): ReadableHeader[] {
  const headers: ReadableHeader[] = [];
  for (const [name, value] of headersIn(bytes)) {
    const nameText = textOf(name);
    const valueText = value && textOf(value);
    headers.push({
      ...(nameText === undefined ? { nameBase64: base64Of(name) } : { name: nameText }),
      ...(valueText === undefined ? { valueBase64: base64Of(value!) } : { value: valueText }),
    });
  }
  return headers;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Undefined when the bytes are no text. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function base64Of(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * Moves over `count` headers from one index, and returns where they end. Throws a BrokenHeadersError when they do not end before `end`. Makes no
 * objects, however many there are.
 */
export function skipHeaders(bytes: Uint8Array, from: number, end: number, count: number): number {
  const cursor = { at: from };
  for (let i = 0; i < count; i++) {
    if (skipItem(bytes, cursor, end) < 0) throw new BrokenHeadersError('a header without a name');
    skipItem(bytes, cursor, end);
  }
  return cursor.at;
}

/** As many of the headers as have room, in their order, and how many have none. Makes no objects for those, however many there are. */
export function headersWithin(bytes: Uint8Array, bytesMax: number): { kept: Uint8Array | undefined; leftOut: number } {
  const kept = new Uint8Array(Math.min(bytesMax, bytes.length));
  let size = 0;
  let leftOut = 0;
  for (let from = 0, end; from < bytes.length; from = end) {
    end = skipHeaders(bytes, from, bytes.length, 1);
    if (size + end - from > bytesMax) leftOut++;
    else {
      kept.set(bytes.subarray(from, end), size);
      size += end - from;
    }
  }
  return { kept: size > 0 ? kept.slice(0, size) : undefined, leftOut };
}

function readItem(bytes: Uint8Array, cursor: { at: number }): Uint8Array | null {
  const length = skipItem(bytes, cursor);
  return length < 0 ? null : bytes.subarray(cursor.at - length, cursor.at);
}

/** Moves behind an item, and returns its length; -1 where there is none. */
function skipItem(bytes: Uint8Array, cursor: { at: number }, end = bytes.length): number {
  const length = readLength(bytes, cursor);
  if (length < -1 || cursor.at + Math.max(0, length) > end) throw new BrokenHeadersError('headers that end too early');
  cursor.at += Math.max(0, length);
  return length;
}

const lengthBytesMax = 5;

/** A zigzag varint of at most 32 bits. */
function readLength(bytes: Uint8Array, cursor: { at: number }): number {
  let value = 0;
  for (let i = 0; i < lengthBytesMax; i++) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) break;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
  }
  throw new BrokenHeadersError('a length that does not end');
}

/** Bytes of a header as it is stored. */
export function headerBytes([name, value]: RecordHeader): number {
  return itemBytes(name) + itemBytes(value);
}

function itemBytes(item: Uint8Array | null): number {
  return item ? lengthBytes(item.length) + item.length : 1;
}

function lengthBytes(length: number): number {
  let bytes = 1;
  for (let rest = length * 2; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function writeItem(into: Uint8Array, at: number, item: Uint8Array | null): number {
  let next = at;
  let rest = item ? item.length * 2 : 1;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) into[next++] = (rest % 0x80) | 0x80;
  into[next++] = rest;
  if (item) into.set(item, next);
  return next + (item?.length ?? 0);
}

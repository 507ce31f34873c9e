/**
 * Lists as parameters for `unnest`. pg writes a list element by element, with every quote of every JSON document escaped, and Postgres parses it
 * again: at 2,048 rows a statement that costs more than all the rest. So texts and floats travel in Postgres's binary form.
 */

/** Type numbers of Postgres; they are part of its protocol and never change. */
const oids = { text: 25, float4: 700 } as const;

const headerBytes = 20;
const lengthBytes = 4;
const float4Bytes = 4;
/** Of a UTF-16 unit in UTF-8. */
const utf8BytesMax = 3;

/** Parameter for `$n::text[]`. */
export function textArray(values: readonly string[]): Buffer {
  let room = headerBytes;
  for (const value of values) room += lengthBytes + value.length * utf8BytesMax;
  const buffer = Buffer.allocUnsafe(room);
  let at = writeHeader(buffer, oids.text, values.length);
  for (const value of values) {
    const bytes = buffer.write(value, at + lengthBytes);
    buffer.writeInt32BE(bytes, at);
    at += lengthBytes + bytes;
  }
  return buffer.subarray(0, at);
}

/** Parameter for `$n::real[]`, of as many numbers as there are in all of the lists. */
export function float4Array(lists: readonly Float32Array[]): Buffer {
  const length = lists.reduce((sum, values) => sum + values.length, 0);
  const buffer = Buffer.allocUnsafe(headerBytes + length * (lengthBytes + float4Bytes));
  let at = writeHeader(buffer, oids.float4, length);
  for (const values of lists) {
    for (const value of values) {
      at = buffer.writeInt32BE(float4Bytes, at);
      at = buffer.writeFloatBE(value, at);
    }
  }
  return buffer.subarray(0, at);
}

/** Parameter for an array of any type whose values need no quotes. */
export function plainArray(values: readonly (number | boolean | null)[]): string {
  return `{${values.map((value) => value ?? 'null').join()}}`;
}

/** Dimensions, no nulls, the type; for the one dimension its length and its first index. An empty array has none. */
function writeHeader(buffer: Buffer, oid: number, length: number): number {
  let at = 0;
  for (const field of length === 0 ? [0, 0, oid] : [1, 0, oid, length, 1]) at = buffer.writeInt32BE(field, at);
  return at;
}

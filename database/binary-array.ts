/**
 * One-dimensional arrays in Postgres's binary form, as parameters for `unnest`. The text form would escape every quote of
 * every JSON document on our side and parse it again on theirs: at 2,048 rows a statement that costs more than all the rest.
 */

/** Type numbers of Postgres; they are part of its protocol and never change. */
const oids = { bool: 16, int8: 20, text: 25, float4: 700, timestamptz: 1184, jsonb: 3802 } as const;

const headerBytes = 20;
/** An empty array has no dimension, and so no length and no lower bound. */
const emptyHeaderBytes = 12;
const jsonbVersion = 1;
/** 2000-01-01, from which Postgres counts its times, in milliseconds since 1970. */
const postgresEpochMs = 946_684_800_000;

/** Parameter for `$n::text[]`. */
export function textArray(values: readonly string[]): Buffer {
  return variableArray(oids.text, values, 0);
}

/** Parameter for `$n::jsonb[]`; the values are JSON texts. */
export function jsonbArray(values: readonly string[]): Buffer {
  return variableArray(oids.jsonb, values, 1);
}

/** Parameter for `$n::int8[]`; whole numbers up to 2^53. */
export function int8Array(values: readonly number[]): Buffer {
  return fixedArray(oids.int8, values, 8, writeInt8);
}

/** Parameter for `$n::real[]`. */
export function float4Array(values: ArrayLike<number>): Buffer {
  return fixedArray(oids.float4, values, 4, writeFloat4);
}

/** Parameter for `$n::bool[]`. */
export function boolArray(values: readonly boolean[]): Buffer {
  return fixedArray(oids.bool, values, 1, writeBool);
}

/** Parameter for `$n::timestamptz[]`; milliseconds since 1970, kept to the microsecond. Throws a RangeError on what is no time. */
export function timestamptzArray(valuesMs: readonly number[]): Buffer {
  return fixedArray(oids.timestamptz, valuesMs, 8, writeTimestamptz);
}

/** Writes the value of a row at a place in the buffer. */
type Write<T> = (buffer: Buffer, at: number, value: T, row: number) => void;

const writeInt8: Write<number> = (buffer, at, value) => buffer.writeBigInt64BE(BigInt(value), at);
const writeFloat4: Write<number> = (buffer, at, value) => buffer.writeFloatBE(value, at);
const writeBool: Write<boolean> = (buffer, at, value) => buffer.writeUInt8(value ? 1 : 0, at);
const writeTimestamptz: Write<number> = (buffer, at, valueMs, row) => {
  const microseconds = Math.round((valueMs - postgresEpochMs) * 1_000);
  if (!Number.isFinite(microseconds)) throw new RangeError(`row ${row}: ${valueMs} is no time`);
  buffer.writeBigInt64BE(BigInt(microseconds), at);
};

function header(buffer: Buffer, oid: number, length: number): void {
  const fields = length === 0 ? [0, 0, oid] : [1, 0, oid, length, 1];
  fields.forEach((field, i) => buffer.writeInt32BE(field, i * 4));
}

function fixedArray<T>(oid: number, values: ArrayLike<T>, bytes: number, write: Write<T>): Buffer {
  const { length } = values;
  const buffer = Buffer.allocUnsafe(length === 0 ? emptyHeaderBytes : headerBytes + length * (4 + bytes));
  header(buffer, oid, length);
  for (let i = 0; i < length; i += 1) {
    const at = headerBytes + i * (4 + bytes);
    buffer.writeInt32BE(bytes, at);
    write(buffer, at + 4, values[i]!, i);
  }
  return buffer;
}

function variableArray(oid: number, values: readonly string[], prefixBytes: 0 | 1): Buffer {
  // Three bytes a UTF-16 unit is the most that UTF-8 needs; the unused rest is cut off without a copy.
  let room = headerBytes;
  for (const value of values) room += value.length * 3 + 4 + prefixBytes;
  const buffer = Buffer.allocUnsafe(room);
  header(buffer, oid, values.length);
  let at = headerBytes;
  for (const value of values) {
    const written = buffer.write(value, at + 4 + prefixBytes);
    if (prefixBytes === 1) buffer.writeUInt8(jsonbVersion, at + 4);
    buffer.writeInt32BE(written + prefixBytes, at);
    at += 4 + prefixBytes + written;
  }
  return buffer.subarray(0, values.length === 0 ? emptyHeaderBytes : at);
}

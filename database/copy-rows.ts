import { finished } from 'node:stream/promises';
import type { PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** What no column can hold. The message does not say it. */
export class UnstorableError extends Error {
  override readonly name = 'UnstorableError';
}

/**
 * Rows in the binary form of Postgres's COPY. The text form would escape every quote of every JSON document on our side and
 * parse it again on theirs. Columns are written in order, `row` before the first of each row, `end` after the last row.
 */
export class CopyRows {
  #buffer = Buffer.allocUnsafe(64 * 1024);
  #at = 0;

  constructor(private readonly columns: number) {
    this.#at = signature.copy(this.#buffer);
    // No flags, no extension.
    this.#int4(0);
    this.#int4(0);
  }

  row(): void {
    this.#makeRoom(2);
    this.#int2(this.columns);
  }

  text(value: string): void {
    this.#makeRoom(4 + value.length * utf8BytesMax);
    const bytes = this.#buffer.write(value, this.#at + 4);
    this.#int4(bytes);
    this.#at += bytes;
  }

  /** @param value a JSON text */
  jsonb(value: string): void {
    this.#makeRoom(5 + value.length * utf8BytesMax);
    const bytes = this.#buffer.write(value, this.#at + 5);
    this.#int4(1 + bytes);
    this.#buffer[this.#at++] = jsonbVersion;
    this.#at += bytes;
  }

  int4(value: number): void {
    assertWhole(value);
    this.#makeRoom(8);
    this.#int4(4);
    this.#int4(value);
  }

  /** Whole numbers up to 2^53. Throws on any other. */
  int8(value: number): void {
    assertWhole(value);
    this.#int8(value);
  }

  /** Milliseconds since 1970, kept to the microsecond. Throws on what is no time. */
  timestamptz(valueMs: number): void {
    const microseconds = Math.round((valueMs - postgresEpochMs) * 1_000);
    if (!Number.isFinite(microseconds)) throw new UnstorableError('a time is no number');
    this.#int8(microseconds);
  }

  null(): void {
    this.#makeRoom(4);
    this.#int4(-1);
  }

  bool(value: boolean): void {
    this.#makeRoom(5);
    this.#int4(1);
    this.#buffer[this.#at++] = value ? 1 : 0;
  }

  /** A `real[]` of `count` numbers. */
  float4s(values: Float32Array, from: number, count: number): void {
    const bytes = (count === 0 ? 12 : 20) + count * 8;
    this.#makeRoom(4 + bytes);
    this.#int4(bytes);
    // Dimensions, no nulls, the type; for each dimension its length and its first index.
    this.#int4(count === 0 ? 0 : 1);
    this.#int4(0);
    this.#int4(float4Oid);
    if (count > 0) {
      this.#int4(count);
      this.#int4(1);
    }
    for (let i = from; i < from + count; i++) {
      this.#int4(4);
      this.#at = this.#buffer.writeFloatBE(values[i]!, this.#at);
    }
  }

  /** All rows, as `copyIn` takes them. */
  end(): Buffer {
    this.#makeRoom(2);
    this.#int2(-1);
    return this.#buffer.subarray(0, this.#at);
  }

  #int2(value: number): void {
    this.#at = this.#buffer.writeInt16BE(value, this.#at);
  }

  #int4(value: number): void {
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
  }

  #int8(value: number): void {
    this.#makeRoom(12);
    this.#int4(8);
    this.#int4(Math.floor(value / 2 ** 32));
    this.#at = this.#buffer.writeUInt32BE(value >>> 0, this.#at);
  }

  #makeRoom(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

const signature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const jsonbVersion = 1;
/** Part of Postgres's protocol; it never changes. */
const float4Oid = 700;
/** 2000-01-01, from which Postgres counts its times, in milliseconds since 1970. */
const postgresEpochMs = 946_684_800_000;
function assertWhole(value: number): void {
  if (!Number.isSafeInteger(value)) throw new UnstorableError('a number is not whole');
}

/** A UTF-16 unit needs at most three bytes. */
const utf8BytesMax = 3;

/**
 * Runs a `copy ... from stdin (format binary)`. Statements behind it, after a semicolon, belong to the same transaction: all of them
 * have their effect, or none. They must not answer rows.
 */
export async function copyIn(client: PoolClient, sql: string, rows: Buffer): Promise<void> {
  const stream = client.query(copyFrom(sql));
  stream.end(rows);
  // `finished` goes on listening: a COPY that fails while its rows are on their way errs a second time when the socket drains.
  await finished(stream);
}

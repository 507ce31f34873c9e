import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boolArray, float4Array, int8Array, jsonbArray, textArray, timestamptzArray } from '../../database/binary-array.ts';
import type { Pool } from '../../database/pool.ts';
import { openDatabase } from './open.ts';

describe('binary arrays', () => {
  let pool: Pool;
  beforeAll(async () => {
    ({ pool } = await openDatabase());
  }, 120_000);
  afterAll(() => pool?.end());

  it('give back numbers, times and flags', async () => {
    const numbers = [0, -1, 2 ** 53 - 1, -(2 ** 53 - 1)];
    const times = [0, 1_760_000_000_123, -1, 946_684_800_000];
    const floats = [0.1, -3.5, 3.4e38, 1e-45].map(Math.fround);
    const { rows } = await pool.query<{ n: string; t: Date; b: boolean; f: number }>(
      'select n, t, b, f::float8 from unnest($1::int8[], $2::timestamptz[], $3::bool[], $4::real[]) as row (n, t, b, f)',
      [int8Array(numbers), timestamptzArray(times), boolArray([true, false, false, true]), float4Array(floats)],
    );
    expect(rows.map((row) => Number(row.n))).toEqual(numbers);
    expect(rows.map((row) => row.t.getTime())).toEqual(times);
    expect(rows.map((row) => row.b)).toEqual([true, false, false, true]);
    expect(rows.map((row) => row.f)).toEqual(floats);
  });

  it('may be empty', async () => {
    const sql = 'select cardinality($1::text[]) as t, cardinality($2::jsonb[]) as j, cardinality($3::int8[]) as n';
    expect((await pool.query(sql, [textArray([]), jsonbArray([]), int8Array([])])).rows).toEqual([{ t: 0, j: 0, n: 0 }]);
  });

  it('refuse what is no time', () => {
    expect(() => timestamptzArray([0, Number.NaN])).toThrow(/row 1: NaN is no time/);
  });
});

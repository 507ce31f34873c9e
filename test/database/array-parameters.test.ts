import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float4Array, plainArray, textArray } from '../../database/array-parameters.ts';
import type { Pool } from '../../database/pool.ts';
import { openDatabase } from './open.ts';

describe('lists as parameters', () => {
  let pool: Pool;
  beforeAll(async () => {
    ({ pool } = await openDatabase({ max: 1 }));
  }, 120_000);
  afterAll(() => pool?.end());

  it('come back as they were written', async () => {
    const texts = ['', 'é😀 "{}",\\', 'null', 'x'.repeat(100_000)];
    const floats = [Float32Array.of(0.1, -3.5, 3.4e38), new Float32Array(0), Float32Array.of(1e-45, Number.NaN)];
    const numbers = [0, -(2 ** 53 - 1), null, 2 ** 53 - 1];
    const { rows } = await pool.query<{ t: string[]; f: number[]; n: (string | null)[]; b: boolean[] }>(
      'select $1::text[] as t, $2::real[]::float8[] as f, $3::bigint[] as n, $4::boolean[] as b',
      [textArray(texts), float4Array(floats), plainArray(numbers), plainArray([true, false])],
    );
    expect(rows[0]!.t).toEqual(texts);
    expect(rows[0]!.f).toEqual(floats.flatMap((list) => [...list]));
    expect(rows[0]!.n).toEqual(numbers.map((each) => each?.toString() ?? null));
    expect(rows[0]!.b).toEqual([true, false]);
  });

  it('may be empty', async () => {
    const sql = 'select cardinality($1::text[]) as t, cardinality($2::real[]) as f, cardinality($3::bigint[]) as n';
    expect((await pool.query(sql, [textArray([]), float4Array([]), plainArray([])])).rows).toEqual([
      { t: 0, f: 0, n: 0 },
    ]);
  });
});

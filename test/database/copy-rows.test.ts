import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { copyIn, CopyRows } from '../../database/copy-rows.ts';
import type { Pool } from '../../database/pool.ts';
import { withClient } from '../../database/with-client.ts';
import { openDatabase } from './open.ts';

describe('rows for COPY', () => {
  let pool: Pool;
  beforeAll(async () => {
    ({ pool } = await openDatabase({ max: 1 }));
    await pool.query('create table copied (n int8 unique, i int4, t timestamptz, b bool, f real[], x text, j jsonb)');
  }, 120_000);
  afterEach(() => pool.query('truncate copied'));
  afterAll(() => pool?.end());

  it('come back as they were written, by column and by row', async () => {
    const numbers = [0, -1, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 32, -(2 ** 32) - 1, 2 ** 31];
    const times = [0, 1_760_000_000_123, -1, 946_684_800_000, 253_402_300_799_000, 0.5, -62_135_596_800_000];
    const floats = Float32Array.of(0.1, -3.5, 3.4e38, 1e-45, 7);
    const rows = new CopyRows(7);
    numbers.forEach((number, i) => {
      rows.row();
      rows.int8(number);
      rows.int4(-i);
      rows.timestamptz(times[i]!);
      rows.bool(i % 2 === 0);
      rows.float4s(floats, i % 5, 5 - (i % 5) - (i === 4 ? 1 : 0));
      rows.text(`é😀 "${i}"`.repeat(20_000 * (i % 2)));
      rows.jsonb(JSON.stringify({ i, text: '\\' }));
    });
    await copy(rows);
    const { rows: read } = await pool.query<{
      n: string;
      i: number;
      us: string;
      b: boolean;
      f: number[];
      x: string;
      j: unknown;
    }>('select n, i, extract(epoch from t) * 1000000 as us, b, f::float8[], x, j from copied order by i desc');
    expect(read.map(({ n }) => Number(n))).toEqual(numbers);
    expect(read.map(({ us }) => Number(us) / 1_000)).toEqual(times);
    expect(read.map(({ b }) => b)).toEqual([true, false, true, false, true, false, true]);
    expect(read.map(({ f }) => f)).toEqual(numbers.map((_, i) => (i === 4 ? [] : [...floats.subarray(i % 5)])));
    expect(read.map(({ x }) => x)).toEqual(numbers.map((_, i) => `é😀 "${i}"`.repeat(20_000 * (i % 2))));
    expect(read.map(({ j }) => j)).toEqual(numbers.map((_, i) => ({ i, text: '\\' })));
  });

  it('refuse what is no time, and what is no whole number', () => {
    expect(() => new CopyRows(1).timestamptz(Number.NaN)).toThrow(/a time is no number/);
    for (const value of [0.5, Number.NaN, 2 ** 53, undefined as never]) {
      expect(() => new CopyRows(1).int8(value)).toThrow();
      expect(() => new CopyRows(1).int4(value)).toThrow();
    }
  });

  it('have no effect when one fails, nor when the statement behind them does, and the pool goes on', async () => {
    const twice = (n: number) => Array.from({ length: 20_000 }, (_, i) => (i === 0 ? n : i));
    await copy(numbersOnly([7]), 'n');
    await expect(copy(numbersOnly(twice(7)), 'n')).rejects.toMatchObject({ code: '23505' });
    await expect(copy(numbersOnly([1, 2, 3]), 'n', 'update copied set i = 1 / 0')).rejects.toMatchObject({
      code: '22012',
    });
    await copy(numbersOnly([8]), 'n', 'update copied set i = 5 where n = 7');
    expect((await pool.query('select n, i from copied order by n')).rows).toEqual([
      { n: '7', i: 5 },
      { n: '8', i: null },
    ]);
  });

  it('are given up when their connection is cut while they are on their way', async () => {
    const { pool: own } = await openDatabase({ max: 3 });
    try {
      await own.query('create table many (n int8)');
      const blocker = await own.connect();
      await blocker.query('begin; lock table many in access exclusive mode');
      // More than the sockets hold.
      const rows = numbersOnly(Array.from({ length: 1_000_000 }, (_, i) => i)).end();
      const outcome = withClient(own, (client) =>
        copyIn(client, 'copy many (n) from stdin (format binary)', rows),
      ).then(
        () => 'copied',
        (error: unknown) => error,
      );
      await vi.waitUntil(
        async () =>
          (
            await own.query(
              `select pg_terminate_backend(pid) from pg_locks where not granted and relation = 'many'::regclass`,
            )
          ).rowCount,
        { timeout: 10_000 },
      );
      expect(await outcome).toBeInstanceOf(Error);
      await blocker.query('commit');
      blocker.release();
      expect((await own.query('select count(*)::int as count from many')).rows).toEqual([{ count: 0 }]);
    } finally {
      await own.end();
    }
  });

  it('are given up when their connection is', async () => {
    const outcome = withClient(pool, async (client) => {
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
      const ended = copyIn(
        client,
        `copy copied (n) from stdin (format binary); do $$ begin perform pg_terminate_backend(${rows[0]!.pid}); perform pg_sleep(5); end $$`,
        numbersOnly([1]).end(),
      );
      return ended;
    });
    await expect(outcome).rejects.toThrow();
    expect((await pool.query('select n from copied')).rows).toEqual([]);
  });

  function numbersOnly(numbers: readonly number[]): CopyRows {
    const rows = new CopyRows(1);
    for (const number of numbers) {
      rows.row();
      rows.int8(number);
    }
    return rows;
  }

  function copy(rows: CopyRows, columns = 'n, i, t, b, f, x, j', after = ''): Promise<void> {
    return withClient(pool, (client) =>
      copyIn(client, `copy copied (${columns}) from stdin (format binary); ${after}`, rows.end()),
    );
  }
});

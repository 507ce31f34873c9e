import { beforeAll, describe, expect, it } from 'vitest';
import { migrate, readMigrations } from '../../database/migrate.ts';
import { createPool, type Pool } from '../../database/pool.ts';
import { createDatabase, startLiveServers } from '../stack/live.ts';

describe('migrate', () => {
  let databaseUrl: string;
  beforeAll(async () => {
    databaseUrl = (await startLiveServers({ postgres: true })).postgres.databaseUrl;
  }, 120_000);

  async function withPools(count: number, use: (pools: Pool[]) => Promise<void>): Promise<void> {
    const url = await createDatabase(databaseUrl);
    const pools = await Promise.all(
      Array.from({ length: count }, () => createPool(url, { max: 2, applicationName: 'test' })),
    );
    try {
      await use(pools);
    } finally {
      await Promise.all(pools.map((pool) => pool.end()));
    }
  }

  it('runs each migration once when six processes start at the same time', () =>
    withPools(6, async (pools) => {
      const ran = await Promise.all(pools.map((pool) => migrate(pool)));
      expect(ran.filter((names) => names.length > 0)).toEqual([readMigrations().map(({ name }) => name)]);
      const { rows } = await pools[0]!.query('select count(*)::int as n from headrace_migrations');
      expect(rows).toEqual([{ n: readMigrations().length }]);
      expect(await migrate(pools[0]!)).toEqual([]);
    }));

  it('leaves nothing behind of a migration that fails, and runs it again once mended', () =>
    withPools(1, async ([pool]) => {
      const first = { name: '0001-first', sql: 'create table first (n int)' };
      const broken = { name: '0002-second', sql: 'create table second (n int); select * from missing' };
      await expect(migrate(pool!, [first, broken])).rejects.toThrow(
        /0002-second failed: relation "missing" does not exist/,
      );
      expect((await pool!.query(`select to_regclass('first') as t`)).rows).toEqual([{ t: null }]);
      const mended = { ...broken, sql: 'create table second (n int)' };
      expect(await migrate(pool!, [first, mended])).toEqual(['0001-first', '0002-second']);
    }));

  it('takes no offence at migrations of a newer version', () =>
    withPools(1, async ([pool]) => {
      const first = { name: '0001-first', sql: 'create table first (n int)' };
      await migrate(pool!, [first, { name: '0002-newer', sql: 'create table newer (n int)' }]);
      expect(await migrate(pool!, [first])).toEqual([]);
    }));
});

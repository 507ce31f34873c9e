import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool, placeOf } from '../../database/pool.ts';
import { startLiveServers } from '../stack/live.ts';

describe('createPool', () => {
  let databaseUrl: string;
  beforeAll(async () => {
    databaseUrl = (await startLiveServers({ postgres: true })).postgres.databaseUrl;
  }, 120_000);

  it('gives up a statement at its time-out and goes on with the next', async () => {
    const pool = await createPool(databaseUrl, { max: 1, applicationName: 'test', statementTimeoutMs: 50 });
    try {
      await expect(pool.query('select pg_sleep(60)')).rejects.toMatchObject({ code: '57014' });
      expect((await pool.query('select 7 as n')).rows).toEqual([{ n: 7 }]);
    } finally {
      await pool.end();
    }
  });

  it('reports a connection that breaks while idle, and replaces it', async () => {
    const broken: Error[] = [];
    const pool = await createPool(databaseUrl, {
      max: 1,
      applicationName: 'test',
      onIdleError: (error) => broken.push(error),
    });
    const other = await createPool(databaseUrl, { max: 1, applicationName: 'test' });
    try {
      const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid');
      await other.query('select pg_terminate_backend($1)', [rows[0]!.pid]);
      await expect.poll(() => broken.length).toBeGreaterThan(0);
      expect((await pool.query('select 7 as n')).rows).toEqual([{ n: 7 }]);
    } finally {
      await pool.end();
      await other.end();
    }
  });

  it('names DATABASE_URL and the place when nobody answers, and not the password', async () => {
    const port = await closedPort();
    const failure = createPool(`postgres://ann:s3cret@127.0.0.1:${port}/shop`, { max: 1, applicationName: 'test' });
    await expect(failure).rejects.toThrow(
      new RegExp(`127\\.0\\.0\\.1:${port}/shop; check DATABASE_URL .*ECONNREFUSED`),
    );
    await expect(failure).rejects.not.toThrow('s3cret');
  });

  it('names DATABASE_URL when the database does not exist', async () => {
    const url = new URL(databaseUrl);
    url.pathname = '/nowhere';
    await expect(createPool(url.toString(), { max: 1, applicationName: 'test' })).rejects.toThrow(
      /check DATABASE_URL \(database "nowhere" does not exist \(SQLSTATE 3D000\); make it: createdb --encoding=UTF8 /,
    );
  });

  describe('with a peer that accepts and never answers', () => {
    const silent = createServer();
    beforeAll(() => new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve)));
    afterAll(() => void silent.close());

    it('gives up at the connect time-out', async () => {
      const { port } = silent.address() as AddressInfo;
      const failure = createPool(`postgres://ann@127.0.0.1:${port}/shop`, {
        max: 1,
        applicationName: 'test',
        connectTimeoutMs: 100,
      });
      await expect(failure).rejects.toThrow(/check DATABASE_URL/);
    });
  });
});

describe('placeOf', () => {
  it('keeps host, port and database only', () => {
    expect(placeOf('postgres://ann:s3cret@db.example:5433/shop?sslmode=require')).toBe('db.example:5433/shop');
    expect(placeOf('nonsense')).toBe('an address that cannot be read');
  });
});

function closedPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { defaultCacheDir, preparePostgres, startPostgres } from '../../../stack/servers/index.ts';
import type { StartPostgresOptions } from '../../../stack/servers/index.ts';
import { occupiedPort } from './occupied.ts';
import { awkwardFolder, stopAfterTest, temporaryFolder } from './trial.ts';

async function start(dataDir: string, options: Partial<StartPostgresOptions> = {}) {
  return stopAfterTest(
    await startPostgres({
      binaries: await preparePostgres({ cacheDir: defaultCacheDir(process.env) }),
      dataDir,
      ...options,
    }),
  );
}

async function query(databaseUrl: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('the embedded PostgreSQL', () => {
  it('keeps its rows over a stop and a SIGKILL, in a folder of any name', async () => {
    const dataDir = awkwardFolder();
    const first = await start(dataDir);
    await query(first.databaseUrl, 'create table t (n int)');
    await query(first.databaseUrl, 'insert into t values (1)');
    await first.stop();
    expect(await first.exited).toEqual({ code: 0, signal: null });

    const second = await start(dataDir);
    await query(second.databaseUrl, 'insert into t values (2)');
    second.kill('SIGKILL');
    await second.exited;

    const third = await start(dataDir);
    expect(await query(third.databaseUrl, 'select n from t order by n')).toEqual([{ n: 1 }, { n: 2 }]);
  }, 60_000);

  it('stops at once although a client holds a connection', async () => {
    const server = await start(temporaryFolder());
    const client = new pg.Client({ connectionString: server.databaseUrl });
    client.on('error', () => undefined);
    await client.connect();
    await server.stop();
    expect(await server.exited).toEqual({ code: 0, signal: null });
  }, 60_000);

  it('guards its generated password and refuses others', async () => {
    const dataDir = temporaryFolder();
    const server = await start(dataDir);
    const file = join(dataDir, 'credentials.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { password } = JSON.parse(readFileSync(file, 'utf8')) as { password: string };
    expect(password).toHaveLength(32);
    const wrong = new URL(server.databaseUrl);
    wrong.password = 'wrong';
    await expect(query(wrong.toString(), 'select 1')).rejects.toThrow(/password authentication failed/);
    expect(readFileSync(server.logFile, 'utf8')).not.toContain(password);
  }, 60_000);

  it('starts in a folder that only its owner may enter, and takes another port when its own is taken', async () => {
    const folder = join(temporaryFolder(), 'private');
    mkdirSync(folder, { mode: 0o700 });
    const taken = await occupiedPort();
    const server = await start(join(folder, 'data'), { preferredPort: taken });
    expect(server.address).not.toBe(`127.0.0.1:${taken}`);
    expect(await query(server.databaseUrl, 'select current_database() as name')).toEqual([{ name: 'headrace' }]);
  }, 60_000);

  it('starts after a crash half-way through its first start', async () => {
    const dataDir = temporaryFolder();
    mkdirSync(join(dataDir, 'cluster.partial-999999'));
    writeFileSync(join(dataDir, 'cluster.partial-999999', 'PG_VERSION'), '18');
    const server = await start(dataDir);
    expect(await query(server.databaseUrl, 'select 1 as n')).toEqual([{ n: 1 }]);
  }, 60_000);

  it('names its log and what stands in it when the data is broken', async () => {
    const dataDir = temporaryFolder();
    await (await start(dataDir)).stop();
    writeFileSync(join(dataDir, 'cluster', 'postgresql.conf'), 'nonsense here\n');
    await expect(start(dataDir)).rejects.toThrow(
      /postgres exited with code 1 before it was ready[^]*unrecognized configuration parameter/,
    );
  }, 60_000);
});

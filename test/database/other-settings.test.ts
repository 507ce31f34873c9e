import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { findDecisions } from '../../database/decisions.ts';
import { migrate, readMigrations } from '../../database/migrate.ts';
import { createPool, type Pool } from '../../database/pool.ts';
import { createDashboardSink } from '../../sinks/dashboard.ts';
import { defaultCacheDir, preparePostgres, startPostgres } from '../../stack/servers/index.ts';
import { decisionRow, deliveryOf } from '../sinks/rows.ts';
import { createDatabase, startLiveServers, uniqueName } from '../stack/live.ts';
import { stopAfterTest, temporaryFolder } from '../stack/servers/trial.ts';

const options = { max: 2, applicationName: 'test' };
const allMigrations = readMigrations().map(({ name }) => name);

describe('a Postgres that was set up by somebody else', () => {
  let adminUrl: string;
  let admin: pg.Pool;
  beforeAll(async () => {
    adminUrl = (await startLiveServers({ postgres: true })).postgres.databaseUrl;
    admin = new pg.Pool({ connectionString: adminUrl, max: 2 });
  }, 120_000);
  afterAll(() => admin?.end());

  async function open(url: string): Promise<Pool> {
    const pool = await createPool(url, options);
    onTestFinished(() => pool.end());
    return pool;
  }

  /** A database of the test's own, and for a role of its own. */
  async function database(password = 'secret'): Promise<{ owner: Pool; role: string; name: string; url: string }> {
    const databaseUrl = await createDatabase(adminUrl);
    const role = uniqueName('role').replace('-', '_');
    await admin.query(`create role ${role} login password ${pg.escapeLiteral(password)}`);
    const url = new URL(databaseUrl);
    url.username = role;
    url.password = encodeURIComponent(password);
    return { owner: await open(databaseUrl), role, name: url.pathname.slice(1), url: url.toString() };
  }

  it.each(['LATIN1', 'SQL_ASCII'])(
    'is refused when the database is encoded as %s, with what to do',
    async (encoding) => {
      const name = uniqueName('encoded');
      await admin.query(`create database "${name}" encoding '${encoding}' locale 'C' template template0`);
      const url = Object.assign(new URL(adminUrl), { pathname: `/${name}` }).toString();
      await expect(createPool(url, options)).rejects.toThrow(
        new RegExp(`check DATABASE_URL \\(the database is encoded as ${encoding}, .*createdb --encoding=UTF8`),
      );
    },
  );

  it('lets a role work that may make no tables once another one has made them; what it lacks is named with the GRANT', async () => {
    const { owner, role, url } = await database();
    const pool = await open(url);
    await expect(migrate(pool)).rejects.toThrow(
      /may not make the tables \(permission denied for schema public \(SQLSTATE 42501\)\): GRANT CREATE, USAGE ON SCHEMA/,
    );
    await migrate(owner);
    await expect(migrate(pool)).rejects.toThrow(
      /may not use headrace_migrations: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES/,
    );
    await owner.query(
      `grant select on all tables in schema public to ${role}; grant insert on reviews, review_audit, partitions, batch_ranges, decisions, feature_sets, decision_minutes to ${role}`,
    );
    await expect(migrate(pool)).rejects.toThrow(/may not use batch_ranges, decision_minutes, reviews: GRANT/);
    await owner.query(`grant select, insert, update, delete on all tables in schema public to ${role}`);
    expect(await migrate(pool)).toEqual([]);
    await createDashboardSink({ pool }).deliver(deliveryOf([decisionRow(1)]), new AbortController().signal);
    await expect(
      migrate(pool, [...readMigrations(), { name: '9999-newer', sql: 'create table newer (n int)' }]),
    ).rejects.toThrow(/GRANT CREATE/);
  });

  it('keeps its tables where they are when a schema comes to stand before theirs, and makes them in the one that is named', async () => {
    const { owner, role, name, url } = await database();
    await owner.query(`grant create, usage on schema public to ${role}`);
    expect(await migrate(await open(url))).toEqual(allMigrations);
    // The search path begins with a schema of the role's own name, if there is one.
    await owner.query(`create schema ${role} authorization ${role}`);
    expect(await migrate(await open(url))).toEqual([]);
    expect(
      await migrate(await open(url), [
        ...readMigrations(),
        { name: '9999-newer', sql: 'create table newer (n int); alter table reviews add column newer int' },
      ]),
    ).toEqual(['9999-newer']);
    expect(
      (await owner.query(`select schemaname from pg_tables where tablename in ('newer', 'reviews')`)).rows,
    ).toEqual([{ schemaname: 'public' }, { schemaname: 'public' }]);

    await owner.query(
      `create schema "my app" authorization ${role}; alter role ${role} in database "${name}" set search_path to "my app"`,
    );
    expect(await migrate(await open(url))).toEqual(allMigrations);
    await owner.query(`alter role ${role} in database "${name}" set search_path to nowhere`);
    await expect(migrate(await open(url))).rejects.toThrow(/no schema of the search_path exists/);
    const inAddress = new URL(url);
    inAddress.searchParams.set('options', '-c search_path=public');
    expect(await migrate(await open(inAddress.toString()))).toEqual([]);
  });

  it('is refused by name when it is read-only', async () => {
    const { owner, role, name, url } = await database();
    await owner.query(`alter role ${role} in database "${name}" set default_transaction_read_only = on`);
    await expect(migrate(await open(url))).rejects.toThrow(/read-only for this role \(default_transaction_read_only\)/);
  });

  it('is refused by name when it may forget what it has confirmed, and used when it waits for itself alone', async () => {
    const { owner, role, name, url } = await database();
    await owner.query(`alter role ${role} in database "${name}" set synchronous_commit = off`);
    await expect(createPool(url, options)).rejects.toThrow(
      /forgets in a crash what it has confirmed \(synchronous_commit = off\).*SET synchronous_commit = on/,
    );
    await owner.query(`alter role ${role} in database "${name}" set synchronous_commit = local`);
    expect((await (await open(url)).query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  });

  it('is refused by name when it is a replica', async () => {
    const dataDir = temporaryFolder();
    const binaries = await preparePostgres({ cacheDir: defaultCacheDir(process.env) });
    await (await startPostgres({ binaries, dataDir })).stop();
    writeFileSync(join(dataDir, 'cluster', 'standby.signal'), '');
    const replica = stopAfterTest(await startPostgres({ binaries, dataDir }));
    await expect(migrate(await open(replica.databaseUrl))).rejects.toThrow(
      /read-only replica: name its primary in DATABASE_URL/,
    );
  }, 60_000);

  it('may write times and numbers as it likes, and isolate transactions', async () => {
    const { owner, role, name, url } = await database();
    await owner.query(`alter database "${name}" set datestyle = 'SQL, DMY'; alter database "${name}" set timezone = 'Asia/Kolkata';
      alter database "${name}" set extra_float_digits = -15; alter database "${name}" set bytea_output = 'escape';
      alter database "${name}" set standard_conforming_strings = off; alter database "${name}" set default_transaction_isolation = 'serializable';
      alter database "${name}" set lock_timeout = '1ms'; alter database "${name}" set statement_timeout = '1ms'; grant create on schema public to ${role}`);
    const pools = await Promise.all([1, 2, 3].map(() => open(url)));
    const ran = await Promise.all(pools.map((pool) => migrate(pool)));
    expect(ran.filter((names) => names.length > 0)).toEqual([allMigrations]);
    const row = decisionRow(2 ** 40 + 3, { eventId: 'back \\ slash' });
    await Promise.all(
      pools.map((pool) => createDashboardSink({ pool }).deliver(deliveryOf([row]), new AbortController().signal)),
    );
    const [found] = await findDecisions(pools[0]!, 'local', ['orders'], 'back \\ slash');
    expect(found).toMatchObject({
      offset: row.offset,
      eventTime: new Date(row.eventTimeMs),
      features: { customer_count_1d: Math.fround(0.1) },
    });
  });

  it('may have any password; one that is not encoded is not repeated in the message', async () => {
    const password = 'p%41#/?@: "ü\'\\&=+';
    const { url } = await database(password);
    expect((await (await open(url)).query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    const failure = createPool(`postgres://ann:${password}@127.0.0.1:5432/shop`, options);
    await expect(failure).rejects.toThrow(/DATABASE_URL cannot be read as postgres:.*%23/);
    await expect(failure).rejects.not.toThrow(/p%41/);
    await failure.catch((error: Error) => expect(error.cause).toBeUndefined());
  });

  it('says what to do when it has no connection left, and when it has no TLS', async () => {
    const { role, url } = await database();
    await expect(createPool(url.replace('sslmode=disable', 'sslmode=verify-full'), options)).rejects.toThrow(
      /does not support SSL connections; leave sslmode out/,
    );
    await admin.query(`alter role ${role} connection limit 0`);
    await expect(createPool(url, options)).rejects.toThrow(
      /too many connections for role .*HEADRACE_DATABASE_POOL_MAX/,
    );
  });

  it('is waited for while it starts up', async () => {
    const { hostname, port } = new URL(adminUrl);
    let refusals = 2;
    const fields = ['SFATAL', 'VFATAL', 'C57P03', 'Mthe database system is starting up']
      .map((field) => `${field}\0`)
      .join('');
    const refusal = Buffer.concat([
      Buffer.from('E'),
      Buffer.from([0, 0, 0, fields.length + 5]),
      Buffer.from(`${fields}\0`),
    ]);
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      if (refusals-- > 0) return void socket.once('data', () => socket.end(refusal));
      const upstream = connect(Number(port), hostname).on('error', () => socket.destroy());
      socket.pipe(upstream).pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = Object.assign(new URL(adminUrl), { port: String((server.address() as AddressInfo).port) }).toString();
    expect((await (await open(url)).query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    expect(refusals).toBe(-1);
  });
});

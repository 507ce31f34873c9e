import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseError, type Pool, type PoolClient, type QueryConfig } from 'pg';
import { messageOf } from '../contracts/failures.ts';
import { withClient } from './with-client.ts';

/** One numbered file of SQL. */
export interface Migration {
  /** File name without its ending; migrations run in its order and are remembered by it. */
  name: string;
  sql: string;
}

/** Any number that no other user of the database takes for an advisory lock. */
const lockKey = 4_837_716_251;
/** Creating an index over a large table takes longer than any statement of normal work. */
const statementTimeoutMs = 10 * 60_000;

/** The migrations of this version, in order. */
export function readMigrations(folder = join(import.meta.dirname, 'migrations')): Migration[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => ({ name: name.slice(0, -'.sql'.length), sql: readFileSync(join(folder, name), 'utf8') }));
}

/**
 * Brings the tables up to date, all of it or nothing, and returns the names of what it ran. Any number of processes may
 * call this at once: they take turns, and all but the first find nothing to do. A database that a newer version has already
 * migrated further is left as it is. Throws one sentence that names the fix where the role may not do what is needed, now or later.
 */
export async function migrate(pool: Pool, migrations: readonly Migration[] = readMigrations()): Promise<string[]> {
  return withClient(pool, async (client) => {
    await begin(client);
    const schema = await useSchemaOfTables(client);
    const done = new Set(schema === undefined ? [] : await namesDone(client));
    const pending = migrations.filter((migration) => !done.has(migration.name));
    if (pending.length > 0) await runPending(client, pending, schema === undefined);
    await assertMayUseTables(client);
    await run(client, 'commit');
    return pending.map((migration) => migration.name);
  });
}

/** Others must be seen as soon as they have committed, and limits of the database or the role are for other work than this. */
async function begin(client: PoolClient): Promise<void> {
  await run(client, 'begin isolation level read committed');
  const { rows } = await client.query<{ replica: boolean; readOnly: string }>(
    `select pg_is_in_recovery() as replica, current_setting('transaction_read_only') as "readOnly"`,
  );
  if (rows[0]!.replica) throw new Error('the database is a read-only replica: name its primary in DATABASE_URL');
  if (rows[0]!.readOnly === 'on') {
    throw new Error(
      'the database is read-only for this role (default_transaction_read_only): ALTER ROLE or ALTER DATABASE ... SET default_transaction_read_only = off, or name another in DATABASE_URL',
    );
  }
  await run(
    client,
    `set local statement_timeout = ${statementTimeoutMs}; set local lock_timeout = 0; set local idle_in_transaction_session_timeout = 0`,
  );
  await run(client, `select set_config(name, '0', true) from pg_settings where name = 'transaction_timeout'`);
  await run(client, `select pg_advisory_xact_lock(${lockKey})`);
}

/**
 * Goes on where the tables are, also when a schema that did not exist then has come to stand before it in the search path, and returns
 * its name; undefined when there are none in any schema that is searched.
 */
async function useSchemaOfTables(client: PoolClient): Promise<string | undefined> {
  const { rows } = await client.query<{ schema: string | null }>(
    `select (select relnamespace::regnamespace::text from pg_class where oid = to_regclass('headrace_migrations')) as schema`,
  );
  const schema = rows[0]!.schema ?? undefined;
  // Already quoted where it has to be.
  if (schema !== undefined)
    await run(
      client,
      `select set_config('search_path', '${schema.replaceAll("'", "''")}, ' || current_setting('search_path'), true)`,
    );
  return schema;
}

async function namesDone(client: PoolClient): Promise<string[]> {
  const { rows } = await client
    .query<{ name: string }>('select name from headrace_migrations')
    .catch((error: unknown) => {
      throw isMissingRight(error) ? missingRights(['headrace_migrations'], error) : error;
    });
  return rows.map((row) => row.name);
}

async function runPending(client: PoolClient, pending: readonly Migration[], isNew: boolean): Promise<void> {
  try {
    if (isNew)
      await run(
        client,
        'create table headrace_migrations (name text primary key, ran_at timestamptz not null default now())',
      );
    for (const { name, sql } of pending) {
      await run(client, sql).catch((error: unknown) => {
        throw new Error(`database migration ${name} failed: ${messageOf(error)}`, { cause: error });
      });
      await client.query('insert into headrace_migrations (name) values ($1)', [name]);
    }
  } catch (error) {
    const cause = error instanceof DatabaseError ? error : error instanceof Error ? error.cause : undefined;
    if (cause instanceof DatabaseError && cause.code === noSchema) {
      throw new Error(
        'no schema of the search_path exists: CREATE SCHEMA the one that it names, or ALTER ROLE ... SET search_path to one that exists',
        { cause: error },
      );
    }
    if (!isMissingRight(cause)) throw error;
    throw new Error(
      `the role may not make the tables (${messageOf(error)}): GRANT CREATE, USAGE ON SCHEMA the_schema TO the_role, or start it once with a role that may`,
      { cause: error },
    );
  }
}

/** Looks for rights that would be missed only in the middle of work. */
async function assertMayUseTables(client: PoolClient): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select distinct relname as name from pg_class join unnest($1::text[], $2::text[]) as needed (name, privilege) on relname = needed.name
     where relnamespace = (select relnamespace from pg_class where oid = to_regclass('headrace_migrations')) and not has_table_privilege(oid, privilege) order by 1`,
    [needed.map(([name]) => name), needed.map(([, privilege]) => privilege)],
  );
  if (rows.length > 0) throw missingRights(rows.map(({ name }) => name));
}

/** What is done with the tables at work. */
const needed = Object.entries({
  batch_ranges: ['SELECT', 'INSERT', 'DELETE'],
  decision_minutes: ['SELECT', 'INSERT', 'UPDATE'],
  decisions: ['SELECT', 'INSERT'],
  decisions_by_name: ['SELECT'],
  feature_sets: ['SELECT', 'INSERT'],
  partitions: ['SELECT', 'INSERT'],
  review_audit: ['SELECT', 'INSERT'],
  reviews: ['SELECT', 'INSERT', 'UPDATE'],
}).flatMap(([name, privileges]) => privileges.map((privilege) => [name, privilege] as const));

const insufficientPrivilege = '42501';
const noSchema = '3F000';

function isMissingRight(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === insufficientPrivilege;
}

function missingRights(of: readonly string[], cause?: unknown): Error {
  return new Error(
    `the role may not use ${of.join(', ')}: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA the_schema TO the_role`,
    { cause },
  );
}

/** Runs one text with the long time-out on our side too; pg's types do not know that a query may carry its own. */
async function run(client: PoolClient, text: string): Promise<void> {
  const query: QueryConfig & { query_timeout: number } = { text, query_timeout: statementTimeoutMs };
  await client.query(query);
}

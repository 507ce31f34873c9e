import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pool, PoolClient, QueryConfig } from 'pg';
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
 * Brings the tables up to date, all of it or nothing, and answers the names of what it ran. Any number of processes may
 * call this at once: they take turns, and all but the first find nothing to do. A database that a newer version has already
 * migrated further is left as it is.
 */
export async function migrate(pool: Pool, migrations: readonly Migration[] = readMigrations()): Promise<string[]> {
  return withClient(pool, async (client) => {
    await run(client, 'begin');
    await run(client, `set local statement_timeout = ${statementTimeoutMs}`);
    await run(client, `select pg_advisory_xact_lock(${lockKey})`);
    await run(client, 'create table if not exists headrace_migrations (name text primary key, ran_at timestamptz not null default now())');
    const { rows } = await client.query<{ name: string }>('select name from headrace_migrations');
    const done = new Set(rows.map((row) => row.name));
    const pending = migrations.filter((migration) => !done.has(migration.name));
    for (const { name, sql } of pending) {
      await run(client, sql).catch((error: unknown) => {
        throw new Error(`database migration ${name} failed: ${messageOf(error)}`, { cause: error });
      });
      await client.query('insert into headrace_migrations (name) values ($1)', [name]);
    }
    await run(client, 'commit');
    return pending.map((migration) => migration.name);
  });
}

/** Runs one text with the long time-out on our side too; pg's types do not know that a query may carry its own. */
async function run(client: PoolClient, text: string): Promise<void> {
  const query: QueryConfig & { query_timeout: number } = { text, query_timeout: statementTimeoutMs };
  await client.query(query);
}

import { Client, DatabaseError, Pool } from 'pg';
import { explainDatabaseError } from './explain.ts';
import { backendPidOf, DirectClient, PooledClient } from './session.ts';
import { sleep } from '../lib/sleep.ts';

export type { Pool };

export interface PoolOptions {
  /** Most connections at once. */
  max: number;
  /** Shown by Postgres in pg_stat_activity. */
  applicationName: string;
  /** After this long Postgres gives a statement up. @default 10000 */
  statementTimeoutMs?: number;
  /** How long a caller waits for a connection. @default 5000 */
  connectTimeoutMs?: number;
  /** Told of a connection that broke while nobody used it; the pool replaces it by itself. */
  onIdleError?: (error: Error) => void;
  /** How long a server that is starting up is waited for. @default 30000 */
  startingUpMs?: number;
}

/** How much longer we wait than Postgres itself: only a peer that is silent for good gets here. */
const silentPeerMs = 2_000;
const startingUpRetryMs = 500;
/** `server_version_num` of the oldest release that has all that our statements use. */
const versionMin = 130_000;

/**
 * Opens a pool and proves that the database answers and can hold what we write. Finds out whether a pooler (PgBouncer in transaction
 * mode, and its like) stands before Postgres, and does without what such a one cannot do. Throws one sentence that names DATABASE_URL
 * and where it points, never its password.
 */
export async function createPool(url: string, options: PoolOptions): Promise<Pool> {
  assertReadable(url);
  const endMs = Date.now() + (options.startingUpMs ?? 30_000);
  for (;;) {
    try {
      return (await open(url, options, DirectClient)) ?? (await open(url, options, PooledClient))!;
    } catch (error) {
      if (!(error instanceof DatabaseError && error.code === startingUp) || Date.now() >= endMs) {
        throw new Error(`no usable Postgres at ${placeOf(url)}; check DATABASE_URL (${explainDatabaseError(error)})`, {
          cause: error,
        });
      }
      await sleep(startingUpRetryMs);
    }
  }
}

const startingUp = '57P03';
/** What poolers answer to a startup parameter that they do not know: protocol violation, and feature not supported. */
const refusedParameter = ['08P01', '0A000'];

/** Returns undefined where this kind of session does not fit: there is a pooler in between. */
async function open(
  url: string,
  options: PoolOptions,
  client: typeof DirectClient | typeof PooledClient,
): Promise<Pool | undefined> {
  const { max, applicationName, statementTimeoutMs = 10_000, connectTimeoutMs = 5_000, onIdleError } = options;
  const pool = new Pool({
    Client: client as never,
    connectionString: url,
    max,
    application_name: applicationName,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + silentPeerMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
  });
  pool.on('error', (error) => onIdleError?.(error));
  try {
    if (await isDirect(pool)) return pool;
    if (client === PooledClient) return pool;
  } catch (error) {
    await pool.end();
    if (client === DirectClient && error instanceof DatabaseError && refusedParameter.includes(error.code ?? ''))
      return undefined;
    throw error;
  }
  await pool.end();
  return undefined;
}

/** Checks the server. A pooler gives its clients a process id of its own making, because it has many for each of them. */
async function isDirect(pool: Pool): Promise<boolean> {
  const client = await pool.connect();
  // Whoever waits for a query is told of a connection that breaks; without a listener it would end this process.
  const onError = () => undefined;
  client.on('error', onError);
  let failed = true;
  try {
    const { rows } = await client.query<{ pid: number; version: string; encoding: string; waits: string }>(
      `select pg_backend_pid() as pid, current_setting('server_version_num') as version, current_setting('server_encoding') as encoding,
         current_setting('synchronous_commit') as waits`,
    );
    const { pid, version, encoding, waits } = rows[0]!;
    if (Number(version) < versionMin)
      throw new Error(
        `the server is PostgreSQL ${Math.floor(Number(version) / 10_000)}; Headrace needs ${versionMin / 10_000} or newer`,
      );
    if (encoding !== 'UTF8') {
      throw new Error(
        `the database is encoded as ${encoding}, which cannot hold every event; make one with: createdb --encoding=UTF8 --template=template0 <name>`,
      );
    }
    if (waits === 'off') {
      throw new Error(
        'it forgets in a crash what it has confirmed (synchronous_commit = off), and a batch is not delivered again then: ALTER ROLE or ALTER DATABASE ... SET synchronous_commit = on',
      );
    }
    failed = false;
    return pid === backendPidOf(client);
  } finally {
    client.release(failed);
    client.off('error', onError);
  }
}

/** Node's error on an address that it cannot read holds all of it, the password too; so it is not passed on. */
function assertReadable(url: string): void {
  try {
    void new Client({ connectionString: url });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES')
      throw new Error(`a file that DATABASE_URL names cannot be read (${message})`, { cause: error });
    throw new Error(
      'DATABASE_URL cannot be read as postgres://user:password@host:port/database; in a user name or password, write each of % # / ? @ : as %25 %23 %2F %3F %40 %3A',
    );
  }
}

/** Host, port and database of an address: what may be printed of it. */
export function placeOf(url: string): string {
  try {
    const { host, pathname, searchParams } = new URL(url);
    return `${host || (searchParams.get('host') ?? 'the local socket')}${pathname}`;
  } catch {
    return 'an address that cannot be read';
  }
}

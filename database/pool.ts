import { Pool } from 'pg';
import { messageOf } from '../contracts/failures.ts';

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
}

/** How much longer we wait than Postgres itself: only a peer that is silent for good gets here. */
const silentPeerMs = 2_000;

/**
 * Opens a pool and proves that the database answers. Throws one sentence that names DATABASE_URL and where it points, never
 * its password.
 */
export async function createPool(url: string, options: PoolOptions): Promise<Pool> {
  const { max, applicationName, statementTimeoutMs = 10_000, connectTimeoutMs = 5_000, onIdleError } = options;
  const pool = new Pool({
    connectionString: url,
    max,
    application_name: applicationName,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + silentPeerMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    // The server must notice a host that is gone as well: what a COPY has written so far keeps others from the same keys until then.
    options: '-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3',
  });
  pool.on('error', (error) => onIdleError?.(error));
  try {
    await pool.query('select 1');
    return pool;
  } catch (error) {
    await pool.end();
    throw new Error(`no usable Postgres at ${placeOf(url)}; check DATABASE_URL (${reasonOf(error)})`, { cause: error });
  }
}

/** Host, port and database of an address: what may be printed of it. */
export function placeOf(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `${host}${pathname}`;
  } catch {
    return 'an address that cannot be read';
  }
}

/** Node reports a host that is refused on several addresses as an error without a message of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return messageOf(error);
}

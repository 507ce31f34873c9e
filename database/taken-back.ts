import type { Pool, PoolClient } from 'pg';
import { withClient } from './with-client.ts';

/** Does something in a transaction, up to the last check of it, and takes it back. Throws what the database says against it. */
export async function takenBack<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return withClient(pool, async (client) => {
    await client.query('begin');
    const result = await work(client);
    // Some constraints are checked at the commit alone.
    await client.query('set constraints all immediate');
    await client.query('rollback');
    return result;
  });
}

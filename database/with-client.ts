import type { Pool, PoolClient } from 'pg';

/**
 * Lends the work one connection of the pool, for a transaction. A connection that drops tells everybody who listens, and Node ends
 * a process in which nobody does: the pool listens only to those that it holds, so this listens for as long as one is lent. A
 * connection that has dropped, or whose work failed, is closed, which rolls back whatever it had begun; any other goes back.
 */
export async function withClient<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let isUsable = true;
  // What the connection was asked for rejects as well, so that whoever asked is told.
  const onError = () => (isUsable = false);
  client.on('error', onError);
  try {
    return await work(client);
  } catch (error) {
    isUsable = false;
    throw error;
  } finally {
    // First the release: with it the pool listens again, or has closed the connection.
    client.release(!isUsable);
    client.off('error', onError);
  }
}

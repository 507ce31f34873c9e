import type { Pool } from 'pg';
import { migrate } from '../../database/migrate.ts';
import { createPool } from '../../database/pool.ts';
import { createDatabase, startLiveServers } from '../stack/live.ts';

/** A migrated database of the caller's own, and its pool; the caller ends the pool. */
export async function openDatabase({ max = 8 }: { max?: number } = {}): Promise<{ pool: Pool; url: string }> {
  const { postgres } = await startLiveServers({ postgres: true });
  const url = await createDatabase(postgres.databaseUrl);
  const pool = await createPool(url, { max, applicationName: 'test' });
  await migrate(pool);
  return { pool, url };
}

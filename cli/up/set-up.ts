import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { parseConfig } from '../../contracts/schemas/config.ts';
import type { Config } from '../../contracts/schemas/config.ts';
import { migrate } from '../../database/migrate.ts';
import { createPool } from '../../database/pool.ts';
import { createKafka } from '../../runtime/kafka.ts';
import { createLogger } from '../../runtime/log.ts';
import { ensureSearchAttributes } from '../../runtime/search-attributes.ts';
import { connectTemporal } from '../../runtime/temporal.ts';
import { ensureTopics } from '../../runtime/topics.ts';
import type { Service } from '../../stack/supervisor/index.ts';
import type { Embedded } from './addresses.ts';

/** A dev server's namespace keeps closed runs this long, so topics keep records no longer. */
const devRetentionHours = 24;

function setUpTopics(config: Config, pipelines: readonly AnyPipeline[], embedded: boolean): Promise<string[]> {
  return ensureTopics(createKafka(config, createLogger('up', 'error'), 'up'), pipelines, { ...config.kafka, retentionHours: embedded ? devRetentionHours : undefined });
}

async function setUpTables(config: Config): Promise<string[]> {
  const pool = await createPool(config.database.url, { max: 1, applicationName: 'headrace up' });
  try {
    return await migrate(pool);
  } finally {
    await pool.end();
  }
}

async function setUpSearchAttributes(config: Config): Promise<void> {
  const client = await connectTemporal(config);
  try {
    await ensureSearchAttributes(client);
  } finally {
    await client.connection.close();
  }
}

/** Tasks that run once between the servers and our processes. `env` is asked late: the servers' addresses are in it by then. */
export function setUpServices(options: { env: () => NodeJS.ProcessEnv; pipelines: readonly AnyPipeline[]; embedded: Embedded; onDone: (text: string) => void }): Service[] {
  const { env, pipelines, embedded, onDone } = options;
  const topics: Service = {
    name: 'topics', needs: embedded.kafka ? ['kafka'] : [],
    start: async () => {
      const created = await setUpTopics(parseConfig(env()), pipelines, embedded.kafka);
      if (created.length > 0) onDone(`created topics ${created.join(', ')}`);
      return undefined;
    },
  };
  const tables: Service = {
    name: 'tables', needs: embedded.postgres ? ['postgres'] : [],
    start: async () => {
      const ran = await setUpTables(parseConfig(env()));
      if (ran.length > 0) onDone(`created tables (${ran.join(', ')})`);
      return undefined;
    },
  };
  const attributes: Service = {
    name: 'search-attributes', needs: embedded.temporal ? ['temporal'] : [],
    start: async () => {
      await setUpSearchAttributes(parseConfig(env()));
      return undefined;
    },
  };
  return [topics, tables, attributes];
}

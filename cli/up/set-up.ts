import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { parseConfig } from '../../contracts/schemas/config.ts';
import type { Config } from '../../contracts/schemas/config.ts';
import { migrate } from '../../database/migrate.ts';
import { createPool } from '../../database/pool.ts';
import { connectKafka } from '../../kafka/connection.ts';
import { createLogger } from '../../lib/log.ts';
import { ensureSearchAttributes } from '../../temporal/search-attributes.ts';
import { connectTemporal } from '../../temporal/connection.ts';
import { ensureTopics } from '../../kafka/topics.ts';
import type { Service } from '@headrace/stack/supervisor';
import type { Embedded } from './addresses.ts';

export interface SetUpOptions {
  /** Asked late: the addresses of the embedded servers are in it by then. */
  env: () => NodeJS.ProcessEnv;
  pipelines: readonly AnyPipeline[];
  embedded: Embedded;
  /** Told what was made. */
  onDone: (text: string) => void;
}

async function setUpTopics(config: Config, pipelines: readonly AnyPipeline[], embedded: boolean): Promise<string[]> {
  // What kafkajs would log on its way is in the error that it ends with.
  return ensureTopics(await connectKafka(config, createLogger('up', 'silent'), 'up'), pipelines, {
    ...config.kafka,
    isEmbedded: embedded,
  });
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

/**
 * Sets up the servers that are the user's own, before anything is started: what is wrong with their settings is the first thing that
 * is said, and not the last.
 */
export async function setUpOwnServers(options: SetUpOptions): Promise<void> {
  const { kafka, postgres, temporal } = options.embedded;
  const { topics, tables, attributes } = tasksOf(options);
  await Promise.all([
    kafka ? undefined : topics(),
    postgres ? undefined : tables(),
    temporal ? undefined : attributes(),
  ]);
}

/** Tasks that run once between the embedded servers and our processes. */
export function setUpServices(options: SetUpOptions): Service[] {
  const { kafka, postgres, temporal } = options.embedded;
  const { topics, tables, attributes } = tasksOf(options);
  const service = (name: string, need: string, run: () => Promise<void>): Service => ({
    name,
    needs: [need],
    start: async () => {
      await run();
      return undefined;
    },
  });
  return [
    ...(kafka ? [service('topics', 'kafka', topics)] : []),
    ...(postgres ? [service('tables', 'postgres', tables)] : []),
    ...(temporal ? [service('search-attributes', 'temporal', attributes)] : []),
  ];
}

function tasksOf({
  env,
  pipelines,
  embedded,
  onDone,
}: SetUpOptions): Record<'topics' | 'tables' | 'attributes', () => Promise<void>> {
  return {
    topics: async () => {
      const created = await setUpTopics(parseConfig(env()), pipelines, embedded.kafka);
      if (created.length > 0) onDone(`created topics ${created.join(', ')}`);
    },
    tables: async () => {
      const ran = await setUpTables(parseConfig(env()));
      if (ran.length > 0) onDone(`created tables (${ran.join(', ')})`);
    },
    attributes: () => setUpSearchAttributes(parseConfig(env())),
  };
}

import type { Connection } from '@temporalio/client';
import { messageOf } from '../../contracts/failures.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { searchAttributes } from '../../contracts/names.ts';
import { parseConfig } from '../../contracts/schemas/config.ts';
import type { Config } from '../../contracts/schemas/config.ts';
import { migrate } from '../../database/migrate.ts';
import { createPool } from '../../database/pool.ts';
import { createKafka } from '../../runtime/kafka.ts';
import { createLogger } from '../../runtime/log.ts';
import { connectTemporal } from '../../runtime/temporal.ts';
import { ensureTopics } from '../../runtime/topics.ts';
import { addSearchAttributes, querySearchAttributes } from '../../stack/servers/index.ts';
import type { SearchAttributeKind, SearchAttributeKinds } from '../../stack/servers/index.ts';
import type { Service } from '../../stack/supervisor/index.ts';
import type { Embedded } from './addresses.ts';

const kinds: Record<string, SearchAttributeKind> = {
  KEYWORD: 'Keyword', KEYWORD_LIST: 'KeywordList', INT: 'Int', DOUBLE: 'Double', BOOL: 'Bool', DATETIME: 'Datetime', TEXT: 'Text',
};

/** Our search attributes, spelled as the server's operator service wants them. */
export function searchAttributeKinds(): SearchAttributeKinds {
  return Object.fromEntries(Object.values(searchAttributes).map(({ name, type }) => [name, kinds[type] as SearchAttributeKind]));
}

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

/** For a Temporal of the user's own. Temporal Cloud has no operator service, so what is there already is accepted first. */
async function setUpSearchAttributes(config: Config): Promise<void> {
  const wanted = searchAttributeKinds();
  // The client narrows its connection to what clients need; ours is a plain one, with the operator service.
  const connection = (await connectTemporal(config)).connection as Connection;
  const { namespace } = config.temporal;
  try {
    await connection.withDeadline(Date.now() + 20_000, async () => {
      await querySearchAttributes(connection, namespace, wanted).catch(async () => {
        await addSearchAttributes(connection, namespace, wanted);
        await querySearchAttributes(connection, namespace, wanted);
      });
    });
  } catch (error) {
    const list = Object.entries(wanted).map(([name, kind]) => `${name}=${kind}`).join(' ');
    throw new Error(`namespace ${namespace} at ${config.temporal.address} is missing or lacks search attributes (${messageOf(error)}): check TEMPORAL_NAMESPACE, or create them: ${list}`, { cause: error });
  } finally {
    await connection.close();
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
  if (embedded.temporal) return [topics, tables];
  const attributes: Service = {
    name: 'search-attributes', needs: [],
    start: async () => {
      await setUpSearchAttributes(parseConfig(env()));
      return undefined;
    },
  };
  return [topics, tables, attributes];
}

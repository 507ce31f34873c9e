import { Client, type ClientBase, type QueryConfig } from 'pg';

/**
 * What a session of ours must not take from the settings of a database or a role: they change how values are written as text, or what
 * our transactions see. All are startup parameters that PgBouncer and its like keep for each of their clients.
 */
const parametersThroughPooler = { DateStyle: 'ISO, MDY', TimeZone: 'UTC', standard_conforming_strings: 'on' };

/** And those that only Postgres itself takes. */
const parametersOfPostgres = {
  ...parametersThroughPooler,
  extra_float_digits: '1',
  default_transaction_isolation: 'read committed',
  lock_timeout: '0',
  // The server must notice a host that is gone as well: what a statement has written so far keeps others from the same keys until then.
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
};

/** How pg gets at what it sends when a session starts; its types do not know of it. */
interface Starting {
  getStartupConf(): Record<string, string>;
}

/** Which server process Postgres said was ours when the session began. Behind a pooler it is another one that works for us. */
export function backendPidOf(client: ClientBase): number {
  return (client as unknown as { processID: number }).processID;
}

/** The limits that pg sends by itself, and no pooler takes. */
const limits = ['statement_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout'];

/** A session with Postgres itself. */
export class DirectClient extends Client {
  getStartupConf(): Record<string, string> {
    return { ...parametersOfPostgres, ...(Client.prototype as unknown as Starting).getStartupConf.call(this) };
  }
}

/**
 * A session with a pooler, in which each transaction may get another connection of Postgres: nothing that one has prepared or set is
 * there in the next. Statements have no names, and their limits are kept on our side alone.
 */
export class PooledClient extends Client {
  getStartupConf(): Record<string, string> {
    const own = (Client.prototype as unknown as Starting).getStartupConf.call(this);
    for (const limit of limits) delete own[limit];
    return { ...parametersThroughPooler, ...own };
  }
}

const { query } = Client.prototype as unknown as { query: (this: Client, ...args: unknown[]) => unknown };
// pg's types give `query` a dozen overloads, which a method that only passes it on cannot have.
Object.defineProperty(PooledClient.prototype, 'query', {
  value(this: Client, first: string | QueryConfig, ...rest: unknown[]) {
    const isNamed =
      typeof first === 'object' && first !== null && typeof first.name === 'string' && !('submit' in first);
    return query.call(this, isNamed ? { ...first, name: undefined } : first, ...rest);
  },
});

import type { Client } from '../temporal/connection.ts';
import type { Admin } from '../kafka/connection.ts';
import { messageOf } from '../contracts/failures.ts';
import type { Config } from '../contracts/schemas/config.ts';
import { createPool, type Pool } from '../database/pool.ts';
import { findPartitionEnds } from '../ledger/read-ledger.ts';
import { createBatchRuns } from '../temporal/runs.ts';
import { connectKafka } from '../kafka/connection.ts';
import { createAdmin } from '../kafka/admin.ts';
import { commitForGroup, type OffsetToCommit } from '../kafka/group-commit.ts';
import { createLogReader, type LogReader } from '../kafka/log-reader.ts';
import { createLogger } from '../lib/log.ts';
import { readSchedules } from '../temporal/schedules.ts';
import { readStanding, type SystemStanding } from '../status/standing.ts';
import { readSystemState, type StateSources } from '../status/system-state.ts';
import { connectTemporal } from '../temporal/connection.ts';

/** The servers of a system, each as far as it answers. */
export interface Servers {
  pool?: Pool;
  temporal?: Client;
  kafka?: {
    admin: Admin;
    logs: LogReader;
    commitForGroup(groupId: string, topic: string, offsets: ReadonlyMap<number, OffsetToCommit>): Promise<void>;
  };
  /** Why one is not there, by its name. */
  away: Record<string, string>;
  close(): Promise<void>;
}

/** A batch that is open for longer is worth a look. */
const openMs = 60_000;
const openListedMax = 10;

/** Connects to all of them side by side. Never rejects. */
export async function connectServers(config: Config): Promise<Servers> {
  const away: Record<string, string> = {};
  const opened: (() => Promise<unknown>)[] = [];
  const open = async <T>(name: string, connect: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await connect();
    } catch (error) {
      away[name] = messageOf(error);
      return undefined;
    }
  };
  const [pool, temporal, kafka] = await Promise.all([
    open('Postgres', async () => {
      const made = await createPool(config.database.url, { max: 2, applicationName: 'headrace status' });
      opened.push(() => made.end());
      return made;
    }),
    open('Temporal', async () => {
      const client = await connectTemporal(config);
      opened.push(() => client.connection.close());
      return client;
    }),
    open('Kafka', async () => {
      const client = await connectKafka(config, createLogger('status', 'error'), 'status');
      const admin = createAdmin(client);
      const logs = createLogReader(client);
      opened.push(
        () => admin.disconnect(),
        () => logs.close(),
      );
      await Promise.all([admin.connect(), logs.connect()]);
      const kafka: NonNullable<Servers['kafka']> = {
        admin,
        logs,
        commitForGroup: (groupId, topic, offsets) => commitForGroup(client, groupId, topic, offsets),
      };
      return kafka;
    }),
  ]);
  return {
    pool,
    temporal,
    kafka,
    away,
    close: async () => void (await Promise.allSettled(opened.map((close) => close()))),
  };
}

/** How the system stands, by those servers and processes that answer. */
export async function standingOf(
  { pool, temporal, kafka, away }: Servers,
  config: Config,
  { pipelines, targets }: Pick<StateSources, 'pipelines' | 'targets'>,
): Promise<SystemStanding> {
  const { deployment, epoch } = config;
  const ofTemporal = <T>(read: (client: Client) => Promise<T>): Promise<T> =>
    temporal ? read(temporal) : Promise.reject(new Error(away['Temporal']));
  return readStanding({
    partitions: () =>
      readSystemState({
        deployment,
        epoch,
        pipelines,
        targets,
        kafka,
        temporal,
        partitionEnds: (topic) => (pool ? findPartitionEnds(pool, topic) : Promise.reject(new Error(away['Postgres']))),
      }),
    schedules: () =>
      ofTemporal((client) =>
        readSchedules(client, { deployment: config.deployment, taskQueue: config.temporal.taskQueue }),
      ),
    openBatches: () =>
      ofTemporal((client) => createBatchRuns(client, deployment).openSince(Date.now() - openMs, openListedMax)),
  });
}

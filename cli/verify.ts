import type { Config } from '../contracts/schemas/config.ts';
import { createPool } from '../database/pool.ts';
import { createBatchRuns } from '../runtime/batch-runs.ts';
import { createKafka } from '../runtime/kafka.ts';
import { createLogger } from '../runtime/log.ts';
import { connectTemporal } from '../runtime/temporal.ts';
import type { SystemConfig } from './system-config.ts';
import { verify, type VerifyReport } from './verify-report.ts';

/** Connects to the servers of a system and checks its chains. Throws one sentence when one of them does not answer. */
export async function verifySystem({ config, pipelines }: SystemConfig, overdueSeconds: number): Promise<VerifyReport> {
  const { deployment, kafka: { groupPrefix } } = config;
  const opened: (() => Promise<unknown>)[] = [];
  try {
    const pool = await createPool(config.database.url, { max: 2, applicationName: 'headrace status' });
    opened.push(() => pool.end());
    const temporal = await connectTemporal(config);
    opened.push(() => temporal.connection.close());
    const admin = await connectAdmin(config);
    opened.push(() => admin.disconnect());
    return await verify({
      deployment, epoch: config.epoch, pipelines, pool, admin, overdueSeconds,
      runs: createBatchRuns(temporal, deployment),
      groupOf: (pipeline) => `${groupPrefix}.${deployment}.${pipeline}`,
    });
  } finally {
    await Promise.allSettled(opened.map((close) => close()));
  }
}

async function connectAdmin(config: Config) {
  const admin = createKafka(config, createLogger('status', 'error'), 'status').admin();
  try {
    await admin.connect();
    return admin;
  } catch (error) {
    throw new Error(`no Kafka broker answers at ${config.kafka.brokers.join(', ')}; check KAFKA_BROKERS (${(error as Error).message})`, { cause: error });
  }
}

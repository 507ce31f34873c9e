import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { Kafka, logLevel, Partitioners, type Admin, type Producer } from 'kafkajs';
import pg from 'pg';
import { createPayloadCodec } from '../../temporal/payload-codec.ts';
import { createDatabase, createNamespace, startLiveServers, uniqueName } from '../stack/live.ts';
import { Child } from './child.ts';

const root = join(import.meta.dirname, '..', '..');
export const linearModels = join(root, 'test/inference-client/fixtures/repository');

export interface SystemOptions {
  partitions?: number;
  /** @default 1 */
  chains?: number;
  sinks?: string[];
  /** Address of a model server of the test's own; absent = the shared one with the `linear` model. */
  tritonUrl?: string;
  /** Source text of a pipeline instead of the payments one; it has to use these names. */
  pipelineSource?: (names: { name: string; topic: string; partitions: number }) => string;
  env?: Record<string, string>;
  /** Uses the pipeline, topic and namespace of another one. */
  beside?: System;
  /** A client of the brokers that `env` names; absent = the shared broker. */
  kafka?: Kafka;
}

/** Bridge and worker as child processes on real servers, with a topic, group, database, namespace and folder of their own. */
export class System {
  bridge!: Child;
  worker!: Child;
  readonly #children: Child[] = [];

  private constructor(
    readonly name: string,
    readonly topic: string,
    readonly dataDir: string,
    readonly env: Record<string, string>,
    readonly temporal: Client,
    readonly kafka: Kafka,
    readonly producer: Producer,
    readonly admin: Admin,
    readonly pool: pg.Pool,
  ) {}

  static async start({
    partitions = 2,
    chains = 1,
    sinks,
    tritonUrl,
    pipelineSource,
    env = {},
    beside,
    kafka: ownKafka,
  }: SystemOptions = {}): Promise<System> {
    const servers = await startLiveServers({
      temporal: true,
      kafka: true,
      postgres: true,
      ...(tritonUrl ? {} : { models: linearModels }),
    });
    const name = beside?.name ?? uniqueName('payments');
    const topic = beside?.topic ?? uniqueName('topic');
    const dataDir = mkdtempSync(join(tmpdir(), 'headrace-system-'));
    const pipelinesDir = join(dataDir, 'pipelines');
    mkdirSync(join(pipelinesDir, 'payments'), { recursive: true });
    writeFileSync(
      join(pipelinesDir, 'payments', 'index.ts'),
      pipelineSource?.({ name, topic, partitions }) ??
        `import { paymentsPipeline } from ${JSON.stringify(join(root, 'test/live/payments.ts'))};\nexport default paymentsPipeline(${JSON.stringify({ name, topic, partitions, chains, sinks })});\n`,
    );
    const namespace = beside?.env['TEMPORAL_NAMESPACE'] ?? (await createNamespace(servers.temporal.address));
    const databaseUrl = await createDatabase(servers.postgres.databaseUrl);
    const kafka =
      ownKafka ?? new Kafka({ clientId: 'test', brokers: servers.kafka.brokers, logLevel: logLevel.NOTHING });
    const producer = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
    });
    const admin = kafka.admin();
    const connection = await Connection.connect({ address: servers.temporal.address });
    const temporal = new Client({ connection, namespace, dataConverter: { payloadCodecs: [createPayloadCodec()] } });
    const system = new System(
      name,
      topic,
      dataDir,
      {
        HEADRACE_DEPLOYMENT: 'test',
        HEADRACE_DATA_DIR: dataDir,
        HEADRACE_PIPELINES_DIR: pipelinesDir,
        HEADRACE_LOG_LEVEL: 'info',
        TEMPORAL_ADDRESS: servers.temporal.address,
        TEMPORAL_NAMESPACE: namespace,
        KAFKA_BROKERS: servers.kafka.brokers.join(','),
        KAFKA_SESSION_TIMEOUT_MS: '10000',
        DATABASE_URL: databaseUrl,
        TRITON_URL: tritonUrl ?? (servers as unknown as { models: { address: string } }).models.address,
        ...env,
      },
      temporal,
      kafka,
      producer,
      admin,
      new pg.Pool({ connectionString: databaseUrl, max: 4 }),
    );
    try {
      await Promise.all([producer.connect(), admin.connect()]);
      system.startWorker();
      system.startBridge();
      await Promise.all([system.worker.ready, system.bridge.ready]);
      return system;
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  startBridge(env: Record<string, string> = {}): Child {
    this.bridge = this.#spawn('bridge', env);
    return this.bridge;
  }

  startWorker(env: Record<string, string> = {}): Child {
    this.worker = this.#spawn('worker', env);
    return this.worker;
  }

  /** Decisions in the dashboard. */
  async countDecisions(): Promise<number> {
    const { rows } = await this.pool
      .query<{ count: string }>('select count(*) from decisions')
      .catch(() => ({ rows: [{ count: '0' }] }));
    return Number(rows[0]!.count);
  }

  /** The last log lines of bridge and worker, for a failing test. */
  logs(): string {
    return [this.bridge, this.worker].map((child) => `--- ${child.name}\n${child.log()}`).join('\n');
  }

  /** Stops what runs and removes what was made. */
  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
    await Promise.allSettled([
      this.producer.disconnect(),
      this.admin.disconnect(),
      this.pool.end(),
      this.temporal.connection.close(),
    ]);
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  #spawn(name: 'bridge' | 'worker', env: Record<string, string>): Child {
    const child = new Child(name, join(root, name, 'main.ts'), { ...this.env, ...env });
    this.#children.push(child);
    return child;
  }
}

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { Kafka, logLevel, Partitioners, type Admin, type Message, type Producer } from 'kafkajs';
import pg from 'pg';
import { installFetchDecoding } from '../../../kafka/fetch-decoding.ts';
import { createPayloadCodec } from '../../../temporal/payload-codec.ts';
import { createDatabase, createNamespace, uniqueName } from '../../stack/of-ones-own.ts';
import { FaultServers } from './fault-servers.ts';
import { Member, type Role } from './member.ts';
import { repositoryRoot, type Product } from './product.ts';
import { SmallDisk } from './small-disk.ts';

/** What a row needs of the system besides what all have. */
export interface SystemNeeds {
  partitions?: number;
  /** In how many chains they are. @default 2, so that both bridges have one */
  chains?: number | undefined;
  bridges?: number;
  workers?: number;
  /** Brokers of the Kafka cluster, which gives topics as many replicas, up to three. @default 1 */
  brokers?: number;
  sinks?: string[];
  /** Settings of all members. */
  env?: Record<string, string>;
  /** Settings of the topic, made before anything else makes it. */
  topicConfig?: Record<string, string>;
  /** The lake on a file system of its own of this size; see `SmallDisk`. */
  lakeMegabytes?: number;
}

export const sessionTimeoutMs = 10_000;
const execute = promisify(execFile);

/**
 * Two bridges and two workers on real servers. What they reach goes through proxies; what the harness itself asks goes past them, so
 * that it sees what is true while they do not.
 */
export class FaultSystem {
  readonly bridges: Member[] = [];
  readonly workers: Member[] = [];
  /** Where the lake is, if the row wanted a file system of its own. */
  lakeDisk: SmallDisk | undefined;

  private constructor(
    readonly servers: FaultServers,
    readonly name: string,
    readonly topic: string,
    readonly partitions: number,
    /** Everything of this run: data, logs of members and servers. */
    readonly folder: string,
    private readonly product: Product,
    /** Settings of all members. */
    readonly env: Readonly<Record<string, string>>,
    readonly temporal: Client,
    readonly kafka: Kafka,
    readonly producer: Producer,
    readonly admin: Admin,
    readonly pool: pg.Pool,
  ) {}

  /** Starts the servers and the members. `env` is that of this process: it says where programs are found. */
  static async start(product: Product, needs: SystemNeeds, env: NodeJS.ProcessEnv): Promise<FaultSystem> {
    const folder = mkdtempSync(join(tmpdir(), `headrace-faults-${process.pid}-`));
    const servers = await FaultServers.start(folder, env, needs.brokers);
    let disk: SmallDisk | undefined;
    try {
      if (needs.lakeMegabytes !== undefined) disk = SmallDisk.mount(lakeOf(dataOf(folder)), needs.lakeMegabytes);
      const system = await FaultSystem.#on(servers, folder, product, needs);
      system.lakeDisk = disk;
      return system;
    } catch (error) {
      disk?.unmount();
      await servers.stop();
      throw error;
    }
  }

  static async #on(servers: FaultServers, folder: string, product: Product, needs: SystemNeeds): Promise<FaultSystem> {
    const { partitions = 4, chains = 2, sinks, env = {} } = needs;
    const name = uniqueName('payments');
    const topic = uniqueName('topic');
    const dataDir = dataOf(folder);
    writePipeline(product, join(dataDir, 'pipelines'), { name, topic, partitions, chains, sinks });
    const namespace = await createNamespace(servers.temporal.direct.address);
    const databaseUrl = await createDatabase(servers.postgres.direct.databaseUrl);
    const proxiedDatabaseUrl = new URL(databaseUrl);
    proxiedDatabaseUrl.host = servers.postgres.proxy.address;
    installFetchDecoding();
    const kafka = new Kafka({
      clientId: 'faults',
      brokers: servers.brokers.map(({ direct }) => direct.address),
      logLevel: logLevel.NOTHING,
      connectionTimeout: 2_000,
      requestTimeout: 10_000,
      enforceRequestTimeout: true,
      retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 20 },
    });
    // No retries: each event is sent at most once, so that its outcome is known to be one, none, or one of both.
    const producer = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
      retry: { retries: 0 },
    });
    const admin = kafka.admin();
    const connection = await Connection.connect({ address: servers.temporal.direct.address });
    const temporal = new Client({ connection, namespace, dataConverter: { payloadCodecs: [createPayloadCodec()] } });
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 4, connectionTimeoutMillis: 5_000 });
    // The server is killed on purpose; a connection that idles then breaks.
    pool.on('error', () => undefined);
    const system = new FaultSystem(
      servers,
      name,
      topic,
      partitions,
      folder,
      product,
      {
        HEADRACE_DEPLOYMENT: 'test',
        HEADRACE_DATA_DIR: dataDir,
        HEADRACE_PIPELINES_DIR: join(dataDir, 'pipelines'),
        HEADRACE_BATCHES_PER_SECOND: '12',
        // The rows count on batches that start at once.
        HEADRACE_LINGER_MS: '0',
        HEADRACE_LAKE_ROLL_UP_SECONDS: '30',
        TEMPORAL_ADDRESS: servers.temporal.proxy.address,
        TEMPORAL_NAMESPACE: namespace,
        KAFKA_BROKERS: servers.brokers.map(({ proxy }) => proxy.address).join(','),
        KAFKA_SESSION_TIMEOUT_MS: String(sessionTimeoutMs),
        DATABASE_URL: proxiedDatabaseUrl.toString(),
        TRITON_URL: servers.models.proxy.address,
        ...env,
      },
      temporal,
      kafka,
      producer,
      admin,
      pool,
    );
    await Promise.all([producer.connect(), admin.connect()]);
    if (needs.topicConfig)
      await admin.createTopics({
        waitForLeaders: true,
        topics: [
          {
            topic,
            numPartitions: partitions,
            configEntries: Object.entries(needs.topicConfig).map(([key, value]) => ({ name: key, value })),
          },
        ],
      });
    await system.#startMembers(needs);
    return system;
  }

  async #startMembers({ bridges = 2, workers = 2 }: SystemNeeds): Promise<void> {
    for (let i = 1; i <= workers; i++) this.workers.push(this.member('worker', `worker-${i}`));
    for (let i = 1; i <= bridges; i++) this.bridges.push(this.member('bridge', `bridge-${i}`));
    // One first: side by side they would all make the same tables, topics and schedules, and fail no worse than in production, but slower.
    for (const group of [
      [...this.workers.slice(0, 1), ...this.bridges.slice(0, 1)],
      [...this.workers.slice(1), ...this.bridges.slice(1)],
    ]) {
      for (const member of group) member.start();
      await Promise.all(group.map((member) => member.ready()));
    }
  }

  /** One more bridge or worker, not started. Ended with the rest. */
  member(role: Role, name: string, env: Record<string, string> = {}): Member {
    const logDir = join(this.folder, 'logs');
    mkdirSync(logDir, { recursive: true });
    const level = role === 'bridge' ? 'debug' : 'info';
    const member = new Member(name, role, {
      productRoot: this.product.root,
      logDir,
      env: () => ({ HEADRACE_LOG_LEVEL: level, ...this.env, ...env }),
    });
    this.#members.push(member);
    return member;
  }
  readonly #members: Member[] = [];

  get members(): readonly Member[] {
    return this.#members;
  }

  /** Folder of the tested product's sources. */
  get productRoot(): string {
    return this.product.root;
  }

  get dataDir(): string {
    return this.env['HEADRACE_DATA_DIR']!;
  }

  get lakeDir(): string {
    return lakeOf(this.dataDir);
  }

  get groupId(): string {
    return `headrace.test.${this.name}`;
  }

  /** Changes a setting of all members; it holds from their next start on. */
  configure(env: Record<string, string>): void {
    Object.assign(this.env as Record<string, string>, env);
  }

  /** Puts the topic into so many chains, as an operator does: with the bridges stopped, by the command, and then in the pipeline's file. */
  async setChains(chains: number): Promise<void> {
    const args = ['--import', 'tsx', 'cli/main.ts', 'chains', 'set', String(chains), '--pipeline', this.name];
    const env = { ...process.env, ...this.env };
    await execute(process.execPath, args, { cwd: this.product.root ?? repositoryRoot, env, timeout: 60_000 });
    const { name, topic, partitions } = this;
    writePipeline(this.product, this.env['HEADRACE_PIPELINES_DIR']!, { name, topic, partitions, chains });
  }

  /** Decisions in the dashboard. */
  async countDecisions(): Promise<number> {
    const { rows } = await this.pool.query<{ count: string }>('select count(*) from decisions');
    return Number(rows[0]!.count);
  }

  /** Sends with a producer that has just learned of the topic's partitions, and may send again what fails. */
  async sendAfresh(messages: Message[], options: { transactionalId?: string; abort?: boolean } = {}): Promise<void> {
    const producer = this.kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
      ...(options.transactionalId
        ? { transactionalId: options.transactionalId, maxInFlightRequests: 1, idempotent: true }
        : {}),
    });
    await producer.connect();
    try {
      if (!options.transactionalId) return void (await producer.send({ topic: this.topic, acks: -1, messages }));
      const transaction = await producer.transaction();
      await transaction.send({ topic: this.topic, acks: -1, messages });
      await (options.abort ? transaction.abort() : transaction.commit());
    } finally {
      await producer.disconnect();
    }
  }

  /** The last log lines of all members, for what went wrong. */
  logs(): string {
    return this.#members.map((member) => `--- ${member.name}\n${member.log()}`).join('\n');
  }

  /** Everything up, nothing faulty. */
  async heal(): Promise<void> {
    await this.servers.heal();
    for (const member of [...this.bridges, ...this.workers]) {
      member.thaw();
      member.start();
    }
    await Promise.all([...this.bridges, ...this.workers].map((member) => member.ready()));
  }

  /** Ends all that runs; the folder stays when `keep` says so. */
  async stop({ keep = false }: { keep?: boolean } = {}): Promise<void> {
    await Promise.all(this.#members.map((member) => member.end()));
    await Promise.allSettled([
      this.producer.disconnect(),
      this.admin.disconnect(),
      this.pool.end(),
      this.temporal.connection.close(),
    ]);
    await this.servers.stop();
    this.lakeDisk?.unmount();
    if (!keep) rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const dataOf = (folder: string) => join(folder, 'data');
const lakeOf = (dataDir: string) => join(dataDir, 'lake');

/** The payments pipeline of the tested sources, under names of this run's own. */
function writePipeline(
  product: Product,
  folder: string,
  names: { name: string; topic: string; partitions: number; chains: number; sinks?: string[] | undefined },
): void {
  mkdirSync(join(folder, 'payments'), { recursive: true });
  // A copy's own `headrace` has to be imported: its file is found next to the sources that run.
  const payments = join(product.root ?? repositoryRoot, 'test/live/payments.ts');
  writeFileSync(
    join(folder, 'payments', 'index.ts'),
    `import { paymentsPipeline } from ${JSON.stringify(payments)};\nexport default paymentsPipeline(${JSON.stringify(names)});\n`,
  );
}

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { createPayloadCodec } from '../temporal/payload-codec.ts';
import { launch, type ManagedProcess } from '@headrace/stack/servers/process';
import { nodeArgs, nodeEnv } from '@headrace/stack/supervisor';
import { findJsonLine, waitUntilReady } from '@headrace/stack/servers/ready';
import type { BenchContext } from './context.ts';
import type { BenchServers } from './servers.ts';

const root = join(import.meta.dirname, '..');
const inherited = ['NODE_OPTIONS', 'PATH', 'HOME', 'TMPDIR', 'LANG', 'LD_LIBRARY_PATH'];
/** The bench measures how low latencies can be; a start waits for nothing but its turn. */
const lowestLatencyEnv = { HEADRACE_LINGER_MS: '0', HEADRACE_BATCHES_PER_SECOND: '50' } as const;
const readyTimeoutMs = 60_000;

/** Name of the measured pipeline: the shipped one, with a topic of the bench's own. */
const pipelineName = 'fraud';

export type SystemServers = BenchServers<'temporal' | 'kafka' | 'postgres' | 'model-server'>;

/** Bridge and worker as child processes, exactly as in production, and what a bench asks them and their servers. */
export class BenchSystem {
  readonly #processes = new Map<'bridge' | 'worker', { process: ManagedProcess; metrics: string }>();

  private constructor(
    readonly topic: string,
    readonly partitions: number,
    readonly servers: SystemServers,
    readonly temporal: Client,
    readonly pool: pg.Pool,
    private readonly context: BenchContext,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Prepares everything but starts no process yet. */
  static async prepare(
    context: BenchContext,
    servers: SystemServers,
    { topic, partitions, env }: { topic: string; partitions: number; env?: NodeJS.ProcessEnv },
  ): Promise<BenchSystem> {
    const pipelinesDir = join(servers.dataDir, 'pipelines');
    mkdirSync(join(pipelinesDir, pipelineName), { recursive: true });
    const shipped = pathToFileURL(join(root, 'pipelines', pipelineName, 'index.ts')).href;
    writeFileSync(
      join(pipelinesDir, pipelineName, 'index.ts'),
      [
        `import pipeline from ${JSON.stringify(shipped)};`,
        `const sinks = ${JSON.stringify(context.sinks ?? null)};`,
        `export default { ...pipeline, topic: ${JSON.stringify({ name: topic, partitions, chains: 1 })}, sinks: pipeline.sinks.filter(({ sink }) => !sinks || sinks.includes(sink)) };\n`,
      ].join('\n'),
    );
    const pool = new pg.Pool({ connectionString: servers.postgres.databaseUrl, max: 2 });
    // An idle connection that breaks when the server stops is no failure of the bench.
    pool.on('error', () => undefined);
    const connection = await Connection.connect({
      address: servers.temporal.address,
      channelArgs: { 'grpc.enable_http_proxy': 0 },
    });
    const temporal = new Client({
      connection,
      namespace: servers.temporal.namespace,
      dataConverter: { payloadCodecs: [createPayloadCodec()] },
    });
    return new BenchSystem(topic, partitions, servers, temporal, pool, context, {
      ...lowestLatencyEnv,
      ...Object.fromEntries(
        Object.entries(context.env).filter(([name]) => inherited.includes(name) || name.startsWith('HEADRACE_')),
      ),
      HEADRACE_DEPLOYMENT: 'bench',
      HEADRACE_DATA_DIR: join(servers.dataDir, 'headrace'),
      HEADRACE_PIPELINES_DIR: pipelinesDir,
      TEMPORAL_ADDRESS: servers.temporal.address,
      TEMPORAL_NAMESPACE: servers.temporal.namespace,
      KAFKA_BROKERS: servers.kafka.address,
      DATABASE_URL: servers.postgres.databaseUrl,
      TRITON_URL: servers['model-server'].address,
      ...env,
    });
  }

  /** Starts a process and waits until it says that it is ready. */
  async start(name: 'bridge' | 'worker', env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { profileDir } = this.context;
    const profiling = profileDir
      ? ['--cpu-prof', '--cpu-prof-interval', '1000', '--cpu-prof-dir', join(profileDir, name)]
      : [];
    const process_ = await launch({
      name,
      command: process.execPath,
      args: [...profiling, ...nodeArgs(join(root, name, 'main.ts'))],
      cwd: root,
      env: { ...nodeEnv, ...this.env, ...env },
      logFile: join(this.servers.dataDir, `${name}.log`),
    });
    this.#processes.set(name, { process: process_, metrics: '' });
    const ready = await waitUntilReady({
      process: process_,
      timeoutMs: readyTimeoutMs,
      probe: async () => findJsonLine(process_, (line) => (line['ready'] === true ? line : undefined)),
    });
    this.#processes.set(name, { process: process_, metrics: String(ready['metrics']) });
  }

  /** Process ids of everything that works for an event, by name. */
  get pids(): Record<string, number> {
    const { temporal, kafka, postgres } = this.servers;
    const ours = [...this.#processes].map(
      ([
        name,
        {
          process: { pid },
        },
      ]) => [name, pid],
    );
    return {
      ...(Object.fromEntries(ours) as Record<string, number>),
      temporal: temporal.pid,
      kafka: kafka.pid,
      postgres: postgres.pid,
      'model server': this.servers['model-server'].pid,
    };
  }

  /** The sum of a metric over all labels that match; 0 when it was never set. */
  async metric(name: 'bridge' | 'worker', metric: string, labels: Record<string, string> = {}): Promise<number> {
    const response = await fetch(`http://${this.#processes.get(name)!.metrics}/metrics.json`, {
      signal: AbortSignal.timeout(10_000),
    });
    const families = (await response.json()) as {
      name: string;
      values: { value: number; metricName?: string; labels: Record<string, string> }[];
    }[];
    const values = families.flatMap((family) =>
      family.values.filter((value) => (value.metricName ?? family.name) === metric),
    );
    return values
      .filter((value) => Object.entries(labels).every(([label, wanted]) => value.labels[label] === wanted))
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** What a process has logged: the JSON lines of its log. */
  logLines(name: 'bridge' | 'worker'): Record<string, unknown>[] {
    const { logFile, logOffset } = this.#processes.get(name)!.process;
    return readFileSync(logFile)
      .subarray(logOffset)
      .toString('utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Decisions in the dashboard, by its roll-ups: they change in the transaction of the rows. */
  async decisionCount(): Promise<number> {
    const { rows } = await this.pool.query<{ sum: string | null }>('select sum(decisions) from decision_minutes');
    return Number(rows[0]!.sum ?? 0);
  }

  /** Reviews in Postgres, opened or waiting. */
  async reviewCount(): Promise<number> {
    const { rows } = await this.pool.query<{ count: string }>('select count(*) from reviews');
    return Number(rows[0]!.count);
  }

  /** Stops bridge and worker, which lets what else is measured on the same servers alone. */
  async halt(): Promise<void> {
    for (const name of ['bridge', 'worker'] as const) await this.#processes.get(name)?.process.stop();
    this.#processes.clear();
  }

  /** Stops what runs, the bridge first. */
  async stop(): Promise<void> {
    await this.halt();
    await Promise.allSettled([this.pool.end(), this.temporal.connection.close()]);
  }
}

import { mkdirSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { Connection } from '@temporalio/client';
import { choosePort, freePort, startOnFreePorts } from './ports.ts';
import { launch } from './process.ts';
import { waitUntilReady } from './ready.ts';
import { serverOf } from './types.ts';
import type { EmbeddedServer, StartOptions } from './types.ts';

export interface StartTemporalOptions extends StartOptions {
  /** The program, from `prepareTemporal`. */
  executable: string;
  /** @default 'headrace' */
  namespace?: string;
  preferredUiPort?: number;
  /** Exactly this port for the Web UI, for a restart. */
  uiPort?: number;
  /** How long the namespace keeps closed runs, in hours; 1 is the least that a server takes. @default what the namespace has, 24 for a new one */
  retentionHours?: number;
  /** Where the Web UI decodes payloads. */
  uiCodecEndpoint?: string;
  /** Keeps everything in memory: nothing survives the process. For tests. @default false */
  inMemory?: boolean;
  /** More settings of the server, `key=value`. */
  dynamicConfig?: readonly string[];
  /** Chooses a port that nobody needs to know. @default freePort */
  innerPort?: () => Promise<number>;
  /** Without the Web UI. @default false */
  headless?: boolean;
}

/** A running dev server. */
export interface TemporalServer extends EmbeddedServer {
  namespace: string;
  /** The Web UI's address; undefined when it is headless. */
  uiUrl: string | undefined;
  /** Its own metrics, as Prometheus reads them. */
  metricsUrl: string;
  /** How long the namespace keeps closed runs, in hours. */
  retentionHours: number;
}

/** See docs/decisions/0032: what each costs and gains here. A cluster of more than one machine has other needs. */
const dynamicConfig = [
  // It would ask its maker for newer versions, and send its own with a cluster id: docs/privacy.md.
  'frontend.enableServerVersionCheck=false',
  // One history shard polls its queues 20 times a second by default, so each hop of a workflow waits up to 50 ms. Far higher figures cost throughput under load.
  'history.transferProcessorMaxPollRPS=300',
  // Behind each poll of the timers there is a second one, that looks ahead. No timer of ours holds up scoring.
  'history.timerProcessorMaxPollRPS=120',
  // A timer is put off by up to this much so that it is not read too early; by default a timer of 1 ms takes a second.
  'history.timerProcessorMaxTimeShift="10ms"',
  // By default three polls of the timers that find some within one second count as stuck: the queue's state is then saved, and finished timers are deleted, after each poll.
  'history.queueReaderStuckCriticalAttempts=1000',
  // Each poll of the timers passes over all that have fired since the last save of the queue's state, which deletes them: every 30 s by default.
  'history.timerProcessorUpdateAckInterval="1s"',
  // The list of runs may be half a second late. Of a run that has ended by then only its end is written, and not its start before that.
  'history.visibilityProcessorMaxPollRPS=2',
  // Each of these polls brings so many at most.
  'history.visibilityTaskBatchSize=1000',
  // The dev server would read the search attributes from its database a dozen times a batch. New ones are known after two seconds now, as in a cluster.
  'system.forceSearchAttributesCacheRefreshOnRead=false',
  // A closed run is deleted at a random moment of so long a time after its retention: half an hour by default, which is half as much again of the shortest retention.
  'history.retentionTimerJitterDuration="1m"',
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
];
/** Half as many collections of garbage as by default, for some 50 MiB more; and a name, which it wants although it is not used, for a user without one. */
const goEnv = { GOGC: '200', USER: 'headrace', HOME: '/' };
/** WAL with NORMAL survives the death of the process; only a power cut may lose the last moments. */
const sqlitePragmas = ['journal_mode=WAL', 'synchronous=NORMAL'];

/** The server takes it for a URL, in which `%` and `#` mean something else: it runs in its data folder, so that only this name is read. */
const databaseFile = 'temporal.db';

const probeTimeoutMs = 2_000;

function arguments_(
  options: StartTemporalOptions,
  ports: { grpc: number; ui: number; http: number; metrics: number },
): string[] {
  const args = [
    'server',
    'start-dev',
    '--ip',
    '127.0.0.1',
    '--port',
    String(ports.grpc),
    '--http-port',
    String(ports.http),
    '--metrics-port',
    String(ports.metrics),
    '--log-level',
    'warn',
    '--log-format',
    'json',
    '--color',
    'never',
    '--disable-config-file',
    '--disable-config-env',
    '--namespace',
    options.namespace ?? 'headrace',
  ];
  if (options.headless === true) args.push('--headless');
  else args.push('--ui-ip', '127.0.0.1', '--ui-port', String(ports.ui));
  if (options.uiCodecEndpoint !== undefined && options.headless !== true)
    args.push('--ui-codec-endpoint', options.uiCodecEndpoint);
  if (options.inMemory !== true) {
    args.push('--db-filename', databaseFile);
    for (const pragma of sqlitePragmas) args.push('--sqlite-pragma', pragma);
  }
  for (const value of [...dynamicConfig, ...(options.dynamicConfig ?? [])]) args.push('--dynamic-config-value', value);
  return args;
}

type Ready = { retentionHours: number };
type Retention = Parameters<Connection['workflowService']['updateNamespace']>[0]['config'];

/** Ready means: the namespace takes queries, and keeps runs as long as asked for. An open port does not say that, and a described namespace neither. */
async function probe(
  address: string,
  { namespace = 'headrace', retentionHours: wanted }: StartTemporalOptions,
): Promise<Ready> {
  // It is on this machine: variables such as http_proxy are not meant for it.
  const connection = await Connection.connect({
    address,
    connectTimeout: probeTimeoutMs,
    channelArgs: { 'grpc.enable_http_proxy': 0 },
  });
  try {
    return await connection.withDeadline(Date.now() + probeTimeoutMs, async () => {
      const described = await connection.workflowService.describeNamespace({ namespace });
      await connection.workflowService.countWorkflowExecutions({ namespace });
      const found = Number(described.config?.workflowExecutionRetentionTtl?.seconds ?? 0) / 3_600;
      if (wanted === undefined || wanted === found) return { retentionHours: found };
      // Its type wants an object for the 64 bits; a number is taken as well.
      const config = { workflowExecutionRetentionTtl: { seconds: wanted * 3_600 } } as unknown as Retention;
      await connection.workflowService.updateNamespace({ namespace, config });
      return { retentionHours: wanted };
    });
  } finally {
    await connection.close();
  }
}

async function startOnce(options: StartTemporalOptions): Promise<TemporalServer> {
  const {
    dataDir,
    executable,
    headless,
    namespace = 'headrace',
    innerPort = freePort,
    readyTimeoutMs = 60_000,
  } = options;
  const ports = {
    grpc: options.port ?? (await choosePort(options.preferredPort)),
    ui: options.uiPort ?? (await choosePort(options.preferredUiPort)),
    http: await innerPort(),
    metrics: await innerPort(),
  };
  const address = `127.0.0.1:${ports.grpc}`;
  const process = await launch({
    name: 'temporal',
    command: executable.includes(sep) ? resolve(executable) : executable,
    args: arguments_(options, ports),
    cwd: dataDir,
    logFile: join(dataDir, 'temporal.log'),
    env: options.env && { ...goEnv, ...options.env },
    onLaunch: options.onLaunch,
  });
  try {
    const ready = await waitUntilReady({ process, timeoutMs: readyTimeoutMs, probe: () => probe(address, options) });
    return {
      ...serverOf('temporal', address, process),
      namespace,
      retentionHours: ready.retentionHours,
      metricsUrl: `http://127.0.0.1:${ports.metrics}/metrics`,
      uiUrl: headless === true ? undefined : `http://127.0.0.1:${ports.ui}`,
    };
  } catch (error) {
    await process.stop();
    throw error;
  }
}

/** Starts a Temporal dev server on a SQLite file in the data folder and waits until its namespace answers. */
export function startTemporal(given: StartTemporalOptions): Promise<TemporalServer> {
  const options = { ...given, dataDir: resolve(given.dataDir) };
  mkdirSync(options.dataDir, { recursive: true });
  return startOnFreePorts('temporal', options.port, () => startOnce(options));
}

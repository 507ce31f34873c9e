import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { runCommand } from './command.ts';
import { log4jProperties, serverProperties, type ClusterPlace, type ViaListener } from './kafka-settings.ts';
import { choosePort, freePort, startOnFreePorts } from './ports.ts';
import { launch } from './process.ts';
import { waitUntilReady } from './ready.ts';
import { serverOf } from './types.ts';
import type { EmbeddedServer, StartOptions } from './types.ts';

export interface StartKafkaOptions extends StartOptions {
  /** Folder of the jars, from `prepareKafka`. */
  jarsDir: string;
  /** The Java program. @default 'java' */
  java?: string;
  /** Largest Java heap. @default 512 */
  heapMegabytesMax?: number;
  /** The shortest session time-out that consumers may ask for. @default 1000 */
  groupMinSessionTimeoutMs?: number;
  /** How long topics keep records that say nothing else, in hours. @default Kafka's own, a week */
  retentionHours?: number;
  /** Chooses a port that nobody needs to know. @default freePort */
  innerPort?: () => Promise<number>;
  /** A second listener, for clients that come through a proxy. */
  via?: ViaListener;
  /** Its place among the brokers of a cluster. Absent: it is alone. */
  place?: ClusterPlace;
  /** Settings of the broker on top of ours, of listeners with TLS for instance. */
  settings?: Record<string, string>;
  /** More arguments of the tool that formats an empty data folder, for users who have to be there from the start. */
  formatArguments?: readonly string[];
}

/** A running broker. `address` is its bootstrap address. */
export type KafkaServer = EmbeddedServer;

const formatTimeoutMs = 60_000;
const probeTimeoutMs = 2_000;

/** A random id for a cluster. */
export function newClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  // A leading dash would read as an option on the command line; Kafka's own ids avoid it too.
  return id.startsWith('-') ? newClusterId() : id;
}

/** This data folder's cluster id, chosen before anything else is written so that a repeated format agrees with it. */
function clusterIdOf({ dataDir, place }: StartKafkaOptions): string {
  if (place) return place.clusterId;
  const file = join(dataDir, 'cluster-id');
  if (existsSync(file)) return readFileSync(file, 'utf8');
  const id = newClusterId();
  writeFileSync(`${file}.draft`, id);
  renameSync(`${file}.draft`, file);
  return id;
}

/**
 * Java's class path and Kafka's settings know no way to write a path that holds one of their separators (colon, comma), so Kafka runs
 * in its data folder and all its paths are relative to that.
 */
const paths = { logs: 'logs', settings: 'server.properties', logSettings: './log4j2.properties', jars: 'jars' };

/**
 * Java reads paths in the character set of the locale, also that of the folder it runs in: in the locale that a container has by default, and many
 * services, it finds nothing in a folder whose name is not ASCII.
 */
function javaEnv({ env }: StartKafkaOptions): NodeJS.ProcessEnv | undefined {
  return env && { ...env, LC_ALL: 'C.UTF-8' };
}

/** The class path of the jars as seen from the data folder. */
function classPathOf({ dataDir, jarsDir }: StartKafkaOptions): string {
  if (!jarsDir.includes(delimiter)) return join(jarsDir, '*');
  const link = join(dataDir, paths.jars);
  rmSync(link, { force: true });
  symlinkSync(jarsDir, link);
  return join(paths.jars, '*');
}

/** Writes KRaft's meta data into an empty data folder. The marker is written last: a crash half-way formats again. */
async function formatOnce(options: StartKafkaOptions, classPath: string): Promise<void> {
  const marker = join(options.dataDir, 'formatted');
  if (existsSync(marker)) return;
  await runCommand({
    command: options.java ?? 'java',
    args: [
      '-XX:TieredStopAtLevel=1',
      '-Xmx128m',
      '-cp',
      classPath,
      'kafka.tools.StorageTool',
      'format',
      '--ignore-formatted',
      '--cluster-id',
      clusterIdOf(options),
      '--config',
      paths.settings,
      ...(options.formatArguments ?? []),
    ],
    timeoutMs: formatTimeoutMs,
    env: javaEnv(options),
    cwd: options.dataDir,
  });
  if (!existsSync(join(options.dataDir, paths.logs, 'meta.properties')))
    throw new Error(`Kafka's format left no meta.properties in ${options.dataDir}`);
  writeFileSync(marker, '');
}

/** Ready means that the broker is registered, unfenced and answers: a client of ours sees it in its cluster, which another program's broker is not in. */
async function probe(address: string, clusterId: string, nodeId: number): Promise<true | undefined> {
  const client = new Kafka({
    clientId: 'headrace-probe',
    brokers: [address],
    logLevel: logLevel.NOTHING,
    connectionTimeout: probeTimeoutMs,
    requestTimeout: probeTimeoutMs,
    enforceRequestTimeout: true,
    retry: { retries: 0 },
  });
  const admin = client.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    return cluster.clusterId === clusterId &&
      cluster.brokers.some((broker) => broker.nodeId === nodeId) &&
      cluster.controller !== null
      ? true
      : undefined;
  } finally {
    await admin.disconnect();
  }
}

async function startOnce(options: StartKafkaOptions): Promise<KafkaServer> {
  const { dataDir, place, innerPort = freePort, readyTimeoutMs = 90_000 } = options;
  const nodeId = place?.nodeId ?? 1;
  const port = options.port ?? (await choosePort(options.preferredPort));
  const address = `127.0.0.1:${port}`;
  writeFileSync(
    join(dataDir, paths.settings),
    serverProperties({
      port,
      nodeId,
      controllerPorts: place?.controllerPorts ?? [await innerPort()],
      logsDir: paths.logs,
      groupMinSessionTimeoutMs: options.groupMinSessionTimeoutMs ?? 1_000,
      via: options.via,
      retentionHours: options.retentionHours,
      more: options.settings,
    }),
  );
  writeFileSync(join(dataDir, paths.logSettings), log4jProperties);
  const classPath = classPathOf(options);
  await formatOnce(options, classPath);
  const process = await launch({
    name: 'kafka',
    command: options.java ?? 'java',
    logFile: join(dataDir, 'kafka.log'),
    env: javaEnv(options),
    cwd: dataDir,
    onLaunch: options.onLaunch,
    // For a broker of one machine: what the better compiler and the parallel collector gain later, they cost now, on cores that others need.
    args: [
      `-Xmx${options.heapMegabytesMax ?? 512}m`,
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-XX:+ExitOnOutOfMemoryError',
      `-Dlog4j2.configurationFile=${paths.logSettings}`,
      '-cp',
      classPath,
      'kafka.Kafka',
      paths.settings,
    ],
  });
  try {
    await waitUntilReady({
      process,
      timeoutMs: readyTimeoutMs,
      probe: () => probe(address, clusterIdOf(options), nodeId),
    });
    return serverOf('kafka', address, process);
  } catch (error) {
    await process.stop();
    throw error;
  }
}

/** Starts Kafka on the data folder and waits until a client can use it. The data stays usable when the port changes. */
export function startKafka(given: StartKafkaOptions): Promise<KafkaServer> {
  const options = { ...given, dataDir: resolve(given.dataDir), jarsDir: resolve(given.jarsDir) };
  mkdirSync(join(options.dataDir, paths.logs), { recursive: true });
  return startOnFreePorts('kafka', options.port, () => startOnce(options));
}

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { runCommand } from './command.ts';
import { log4jProperties, serverProperties, type ClusterPlace, type ViaListener } from './kafka-settings.ts';
import { choosePort, freePort } from './ports.ts';
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

/** Writes KRaft's meta data into an empty data folder. The marker is written last: a crash half-way formats again. */
async function formatOnce(options: StartKafkaOptions, logsDir: string, settingsFile: string, classPath: string): Promise<void> {
  const marker = join(options.dataDir, 'formatted');
  if (existsSync(marker)) return;
  await runCommand({
    command: options.java ?? 'java',
    args: ['-XX:TieredStopAtLevel=1', '-Xmx128m', '-cp', classPath, 'kafka.tools.StorageTool', 'format', '--ignore-formatted',
      '--cluster-id', clusterIdOf(options), '--config', settingsFile, ...(options.formatArguments ?? [])],
    timeoutMs: formatTimeoutMs,
    env: options.env,
  });
  if (!existsSync(join(logsDir, 'meta.properties'))) throw new Error(`Kafka's format left no meta.properties in ${logsDir}`);
  writeFileSync(marker, '');
}

/** Ready means that the broker is registered, unfenced and answers: a client of ours sees it in the cluster. */
async function probe(address: string, nodeId: number): Promise<true | undefined> {
  const client = new Kafka({
    clientId: 'headrace-probe', brokers: [address], logLevel: logLevel.NOTHING,
    connectionTimeout: probeTimeoutMs, requestTimeout: probeTimeoutMs, enforceRequestTimeout: true, retry: { retries: 0 },
  });
  const admin = client.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    return cluster.brokers.some((broker) => broker.nodeId === nodeId) && cluster.controller !== null ? true : undefined;
  } finally {
    await admin.disconnect();
  }
}

/** Starts Kafka on the data folder and waits until a client can use it. The data stays usable when the port changes. */
export async function startKafka(options: StartKafkaOptions): Promise<KafkaServer> {
  const { dataDir, place, readyTimeoutMs = 90_000 } = options;
  const nodeId = place?.nodeId ?? 1;
  const logsDir = join(dataDir, 'logs');
  mkdirSync(logsDir, { recursive: true });
  const port = options.port ?? (await choosePort(options.preferredPort));
  const address = `127.0.0.1:${port}`;
  const settingsFile = join(dataDir, 'server.properties');
  const logSettingsFile = join(dataDir, 'log4j2.properties');
  writeFileSync(settingsFile, serverProperties({
    port, nodeId, controllerPorts: place?.controllerPorts ?? [await freePort()], dataDir: logsDir, groupMinSessionTimeoutMs: options.groupMinSessionTimeoutMs ?? 1_000, via: options.via, more: options.settings,
  }));
  writeFileSync(logSettingsFile, log4jProperties);
  const classPath = join(options.jarsDir, '*');
  await formatOnce(options, logsDir, settingsFile, classPath);
  const process = await launch({
    name: 'kafka', command: options.java ?? 'java', logFile: join(dataDir, 'kafka.log'), env: options.env, cwd: dataDir,
    onLaunch: options.onLaunch,
    // For a broker of one machine: what the better compiler and the parallel collector gain later, they cost now, on cores that others need.
    args: [`-Xmx${options.heapMegabytesMax ?? 512}m`, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:+ExitOnOutOfMemoryError', `-Dlog4j2.configurationFile=${logSettingsFile}`,
      '-cp', classPath, 'kafka.Kafka', settingsFile],
  });
  try {
    await waitUntilReady({ process, timeoutMs: readyTimeoutMs, probe: () => probe(address, nodeId) });
    return serverOf('kafka', address, process);
  } catch (error) {
    await process.stop();
    throw error;
  }
}

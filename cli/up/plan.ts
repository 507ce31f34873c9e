import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostPort, reachableHost } from '../../lib/host-port.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { parseConfig } from '../../contracts/schemas/config.ts';
import type { Config } from '../../contracts/schemas/config.ts';
import type { DataFolder, Endpoints, Service, ServiceStatus } from '@headrace/stack/supervisor';
import type { Embedded, Ports } from './addresses.ts';
import type { UpOptions } from './options.ts';
import type { Programs } from './prepare.ts';
import { processServices, simulatorOf } from './process-services.ts';
import { serverServices } from './server-services.ts';
import { setUpServices } from './set-up.ts';
import type { TrimmingOptions } from './trim.ts';

/** Everything that is known before the first server starts. */
export interface PlanInput {
  options: UpOptions;
  /** The environment that `headrace up` was started with. */
  baseEnv: NodeJS.ProcessEnv;
  folder: DataFolder;
  embedded: Embedded;
  ports: Ports;
  programs: Programs;
  pipelines: readonly AnyPipeline[];
  onDone: (text: string) => void;
}

/** What will run, and where it will be. */
export interface Plan {
  services: Service[];
  /** Why there is no generator, when there is none. */
  withoutGenerator?: string;
  /** Events per second of the generator, when there is one. */
  simulatedRate?: number;
  retentionHours: () => number | undefined;
  /** How long lake and dashboard keep decisions; undefined = for ever. */
  decisionsHours?: number;
  /** What the embedded Kafka is trimmed by; undefined for a Kafka of the user's own. */
  trimming?: () => Pick<TrimmingOptions, 'config' | 'pipelines' | 'retentionHours'>;
  /** What the worker noted at its start, a sentence each. */
  notes: () => readonly string[];
  endpoints: (status: ServiceStatus[]) => Endpoints;
}

const repository = fileURLToPath(new URL('../..', import.meta.url));
const simulatedRate = 50;
/** The least that a Temporal server takes. */
const shortestRetentionHours = 1;
/** A Kafka of the user's own may keep events for longer, and Temporal should then, too. */
const usualRetentionHours = 24;
/** Some 2 GB of decisions at the simulated rate. */
const decisionsHours = 12;

/** How long what is done stays in the embedded Temporal and Kafka. */
function retentionOf({ options, embedded }: PlanInput): number {
  return options.retention ?? (embedded.kafka ? shortestRetentionHours : usualRetentionHours);
}

/** The environment of our processes before the embedded servers are in it. */
export function commonEnv({
  options,
  baseEnv,
  folder,
}: Pick<PlanInput, 'options' | 'baseEnv' | 'folder'>): NodeJS.ProcessEnv {
  return {
    ...baseEnv,
    HEADRACE_DATA_DIR: folder.root,
    ...(options.pipelines === undefined ? {} : { HEADRACE_PIPELINES_DIR: resolve(options.pipelines) }),
    ...(options.pipeline === undefined ? {} : { HEADRACE_PIPELINES: options.pipeline.join(',') }),
    ...(options.verbose === true ? { HEADRACE_LOG_LEVEL: 'debug' } : {}),
  };
}

/** The model repository of the embedded server: the one named, else the one beside the user's pipelines, else ours. */
function modelsDirOf({ models }: UpOptions, pipelinesDir: string | undefined): string {
  const beside = pipelinesDir === undefined ? undefined : join(pipelinesDir, 'models');
  const folder =
    models !== undefined
      ? resolve(models)
      : beside !== undefined && existsSync(beside)
        ? beside
        : join(repository, 'models', 'repository');
  if (!existsSync(folder)) throw new Error(`no model repository ${folder}: check --models`);
  return folder;
}

function generatorOf({ options, pipelines }: PlanInput, pipelinesDir: string | undefined) {
  if (!options.generator) return { why: '--no-generator' };
  if (options.events !== undefined) return { why: `events come from ${options.events}` };
  for (const { name } of pipelines) {
    const main = simulatorOf(pipelinesDir, name);
    if (main !== undefined) return { generator: { main, pipeline: name, rate: options.rate ?? simulatedRate } };
  }
  return { why: `no simulator/main.ts beside ${pipelines.map(({ name }) => name).join(', ')}` };
}

function lakeDirOf(config: Config, folder: DataFolder): string {
  return config.lake.url === undefined ? folder.lakeDir : fileURLToPath(config.lake.url);
}

/** What is known only once servers and processes run. */
interface Learned {
  databaseUrl?: string;
  gatewayUrl: string;
  retentionHours?: number;
  /** What the worker noted at its start. */
  notes: readonly string[];
  /** Models that the model server cannot serve. */
  notLoaded: readonly string[];
}

/** The environment of our processes, as far as the addresses in it are known by now. */
function environmentOf(input: PlanInput, { databaseUrl }: Learned): NodeJS.ProcessEnv {
  const { embedded, ports } = input;
  const common = commonEnv(input);
  const uiOrigins = [`http://127.0.0.1:${ports.temporalUi}`, `http://localhost:${ports.temporalUi}`];
  return {
    ...common,
    ...(embedded.temporal
      ? {
          TEMPORAL_ADDRESS: `127.0.0.1:${ports.temporal}`,
          TEMPORAL_UI_URL: uiOrigins[0],
          HEADRACE_CODEC_ORIGINS: [common['HEADRACE_CODEC_ORIGINS'], ...uiOrigins].filter(Boolean).join(','),
        }
      : {}),
    ...(embedded.kafka ? { KAFKA_BROKERS: `127.0.0.1:${ports.kafka}` } : {}),
    ...(embedded.postgres && databaseUrl !== undefined ? { DATABASE_URL: databaseUrl } : {}),
    // Where one of the two is the user's own, nothing is deleted unasked.
    ...(embedded.postgres && !common['LAKE_URL'] && !common['HEADRACE_DECISIONS_RETENTION_HOURS']
      ? { HEADRACE_DECISIONS_RETENTION_HOURS: String(decisionsHours) }
      : {}),
    ...(embedded.modelServer ? { TRITON_URL: `127.0.0.1:${ports.modelServer}` } : {}),
    HEADRACE_GATEWAY_PORT: String(ports.gateway),
  };
}

function serversOf(input: PlanInput, config: Config, learned: Learned): Service[] {
  const { options, folder, embedded, ports, programs } = input;
  return serverServices({
    embedded,
    programs,
    folder,
    ports,
    env: input.baseEnv,
    namespace: config.temporal.namespace,
    retentionHours: retentionOf(input),
    uiCodecEndpoint: `${learned.gatewayUrl}/codec`,
    modelsDir: embedded.modelServer ? modelsDirOf(options, config.pipelinesDir) : '',
    onDatabaseUrl: (url) => {
      learned.databaseUrl = url;
    },
    onNotLoaded: (sentences) => {
      learned.notLoaded = sentences;
    },
    onRetention: (hours) => {
      learned.retentionHours = hours;
    },
    onNote: input.onDone,
  });
}

/** Lays out services, their environment and their addresses. Starts nothing. */
export function makePlan(input: PlanInput): Plan {
  const { folder, embedded, ports, pipelines } = input;
  const learned: Learned = { gatewayUrl: `http://127.0.0.1:${ports.gateway}`, notes: [], notLoaded: [] };
  const env = () => environmentOf(input, learned);
  const config = parseConfig(env());
  const servers = serversOf(input, config, learned);
  const setUp = setUpServices({ env, pipelines, embedded, onDone: input.onDone });
  const { generator, why } = generatorOf(input, config.pipelinesDir);
  const processes = processServices({
    folder,
    ports,
    metricsHost: config.metrics.host,
    env,
    generator,
    needs: [...servers, ...setUp].map(({ name }) => name),
    onGatewayUrl: (url) => {
      learned.gatewayUrl = url;
    },
    onNotes: (noted) => {
      learned.notes = noted;
    },
  });
  const startedAt = new Date().toISOString();
  return {
    services: [...servers, ...setUp, ...processes],
    withoutGenerator: why,
    simulatedRate: generator?.rate,
    retentionHours: () => learned.retentionHours,
    decisionsHours: config.lake.retentionHours,
    trimming: embedded.kafka
      ? () => ({ config: parseConfig(env()), pipelines, retentionHours: retentionOf(input) })
      : undefined,
    notes: () => [
      ...learned.notLoaded.map(
        (sentence) => `the model server does not serve one model of the repository: ${sentence}`,
      ),
      ...learned.notes,
    ],
    endpoints: (services) => ({
      ...endpointsOf(input, parseConfig(env()), learned.gatewayUrl),
      startedAt,
      metrics: Object.fromEntries(
        processes.map(({ name }) => [
          name,
          `http://${hostPort(reachableHost(config.metrics.host), ports.metrics[name as keyof Ports['metrics']])}`,
        ]),
      ),
      services,
    }),
  };
}

/** Where everything is, by the configuration of now. */
function endpointsOf(
  { folder, embedded, pipelines }: PlanInput,
  config: Config,
  gatewayUrl: string,
): Omit<Endpoints, 'startedAt' | 'metrics' | 'services'> {
  return {
    version: 1,
    dataDir: folder.root,
    deployment: config.deployment,
    supervisorPid: process.pid,
    temporal: {
      address: config.temporal.address,
      namespace: config.temporal.namespace,
      uiUrl: config.temporal.uiUrl,
      embedded: embedded.temporal,
    },
    kafka: { brokers: config.kafka.brokers, embedded: embedded.kafka },
    database: { url: config.database.url, embedded: embedded.postgres },
    triton: { url: config.triton.url, embedded: embedded.modelServer },
    gateway: { url: gatewayUrl, docsUrl: `${gatewayUrl}/docs` },
    lake: { dir: lakeDirOf(config, folder) },
    features: { dir: folder.featuresDir },
    pipelines: pipelines.map(({ name, topic }) => ({ name, topic: topic.name })),
  };
}

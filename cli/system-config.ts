import { parseConfig, type Config } from '../contracts/schemas/config.ts';
import type { Endpoints } from '@headrace/stack/supervisor';
import { hasEnded } from './status-report.ts';
import { dataDirOf, findRunningSystem } from './running-system.ts';

/** Settings of the system that a command is about, and its pipelines as far as they are known. */
export interface SystemConfig {
  config: Config;
  pipelines: string[];
  /** Absent when nobody has told which topics they read. */
  topics?: { name: string; topic: string }[];
  /** Metrics addresses of its processes, by name. */
  targets: Record<string, string>;
}

/** What says which servers are meant. They belong together: the ledger of one system says nothing of the batches of another. */
const addressNames = ['TEMPORAL_ADDRESS', 'KAFKA_BROKERS', 'DATABASE_URL'] as const;

/**
 * The settings of the system that runs on the data folder, or of the one whose servers the environment names: never some of both.
 * Deployment and namespace alone may be others on the servers that run. Throws one sentence when it is not clear which system is
 * meant.
 */
export function systemConfig(dataDir: string | undefined, env: NodeJS.ProcessEnv): SystemConfig {
  const config = parseConfig(env);
  const folder = dataDirOf(dataDir, env);
  const isSet = (name: string) => Boolean(env[name]);
  const running = findRunningSystem(folder);
  if (!running) {
    if (isSet('TEMPORAL_ADDRESS')) return ofEnvironment(config);
    throw new Error(
      `no Headrace runs on the data folder ${folder}; name another folder with --data-dir, or set ${listOf(addressNames)}`,
    );
  }
  const other = addressNames.filter((name) => isSet(name) && !isSame[name](config, running));
  if (other.length > 0) {
    const unset = addressNames.filter((name) => !isSet(name));
    if (unset.length === 0) return ofEnvironment(config);
    throw new Error(
      `${listOf(other)} ${other.length === 1 ? 'names a server' : 'name servers'} of another system than the one that runs on the data folder ${folder}; set ${listOf(unset)} too, or unset ${listOf(other)}`,
    );
  }
  const { temporal, kafka, database, deployment } = running;
  return {
    pipelines: running.pipelines.map(({ name }) => name),
    topics: running.pipelines,
    targets: Object.fromEntries(Object.entries(running.metrics).filter(([process]) => !hasEnded(running, process))),
    config: {
      ...config,
      deployment: isSet('HEADRACE_DEPLOYMENT') ? config.deployment : deployment,
      temporal: {
        ...config.temporal,
        address: temporal.address,
        namespace: isSet('TEMPORAL_NAMESPACE') ? config.temporal.namespace : temporal.namespace,
      },
      kafka: { ...config.kafka, brokers: kafka.brokers },
      database: { ...config.database, url: database.url },
    },
  };
}

function ofEnvironment(config: Config): SystemConfig {
  return {
    config,
    pipelines: [...(config.pipelines ?? [])],
    targets: Object.fromEntries(config.metrics.targets.map((target) => [target, target])),
  };
}

const isSame: Record<(typeof addressNames)[number], (config: Config, running: Endpoints) => boolean> = {
  TEMPORAL_ADDRESS: ({ temporal }, running) => temporal.address === running.temporal.address,
  KAFKA_BROKERS: ({ kafka }, running) => kafka.brokers.toSorted().join() === running.kafka.brokers.toSorted().join(),
  DATABASE_URL: ({ database }, running) => database.url === running.database.url,
};

function listOf(names: readonly string[]): string {
  return [names.slice(0, -1).join(', '), names.at(-1)].filter(Boolean).join(' and ');
}
